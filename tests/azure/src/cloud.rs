//! The stand-in itself. In: a service, a request and the time. Out: the answer. The rest of this crate is either one of
//! the services or the way to them.

use crate::arm::{self, operation::Outcome};
use crate::clock::Clock;
use crate::config::Config;
use crate::digest;
use crate::faults::Faults;
use crate::imds;
use crate::ledger::Ledger;
use crate::message::{Reply, Request, Site};
use crate::token;
use crate::vault;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Everything that there is.
pub(crate) struct State {
    pub config: Config,
    pub arm: arm::State,
    pub vaults: BTreeMap<String, vault::Vault>,
    requests: u64,
    ids: u64,
}

impl State {
    /// An id that nothing else has.
    pub fn new_id(&mut self, what: &str) -> String {
        self.ids += 1;
        digest::uuid(&[what, &self.ids.to_string()])
    }
}

struct Inner {
    state: Mutex<State>,
    clock: Box<dyn Clock>,
    faults: Faults,
    ledger: Ledger,
}

/// An Azure. Clones are the same one.
#[derive(Clone)]
pub struct Cloud(Arc<Inner>);

impl Cloud {
    /// A new one, without resources.
    pub fn new(config: Config, clock: impl Clock + 'static) -> Self {
        let vaults = config.vaults.iter().map(|name| (name.clone(), vault::Vault::default())).collect();
        let arm = arm::State::new(&config);
        let state = State { config, arm, vaults, requests: 0, ids: 0 };
        Cloud(Arc::new(Inner {
            state: Mutex::new(state),
            clock: Box::new(clock),
            faults: Faults::default(),
            ledger: Ledger::default(),
        }))
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What goes wrong.
    pub fn faults(&self) -> &Faults {
        &self.0.faults
    }

    /// What was asked, and answered.
    pub fn ledger(&self) -> &Ledger {
        &self.0.ledger
    }

    /// The present of this Azure, in milliseconds since the Unix epoch.
    pub fn now(&self) -> u64 {
        self.0.clock.now()
    }

    /// Answers a request, without the faults that cut or delay it, and notes it in the ledger. `outcome` is what becomes
    /// of the operation that it starts.
    pub fn handle(&self, site: &Site, request: &Request, outcome: Option<Outcome>) -> Reply {
        let now = self.now();
        let mut state = self.state();
        state.requests += 1;
        let request_id = digest::uuid(&["request", &state.requests.to_string()]);
        let reply = match site {
            Site::Arm => arm::handle(&mut state, request, now, outcome),
            Site::Login => token::endpoint(&mut state, request, now),
            Site::Imds => imds::handle(&state, request, now),
            Site::Vault(name) => vault::handle(&mut state, name, request, now),
        };
        drop(state);
        let correlation = request.get_header("x-ms-correlation-request-id").unwrap_or(&request_id).to_owned();
        reply
            .header("x-ms-request-id", &request_id)
            .header("x-ms-correlation-request-id", &correlation)
            .header("cache-control", "no-cache")
    }

    /// Notes a request and what was answered; `None`: the client never heard.
    pub(crate) fn note(&self, site: &Site, request: &Request, reply: Option<&Reply>, accepted: bool) {
        self.0.ledger.note(self.now(), site, request, reply, accepted);
    }

    // ------------------------------------------------------------------ what tests ask and change behind the API

    /// A token as the endpoint would hand it out.
    pub fn token(&self, client_id: &str, audience: &str) -> String {
        let now = self.now();
        token::mint(&self.state(), client_id, audience, now)
    }

    /// What a cluster writes into the federated token file of a service account.
    pub fn federated_token(&self, subject: &str, life: Duration) -> String {
        token::assertion(subject, self.now(), u64::try_from(life.as_millis()).unwrap_or(u64::MAX))
    }

    /// A resource as ARM would return it, whether or not it can be seen yet. Ids differ not by case.
    pub fn resource(&self, id: &str) -> Option<Value> {
        let now = self.now();
        let mut state = self.state();
        arm::settle(&mut state, now);
        state.arm.resources.get(&id.to_ascii_lowercase()).map(|resource| resource.body.clone())
    }

    /// Ids of all resources of a type (`Microsoft.Sql/servers`), those that are being created too.
    pub fn resources_of(&self, type_: &str) -> Vec<String> {
        let now = self.now();
        let mut state = self.state();
        arm::settle(&mut state, now);
        let all = state.arm.resources.values();
        all.filter(|one| one.id.type_name().eq_ignore_ascii_case(type_)).map(|one| one.id.to_string()).collect()
    }

    /// Whether somebody could log in to a server with these. This is how a test learns that a password arrived.
    pub fn can_log_in(&self, server_id: &str, login: &str, password: &str) -> bool {
        let now = self.now();
        let mut state = self.state();
        arm::settle(&mut state, now);
        state.arm.resources.get(&server_id.to_ascii_lowercase()).is_some_and(|server| {
            server.body.pointer("/properties/administratorLogin").and_then(Value::as_str) == Some(login)
                && server.hidden.get("/properties/administratorLoginPassword").map(String::as_str) == Some(password)
        })
    }

    /// Somebody changes a resource in the portal: `change` gets its body.
    pub fn edit(&self, id: &str, change: impl FnOnce(&mut Value)) {
        let now = self.now();
        let mut state = self.state();
        arm::settle(&mut state, now);
        if let Some(resource) = state.arm.resources.get_mut(&id.to_ascii_lowercase()) {
            change(&mut resource.body);
            resource.version += 1;
        }
    }

    /// Somebody makes a resource in the portal, ready at once. The body is what ARM would return of it.
    pub fn put(&self, id: &str, body: &Value) {
        let mut state = self.state();
        arm::place(&mut state, id, body);
    }

    /// Somebody removes a resource and all below it.
    pub fn remove(&self, id: &str) {
        let key = id.to_ascii_lowercase();
        self.state().arm.resources.retain(|other, _| *other != key && !other.starts_with(&format!("{key}/")));
    }

    /// Locks everything below an id against deletion.
    pub fn lock(&self, id: &str) {
        self.state().arm.locks.push(id.to_ascii_lowercase());
    }

    /// Takes the lock away.
    pub fn unlock(&self, id: &str) {
        self.state().arm.locks.retain(|lock| *lock != id.to_ascii_lowercase());
    }

    /// Changes how the stand-in is.
    pub fn configure(&self, change: impl FnOnce(&mut Config)) {
        change(&mut self.state().config);
    }

    /// Something of how the stand-in is.
    pub fn with_config<T>(&self, read: impl FnOnce(&Config) -> T) -> T {
        read(&self.state().config)
    }

    /// The current value of a vault's secret.
    pub fn vault_value(&self, vault: &str, name: &str) -> Option<String> {
        self.state().vaults.get(vault)?.current(name).map(|version| version.value.clone())
    }

    /// How many versions a vault's secret has; those of a deleted one count.
    pub fn vault_versions(&self, vault: &str, name: &str) -> usize {
        self.state().vaults.get(vault).map_or(0, |vault| vault.versions(name))
    }
}

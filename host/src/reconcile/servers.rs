//! MySQL servers in a pass: those of the last decision are asked before the plugin is, and those that its answer names
//! besides are asked before it is asked again.

use crate::{
    act::Hands,
    context::{Context, Memory, Served},
    mysql::{Lease, Owner, Wanted, named},
    observe::{
        Look,
        servers::{Asked, Found, has_servers},
    },
};
use model::{Body, Checked, Decision, ItemId, Plan, check, decision::MysqlServer, plan::Action};
use std::{collections::BTreeSet, sync::Arc};

impl Context {
    /// Asks the servers of the last decision. Without such this costs nothing.
    pub(super) async fn ask_known_servers(&self, look: &Look, served: &Served, memory: &mut Memory) -> Arc<Asked> {
        if memory.servers.is_empty() || !may_ask(served) {
            return Arc::default();
        }
        let servers: Vec<_> = memory.servers.iter().map(|(id, server)| (id.clone(), (**server).clone())).collect();
        let wanted = self.with_secrets(look, served, memory, servers).await;
        Arc::new(self.ask_servers(look, wanted).await)
    }

    /// Takes in which servers a decision names, and asks those that were not asked in this pass with the same login.
    /// None where there are no such: the decision was made in full knowledge.
    pub(super) async fn ask_new_servers(
        &self,
        look: &Look,
        served: &Served,
        decision: &Decision,
        memory: &mut Memory,
        asked: &Asked,
    ) -> Option<Arc<Asked>> {
        if !has_servers(decision) || !may_ask(served) {
            // The resource has no servers any more, or none that may be asked: the check refuses those.
            (memory.servers, memory.credentials, memory.lease) = Default::default();
            return None;
        }
        let servers: Vec<(ItemId, MysqlServer)> = decision
            .items
            .iter()
            .filter_map(|item| match &item.body {
                Body::Mysql(server) => Some((item.id.clone(), (**server).clone())),
                _ => None,
            })
            .collect();
        memory.lease.get_or_insert_with(|| Lease::new(self.mysql.clone(), owner(look)));
        memory.servers = servers.iter().map(|(id, server)| (id.clone(), Arc::new(server.clone()))).collect();
        let named = servers.iter().flat_map(|(_, server)| named(server)).collect();
        memory.credentials.only(&named);
        let wanted = self.with_secrets(look, served, memory, servers).await;
        let known = |one: &Wanted| asked.get(&one.item).is_some_and(|found| found.wanted.same_login(one));
        let new: Vec<Wanted> = wanted.into_iter().filter(|one| !known(one)).collect();
        if new.is_empty() {
            return None;
        }
        let mut all = asked.clone();
        all.retain(|id, _| memory.servers.contains_key(id));
        all.extend(self.ask_servers(look, new).await);
        Some(Arc::new(all))
    }

    /// What acting on the servers of a plan needs. `version` is that of the resource.
    pub(super) async fn hands(
        &self,
        look: &Look,
        served: &Served,
        memory: &mut Memory,
        plan: &Plan<Checked>,
        version: String,
    ) -> Hands<'_> {
        let servers = plan.steps().iter().filter_map(|step| match &step.action {
            Action::Mysql(server) => Some((step.item.clone(), (**server).clone())),
            _ => None,
        });
        let servers: Vec<(ItemId, MysqlServer)> = servers.collect();
        let confirmed = servers.iter().filter(|(_, server)| model::mysql::needs_newest_view(server));
        let confirmed = confirmed.map(|(id, _)| id.clone()).collect();
        let wanted =
            if servers.is_empty() { Vec::new() } else { self.with_secrets(look, served, memory, servers).await };
        let cloud = self.cloud_hands(look, served, memory, version.clone()).await;
        Hands { servers: &*self.mysql, clock: &*self.clock, owner: owner(look), wanted, confirmed, version, cloud }
    }

    /// Servers with the values that are used for them: those of the resource's own Secrets, and of those that are granted.
    /// No server is sent another one, whatever the check will say of the decision.
    async fn with_secrets(
        &self,
        look: &Look,
        served: &Served,
        memory: &mut Memory,
        servers: Vec<(ItemId, MysqlServer)>,
    ) -> Vec<Wanted> {
        let sent: BTreeSet<_> = servers.iter().flat_map(|(_, server)| check::server_secrets(server)).collect();
        let mut keys: BTreeSet<_> = servers.iter().flat_map(|(_, server)| named(server)).collect();
        keys.retain(|key| !sent.contains(key) || look.may_use(key, &served.grants));
        let namespace = look.resource.key.namespace.as_deref();
        let secrets = memory.credentials.resolve(&keys, namespace, &self.cache, &self.actor).await;
        servers
            .into_iter()
            .map(|(item, server)| {
                let secrets = secrets.only(&named(&server));
                Wanted { item, server, secrets }
            })
            .collect()
    }

    async fn ask_servers(&self, look: &Look, wanted: Vec<Wanted>) -> Asked {
        let mut seen = self.mysql.look(&owner(look), &wanted, &*self.clock).await;
        wanted
            .into_iter()
            .filter_map(|wanted| {
                let seen = seen.remove(&wanted.item)?;
                Some((wanted.item.clone(), Found { wanted, seen }))
            })
            .collect()
    }
}

/// Whether servers may be logged in to for the plugin.
fn may_ask(served: &Served) -> bool {
    served.grants.backends.mysql && served.decider.description().backends.mysql
}

/// The resource, as the backend knows it.
fn owner(look: &Look) -> Owner {
    Owner { key: look.resource.key.clone(), uid: look.resource.uid.clone() }
}

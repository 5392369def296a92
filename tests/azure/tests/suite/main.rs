//! What the stand-in promises, one sentence for each promise.
#![allow(clippy::unwrap_used, reason = "a test may stop where it is surprised")]

mod arm;
mod operations;
mod rules;
mod tokens;
mod vault;
mod wire;

use azure::{Cloud, Config, ManualClock, Reply, Request, Site};
use serde_json::{Value, json};
use std::time::Duration;

pub(crate) const CLIENT: &str = "00000000-0000-4000-8000-0000000000c1";
pub(crate) const GROUP: &str = "/subscriptions/00000000-0000-4000-8000-00000000a2e0/resourceGroups/customers";
pub(crate) const SUBSCRIPTION: &str = "/subscriptions/00000000-0000-4000-8000-00000000a2e0";
pub(crate) const ARM: &str = "https://management.azure.com";
pub(crate) const VAULT: &str = "https://vault.azure.net";

/// An Azure with a clock that stands still, and somebody who asks it.
pub(crate) struct Asker {
    pub(crate) cloud: Cloud,
    pub(crate) clock: ManualClock,
    pub(crate) client: String,
}

impl Asker {
    pub(crate) fn new(config: Config) -> Self {
        let clock = ManualClock::default();
        Asker { cloud: Cloud::new(config, clock.clone()), clock, client: CLIENT.into() }
    }

    /// Somebody else who asks the same Azure.
    pub(crate) fn other(&self, client: &str) -> Asker {
        Asker { cloud: self.cloud.clone(), clock: self.clock.clone(), client: client.into() }
    }

    pub(crate) fn wait(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    pub(crate) fn send(&self, site: &Site, request: Request) -> Reply {
        let audience = if matches!(site, Site::Vault(_)) { VAULT } else { ARM };
        self.cloud.handle(site, &request.bearer(&self.cloud.token(&self.client, audience)), None)
    }

    fn arm(&self, method: &str, path: &str, body: Option<Value>) -> Reply {
        let version = if path.contains("Microsoft.Cache") {
            "2024-11-01"
        } else if path.contains("Microsoft.Network") {
            "2024-06-01"
        } else {
            "2021-11-01"
        };
        let request = Request::new(method, &format!("{path}?api-version={version}"));
        self.send(
            &Site::Arm,
            match body {
                Some(body) => request.json(&body),
                None => request,
            },
        )
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.arm("GET", path, None)
    }

    pub(crate) fn put(&self, path: &str, body: Value) -> Reply {
        self.arm("PUT", path, Some(body))
    }

    pub(crate) fn patch(&self, path: &str, body: Value) -> Reply {
        self.arm("PATCH", path, Some(body))
    }

    pub(crate) fn delete(&self, path: &str) -> Reply {
        self.arm("DELETE", path, None)
    }

    /// Asks at an address of an operation.
    pub(crate) fn poll(&self, address: &str) -> Reply {
        self.send(&Site::Arm, Request::new("GET", address.strip_prefix(ARM).unwrap()))
    }

    /// Makes a server and waits until it is ready.
    pub(crate) fn ready_server(&self, name: &str) -> String {
        let path = server(name);
        let reply = self.put(&path, server_body());
        assert_eq!(reply.status, 202, "{reply:?}");
        self.wait(60);
        path
    }
}

pub(crate) fn server(name: &str) -> String {
    format!("{GROUP}/providers/Microsoft.Sql/servers/{name}")
}

pub(crate) fn server_body() -> Value {
    json!({ "location": "eastus", "tags": { "team": "a" }, "properties": {
        "administratorLogin": "dbadmin", "administratorLoginPassword": "Correct-Horse-9", "version": "12.0",
    } })
}

pub(crate) fn code(reply: &Reply) -> (u16, &str) {
    (reply.status, reply.code().unwrap_or_default())
}

//! A server and short ways to ask it.

use crate::client::{self, Reply};
use apiserver::{Options, Server};
use serde_json::{Value, json};

pub const MAPS: &str = "/api/v1/namespaces/default/configmaps";

pub struct Stage {
    pub server: Server,
}

impl Stage {
    pub async fn start() -> Self {
        Self::with(Options::default()).await
    }

    pub async fn with(options: Options) -> Self {
        Self { server: Server::start(options).await.unwrap() }
    }

    pub async fn try_send(&self, method: &str, path: &str, media: &str, body: &Value) -> Result<Reply, String> {
        let address = self.server.url().trim_start_matches("http://").to_owned();
        let headers = [("content-type", media), ("user-agent", "test/1"), ("accept", "application/json")];
        let body = (!body.is_null()).then(|| body.to_string().into_bytes());
        client::send(&address, method, path, &headers, body).await
    }

    /// Status and body of an answer.
    pub async fn send(&self, method: &str, path: &str, media: &str, body: Value) -> (u16, Value) {
        let reply = self.try_send(method, path, media, &body).await.unwrap();
        (reply.status, reply.json())
    }

    pub async fn get(&self, path: &str) -> (u16, Value) {
        self.send("GET", path, "application/json", Value::Null).await
    }

    pub async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.send("POST", path, "application/json", body).await
    }

    pub async fn put(&self, path: &str, body: Value) -> (u16, Value) {
        self.send("PUT", path, "application/json", body).await
    }

    pub async fn merge(&self, path: &str, body: Value) -> (u16, Value) {
        self.send("PATCH", path, "application/merge-patch+json", body).await
    }

    pub async fn delete(&self, path: &str, body: Value) -> (u16, Value) {
        self.send("DELETE", path, "application/json", body).await
    }

    /// The events of a watch that ends by itself.
    pub async fn watch(&self, path: &str) -> Vec<Value> {
        let reply = self.try_send("GET", path, "application/json", &Value::Null).await.unwrap();
        assert_eq!(reply.status, 200, "{}", reply.json());
        reply.lines()
    }

    /// Create a ConfigMap; answers it.
    pub async fn map(&self, name: &str) -> Value {
        let (code, object) = self.post(MAPS, config_map(name)).await;
        assert_eq!(code, 201, "{object}");
        object
    }
}

pub fn config_map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"k": "v"}})
}

pub fn one(name: &str) -> String {
    format!("{MAPS}/{name}")
}

pub fn version(object: &Value) -> String {
    object["metadata"]["resourceVersion"].as_str().unwrap().to_owned()
}

/// Type and name of each event.
pub fn kinds(events: &[Value]) -> Vec<(&str, &str)> {
    let name = |e: &'_ Value| -> usize { e["object"]["metadata"]["name"].as_str().map_or(0, str::len) };
    events
        .iter()
        .map(|e| {
            let named = if name(e) > 0 { e["object"]["metadata"]["name"].as_str().unwrap() } else { "" };
            (e["type"].as_str().unwrap(), named)
        })
        .collect()
}

//! Sends the requests of a recording in order and compares the answers.

use crate::client::{self, Reply};
use crate::difference;
use crate::normal::{Normal, sorted};
use apiserver::controllers::{self, Controllers};
use apiserver::{Options, Server};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// How often and how long apart a request with `until` is repeated.
const ATTEMPTS: usize = 120;
const PAUSE: Duration = Duration::from_millis(125);

/// Replay a file against a fresh server with controllers; panics with every difference.
pub async fn matches(file: &str, exchanges: usize) {
    let path = format!("{}/fixtures/kube-traces/{file}", env!("CARGO_MANIFEST_DIR"));
    let recording: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let steps = recording["exchanges"].as_array().unwrap();
    assert_eq!(steps.len(), exchanges, "{file} has another number of exchanges");

    let server = Server::start(Options::default()).await.unwrap();
    let config = kube::config::Kubeconfig::from_yaml(&server.kubeconfig()).unwrap();
    let config = kube::Config::from_custom_kubeconfig(config, &Default::default()).await.unwrap();
    let controllers = Controllers::start(kube::Client::try_from(config).unwrap(), controllers::Options::default());
    controllers.ready().await;
    let address = server.url().trim_start_matches("http://").to_owned();
    let mut replay = Replay { address, variables: BTreeMap::new(), normal: Normal::new() };
    let mut differences = Vec::new();
    for step in steps {
        let found = replay.step(step).await;
        differences.extend(found.iter().map(|d| format!("  {}: {d}", step["id"].as_str().unwrap_or("?"))));
    }
    controllers.stop().await;
    server.stop().await;
    assert!(differences.is_empty(), "{file} differs from the recording:\n{}", differences.join("\n"));
}

struct Replay {
    address: String,
    variables: BTreeMap<String, String>,
    normal: Normal,
}

impl Replay {
    /// `${name}` in texts, names of fields too, becomes what was saved under the name.
    fn fill(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.fill_text(text)),
            Value::Array(items) => Value::Array(items.iter().map(|i| self.fill(i)).collect()),
            Value::Object(fields) => {
                Value::Object(fields.iter().map(|(k, v)| (self.fill_text(k), self.fill(v))).collect())
            }
            other => other.clone(),
        }
    }

    fn fill_text(&self, text: &str) -> String {
        self.variables.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("${{{name}}}"), value))
    }

    async fn step(&mut self, step: &Value) -> Vec<String> {
        if let Some(seconds) = step["wait"].as_f64() {
            // The recording waited so as to see that nothing happens in this time.
            tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
        }
        let until = step["until"].as_u64();
        let mut reply = self.send(step).await;
        for _ in 1..ATTEMPTS {
            match (&reply, until) {
                (Ok(answer), Some(wanted)) if u64::from(answer.status) != wanted => {}
                (Err(_), Some(_)) => {}
                _ => break,
            }
            tokio::time::sleep(PAUSE).await;
            reply = self.send(step).await;
        }
        let reply = match reply {
            Ok(reply) => reply,
            Err(error) => return vec![format!("the connection failed: {error}")],
        };
        let mut data = if step["watch"] == json!(true) { Value::Array(reply.lines()) } else { reply.json() };
        for (name, path) in step["save"].as_object().into_iter().flatten() {
            let value = dig(&data, path.as_str().unwrap()).map_or("MISSING".to_owned(), plain);
            self.variables.insert(name.clone(), value);
        }
        if let Some(paths) = step["pick"].as_array().filter(|p| !p.is_empty()) {
            data = pick(&data, paths);
        }
        self.compare(&step["want"], &reply, &data)
    }

    async fn send(&self, step: &Value) -> Result<Reply, String> {
        let text = |name: &str| step[name].as_str().unwrap().to_owned();
        let body = step.get("body").filter(|b| !b.is_null()).map(|b| self.fill(b));
        let mut headers: Map<String, Value> = Map::new();
        headers.insert("Accept".into(), json!("application/json"));
        headers.insert("User-Agent".into(), json!("trace/1"));
        if body.is_some() {
            headers.insert("Content-Type".into(), json!("application/json"));
        }
        if let Value::Object(own) = self.fill(&step["headers"]) {
            headers.extend(own);
        }
        let headers: Vec<(&str, &str)> = headers.iter().map(|(k, v)| (k.as_str(), v.as_str().unwrap())).collect();
        let body = body.map(|b| b.to_string().into_bytes());
        client::send(&self.address, &text("method"), &self.fill_text(&text("path")), &headers, body).await
    }

    fn compare(&mut self, want: &Value, reply: &Reply, data: &Value) -> Vec<String> {
        let data = self.normal.value(data);
        if want["status"].as_u64() != Some(u64::from(reply.status)) {
            return vec![format!("status: want {} got {} {}", want["status"], reply.status, sorted(&data))];
        }
        let mut out = difference::between(&want["body"], &data);
        let warnings: Vec<&str> = reply.headers.get_all("warning").iter().filter_map(|v| v.to_str().ok()).collect();
        let wanted = want["headers"]["Warning"].as_str().unwrap_or("");
        if warnings.join(", ") != wanted {
            out.push(format!("warning: want {wanted:?} got {warnings:?}"));
        }
        out
    }
}

/// The value at a path of names and indexes.
fn dig<'a>(data: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(data, |value, part| match value {
        Value::Array(items) => items.get(part.parse::<usize>().ok()?),
        other => other.get(part),
    })
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The values at these paths, each under its whole path.
fn pick(data: &Value, paths: &[Value]) -> Value {
    let picked = paths.iter().map(|path| {
        let path = path.as_str().unwrap();
        (path.to_owned(), dig(data, path).cloned().unwrap_or_else(|| json!("<ABSENT>")))
    });
    Value::Object(picked.collect())
}

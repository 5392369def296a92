//! The ledger: every request with its answer, without the secrets that it lawfully carries, and a search for secrets
//! that are where they have no place.

use crate::message::{Reply, Request, Site};
use crate::text;
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE},
};
use serde_json::Value;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// One request.
#[derive(Clone, Debug)]
pub struct Entry {
    /// When it came, in milliseconds since the Unix epoch.
    pub at: u64,
    /// Which service it was for.
    pub site: Site,
    /// Upper-case.
    pub method: String,
    /// Path without the query.
    pub path: String,
    /// JSON body, secrets replaced.
    pub body: Option<Value>,
    /// Status of the answer; none where the connection was cut.
    pub status: Option<u16>,
    /// Code of an error.
    pub code: Option<String>,
    /// ARM's id of the request.
    pub request_id: Option<String>,
    /// It changed something, or started to.
    pub accepted: bool,
    /// It was throttled because it came before the time that an earlier answer named.
    pub early: bool,
    /// All of the request but what it lawfully carries in secret.
    visible: String,
}

impl Entry {
    /// PUT, PATCH, POST or DELETE, but for tokens and questions.
    pub fn is_write(&self) -> bool {
        let asks = self.path.to_ascii_lowercase().ends_with("checknameavailability");
        !matches!(self.method.as_str(), "GET" | "HEAD") && !asks && self.site != Site::Login
    }
}

/// Every request so far.
#[derive(Default)]
pub struct Ledger(Mutex<Vec<Entry>>);

const HIDDEN: &str = "(hidden)";
/// Fields whose values are secrets where they are: of bodies of ARM and of forms of the token endpoint.
const SECRET_FIELDS: [&str; 3] = ["administratorLoginPassword", "client_secret", "client_assertion"];

impl Ledger {
    fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn note(&self, at: u64, site: &Site, request: &Request, reply: Option<&Reply>, accepted: bool) {
        let body = serde_json::from_slice::<Value>(&request.body).ok().map(|mut body| {
            hide(&mut body, site, 0);
            body
        });
        let entry = Entry {
            at,
            site: site.clone(),
            method: request.method.clone(),
            path: request.path.clone(),
            status: reply.map(|reply| reply.status),
            code: reply.and_then(Reply::code).map(str::to_owned),
            request_id: reply.and_then(|reply| reply.headers.get("x-ms-request-id")).cloned(),
            accepted,
            early: reply.is_some_and(|reply| reply.headers.contains_key("x-early")),
            visible: visible(site, request, body.as_ref()),
            body,
        };
        self.entries().push(entry);
    }

    /// All of them, in order.
    pub fn all(&self) -> Vec<Entry> {
        self.entries().clone()
    }

    /// Those that write to ARM or a vault.
    pub fn writes(&self) -> Vec<Entry> {
        self.entries().iter().filter(|entry| entry.is_write()).cloned().collect()
    }

    /// How many requests had this method and a path that ends like this, in whatever case.
    pub fn count(&self, method: &str, path_end: &str) -> usize {
        let end = path_end.to_ascii_lowercase();
        let same = |entry: &&Entry| entry.method == method && entry.path.to_ascii_lowercase().ends_with(&end);
        self.entries().iter().filter(same).count()
    }

    /// Requests that came before the time that an earlier answer named.
    pub fn early(&self) -> usize {
        self.entries().iter().filter(|entry| entry.early).count()
    }

    /// Requests that have a secret in a place that is not for it: in the path, the query, a header, another field of the
    /// body; as it is, percent-encoded, in Base64 at any offset, or in hexadecimal digits.
    pub fn leaks(&self, secret: &str) -> Vec<Entry> {
        let forms = forms(secret);
        let leaks = |entry: &&Entry| forms.iter().any(|form| entry.visible.contains(form.as_str()));
        self.entries().iter().filter(leaks).cloned().collect()
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.entries().clear();
    }
}

/// Replaces what is lawfully secret. The value of a vault's secret is at the top of its body.
fn hide(value: &mut Value, site: &Site, depth: usize) {
    match value {
        Value::Object(fields) => {
            for (key, field) in fields {
                let vault = matches!(site, Site::Vault(_)) && depth == 0 && key == "value";
                if vault || SECRET_FIELDS.contains(&key.as_str()) {
                    *field = HIDDEN.into();
                } else {
                    hide(field, site, depth + 1);
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| hide(value, site, depth + 1)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn visible(site: &Site, request: &Request, body: Option<&Value>) -> String {
    let mut parts = vec![request.method.clone(), request.target.clone(), request.path.clone()];
    let headers = request.headers.iter().filter(|(name, _)| *name != "authorization");
    parts.extend(headers.map(|(name, value)| format!("{name}: {value}")));
    match body {
        Some(body) => parts.push(body.to_string()),
        None if *site == Site::Login => {
            let form = text::form(&request.body).into_iter();
            let open = form.filter(|(key, _)| !SECRET_FIELDS.contains(&key.as_str()));
            parts.extend(open.map(|(key, value)| format!("{key}={value}")));
        }
        None => parts.push(String::from_utf8_lossy(&request.body).into_owned()),
    }
    let visible = parts.join("\n");
    // Also as it reads with every percent-encoding undone, however much of it was encoded.
    let decoded = text::percent_decoded(&visible, false).filter(|decoded| *decoded != visible);
    [Some(visible), decoded].into_iter().flatten().collect::<Vec<_>>().join("\n")
}

/// What a secret may look like.
fn forms(secret: &str) -> Vec<String> {
    let mut forms = vec![secret.to_owned(), text::percent_encoded(secret)];
    forms.push(secret.bytes().map(|byte| format!("{byte:02x}")).collect());
    forms.push(Value::from(secret).to_string().trim_matches('"').to_owned());
    for offset in 0..3_usize {
        // The characters at both ends depend on what is beside the secret.
        let padded = ["\0".repeat(offset).as_bytes(), secret.as_bytes()].concat();
        for encoded in [STANDARD.encode(&padded), URL_SAFE.encode(&padded)] {
            let inner = encoded.trim_end_matches('=');
            let start = if offset == 0 { 0 } else { offset + 1 };
            let end = inner.len().saturating_sub(usize::from(!padded.len().is_multiple_of(3)));
            forms.extend(inner.get(start..end).filter(|form| form.len() >= 8).map(str::to_owned));
        }
    }
    forms
}

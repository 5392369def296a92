//! Requests and answers as values, and which of the services a request is for.

use crate::text;
use serde_json::Value;
use std::collections::BTreeMap;

/// A service of Azure. In Azure each has a host name of its own, here a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Site {
    /// `management.azure.com`
    Arm,
    /// `login.microsoftonline.com`
    Login,
    /// `169.254.169.254`
    Imds,
    /// `NAME.vault.azure.net`
    Vault(String),
}

/// One request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// Upper-case.
    pub method: String,
    /// Path, percent-decoded, without the query.
    pub path: String,
    /// Query, decoded, with lower-case names.
    pub query: BTreeMap<String, String>,
    /// Path and query as they were sent.
    pub target: String,
    /// Headers with lower-case names.
    pub headers: BTreeMap<String, String>,
    /// The body as it was sent.
    pub body: Vec<u8>,
}

impl Request {
    /// A request without a body, of a path with an optional query.
    pub fn new(method: &str, target: &str) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let decoded = |text: &str| text::percent_decoded(text, false).unwrap_or_default();
        let query = text::form(query.as_bytes()).into_iter().map(|(key, value)| (key.to_ascii_lowercase(), value));
        Request {
            method: method.to_ascii_uppercase(),
            path: decoded(path),
            query: query.collect(),
            target: target.to_owned(),
            ..Request::default()
        }
    }

    /// The same with a JSON body.
    #[must_use]
    pub fn json(mut self, body: &Value) -> Self {
        self.body = body.to_string().into_bytes();
        self.header("content-type", "application/json")
    }

    /// The same with a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_ascii_lowercase(), value.to_owned());
        self
    }

    /// The same with a bearer token.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub(crate) fn get_header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The parts of the path.
    pub(crate) fn segments(&self) -> Vec<&str> {
        self.path.split('/').filter(|part| !part.is_empty()).collect()
    }
}

/// One answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Headers with lower-case names.
    pub headers: BTreeMap<String, String>,
    /// Body; none for an empty one.
    pub body: Option<Value>,
    /// The request changed something.
    pub accepted: bool,
}

impl Reply {
    /// An answer without a body.
    pub fn empty(status: u16) -> Self {
        Reply { status, ..Reply::default() }
    }

    /// An answer with a body.
    pub fn json(status: u16, body: Value) -> Self {
        Reply { status, body: Some(body), ..Reply::default() }
    }

    /// The same with a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_ascii_lowercase(), value.to_owned());
        self
    }

    /// The same, of a request that changed something.
    #[must_use]
    pub fn accepted(mut self) -> Self {
        self.accepted = true;
        self
    }

    /// The code of an error, wherever the service has it.
    pub fn code(&self) -> Option<&str> {
        let error = self.body.as_ref()?.get("error")?;
        error.get("code").unwrap_or(error).as_str()
    }
}

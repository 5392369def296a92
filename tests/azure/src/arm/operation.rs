//! Long-running operations: what was accepted, when it ends and how, and the two addresses at which a client can ask.
//! The addresses are signed, and as long as Azure's.

use super::State;
use crate::digest;
use crate::error::ApiError;
use crate::message::{Reply, Request};
use crate::text;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How an operation ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As it was asked for.
    Succeeded,
    /// With an error; nothing is changed.
    Failed {
        /// `NameAlreadyExists`
        code: String,
        /// For people.
        message: String,
    },
    /// Somebody stopped it; nothing is changed.
    Canceled,
}

impl Outcome {
    /// A failure.
    pub fn failed(code: &str, message: &str) -> Self {
        Outcome::Failed { code: code.to_owned(), message: message.to_owned() }
    }

    fn word(&self) -> &'static str {
        match self {
            Outcome::Succeeded => "Succeeded",
            Outcome::Failed { .. } => "Failed",
            Outcome::Canceled => "Canceled",
        }
    }
}

/// What an operation does when it succeeds.
#[derive(Clone, Debug)]
pub(crate) enum Work {
    Create,
    Replace { body: Value, hidden: BTreeMap<String, String> },
    Delete,
}

/// One operation.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    pub id: String,
    pub subscription: String,
    /// Key of the resource.
    pub resource: String,
    pub provider: &'static str,
    pub location: String,
    /// `serverAzureAsyncOperation`, `serverOperationResults`
    pub poll: (&'static str, &'static str),
    /// `UpsertLogicalServer`
    pub name: &'static str,
    pub api_version: String,
    pub started: u64,
    pub ends: u64,
    pub outcome: Outcome,
    pub work: Work,
    pub settled: bool,
}

impl Operation {
    fn address(&self, endpoint: &str, kind: &str) -> String {
        let path = format!(
            "/subscriptions/{}/providers/{}/locations/{}/{kind}/{}",
            self.subscription, self.provider, self.location, self.id
        );
        format!("{endpoint}{path}?api-version={}&{}", self.api_version, self.signature())
    }

    /// Ticks, a certificate, the signature and its hash: together more than 4 KB, as recorded.
    fn signature(&self) -> String {
        let ticks = (621_355_968_000_000_000 + self.started * 10_000).to_string();
        let certificate = digest::filler(&["certificate"], 3_900);
        let signature = digest::filler(&["signature", &self.id, &ticks], 342);
        let hash = digest::hex(&["hash", &self.id]);
        format!("t={ticks}&c={certificate}&s={signature}&h={hash}")
    }

    fn is_signed(&self, request: &Request) -> bool {
        let signed = Request::new("GET", &format!("/?{}", self.signature()));
        ["t", "c", "s", "h"].iter().all(|key| request.query.get(*key) == signed.query.get(*key))
    }

    /// The answer to the request that started it.
    pub fn accepted(&self, endpoint: &str, retry_after: u64) -> Reply {
        let body = json!({ "operation": self.name, "startTime": text::time(self.started) });
        self.addressed(Reply::json(202, body), endpoint, retry_after)
    }

    /// An answer with the addresses at which to ask.
    pub fn addressed(&self, reply: Reply, endpoint: &str, retry_after: u64) -> Reply {
        let (state, result) = self.poll;
        reply
            .header("azure-asyncoperation", &self.address(endpoint, state))
            .header("location", &self.address(endpoint, result))
            .header("retry-after", &retry_after.to_string())
            .accepted()
    }
}

/// Answers a question about an operation.
pub(crate) fn poll(
    state: &State,
    retry_after: u64,
    id: &str,
    result: bool,
    request: &Request,
    now: u64,
) -> Result<Reply, ApiError> {
    let Some(operation) = state.operations.get(id) else {
        let message = format!("The operation with Id '{id}' was not found.");
        return Err(ApiError::new(404, "OperationIdNotFound", &message));
    };
    if !operation.is_signed(request) {
        // Unverified: that a changed address is refused is certain, how it is refused is not recorded.
        return Err(ApiError::gateway(
            403,
            "AuthorizationFailed",
            "The signature of the operation's URL is not valid.",
        ));
    }
    let running = now < operation.ends;
    if result {
        return Ok(finished(state, operation, running, retry_after));
    }
    let status = if running { "InProgress" } else { operation.outcome.word() };
    let mut body = json!({ "name": operation.id, "status": status, "startTime": text::time(operation.started) });
    if let (false, Outcome::Failed { code, message }) = (running, &operation.outcome) {
        body["error"] = json!({ "code": code, "message": message });
    }
    let reply = Reply::json(200, body);
    Ok(if running { reply.header("retry-after", &retry_after.to_string()) } else { reply })
}

/// The answer at the address of the result.
fn finished(state: &State, operation: &Operation, running: bool, retry_after: u64) -> Reply {
    if running {
        let location = operation.address(&state.endpoint, operation.poll.1);
        return Reply::empty(202).header("location", &location).header("retry-after", &retry_after.to_string());
    }
    match (&operation.outcome, &operation.work) {
        (Outcome::Succeeded, Work::Delete) => Reply::empty(204),
        (Outcome::Succeeded, Work::Create | Work::Replace { .. }) => match state.resources.get(&operation.resource) {
            Some(resource) => Reply::json(200, resource.body.clone()),
            None => Reply::empty(204),
        },
        (Outcome::Failed { code, message }, _) => ApiError::new(409, code, message).reply(),
        (Outcome::Canceled, _) => {
            ApiError::new(409, "OperationCancelled", "The operation has been cancelled by user.").reply()
        }
    }
}

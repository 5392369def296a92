//! The decision table: what is the case with a server, as one value. In: what was found of the server and of its Secret.
//! Out: the first case of the table that holds. Everything that is built and said follows from it.

use crate::build::{CREDENTIALS, PASSWORD, SERVER, server};
use crate::place::Place;
use crate::policy::Policy;
use crate::spec::ServerSpec;
use crate::status::ServerStatus;
use windlass_sdk::azure::{ArmFacts, FailureClass, OperationFacts, Sight};
use windlass_sdk::{Fault, Kind, RelatedQuery, Snapshot, Value};

/// Name of the query for the Secret.
pub const SECRET_QUERY: &str = "credentials";

/// What is the case.
#[derive(Clone, Debug, PartialEq)]
pub enum Situation {
    /// Nobody has asked for the server yet. Nothing is concluded: it may exist.
    Looking,
    /// Azure does not answer, or not to us.
    Unreachable {
        /// `CredentialMissing`, `Forbidden`, `Timeout`, …
        reason: String,
        /// When the first unanswered attempt was made.
        since: u64,
    },
    /// The server exists and its password is nowhere.
    PasswordUnknown,
    /// Somebody else has the name.
    NameTaken(String),
    /// There is no server and nothing stands in its way.
    Absent,
    /// Azure has accepted the server, and it is not to be seen yet.
    Accepted,
    /// A write is under way.
    Running {
        /// When it is looked at again.
        retry_at: u64,
    },
    /// The last write failed.
    Failed(Failure),
    /// The server is there and not ready.
    NotReady(String),
    /// What cannot change is wished otherwise: these fields.
    Immutable(Vec<String>),
    /// The server differs from what is wished, and the host changes it: these fields.
    Drifted(Vec<String>),
    /// The server does not have the password of the Secret yet.
    PasswordPending,
    /// The server is as wished.
    Settled,
}

/// A write that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// ARM's code.
    pub code: String,
    /// ARM's words.
    pub message: String,
    /// What becomes of it.
    pub class: FailureClass,
    /// When it is tried again.
    pub retry_at: u64,
}

impl Failure {
    /// From the facts of an operation.
    pub fn of(operation: &OperationFacts) -> Self {
        Failure {
            code: operation.error_code.clone().unwrap_or_default(),
            message: operation.error_message.clone().unwrap_or_default(),
            // What the host does not class it will try again.
            class: operation.failure.unwrap_or(FailureClass::Transient),
            retry_at: operation.retry_at,
        }
    }
}

/// Everything that the rest of the decision needs to know.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// What is the case.
    pub situation: Situation,
    /// The server as ARM returned it, where it is there.
    pub live: Option<Value>,
    /// Azure has, or may have, the server.
    pub exists: bool,
    /// The Secret may be made, kept or rotated. False while a password of an existing server would be replaced unasked.
    pub may_have_secret: bool,
    /// Fields that Azure took and does not show as they were sent.
    pub unshown: Vec<String>,
}

type Seen = Snapshot<ServerSpec, ServerStatus>;

/// What is the case.
pub fn of(snapshot: &Seen, place: &Place, wanted: &Value, policy: Policy) -> Result<Case, Fault> {
    let facts = match snapshot.arm(SERVER) {
        Sight::NotAsked => return Ok(Case::without_facts(Situation::Looking)),
        Sight::Silent(silence) => {
            let situation = Situation::Unreachable { reason: silence.reason.clone(), since: silence.since };
            return Ok(Case { exists: true, ..Case::without_facts(situation) });
        }
        Sight::Answers(facts) => facts,
    };
    let live = facts.found.then(|| facts.parsed());
    let exists = facts.found || facts.accepted;
    // Where nothing is written, whether there is a password does not matter.
    let may_have_secret = policy == Policy::Skip || !exists || has_secret(snapshot, place)? || consents(snapshot);
    let mut differ = live.as_ref().map(|live| server::fields_that_differ(live, wanted)).unwrap_or_default();
    // Where the host has nothing to send, what differs was sent, and is not shown as it was.
    let sent = policy != Policy::Skip && snapshot.is_ready(SERVER);
    let unshown = if sent { std::mem::take(&mut differ) } else { Vec::new() };
    let situation = judge(snapshot, place, facts, live.as_ref(), differ, may_have_secret);
    Ok(Case { situation, live, exists, may_have_secret, unshown })
}

impl Case {
    fn without_facts(situation: Situation) -> Self {
        // Whether there is a Secret is not known either; what there is stays.
        Case { situation, live: None, exists: false, may_have_secret: false, unshown: Vec::new() }
    }
}

/// The first case of the table that holds.
fn judge(
    snapshot: &Seen,
    place: &Place,
    facts: &ArmFacts,
    live: Option<&Value>,
    drift: Vec<String>,
    may_have_secret: bool,
) -> Situation {
    if let Some(operation) = facts.operation.as_ref().filter(|operation| operation.running) {
        return Situation::Running { retry_at: operation.retry_at };
    }
    // Before failures: without its password, a server would be changed in ways that cannot be undone.
    if !may_have_secret {
        return Situation::PasswordUnknown;
    }
    if let Some(operation) = facts.failed() {
        return Situation::Failed(Failure::of(operation));
    }
    let Some(live) = live else {
        return match (&facts.name_taken, facts.accepted) {
            (_, true) => Situation::Accepted,
            (Some(why), false) => Situation::NameTaken(why.clone()),
            (None, false) => Situation::Absent,
        };
    };
    let state = live.pointer("/properties/state").and_then(Value::as_str).unwrap_or("unknown");
    if state != "Ready" {
        return Situation::NotReady(state.to_string());
    }
    let fixed = server::fixed_fields_that_differ(&snapshot.resource, place, live);
    if !fixed.is_empty() {
        return Situation::Immutable(fixed);
    }
    if !drift.is_empty() {
        return Situation::Drifted(drift);
    }
    if password_is_pending(snapshot, facts) {
        return Situation::PasswordPending;
    }
    Situation::Settled
}

/// Whether the Secret has a password. Where the last pass had no item for it, it is asked for by its name.
fn has_secret(snapshot: &Seen, place: &Place) -> Result<bool, Fault> {
    if snapshot.secret(CREDENTIALS).is_some_and(|facts| facts.keys.iter().any(|key| key.key == PASSWORD)) {
        return Ok(true);
    }
    if snapshot.item(CREDENTIALS).is_some_and(|item| item.is_absent()) {
        return Ok(false);
    }
    let Some(answer) = snapshot.related(SECRET_QUERY) else {
        return Err(Fault::Needs(vec![
            RelatedQuery::all(SECRET_QUERY, Kind::of("", "v1", "Secret")).named(&place.secret),
        ]));
    };
    let named = |object: &Value| {
        object.pointer("/metadata/name").and_then(Value::as_str) == Some(place.secret.as_str())
            && object.pointer("/data").and_then(|data| data.get(PASSWORD)).is_some()
    };
    if answer.parsed().any(|object| named(&object)) {
        return Ok(true);
    }
    if answer.complete {
        return Ok(false);
    }
    let why = answer.reason.as_deref().unwrap_or("no reason given");
    Err(Fault::Retry(format!("whether Secret {} exists cannot be seen: {why}", place.secret)))
}

/// The user asked for a new password since the last one was made.
fn consents(snapshot: &Seen) -> bool {
    let made = snapshot.resource.status.credentials_generation.unwrap_or(0);
    snapshot.resource.spec.credentials.generation > made
}

/// The password that was sent last is not that of the Secret, or the Secret is to get a new one.
fn password_is_pending(snapshot: &Seen, facts: &ArmFacts) -> bool {
    let Some(secret) = snapshot.secret(CREDENTIALS) else { return true };
    let stored = secret.keys.iter().find(|key| key.key == PASSWORD).map(|key| key.fingerprint.as_str());
    secret.generation < snapshot.resource.spec.credentials.generation
        || facts.sent(server::PASSWORD_POINTER) != stored
        || stored.is_none()
}

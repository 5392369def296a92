//! Why a call to the API server did not do what it should: status, headers and body of an answer (or the lack of one)
//! in, one variant per situation out. Pure: no client, no clock.
//!
//! Sources of the outside facts: `k8s.io/apimachinery/pkg/api/errors` for the pairs of code and reason,
//! `managedfields/internal/conflict.go` for the text of apply conflicts, the admission plugins `NamespaceLifecycle` and
//! `ResourceQuota` for the two kinds of 403 that are no lack of permission.

use kube::core::Status;
use std::time::Duration;

/// How much of a server's message is kept: events hold 1024 bytes, and the name of the item goes before it.
const MESSAGE_LIMIT: usize = 600;
/// What is waited when a server says that it is overloaded but not for how long.
const DEFAULT_PAUSE: Duration = Duration::from_secs(1);
/// No server makes the host wait longer than this in one go.
const LONGEST_PAUSE: Duration = Duration::from_secs(120);

/// Why a call failed. Each variant is one situation with one thing to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// A precondition (uid, resourceVersion) did not hold: the decision was made from an older view (D1).
    #[error("the object changed since it was observed: {0}")]
    Changed(String),
    /// A create found an object of that name (D2).
    #[error("an object of this name exists already")]
    AlreadyExists,
    /// Server-side apply found fields that other managers own with other values (D3).
    #[error("{}", conflict_text(.0))]
    FieldConflict(Vec<FieldOwner>),
    /// Somebody changes fields of ours back each time, and was let have the last word for now (F8). Not the server's
    /// answer but the host's.
    #[error(
        "{} {} changed again each time it was set; it is left alone for some minutes: let {} stop, or the resource ask \
         for the same",
        .fields.join(", "), if .fields.len() == 1 { "is" } else { "are" }, editors_text(.editors)
    )]
    Contested {
        /// Paths of the fields.
        fields: Vec<String>,
        /// Field managers that changed them.
        editors: Vec<String>,
    },
    /// The object is not there.
    #[error("the object does not exist")]
    NotFound,
    /// The API server does not serve this kind at this version (D8).
    #[error("the API server does not serve this kind")]
    NotServed,
    /// The namespace is being deleted, so nothing can be created in it (D11).
    #[error("the namespace is being deleted")]
    NamespaceTerminating,
    /// A ResourceQuota has no room (D12).
    #[error("the quota of the namespace has no room: {0}")]
    Quota(String),
    /// The host, or the account that it acts as, may not do this (D7). The server's words name verb, resource and account.
    #[error("the API server does not allow it: {0}; `windlass rbac` prints the roles that are needed")]
    Forbidden(String),
    /// The host's credentials were refused (D7).
    #[error("the API server refused the credentials of the host")]
    Unauthorized,
    /// The server will never take this body (D9).
    #[error("the API server rejected the object: {0}")]
    Rejected(String),
    /// The server asks for less (D4).
    #[error("the API server is busy and asks to wait {} s", .0.as_secs())]
    Throttled(Duration),
    /// Nobody knows whether the call had an effect (D5, D6).
    #[error("the outcome is unknown: {0}")]
    Unknown(String),
}

/// A field that another manager owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldOwner {
    /// `.spec.replicas`
    pub field: String,
    /// Name of the manager.
    pub manager: String,
    /// It got the field by an edit (`kubectl edit`, `patch`, `scale`; an autoscaler) rather than by declaring it
    /// (server-side apply).
    pub edited: bool,
}

/// What to do about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Look again at once: the view was old, or the outcome is not known.
    Observe,
    /// The same may work later.
    Backoff,
    /// A human or another controller has to change something; looked at again with long pauses.
    Parked,
    /// The same body can never work: not sent again until it differs.
    Terminal,
}

impl Failure {
    /// What to do about it.
    pub fn class(&self) -> Class {
        match self {
            Failure::Changed(_) | Failure::AlreadyExists | Failure::NotFound | Failure::Unknown(_) => Class::Observe,
            Failure::Throttled(_) | Failure::Unauthorized => Class::Backoff,
            Failure::FieldConflict(_)
            | Failure::Contested { .. }
            | Failure::NotServed
            | Failure::NamespaceTerminating
            | Failure::Quota(_)
            | Failure::Forbidden(_) => Class::Parked,
            Failure::Rejected(_) => Class::Terminal,
        }
    }

    /// A stable word for conditions, events and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Failure::Changed(_) => "Changed",
            Failure::AlreadyExists => "NameCollision",
            Failure::FieldConflict(_) => "FieldConflict",
            Failure::Contested { .. } => "Conflict",
            Failure::NotFound => "NotFound",
            Failure::NotServed => "KindNotServed",
            Failure::NamespaceTerminating => "NamespaceTerminating",
            Failure::Quota(_) => "QuotaExceeded",
            Failure::Forbidden(_) => "Forbidden",
            Failure::Unauthorized => "Unauthorized",
            Failure::Rejected(_) => "Rejected",
            Failure::Throttled(_) => "Throttled",
            Failure::Unknown(_) => "OutcomeUnknown",
        }
    }

    /// The same failure without the server's words, which may repeat values of the body that was sent.
    pub fn without_text(self) -> Self {
        let hidden = || "details are withheld, the body holds secret values".to_string();
        match self {
            Failure::Changed(_) => Failure::Changed(hidden()),
            Failure::Quota(_) => Failure::Quota(hidden()),
            // Who may not do what is said in a form that holds nothing of the body.
            Failure::Forbidden(text) => Failure::Forbidden(missing_right(&text).map_or_else(hidden, str::to_owned)),
            Failure::Rejected(_) => Failure::Rejected(hidden()),
            Failure::Unknown(_) => Failure::Unknown(hidden()),
            Failure::AlreadyExists
            | Failure::FieldConflict(_)
            | Failure::Contested { .. }
            | Failure::NotFound
            | Failure::NotServed
            | Failure::NamespaceTerminating
            | Failure::Unauthorized
            | Failure::Throttled(_) => self,
        }
    }
}

/// Reads an answer that is not a success. `retry_after` is the header of that name in seconds.
pub fn classify(code: u16, retry_after: Option<u64>, body: &[u8]) -> Failure {
    let Ok(status) = serde_json::from_slice::<Status>(body) else {
        return unstructured(code, retry_after);
    };
    let message = clip(&status.message);
    let causes = status.details.as_ref().map_or(&[][..], |details| details.causes.as_slice());
    let has_cause = |reason: &str| causes.iter().any(|cause| cause.reason == reason);
    match code {
        401 => Failure::Unauthorized,
        403 if has_cause("NamespaceTerminating") => Failure::NamespaceTerminating,
        403 if message.contains("exceeded quota") => Failure::Quota(message),
        403 => Failure::Forbidden(message),
        // A path that is not served answers in plain text, or without the name of an object.
        404 if status.details.as_ref().is_some_and(|details| !details.name.is_empty()) => Failure::NotFound,
        404 => Failure::NotServed,
        409 if status.reason == "AlreadyExists" => Failure::AlreadyExists,
        409 if has_cause("FieldManagerConflict") => Failure::FieldConflict(
            causes
                .iter()
                .filter(|cause| cause.reason == "FieldManagerConflict")
                .map(|cause| owner_of(&cause.field, &cause.message))
                .collect(),
        ),
        409 => Failure::Changed(message),
        400 | 405 | 406 | 413 | 415 | 422 => Failure::Rejected(message),
        // Server-side apply answers 500 where the body does not fit the schema of the kind.
        500 if message.starts_with("failed to create typed patch object") => Failure::Rejected(message),
        429 => Failure::Throttled(pause(retry_after.or(retry_in_details(&status)))),
        // An overloaded server that names a time did not try.
        503 if retry_after.is_some() => Failure::Throttled(pause(retry_after)),
        _ => Failure::Unknown(format!("status {code}: {message}")),
    }
}

/// The part of a refusal's words that says who may not do what, in the form of the API server's own authorizers: `services
/// "a" is forbidden: User "u" cannot patch resource "services" in API group "" in the namespace "n"`. None of a refusal for
/// another reason: admission answers 403 as well.
pub(super) fn missing_right(message: &str) -> Option<&str> {
    let (what, _) = message.split_once(" is forbidden: User \"")?;
    let said = message.get(what.len()..)?;
    let (_, verb) = said.split_once("\" cannot ")?;
    let (_, place) = verb.split_once(" in API group \"")?;
    // After the group comes the place, and after that whatever else an authorizer has to say.
    let (group, place) = place.split_once("\" ")?;
    let end = match place.strip_prefix("in the namespace \"") {
        Some(namespace) => place.len() - namespace.len() + namespace.find('"')? + 1,
        None if place.starts_with("at the cluster scope") => "at the cluster scope".len(),
        None => return None,
    };
    (!group.contains('"')).then(|| message.get(..message.len() - place.len() + end)).flatten()
}

/// An answer without a `Status`: a proxy, a cut connection, or a path that nobody serves.
fn unstructured(code: u16, retry_after: Option<u64>) -> Failure {
    match code {
        401 => Failure::Unauthorized,
        403 => Failure::Forbidden("the answer gives no reason".into()),
        404 => Failure::NotServed,
        413 => Failure::Rejected("the object is too large".into()),
        429 => Failure::Throttled(pause(retry_after)),
        503 if retry_after.is_some() => Failure::Throttled(pause(retry_after)),
        _ => Failure::Unknown(format!("status {code} without a Status object")),
    }
}

fn retry_in_details(status: &Status) -> Option<u64> {
    let seconds = status.details.as_ref()?.retry_after_seconds;
    (seconds > 0).then_some(u64::from(seconds))
}

fn pause(seconds: Option<u64>) -> Duration {
    seconds.map_or(DEFAULT_PAUSE, Duration::from_secs).clamp(DEFAULT_PAUSE, LONGEST_PAUSE)
}

/// `conflict with "edit" using v1` is an edit, `conflict with "kubectl" with subresource "scale" using apps/v1` one through
/// a subresource, and `conflict with "argo"` a manager that applies: only of updates the version is told.
fn owner_of(field: &str, message: &str) -> FieldOwner {
    let mut parts = message.splitn(3, '"');
    let (_, manager, tail) = (parts.next(), parts.next(), parts.next().unwrap_or_default());
    FieldOwner {
        field: clip(field),
        manager: manager.map_or_else(|| clip(message), clip),
        edited: tail.contains(" using "),
    }
}

fn editors_text(editors: &[String]) -> String {
    if editors.is_empty() { "whoever changes it".into() } else { editors.join(", ") }
}

fn conflict_text(owners: &[FieldOwner]) -> String {
    let listed: Vec<String> =
        owners.iter().take(5).map(|owner| format!("{} is owned by {}", owner.field, owner.manager)).collect();
    let more = owners.len().saturating_sub(5);
    let tail = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("fields belong to other managers: {}{tail}", listed.join(", "))
}

/// At most [`MESSAGE_LIMIT`] bytes, on one line, without control characters.
fn clip(text: &str) -> String {
    let mut clipped = String::with_capacity(text.len().min(MESSAGE_LIMIT));
    for character in text.chars() {
        if clipped.len() + character.len_utf8() > MESSAGE_LIMIT {
            clipped.push('…');
            break;
        }
        clipped.push(if character.is_control() { ' ' } else { character });
    }
    clipped
}

#[cfg(test)]
mod tests;

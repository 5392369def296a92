//! Text of the API server comes in: pages of lists, lines of watches, refusals. Out go objects and what to do next.
//! One object that cannot be read does not spoil the others (C8).

use super::fingerprint::FingerprintKey;
use super::object::{DecodeError, Object};
use model::{Kind, ObjectKey};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::time::Duration;

/// One page of a list.
pub(super) struct Page {
    pub objects: Vec<Object>,
    pub unreadable: Vec<Unreadable>,
    pub version: String,
    pub next: Option<String>,
}

/// An object that cannot be read, with what is known of it all the same.
#[derive(Debug)]
pub(super) struct Unreadable {
    pub error: DecodeError,
    pub key: Option<ObjectKey>,
    pub version: Option<String>,
}

/// One line of a watch.
#[derive(Debug)]
pub(super) enum Line {
    Apply(Box<Object>),
    Delete(ObjectKey, String),
    Bookmark(String),
    Unreadable(Box<Unreadable>),
    Failed(Failure),
    /// Of a type that this host does not know.
    Unknown(String),
}

/// Why a list or a watch ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The kind is not served.
    Missing,
    /// Not allowed; the message names who may not do what.
    Forbidden(String),
    /// The version is too old: list again (C4).
    Gone,
    /// Asked to come back later.
    Throttled(Duration),
    /// Anything else: the connection, the server, an answer that is none (D5).
    Failed(String),
}

impl Failure {
    /// A stable word, for metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Failure::Missing => "NotServed",
            Failure::Forbidden(_) => "Forbidden",
            Failure::Gone => "Gone",
            Failure::Throttled(_) => "Throttled",
            Failure::Failed(_) => "Failed",
        }
    }

    fn of_status(code: u16, message: &str, retry_after: u32) -> Failure {
        match code {
            404 => Failure::Missing,
            403 => Failure::Forbidden(message.to_owned()),
            410 => Failure::Gone,
            429 => Failure::Throttled(Duration::from_secs(u64::from(retry_after.max(1)))),
            _ => Failure::Failed(format!("{code}: {message}")),
        }
    }
}

impl From<kube::Error> for Failure {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => {
                let retry_after = status.details.as_ref().map_or(0, |details| details.retry_after_seconds);
                Failure::of_status(status.code, &status.message, retry_after)
            }
            other => Failure::Failed(chain(&other)),
        }
    }
}

/// An error with its causes, on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Some libraries repeat the cause in their own message.
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

#[derive(Deserialize)]
struct RawPage<'a> {
    metadata: ListMeta,
    // `null` where Go had no slice.
    #[serde(borrow, default)]
    items: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListMeta {
    #[serde(default)]
    resource_version: String,
    #[serde(default, rename = "continue")]
    next: Option<String>,
}

#[derive(Deserialize)]
struct RawLine<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    object: &'a RawValue,
}

#[derive(Default, Deserialize)]
struct Glimpse {
    #[serde(default)]
    metadata: Option<GlimpsedMeta>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct GlimpsedMeta {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    namespace: Option<String>,
    #[serde(default)]
    resource_version: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawStatus {
    code: u16,
    reason: String,
    message: String,
    details: RawDetails,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawDetails {
    retry_after_seconds: u32,
}

/// Reads one page of a list.
pub(super) fn page(kind: &Kind, text: &str, key: &FingerprintKey) -> Result<Page, Failure> {
    let raw: RawPage<'_> =
        serde_json::from_str(text).map_err(|error| Failure::Failed(format!("the answer is no list: {error}")))?;
    if raw.metadata.resource_version.is_empty() {
        return Err(Failure::Failed("the list has no metadata.resourceVersion".into()));
    }
    let (mut objects, mut unreadable) = (Vec::new(), Vec::new());
    for item in raw.items.unwrap_or_default() {
        match Object::decode(kind, item.get(), key) {
            Ok(object) => objects.push(object),
            Err(error) => unreadable.push(glimpse(kind, item, error)),
        }
    }
    let next = raw.metadata.next.filter(|next| !next.is_empty());
    Ok(Page { objects, unreadable, version: raw.metadata.resource_version, next })
}

/// Reads one line of a watch.
pub(super) fn line(kind: &Kind, text: &[u8], key: &FingerprintKey) -> Result<Line, Failure> {
    let raw: RawLine<'_> =
        serde_json::from_slice(text).map_err(|error| Failure::Failed(format!("a watch line is no event: {error}")))?;
    let decoded =
        || Object::decode(kind, raw.object.get(), key).map_err(|error| Box::new(glimpse(kind, raw.object, error)));
    Ok(match raw.kind.as_ref() {
        "ADDED" | "MODIFIED" => decoded().map_or_else(Line::Unreadable, |object| Line::Apply(Box::new(object))),
        "DELETED" => match decoded() {
            Ok(object) => Line::Delete(object.key, object.resource_version),
            Err(unreadable) => match *unreadable {
                Unreadable { key: Some(key), version: Some(version), .. } => Line::Delete(key, version),
                unreadable => Line::Unreadable(Box::new(unreadable)),
            },
        },
        "BOOKMARK" => {
            let version = glimpsed(raw.object).resource_version.unwrap_or_default();
            if version.is_empty() { Line::Unknown("BOOKMARK without version".into()) } else { Line::Bookmark(version) }
        }
        "ERROR" => {
            let status: RawStatus = serde_json::from_str(raw.object.get()).unwrap_or_default();
            let expired = status.reason == "Expired" || status.reason == "Gone";
            let code = if expired { 410 } else { status.code };
            Line::Failed(Failure::of_status(code, &status.message, status.details.retry_after_seconds))
        }
        other => Line::Unknown(other.chars().take(40).collect()),
    })
}

fn glimpsed(object: &RawValue) -> GlimpsedMeta {
    let glimpse: Glimpse = serde_json::from_str(object.get()).unwrap_or_default();
    glimpse.metadata.unwrap_or_default()
}

fn glimpse(kind: &Kind, object: &RawValue, error: DecodeError) -> Unreadable {
    let meta = glimpsed(object);
    let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
    // Of another kind, it tells nothing about an object of this one.
    let name = filled(meta.name).filter(|_| !matches!(error, DecodeError::WrongKind { .. }));
    let key = name.map(|name| ObjectKey { kind: kind.clone(), namespace: filled(meta.namespace), name });
    Unreadable { error, key, version: filled(meta.resource_version) }
}

#[cfg(test)]
mod tests;

//! The only place of the host that changes a Kubernetes cluster. In: a target and a body that a checked plan holds. Out:
//! the object as it is now stored, or a [`Failure`]. Nothing is retried here: what to do about a failure
//! depends on a new look at the world, and that is the next pass.
//!
//! Every write is safe against an old view: a create fails if the object exists, an update fails if it was deleted and
//! made again, a delete fails if anything about the object changed.

mod exchange;
mod failure;
mod identity;

pub use exchange::{DEADLINE, Target};
pub use failure::{Class, Failure, FieldOwner};
pub use identity::{ActingAs, Denied};

use crate::serve::Metrics;
use exchange::{Exchange, Verb};
use kube::Client;
use model::names::FIELD_MANAGER;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

const JSON: &str = "application/json";
const MERGE_PATCH: &str = "application/merge-patch+json";
const APPLY_PATCH: &str = "application/apply-patch+yaml";

/// Reads single objects from the server itself, not from a cache: before something is destroyed, or where the cache
/// does not catch up.
#[derive(Clone)]
pub struct Reader {
    exchange: Exchange,
}

/// Changes a cluster.
#[derive(Clone)]
pub struct Writer {
    exchange: Exchange,
}

/// A reader and a writer over one client, which goes through the host's [`crate::client::Gate`].
pub fn connect(client: Client, metrics: Arc<Metrics>) -> (Reader, Writer) {
    connect_with_deadline(client, metrics, DEADLINE)
}

/// As [`connect`], with another deadline per call.
pub fn connect_with_deadline(client: Client, metrics: Arc<Metrics>, deadline: Duration) -> (Reader, Writer) {
    let exchange = Exchange::new(client, metrics, deadline);
    (Reader { exchange: exchange.clone() }, Writer { exchange })
}

impl Reader {
    /// The same reader in another name.
    pub fn acting_as(&self, acting: &ActingAs) -> Self {
        Reader { exchange: self.exchange.acting_as(acting) }
    }

    /// The object as it is stored now; none if it is not there.
    pub async fn get(&self, target: Target<'_>) -> Result<Option<Value>, Failure> {
        match self.exchange.send(Verb::Get, target, &target.object(None), JSON, Vec::new()).await {
            Ok(body) => parse(&body).map(Some),
            Err(Failure::NotFound) => Ok(None),
            Err(failure) => Err(failure),
        }
    }
}

impl Writer {
    /// The same writer in another name.
    pub fn acting_as(&self, acting: &ActingAs) -> Self {
        Writer { exchange: self.exchange.acting_as(acting) }
    }

    /// Makes an object by server-side apply, and fails with [`Failure::AlreadyExists`] where one of that name exists.
    ///
    /// Apply alone would merge into a foreign object that nobody has seen yet. With a resourceVersion in the body it
    /// does not: the server ignores the version when nothing is there and demands that it is current when something is,
    /// and no object has version 1, which etcd gives to the empty store. (Recorded: "apply with resourceVersion to what
    /// is gone" answers 201.) So the object is ours from its first moment, owned as `Apply`, in one request.
    pub async fn create(&self, target: Target<'_>, body: &Value) -> Result<Value, Failure> {
        let body = with_metadata(body, "resourceVersion", "1");
        match self.patch(target, None, APPLY_PATCH, "", &body).await {
            // With that version both mean the same: something is there.
            Err(Failure::Changed(_) | Failure::FieldConflict(_)) => Err(Failure::AlreadyExists),
            // What was not found is the namespace.
            Err(Failure::NotFound) => Err(Failure::NamespaceTerminating),
            other => other,
        }
    }

    /// Makes an object by a plain create, so that later writes may touch single keys without repeating the rest. For
    /// objects that hold values which the host does not keep: the server's words are withheld from failures.
    pub async fn create_secret(&self, target: Target<'_>, body: &Value) -> Result<Value, Failure> {
        let path = format!("{}?fieldManager={FIELD_MANAGER}&fieldValidation=Strict", target.collection());
        match self.exchange.send(Verb::Create, target, &path, JSON, encode(body)?).await {
            Ok(body) => parse(&body),
            Err(Failure::NotFound) => Err(Failure::NamespaceTerminating),
            Err(failure) => Err(failure.without_text()),
        }
    }

    /// Changes single keys of a Secret, if it is still the object and version that was seen.
    pub async fn merge_secret(
        &self,
        target: Target<'_>,
        uid: &str,
        resource_version: &str,
        patch: &Value,
    ) -> Result<Value, Failure> {
        self.merge(target, uid, resource_version, patch).await.map_err(Failure::without_text)
    }

    /// Applies our fields to an object that was seen with this uid. Never forced: what another manager owns is a
    /// [`Failure::FieldConflict`] (D3).
    pub async fn apply(&self, target: Target<'_>, uid: &str, body: &Value) -> Result<Value, Failure> {
        self.patch(target, None, APPLY_PATCH, "", &with_metadata(body, "uid", uid)).await
    }

    /// Applies our fields and takes those that another manager has. Only for drift in fields that were ours (F8), for
    /// objects whose adoption a human asked for, and for fields that are laid over an object of others.
    pub async fn apply_forced(&self, target: Target<'_>, uid: &str, body: &Value) -> Result<Value, Failure> {
        self.patch(target, None, APPLY_PATCH, "&force=true", &with_metadata(body, "uid", uid)).await
    }

    /// Applies the status of a resource of ours. Its fields are the host's by contract, so this is forced.
    pub async fn apply_status(&self, target: Target<'_>, uid: &str, body: &Value) -> Result<Value, Failure> {
        let body = with_metadata(body, "uid", uid);
        self.patch(target, Some("status"), APPLY_PATCH, "&force=true", &body).await
    }

    /// Merges into an object, if it is still the object and version that was seen.
    pub async fn merge(
        &self,
        target: Target<'_>,
        uid: &str,
        resource_version: &str,
        patch: &Value,
    ) -> Result<Value, Failure> {
        let patch = with_metadata(&with_metadata(patch, "uid", uid), "resourceVersion", resource_version);
        self.patch(target, None, MERGE_PATCH, "", &patch).await
    }

    /// Deletes an object, if it is still the object and version that was seen. Its own dependants go by the garbage
    /// collector, after it.
    pub async fn delete(&self, target: Target<'_>, uid: &str, resource_version: &str) -> Result<(), Failure> {
        let options = json!({
            "apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background",
            "preconditions": { "uid": uid, "resourceVersion": resource_version },
        });
        match self.exchange.send(Verb::Delete, target, &target.object(None), JSON, encode(&options)?).await {
            Ok(_) | Err(Failure::NotFound) => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    /// Stores a new Event object, and fails with [`Failure::AlreadyExists`] where it is there.
    pub async fn create_event(&self, target: Target<'_>, body: &Value) -> Result<(), Failure> {
        let path = format!("{}?fieldManager={FIELD_MANAGER}", target.collection());
        self.exchange.send(Verb::Create, target, &path, JSON, encode(body)?).await.map(drop)
    }

    /// Changes an Event object that exists, and returns it.
    pub async fn change_event(&self, target: Target<'_>, patch: &Value) -> Result<Value, Failure> {
        self.patch(target, None, MERGE_PATCH, "", patch).await
    }

    async fn patch(
        &self,
        target: Target<'_>,
        subresource: Option<&str>,
        content_type: &str,
        more: &str,
        body: &Value,
    ) -> Result<Value, Failure> {
        let path = format!("{}?fieldManager={FIELD_MANAGER}{more}", target.object(subresource));
        parse(&self.exchange.send(Verb::Patch, target, &path, content_type, encode(body)?).await?)
    }
}

/// The body with one more field in its metadata.
fn with_metadata(body: &Value, field: &str, value: &str) -> Value {
    let mut body = body.clone();
    if let Some(object) = body.as_object_mut()
        && let Some(metadata) = object.entry("metadata").or_insert_with(|| json!({})).as_object_mut()
    {
        metadata.insert(field.into(), value.into());
    }
    body
}

fn encode(body: &Value) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(body).map_err(|_| Failure::Rejected("the object cannot be written as JSON".into()))
}

fn parse<T: for<'a> Deserialize<'a>>(body: &[u8]) -> Result<T, Failure> {
    // The parser's message may quote the body.
    serde_json::from_slice(body).map_err(|_| Failure::Unknown("the answer is not the JSON of an object".into()))
}

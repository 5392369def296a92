//! JSON of the API server comes in, small objects for the cache go out: without managedFields and without the value of
//! any Secret. The document itself stays text; only what the host looks at is kept apart.

use super::fingerprint::FingerprintKey;
use base64::Engine as _;
use model::names;
use model::snapshot::Json;
use model::{Kind, ObjectKey};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hasher};
use std::sync::Arc;

/// Prefix of the annotations that are the host's or meant for it.
const OWN_ANNOTATIONS: &str = "windlass.dev/";

/// One object as it was last seen. Immutable.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Kind, namespace and name.
    pub key: ObjectKey,
    /// Unique over time: a later object of the same name has another.
    pub uid: String,
    /// As the API server gave it.
    pub resource_version: String,
    /// `metadata.generation`; 0 where the kind has none.
    pub generation: i64,
    /// All labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations of `windlass.dev/`; the others are in `json` alone.
    pub annotations: BTreeMap<String, String>,
    /// Uids of all owner references.
    pub owner_uids: Vec<String>,
    /// The owner reference that has `controller: true`.
    pub controller: Option<OwnerRef>,
    /// `metadata.finalizers`.
    pub finalizers: Vec<String>,
    /// `metadata.deletionTimestamp`: somebody deleted the object and it is not gone yet.
    pub deletion: Option<String>,
    /// The document without managedFields, with apiVersion and kind, Secret values replaced by fingerprints.
    pub json: Json,
    /// Hash of the fields that the host owns in the object itself by managedFields; 0 for none. When it moves and we
    /// wrote nothing, another manager took a field or gave it up.
    pub owned_fields: u64,
    /// Hash of everything but status, resourceVersion, managedFields and generation.
    pub content: u64,
    /// Hash of the status.
    pub status: u64,
}

/// An owner reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerRef {
    /// Kind of the owner, of the version in which the reference was written.
    pub kind: Kind,
    /// Its name, in the namespace of the object or of no namespace.
    pub name: String,
    /// Its uid.
    pub uid: String,
}

/// Why a document is no object of the expected kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not JSON, or nested more than 128 levels deep.
    #[error("an object of kind {kind} is not readable JSON: {message}")]
    NotJson {
        /// The kind that was expected.
        kind: Kind,
        /// What the parser said, with line and column and without content.
        message: String,
    },
    /// No metadata, or metadata without a name.
    #[error("an object of kind {kind} has no {field}")]
    Missing {
        /// The kind that was expected.
        kind: Kind,
        /// Path of the field that is missing or of the wrong type.
        field: &'static str,
    },
    /// Another kind than the watch is for.
    #[error("expected an object of kind {expected}, got {found}")]
    WrongKind {
        /// The kind that was expected.
        expected: Box<Kind>,
        /// The kind that the object says it is.
        found: Box<Kind>,
    },
}

impl Object {
    /// Decodes one document of a kind. Lists leave out `kind` and `apiVersion`: they are filled in.
    ///
    /// # Errors
    /// When the document is not an object of the kind with a name, a uid and a resource version.
    pub fn decode(kind: &Kind, text: &str, key: &FingerprintKey) -> Result<Object, DecodeError> {
        let document: Value = serde_json::from_str(text)
            .map_err(|error| DecodeError::NotJson { kind: kind.clone(), message: error.to_string() })?;
        Object::from_value(kind, document, key)
    }

    /// As [`Object::decode`], of a document that is parsed already.
    ///
    /// # Errors
    /// As [`Object::decode`].
    pub fn from_value(kind: &Kind, document: Value, key: &FingerprintKey) -> Result<Object, DecodeError> {
        let missing = |field| DecodeError::Missing { kind: kind.clone(), field };
        let Value::Object(mut document) = document else { return Err(missing("fields: it is not a JSON object")) };
        fill_in_kind(&mut document, kind)?;
        let Some(Value::Object(mut metadata)) = document.remove("metadata") else { return Err(missing("metadata")) };
        let name = owned_text(&metadata, "name").ok_or_else(|| missing("metadata.name"))?;
        let uid = owned_text(&metadata, "uid").ok_or_else(|| missing("metadata.uid"))?;
        let resource_version =
            owned_text(&metadata, "resourceVersion").ok_or_else(|| missing("metadata.resourceVersion"))?;
        let namespace = owned_text(&metadata, "namespace");
        let owned_fields = owned_fields(metadata.remove("managedFields"));
        if kind.group.is_empty() && kind.kind == "Secret" {
            hide_secret(&mut document, &mut metadata, namespace.as_deref().unwrap_or_default(), key);
        }
        if kind.group == "apiextensions.k8s.io" && kind.kind == "CustomResourceDefinition" {
            drop_schemas(&mut document);
        }

        let annotations = texts(metadata.get("annotations"));
        let owners = owners(metadata.get("ownerReferences"));
        let mut object = Object {
            key: ObjectKey { kind: kind.clone(), namespace, name },
            uid,
            resource_version,
            generation: metadata.get("generation").and_then(Value::as_i64).unwrap_or(0),
            labels: texts(metadata.get("labels")),
            annotations: annotations.into_iter().filter(|(name, _)| name.starts_with(OWN_ANNOTATIONS)).collect(),
            owner_uids: owners.iter().map(|(owner, _)| owner.uid.clone()).collect(),
            controller: owners.into_iter().find_map(|(owner, controller)| controller.then_some(owner)),
            finalizers: metadata
                .get("finalizers")
                .and_then(Value::as_array)
                .map(|list| list.iter().filter_map(Value::as_str).map(str::to_owned).collect())
                .unwrap_or_default(),
            deletion: owned_text(&metadata, "deletionTimestamp"),
            json: Arc::from(""),
            owned_fields,
            content: 0,
            status: 0,
        };

        // Hashed without what moves at each write, then put back together.
        let status = document.remove("status");
        let volatile = [metadata.remove("resourceVersion"), metadata.remove("generation")];
        document.insert("metadata".into(), Value::Object(metadata));
        object.content = hash(&document);
        object.status = status.as_ref().map_or(0, hash);
        if let Some(Value::Object(metadata)) = document.get_mut("metadata") {
            for (name, value) in ["resourceVersion", "generation"].into_iter().zip(volatile) {
                value.map(|value| metadata.insert(name.into(), value));
            }
        }
        status.map(|status| document.insert("status".into(), status));
        object.json = Arc::from(Value::Object(document).to_string());
        Ok(object)
    }

    /// The document, parsed.
    pub fn value(&self) -> Value {
        // The text was made from a `Value`, so that it parses.
        serde_json::from_str(&self.json).unwrap_or(Value::Null)
    }

    /// The resource version as a number; none where the API server's versions are no numbers.
    /// (Kubernetes promises comparable versions since 1.35; etcd's always were.)
    pub fn version(&self) -> Option<u64> {
        self.resource_version.parse().ok()
    }

    /// Somebody deleted the object and it is not gone yet.
    pub fn is_deleting(&self) -> bool {
        self.deletion.is_some()
    }

    /// The uid of the resource that the object belongs to, by the host's label.
    pub fn owner_label(&self) -> Option<&str> {
        self.labels.get(names::LABEL_OWNER).map(String::as_str)
    }
}

fn fill_in_kind(document: &mut Map<String, Value>, kind: &Kind) -> Result<(), DecodeError> {
    let part = |name| document.get(name).and_then(Value::as_str);
    if let (Some(api_version), Some(name)) = (part("apiVersion"), part("kind")) {
        let found = Kind::from_manifest(api_version, name);
        if found != *kind {
            return Err(DecodeError::WrongKind { expected: Box::new(kind.clone()), found: Box::new(found) });
        }
    }
    document.insert("apiVersion".into(), kind.api_version().into());
    document.insert("kind".into(), kind.kind.as_str().into());
    Ok(())
}

fn owned_text(map: &Map<String, Value>, name: &str) -> Option<String> {
    map.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// A map of strings. An API server gives nothing else; anything else is left out rather than refused.
fn texts(map: Option<&Value>) -> BTreeMap<String, String> {
    let entries = map.and_then(Value::as_object).into_iter().flatten();
    entries.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}

fn owners(list: Option<&Value>) -> Vec<(OwnerRef, bool)> {
    let entries = list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object);
    let read = |entry: &Map<String, Value>| {
        let kind = Kind::from_manifest(entry.get("apiVersion")?.as_str()?, entry.get("kind")?.as_str()?);
        let controller = entry.get("controller").and_then(Value::as_bool).unwrap_or(false);
        Some((OwnerRef { kind, name: owned_text(entry, "name")?, uid: owned_text(entry, "uid")? }, controller))
    };
    entries.filter_map(read).collect()
}

/// Times are left out: they move without a field changing hands.
fn owned_fields(managed: Option<Value>) -> u64 {
    let Some(Value::Array(entries)) = managed else { return 0 };
    let ours: Vec<_> = entries
        .iter()
        .filter(|entry| entry.get("manager").and_then(Value::as_str) == Some(names::FIELD_MANAGER))
        .filter(|entry| entry.get("subresource").and_then(Value::as_str).unwrap_or_default().is_empty())
        .map(|entry| (entry.get("operation"), entry.get("fieldsV1")))
        .collect();
    if ours.is_empty() { 0 } else { hash(&ours).max(1) }
}

/// Replaces what a Secret keeps by fingerprints. Documents inside annotations go as well: client-side `kubectl apply`
/// and other tools store copies of the whole Secret there.
fn hide_secret(
    document: &mut Map<String, Value>,
    metadata: &mut Map<String, Value>,
    namespace: &str,
    key: &FingerprintKey,
) {
    let encoding = base64::engine::general_purpose::STANDARD;
    for (field, encoded) in [("data", true), ("stringData", false)] {
        let values = document.get_mut(field).and_then(Value::as_object_mut);
        for (_, value) in values.into_iter().flatten() {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let bytes = if encoded { encoding.decode(&text).ok() } else { None };
            *value = key.fingerprint(namespace, &bytes.unwrap_or_else(|| text.into_bytes())).into();
        }
    }
    let annotations = metadata.get_mut("annotations").and_then(Value::as_object_mut);
    for (name, value) in annotations.into_iter().flatten() {
        let text = value.as_str().unwrap_or_default();
        let holds_document = text.trim_start().starts_with(['{', '[']) && !name.starts_with(OWN_ANNOTATIONS);
        if holds_document || name == "kubectl.kubernetes.io/last-applied-configuration" {
            *value = key.fingerprint(namespace, text.as_bytes()).into();
        }
    }
}

/// The schemas of all definitions in a cluster are megabytes; the host asks for the few that it needs.
fn drop_schemas(document: &mut Map<String, Value>) {
    let versions = document.get_mut("spec").and_then(|spec| spec.get_mut("versions")).and_then(Value::as_array_mut);
    for version in versions.into_iter().flatten().filter_map(Value::as_object_mut) {
        version.remove("schema");
    }
}

/// The same within one process, which is as long as a cache lives.
fn hash<T: serde::Serialize>(value: &T) -> u64 {
    struct Sink(DefaultHasher);
    impl std::io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.write(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut sink = Sink(DefaultHasher::new());
    match serde_json::to_writer(&mut sink, value) {
        Ok(()) => sink.0.finish(),
        Err(_) => 0,
    }
}

#[cfg(test)]
mod tests;

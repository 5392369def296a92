//! From an item of a decision to the object that is applied. In: a decision and the facts. Out: final objects with
//! namespace, labels, annotations and owner reference, and everything that is wrong with the decision by itself.

use super::ownership::has_owner_reference;
use super::{Desired, overlay};
use crate::check::{Problem, Rule, graph, object, secret};
use crate::decision::{Body, Decision, GeneratedSecret, Item, ItemId, RemovalPolicy, UpdatePolicy};
use crate::digest::Digest;
use crate::facts::Facts;
use crate::inventory::{Backend, Entry, Target};
use crate::kind::{Kind, ObjectKey};
use crate::names;
use crate::scope::Scope;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Every item that can be made sense of, and what is wrong with the others.
pub(super) fn all(decision: &Decision, facts: &Facts) -> (Vec<Desired>, Vec<Problem>) {
    let mut problems = graph::problems(&decision.items);
    let mut desired = Vec::with_capacity(decision.items.len());
    for item in &decision.items {
        match one(item, facts) {
            Ok(one) => desired.push(one),
            Err(found) => problems.extend(found),
        }
    }
    problems.extend(graph::targets_twice(&desired));
    (desired, problems)
}

fn one(item: &Item, facts: &Facts) -> Result<Desired, Vec<Problem>> {
    let Item { id, after, ready_when, update, removal, body } = item;
    let entry = |target| Entry { id: id.clone(), target, after: after.clone(), removal: *removal };
    let desired = |target, object, digest| Desired {
        entry: entry(target),
        object,
        digest,
        update: *update,
        ready_when: *ready_when,
        body: body.clone(),
    };
    if *update == UpdatePolicy::Overlay {
        let (key, object) = overlay::object(id, body, facts)?;
        let digest = Digest::of(&object);
        return Ok(desired(Target::Object(key), Some(object), Some(digest)));
    }
    let external = |backend, name: String, api_version: &str| {
        Ok(desired(Target::External { backend, name, api_version: api_version.into() }, None, None))
    };
    match body {
        Body::Kubernetes(value) => {
            object::problems(id, value)?;
            let Some((key, object)) = final_object(item, value, facts) else {
                return Err(vec![Problem::new(Rule::MalformedObject, id, "the object has no kind or name")]);
            };
            object::placed(id, &key, facts)?;
            let digest = Digest::of(&object);
            let object = with_annotation(object, names::ANNOTATION_DESIRED, &digest.to_string());
            Ok(desired(Target::Object(key), Some(object), Some(digest)))
        }
        Body::Secret(wanted) => {
            secret::problems(id, wanted)?;
            let value = secret_object(wanted);
            let Some((key, object)) = final_object(item, &value, facts) else {
                return Err(vec![Problem::new(Rule::MalformedObject, id, "the Secret has no name")]);
            };
            object::placed(id, &key, facts)?;
            let digest = secret_digest(&object, wanted);
            let object = with_annotation(object, names::ANNOTATION_DESIRED, &digest.to_string());
            Ok(desired(Target::Secret(key), Some(object), Some(digest)))
        }
        Body::Mysql(server) => external(Backend::Mysql, format!("{}:{}", server.host, server.port), ""),
        Body::Azure(resource) => external(Backend::Azure, resource.resource_id.clone(), &resource.api_version),
        Body::Vault(secret) => external(Backend::Vault, vault_name(&secret.vault, &secret.name), ""),
    }
}

/// A vault's address and a secret's name, in the form of the secret's own address.
fn vault_name(vault: &str, name: &str) -> String {
    format!("{}/secrets/{name}", vault.trim_end_matches('/'))
}

/// The object in its place, and nothing else that the host adds. The body was checked: it has the right types.
pub(super) fn placed_object(body: &Value, facts: &Facts) -> Option<(ObjectKey, Value)> {
    let kind = crate::snapshot::manifest_kind(body)?;
    let mut object = without_nulls(body, 0);
    let map = object.as_object_mut()?;
    // Go writes an empty status with every object; one with content is refused.
    map.remove("status");
    let metadata = map.get_mut("metadata")?.as_object_mut()?;
    let name = metadata.get("name")?.as_str()?.to_owned();
    let given = metadata.get("namespace").and_then(Value::as_str).filter(|given| !given.is_empty()).map(str::to_owned);
    let namespace = match facts.scope(&kind) {
        Some(Scope::Cluster) => given,
        Some(Scope::Namespaced) | None => given.or_else(|| facts.resource.key.namespace.clone()),
    };
    match &namespace {
        Some(namespace) => metadata.insert("namespace".into(), namespace.as_str().into()),
        None => metadata.remove("namespace"),
    };
    Some((ObjectKey { kind, namespace, name }, object))
}

/// The object with everything that the host adds but the digest.
fn final_object(item: &Item, body: &Value, facts: &Facts) -> Option<(ObjectKey, Value)> {
    let (key, mut object) = placed_object(body, facts)?;
    let metadata = object.get_mut("metadata")?.as_object_mut()?;
    let kept = item.removal != RemovalPolicy::Delete;
    let labels = [
        (names::LABEL_MANAGED_BY, names::MANAGED_BY),
        (names::LABEL_OWNER, facts.resource.uid.as_str()),
        (names::LABEL_PLUGIN, facts.plugin.as_str()),
    ];
    let mut annotations = vec![(names::ANNOTATION_ITEM, item.id.as_str())];
    match item.removal {
        RemovalPolicy::Delete => {}
        RemovalPolicy::Keep => annotations.push((names::ANNOTATION_REMOVAL, "Keep")),
        RemovalPolicy::Protect => annotations.push((names::ANNOTATION_REMOVAL, "Protect")),
    }
    add(metadata, "labels", &labels);
    add(metadata, "annotations", &annotations);
    if has_owner_reference(facts, key.namespace.as_deref(), kept) {
        metadata.insert("ownerReferences".into(), json!([owner_reference(facts)]));
    }
    Some((key, object))
}

fn owner_reference(facts: &Facts) -> Value {
    let ObjectKey { kind, namespace: _, name } = &facts.resource.key;
    json!({
        "apiVersion": kind.api_version(),
        "kind": kind.kind,
        "name": name,
        "uid": facts.resource.uid,
        "controller": true,
        "blockOwnerDeletion": true,
    })
}

fn add(metadata: &mut Map<String, Value>, field: &str, entries: &[(&str, &str)]) {
    let map = metadata.entry(field).or_insert_with(|| json!({}));
    if let Some(map) = map.as_object_mut() {
        for (key, value) in entries {
            map.insert((*key).to_owned(), (*value).into());
        }
    }
}

fn with_annotation(mut object: Value, key: &str, value: &str) -> Value {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        add(metadata, "annotations", &[(key, value)]);
    }
    object
}

fn secret_object(secret: &GeneratedSecret) -> Value {
    let labels: BTreeMap<&String, &String> = secret.labels.iter().map(|(key, value)| (key, value)).collect();
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": secret.name,
            "labels": labels,
            "annotations": { names::ANNOTATION_SECRET_GENERATION: secret.generation.to_string() },
        },
        "type": secret_type(secret),
    })
}

/// The type of a generated Secret, with the server's default.
pub(super) fn secret_type(secret: &GeneratedSecret) -> &str {
    if secret.secret_type.is_empty() { "Opaque" } else { &secret.secret_type }
}

/// What a generated Secret should be; made of what the plugin asked for, never of a generated value.
fn secret_digest(object: &Value, secret: &GeneratedSecret) -> Digest {
    let random: Vec<Value> =
        secret.random.iter().map(|value| json!([value.key, value.length, format!("{:?}", value.rules)])).collect();
    let composed: Vec<Value> = secret.composed.iter().map(|value| json!([value.key, value.template])).collect();
    let plain: Vec<Value> = secret.plain.iter().map(|(key, value)| json!([key, value])).collect();
    if composed.is_empty() {
        // As it was before there were any, so that Secrets of an older host are not written again.
        return Digest::of(&json!([object, plain, random]));
    }
    Digest::of(&json!([object, plain, random, composed]))
}

/// The kind of Secrets.
pub(super) fn secret_kind() -> Kind {
    Kind::new("", "v1", "Secret")
}

/// Nulls in maps say nothing that leaving them out would not, and every toolchain writes others of them. Depth is bounded
/// by the check of the body.
fn without_nulls(value: &Value, depth: usize) -> Value {
    match value {
        Value::Object(map) if depth <= object::MOST_DEPTH => map
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key.clone(), without_nulls(value, depth + 1)))
            .collect::<Map<String, Value>>()
            .into(),
        Value::Array(list) if depth <= object::MOST_DEPTH => {
            Value::Array(list.iter().map(|value| without_nulls(value, depth + 1)).collect())
        }
        other => other.clone(),
    }
}

/// Every place of Kubernetes that a decision names, so that it can be looked at before a plan is made. Items that make no
/// sense are left out; the check refuses them.
pub fn targets(decision: &Decision, facts: &Facts) -> Vec<ObjectKey> {
    decision.items.iter().filter_map(|item| target(item, facts)).collect()
}

/// The objects that fields are to be laid over, by item. Nothing else tells which they are: they have no mark and are in no
/// inventory.
pub fn overlaid(decision: &Decision, facts: &Facts) -> BTreeMap<ItemId, ObjectKey> {
    let items = decision.items.iter().filter(|item| item.update == UpdatePolicy::Overlay);
    items.filter_map(|item| Some((item.id.clone(), target(item, facts)?))).collect()
}

fn target(item: &Item, facts: &Facts) -> Option<ObjectKey> {
    let own = || facts.resource.key.namespace.clone();
    match &item.body {
        Body::Kubernetes(body) => {
            let key = crate::facts::key_of(body)?;
            let namespace = match facts.scope(&key.kind) {
                Some(Scope::Cluster) => key.namespace,
                Some(Scope::Namespaced) | None => key.namespace.or_else(own),
            };
            Some(ObjectKey { namespace, ..key })
        }
        Body::Secret(secret) => Some(ObjectKey { kind: secret_kind(), namespace: own(), name: secret.name.clone() }),
        Body::Mysql(_) | Body::Azure(_) | Body::Vault(_) => None,
    }
}

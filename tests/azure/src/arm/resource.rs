//! Resources of any type: reading, writing and deleting them, with what all types have in common.

use super::State;
use super::id::ResourceId;
use super::kind::{Asked, Kind, Pace};
use super::operation::{Operation, Outcome, Work};
use crate::cloud::State as Azure;
use crate::config::Config;
use crate::error::ApiError;
use crate::message::{Reply, Request};
use crate::text;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What is being done to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Creating,
    Ready,
    Updating,
    Deleting,
}

/// One resource.
#[derive(Clone, Debug)]
pub(crate) struct Resource {
    pub id: ResourceId,
    /// As ARM returns it.
    pub body: Value,
    /// Values that are written and never returned, by their pointers.
    pub hidden: BTreeMap<String, String>,
    pub phase: Phase,
    /// Before this time nobody sees it.
    pub visible_at: u64,
    /// Raised by every change.
    pub version: u64,
}

impl Resource {
    fn etag(&self) -> String {
        format!("\"{}\"", crate::digest::uuid(&["etag", &self.id.key(), &self.version.to_string()]))
    }

    /// As ARM returns it now.
    pub fn shown(&self, kind: &Kind, etags: bool) -> Value {
        let mut body = self.body.clone();
        let word = match self.phase {
            Phase::Ready => None,
            Phase::Creating => Some("Creating"),
            Phase::Updating if kind.pace == Pace::Provisioned => Some("Updating"),
            Phase::Deleting if kind.pace == Pace::Provisioned => Some("Deleting"),
            Phase::Updating | Phase::Deleting => None,
        };
        if let (Some(word), Some(place)) = (word, kind.state.and_then(|(pointer, _)| body.pointer_mut(pointer))) {
            *place = word.into();
        }
        if kind.etag || etags {
            body["etag"] = self.etag().into();
        }
        body
    }
}

/// GET.
pub(super) fn get(azure: &Azure, kind: &Kind, id: &ResourceId, now: u64) -> Result<Reply, ApiError> {
    match azure.arm.resources.get(&id.key()) {
        Some(resource) if resource.visible_at <= now => {
            let reply = Reply::json(200, resource.shown(kind, azure.config.etags));
            Ok(if kind.etag || azure.config.etags { reply.header("etag", &resource.etag()) } else { reply })
        }
        _ => {
            let message = format!(
                "The Resource '{}/{}' under resource group '{}' was not found. For more details please go to \
                 https://aka.ms/ARMResourceNotFoundFix",
                id.type_name(),
                id.name(),
                id.group
            );
            Err(ApiError::gateway(404, "ResourceNotFound", &message))
        }
    }
}

/// PUT and PATCH.
pub(super) fn write(
    azure: &mut Azure,
    kind: &'static Kind,
    id: &ResourceId,
    request: &Request,
    now: u64,
    outcome: Option<Outcome>,
) -> Result<Reply, ApiError> {
    let key = id.key();
    let old = azure.arm.resources.get(&key).cloned();
    parent_is_there(azure, id, now)?;
    busy(kind, old.as_ref())?;
    let sent = sent(kind, request)?;
    let patch = request.method == "PATCH";
    if patch && !kind.patch {
        return Err(super::not_allowed("PATCH"));
    }
    let old = match old {
        None if patch => return get(azure, kind, id, now),
        old => old,
    };
    let etags = kind.etag || azure.config.etags;
    preconditions(etags, old.as_ref(), request)?;
    if old.is_none()
        && let Some(error) = (kind.name_error)(id.name())
    {
        return Err(error);
    }
    let (mut body, hidden) = merged(kind, id, &sent, old.as_ref(), patch);
    located(kind, &mut body, old.as_ref())?;
    unchanged(kind, &body, old.as_ref())?;
    let mut whole = body.clone();
    for (pointer, value) in &hidden {
        insert(&mut whole, pointer, value.as_str().into());
    }
    let asked = Asked { id, body: &whole, old: old.as_ref(), config: &azure.config, resources: &azure.arm.resources };
    (kind.check)(&asked)?;
    let late = (kind.late)(&asked);
    (kind.render)(&asked, &mut body);
    for shown in azure.config.shown.iter().filter(|shown| shown.type_.eq_ignore_ascii_case(kind.name)) {
        if take(&mut body, &shown.pointer).is_some()
            && let Some(value) = &shown.value
        {
            insert(&mut body, &shown.pointer, value.clone());
        }
    }
    if etags && let Some(fields) = body.as_object_mut() {
        fields.remove("etag");
    }
    let outcome = outcome.or(late).unwrap_or(Outcome::Succeeded);
    store(azure, kind, id, body, hidden, old, request, now, outcome)
}

#[expect(clippy::too_many_arguments, reason = "one call site; a struct for it would only repeat the names")]
fn store(
    azure: &mut Azure,
    kind: &'static Kind,
    id: &ResourceId,
    body: Value,
    hidden: BTreeMap<String, String>,
    old: Option<Resource>,
    request: &Request,
    now: u64,
    outcome: Outcome,
) -> Result<Reply, ApiError> {
    let (timing, etags) = (azure.config.timing, kind.etag || azure.config.etags);
    let (create, update, _) = kind.durations(&timing);
    let created = old.is_none();
    let version = old.as_ref().map_or(1, |old| old.version + 1);
    let key = id.key();
    if kind.pace == Pace::Sync {
        if let Outcome::Failed { code, message } = outcome {
            return Err(ApiError::new(400, &code, &message));
        }
        let resource = Resource { id: id.clone(), body, hidden, phase: Phase::Ready, visible_at: now, version };
        let reply = Reply::json(if created { 201 } else { 200 }, resource.shown(kind, etags)).accepted();
        let reply = if etags { reply.header("etag", &resource.etag()) } else { reply };
        azure.arm.resources.insert(key, resource);
        return Ok(reply);
    }
    let work = match &old {
        None => Work::Create,
        Some(_) => Work::Replace { body: body.clone(), hidden: hidden.clone() },
    };
    let resource = match old {
        None => {
            let hidden_for = if kind.pace == Pace::Server { timing.invisible } else { 0 };
            let visible_at = now + hidden_for;
            Resource { id: id.clone(), body, hidden, phase: Phase::Creating, visible_at, version }
        }
        Some(old) => Resource { phase: Phase::Updating, ..old },
    };
    let shown = resource.shown(kind, etags);
    let location = shown.get("location").and_then(Value::as_str).unwrap_or("global").to_owned();
    azure.arm.resources.insert(key, resource);
    let ends = now + if created { create } else { update };
    let operation = begin(azure, kind, id, request, now, ends, outcome, work, &location);
    let endpoint = &azure.arm.endpoint;
    let reply = match kind.pace {
        Pace::Provisioned => {
            let reply = Reply::json(if created { 201 } else { 200 }, shown);
            operation.addressed(reply, endpoint, timing.retry_after)
        }
        Pace::Sync | Pace::Server | Pace::Child => operation.accepted(endpoint, timing.retry_after),
    };
    super::settle(azure, now);
    Ok(reply)
}

#[expect(clippy::too_many_arguments, reason = "what an operation is made of")]
fn begin(
    azure: &mut Azure,
    kind: &'static Kind,
    id: &ResourceId,
    request: &Request,
    now: u64,
    ends: u64,
    outcome: Outcome,
    work: Work,
    location: &str,
) -> Operation {
    let name = if matches!(work, Work::Delete) { kind.operations.1 } else { kind.operations.0 };
    let operation = Operation {
        id: azure.new_id("operation"),
        subscription: id.subscription.clone(),
        resource: id.key(),
        provider: kind.provider(),
        location: location.to_owned(),
        poll: kind.poll,
        name,
        api_version: request.query.get("api-version").cloned().unwrap_or_default(),
        started: now,
        ends,
        outcome,
        work,
        settled: false,
    };
    azure.arm.operations.insert(operation.id.clone(), operation.clone());
    operation
}

/// DELETE.
pub(super) fn delete(
    azure: &mut Azure,
    kind: &'static Kind,
    id: &ResourceId,
    request: &Request,
    now: u64,
    outcome: Option<Outcome>,
) -> Result<Reply, ApiError> {
    let key = id.key();
    let Some(old) = azure.arm.resources.get(&key).cloned() else { return Ok(Reply::empty(204)) };
    unlocked(&azure.arm, &key)?;
    busy(kind, Some(&old))?;
    preconditions(kind.etag || azure.config.etags, Some(&old), request)?;
    if kind.pace == Pace::Sync {
        azure.arm.resources.retain(|other, _| *other != key && !other.starts_with(&format!("{key}/")));
        return Ok(Reply::empty(200).accepted());
    }
    let timing = azure.config.timing;
    let (_, _, time) = kind.durations(&timing);
    let location = old.body.get("location").and_then(Value::as_str).unwrap_or("global").to_owned();
    azure.arm.resources.insert(key, Resource { phase: Phase::Deleting, ..old });
    let outcome = outcome.unwrap_or(Outcome::Succeeded);
    let operation = begin(azure, kind, id, request, now, now + time, outcome, Work::Delete, &location);
    let reply = operation.accepted(&azure.arm.endpoint, timing.retry_after);
    super::settle(azure, now);
    Ok(reply)
}

/// No lock holds what is at or below a key.
pub(super) fn unlocked(state: &State, key: &str) -> Result<(), ApiError> {
    let below = |inner: &str, outer: &str| inner == outer || inner.starts_with(&format!("{outer}/"));
    match state.locks.iter().find(|lock| below(key, lock) || below(lock, key)) {
        None => Ok(()),
        Some(lock) => {
            let message = format!(
                "The scope '{key}' cannot perform delete operation because following scope(s) are locked: '{lock}'. \
                 Please remove the lock and try again."
            );
            Err(ApiError::gateway(409, "ScopeLocked", &message))
        }
    }
}

/// Who holds a global name: a resource anywhere, or somebody else in Azure.
pub(super) fn holder(azure: &Azure, kind: &Kind, name: &str) -> Option<String> {
    holder_of(&azure.config, &azure.arm.resources, kind.name, name)
}

/// As [`holder`], for a type by its name.
pub(super) fn holder_of(
    config: &Config,
    resources: &BTreeMap<String, Resource>,
    type_name: &str,
    name: &str,
) -> Option<String> {
    let same = |one: &&Resource| {
        one.id.name().eq_ignore_ascii_case(name) && one.id.type_name().eq_ignore_ascii_case(type_name)
    };
    let others = config.names_of_others.iter().find(|other| other.eq_ignore_ascii_case(name)).cloned();
    resources.values().find(same).map(|one| one.id.to_string()).or(others)
}

fn parent_is_there(azure: &Azure, id: &ResourceId, now: u64) -> Result<(), ApiError> {
    let Some(parent) = id.parent() else { return Ok(()) };
    match azure.arm.resources.get(&parent.key()) {
        Some(found) if found.visible_at <= now && found.phase == Phase::Creating => {
            Err(ApiError::new(409, "ConflictingServerOperation", "An operation on the server is in progress."))
        }
        Some(found) if found.visible_at <= now => Ok(()),
        _ => {
            let message = format!(
                "Failed to perform 'write' on resource(s) of type '{}', because the parent resource '{parent}' could \
                 not be found.",
                id.type_name()
            );
            Err(ApiError::gateway(404, "ParentResourceNotFound", &message))
        }
    }
}

fn busy(kind: &Kind, old: Option<&Resource>) -> Result<(), ApiError> {
    let server = kind.name == "Microsoft.Sql/servers";
    let code = match old.map(|old| old.phase) {
        None | Some(Phase::Ready) => return Ok(()),
        Some(Phase::Creating) if server => "UpsertLogicalServerRequestAlreadyInProgress",
        Some(Phase::Deleting) if server => "DropLogicalServerAlreadyInProgress",
        Some(Phase::Updating) if server => "ConflictingServerOperation",
        Some(Phase::Creating | Phase::Updating | Phase::Deleting) => "AnotherOperationInProgress",
    };
    Err(ApiError::new(409, code, "An operation on this resource is in progress; try again when it is done."))
}

/// The body, which must be of the right form.
fn sent(kind: &Kind, request: &Request) -> Result<Map<String, Value>, ApiError> {
    let wrong = |message: &str| Err(ApiError::gateway(400, "InvalidRequestContent", message));
    let Ok(Value::Object(body)) = serde_json::from_slice(&request.body) else {
        return wrong("The request content was invalid and could not be deserialized.");
    };
    let usual = ["id", "name", "type", "properties", "kind", "etag"];
    for field in body.keys() {
        let tracked = kind.tracked && ["location", "tags"].contains(&field.as_str());
        if !tracked && !usual.contains(&field.as_str()) && !kind.top.contains(&field.as_str()) {
            return wrong(&format!(
                "The request content was invalid and could not be deserialized: 'Could not find member '{field}' on \
                 object of type 'ResourceDefinition'.'"
            ));
        }
    }
    let properties = body.get("properties").and_then(Value::as_object);
    for (field, value) in properties.into_iter().flatten().filter(|(_, value)| !value.is_null()) {
        let Some((_, shape)) = kind.properties.iter().find(|(name, _)| name == field) else {
            // Azure lets most of them pass in silence; a client of ours is to hear of it.
            return wrong(&format!("The property 'properties.{field}' is not known for type '{}'.", kind.name));
        };
        if !shape.fits(value) {
            return wrong(&format!("The property 'properties.{field}' is of the wrong type: {shape:?} is expected."));
        }
    }
    Ok(body)
}

fn preconditions(etags: bool, old: Option<&Resource>, request: &Request) -> Result<(), ApiError> {
    if !etags {
        return Ok(());
    }
    let etag = old.map(Resource::etag);
    let holds = |wanted: &str| etag.as_deref().is_some_and(|etag| wanted == "*" || wanted == etag);
    let failed = request.get_header("if-match").is_some_and(|wanted| !holds(wanted))
        || request.get_header("if-none-match").is_some_and(holds);
    if failed {
        let message = "The condition specified using HTTP conditional header(s) is not met.";
        return Err(ApiError::new(412, "PreconditionFailed", message));
    }
    Ok(())
}

/// The new body without what only the provider knows, and the write-only values.
fn merged(
    kind: &Kind,
    id: &ResourceId,
    sent: &Map<String, Value>,
    old: Option<&Resource>,
    patch: bool,
) -> (Value, BTreeMap<String, String>) {
    let mut body = match old {
        Some(old) if patch => {
            let mut body = old.body.clone();
            merge(&mut body, &Value::Object(sent.clone()));
            body
        }
        _ => Value::Object(sent.clone()),
    };
    let mut hidden = old.map(|old| old.hidden.clone()).unwrap_or_default();
    for pointer in kind.hidden {
        if let Some(value) = take(&mut body, pointer) {
            hidden.extend(value.as_str().map(|value| ((*pointer).to_owned(), value.to_owned())));
        }
    }
    // What cannot change stays if it is not sent again.
    for pointer in kind.immutable {
        if let (None, Some(value)) = (body.pointer(pointer), old.and_then(|old| old.body.pointer(pointer))) {
            insert(&mut body, pointer, value.clone());
        }
    }
    if let (Some(fields), Value::Object(head)) = (body.as_object_mut(), id.head()) {
        fields.extend(head);
        fields.entry("properties").or_insert_with(|| Value::Object(Map::new()));
        if kind.tracked {
            fields.entry("tags").or_insert_with(|| Value::Object(Map::new()));
        }
    }
    (body, hidden)
}

fn located(kind: &Kind, body: &mut Value, old: Option<&Resource>) -> Result<(), ApiError> {
    if !kind.tracked {
        return Ok(());
    }
    let had = old.and_then(|old| old.body.get("location")).and_then(Value::as_str);
    let Some(wanted) = body.get("location").and_then(Value::as_str).or(had).map(str::to_owned) else {
        let message = "The location property is required for this definition.";
        return Err(ApiError::gateway(400, "LocationRequired", message));
    };
    let region = if wanted == "global" { Some(wanted.clone()) } else { text::region(&wanted) };
    let Some(region) = region else {
        let message = format!(
            "The provided location '{wanted}' is not available for resource type '{}'. List of available regions for \
             the resource type is 'eastus,westeurope,…'.",
            kind.name
        );
        return Err(ApiError::gateway(400, "LocationNotAvailableForResourceType", &message));
    };
    if let Some(had) = had.filter(|had| *had != region) {
        let message = format!(
            "The resource already exists in location '{had}'. A resource with the same name cannot be created in \
             location '{region}'. Please select a new resource name."
        );
        return Err(ApiError::gateway(409, "InvalidResourceLocation", &message));
    }
    body["location"] = region.into();
    Ok(())
}

fn unchanged(kind: &Kind, body: &Value, old: Option<&Resource>) -> Result<(), ApiError> {
    let Some(old) = old else { return Ok(()) };
    for pointer in kind.immutable {
        if old.body.pointer(pointer).is_some() && old.body.pointer(pointer) != body.pointer(pointer) {
            let name = pointer.trim_start_matches('/').replace('/', ".");
            let message = format!("Changing property '{name}' is not allowed.");
            return Err(ApiError::new(409, "PropertyChangeNotAllowed", &message));
        }
    }
    Ok(())
}

/// A JSON merge patch.
fn merge(into: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *into = patch.clone();
        return;
    };
    if !into.is_object() {
        *into = Value::Object(Map::new());
    }
    for (key, value) in fields {
        match into.as_object_mut() {
            Some(map) if value.is_null() => drop(map.remove(key)),
            // Tags are one value: what is not sent again is gone.
            Some(map) if key == "tags" => drop(map.insert(key.clone(), value.clone())),
            Some(map) => merge(map.entry(key.clone()).or_insert(Value::Null), value),
            None => {}
        }
    }
}

/// Takes a value out of a body.
fn take(body: &mut Value, pointer: &str) -> Option<Value> {
    let (parent, key) = pointer.rsplit_once('/')?;
    body.pointer_mut(parent)?.as_object_mut()?.remove(key)
}

/// Puts a value into an object that is there.
fn insert(body: &mut Value, pointer: &str, value: Value) {
    let Some((parent, key)) = pointer.rsplit_once('/') else { return };
    if let Some(fields) = body.pointer_mut(parent).and_then(Value::as_object_mut) {
        fields.insert(key.to_owned(), value);
    }
}

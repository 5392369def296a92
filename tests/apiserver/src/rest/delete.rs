//! DELETE of an object or of a collection: preconditions, grace, finalizers, propagation.

use super::commit::{may_go, remove_now};
use super::{Answer, Answered, body, key, list, meta};
use crate::api::Api;
use crate::api_error::ApiError;
use crate::clock::rfc3339;
use crate::field_error::FieldError;
use crate::http::accept::Accepted;
use crate::http::reply::Reply;
use crate::http::request::Call;
use crate::registry::Served;
use crate::storage::{ObjectKey, Stored, WriteError};
use serde_json::{Value, json};
use std::sync::Arc;

/// What a delete asks for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    pub(crate) propagation: Option<String>,
    pub(crate) grace: Option<i64>,
    pub(crate) uid: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) dry_run: bool,
}

/// Core kinds whose delete answers the object instead of a Status.
const ANSWERS_OBJECT: [(&str, &str); 11] = [
    ("", "pods"),
    ("", "services"),
    ("", "serviceaccounts"),
    ("", "persistentvolumes"),
    ("", "persistentvolumeclaims"),
    ("", "podtemplates"),
    ("", "resourcequotas"),
    ("storage.k8s.io", "storageclasses"),
    ("storage.k8s.io", "csinodes"),
    ("storage.k8s.io", "csidrivers"),
    ("storage.k8s.io", "volumeattachments"),
];

impl Options {
    fn of(call: &Call) -> Result<Self, ApiError> {
        let mut options = Self { dry_run: call.dry_run(), ..Self::default() };
        let invalid = |error: FieldError| ApiError::invalid("meta.k8s.io", "DeleteOptions", "", &[error]);
        if !call.body.is_empty() {
            let value = body::read(call, |why| why)?.value;
            match value.get("kind").and_then(Value::as_str) {
                None | Some("DeleteOptions") => {}
                Some(_) => return Err(ApiError::bad_request("decoded object cannot be converted to DeleteOptions")),
            }
            let text = |path: &str| value.pointer(path).and_then(Value::as_str).map(str::to_owned);
            options.propagation = text("/propagationPolicy");
            options.grace = value.get("gracePeriodSeconds").and_then(Value::as_i64);
            options.uid = text("/preconditions/uid");
            options.version = text("/preconditions/resourceVersion");
            options.dry_run |=
                value.get("dryRun").and_then(Value::as_array).is_some_and(|d| d.iter().any(|v| v == "All"));
            if let Some(orphan) = value.get("orphanDependents").and_then(Value::as_bool) {
                if options.propagation.is_some() {
                    return Err(invalid(FieldError::invalid(
                        "propagationPolicy",
                        &json!(options.propagation),
                        "orphanDependents and deletionPropagation cannot be both set",
                    )));
                }
                options.propagation = Some(if orphan { "Orphan" } else { "Background" }.to_owned());
            }
        } else {
            if let Some(policy) = call.query.get("propagationPolicy") {
                options.propagation = Some(policy.to_owned());
            }
            if let Some(grace) = call.query.get("gracePeriodSeconds") {
                options.grace = Some(grace.parse().map_err(|_| {
                    ApiError::bad_request(format!("strconv.ParseInt: parsing \"{grace}\": invalid syntax"))
                })?);
            }
            if call.query.has("orphanDependents") {
                options.propagation =
                    Some(if call.query.flag("orphanDependents") { "Orphan" } else { "Background" }.to_owned());
            }
        }
        if let Some(policy) = options.propagation.as_deref()
            && !matches!(policy, "Foreground" | "Background" | "Orphan")
        {
            let known = ["Foreground", "Background", "Orphan", "nil"];
            return Err(invalid(FieldError::not_supported("propagationPolicy", &json!(policy), &known)));
        }
        if options.grace.is_some_and(|g| g < 0) {
            options.grace = Some(1);
        }
        Ok(options)
    }
}

/// DELETE of one object.
pub(crate) fn delete(api: &Api, call: &Call, served: &Served) -> Result<Answer, ApiError> {
    body::check_dry_run(call)?;
    let options = Options::of(call)?;
    delete_object(api, served, &key(call, served), &options)
}

/// Delete one object by the rules of a request.
pub(crate) fn delete_object(
    api: &Api,
    served: &Served,
    key: &ObjectKey,
    options: &Options,
) -> Result<Answer, ApiError> {
    loop {
        let existing = api.store.get(&served.table, key).ok_or_else(|| ApiError::not_found(served, &key.1))?;
        preconditions(served, &existing.value, options)?;
        protect(served, &key.1)?;
        match step(api, served, key, &existing, options)? {
            Some(answer) => return Ok(answer),
            None => continue,
        }
    }
}

fn preconditions(served: &Served, object: &Value, options: &Options) -> Result<(), ApiError> {
    let conflict = |why: String| {
        let qualified =
            if served.group.is_empty() { served.kind.clone() } else { format!("{}.{}", served.kind, served.group) };
        let name = meta::text(object, "name");
        Err(ApiError::new(409, "Conflict", format!("Operation cannot be fulfilled on {qualified} \"{name}\": {why}"))
            .about(&served.group, &served.kind, name))
    };
    let (uid, version) = (meta::text(object, "uid"), meta::text(object, "resourceVersion"));
    if let Some(wanted) = options.uid.as_deref().filter(|w| *w != uid) {
        return conflict(format!(
            "the UID in the precondition ({wanted}) does not match the UID in record ({uid}). The object might have been deleted and then recreated"
        ));
    }
    if let Some(wanted) = options.version.as_deref().filter(|w| *w != version) {
        return conflict(format!(
            "the ResourceVersion in the precondition ({wanted}) does not match the ResourceVersion in record ({version}). The object might have been modified"
        ));
    }
    Ok(())
}

/// Namespaces that the system needs may not be deleted.
fn protect(served: &Served, name: &str) -> Result<(), ApiError> {
    let needed = served.group.is_empty()
        && served.plural == "namespaces"
        && matches!(name, "default" | "kube-system" | "kube-public");
    if needed {
        return Err(ApiError::forbidden("", "namespaces", name, "this namespace may not be deleted"));
    }
    Ok(())
}

/// The finalizers after the propagation policy had its say.
fn finalizers(object: &Value, options: &Options) -> Vec<String> {
    let mut out = meta::finalizers(object);
    let (orphan, foreground) = match options.propagation.as_deref() {
        Some("Orphan") => (true, false),
        Some("Foreground") => (false, true),
        Some(_) => (false, false),
        // No policy: what an earlier delete asked for stands.
        None => (out.iter().any(|f| f == "orphan"), out.iter().any(|f| f == "foregroundDeletion")),
    };
    out.retain(|f| f != "orphan" && f != "foregroundDeletion");
    if orphan {
        out.push("orphan".to_owned());
    }
    if foreground {
        out.push("foregroundDeletion".to_owned());
    }
    out
}

/// One attempt: nothing when another write came between.
fn step(
    api: &Api,
    served: &Served,
    key: &ObjectKey,
    existing: &Arc<Stored>,
    options: &Options,
) -> Result<Option<Answer>, ApiError> {
    let mut object = (*existing.value).clone();
    let now = api.clock.now();
    let mut grace = served.strategy.graceful_seconds(&object, options.grace);
    let already = meta::is_deleting(&object);
    if already && let Some(before) = meta::number(&object, "deletionGracePeriodSeconds") {
        // A second delete can shorten the grace, never prolong it.
        grace = if before == 0 { 0 } else { options.grace.map_or(before, |g| g.min(before)) };
    }
    let finalizers = finalizers(&object, options);
    meta::set_finalizers(&mut object, &finalizers);
    let crd = served.group == "apiextensions.k8s.io" && served.plural == "customresourcedefinitions";
    if crd {
        crate::crds::mark_terminating(&mut object, &rfc3339(now));
    }
    let mut marked = object.clone();
    let shortened = already && meta::number(&object, "deletionGracePeriodSeconds").is_some_and(|g| g > grace);
    if !already || shortened {
        let until = now + chrono::Duration::seconds(grace);
        meta::set(&mut marked, "deletionTimestamp", Some(json!(rfc3339(until))));
        meta::set(&mut marked, "deletionGracePeriodSeconds", Some(json!(grace)));
        if !already && let Some(generation) = meta::number(&marked, "generation").filter(|g| *g > 0) {
            meta::set(&mut marked, "generation", Some(json!(generation + 1)));
        }
        if served.plural == "namespaces" && served.group.is_empty() {
            marked["status"] = json!({ "phase": "Terminating" });
        }
    }
    if may_go(&marked, served) {
        return gone(api, served, key, existing, options);
    }
    if options.dry_run || marked == *existing.value {
        return Ok(Some(Answer::value(
            200,
            (*super::view(served, &Stored::new(marked, existing.version, existing.epoch))).clone(),
        )));
    }
    match api.store.replace(&served.table, key.clone(), existing.version, marked, existing.epoch) {
        Ok(stored) => {
            let stored = crate::crds::after_write(api, served, Some(existing), Some(&stored)).unwrap_or(stored);
            Ok(Some(Answer::stored(200, stored)))
        }
        Err(WriteError::Missing) => Err(ApiError::not_found(served, &key.1)),
        Err(_) => Ok(None),
    }
}

fn gone(
    api: &Api,
    served: &Served,
    key: &ObjectKey,
    existing: &Stored,
    options: &Options,
) -> Result<Option<Answer>, ApiError> {
    let answers_object = ANSWERS_OBJECT.contains(&(served.group.as_str(), served.plural.as_str()));
    let mut code_body = Answered::Value(success(served, &key.1, meta::text(&existing.value, "uid")));
    if options.dry_run {
        if answers_object {
            code_body = Answered::Value((*super::view(served, existing)).clone());
        }
        return Ok(Some(Answer { code: 200, body: code_body, warnings: Vec::new() }));
    }
    match remove_now(api, served, key, existing) {
        Ok(object) => {
            if answers_object {
                code_body = Answered::Stored(object);
            }
            Ok(Some(Answer { code: 200, body: code_body, warnings: Vec::new() }))
        }
        Err(WriteError::Missing) => Err(ApiError::not_found(served, &key.1)),
        Err(_) => Ok(None),
    }
}

fn success(served: &Served, name: &str, uid: &str) -> Value {
    let mut details = json!({ "name": name, "kind": served.plural, "uid": uid });
    if !served.group.is_empty() {
        details["group"] = json!(served.group);
    }
    json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details })
}

/// DELETE of a collection: everything that the selectors match; answers what was there.
pub(crate) fn delete_collection(
    api: &Api,
    call: &Call,
    served: &Arc<Served>,
    accepted: Accepted,
) -> Result<Reply, ApiError> {
    body::check_dry_run(call)?;
    let options = Options::of(call)?;
    let found = list::find(api, call, served)?;
    for object in &found.objects {
        let key = (meta::text(&object.value, "namespace").to_owned(), meta::text(&object.value, "name").to_owned());
        match delete_object(api, served, &key, &options) {
            Ok(_) => {}
            Err(error) if error.code == 404 => {}
            Err(error) => return Err(error),
        }
    }
    Ok(list::render(api, call, served, &found, accepted))
}

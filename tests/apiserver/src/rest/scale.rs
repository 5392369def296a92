//! The scale subresource: `autoscaling/v1` Scale in and out, mapped to fields of the parent.

use super::commit::Write;
use super::patch::Format;
use super::{Answer, Answered, body, key, meta, patch as object_patch, read, replace, view};
use crate::api::Api;
use crate::api_error::ApiError;
use crate::apply::{self, Operation};
use crate::field_error::FieldError;
use crate::http::request::Call;
use crate::registry::Served;
use crate::selector::label::Selector;
use serde_json::{Map, Value, json};

fn at<'a>(object: &'a Value, path: &str) -> Option<&'a Value> {
    path.trim_start_matches('.').split('.').try_fold(object, |value, part| value.get(part))
}

fn put(object: &mut Value, path: &str, value: Value) {
    let mut place = object;
    let mut parts = path.trim_start_matches('.').split('.').peekable();
    while let Some(part) = parts.next() {
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        let Some(map) = place.as_object_mut() else {
            return;
        };
        if parts.peek().is_none() {
            map.insert(part.to_owned(), value);
            return;
        }
        place = map.entry(part.to_owned()).or_insert_with(|| json!({}));
    }
}

/// The Scale of an object.
fn scale_of(served: &Served, object: &Value) -> Value {
    let Some(paths) = &served.scale else {
        return Value::Null;
    };
    let mut metadata = Map::new();
    for name in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if let Some(value) = object.get("metadata").and_then(|m| m.get(name)) {
            metadata.insert(name.to_owned(), value.clone());
        }
    }
    let number = |path: &str| at(object, path).and_then(Value::as_i64).unwrap_or(0);
    let mut spec = Map::new();
    if number(&paths.spec_replicas) != 0 {
        spec.insert("replicas".to_owned(), json!(number(&paths.spec_replicas)));
    }
    let mut status = json!({ "replicas": number(&paths.status_replicas) });
    let selector =
        paths.label_selector.as_deref().and_then(|path| at(object, path)).and_then(|selector| match selector {
            Value::String(text) => Some(text.clone()),
            object if object.get("matchLabels").is_some() || object.get("matchExpressions").is_some() => {
                Selector::from_object(Some(object)).map(|s| s.text())
            }
            Value::Object(labels) => {
                let pairs: Vec<String> =
                    labels.iter().filter_map(|(k, v)| v.as_str().map(|v| format!("{k}={v}"))).collect();
                Some(pairs.join(","))
            }
            _ => None,
        });
    if let Some(selector) = selector.filter(|s| !s.is_empty()) {
        status["selector"] = json!(selector);
    }
    json!({ "kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec, "status": status })
}

/// GET.
pub(crate) fn get(api: &Api, call: &Call, served: &Served) -> Result<Answer, ApiError> {
    let object = read::find(api, call, served)?;
    Ok(Answer::value(200, scale_of(served, &view(served, &object))))
}

fn replicas(scale: &Value, name: &str) -> Result<i64, ApiError> {
    let number = match scale.pointer("/spec/replicas") {
        None | Some(Value::Null) => 0,
        Some(value) => value.as_i64().ok_or_else(|| {
            ApiError::bad_request(format!("Scale in version \"v1\" cannot be handled as a Scale: json: cannot unmarshal {value} into Go struct field ScaleSpec.spec.replicas of type int32"))
        })?,
    };
    if number < 0 {
        let error = FieldError::invalid("spec.replicas", &json!(number), "must be greater than or equal to 0");
        return Err(ApiError::invalid("autoscaling", "Scale", name, &[error]));
    }
    Ok(number)
}

/// PUT.
pub(crate) fn replace(api: &Api, call: &Call, served: &Served) -> Result<Answer, ApiError> {
    body::check_dry_run(call)?;
    let scale = body::document(call)?.value;
    if let Some(kind) = scale.get("kind").and_then(Value::as_str).filter(|k| *k != "Scale") {
        return Err(ApiError::bad_request(format!("{kind} cannot be handled as a Scale")));
    }
    replace::check_name(&scale, &call.target.name, &call.target.namespace)?;
    change(api, call, served, |_| Ok(scale.clone()))
}

/// PATCH.
pub(crate) fn patch(api: &Api, call: &Call, served: &Served) -> Result<Answer, ApiError> {
    let (format, change_wanted) = object_patch::request(call, served)?;
    if format == Format::Apply {
        return apply_scale(api, call, served, &change_wanted);
    }
    let open = crate::schema::Schema::any();
    change(api, call, served, |scale| object_patch::patched(&open, scale, &change_wanted, format))
}

fn write<'a>(api: &'a Api, call: &'a Call, served: &'a Served) -> Write<'a> {
    Write {
        api,
        served,
        key: key(call, served),
        subresource: "scale",
        manager: call.manager(),
        dry_run: call.dry_run(),
    }
}

fn shown(served: &Served, done: Answered) -> Answer {
    let object = match &done {
        Answered::Stored(stored) => view(served, stored),
        Answered::Value(value) => std::sync::Arc::new(value.clone()),
    };
    Answer::value(200, scale_of(served, &object))
}

fn change(
    api: &Api,
    call: &Call,
    served: &Served,
    wanted: impl Fn(&Value) -> Result<Value, ApiError>,
) -> Result<Answer, ApiError> {
    let write = write(api, call, served);
    let Some(paths) = &served.scale else {
        return Err(ApiError::unknown_resource());
    };
    loop {
        let existing = read::find(api, call, served)?;
        let old = view(served, &existing);
        let scale = wanted(&scale_of(served, &old))?;
        let uid = meta::text(&scale, "uid");
        if !uid.is_empty() && uid != meta::text(&old, "uid") {
            return Err(ApiError::conflict(
                served,
                &write.key.1,
                "Precondition failed: UID in precondition does not match UID in object meta",
            ));
        }
        let version = meta::text(&scale, "resourceVersion");
        if !version.is_empty() && version != meta::text(&old, "resourceVersion") {
            return Err(ApiError::modified(served, &write.key.1));
        }
        let mut new = (*old).clone();
        put(&mut new, &paths.spec_replicas, json!(replicas(&scale, &write.key.1)?));
        apply::track_update(Some(&old), &mut new, served, &write.identity(Operation::Update));
        if let Some(done) = write.update(&existing, &old, new)? {
            return Ok(shown(served, done));
        }
    }
}

fn apply_scale(api: &Api, call: &Call, served: &Served, scale: &Value) -> Result<Answer, ApiError> {
    let write = write(api, call, served);
    let Some(paths) = &served.scale else {
        return Err(ApiError::unknown_resource());
    };
    let mut config =
        json!({ "apiVersion": served.api_version(), "kind": served.kind, "metadata": { "name": write.key.1 } });
    put(&mut config, &paths.spec_replicas, json!(replicas(scale, &write.key.1)?));
    loop {
        let existing = read::find(api, call, served)?;
        let old = view(served, &existing);
        let who = write.identity(Operation::Apply);
        let applied = apply::apply(Some(&old), &config, served, &who, call.query.flag("force"))
            .map_err(|e| object_patch::conflict(e, served, &write.key.0, &write.key.1))?;
        let mut new = applied.object;
        body::finish(served, &mut new, Some(&old))?;
        if let Some(done) = write.update(&existing, &old, new)? {
            return Ok(shown(served, done));
        }
    }
}

//! `pods/eviction`: a delete that asks the PodDisruptionBudgets first.

use super::{Answer, DeleteOptions, body, delete_object, key, meta, read};
use crate::api::Api;
use crate::api_error::ApiError;
use crate::http::request::Call;
use crate::registry::Served;
use crate::selector::label::Selector;
use crate::storage::TableKey;
use serde_json::{Value, json};

/// POST of an Eviction.
pub(crate) fn evict(api: &Api, call: &Call, served: &Served) -> Result<Answer, ApiError> {
    let pod = read::find(api, call, served)?;
    let request = body::document(call)?.value;
    let finished =
        matches!(pod.value.pointer("/status/phase").and_then(Value::as_str), Some("Succeeded" | "Failed" | "Pending"));
    if !finished && !meta::is_deleting(&pod.value) {
        ask_budgets(api, call, &pod.value)?;
    }
    let options = DeleteOptions {
        grace: request.pointer("/deleteOptions/gracePeriodSeconds").and_then(Value::as_i64),
        uid: request.pointer("/deleteOptions/preconditions/uid").and_then(Value::as_str).map(str::to_owned),
        dry_run: call.dry_run(),
        ..DeleteOptions::default()
    };
    delete_object(api, served, &key(call, served), &options)?;
    Ok(Answer::value(
        201,
        json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201 }),
    ))
}

fn ask_budgets(api: &Api, call: &Call, pod: &Value) -> Result<(), ApiError> {
    let table = TableKey::new("policy", "poddisruptionbudgets");
    let Ok(page) = api.store.list(&table, Some(&call.target.namespace), None, None) else {
        return Ok(());
    };
    let guarding: Vec<_> = page
        .items
        .iter()
        .filter(|budget| Selector::from_object(budget.value.pointer("/spec/selector")).is_some_and(|s| s.matches(pod)))
        .collect();
    if guarding.len() > 1 {
        return Err(ApiError::new(
            500,
            "InternalError",
            "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
        ));
    }
    let Some(budget) = guarding.first() else {
        return Ok(());
    };
    let allowed = budget.value.pointer("/status/disruptionsAllowed").and_then(Value::as_i64).unwrap_or(0);
    if allowed > 0 {
        return Ok(());
    }
    let name = meta::text(&budget.value, "name");
    let number = |path: &str| budget.value.pointer(path).and_then(Value::as_i64).unwrap_or(0);
    Err(ApiError::new(429, "TooManyRequests", "Cannot evict pod as it would violate the pod's disruption budget.")
        .because(vec![json!({
            "reason": "DisruptionBudget",
            "message": format!(
                "The disruption budget {name} needs {} healthy pods and has {} currently",
                number("/status/desiredHealthy"),
                number("/status/currentHealthy")
            ),
        })]))
}

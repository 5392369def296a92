//! Field selectors (`metadata.name=a,status.phase!=Running`): text and the fields that a resource supports in, a test out.

use crate::resource::Resource;
use serde_json::Value;

/// Conditions on fields; all must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Selector(Vec<(String, bool, String)>);

impl Selector {
    /// Read a selector. The error is the message of the 400 that a real server answers.
    pub(crate) fn parse(text: &str, resource: &Resource) -> Result<Self, String> {
        let mut terms = Vec::new();
        for term in split(text) {
            if term.is_empty() {
                continue;
            }
            let (field, equal, value) =
                operator(&term).ok_or_else(|| format!("invalid selector: '{text}'; can't understand '{term}'"))?;
            let known = matches!(field, "metadata.name" | "metadata.namespace")
                && (resource.namespaced || field == "metadata.name" || !resource.custom)
                || resource.selectable_fields.iter().any(|f| f.trim_start_matches('.') == field);
            if !known {
                let own_words = matches!(
                    (resource.group.as_str(), resource.plural.as_str()),
                    (
                        "" | "events.k8s.io",
                        "pods" | "nodes" | "events" | "namespaces" | "secrets" | "services" | "replicationcontrollers"
                    )
                );
                return Err(if resource.custom || own_words {
                    format!("field label not supported: {field}")
                } else if resource.group == "batch" && resource.plural == "jobs" {
                    format!("field label \"{field}\" not supported for batchv1.Job")
                } else {
                    format!("\"{field}\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"")
                });
            }
            terms.push((field.to_owned(), equal, unescape(value)));
        }
        Ok(Self(terms))
    }

    pub(crate) fn is_everything(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn matches(&self, object: &Value) -> bool {
        self.0.iter().all(|(field, equal, value)| (text_at(object, field) == *value) == *equal)
    }
}

fn text_at(object: &Value, path: &str) -> String {
    let found = path.split('.').try_fold(object, |at, part| at.get(part));
    match found {
        None | Some(Value::Null) => default_at(path),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// What a field selector compares with when the field is absent: the zero value of its type.
fn default_at(path: &str) -> String {
    match path {
        "spec.unschedulable" | "spec.hostNetwork" => "false".to_owned(),
        "status.replicas" | "status.successful" => "0".to_owned(),
        _ => String::new(),
    }
}

fn split(text: &str) -> Vec<String> {
    let mut terms = vec![String::new()];
    let mut escaped = false;
    for c in text.chars() {
        if c == ',' && !escaped {
            terms.push(String::new());
            continue;
        }
        escaped = c == '\\' && !escaped;
        if let Some(last) = terms.last_mut() {
            last.push(c);
        }
    }
    terms
}

fn operator(term: &str) -> Option<(&str, bool, &str)> {
    let at = term.find(['=', '!'])?;
    let (field, rest) = term.split_at(at);
    let (equal, value) = rest
        .strip_prefix("!=")
        .map(|v| (false, v))
        .or_else(|| rest.strip_prefix("==").map(|v| (true, v)))
        .or_else(|| rest.strip_prefix('=').map(|v| (true, v)))?;
    Some((field, equal, value))
}

fn unescape(value: &str) -> String {
    value.replace("\\,", ",").replace("\\=", "=").replace("\\\\", "\\")
}

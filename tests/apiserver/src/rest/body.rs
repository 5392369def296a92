//! Request bodies that are objects: bytes in, an object of the right kind out, with warnings about fields that are
//! unknown or occur twice.

use crate::api_error::ApiError;
use crate::field_error::quote;
use crate::http::decode::{self, Document};
use crate::http::protobuf;
use crate::http::request::Call;
use crate::registry::Served;
use serde_json::{Value, json};

const ACCEPTED: &str = "application/json, application/yaml, application/vnd.kubernetes.protobuf";

/// What kinds take that have no protobuf form.
const TEXT: &str = "application/json, application/yaml";

/// Read the body by its media type.
pub(crate) fn document(call: &Call) -> Result<Document, ApiError> {
    read(call, |why| format!("couldn't get version/kind; json parse error: {why}"))
}

/// The same, with a say in what the message is when the text of the body cannot be parsed.
pub(crate) fn read(call: &Call, unreadable: impl Fn(String) -> String) -> Result<Document, ApiError> {
    let read = match call.content_type().as_str() {
        "application/json" => decode::json(&call.body),
        "application/yaml" => decode::yaml(&call.body),
        protobuf::MEDIA_TYPE => {
            return protobuf::document(&call.body).map_err(|error| match error {
                protobuf::Error::UnknownKind { .. } => ApiError::unsupported_media_type(TEXT),
                error => ApiError::bad_request(error.to_string()),
            });
        }
        _ => return Err(ApiError::unsupported_media_type(ACCEPTED)),
    };
    read.map_err(|why| ApiError::bad_request(unreadable(why)))
}

/// An object of the kind of `served`, decoded and defaulted, with the warnings for the client.
pub(crate) fn object(call: &Call, served: &Served, old: Option<&Value>) -> Result<(Value, Vec<String>), ApiError> {
    let Document { mut value, duplicates } = document(call)?;
    check_kind(&mut value, served)?;
    let warnings = check_fields(call, served, &value, duplicates)?;
    finish(served, &mut value, old)?;
    Ok((value, warnings))
}

/// Check that a value says it is an object of the kind of `served`.
pub(crate) fn check_kind(value: &mut Value, served: &Served) -> Result<(), ApiError> {
    let Some(object) = value.as_object_mut() else {
        return Err(ApiError::bad_request(format!(
            "the object provided is unrecognized (must be of type {}): couldn't get version/kind; json parse error: json: cannot unmarshal {} into Go value of type struct {{ APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" }}",
            served.kind,
            crate::schema::word(value),
        )));
    };
    let text = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or("").to_owned();
    let (kind, version) = (text("kind"), text("apiVersion"));
    let expected = served.api_version();
    if served.custom && kind.is_empty() {
        let shown: String = Value::Object(object.clone()).to_string().chars().take(100).collect();
        return Err(ApiError::bad_request(format!(
            "the object provided is unrecognized (must be of type {}): Object 'Kind' is missing in '{shown}'",
            served.kind
        )));
    }
    if !version.is_empty() && version != expected {
        return Err(ApiError::bad_request(format!(
            "the API version in the data ({version}) does not match the expected API version ({expected})"
        )));
    }
    if !kind.is_empty() && kind != served.kind && !served.custom {
        let package = if served.group.is_empty() { "core" } else { served.group.split('.').next().unwrap_or("") };
        return Err(ApiError::bad_request(format!(
            "{kind} in version {} cannot be handled as a {}: converting ({}.{kind}) to ({package}.{}): unknown conversion",
            quote(&served.version),
            served.kind,
            served.version,
            served.kind,
        )));
    }
    if kind.is_empty() {
        object.insert("kind".to_owned(), json!(served.kind));
    }
    object.insert("apiVersion".to_owned(), json!(expected));
    match object.get("metadata") {
        None | Some(Value::Null) => {
            object.insert("metadata".to_owned(), json!({}));
            Ok(())
        }
        Some(Value::Object(_)) => Ok(()),
        Some(other) => Err(cannot_handle(
            served,
            &format!(
                "json: cannot unmarshal {} into Go struct field {}.metadata of type v1.ObjectMeta",
                crate::schema::word(other),
                served.kind
            ),
        )),
    }
}

fn cannot_handle(served: &Served, why: &str) -> ApiError {
    ApiError::bad_request(format!(
        "{} in version {} cannot be handled as a {}: {why}",
        served.kind,
        quote(&served.version),
        served.kind
    ))
}

/// Unknown and duplicate fields: refused, warned about or ignored, as the request asks.
pub(crate) fn check_fields(
    call: &Call,
    served: &Served,
    value: &Value,
    duplicates: Vec<String>,
) -> Result<Vec<String>, ApiError> {
    let directive = field_validation(call)?;
    if directive == "Ignore" {
        return Ok(Vec::new());
    }
    let problems = problems(served, value, duplicates);
    if directive == "Strict" && !problems.is_empty() {
        return Err(cannot_handle(served, &format!("strict decoding error: {}", problems.join(", "))));
    }
    Ok(problems)
}

/// What is unknown or occurs twice, in the words of warnings.
pub(crate) fn problems(served: &Served, value: &Value, duplicates: Vec<String>) -> Vec<String> {
    let mut problems: Vec<String> = duplicates.into_iter().map(|p| format!("duplicate field {}", quote(&p))).collect();
    problems.extend(served.schema.unknown_fields(value).into_iter().map(|p| format!("unknown field {}", quote(&p))));
    problems
}

/// The value of `fieldValidation`.
pub(crate) fn field_validation(call: &Call) -> Result<&str, ApiError> {
    match call.query.get("fieldValidation") {
        None => Ok("Warn"),
        Some(known @ ("Strict" | "Warn" | "Ignore")) => Ok(known),
        Some(other) => {
            let error = crate::field_error::FieldError::not_supported(
                "fieldValidation",
                &json!(other),
                &["", "Ignore", "Strict", "Warn"],
            );
            let options = match call.verb {
                "create" => "CreateOptions",
                "update" => "UpdateOptions",
                _ => "PatchOptions",
            };
            Err(ApiError::invalid("meta.k8s.io", options, "", &[error]))
        }
    }
}

/// Bring an object to the form in which it is kept: decoded, without unknown fields, with defaults.
pub(crate) fn finish(served: &Served, value: &mut Value, old: Option<&Value>) -> Result<(), ApiError> {
    let rendered_metadata_is_object = value.get("metadata").is_some_and(Value::is_object);
    if !rendered_metadata_is_object {
        return Err(cannot_handle(served, "metadata must be an object"));
    }
    served.strategy.decode(value).map_err(|why| cannot_handle(served, &why))?;
    served.strategy.default(value, old);
    ensure_metadata(value);
    Ok(())
}

/// Metadata is an object on everything that is stored.
fn ensure_metadata(value: &mut Value) {
    if let Some(object) = value.as_object_mut() {
        let metadata = object.entry("metadata").or_insert_with(|| json!({}));
        if !metadata.is_object() {
            *metadata = json!({});
        }
    }
}

/// Refuse unknown values of `dryRun`.
pub(crate) fn check_dry_run(call: &Call) -> Result<(), ApiError> {
    match call.query.all("dryRun").find(|v| !v.is_empty() && *v != "All") {
        None => Ok(()),
        Some(other) => {
            let error = crate::field_error::FieldError::not_supported("dryRun", &json!([other]), &["All"]);
            let options = match call.verb {
                "create" => "CreateOptions",
                "update" => "UpdateOptions",
                "patch" => "PatchOptions",
                _ => "DeleteOptions",
            };
            Err(ApiError::invalid("meta.k8s.io", options, "", &[error]))
        }
    }
}

//! Refusals: every way in which a request fails, as the `Status` object that a real API server answers.

use crate::field_error::{self, FieldError};
use crate::resource::Resource;
use serde_json::{Map, Value, json};

/// A failed request. Renders as a `Status` object (or as plain text for paths that no API handles).
#[derive(Debug, Clone)]
pub struct ApiError {
    /// HTTP status code.
    pub code: u16,
    /// `metav1.StatusReason`, empty for unknown.
    pub reason: &'static str,
    /// What the user is told.
    pub message: String,
    /// The Status's details, when it has any.
    pub details: Option<Box<Value>>,
    /// Seconds for the `Retry-After` header.
    pub retry_after: Option<u64>,
    /// Answer with the message as text instead of a Status.
    pub plain: bool,
    /// The Status's `metadata.continue`: only on an expired continue token.
    pub continue_token: Option<String>,
}

fn target(group: &str, kind: &str, name: &str) -> Map<String, Value> {
    let mut details = Map::new();
    if !name.is_empty() {
        details.insert("name".to_owned(), json!(name));
    }
    if !group.is_empty() {
        details.insert("group".to_owned(), json!(group));
    }
    if !kind.is_empty() {
        details.insert("kind".to_owned(), json!(kind));
    }
    details
}

impl ApiError {
    /// An error of a kind that has no constructor of its own.
    pub fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason,
            message: message.into(),
            details: None,
            retry_after: None,
            plain: false,
            continue_token: None,
        }
    }

    /// The same error with details about an object.
    #[must_use]
    pub fn about(mut self, group: &str, kind: &str, name: &str) -> Self {
        self.details = Some(Box::new(Value::Object(target(group, kind, name))));
        self
    }

    /// The same error with causes in its details.
    #[must_use]
    pub fn because(mut self, causes: Vec<Value>) -> Self {
        let mut details = self.details.take().map_or_else(|| json!({}), |d| *d);
        if let Some(map) = details.as_object_mut() {
            map.insert("causes".to_owned(), Value::Array(causes));
        }
        self.details = Some(Box::new(details));
        self
    }

    /// The same error asking the client to wait.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        let mut details = self.details.take().map_or_else(|| json!({}), |d| *d);
        if let Some(map) = details.as_object_mut() {
            map.insert("retryAfterSeconds".to_owned(), json!(seconds));
        }
        self.details = Some(Box::new(details));
        self
    }

    /// No object of that name.
    pub fn not_found(resource: &Resource, name: &str) -> Self {
        Self::new(404, "NotFound", format!("{} \"{name}\" not found", resource.qualified())).about(
            &resource.group,
            &resource.plural,
            name,
        )
    }

    /// No such resource in a group version that exists.
    pub fn unknown_resource() -> Self {
        Self::new(404, "NotFound", "the server could not find the requested resource").about("", "", "")
    }

    /// No API at this path.
    pub fn unknown_path() -> Self {
        Self { plain: true, ..Self::new(404, "", "404 page not found\n") }
    }

    /// The name is taken.
    pub fn already_exists(resource: &Resource, name: &str) -> Self {
        Self::new(409, "AlreadyExists", format!("{} \"{name}\" already exists", resource.qualified())).about(
            &resource.group,
            &resource.plural,
            name,
        )
    }

    /// The object changed, or is another one than the client meant.
    pub fn conflict(resource: &Resource, name: &str, why: &str) -> Self {
        Self::new(
            409,
            "Conflict",
            format!("Operation cannot be fulfilled on {} \"{name}\": {why}", resource.qualified()),
        )
        .about(&resource.group, &resource.plural, name)
    }

    /// The client's resourceVersion is not the current one.
    pub fn modified(resource: &Resource, name: &str) -> Self {
        Self::conflict(
            resource,
            name,
            "the object has been modified; please apply your changes to the latest version and try again",
        )
    }

    /// The object breaks rules. `group` and `kind` name what was validated.
    pub fn invalid(group: &str, kind: &str, name: &str, errors: &[FieldError]) -> Self {
        let qualified = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
        Self::new(422, "Invalid", format!("{qualified} \"{name}\" is invalid: {}", field_error::join(errors)))
            .about(group, kind, name)
            .because(errors.iter().map(FieldError::cause).collect())
    }

    /// The request makes no sense.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// The caller may not do this: `resource "name" is forbidden: why`.
    pub fn forbidden(group: &str, plural: &str, name: &str, why: &str) -> Self {
        let qualified = if group.is_empty() { plural.to_owned() } else { format!("{plural}.{group}") };
        let message = match (qualified.is_empty(), name.is_empty()) {
            (true, _) => format!("forbidden: {why}"),
            (false, true) => format!("{qualified} is forbidden: {why}"),
            (false, false) => format!("{qualified} \"{name}\" is forbidden: {why}"),
        };
        Self::new(403, "Forbidden", message).about(group, plural, name)
    }

    /// Who the caller is cannot be told.
    pub fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized")
    }

    /// The resource does not serve this verb.
    pub fn method_not_allowed() -> Self {
        Self::new(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
            .about("", "", "")
    }

    /// None of the accepted forms can be produced.
    pub fn not_acceptable() -> Self {
        Self::new(
            406,
            "NotAcceptable",
            "only the following media types are accepted: application/json, application/yaml",
        )
    }

    /// The body's form is not understood.
    pub fn unsupported_media_type(accepted: &str) -> Self {
        Self::new(
            415,
            "UnsupportedMediaType",
            format!("the body of the request was in an unknown format - accepted media types include: {accepted}"),
        )
    }

    /// The history that the request needs is gone.
    pub fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    /// A resourceVersion from the future, as a cache answers that waited for it in vain.
    pub fn too_large_version(wanted: u64, current: u64) -> Self {
        let mut error =
            Self::new(504, "Timeout", format!("Timeout: Too large resource version: {wanted}, current: {current}"));
        error.details = Some(Box::new(json!({
            "causes": [{ "reason": "ResourceVersionTooLarge", "message": "Too large resource version" }],
            "retryAfterSeconds": 1,
        })));
        error.retry_after = Some(1);
        error
    }

    /// The body is over a limit.
    pub fn too_large(message: impl Into<String>) -> Self {
        Self::new(413, "RequestEntityTooLarge", message)
    }

    /// An error that a real server does not classify: 500 without reason.
    pub fn unclassified(message: impl Into<String>) -> Self {
        Self::new(500, "", message)
    }

    /// The Status object.
    pub fn status(&self) -> Value {
        let mut metadata = Map::new();
        if let Some(token) = &self.continue_token {
            metadata.insert("continue".to_owned(), json!(token));
        }
        let mut status = Map::new();
        status.insert("kind".to_owned(), json!("Status"));
        status.insert("apiVersion".to_owned(), json!("v1"));
        status.insert("metadata".to_owned(), Value::Object(metadata));
        status.insert("status".to_owned(), json!("Failure"));
        status.insert("message".to_owned(), json!(self.message));
        if !self.reason.is_empty() {
            status.insert("reason".to_owned(), json!(self.reason));
        }
        if let Some(details) = &self.details {
            status.insert("details".to_owned(), (**details).clone());
        }
        status.insert("code".to_owned(), json!(self.code));
        Value::Object(status)
    }
}

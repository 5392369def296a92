//! Answers: values in, HTTP responses out.

use crate::api_error::ApiError;
use crate::http::accept::Accepted;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::Response;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, WARNING};
use serde_json::Value;

/// The connection is to be cut: a fault asked for it.
#[derive(Debug, thiserror::Error)]
#[error("the connection was cut by a fault rule")]
pub(crate) struct Cut;

/// Body of an answer.
pub(crate) type Body = UnsyncBoxBody<Bytes, Cut>;

/// An answer.
pub(crate) type Reply = Response<Body>;

/// A body that is complete.
pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// An answer with a body of a media type.
pub(crate) fn with_type(code: u16, media: &'static str, bytes: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(full(bytes));
    set_code(&mut reply, code);
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media));
    reply
}

pub(crate) fn set_code(reply: &mut Reply, code: u16) {
    if let Ok(status) = hyper::StatusCode::from_u16(code) {
        *reply.status_mut() = status;
    }
}

/// Plain text.
pub(crate) fn text(code: u16, body: impl Into<String>) -> Reply {
    with_type(code, "text/plain; charset=utf-8", body.into())
}

/// A JSON value, or the same as YAML.
pub(crate) fn value(code: u16, value: &Value, accepted: Accepted) -> Reply {
    json(code, crate::storage::render_json(value), accepted)
}

/// JSON bytes, or the same as YAML.
pub(crate) fn json(code: u16, bytes: Bytes, accepted: Accepted) -> Reply {
    if accepted.yaml {
        let text = serde_json::from_slice::<Value>(&bytes).ok().and_then(|v| serde_yaml::to_string(&v).ok());
        return with_type(code, "application/yaml", text.unwrap_or_default());
    }
    with_type(code, "application/json", bytes)
}

/// A refusal.
pub(crate) fn error(error: &ApiError, accepted: Accepted) -> Reply {
    let mut reply = if error.plain {
        text(error.code, error.message.clone())
    } else {
        value(error.code, &error.status(), accepted)
    };
    if let Some(seconds) = error.retry_after {
        reply.headers_mut().insert(HeaderName::from_static("retry-after"), HeaderValue::from(seconds));
    }
    reply
}

/// Add one `Warning` header per text, as a real server words them.
pub(crate) fn warn(reply: &mut Reply, warnings: &[String]) {
    for text in warnings {
        let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(header) = HeaderValue::from_str(&format!("299 - \"{escaped}\"")) {
            reply.headers_mut().append(WARNING, header);
        }
    }
}

//! Errors as Azure's services write them.

use crate::message::Reply;
use serde_json::json;

/// One error of ARM or Key Vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// HTTP status.
    pub status: u16,
    /// `ResourceNotFound`
    pub code: String,
    /// For people.
    pub message: String,
    /// Code of the inner error, where Key Vault has one.
    pub inner: Option<String>,
    /// ARM itself answers, not the provider behind it.
    pub gateway: bool,
    /// Seconds of the `Retry-After` header.
    pub retry_after: Option<u64>,
}

impl ApiError {
    /// An error of a resource provider or a vault.
    pub fn new(status: u16, code: &str, message: &str) -> Self {
        ApiError {
            status,
            code: code.to_owned(),
            message: message.to_owned(),
            inner: None,
            gateway: false,
            retry_after: None,
        }
    }

    /// An error of ARM itself.
    pub fn gateway(status: u16, code: &str, message: &str) -> Self {
        ApiError { gateway: true, ..ApiError::new(status, code, message) }
    }

    /// The same with an inner code.
    #[must_use]
    pub fn inner(mut self, code: &str) -> Self {
        self.inner = Some(code.to_owned());
        self
    }

    /// The same with a `Retry-After`, in seconds.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// As an answer.
    pub fn reply(&self) -> Reply {
        let mut error = json!({ "code": self.code, "message": self.message });
        if let Some(inner) = &self.inner {
            error["innererror"] = json!({ "code": inner });
        }
        let mut reply = Reply::json(self.status, json!({ "error": error }));
        if self.gateway {
            reply = reply.header("x-ms-failure-cause", "gateway");
        }
        if let Some(seconds) = self.retry_after {
            reply = reply.header("retry-after", &seconds.to_string());
        }
        reply
    }
}

//! What can go wrong in one pass of a controller. Every variant is retried with backoff.

use super::key::Key;

/// One failed pass over one key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The API server refused or could not be reached.
    #[error("failed to {verb} {kind} {key}")]
    Api { verb: &'static str, kind: String, key: Key, source: Box<kube::Error> },
    /// Another writer was faster, or the cache lags behind; the next pass sees the newer object.
    #[error("{kind} {key} changed since it was read, the next pass takes the newer one")]
    Conflict { kind: String, key: Key },
    /// The API server's list of served kinds could not be read.
    #[error("failed to discover the served kinds")]
    Discovery { source: Box<kube::Error> },
    /// The API server does not serve a kind that an object refers to.
    #[error("{key} refers to {api_version} {kind}, which the API server does not serve")]
    UnknownKind { key: Key, api_version: String, kind: String },
    /// A cluster-scoped object names an owner that lives in a namespace.
    #[error("cluster-scoped {key} names the namespaced owner {owner}, which is never valid")]
    NamespacedOwner { key: Key, owner: String },
    /// An object that the controller built or read cannot be written as JSON.
    #[error("failed to serialise {kind} {key}")]
    Serialise { kind: String, key: Key, source: serde_json::Error },
}

impl Error {
    /// Classifies a client error: a conflict is expected in normal running, the rest is not.
    pub(crate) fn api(verb: &'static str, kind: &str, key: &Key, source: kube::Error) -> Self {
        match &source {
            kube::Error::Api(status) if status.is_conflict() && !status.is_already_exists() => {
                Self::Conflict { kind: kind.to_owned(), key: key.clone() }
            }
            _ => Self::Api { verb, kind: kind.to_owned(), key: key.clone(), source: Box::new(source) },
        }
    }

    /// The status that the API server answered with, if it answered.
    pub(crate) fn status(&self) -> Option<&kube::core::Status> {
        let Self::Api { source, .. } = self else { return None };
        match &**source {
            kube::Error::Api(status) => Some(status),
            _ => None,
        }
    }

    /// The object named in the request does not exist.
    pub(crate) fn is_not_found(&self) -> bool {
        self.status().is_some_and(|s| s.is_not_found())
    }

    /// An object of the same name exists.
    pub(crate) fn is_already_exists(&self) -> bool {
        self.status().is_some_and(|s| s.is_already_exists())
    }

    /// The namespace is being deleted, so nothing can be created in it.
    pub(crate) fn is_namespace_terminating(&self) -> bool {
        let Some(details) = self.status().and_then(|s| s.details.as_ref()) else { return false };
        details.causes.iter().any(|c| c.reason == "NamespaceTerminating")
    }
}

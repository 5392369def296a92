//! One request and its answer: deadline and classification around the client. Reads and writes share it;
//! only this folder can call it, so that [`super::Writer`] stays the one place that changes a cluster.

use super::{Failure, failure::classify, identity::ActingAs};
use crate::{serve::Metrics, watch::discovery::Resource};
use http_body_util::{BodyExt, Limited};
use kube::client::{Body, Client};
use model::ObjectKey;
use std::{sync::Arc, time::Duration};

pub use crate::client::DEADLINE;

/// The largest answer that is read: an object has at most 1.5 MiB in etcd, and JSON may escape it.
const ANSWER_LIMIT: usize = 16 * 1024 * 1024;

/// Where an object lives in the API.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// Kind, namespace and name.
    pub key: &'a ObjectKey,
    /// How the kind is served.
    pub resource: &'a Resource,
}

impl Target<'_> {
    /// Path of the collection: `/apis/apps/v1/namespaces/default/statefulsets`.
    pub(super) fn collection(&self) -> String {
        self.resource.path(self.key.namespace.as_deref(), None)
    }

    /// Path of the object, or of one of its subresources.
    pub(super) fn object(&self, subresource: Option<&str>) -> String {
        let path = self.resource.path(self.key.namespace.as_deref(), Some(&self.key.name));
        subresource.map_or(path.clone(), |subresource| format!("{path}/{subresource}"))
    }
}

/// What is asked of the API server, in the words of RBAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Get,
    Create,
    Patch,
    Delete,
}

impl Verb {
    fn method(self) -> http::Method {
        match self {
            Verb::Get => http::Method::GET,
            Verb::Create => http::Method::POST,
            Verb::Patch => http::Method::PATCH,
            Verb::Delete => http::Method::DELETE,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Verb::Get => "get",
            Verb::Create => "create",
            Verb::Patch => "patch",
            Verb::Delete => "delete",
        }
    }
}

/// A connection to one API server.
#[derive(Clone)]
pub(super) struct Exchange {
    client: Client,
    metrics: Arc<Metrics>,
    deadline: Duration,
    acting: ActingAs,
}

impl Exchange {
    pub(super) fn new(client: Client, metrics: Arc<Metrics>, deadline: Duration) -> Self {
        Exchange { client, metrics, deadline, acting: ActingAs::host() }
    }

    /// The same connection in another name.
    pub(super) fn acting_as(&self, acting: &ActingAs) -> Self {
        Exchange { acting: acting.clone(), ..self.clone() }
    }

    /// Sends one request and returns the body of a successful answer.
    pub(super) async fn send(
        &self,
        verb: Verb,
        target: Target<'_>,
        path: &str,
        content_type: &str,
        body: Vec<u8>,
    ) -> Result<Vec<u8>, Failure> {
        if verb != Verb::Get {
            self.metrics.write(verb.word(), &target.key.kind);
        }
        let request = http::Request::builder()
            .method(verb.method())
            .uri(path)
            .header(http::header::ACCEPT, "application/json")
            .header(http::header::CONTENT_TYPE, content_type);
        let request = self.acting.sign(request).body(Body::from(body));
        let request = request.map_err(|error| Failure::Rejected(format!("the request cannot be sent: {error}")))?;
        let answer = tokio::time::timeout(self.deadline, self.answer(request)).await;
        let answer =
            answer.unwrap_or_else(|_| Err(Failure::Unknown(format!("no answer within {} s", self.deadline.as_secs()))));
        self.acting.note(verb.word(), &target.resource.rbac_name(), answer.as_ref().err());
        answer
    }

    async fn answer(&self, request: http::Request<Body>) -> Result<Vec<u8>, Failure> {
        // Errors of the transport may quote what was sent, so only their class is kept.
        let response = self.client.send(request).await.map_err(|error| Failure::Unknown(transport(&error).into()))?;
        let code = response.status().as_u16();
        let retry_after = response
            .headers()
            .get(http::header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.trim().parse().ok());
        let body = Limited::new(response.into_body(), ANSWER_LIMIT)
            .collect()
            .await
            .map_err(|_| Failure::Unknown("the answer was cut off".into()))?
            .to_bytes();
        if (200..300).contains(&code) { Ok(body.into()) } else { Err(classify(code, retry_after, &body)) }
    }
}

fn transport(error: &kube::Error) -> &'static str {
    match error {
        kube::Error::Auth(_) => "the credentials of the host cannot be used",
        kube::Error::HyperError(_) => "the connection broke",
        _ => "the API server cannot be reached",
    }
}

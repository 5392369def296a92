//! From a request to its answer: who asks, what for, may they, does a fault rule interfere, and which handler answers.

use crate::api::Api;
use crate::api_error::ApiError;
use crate::auth::{self, Attributes, User};
use crate::discovery;
use crate::faults::{Effect, Phase, Subject, Verdict};
use crate::http::accept::{self, Accepted};
use crate::http::reply::{self, Cut, Reply};
use crate::http::request::{self, Call, Query, Route, Target};
use crate::registry::Served;
use crate::{rest, watch};
use hyper::body::Bytes;
use hyper::http::request::Parts;
use std::sync::Arc;

/// What faults do to one request.
#[derive(Default)]
struct Plan {
    before: Option<(u16, Option<u64>)>,
    after: Option<u16>,
    cut_before: bool,
    cut_after: bool,
    gone: bool,
    hang: bool,
    delay: std::time::Duration,
}

impl Plan {
    fn of(effects: Vec<Effect>) -> Self {
        let mut plan = Self::default();
        for effect in effects {
            match effect {
                Effect::FailBefore { status, retry_after } => plan.before = plan.before.or(Some((status, retry_after))),
                Effect::FailAfter { status } => plan.after = Some(status),
                Effect::CutBefore => plan.cut_before = true,
                Effect::CutAfter => plan.cut_after = true,
                Effect::Delay(time) => plan.delay += time,
                Effect::Hang => plan.hang = true,
                Effect::Gone => plan.gone = true,
                Effect::Freeze { .. }
                | Effect::DropEvents
                | Effect::DuplicateEvents
                | Effect::CutStream
                | Effect::GoneEvent
                | Effect::CutBeforeInitialEnd => {}
            }
        }
        plan
    }
}

/// The error that a status code stands for.
fn injected(status: u16, retry_after: Option<u64>) -> ApiError {
    let (reason, message) = match status {
        409 => {
            ("Conflict", "the object has been modified; please apply your changes to the latest version and try again")
        }
        410 => ("Expired", "The provided resource version is too old."),
        429 => ("TooManyRequests", "the server has received too many requests and has asked us to try again later"),
        500 => ("InternalError", "an error on the server has prevented the request from succeeding"),
        503 => ("ServiceUnavailable", "the server is currently unable to handle the request"),
        504 => (
            "Timeout",
            "the server was unable to return a response in the time allotted, but may still be processing the request",
        ),
        401 => ("Unauthorized", "Unauthorized"),
        403 => ("Forbidden", "forbidden"),
        404 => ("NotFound", "the server could not find the requested resource"),
        _ => ("", "the request was failed by a fault rule"),
    };
    let error = ApiError::new(status, reason, message);
    match retry_after {
        Some(seconds) => error.retry_after(seconds),
        None => error,
    }
}

/// Answer a request.
pub(crate) async fn answer(api: &Arc<Api>, parts: Parts, body: Result<Bytes, ApiError>) -> Result<Reply, Cut> {
    let path = parts.uri.path().to_owned();
    let query = Query::parse(parts.uri.query().unwrap_or(""));
    let accept = parts.headers.get("accept").and_then(|v| v.to_str().ok());
    let accepted = accept::negotiate(accept);
    let (target, deprecated_watch, is_resource) = match request::route(&path) {
        Route::Resource(target, watch) => (target, watch, true),
        Route::Other => (Target::default(), false, false),
    };
    let verb = if is_resource { request::verb(&parts.method, &target, deprecated_watch, &query) } else { "" };
    let user_agent = parts.headers.get("user-agent").and_then(|v| v.to_str().ok()).unwrap_or("").to_owned();
    let subject = Subject { verb: verb.to_owned(), target: target.clone(), user_agent };
    let plan = Plan::of(api.faults.admit(&subject));
    if plan.hang {
        api.stop.cancelled().await;
        return Err(Cut);
    }
    if !plan.delay.is_zero() {
        tokio::time::sleep(plan.delay).await;
    }
    if plan.cut_before {
        return Err(Cut);
    }
    let shown = accepted.unwrap_or_default();
    if let Some((status, retry_after)) = plan.before {
        return Ok(reply::error(&injected(status, retry_after), Accepted { yaml: false, ..shown }));
    }
    if plan.gone && verb == "watch" {
        return Ok(reply::error(&ApiError::expired("The resourceVersion for the provided watch is too old."), shown));
    }
    let watched = api.faults.observe(&subject);
    if watched.as_ref().is_some_and(|w| w.tell(Phase::Before, None) == Verdict::Cut) {
        return Err(Cut);
    }
    let done = body.and_then(|body| {
        let user = auth::authenticate(api, &parts.headers)?;
        let accepted_now = accepted.or_else(|| (verb == "get" && target.subresource == "log").then(Accepted::default));
        let form = accepted_now.unwrap_or_default().form;
        let call = Call { method: parts.method, path, query, headers: parts.headers, body, target, verb, user, form };
        authorize(api, &call, is_resource)?;
        // Health and version answer whatever the client accepts.
        let accepted = match accepted_now {
            Some(accepted) => accepted,
            None if !is_resource => Accepted::default(),
            None => return Err(ApiError::not_acceptable()),
        };
        dispatch(api, call, is_resource, accepted, subject)
    });
    let answer = match done {
        Ok(reply) => reply,
        Err(error) => reply::error(&error, shown),
    };
    let status = answer.status().as_u16();
    if watched.is_some_and(|w| w.tell(Phase::After, Some(status)) == Verdict::Cut) || plan.cut_after {
        return Err(Cut);
    }
    match plan.after {
        Some(status) => Ok(reply::error(&injected(status, None), shown)),
        None => Ok(answer),
    }
}

fn authorize(api: &Api, call: &Call, is_resource: bool) -> Result<(), ApiError> {
    let User { .. } = &call.user;
    if call.user.is_master() {
        return Ok(());
    }
    let want = if is_resource {
        let target = &call.target;
        // A namespace itself is asked for within itself.
        let namespace =
            if target.group.is_empty() && target.resource == "namespaces" { &target.name } else { &target.namespace };
        let mut want = Attributes::resource(call.verb, &target.group, &target.resource, namespace, &target.name);
        want.subresource.clone_from(&target.subresource);
        want
    } else {
        Attributes::path(&call.method.as_str().to_ascii_lowercase(), &call.path)
    };
    if auth::authorize(&api.store, &call.user, &want).allowed { Ok(()) } else { Err(want.refusal(&call.user)) }
}

fn dispatch(
    api: &Arc<Api>,
    call: Call,
    is_resource: bool,
    accepted: Accepted,
    subject: Subject,
) -> Result<Reply, ApiError> {
    if !is_resource {
        return discovery::handle(api, &call, accepted);
    }
    let served = find(api, &call.target)?;
    match call.verb {
        "" => Err(ApiError::method_not_allowed()),
        "watch" => watch::watch(api, call, served, subject),
        _ => rest::handle(api, &call, &served, accepted),
    }
}

fn find(api: &Api, target: &Target) -> Result<Arc<Served>, ApiError> {
    let catalog = api.registry.snapshot();
    catalog.find(&target.group, &target.version, &target.resource).ok_or_else(|| {
        if catalog.is_builtin(&target.group, &target.version) {
            ApiError::unknown_resource()
        } else {
            ApiError::unknown_path()
        }
    })
}

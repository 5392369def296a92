//! The same over HTTP: faults, observers and the ledger.

use super::*;
use azure::{ApiError, Effect, Fault, Match, Phase, Server, Verdict};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use std::sync::{Arc, Mutex};

/// One request on a connection of its own; `None` where it was cut.
async fn send(base: &str, request: Request) -> Option<(u16, Value)> {
    let authority = base.strip_prefix("http://").unwrap();
    let stream = tokio::net::TcpStream::connect(authority).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut builder = http::Request::builder().method(request.method.as_str()).uri(&request.target);
    for (name, value) in &request.headers {
        builder = builder.header(name, value);
    }
    let wire = builder.header("host", authority).body(Full::new(Bytes::from(request.body))).unwrap();
    let answer = sender.send_request(wire).await.ok()?;
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.ok()?.to_bytes();
    connection.abort();
    Some((status, serde_json::from_slice(&body).unwrap_or_default()))
}

async fn start() -> Server {
    let config = Config::default().timed(azure::Timing::instant()).with_vault("kv");
    Server::start(Cloud::new(config, ManualClock::default())).await.unwrap()
}

fn put(server: &Server, name: &str) -> Request {
    let target = format!("{}?api-version=2021-11-01", super::server(name));
    Request::new("PUT", &target).json(&server_body()).bearer(&server.cloud().token(CLIENT, ARM))
}

fn exists(server: &Server, name: &str) -> bool {
    server.cloud().resource(&super::server(name)).is_some()
}

#[tokio::test]
async fn each_service_has_an_address_of_its_own() {
    let server = start().await;
    let all = [server.arm(), server.login(), server.imds(), server.vault("kv")];
    assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), 4);
    assert_eq!(server.vault("nobody"), "");
    let (status, body) = send(&server.arm(), put(&server, "s1")).await.unwrap();
    assert_eq!((status, &body["operation"]), (202, &json!("UpsertLogicalServer")));
    let vault = Request::new("PUT", "/secrets/a?api-version=7.4").json(&json!({ "value": "v" }));
    let (status, body) = send(&server.vault("kv"), vault.bearer(&server.cloud().token(CLIENT, VAULT))).await.unwrap();
    assert_eq!(status, 200);
    assert!(body["id"].as_str().unwrap().starts_with(&server.vault("kv")));
}

#[tokio::test]
async fn a_fault_before_acceptance_changes_nothing_and_one_after_it_does() {
    let server = start().await;
    let faults = server.cloud().faults();
    let of = |name: &str| Match::of("PUT", name);
    faults.add(Fault::once(of("s1"), Effect::CutBefore));
    faults.add(Fault::once(of("s2"), Effect::CutAfter));
    faults.add(Fault::once(of("s3"), Effect::FailBefore(ApiError::new(503, "TooManyRequests", "busy").retry_after(7))));
    let id = faults.add(Fault::once(of("s4"), Effect::FailAfter(ApiError::new(500, "InternalServerError", "lost"))));
    assert!(send(&server.arm(), put(&server, "s1")).await.is_none() && !exists(&server, "s1"));
    assert!(send(&server.arm(), put(&server, "s2")).await.is_none() && exists(&server, "s2"));
    let (status, body) = send(&server.arm(), put(&server, "s3")).await.unwrap();
    assert_eq!((status, &body["error"]["code"]), (503, &json!("TooManyRequests")));
    assert!(!exists(&server, "s3"));
    assert_eq!(send(&server.arm(), put(&server, "s4")).await.unwrap().0, 500);
    assert!(exists(&server, "s4"));
    assert_eq!(faults.fired(id), 1);
    assert_eq!(send(&server.arm(), put(&server, "s1")).await.unwrap().0, 202, "only once");
    let ledger = server.cloud().ledger().all();
    let seen: Vec<_> = ledger.iter().map(|entry| (entry.status, entry.accepted)).collect();
    let expected = [(None, false), (None, true), (Some(503), false), (Some(500), true), (Some(202), true)];
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_fault_may_spare_the_first_requests_and_decide_how_an_operation_ends() {
    let server = start().await;
    let outcome = azure::Outcome::failed("ProvisioningDisabled", "full");
    let fault = Fault::once(Match::of("PUT", "/servers/"), Effect::Operation(outcome)).after(1);
    server.cloud().faults().add(fault);
    for name in ["s1", "s2"] {
        assert_eq!(send(&server.arm(), put(&server, name)).await.unwrap().0, 202);
    }
    assert!(exists(&server, "s1") && !exists(&server, "s2"));
}

#[tokio::test(start_paused = true)]
async fn a_delay_passes_on_a_paused_clock() {
    let server = start().await;
    server.cloud().faults().add(Fault::always(Match::default(), Effect::Delay(Duration::from_secs(3600))));
    assert_eq!(send(&server.arm(), put(&server, "s1")).await.unwrap().0, 202);
}

#[tokio::test]
async fn observers_hear_of_every_write_before_and_after_and_may_cut_it() {
    let server = start().await;
    let heard = Arc::new(Mutex::new(Vec::new()));
    let writer = heard.clone();
    server.cloud().faults().on_write(move |write| {
        writer.lock().unwrap().push((write.k, write.phase, write.status));
        if write.k == 2 && write.phase == Phase::After { Verdict::Cut } else { Verdict::Continue }
    });
    assert!(send(&server.arm(), put(&server, "s1")).await.is_some());
    assert!(send(&server.arm(), put(&server, "s2")).await.is_none());
    let get = Request::new("GET", "/").bearer("x");
    send(&server.arm(), get).await;
    let expected = [
        (1, Phase::Before, None),
        (1, Phase::After, Some(202)),
        (2, Phase::Before, None),
        (2, Phase::After, Some(202)),
    ];
    assert_eq!(*heard.lock().unwrap(), expected);
    assert!(exists(&server, "s2"));
}

#[tokio::test]
async fn the_ledger_hides_secrets_where_they_belong_and_finds_them_elsewhere() {
    let server = start().await;
    let ledger = server.cloud().ledger();
    const CANARY: &str = "Correct-Horse-9";
    send(&server.arm(), put(&server, "s1")).await;
    let vault = |body: Value| {
        let request = Request::new("PUT", "/secrets/a?api-version=7.4").json(&body);
        request.bearer(&server.cloud().token(CLIENT, VAULT))
    };
    send(&server.vault("kv"), vault(json!({ "value": CANARY }))).await;
    assert!(ledger.leaks(CANARY).is_empty());
    let first = &ledger.all()[0];
    assert_eq!(first.body.as_ref().unwrap()["properties"]["administratorLoginPassword"], "(hidden)");
    assert_eq!(first.body.as_ref().unwrap()["properties"]["administratorLogin"], "dbadmin");
    assert_eq!((ledger.writes().len(), ledger.count("PUT", "/SERVERS/s1")), (2, 1));
    // Each of these is a place or a form that a secret may end up in by mistake.
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let encoded = STANDARD.encode(format!("ab:{CANARY}:c"));
    let leaks = [
        vault(json!({ "value": "x", "tags": { "a": CANARY } })),
        vault(json!({ "value": "x" })).header("x-note", CANARY),
        vault(json!({ "value": "x", "contentType": encoded })),
        Request::new("GET", "/secrets/a?api-version=7.4&note=Correct%2DHorse%2D9"),
        Request::new("GET", "/secrets/Correct-Horse-9?api-version=7.4"),
    ];
    for (at, leak) in leaks.into_iter().enumerate() {
        send(&server.vault("kv"), leak).await;
        assert_eq!(ledger.leaks(CANARY).len(), at + 1);
    }
}

#[tokio::test]
async fn a_stopped_server_answers_nobody() {
    let server = start().await;
    let address = server.arm().strip_prefix("http://").unwrap().to_owned();
    drop(server);
    // The listener goes with its task, which ends as soon as it runs.
    while tokio::net::TcpStream::connect(&address).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

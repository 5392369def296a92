//! A subscription with ten writes a minute and two hundred servers to make. The backend alone, without cluster and plugin,
//! on a clock that stands still while nobody waits: twenty minutes pass in a moment.

use anyhow::{Result, ensure};
use azure::{Bucket, Clock, Cloud, Config, Limits, Request, Site, Timing};
use futures::future::{BoxFuture, FutureExt};
use model::azure::{Existence, Record};
use model::redact::Redacted;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::Instant;
use windlass::azure::{Around, Azure, Endpoints, Http, HttpError, Identity, Order, Sent, Silence};

const SERVERS: usize = 200;

/// The time of tokio, which tests pause.
#[derive(Clone, Copy)]
struct Paused(Instant);

impl Clock for Paused {
    fn now(&self) -> u64 {
        1_767_225_600_000 + self.0.elapsed().as_millis() as u64
    }
}

/// Requests to the stand-in without a network. They take their time, so that several are under way.
struct Direct {
    cloud: Cloud,
    early: AtomicUsize,
    throttled: AtomicUsize,
}

impl std::fmt::Debug for Direct {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Direct")
    }
}

impl Http for Direct {
    fn send(&self, request: http::Request<Vec<u8>>) -> BoxFuture<'_, Result<http::Response<Vec<u8>>, HttpError>> {
        async move {
            tokio::time::sleep(Duration::from_millis(40)).await;
            let site = if request.uri().host() == Some("login.microsoftonline.com") { Site::Login } else { Site::Arm };
            let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
            let mut asked = Request::new(request.method().as_str(), target);
            for (name, value) in request.headers() {
                asked = asked.header(name.as_str(), value.to_str().unwrap());
            }
            asked.body = request.into_body();
            let reply = self.cloud.handle(&site, &asked, None);
            self.early.fetch_add(usize::from(reply.headers.contains_key("x-early")), Ordering::SeqCst);
            self.throttled.fetch_add(usize::from(reply.status == 429), Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(40)).await;
            let mut response = http::Response::builder().status(reply.status);
            for (name, value) in &reply.headers {
                response = response.header(name, value);
            }
            Ok(response.body(reply.body.map(|body| body.to_string().into_bytes()).unwrap_or_default()).unwrap())
        }
        .boxed()
    }
}

#[tokio::test(start_paused = true)]
async fn throttled_to_ten_writes_a_minute_two_hundred_servers_are_made_and_no_request_comes_before_its_time()
-> Result<()> {
    let limits = Limits { writes: Bucket { burst: 10, per_minute: 10 }, ..Limits::default() };
    let timing = Timing { token: 36_000_000, ..Timing::instant() };
    let config = Config { limits, ..Config::default().timed(timing) };
    let started = Instant::now();
    let cloud = Cloud::new(config, Paused(started));
    let direct = Arc::new(Direct { cloud: cloud.clone(), early: AtomicUsize::new(0), throttled: AtomicUsize::new(0) });
    let identity = Identity::ClientSecret {
        tenant: "00000000-0000-4000-8000-00000000da7e".into(),
        client: "00000000-0000-4000-8000-0000000000c1".into(),
        secret: Redacted::new("a-client-secret".to_owned()),
    };
    let azure = Arc::new(Azure::new(Endpoints::public(), direct.clone(), Some(identity.clone())));
    let servers = (0..SERVERS).map(|number| {
        let (azure, identity) = (azure.clone(), identity.clone());
        async move {
            let id = crate::stage::server_id(&format!("s{number}"));
            let body = json!({"location": "eastus", "tags": {}, "properties": {"administratorLogin": "ada",
                "administratorLoginPassword": "Correct-Horse-9", "version": "12.0"}});
            let mut record = Record::default();
            let around = Around { wish: "w", before: Existence::Unknown, secrets: &[], now: 0 };
            loop {
                let order = Order::Put { id: &id, api_version: "2021-11-01", body: &body };
                match azure.write(&identity, &order, &around, &mut record).await {
                    Ok(Sent::Taken { .. }) => return Ok(()),
                    Err(Silence::Throttled(left)) => tokio::time::sleep(left).await,
                    other => anyhow::bail!("{other:?}"),
                }
            }
        }
    });
    for result in futures::future::join_all(servers).await {
        result?;
    }
    assert_eq!(cloud.resources_of("Microsoft.Sql/servers").len(), SERVERS);
    assert_eq!(direct.early.load(Ordering::SeqCst), 0, "no request came before its time");
    ensure!(direct.throttled.load(Ordering::SeqCst) > 10, "it was throttled");
    let minutes = started.elapsed().as_secs_f64() / 60.0;
    ensure!((18.0..30.0).contains(&minutes), "190 writes at ten a minute take 19 minutes, not {minutes}");
    Ok(())
}

//! A subscription with few writes and two hundred servers to make. Once the whole: host, plugin, cluster and stand-in, in
//! real time, where a minute of Azure's bucket lasts a second and a half (a minute with `--full`). And once the backend alone,
//! on a clock that stands still while nobody waits: twenty minutes pass in a moment. And single resources that are throttled
//! again and again: nobody takes that for a plugin that changes its mind.

use crate::stage::{NAME, Stage, full};
use anyhow::{Result, ensure};
use azure::{ApiError, Bucket, Clock, Cloud, Config, Effect, Fault, Limits, Match, Request, Site, Timing};
use futures::future::{BoxFuture, FutureExt};
use model::azure::{Existence, Record};
use model::redact::Redacted;
use serde_json::json;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::Instant;
use windlass::azure::{Around, Azure, Endpoints, Http, HttpError, Identity, Order, Sent, Silence};

const SERVERS: usize = 200;
/// Writes that a full bucket holds, and that flow into it in each of its minutes.
const WRITES: u64 = 10;

#[tokio::test(flavor = "multi_thread")]
async fn throttled_two_hundred_resources_become_two_hundred_servers_and_no_request_comes_before_its_time() -> Result<()>
{
    // The stand-in's bucket, and not its clock: `Retry-After` is in whole seconds for both.
    let faster = if full() { 1 } else { 40 };
    let per_minute = WRITES * faster;
    let reads = Bucket { per_minute: 25 * 60 * faster, ..Limits::default().reads };
    let limits = Limits { writes: Bucket { burst: WRITES, per_minute }, reads, ..Limits::default() };
    let timing = Timing { create: 2_000, invisible: 1_000, retry_after: 1, ..crate::stage::brisk() };
    let mut stage = Stage::new(Config { limits, ..Config::default().timed(timing) }).await?;
    // Ready without a vault: what is throttled here is ARM.
    stage.loaded = vec![crate::stage::without_vault().await?];
    let host = stage.host()?;
    let names: Vec<String> = (0..SERVERS).map(|number| format!("customer-{number}")).collect();
    for name in &names {
        stage.apply_with(name, json!({}), json!({})).await?;
    }
    let ready = async || {
        let all = stage.servers().list(&Default::default()).await?;
        Ok(all.items.iter().filter(|one| fixtures::stage::condition(one, "Ready").status == "True").count() == SERVERS)
    };
    let patience = Duration::from_secs(if full() { 5_400 } else { 240 });
    stage.until_in(patience, "every server to be ready", ready).await?;

    let all = stage.cloud().ledger().all();
    let writes = || all.iter().filter(|one| one.site == Site::Arm && one.method != "GET");
    let throttled = writes().filter(|one| one.status == Some(429)).count();
    let taken: Vec<_> = writes().filter(|one| one.accepted).map(|one| &one.path).collect();
    let minutes = all.last().map_or(0, |last| last.at - all[0].at) as f64 / 60_000.0;
    let _ = writeln!(
        std::io::stdout(),
        "throttled: {SERVERS} servers in {minutes:.1} minutes at {per_minute} writes a minute; {} requests to write, {throttled} of \
         them refused, {} early; {} reads",
        writes().count(),
        stage.cloud().ledger().early(),
        all.iter().filter(|one| one.site == Site::Arm && one.method == "GET").count(),
    );
    assert_eq!(stage.cloud().ledger().early(), 0, "no request came before its time");
    // At first all of them look at once, which may be more reads than there are; that is over soon.
    let later = all.iter().filter(|one| one.site == Site::Arm && one.method == "GET" && one.at > all[0].at + 60_000);
    assert_eq!(later.filter(|one| one.status == Some(429)).count(), 0, "whoever waits to write does not read in vain");
    assert_eq!(stage.cloud().resources_of("Microsoft.Sql/servers").len(), SERVERS);
    ensure!(throttled > 0, "it was throttled");
    let mut once = taken.clone();
    once.sort();
    once.dedup();
    assert_eq!((taken.len(), once.len()), (SERVERS, SERVERS), "each was created once");
    // The name of each was asked for, and each was created: Azure counts both as writes.
    let least = (2 * SERVERS as u64 - WRITES) as f64 / per_minute as f64;
    ensure!(minutes < 2.5 * least + 0.5, "what flows is used: {minutes} minutes instead of {least}");
    host.stop().await?;
    stage.end().await;
    Ok(())
}

/// Answers that ask for a pause of a second, so many, to requests with this method and path.
fn throttling(method: &str, path: &str, times: u64) -> Fault {
    let refusal = ApiError::gateway(429, "SubscriptionRequestsThrottled", "too many requests").retry_after(1);
    Fault { times: Some(times), ..Fault::always(Match::of(method, path), Effect::FailBefore(refusal)) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_whose_first_looks_are_throttled_again_and_again_becomes_a_server_as_soon_as_azure_lets_it()
-> Result<()> {
    const TIMES: u64 = 8;
    let mut stage = Stage::brisk().await?;
    stage.loaded = vec![crate::stage::without_vault().await?];
    let refused = stage.cloud().faults().add(throttling("POST", "checkNameAvailability", TIMES));
    let host = stage.host()?;
    stage.apply(json!({})).await?;
    stage.until_ready(NAME).await?;
    assert_eq!(stage.cloud().faults().fired(refused), TIMES);
    let all = stage.cloud().ledger().all();
    let arm = || all.iter().filter(|one| one.site == Site::Arm);
    let asks =
        |one: &&azure::Entry| one.method == "POST" && one.path.to_ascii_lowercase().ends_with("checknameavailability");
    assert_eq!(arm().filter(asks).count() as u64, TIMES + 1, "whoever is refused waits, and asks once more then");
    let before = arm().take_while(|one| one.method != "PUT");
    assert_eq!(
        before.filter(asks).filter(|one| one.status == Some(200)).count(),
        1,
        "the name comes before the creation"
    );
    // One look for each time that the name was asked for, and those of the creation.
    let looks = arm().filter(|one| one.method == "GET" && one.path.ends_with(NAME)).count() as u64;
    ensure!(looks <= TIMES + 12, "{looks} looks at what is not there");
    host.stop().await?;
    stage.end().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_cannot_be_looked_at_again_and_again_is_ready_whenever_it_can() -> Result<()> {
    let mut stage = Stage::brisk().await?;
    stage.loaded = vec![crate::stage::without_vault().await?];
    stage.look_every = Duration::from_secs(1);
    let host = stage.host()?;
    stage.apply(json!({})).await?;
    stage.until_ready(NAME).await?;
    for round in 0..8 {
        stage.cloud().faults().add(throttling("GET", &format!("servers/{NAME}"), 1));
        stage.until_reason(NAME, "Throttled").await?;
        // Not after a long while either: a resource that was given up waits for minutes.
        let ready = async || Ok(stage.ready(NAME).await?.0 == "True");
        stage.until_in(Duration::from_secs(20), &format!("the server in round {round}"), ready).await?;
    }
    assert_eq!(stage.writes(), 1, "nothing was written but the creation");
    host.stop().await?;
    stage.end().await;
    Ok(())
}

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
            let prints = Default::default();
            let around = Around { wish: "w", before: Existence::Unknown, secrets: &[], prints: &prints, now: 0 };
            loop {
                let order = Order::Put { id: &id, api_version: "2021-11-01", body: &body, etag: None };
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

//! MySQL servers in a pass: when they are asked, what the plugin is shown, under which conditions they are acted on. The
//! servers are made up here; real ones have a suite of their own.

use crate::{items::*, world::*};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures::future::{BoxFuture, FutureExt};
use model::{
    Body, Decision, Fault, Item, ItemId, Observation, Snapshot,
    decision::{MysqlServer, Replication, SecretKey, Tls, TlsMode},
    mysql,
    snapshot::{MysqlFacts, Unreachable},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};
use windlass::{
    clock::Clock,
    driver::{Next, Reconciler},
    mysql::{Failure, Owner, Seen, Servers, Wanted},
};

type Meanwhile = Box<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

/// Servers that answer what they are told to.
#[derive(Default)]
struct Fake {
    seen: Mutex<BTreeMap<ItemId, Seen>>,
    /// Server and password of each look.
    looks: Mutex<Vec<(ItemId, String)>>,
    converged: Mutex<Vec<ItemId>>,
    failing: Mutex<Vec<ItemId>>,
    forgotten: AtomicUsize,
    /// Happens during each look.
    meanwhile: Mutex<Option<Meanwhile>>,
}

impl Servers for Fake {
    fn look<'a>(
        &'a self,
        _: &'a Owner,
        servers: &'a [Wanted],
        _: &'a dyn Clock,
    ) -> BoxFuture<'a, BTreeMap<ItemId, Seen>> {
        let meanwhile = self.meanwhile.lock().unwrap().as_ref().map(|meanwhile| meanwhile());
        async move {
            if let Some(meanwhile) = meanwhile {
                meanwhile.await;
            }
            let mut answers = BTreeMap::new();
            for wanted in servers {
                let password = wanted.secrets.get(&wanted.server.password).map(|known| known.value.expose().clone());
                let password = String::from_utf8(password.unwrap_or_default()).unwrap();
                self.looks.lock().unwrap().push((wanted.item.clone(), password));
                let seen = self.seen.lock().unwrap().get(&wanted.item).cloned();
                answers.insert(wanted.item.clone(), seen.unwrap_or_else(|| Ok(Box::new(server_seen(true)))));
            }
            answers
        }
        .boxed()
    }

    fn converge<'a>(
        &'a self,
        _: &'a Owner,
        server: &'a Wanted,
        _: &'a dyn Clock,
    ) -> BoxFuture<'a, Result<bool, Failure>> {
        async move {
            if self.failing.lock().unwrap().contains(&server.item) {
                return Err(Failure::Deadline { server: server.address(), what: "try" });
            }
            self.converged.lock().unwrap().push(server.item.clone());
            let open = Ok(Box::new(server_seen(!server.server.writable)));
            self.seen.lock().unwrap().insert(server.item.clone(), open);
            Ok(true)
        }
        .boxed()
    }

    fn forget(&self, _: &Owner) {
        self.forgotten.fetch_add(1, Ordering::Relaxed);
    }
}

impl Fake {
    fn count(&self) -> usize {
        self.looks.lock().unwrap().len()
    }
}

fn server_seen(read_only: bool) -> mysql::Seen {
    let facts = MysqlFacts {
        version: "9.7.4".into(),
        server_uuid: "11111111-1111-1111-1111-111111111111".into(),
        server_id: 1,
        read_only,
        super_read_only: read_only,
        can_commit: true,
        uptime: 1,
        ..MysqlFacts::default()
    };
    mysql::Seen {
        facts,
        ack_timeout: 0,
        source_as_wanted: false,
        auto_position: false,
        accounts: Vec::new(),
        hangs: false,
    }
}

fn server(number: usize, writable: bool) -> Item {
    let key = |key: &str| SecretKey { secret: "login".into(), key: key.into() };
    let server = MysqlServer {
        host: format!("10.0.0.{number}"),
        port: 3306,
        admin_port: None,
        user: key("user"),
        password: key("password"),
        tls: Tls { mode: TlsMode::Required, ca: None },
        writable,
        replication: Replication::None,
        acks: None,
        accounts: Vec::new(),
        reseed: None,
        expect: Vec::new(),
    };
    item(&format!("server/{number}"), Body::Mysql(Box::new(server)))
}

/// A login, and as many servers as `spec.count` says; the one that `spec.open` names takes writes. What was seen of them is
/// in the status.
fn cluster(snapshot: &Snapshot) -> Result<Decision, Fault> {
    if snapshot.deleting {
        return Ok(Decision::default());
    }
    let spec = resource(snapshot)["spec"].clone();
    let mut items = vec![secret("login", 0)];
    let count = spec["count"].as_u64().unwrap_or(1) as usize;
    items.extend((0..count).map(|number| server(number, spec["open"].as_u64() == Some(number as u64))));
    let seen: BTreeMap<&str, Value> = snapshot
        .items
        .iter()
        .filter_map(|item| match &item.state {
            Observation::Mysql(facts) => {
                Some((item.id.as_str(), json!({"readOnly": facts.read_only, "error": item.last_error})))
            }
            Observation::Unreachable(unreachable) => Some((item.id.as_str(), json!(unreachable.reason))),
            _ => None,
        })
        .collect();
    let wake = Some(snapshot.now + 1000);
    Ok(Decision { items, status: json!({ "seen": seen }), wake, ..Decision::default() })
}

async fn start(spec: Value) -> (World, Arc<Fake>) {
    let fake = Arc::new(Fake::default());
    let world = World::with_servers(fake.clone(), cluster).await;
    world.create_widget("a", spec).await;
    pass(&world, 8).await;
    (world, fake)
}

/// Some passes, each over a view that has caught up.
async fn pass(world: &World, count: usize) -> Next {
    let mut last = Next::Parked;
    for _ in 0..count {
        last = world.host.context.reconcile(&key("a")).await;
        for _ in 0..400 {
            if last != Next::WaitForCache {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            last = world.host.context.reconcile(&key("a")).await;
        }
    }
    last
}

fn later(world: &World, milliseconds: u64) {
    world.host.clock.set(world.host.clock.now() + milliseconds);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_a_decision_names_are_asked_and_shown_within_the_same_pass() {
    let (mut world, fake) = start(json!({"count": 2})).await;
    let status = world.widget("a").await.unwrap()["status"]["seen"].clone();
    assert_eq!(status["server/1"]["readOnly"], json!(true), "{status}");
    // Another process knows of no server before its first decision.
    let (before, writes) = (fake.count(), world.writes().len());
    world.restart().await;
    pass(&world, 1).await;
    assert_eq!(fake.count(), before + 2, "each was asked once");
    assert_eq!(
        world.host.plugin.calls.load(Ordering::Relaxed),
        3,
        "twice without them, to see that it is pure; once with them"
    );
    assert_eq!(world.writes().len() + writes, writes, "{:?}", world.writes());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_are_asked_with_the_values_of_their_secrets_and_again_when_those_change() {
    let (world, fake) = start(json!({"count": 1})).await;
    let stored = world.get(&secret_path("login")).await.unwrap();
    let password = STANDARD.decode(stored["data"]["password"].as_str().unwrap()).unwrap();
    let last = || fake.looks.lock().unwrap().last().unwrap().1.clone();
    assert_eq!(last().into_bytes(), password);
    world.patch(&secret_path("login"), json!({"data": {"password": STANDARD.encode("another")}})).await;
    for _ in 0..200 {
        later(&world, 1000);
        pass(&world, 1).await;
        if last() == "another" {
            return;
        }
    }
    panic!("the new value is never used");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unchanged_resource_costs_nothing_before_its_time() {
    let (world, fake) = start(json!({"count": 2})).await;
    let (looks, calls) = (fake.count(), world.host.plugin.calls.load(Ordering::Relaxed));
    pass(&world, 5).await;
    assert_eq!((fake.count(), world.host.plugin.calls.load(Ordering::Relaxed)), (looks, calls));
    later(&world, 1000);
    world.reset();
    pass(&world, 3).await;
    assert_eq!(fake.count(), looks + 2, "each server once");
    assert_eq!(world.writes(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_servers_say_is_in_the_status_though_steps_are_under_way() {
    let (world, fake) = start(json!({"count": 2})).await;
    fake.failing.lock().unwrap().push("server/0".into());
    world.patch(&widget_path("a"), json!({"spec": {"open": 0}})).await;
    pass(&world, 1).await;
    later(&world, 1000);
    pass(&world, 2).await;
    let status = world.widget("a").await.unwrap()["status"].clone();
    assert!(status["seen"]["server/0"]["error"].as_str().is_some_and(|why| why.contains("10.0.0.0:3306")), "{status}");
}

/// From now on somebody changes the resource during each look at its servers.
fn touch_while_it_looks(world: &World, fake: &Fake) {
    let user = world.user.clone();
    *fake.meanwhile.lock().unwrap() = Some(Box::new(move || {
        let user = user.clone();
        async move {
            let touched = json!({"metadata": {"annotations": {"touched": uuid::Uuid::new_v4().to_string()}}});
            request(&user, "PATCH", &widget_path("a"), Some(touched)).await;
        }
        .boxed()
    }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e2_a_server_is_opened_only_under_the_version_of_the_resource_that_was_decided_for() {
    let (world, fake) = start(json!({"count": 1})).await;
    touch_while_it_looks(&world, &fake);
    world.patch(&widget_path("a"), json!({"spec": {"open": 0}})).await;
    for _ in 0..5 {
        later(&world, 1000);
        pass(&world, 1).await;
    }
    assert_eq!(*fake.converged.lock().unwrap(), Vec::<String>::new());
    *fake.meanwhile.lock().unwrap() = None;
    for _ in 0..200 {
        later(&world, 1000);
        pass(&world, 1).await;
        if !fake.converged.lock().unwrap().is_empty() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("it is never opened");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e2_a_status_is_written_only_onto_the_version_that_was_seen() {
    let (world, fake) = start(json!({"count": 1})).await;
    touch_while_it_looks(&world, &fake);
    let unreachable = Unreachable { since: 1, reason: "Refused".into() };
    fake.seen.lock().unwrap().insert("server/0".into(), Err(unreachable));
    world.reset();
    later(&world, 1000);
    let next = pass(&world, 1).await;
    assert_eq!(world.writes(), [""; 0], "the status was written over a change that nobody saw");
    assert!(matches!(next, Next::Done { wake: Some(wake) } if wake.as_millis() <= 100), "{next:?}");
    *fake.meanwhile.lock().unwrap() = None;
    for _ in 0..200 {
        pass(&world, 1).await;
        if world.widget("a").await.unwrap()["status"]["seen"]["server/0"] == "Refused" {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("the status is never written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_fails_holds_back_its_own_item_and_no_look_at_the_others() {
    let (world, fake) = start(json!({"count": 2})).await;
    for number in [0, 1] {
        // Both take writes though none should.
        fake.seen.lock().unwrap().insert(format!("server/{number}"), Ok(Box::new(server_seen(false))));
    }
    fake.failing.lock().unwrap().push("server/0".into());
    later(&world, 1000);
    let next = pass(&world, 1).await;
    assert_eq!(*fake.converged.lock().unwrap(), ["server/1"]);
    assert!(
        matches!(next, Next::Done { wake: Some(wake) } if wake.as_millis() <= 100),
        "a change is looked at: {next:?}"
    );
    later(&world, 1000);
    let next = pass(&world, 1).await;
    assert!(matches!(next, Next::Done { wake: Some(wake) } if wake.as_millis() <= 1000), "{next:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resource_without_servers_lets_go_of_its_connections() {
    let (world, fake) = start(json!({"count": 1})).await;
    assert_eq!(fake.forgotten.load(Ordering::Relaxed), 0);
    world.patch(&widget_path("a"), json!({"spec": {"count": 0}})).await;
    later(&world, 1000);
    pass(&world, 2).await;
    assert_eq!(fake.forgotten.load(Ordering::Relaxed), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_server_is_sent_the_values_of_a_secret_that_is_not_the_resources_own() {
    let fake = Arc::new(Fake::default());
    // The plugin names a Secret that it did not have made, and a server of its own choice.
    let world = World::with_servers(fake.clone(), |snapshot| {
        let items = if snapshot.deleting { Vec::new() } else { vec![config("a", "x"), server(0, true)] };
        Ok(Decision { items, ..Decision::default() })
    })
    .await;
    world.grants(|grants| grants.reads.retain(|read| read.kind != "Secret"));
    let body = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login"},
        "data": {"user": STANDARD.encode("root"), "password": STANDARD.encode("of somebody else")}});
    let (status, _) = request(&world.user, "POST", "/api/v1/namespaces/default/secrets", Some(body)).await;
    assert_eq!(status, 201);
    let at = model::ObjectKey {
        kind: model::Kind::new("", "v1", "Secret"),
        namespace: Some("default".into()),
        name: "login".into(),
    };
    world.until(|| world.host.context.cache.get(&at).is_some()).await;
    world.create_widget("a", json!({})).await;
    pass(&world, 5).await;
    let (_, reason, message) = world.reconciled("a").await;
    assert_eq!(reason, "SecretNotGranted", "{message}");
    assert!(message.contains("item server/0") && message.contains("login"), "{message}");
    assert!(fake.looks.lock().unwrap().iter().all(|(_, password)| password.is_empty()));
    assert!(fake.converged.lock().unwrap().is_empty());
    assert!(world.get(&config_path("a")).await.is_none(), "nothing of a refused decision is done");

    // By name it may be granted.
    world.grants(|grants| {
        grants.reads.push(model::grant::ReadGrant {
            group: String::new(),
            kind: "Secret".into(),
            namespaces: Vec::new(),
            names: vec!["login".into()],
        });
    });
    pass(&world, 5).await;
    assert_eq!(fake.looks.lock().unwrap().last().unwrap().1, "of somebody else");
    assert_eq!(*fake.converged.lock().unwrap(), ["server/0"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_server_is_asked_for_a_plugin_that_is_not_granted_mysql() {
    let fake = Arc::new(Fake::default());
    let world = World::with_servers(fake.clone(), cluster).await;
    world.grants(|grants| grants.backends.mysql = false);
    world.create_widget("a", json!({"count": 1})).await;
    pass(&world, 5).await;
    assert_eq!(world.reconciled("a").await.1, "NotGranted");
    assert_eq!(fake.count(), 0);
}

#![allow(clippy::unwrap_used)]
//! The loop against a server that answers by script, within the process and on a paused clock.

use super::*;
use crate::watch::watches::{Options, Watches};
use axum::body::Body as Sent;
use futures::StreamExt as _;
use http::{Response, StatusCode};
use kube::client::Body;
use model::{Kind, ObjectKey};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Mutex;

/// What the server does next on lists or on watches. The last one stays.
#[derive(Clone)]
enum Answer {
    /// A status and a body at once.
    Text(u16, String),
    /// Lines, each after so many milliseconds; then the end, or silence.
    Lines(Vec<(u64, Value)>, Then),
    /// Nothing, ever.
    Silence,
}

#[derive(Clone, Copy, PartialEq)]
enum Then {
    End,
    Silence,
}

struct Script {
    lists: Mutex<VecDeque<Answer>>,
    watches: Mutex<VecDeque<Answer>>,
    served: Mutex<bool>,
    /// Path and query of each list and watch, with the time.
    log: Mutex<Vec<(Duration, String)>>,
    began: Instant,
}

impl Script {
    fn new(lists: Vec<Answer>, watches: Vec<Answer>) -> Arc<Self> {
        Arc::new(Script {
            lists: Mutex::new(lists.into()),
            watches: Mutex::new(watches.into()),
            served: Mutex::new(true),
            log: Mutex::default(),
            began: Instant::now(),
        })
    }

    fn answer(&self, uri: &http::Uri) -> Answer {
        let (path, query) = (uri.path(), uri.query().unwrap_or_default());
        if path == "/apis/example.com/v1" {
            return match *self.served.lock().unwrap() {
                true => text(
                    200,
                    json!({"kind": "APIResourceList", "groupVersion": "example.com/v1", "resources": [
                        {"name": "widgets", "singularName": "widget", "namespaced": true, "kind": "Widget", "verbs": []},
                    ]}),
                ),
                false => status(404),
            };
        }
        self.log.lock().unwrap().push((self.began.elapsed(), query.to_owned()));
        let mut script = if query.starts_with("watch") { &self.watches } else { &self.lists }.lock().unwrap();
        if script.len() > 1 { script.pop_front().unwrap() } else { script.front().cloned().unwrap_or(Answer::Silence) }
    }

    fn client(self: &Arc<Self>) -> kube::Client {
        let script = self.clone();
        let service = tower::service_fn(move |request: http::Request<Body>| {
            let answer = script.answer(request.uri());
            async move {
                let (code, body) = match answer {
                    Answer::Silence => std::future::pending().await,
                    Answer::Text(code, body) => (code, Sent::from(body)),
                    Answer::Lines(lines, then) => {
                        let lines = futures::stream::iter(lines).then(|(delay, line)| async move {
                            tokio::time::sleep(Duration::from_millis(delay)).await;
                            Ok::<_, Infallible>(format!("{line}\n"))
                        });
                        let rest = futures::stream::pending().take(if then == Then::Silence { 1 } else { 0 });
                        (200, Sent::from_stream(lines.chain(rest)))
                    }
                };
                let response = Response::builder().status(StatusCode::from_u16(code).unwrap()).body(body).unwrap();
                Ok::<_, tower::BoxError>(response)
            }
        });
        kube::Client::new(service, "default")
    }

    fn asked(&self, part: &str) -> usize {
        self.log.lock().unwrap().iter().filter(|(_, query)| query.contains(part)).count()
    }

    fn lists(&self) -> usize {
        self.asked("limit=")
    }

    fn watched(&self) -> Vec<String> {
        let log = self.log.lock().unwrap();
        let versions =
            log.iter().filter_map(|(_, query)| query.strip_prefix("watch")?.split("resourceVersion=").nth(1));
        versions.map(str::to_owned).collect()
    }
}

fn text(code: u16, body: Value) -> Answer {
    Answer::Text(code, body.to_string())
}

fn status(code: u16) -> Answer {
    text(code, json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": "scripted"}))
}

fn list(version: u64, objects: &[(&str, u64)]) -> Answer {
    page(version, objects, "")
}

fn page(version: u64, objects: &[(&str, u64)], next: &str) -> Answer {
    let items: Vec<_> = objects.iter().map(|(name, version)| object(name, *version)).collect();
    text(200, json!({"metadata": {"resourceVersion": version.to_string(), "continue": next}, "items": items}))
}

fn object(name: &str, version: u64) -> Value {
    json!({"metadata": {"name": name, "namespace": "d", "uid": name, "resourceVersion": version.to_string()}})
}

fn event(kind: &str, name: &str, version: u64) -> Value {
    json!({"type": kind, "object": object(name, version)})
}

fn bookmark(version: u64) -> Value {
    json!({"type": "BOOKMARK", "object": {"kind": "Widget", "metadata": {"resourceVersion": version.to_string()}}})
}

fn lines(lines: &[Value], then: Then) -> Answer {
    Answer::Lines(lines.iter().map(|line| (0, line.clone())).collect(), then)
}

fn quiet() -> Answer {
    lines(&[], Then::Silence)
}

struct Rig {
    script: Arc<Script>,
    cache: Arc<Cache>,
    metrics: Arc<Metrics>,
    changes: Arc<Mutex<Vec<String>>>,
    watches: Watches,
}

fn kind() -> Kind {
    Kind::new("example.com", "v1", "Widget")
}

const RESYNC: Duration = Duration::from_secs(3600);

fn rig(lists: Vec<Answer>, watches: Vec<Answer>) -> Rig {
    rig_with(lists, watches, RESYNC, &[])
}

fn rig_with(lists: Vec<Answer>, watches: Vec<Answer>, resync: Duration, namespaces: &[&str]) -> Rig {
    let script = Script::new(lists, watches);
    let (cache, metrics, changes) = (Arc::new(Cache::new()), Arc::new(Metrics::new()), Arc::new(Mutex::default()));
    let sink = {
        let changes: Arc<Mutex<Vec<String>>> = changes.clone();
        Arc::new(move |change: &Change| {
            let sign = match (&change.old, &change.new) {
                (None, _) => '+',
                (_, None) => '-',
                _ => '~',
            };
            changes.lock().unwrap().push(format!("{sign}{}", change.object().unwrap().key.name));
        })
    };
    let options = Options {
        namespaces: namespaces.iter().map(|&namespace| namespace.to_owned()).collect(),
        resync,
        key: FingerprintKey::new([0; 32]),
    };
    let entropy = Arc::new(Entropy::seeded(1));
    let watches = Watches::new(script.client(), cache.clone(), options, entropy, metrics.clone(), sink);
    watches.ensure(&kind());
    Rig { script, cache, metrics, changes, watches }
}

impl Rig {
    async fn after(&self, seconds: u64) -> String {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        self.names()
    }

    fn names(&self) -> String {
        let names: Vec<_> = self.cache.keys(&kind()).into_iter().map(|key| key.name).collect();
        names.join(" ")
    }

    fn changes(&self) -> String {
        self.changes.lock().unwrap().join(" ")
    }

    fn version(&self, name: &str) -> String {
        let key = ObjectKey { kind: kind(), namespace: Some("d".into()), name: name.into() };
        self.cache.get(&key).unwrap().resource_version.clone()
    }

    fn restarted(&self, reason: &str) -> bool {
        self.metrics.encode().contains(&format!("reason=\"{reason}\""))
    }
}

#[tokio::test(start_paused = true)]
async fn a_kind_is_listed_in_pages_and_watched_from_there() {
    let events =
        lines(&[event("ADDED", "c", 11), event("MODIFIED", "a", 12), event("DELETED", "b", 13)], Then::Silence);
    let rig = rig(vec![page(10, &[("a", 1)], "tok/en"), page(10, &[("b", 2)], "")], vec![events]);
    assert_eq!(rig.after(1).await, "a c");
    assert_eq!(rig.changes(), "+a +b +c ~a -b");
    assert_eq!(rig.script.asked("continue=tok%2Fen"), 1);
    assert_eq!(rig.script.watched(), ["10"]);
    assert_eq!(rig.cache.seen(&kind(), Some("d")), 13);
    assert_eq!(rig.cache.sync(&kind()), Sync::Synced);
}

#[tokio::test(start_paused = true)]
async fn c4_a_watch_that_was_refused_with_410_or_told_so_by_an_event_lists_once_again() {
    let told = lines(&[json!({"type": "ERROR", "object": {"code": 410, "reason": "Expired"}})], Then::End);
    for gone in [status(410), told] {
        let rig = rig(vec![list(10, &[("a", 1), ("b", 2)]), list(20, &[("a", 15)])], vec![gone, quiet()]);
        assert_eq!(rig.after(5).await, "a");
        assert_eq!((rig.script.lists(), rig.script.watched()), (2, vec!["10".to_owned(), "20".into()]));
        assert_eq!(rig.changes(), "+a +b ~a -b");
    }
}

#[tokio::test(start_paused = true)]
async fn c4_a_page_that_expired_begins_the_list_again_without_a_gap() {
    let lists = vec![page(10, &[("a", 1)], "token"), status(410), list(20, &[("a", 1), ("b", 12)])];
    let rig = rig(lists, vec![quiet()]);
    assert_eq!(rig.after(5).await, "a b");
    assert_eq!((rig.script.lists(), rig.script.watched()), (3, vec!["20".to_owned()]));
    assert_eq!(rig.changes(), "+a +b", "half a list tells nothing");
}

#[tokio::test(start_paused = true)]
async fn c5_a_list_that_is_cut_off_leaves_no_ghost_and_no_missing_object() {
    let gone = status(410);
    let cut = Answer::Text(200, r#"{"metadata":{"resourceVersion":"15"},"items":[{"metadata":{"na"#.into());
    let lists = vec![list(10, &[("ghost", 1), ("live", 2)]), cut, list(20, &[("live", 2)])];
    let rig = rig(lists, vec![gone, quiet()]);
    assert_eq!(rig.after(10).await, "live");
    assert_eq!(rig.changes(), "+ghost +live -ghost");
}

#[tokio::test(start_paused = true)]
async fn c6_a_peer_that_falls_silent_is_noticed_in_under_240_seconds() {
    let rig = rig(vec![list(10, &[("a", 1)])], vec![quiet(), lines(&[event("ADDED", "b", 11)], Then::Silence)]);
    assert_eq!(rig.after(190).await, "a");
    assert_eq!(rig.after(49).await, "a b");
    assert_eq!(rig.script.lists(), 1, "the watch goes on from where it was");
}

#[tokio::test(start_paused = true)]
async fn c6_a_peer_that_never_answers_a_list_or_a_watch_is_given_up() {
    let rig = rig(vec![Answer::Silence, list(10, &[("a", 1)])], vec![Answer::Silence, quiet()]);
    assert_eq!(rig.after(40).await, "a");
    rig.after(40).await;
    assert_eq!(rig.script.watched().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn c7_bookmarks_alone_move_the_version_and_a_watch_without_any_resumes() {
    let rig =
        rig(vec![list(10, &[])], vec![lines(&[bookmark(50), bookmark(60)], Then::End), lines(&[], Then::End), quiet()]);
    rig.after(5).await;
    assert_eq!(rig.cache.seen(&kind(), None), 60);
    assert_eq!(rig.script.watched(), ["10", "60", "60"]);
    assert_eq!(rig.script.lists(), 1);
}

#[tokio::test(start_paused = true)]
async fn c1_an_event_that_was_never_told_is_made_up_for_by_the_next_list() {
    let lists = vec![list(10, &[("a", 1), ("b", 2)]), list(30, &[("a", 25), ("c", 26)])];
    let rig = rig_with(lists, vec![quiet()], Duration::from_secs(600), &[]);
    assert_eq!(rig.after(500).await, "a b");
    assert_eq!(rig.after(200).await, "a c");
    assert_eq!(rig.changes(), "+a +b ~a +c -b");
    assert!(rig.restarted("Resync"));
}

#[tokio::test(start_paused = true)]
async fn c2_events_that_are_told_twice_are_one_change() {
    let twice =
        [event("ADDED", "a", 11), event("ADDED", "a", 11), event("DELETED", "a", 12), event("DELETED", "a", 12)];
    let rig = rig(vec![list(10, &[])], vec![lines(&twice, Then::Silence)]);
    rig.after(1).await;
    assert_eq!(rig.changes(), "+a -a");
}

#[tokio::test(start_paused = true)]
async fn b4_a_list_of_an_older_server_is_not_taken() {
    let lists = vec![list(20, &[("a", 15)]), list(12, &[("a", 5), ("ghost", 4)]), list(21, &[("a", 15)])];
    let rig = rig(lists, vec![status(410), quiet()]);
    rig.after(10).await;
    assert_eq!((rig.names(), rig.version("a"), rig.changes()), ("a".into(), "15".into(), "+a".into()));
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_was_put_back_from_a_backup_is_taken_as_it_is_in_the_end() {
    let rig = rig(vec![list(20, &[("a", 15), ("b", 16)]), list(12, &[("a", 5)])], vec![status(410), quiet()]);
    assert_eq!(rig.after(10).await, "a b");
    assert_eq!(rig.after(300).await, "a");
    assert_eq!((rig.version("a"), rig.cache.seen(&kind(), None)), ("5".into(), 12));
    assert_eq!(rig.changes(), "+a +b ~a -b");
}

#[tokio::test(start_paused = true)]
async fn c8_an_event_without_metadata_is_passed_over_and_the_watch_goes_on() {
    let bad = [
        json!({"type": "ADDED", "object": {"metadata": null}}),
        json!({"type": "ADDED", "object": 7}),
        json!({"type": "MODIFIED", "object": {"metadata": {"name": "x", "resourceVersion": "12"}}}),
        event("ADDED", "b", 13),
    ];
    let rig = rig(vec![list(10, &[("a", 1)])], vec![lines(&bad, Then::Silence)]);
    assert_eq!(rig.after(1).await, "a b");
    assert_eq!(rig.script.lists(), 1);
    assert!(rig.metrics.encode().contains("windlass_unreadable_objects_total{kind=\"Widget.example.com\"} 3"));
}

#[tokio::test(start_paused = true)]
async fn d5_answers_that_are_none_are_tried_again_ever_more_slowly() {
    let html = Answer::Text(200, "<html>".into());
    let lists = vec![status(500), html, Answer::Text(200, String::new()), status(503), list(10, &[("a", 1)])];
    let rig = rig(lists, vec![quiet()]);
    assert_eq!(rig.after(30).await, "a");
    let log = rig.script.log.lock().unwrap();
    assert!(log[4].0 - log[3].0 > log[1].0 - log[0].0, "{log:?}");
}

#[tokio::test(start_paused = true)]
async fn d4_a_server_that_asks_for_a_pause_gets_it() {
    let throttled = json!({"kind": "Status", "code": 429, "message": "slow", "details": {"retryAfterSeconds": 20}});
    let rig = rig(vec![text(429, throttled), list(10, &[("a", 1)])], vec![quiet()]);
    assert_eq!(rig.after(19).await, "");
    assert_eq!(rig.after(2).await, "a");
}

#[tokio::test(start_paused = true)]
async fn d7_a_kind_that_we_may_not_see_is_named_and_recovers() {
    let rig = rig(vec![status(403), status(403), list(10, &[("a", 1)])], vec![quiet()]);
    tokio::time::sleep(Duration::from_millis(1)).await;
    let Sync::Forbidden(message) = rig.cache.sync(&kind()) else { panic!("{:?}", rig.cache.sync(&kind())) };
    assert!(message.contains("grant the host's account the verbs list,watch on widgets.example.com"), "{message}");
    assert_eq!(rig.after(10).await, "a");
    assert_eq!(rig.cache.sync(&kind()), Sync::Synced);
}

#[tokio::test(start_paused = true)]
async fn d8_a_kind_that_is_not_served_is_parked_and_resumes_when_it_appears() {
    let rig = rig(vec![list(10, &[("a", 1)])], vec![quiet()]);
    *rig.script.served.lock().unwrap() = false;
    rig.after(20).await;
    assert_eq!((rig.cache.sync(&kind()), rig.script.lists()), (Sync::Missing, 0));
    *rig.script.served.lock().unwrap() = true;
    rig.watches.look_again("example.com");
    assert_eq!(rig.after(1).await, "a");
}

#[tokio::test(start_paused = true)]
async fn d8_the_objects_of_a_definition_that_was_removed_are_gone() {
    let rig = rig(vec![list(10, &[("a", 1)]), status(404), list(30, &[("b", 29)])], vec![status(404), quiet()]);
    *rig.script.served.lock().unwrap() = true;
    tokio::time::sleep(Duration::from_millis(1)).await;
    *rig.script.served.lock().unwrap() = false;
    assert_eq!(rig.after(5).await, "");
    assert_eq!((rig.cache.sync(&kind()), rig.changes()), (Sync::Missing, "+a -a".into()));
    *rig.script.served.lock().unwrap() = true;
    assert_eq!(rig.after(60).await, "b", "asked for again now and then, though nobody says so");
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_limited_to_namespaces_watches_each_of_them() {
    let rig = rig_with(vec![list(10, &[])], vec![quiet()], RESYNC, &["d", "e"]);
    rig.after(1).await;
    assert_eq!((rig.script.lists(), rig.script.watched().len()), (2, 2));
    assert_eq!(rig.cache.sync(&kind()), Sync::Synced);
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_nobody_needs_ends_and_its_objects_are_forgotten() {
    let rig = rig(vec![list(10, &[("a", 1)])], vec![lines(&[], Then::End)]);
    rig.after(1).await;
    rig.watches.retain(|_| false);
    let asked = rig.script.log.lock().unwrap().len();
    assert_eq!(rig.after(300).await, "");
    assert_eq!(rig.script.log.lock().unwrap().len(), asked);
    assert_eq!(rig.cache.sync(&kind()), Sync::Unwatched);

    rig.watches.ensure(&kind());
    rig.watches.ensure(&kind());
    assert_eq!(rig.after(1).await, "a");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_ends_each_watch_at_once_is_not_asked_in_a_tight_loop() {
    let rig = rig(vec![list(10, &[])], vec![lines(&[], Then::End)]);
    rig.after(60).await;
    assert!(rig.script.watched().len() < 30, "{}", rig.script.watched().len());
    let rig = self::rig(vec![list(10, &[])], vec![status(410)]);
    rig.after(10).await;
    assert!(rig.script.lists() < 100, "{}", rig.script.lists());
}

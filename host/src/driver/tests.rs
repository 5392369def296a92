#![allow(clippy::unwrap_used)]

use super::*;
use crate::entropy::Entropy;
use crate::watch::Cause;
use crate::watch::queue::Limits;
use futures::future::BoxFuture;
use model::Kind;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Semaphore;

fn key(name: &str) -> ObjectKey {
    ObjectKey { kind: Kind::new("example.com", "v1", "Widget"), namespace: Some("d".into()), name: name.into() }
}

/// Panics for `bad`, waits for a permit for `slow`, is done for others.
#[derive(Default)]
struct Script {
    begun: Mutex<Vec<String>>,
    ended: AtomicUsize,
    permits: Option<Semaphore>,
}

impl Reconciler for Script {
    async fn reconcile(&self, key: &ObjectKey) -> Next {
        self.begun.lock().unwrap().push(key.name.clone());
        assert_ne!(key.name, "bad", "a defect");
        if key.name == "slow" {
            match &self.permits {
                Some(permits) => drop(permits.acquire().await.unwrap()),
                None => std::future::pending().await,
            }
        }
        self.ended.fetch_add(1, Ordering::SeqCst);
        Next::Done { wake: None }
    }
}

/// Behind until this many live reads were made, each of which succeeds.
struct Behind {
    reads: AtomicUsize,
    since: Instant,
}

impl Fresh for Behind {
    fn freshness(&self, _: &ObjectKey) -> Freshness {
        match self.reads.load(Ordering::SeqCst) {
            0 => Freshness::Fresh,
            _ => Freshness::Behind { object: key("child"), since: self.since },
        }
    }
    fn read_overdue<'a>(&'a self, _: &'a ObjectKey, _: &'a ObjectKey) -> BoxFuture<'a, bool> {
        self.reads.fetch_sub(1, Ordering::SeqCst);
        std::future::ready(true).boxed()
    }
}

struct Rig {
    queue: Arc<Queue>,
    script: Arc<Script>,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
    driver: tokio::task::JoinHandle<()>,
}

fn rig(script: Script, behind: usize) -> Rig {
    let queue = Arc::new(Queue::new(Limits::of(4), Arc::new(Entropy::seeded(1))));
    let (script, metrics, stop) = (Arc::new(script), Arc::new(Metrics::new()), CancellationToken::new());
    let driver = Driver {
        queue: queue.clone(),
        reconciler: script.clone(),
        freshness: Arc::new(Behind { reads: behind.into(), since: Instant::now() }),
        deadlines: Deadlines::default(),
        metrics: metrics.clone(),
    };
    let driver = tokio::spawn(driver.run(stop.clone()));
    Rig { queue, script, metrics, stop, driver }
}

impl Rig {
    fn begun(&self, name: &str) -> usize {
        self.script.begun.lock().unwrap().iter().filter(|begun| *begun == name).count()
    }

    fn counted(&self, outcome: &str) -> bool {
        self.metrics.encode().contains(&format!("outcome=\"{outcome}\""))
    }
}

#[tokio::test(start_paused = true)]
async fn a8_a_panic_in_one_pass_does_not_stop_others_and_the_key_is_tried_again() {
    let rig = rig(Script::default(), 0);
    rig.queue.push(&key("bad"), Cause::Edit);
    rig.queue.push(&key("good"), Cause::Edit);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(rig.begun("good"), 1);
    assert!((2..6).contains(&rig.begun("bad")), "again, but ever more slowly: {}", rig.begun("bad"));
    assert!(rig.counted("Panicked"));
}

#[tokio::test(start_paused = true)]
async fn a9_a_host_that_stops_begins_no_pass_and_lets_running_ones_end() {
    let rig = rig(Script { permits: Some(Semaphore::new(0)), ..Script::default() }, 0);
    rig.queue.push(&key("slow"), Cause::Edit);
    tokio::time::sleep(Duration::from_secs(1)).await;
    rig.stop.cancel();
    tokio::time::sleep(Duration::from_secs(1)).await;
    rig.queue.push(&key("late"), Cause::Edit);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!rig.driver.is_finished());
    rig.script.permits.as_ref().unwrap().add_permits(1);
    rig.driver.await.unwrap();
    assert_eq!(*rig.script.begun.lock().unwrap(), ["slow"]);
    assert_eq!(rig.script.ended.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a9_a_pass_that_does_not_end_is_cut_off_when_the_host_stops() {
    let rig = rig(Script::default(), 0);
    rig.queue.push(&key("slow"), Cause::Edit);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let began = Instant::now();
    rig.stop.cancel();
    rig.driver.await.unwrap();
    assert_eq!(began.elapsed(), Deadlines::default().drain);
}

#[tokio::test(start_paused = true)]
async fn d10_a_pass_that_takes_too_long_is_given_up_and_tried_again() {
    let rig = rig(Script::default(), 0);
    rig.queue.push(&key("slow"), Cause::Edit);
    tokio::time::sleep(Deadlines::default().pass * 2 + Duration::from_secs(5)).await;
    assert_eq!(rig.begun("slow"), 3);
    assert!(rig.counted("TookTooLong"));
}

#[tokio::test(start_paused = true)]
async fn b3_a_pass_waits_for_the_event_of_our_own_write_and_asks_directly_when_it_is_overdue() {
    let rig = rig(Script::default(), 2);
    rig.queue.push(&key("a"), Cause::Edit);
    tokio::time::sleep(Deadlines::default().event - Duration::from_secs(1)).await;
    assert_eq!(rig.begun("a"), 0);
    assert!(rig.counted("stale"));
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(rig.begun("a"), 1, "both overdue objects were read, then the pass began");
}

#![allow(clippy::unwrap_used)]

use super::*;
use futures::FutureExt as _;

const DONE: Next = Next::Done { wake: None };
const RETRY: Next = Next::Retry { after: None, reason: "Test" };

fn kind(name: &str) -> Kind {
    Kind::new("example.com", "v1", name)
}

fn key_of(kind_name: &str, name: &str) -> ObjectKey {
    ObjectKey { kind: kind(kind_name), namespace: None, name: name.into() }
}

fn key(name: &str) -> ObjectKey {
    key_of("Widget", name)
}

fn queue(total: usize) -> Queue {
    Queue::new(Limits::of(total), Arc::new(Entropy::seeded(1)))
}

/// What can be taken without waiting.
fn take(queue: &Queue) -> Option<(String, Cause)> {
    queue.next().now_or_never().flatten().map(|taken| (taken.key.name, taken.cause))
}

fn take_name(queue: &Queue) -> Option<String> {
    take(queue).map(|(name, _)| name)
}

async fn wait(time: Duration) {
    tokio::time::advance(time).await;
}

#[tokio::test(start_paused = true)]
async fn a_key_that_comes_in_many_times_goes_out_once_for_the_most_urgent_cause() {
    let queue = queue(8);
    for cause in [Cause::Resync, Cause::Edit, Cause::Change, Cause::Resync] {
        queue.push(&key("a"), cause);
    }
    assert_eq!(take(&queue), Some(("a".into(), Cause::Edit)));
    assert_eq!(take(&queue), None);
    queue.done(&key("a"), &DONE);
    assert_eq!(take(&queue), None);
}

#[tokio::test(start_paused = true)]
async fn a_key_is_never_out_twice_and_what_came_in_meanwhile_is_not_lost() {
    let queue = queue(8);
    queue.push(&key("a"), Cause::Change);
    assert!(take(&queue).is_some());
    queue.push(&key("a"), Cause::Change);
    queue.push(&key("a"), Cause::Edit);
    assert_eq!(take(&queue), None);
    queue.done(&key("a"), &DONE);
    assert_eq!(take(&queue), Some(("a".into(), Cause::Edit)));
}

#[tokio::test(start_paused = true)]
async fn k2_kinds_take_turns_and_one_kind_never_has_all_hands() {
    let queue = queue(8);
    for number in 0..100 {
        queue.push(&key_of("Many", &format!("m{number}")), Cause::Edit);
    }
    queue.push(&key_of("Few", "f"), Cause::Change);
    let taken: Vec<_> = std::iter::from_fn(|| take_name(&queue)).collect();
    assert!(taken[..2].contains(&"f".to_owned()), "{taken:?}");
    assert_eq!(taken.len(), 6, "five of the kind with many, one of the other, and two hands free");
}

#[tokio::test(start_paused = true)]
async fn k2_however_many_kinds_are_slow_another_one_finds_hands_free() {
    for slow in 1..6 {
        let queue = queue(16);
        for kind in 0..slow {
            for number in 0..100 {
                queue.push(&key_of(&format!("Slow{kind}"), &format!("s{number}")), Cause::Edit);
            }
        }
        // Nothing of these ever comes back.
        let taken = std::iter::from_fn(|| take_name(&queue)).count();
        assert!((12..16).contains(&taken), "{slow} kinds have {taken} hands");
        for number in 0..50 {
            let quick = key_of("Quick", &format!("q{number}"));
            queue.push(&quick, Cause::Change);
            assert_eq!(take(&queue), Some((quick.name.clone(), Cause::Change)), "beside {slow} slow kinds");
            queue.done(&quick, &DONE);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn k2_an_edit_never_waits_behind_routine_looks() {
    let queue = queue(4);
    for number in 0..100 {
        queue.push(&key(&format!("r{number}")), Cause::Resync);
    }
    let routine: Vec<_> = std::iter::from_fn(|| take(&queue)).collect();
    assert_eq!(routine.len(), 2, "routine looks leave a hand free");
    queue.push(&key("r99"), Cause::Edit);
    assert_eq!(take(&queue), Some(("r99".into(), Cause::Edit)));
}

#[tokio::test(start_paused = true)]
async fn routine_looks_come_to_their_turn_though_edits_never_end() {
    let queue = queue(4);
    queue.push(&key("routine"), Cause::Resync);
    let mut taken = Vec::new();
    for number in 0..20 {
        queue.push(&key(&format!("e{number}")), Cause::Edit);
        let name = take_name(&queue).unwrap();
        queue.done(&key(&name), &DONE);
        taken.push(name);
    }
    assert!(taken.contains(&"routine".into()), "{taken:?}");
}

#[tokio::test(start_paused = true)]
async fn a_key_that_fails_waits_longer_each_time_up_to_a_limit() {
    let queue = queue(4);
    queue.push(&key("a"), Cause::Edit);
    let mut pauses = Vec::new();
    for failures in 0..15 {
        let began = Instant::now();
        let taken = queue.next().await.unwrap();
        assert_eq!(taken.failures, failures);
        pauses.push(began.elapsed());
        queue.done(&key("a"), &RETRY);
    }
    let limits = Limits::of(4);
    assert!(pauses[1] >= limits.first_pause && pauses[1] <= limits.first_pause * 3 / 2, "{pauses:?}");
    assert!(pauses[5] >= limits.first_pause * 16, "{pauses:?}");
    assert!(pauses.iter().all(|pause| *pause <= limits.longest_pause * 3 / 2 + Duration::from_millis(2)), "{pauses:?}");

    queue.next().await.unwrap();
    queue.done(&key("a"), &DONE);
    queue.push(&key("a"), Cause::Edit);
    assert_eq!(queue.next().await.unwrap().failures, 0, "success ends the series");
}

#[tokio::test(start_paused = true)]
async fn of_what_happens_during_a_pause_only_an_edit_ends_it_at_once() {
    let queue = queue(4);
    queue.push(&key("a"), Cause::Edit);
    take(&queue).unwrap();
    queue.done(&key("a"), &Next::Retry { after: Some(Duration::from_secs(60)), reason: "Test" });
    queue.push(&key("a"), Cause::Resync);
    wait(Duration::from_secs(2)).await;
    assert_eq!(take(&queue), None);

    queue.push(&key("a"), Cause::Change);
    assert_eq!(take(&queue), None, "a failing key is not tried again at each of its own effects");
    wait(Duration::from_millis(1001)).await;
    assert_eq!(take(&queue), Some(("a".into(), Cause::Change)));

    queue.done(&key("a"), &Next::Retry { after: Some(Duration::from_secs(60)), reason: "Test" });
    queue.push(&key("a"), Cause::Edit);
    assert_eq!(take(&queue), Some(("a".into(), Cause::Edit)));
}

#[tokio::test(start_paused = true)]
async fn a_wake_comes_at_its_time_and_not_again_after_another_pass() {
    let queue = queue(4);
    queue.push(&key("a"), Cause::Edit);
    take(&queue).unwrap();
    queue.done(&key("a"), &Next::Done { wake: Some(Duration::from_secs(30)) });
    wait(Duration::from_secs(29)).await;
    assert_eq!(take(&queue), None);
    wait(Duration::from_millis(1001)).await;
    assert_eq!(take(&queue), Some(("a".into(), Cause::Change)));

    queue.done(&key("a"), &Next::Done { wake: Some(Duration::from_secs(30)) });
    queue.push(&key("a"), Cause::Change);
    take(&queue).unwrap();
    queue.done(&key("a"), &DONE);
    wait(Duration::from_secs(60)).await;
    assert_eq!(take(&queue), None, "the last pass asked for no wake");
}

#[tokio::test(start_paused = true)]
async fn a_key_that_waits_for_the_cache_is_tried_soon_and_at_once_when_an_event_comes() {
    let queue = queue(4);
    queue.push(&key("a"), Cause::Change);
    take(&queue).unwrap();
    queue.done(&key("a"), &Next::WaitForCache);
    assert_eq!(take(&queue), None);
    wait(Duration::from_millis(21)).await;
    take(&queue).unwrap();
    queue.done(&key("a"), &Next::WaitForCache);
    queue.push(&key("a"), Cause::Change);
    assert!(take(&queue).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_routine_look_comes_after_its_delay_and_a_parked_key_not_before() {
    let queue = queue(4);
    queue.push(&key("a"), Cause::Edit);
    take(&queue).unwrap();
    queue.resync_after(&key("a"), Duration::from_secs(600));
    queue.done(&key("a"), &Next::Parked);
    wait(Duration::from_secs(599)).await;
    assert_eq!(take(&queue), None);
    wait(Duration::from_millis(1001)).await;
    assert_eq!(take(&queue), Some(("a".into(), Cause::Resync)));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_kept_about_keys_that_wait_for_nothing() {
    let queue = queue(4);
    for number in 0..50 {
        queue.push(&key(&number.to_string()), Cause::Edit);
        take(&queue).unwrap();
        queue.done(&key(&number.to_string()), &DONE);
    }
    assert!(queue.lock().is_idle(), "{queue:?}");
}

#[tokio::test(start_paused = true)]
async fn a_closed_queue_lets_nothing_out_and_wakes_who_waits() {
    let queue = Arc::new(queue(4));
    let waiting = tokio::spawn({
        let queue = queue.clone();
        async move { queue.next().await }
    });
    tokio::task::yield_now().await;
    queue.close();
    assert_eq!(waiting.await.unwrap(), None);
    queue.push(&key("a"), Cause::Edit);
    assert_eq!(take(&queue), None);
}

proptest::proptest! {
    /// Whatever happens: no key is out twice, limits hold, and in the end everything that came in went out.
    #[test]
    fn any_order_of_events_keeps_the_promises(steps in proptest::collection::vec((0_u8..8, 0_usize..5), 1..200)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let queue = queue(3);
            let mut out: Vec<ObjectKey> = Vec::new();
            for (step, number) in steps {
                let key = key_of(["A", "B"][number % 2], &number.to_string());
                match step {
                    0 => queue.push(&key, Cause::Edit),
                    1 => queue.push(&key, Cause::Change),
                    2 => queue.push(&key, Cause::Resync),
                    3 => queue.resync_after(&key, Duration::from_secs(1)),
                    4 | 5 => if let Some(taken) = queue.next().now_or_never().flatten() {
                        assert!(!out.contains(&taken.key), "out twice");
                        out.push(taken.key);
                        assert!(out.len() <= 3);
                    },
                    6 => if let Some(key) = out.pop() {
                        let nexts = [DONE, RETRY, Next::WaitForCache, Next::Parked];
                        queue.done(&key, &nexts[number % 4]);
                    },
                    _ => wait(Duration::from_millis(500)).await,
                }
            }
            for key in out {
                queue.done(&key, &DONE);
            }
            wait(Duration::from_secs(1000)).await;
            while let Some(taken) = queue.next().now_or_never().flatten() {
                queue.done(&taken.key, &DONE);
            }
            assert!(queue.lock().is_idle(), "{queue:?}");
        });
    }
}

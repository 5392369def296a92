//! The threads that run plugins: a bounded number of OS threads, and a queue in which plugins take turns.
//!
//! Threads and not tasks, because a call never waits for anything. The turn goes to the plugin that has used the least time
//! of those that have calls waiting, so that each has the same budget, whether its calls are many or long; and no plugin gets
//! the last free thread, so that one that uses up its wall time in each call leaves room for the others.

use std::{
    collections::{HashMap, VecDeque},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};
use tokio::{sync::oneshot, time::Instant};

type Job = Box<dyn FnOnce() + Send>;

/// Tells plugins apart in the queue.
pub(super) type Owner = u64;

pub(super) struct Threads {
    shared: Arc<Shared>,
}

struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

impl Shared {
    /// The queue is consistent at every point where a holder can panic, so that a poisoned lock is as good as any.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who waits, and who runs. A value: the threads are outside.
struct Queue {
    /// Plugins with waiting calls, next turn first, each once.
    turns: VecDeque<Owner>,
    /// Waiting calls of each plugin in `turns`. Never empty.
    waiting: HashMap<Owner, VecDeque<Job>>,
    /// Running calls. Never zero.
    running: HashMap<Owner, usize>,
    /// Time that the calls of plugins took which have some running or waiting. One that had none begins where the least of
    /// the others is: being idle earns no credit.
    used: HashMap<Owner, Duration>,
    /// Running calls that one plugin may have.
    share: usize,
    closed: bool,
}

impl Queue {
    fn new(threads: usize) -> Self {
        Queue {
            turns: VecDeque::new(),
            waiting: HashMap::new(),
            running: HashMap::new(),
            used: HashMap::new(),
            share: threads.saturating_sub(1).max(1),
            closed: false,
        }
    }

    fn push(&mut self, owner: Owner, job: Job) {
        let least = self.used.values().min().copied().unwrap_or_default();
        self.used.entry(owner).or_insert(least);
        let waiting = self.waiting.entry(owner).or_default();
        if waiting.is_empty() {
            self.turns.push_back(owner);
        }
        waiting.push_back(job);
    }

    /// The next call: of the plugins that may run one more, that of the one which used the least time.
    fn begin(&mut self) -> Option<(Owner, Job)> {
        let may = |owner: &Owner| self.running.get(owner).copied().unwrap_or(0) < self.share;
        let candidates = self.turns.iter().enumerate().filter(|(_, owner)| may(owner));
        let (position, _) = candidates.min_by_key(|(at, owner)| (self.used.get(owner).copied(), *at))?;
        let owner = self.turns.remove(position)?;
        let waiting = self.waiting.get_mut(&owner)?;
        let job = waiting.pop_front()?;
        if waiting.is_empty() {
            self.waiting.remove(&owner);
        } else {
            self.turns.push_back(owner);
        }
        *self.running.entry(owner).or_default() += 1;
        Some((owner, job))
    }

    fn end(&mut self, owner: Owner, took: Duration) {
        if let Some(used) = self.used.get_mut(&owner) {
            *used += took;
        }
        if let Some(running) = self.running.get_mut(&owner) {
            *running -= 1;
            if *running == 0 {
                self.running.remove(&owner);
            }
        }
        if !self.running.contains_key(&owner) && !self.waiting.contains_key(&owner) {
            self.used.remove(&owner);
        }
    }
}

impl Threads {
    /// `stack` bytes are for the guest, which runs on the thread's own stack.
    pub(super) fn start(count: usize, stack: usize) -> io::Result<Self> {
        /// Bytes for the host's side of a call: lowering, lifting, log lines.
        const OWN: usize = 2 << 20;
        let shared = Arc::new(Shared { queue: Mutex::new(Queue::new(count)), changed: Condvar::new() });
        let threads = Threads { shared };
        for number in 0..count {
            let shared = threads.shared.clone();
            let builder = thread::Builder::new().name(format!("decide-{number}")).stack_size(stack + OWN);
            builder.spawn(move || work(&shared))?;
        }
        Ok(threads)
    }

    /// Queues a call. The receiver fails when the call panicked. A call whose receiver is gone before it begins is not made.
    pub(super) fn submit<T: Send + 'static>(
        &self,
        owner: Owner,
        call: impl FnOnce() -> T + Send + 'static,
    ) -> oneshot::Receiver<T> {
        let (answer, receiver) = oneshot::channel();
        let job = Box::new(move || {
            if !answer.is_closed() {
                // The receiver may go away while the call runs; nobody wants the answer then.
                let _ = answer.send(call());
            }
        });
        self.shared.lock().push(owner, job);
        self.shared.changed.notify_one();
        receiver
    }
}

impl Drop for Threads {
    /// The threads end after their current call. They are not waited for: this may be one of them.
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
    }
}

fn work(shared: &Shared) {
    let mut queue = shared.lock();
    while !queue.closed {
        let Some((owner, job)) = queue.begin() else {
            queue = shared.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
            continue;
        };
        drop(queue);
        // The state of the call goes away with it. The caller sees that its sender is gone.
        let begun = Instant::now();
        let _ = catch_unwind(AssertUnwindSafe(job));
        let took = begun.elapsed();
        queue = shared.lock();
        queue.end(owner, took);
        // A plugin that was at its share may have calls waiting that another thread can take.
        if !queue.turns.is_empty() {
            shared.changed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(queue: &mut Queue) -> Option<Owner> {
        queue.begin().map(|(owner, _)| owner)
    }

    #[test]
    fn plugins_take_turns() {
        let mut queue = Queue::new(8);
        for owner in [1, 1, 1, 2, 3] {
            queue.push(owner, Box::new(|| ()));
        }
        let order: Vec<_> = std::iter::from_fn(|| begin(&mut queue)).collect();
        assert_eq!(order, [1, 2, 3, 1, 1]);
    }

    #[test]
    fn no_plugin_takes_the_last_thread() {
        let mut queue = Queue::new(3);
        for _ in 0..5 {
            queue.push(1, Box::new(|| ()));
        }
        assert_eq!((begin(&mut queue), begin(&mut queue), begin(&mut queue)), (Some(1), Some(1), None));
        queue.push(2, Box::new(|| ()));
        assert_eq!(begin(&mut queue), Some(2));
        queue.end(1, Duration::ZERO);
        assert_eq!(begin(&mut queue), Some(1));
    }

    #[test]
    fn each_plugin_has_the_same_time_whether_its_calls_are_many_or_long() {
        let mut queue = Queue::new(2);
        for _ in 0..1000 {
            queue.push(1, Box::new(|| ()));
            queue.push(2, Box::new(|| ()));
        }
        // One thread of two, one call after the other: a second each of the first, a millisecond of the second.
        let mut calls = [0, 0];
        for _ in 0..500 {
            let (owner, took) = match begin(&mut queue) {
                Some(1) => (1, Duration::from_secs(1)),
                _ => (2, Duration::from_millis(1)),
            };
            calls[usize::from(owner == 2)] += 1;
            queue.end(owner, took);
        }
        assert_eq!(calls, [1, 499]);
    }

    #[test]
    fn a_plugin_that_was_idle_has_no_claim_to_what_others_used_meanwhile() {
        let mut queue = Queue::new(2);
        queue.push(1, Box::new(|| ()));
        queue.push(1, Box::new(|| ()));
        assert_eq!(begin(&mut queue), Some(1));
        queue.end(1, Duration::from_secs(3600));
        for _ in 0..3 {
            queue.push(2, Box::new(|| ()));
        }
        // The one that waits longer goes first where both used the same.
        assert_eq!(begin(&mut queue), Some(1));
        queue.end(1, Duration::from_secs(1));
        assert_eq!(begin(&mut queue), Some(2));
    }

    #[test]
    fn a_queue_that_emptied_keeps_nothing() {
        let mut queue = Queue::new(2);
        queue.push(1, Box::new(|| ()));
        assert_eq!(begin(&mut queue), Some(1));
        queue.end(1, Duration::from_secs(1));
        assert!(queue.turns.is_empty() && queue.waiting.is_empty() && queue.running.is_empty());
        assert!(queue.used.is_empty());
    }

    #[tokio::test]
    async fn a_call_that_panics_fails_alone() {
        let threads = Threads::start(1, 0).unwrap();
        let failed = threads.submit(1, || -> u8 { panic!("inside of a call") });
        assert!(failed.await.is_err());
        assert_eq!(threads.submit(1, || 7).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn a_call_that_nobody_waits_for_is_not_made() {
        let threads = Threads::start(1, 0).unwrap();
        let (release, hold) = std::sync::mpsc::channel::<()>();
        let first = threads.submit(1, move || hold.recv().is_ok());
        let (made, was_made) = std::sync::mpsc::channel::<()>();
        drop(threads.submit(1, move || made.send(())));
        release.send(()).unwrap();
        assert!(first.await.unwrap());
        threads.submit(1, || ()).await.unwrap();
        assert!(was_made.try_recv().is_err());
    }
}

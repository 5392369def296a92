//! Workers: take keys from a queue, run one pass per key, hand back the result. They end with the token.

use std::future::Future;
use std::hash::Hash;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::error::Error;
use super::queue::Queue;

/// What a pass asks for: nothing, or another look after a while.
pub(crate) type Pass = Result<Option<Duration>, Error>;

/// The tasks of a running set of controllers and the token that ends them.
#[derive(Clone)]
pub(crate) struct Tasks {
    pub(crate) token: CancellationToken,
    tracker: TaskTracker,
}

impl Tasks {
    /// No tasks yet.
    pub(crate) fn new() -> Self {
        Self { token: CancellationToken::new(), tracker: TaskTracker::new() }
    }

    /// Runs a future until it ends or the token is cancelled.
    pub(crate) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        let token = self.token.clone();
        self.tracker.spawn(async move {
            tokio::select! {
                () = token.cancelled() => {}
                () = future => {}
            }
        });
    }

    /// Cancels everything and waits until it ended.
    pub(crate) async fn stop(&self) {
        self.token.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }

    /// Runs `count` workers that call `pass` for each key of `queue`, once `ready` has resolved.
    pub(crate) fn work<T, R, F, Fut>(&self, name: &'static str, queue: &Queue<T>, count: usize, ready: R, pass: F)
    where
        T: Clone + Eq + Hash + Ord + Send + std::fmt::Display + 'static,
        R: Future<Output = ()> + Clone + Send + 'static,
        F: Fn(T) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = Pass> + Send,
    {
        for _ in 0..count {
            let (queue, pass, ready) = (queue.clone(), pass.clone(), ready.clone());
            self.spawn(async move {
                ready.await;
                loop {
                    let key = queue.next().await;
                    let result = pass(key.clone()).await;
                    let succeeded = result.is_ok();
                    match result {
                        Ok(Some(after)) => queue.add_after(key.clone(), after),
                        Ok(None) => {}
                        Err(error @ Error::Conflict { .. }) => tracing::debug!(controller = name, %key, %error),
                        Err(error) => {
                            let cause = std::error::Error::source(&error).map(ToString::to_string);
                            tracing::warn!(controller = name, %key, %error, cause, "pass failed, will retry");
                        }
                    }
                    queue.done(key, succeeded);
                }
            });
        }
    }
}

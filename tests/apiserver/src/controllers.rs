//! The built-in controllers that a reconciler leans on: garbage collector, namespaces, service accounts, StatefulSets,
//! ReplicaSets, Deployments, Jobs, CronJobs, disruption budgets, endpoints, volumes.
//!
//! In: a client. Out: whatever kube-controller-manager would write. They talk through the Kubernetes API alone, so
//! they run against any API server; against one that has a controller manager they would do its work twice.

mod account;
mod budget;
mod context;
mod cronjob;
mod deployment;
mod discovery;
mod endpoints;
mod garbage;
mod job;
mod kinds;
mod namespace;
mod ownership;
mod pods;
mod replicaset;
mod statefulset;
mod volume;

use std::sync::Arc;

use kube::Client;

pub use crate::machinery::clock::Clock;
use context::Context;

/// How the controllers run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the controllers read the time.
    pub clock: Clock,
    /// Workers of each of the larger controllers.
    pub workers: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { clock: Clock::system(), workers: 8 }
    }
}

/// The running controllers. Dropping it ends them as well, without waiting.
pub struct Controllers {
    ctx: Arc<Context>,
}

impl Controllers {
    /// Starts every controller. Must be called within a Tokio runtime. Returns at once: the controllers begin when
    /// their first lists are in, and keep trying while the API server cannot be reached.
    pub fn start(client: Client, options: Options) -> Self {
        let ctx = Context::new(client, options.clock, options.workers.max(1));
        let kinds = kinds::start(&ctx);
        garbage::start(&ctx, kinds);
        namespace::start(&ctx);
        account::start(&ctx);
        statefulset::start(&ctx);
        replicaset::start(&ctx);
        deployment::start(&ctx);
        job::start(&ctx);
        cronjob::start(&ctx);
        budget::start(&ctx);
        endpoints::start(&ctx);
        volume::start(&ctx);
        ctx.run();
        Self { ctx }
    }

    /// Resolves once every controller has its first lists and works.
    pub async fn ready(&self) {
        self.ctx.ready().await;
    }

    /// Ends every controller and waits until the last one did.
    pub async fn stop(self) {
        self.ctx.tasks.stop().await;
    }
}

impl Drop for Controllers {
    fn drop(&mut self) {
        self.ctx.tasks.token.cancel();
        self.ctx.release();
    }
}

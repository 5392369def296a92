//! Act: a checked plan in, an applied one out. Everything that the host changes in the world goes through here, and for
//! Kubernetes through [`kubernetes::Writer`] alone.
//!
//! Before anything is created it is written down on the resource (finalizer and inventory, one patch), so that a crash
//! at any point leaves nothing unknown. A step that fails holds back what needs it and nothing else.

mod cloud;
mod guard;
mod hold;
pub mod kubernetes;
mod mysql;
mod past;
mod record;
mod secret;
mod step;

pub use cloud::{Book, CloudHands, needed as cloud_needed};
pub use hold::{credential_of, hold, release};
pub use mysql::Hands;
pub use past::Past;
pub use record::{RecordError, let_go, record};

use crate::{
    entropy::Entropy,
    watch::{
        FingerprintKey, Ledger, Object,
        discovery::{Discovery, Resource},
    },
};
use futures::{FutureExt, StreamExt, stream};
use kubernetes::{ActingAs, Class, Failure, Reader, Writer};
use model::{
    Checked, ObjectKey, Plan,
    facts::ResourceFacts,
    plan::{Applied, Failure as StepFailure, StepResult},
    snapshot::Instant,
};
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

/// Steps of one resource that run at the same time.
const CONCURRENT_STEPS: usize = 8;

/// What the host needs to act. Clones share everything.
#[derive(Clone)]
pub struct Actor {
    /// Changes the cluster.
    pub writer: Writer,
    /// Reads single live objects, before something is destroyed.
    pub reader: Reader,
    /// How kinds are served.
    pub discovery: Arc<Discovery>,
    /// Where our own writes are noted.
    pub ledger: Arc<Ledger>,
    /// Makes the values of Secrets.
    pub entropy: Arc<Entropy>,
    /// Hides the values of Secrets in what is remembered of answers.
    pub fingerprints: FingerprintKey,
    /// Cancelled when the host stops: no new write starts then (A9).
    pub stop: CancellationToken,
}

/// What an act came to.
pub struct Acted {
    /// The plan with what became of each step.
    pub plan: Plan<Applied>,
    /// The most urgent class among the failures of Kubernetes, and the word of the first failure of that class.
    pub worst: Option<(Class, &'static str)>,
    /// Steps that changed something.
    pub writes: usize,
    /// Something was changed outside of Kubernetes. No event tells of it.
    pub servers_changed: bool,
}

impl Actor {
    /// The same hands in another name.
    pub fn acting_as(&self, acting: &ActingAs) -> Self {
        let (writer, reader) = (self.writer.acting_as(acting), self.reader.acting_as(acting));
        Actor { writer, reader, ..self.clone() }
    }

    /// Runs the steps of a plan, wave by wave. `still_wanted` is asked between waves: when it says no (the resource was
    /// deleted, paused or made again meanwhile), the rest is left to the next pass (I1).
    #[tracing::instrument(level = "debug", skip_all, fields(steps = plan.steps().len()))]
    pub async fn act(
        &self,
        plan: Plan<Checked>,
        resource: &ResourceFacts,
        hands: &Hands<'_>,
        past: &mut Past,
        now: Instant,
        still_wanted: impl Fn() -> bool,
    ) -> Acted {
        let mut results: Vec<Result<Done, Trouble>> = Vec::with_capacity(plan.steps().len());
        let mut failed: Vec<&str> = Vec::new();
        let confirmed = guard::confirm_resource(self, &plan, resource).await;
        for wave in plan.waves() {
            let reason_to_stop = if self.stop.is_cancelled() {
                Some("the host is stopping")
            } else {
                (!still_wanted()).then_some("the resource changed meanwhile")
            };
            let runs: Vec<_> = wave
                .iter()
                .map(|step| {
                    let blocked = step.needs.iter().find(|needed| failed.contains(&needed.as_str())).cloned();
                    let advice = past.advises_against(step, now);
                    let confirmed = &confirmed;
                    let span = tracing::debug_span!("step", verb = step.action.verb(), item = %step.item);
                    async move {
                        if let Some(reason) = reason_to_stop {
                            return Err(Trouble::Skipped(reason.into()));
                        }
                        if let Some(needed) = blocked {
                            return Err(Trouble::Skipped(format!("needs {needed}, which failed")));
                        }
                        if let Some(failure) = advice {
                            return Err(Trouble::Failed(failure));
                        }
                        if step.action.destructive() {
                            confirmed.clone().map_err(Trouble::Failed)?;
                        }
                        if step.action.is_cloud() {
                            return hands.cloud.converge(self, step, resource).await;
                        }
                        if step.action.is_server() {
                            return hands.converge(self, step, resource).await;
                        }
                        self.run(step, resource).await.map_err(Trouble::Failed)
                    }
                    .instrument(span)
                    .boxed()
                })
                .collect();
            let outcomes: Vec<_> = stream::iter(runs).buffered(CONCURRENT_STEPS).collect().await;
            for (step, outcome) in wave.iter().zip(&outcomes) {
                past.note(step, outcome, now);
                match outcome {
                    Ok(_) => {}
                    Err(_) => failed.push(&step.item),
                }
            }
            results.extend(outcomes);
        }
        let worst = worst(&results);
        let changed = |result: &Result<Done, Trouble>| matches!(result, Ok(Done { changed: true, .. }));
        let elsewhere = |step: &model::plan::Step| step.action.is_server() || step.action.is_cloud();
        let servers_changed =
            plan.steps().iter().zip(&results).any(|(step, result)| elsewhere(step) && changed(result));
        let writes = results.iter().filter(|result| changed(result)).count();
        Acted { plan: plan.applied(results.into_iter().map(into_result).collect()), worst, writes, servers_changed }
    }

    /// How the kind of an object is served.
    pub async fn served_as(&self, key: &ObjectKey) -> Result<Resource, Failure> {
        match self.discovery.resolve(&key.kind).await {
            Ok(Some(resource)) => Ok(resource),
            Ok(None) => Err(Failure::NotServed),
            Err(error) => Err(Failure::Unknown(error.to_string())),
        }
    }

    /// Notes a write, and reads the answer into the form that the cache has, without the values of Secrets.
    fn wrote(&self, owner: &ObjectKey, key: &ObjectKey, answer: serde_json::Value) -> Result<Object, Failure> {
        let object = Object::from_value(&key.kind, answer, &self.fingerprints)
            .map_err(|error| Failure::Unknown(error.to_string()))?;
        self.ledger.wrote(owner, key, &object.resource_version);
        Ok(object)
    }
}

/// What a step came to that went well.
struct Done {
    /// Something in the cluster changed.
    changed: bool,
    /// What to remember of the answer.
    remember: Option<model::facts::LastWrite>,
    /// Whose edits were taken back, as far as the API server named them.
    editors: Vec<String>,
}

/// Why a step did not go well.
enum Trouble {
    Skipped(String),
    Failed(Failure),
    /// A MySQL server is not as it should be. That is no reason to look at the others less often.
    Server(crate::mysql::Failure),
    /// A thing in Azure is not as it should be. When it is tried again is remembered with it.
    Cloud(StepFailure),
}

fn worst(results: &[Result<Done, Trouble>]) -> Option<(Class, &'static str)> {
    let urgency = |class: Class| match class {
        Class::Observe => 0,
        Class::Backoff => 1,
        Class::Parked => 2,
        Class::Terminal => 3,
    };
    let failures = results.iter().filter_map(|result| match result {
        Err(Trouble::Failed(failure)) => Some((failure.class(), failure.reason())),
        Err(Trouble::Skipped(_) | Trouble::Server(_) | Trouble::Cloud(_)) | Ok(_) => None,
    });
    failures.min_by_key(|(class, _)| urgency(*class))
}

fn into_result(result: Result<Done, Trouble>) -> StepResult {
    match result {
        Ok(Done { changed: true, remember, editors: _ }) => StepResult::Done(remember),
        Ok(Done { changed: false, remember, editors: _ }) => StepResult::Already(remember),
        Err(Trouble::Skipped(why)) => StepResult::Skipped(why),
        Err(Trouble::Failed(failure)) => StepResult::Failed(step_failure(&failure, failure.to_string())),
        Err(Trouble::Cloud(failure)) => StepResult::Failed(failure),
        Err(Trouble::Server(failure)) => StepResult::Failed(StepFailure {
            reason: failure.reason().into(),
            message: failure.to_string(),
            class: failure.class(),
        }),
    }
}

/// A failure as plans and outcomes have it, with a text that says what it happened to.
pub fn step_failure(failure: &Failure, message: String) -> StepFailure {
    StepFailure {
        reason: failure.reason().into(),
        message,
        class: match failure.class() {
            Class::Observe | Class::Backoff => model::Class::Retry,
            Class::Parked => model::Class::Blocked,
            Class::Terminal => model::Class::WaitForChange,
        },
    }
}

/// How long to wait before a resource with a failure of this class is looked at again; none: a growing pause.
pub fn pause(class: Class) -> Option<Duration> {
    match class {
        // The view was old: the event that shows the change is on its way, and this is for when it is not.
        Class::Observe | Class::Backoff => None,
        Class::Parked => Some(Duration::from_secs(30)),
        Class::Terminal => Some(Duration::from_secs(600)),
    }
}

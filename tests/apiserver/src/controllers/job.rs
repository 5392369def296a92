//! The Job controller, with the one that removes finished Jobs after their time. In: Jobs and their pods. Out: pods,
//! status, events. The decisions are in `job/progress.rs`.

mod indexes;
pub(crate) mod progress;

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{EnvVar, EnvVarSource, ObjectFieldSelector, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::DeleteParams;

use super::context::{Context, follow};
use super::ownership::{claim, controller_key, controller_of, controller_reference};
use super::pods;
use crate::machinery::error::Error;
use crate::machinery::key::Key;
use crate::machinery::queue::Queue;
use crate::machinery::recorder::Kind;
use crate::machinery::selector;
use crate::machinery::workers::Pass;
use progress::{News, Progress, TRACKING, progress};

const COMPONENT: &str = "job-controller";
/// Pods made or deleted at the same time for one Job.
const AT_ONCE: usize = 8;

/// Registers the controller's interests and starts its workers.
pub(crate) fn start(ctx: &Arc<Context>) {
    let queue: Queue<Key> = Queue::new();
    follow(&ctx.jobs, &queue);
    let (q, held) = (queue.clone(), ctx.clone());
    ctx.pods.on_change(move |old, new| {
        for pod in [old, new].into_iter().flatten() {
            if let Some(key) = controller_key(&pod.metadata, "Job") {
                q.add(key);
            } else if controller_of(&pod.metadata).is_none() && is_tracked(pod) {
                for job in held.jobs.in_namespace(pod.metadata.namespace.as_deref().unwrap_or_default()) {
                    let selector = job.spec.as_ref().and_then(|s| s.selector.as_ref());
                    if selector.is_some_and(|s| selector::matches(s, pod.metadata.labels.as_ref())) {
                        q.add(Key::of(&*job));
                    }
                }
            }
        }
    });
    let held = ctx.clone();
    ctx.tasks.work(COMPONENT, &queue, ctx.workers, ctx.ready(), move |key| {
        let ctx = held.clone();
        async move { pass(&ctx, &key).await }
    });
}

fn is_tracked(pod: &Pod) -> bool {
    pod.metadata.finalizers.iter().flatten().any(|f| f == TRACKING)
}

async fn pass(ctx: &Context, key: &Key) -> Pass {
    let Some(job) = ctx.jobs.get(key) else { return Ok(None) };
    let spec = job.spec.clone().unwrap_or_default();
    if spec.managed_by.as_deref().is_some_and(|m| m != "kubernetes.io/job-controller") {
        return Ok(None);
    }
    let Some(wanted) = spec.selector.filter(|s| !selector::is_empty(s)) else { return Ok(None) };
    let members =
        claim(&ctx.jobs, &ctx.pods, &*job, |pod: &Pod| selector::matches(&wanted, pod.metadata.labels.as_ref()));
    let members = members.await?;
    let Progress { status, create, delete, release, wake, news } = progress(&job, &members, ctx.clock.now());

    let (owner, held) = (&job, ctx);
    let deletes = delete.into_iter().map(|pod| async move {
        held.pods.delete(&pod, DeleteParams::default()).await?;
        let message = format!("Deleted pod: {}", pod_name(&pod));
        held.events.event(COMPONENT, &**owner, Kind::Normal, "SuccessfulDelete", message);
        Ok(())
    });
    all(deletes).await?;
    // The uids are in the status before the finalizers go: a pod is counted exactly once, whenever we are interrupted.
    let mut written = job.clone();
    if job.status.as_ref() != Some(&status) && job.metadata.deletion_timestamp.is_none() {
        written = ctx.jobs.replace_status(&job, &status).await?;
    }
    tell(ctx, &job, news);
    let released = !release.is_empty() && !progress::is_finished(&written);
    let made = !create.is_empty();
    let releases = release.into_iter().map(|pod| async move {
        let rest: Vec<_> = pod.metadata.finalizers.iter().flatten().filter(|f| *f != TRACKING).collect();
        match held.pods.patch(&pod, serde_json::json!({"metadata": {"finalizers": rest}})).await {
            Err(error) if error.is_not_found() => Ok(()),
            other => other.map(drop),
        }
    });
    all(releases).await?;
    let parent = &written;
    let creates = create.into_iter().map(|index| make(held, parent, index));
    all(creates).await?;
    if released || made {
        // Our own writes are in the store already; counting them now saves waiting for their events.
        return Ok(Some(Duration::ZERO));
    }
    expire(ctx, &written, wake).await
}

async fn all(work: impl Iterator<Item = impl Future<Output = Result<(), Error>>>) -> Result<(), Error> {
    let results: Vec<_> = futures::stream::iter(work).buffer_unordered(AT_ONCE).collect().await;
    results.into_iter().collect()
}

fn pod_name(pod: &Pod) -> &str {
    pod.metadata.name.as_deref().unwrap_or_default()
}

async fn make(ctx: &Context, job: &Job, index: Option<i32>) -> Result<(), Error> {
    match ctx.pods.create(&pod(job, index)).await {
        Ok(made) => {
            let message = format!("Created pod: {}", pod_name(&made));
            ctx.events.event(COMPONENT, job, Kind::Normal, "SuccessfulCreate", message);
            Ok(())
        }
        Err(error) if error.is_namespace_terminating() => Ok(()),
        Err(error) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            ctx.events.event(COMPONENT, job, Kind::Warning, "FailedCreate", format!("Error creating: {cause}"));
            Err(error)
        }
    }
}

/// A pod of the Job, with its index if the Job counts by index.
fn pod(job: &Job, index: Option<i32>) -> Pod {
    let name = job.metadata.name.clone().unwrap_or_default();
    let namespace = job.metadata.namespace.clone().unwrap_or_default();
    let template = job.spec.as_ref().map(|s| s.template.clone()).unwrap_or_default();
    let mut pod = pods::from_template(&template, controller_reference(job), &namespace, &name);
    pod.metadata.finalizers.get_or_insert_default().push(TRACKING.to_owned());
    let Some(index) = index else { return pod };
    pod.metadata.generate_name = Some(format!("{name}-{index}-"));
    pod.metadata.annotations.get_or_insert_default().insert(indexes::INDEX.to_owned(), index.to_string());
    pod.metadata.labels.get_or_insert_default().insert(indexes::INDEX.to_owned(), index.to_string());
    if let Some(spec) = &mut pod.spec {
        spec.hostname.get_or_insert_with(|| format!("{name}-{index}"));
        for container in spec.containers.iter_mut().chain(spec.init_containers.iter_mut().flatten()) {
            let env = container.env.get_or_insert_default();
            if env.iter().all(|e| e.name != "JOB_COMPLETION_INDEX") {
                env.push(EnvVar {
                    name: "JOB_COMPLETION_INDEX".to_owned(),
                    value_from: Some(EnvVarSource {
                        field_ref: Some(ObjectFieldSelector {
                            api_version: None,
                            field_path: format!("metadata.labels['{}']", indexes::INDEX),
                        }),
                        ..EnvVarSource::default()
                    }),
                    ..EnvVar::default()
                });
            }
        }
    }
    pod
}

fn tell(ctx: &Context, job: &Job, news: Option<News>) {
    let (kind, reason, message) = match news {
        None => return,
        Some(News::Completed) => (Kind::Normal, "Completed", "Job completed"),
        Some(News::Failed { reason, message }) => (Kind::Warning, reason, message),
        Some(News::Suspended) => (Kind::Normal, "Suspended", "Job suspended"),
        Some(News::Resumed) => (Kind::Normal, "Resumed", "Job resumed"),
    };
    ctx.events.event(COMPONENT, job, kind, reason, message.to_owned());
}

/// Removes a finished Job `ttlSecondsAfterFinished` after its end, as the TTL controller does.
async fn expire(ctx: &Context, job: &Job, wake: Option<Duration>) -> Pass {
    let ttl = job.spec.as_ref().and_then(|s| s.ttl_seconds_after_finished);
    let (Some(ttl), true, None) = (ttl, progress::is_finished(job), &job.metadata.deletion_timestamp) else {
        return Ok(wake);
    };
    let conditions = job.status.iter().flat_map(|s| s.conditions.iter().flatten());
    let end = conditions.filter(|c| matches!(c.type_.as_str(), "Complete" | "Failed") && c.status == "True");
    let Some(Time(end)) = end.filter_map(|c| c.last_transition_time.clone()).next() else { return Ok(wake) };
    let left = end.as_second() + i64::from(ttl) - ctx.clock.now().as_second();
    if left > 0 {
        return Ok(Some(Duration::from_secs(left as u64)));
    }
    ctx.jobs.delete(job, DeleteParams::foreground()).await?;
    Ok(None)
}

//! Jobs and CronJobs.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use apiserver::controllers::{Clock, Options};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use kube::api::ListParams;
use serde_json::{Value, json};

use crate::cluster::Cluster;

fn job(spec: Value, annotations: Value) -> Value {
    let mut job = json!({"metadata": {"name": "j"}, "spec": {"template": {"metadata": {"annotations": annotations},
        "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "c:1"}]}}}});
    json_patch::merge(&mut job, &json!({"spec": spec}));
    job
}

fn conditions(job: &Job) -> Vec<String> {
    let all = job.status.iter().flat_map(|s| s.conditions.iter().flatten());
    all.filter(|c| c.status == "True").map(|c| c.type_.clone()).collect()
}

#[tokio::test]
async fn a_job_runs_its_pods_and_completes() {
    let cluster = Cluster::with_node().await;
    cluster.create::<Job>(job(json!({"completions": 3, "parallelism": 2}), json!({}))).await;
    let done = cluster.until::<Job>("j", |j| conditions(j).contains(&"Complete".to_owned())).await;
    assert_eq!(conditions(&done), ["SuccessCriteriaMet", "Complete"]);
    let status = done.status.unwrap();
    assert_eq!((status.succeeded, status.active, status.failed), (Some(3), None, None));
    assert!(status.completion_time.is_some());
    let pods = cluster.api::<Pod>().list(&ListParams::default().labels("job-name=j")).await.unwrap();
    assert_eq!(pods.items.len(), 3);
    assert!(pods.items.iter().all(|p| p.finalizers().is_empty()));
    cluster.stop().await;
}

#[tokio::test]
async fn a_job_whose_pods_fail_too_often_fails() {
    let cluster = Cluster::with_node().await;
    let failing = json!({"windlass.dev/simulate": "failed"});
    cluster.create::<Job>(job(json!({"backoffLimit": 0}), failing)).await;
    let done = cluster.until::<Job>("j", |j| conditions(j).contains(&"Failed".to_owned())).await;
    assert_eq!(conditions(&done), ["FailureTarget", "Failed"]);
    assert_eq!(done.status.unwrap().failed, Some(1));
    cluster.stop().await;
}

#[tokio::test]
async fn an_indexed_job_runs_every_index_once() {
    let cluster = Cluster::with_node().await;
    let spec = json!({"completions": 4, "parallelism": 4, "completionMode": "Indexed"});
    cluster.create::<Job>(job(spec, json!({}))).await;
    let done = cluster.until::<Job>("j", |j| conditions(j).contains(&"Complete".to_owned())).await;
    assert_eq!(done.status.unwrap().completed_indexes.as_deref(), Some("0-3"));
    cluster.stop().await;
}

#[tokio::test]
async fn a_suspended_job_runs_nothing_until_it_is_resumed() {
    let cluster = Cluster::with_node().await;
    cluster.create::<Job>(job(json!({"suspend": true}), json!({}))).await;
    cluster.until::<Job>("j", |j| conditions(j) == ["Suspended"]).await;
    assert!(cluster.names::<Pod>("job-name=j").await.is_empty());
    cluster.merge::<Job>("j", json!({"spec": {"suspend": false}})).await;
    cluster.until::<Job>("j", |j| conditions(j).contains(&"Complete".to_owned())).await;
    cluster.stop().await;
}

#[tokio::test]
async fn a_finished_job_goes_after_its_time() {
    let cluster = Cluster::with_node().await;
    cluster.create::<Job>(job(json!({"ttlSecondsAfterFinished": 0}), json!({}))).await;
    cluster.until_gone::<Job>("j").await;
    cluster.stop().await;
}

/// A clock that stands where it is put.
fn clock(at: &Arc<AtomicI64>) -> Clock {
    let at = at.clone();
    Clock::from_fn(move || Timestamp::from_second(at.load(Ordering::SeqCst)).unwrap())
}

#[tokio::test]
async fn a_due_cron_job_makes_one_job_with_the_minute_in_its_name() {
    let now = Arc::new(AtomicI64::new(Timestamp::now().as_second()));
    let cluster = Cluster::with(Options { clock: clock(&now), ..Options::default() }).await;
    let template = job(json!({}), json!({}))["spec"].clone();
    let cron = json!({"metadata": {"name": "c"}, "spec": {"schedule": "0 2 * * *", "jobTemplate": {"spec": template}}});
    let made = cluster.create::<CronJob>(cron).await;
    // Two o'clock of the next day but one, a little late: one run is missed, the latest is made.
    let created = made.metadata.creation_timestamp.unwrap().0.as_second();
    let due = (created / 86_400 + 2) * 86_400 + 2 * 3_600;
    now.store(due + 5, Ordering::SeqCst);
    cluster.merge::<CronJob>("c", json!({"metadata": {"annotations": {"look": "again"}}})).await;
    let name = format!("c-{}", due / 60);
    let job = cluster.until::<Job>(&name, |_| true).await;
    assert_eq!(job.owner_references()[0].kind, "CronJob");
    assert!(job.annotations().contains_key("batch.kubernetes.io/cronjob-scheduled-timestamp"));
    let cron =
        cluster.until::<CronJob>("c", |c| c.status.as_ref().is_some_and(|s| s.last_schedule_time.is_some())).await;
    let status = cron.status.unwrap();
    assert_eq!(status.last_schedule_time.unwrap().0.as_second(), due);
    assert_eq!(status.active.unwrap()[0].name.as_deref(), Some(name.as_str()));
    cluster.merge::<CronJob>("c", json!({"metadata": {"annotations": {"look": "once more"}}})).await;
    assert_eq!(cluster.api::<Job>().list(&ListParams::default()).await.unwrap().items.len(), 1);
    cluster.stop().await;
}

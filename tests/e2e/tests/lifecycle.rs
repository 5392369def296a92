//! From the first apply to the last trace gone.

#![allow(clippy::unwrap_used)]

use anyhow::{Result, ensure};
use e2e::{VERBATIM, holds};
use fixtures::with_session;
use serde_json::Value;

const CHILDREN: &str = "secret,configmap,service,statefulset,poddisruptionbudget,backup,cronjob,pod";

fn names(list: &Value, kind: &str) -> Vec<String> {
    let items = list["items"].as_array().into_iter().flatten();
    items
        .filter(|object| object["kind"] == kind && object["metadata"]["labels"]["windlass.dev/owner-uid"].is_string())
        .map(|object| object["metadata"]["name"].as_str().unwrap_or_default().to_owned())
        .collect()
}

fn uids(pods: &Value) -> Vec<String> {
    let items = pods["items"].as_array().into_iter().flatten();
    items.map(|pod| pod["metadata"]["uid"].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_manifest_that_users_know_becomes_a_ready_cluster_with_everything_it_needs() -> Result<()> {
    with_session(async |session| {
        session.kubectl.apply(&VERBATIM).await?;
        let mysql = session.kubectl.until("Ready", &["mysql", "prod-db"], |mysql| holds(mysql, "Ready")).await?;
        assert_eq!(mysql["status"]["readyReplicas"], 3);

        let children = session.kubectl.json(&[CHILDREN]).await?;
        assert_eq!(names(&children, "StatefulSet"), ["prod-db"]);
        assert_eq!(names(&children, "Service").len(), 3, "headless, primary and replica Services");
        assert!(names(&children, "Secret").len() >= 5, "root and one per internal account");
        assert_eq!(names(&children, "PodDisruptionBudget").len(), 1);
        assert_eq!(names(&children, "Backup").len(), 1);
        assert_eq!(names(&children, "CronJob").len(), 1, "made by the other plugin");
        for object in children["items"].as_array().unwrap() {
            if object["metadata"]["labels"]["windlass.dev/owner-uid"].is_string() {
                let owner = &object["metadata"]["ownerReferences"][0];
                assert_eq!(owner["controller"], true, "{} {}", object["kind"], object["metadata"]["name"]);
            }
        }
        let claims = session.kubectl.json(&["persistentvolumeclaim"]).await?;
        assert!(claims["items"].as_array().unwrap().len() >= 3, "a volume claim per pod");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_change_by_kubectl_scale_in_both_directions() -> Result<()> {
    with_session(async |session| {
        session.kubectl.apply(&VERBATIM).await?;
        session.kubectl.until("Ready", &["mysql", "prod-db"], |mysql| holds(mysql, "Ready")).await?;
        for wanted in [5, 2] {
            session.kubectl.run(&["scale", "mysql", "prod-db", &format!("--replicas={wanted}")]).await?;
            session
                .kubectl
                .until("the new size", &["mysql", "prod-db"], |mysql| {
                    holds(mysql, "Ready") && mysql["status"]["readyReplicas"] == wanted
                })
                .await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_setting_reaches_every_pod_and_an_older_version_is_refused_with_the_field_named() -> Result<()> {
    with_session(async |session| {
        let kubectl = &session.kubectl;
        kubectl.apply(&VERBATIM).await?;
        let selector = ["pods", "-l", "app.kubernetes.io/instance=prod-db,app.kubernetes.io/name=mysql"];
        kubectl.until("Ready", &["mysql", "prod-db"], |mysql| holds(mysql, "Ready")).await?;
        let before = uids(&kubectl.json(&selector).await?);
        let patch = r#"{"spec":{"config":{"max_connections":222}}}"#;
        kubectl.run(&["patch", "mysql", "prod-db", "--type=merge", "-p", patch]).await?;
        kubectl
            .until("new pods", &selector, |pods| {
                let now = uids(pods);
                now.len() == 3 && now.iter().all(|uid| !before.contains(uid))
            })
            .await?;
        kubectl.until("Ready again", &["mysql", "prod-db"], |mysql| holds(mysql, "Ready")).await?;
        let refused =
            kubectl.run(&["patch", "mysql", "prod-db", "--type=merge", "-p", r#"{"spec":{"version":"5.7"}}"#]).await;
        let message = format!("{:#}", refused.expect_err("a downgrade must be refused"));
        ensure!(message.contains("version"), "the message names the field: {message}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_the_resource_removes_its_children_and_keeps_its_data_volumes() -> Result<()> {
    with_session(async |session| {
        let kubectl = &session.kubectl;
        kubectl.apply(&VERBATIM).await?;
        kubectl.until("Ready", &["mysql", "prod-db"], |mysql| holds(mysql, "Ready")).await?;
        kubectl.run(&["delete", "mysql", "prod-db", "--timeout=60s"]).await?;
        kubectl
            .until("no children", &[CHILDREN], |children| {
                ["StatefulSet", "Service", "Secret", "ConfigMap", "Pod", "Backup", "CronJob", "PodDisruptionBudget"]
                    .iter()
                    .all(|kind| names(children, kind).is_empty())
            })
            .await?;
        let claims = kubectl.json(&["persistentvolumeclaim"]).await?;
        assert!(claims["items"].as_array().unwrap().len() >= 3, "data is not deleted with the resource");
        Ok(())
    })
    .await
}

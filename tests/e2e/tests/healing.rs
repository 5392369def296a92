//! What others do to the children of a resource, and what becomes of it.

#![allow(clippy::unwrap_used)]

use anyhow::{Result, ensure};
use e2e::{VERBATIM, condition, holds};
use fixtures::with_session;

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_child_is_made_again() -> Result<()> {
    with_session(async |session| {
        let kubectl = &session.kubectl;
        kubectl.apply(&VERBATIM).await?;
        kubectl.until("Ready", &["mysql", "prod-db"], |mysql| holds(mysql, "Ready")).await?;
        let before = kubectl.json(&["service", "prod-db-primary"]).await?;
        kubectl.run(&["delete", "service", "prod-db-primary"]).await?;
        let uid = before["metadata"]["uid"].clone();
        kubectl
            .until("a new Service", &["service", "prod-db-primary"], |service| service["metadata"]["uid"] != uid)
            .await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_our_fields_is_reverted_and_a_change_of_foreign_fields_stays() -> Result<()> {
    with_session(async |session| {
        let kubectl = &session.kubectl;
        kubectl.apply(&VERBATIM).await?;
        kubectl.until("Ready", &["mysql", "prod-db"], |mysql| holds(mysql, "Ready")).await?;
        let before = kubectl.json(&["statefulset", "prod-db"]).await?;
        let wanted = before["spec"]["replicas"].clone();
        kubectl.run(&["annotate", "statefulset", "prod-db", "example.com/note=mine"]).await?;
        kubectl.run(&["patch", "statefulset", "prod-db", "--type=merge", "-p", r#"{"spec":{"replicas":1}}"#]).await?;
        let after = kubectl
            .until("the replicas of the plugin", &["statefulset", "prod-db"], |set| {
                set["spec"]["replicas"] == wanted
                    && set["metadata"]["generation"].as_i64() > before["metadata"]["generation"].as_i64()
            })
            .await?;
        assert_eq!(after["metadata"]["annotations"]["example.com/note"], "mine");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_of_somebody_else_is_left_alone_and_the_resource_says_so() -> Result<()> {
    with_session(async |session| {
        let kubectl = &session.kubectl;
        kubectl
            .apply("apiVersion: v1\nkind: Service\nmetadata: {name: prod-db-primary}\nspec: {ports: [{port: 80}]}\n")
            .await?;
        kubectl.apply(&VERBATIM).await?;
        let mysql = kubectl
            .until("a condition that names the collision", &["mysql", "prod-db"], |mysql| {
                mysql["status"]["conditions"].to_string().contains("NameCollision")
            })
            .await?;
        ensure!(!holds(&mysql, "Ready"));
        let service = kubectl.json(&["service", "prod-db-primary"]).await?;
        assert_eq!(service["spec"]["ports"][0]["port"], 80);
        assert!(service["metadata"]["ownerReferences"].is_null());
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_resource_gets_no_side_effects_until_it_is_resumed() -> Result<()> {
    with_session(async |session| {
        let kubectl = &session.kubectl;
        kubectl.apply(&VERBATIM).await?;
        kubectl.until("Ready", &["mysql", "prod-db"], |mysql| holds(mysql, "Ready")).await?;
        kubectl.run(&["annotate", "mysql", "prod-db", "windlass.dev/paused=true"]).await?;
        kubectl
            .until("Paused", &["mysql", "prod-db"], |mysql| {
                condition(mysql, "Paused").is_some_and(|(status, _, _)| status == "True")
            })
            .await?;
        kubectl.run(&["delete", "service", "prod-db-replica"]).await?;
        kubectl.run(&["scale", "mysql", "prod-db", "--replicas=5"]).await?;
        // The host looked at the new generation, so that it had its chance to act.
        kubectl
            .until("the new generation seen", &["mysql", "prod-db"], |mysql| {
                mysql["status"]["observedGeneration"] == mysql["metadata"]["generation"]
            })
            .await?;
        let set = kubectl.json(&["statefulset", "prod-db"]).await?;
        assert_eq!(set["spec"]["replicas"], 3);
        kubectl.run(&["annotate", "mysql", "prod-db", "windlass.dev/paused-"]).await?;
        kubectl
            .until("five replicas", &["mysql", "prod-db"], |mysql| {
                holds(mysql, "Ready") && mysql["status"]["readyReplicas"] == 5
            })
            .await?;
        Ok(())
    })
    .await
}

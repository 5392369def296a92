//! What kubectl shows of a resource: columns, explanations, events, dry runs; and what it refuses.

#![allow(clippy::unwrap_used)]

use anyhow::{Result, ensure};
use e2e::{VERBATIM, holds};
use fixtures::with_session;

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_get_answers_whether_it_is_ready_and_who_the_primary_is() -> Result<()> {
    with_session(async |session| {
        let kubectl = &session.kubectl;
        kubectl.apply(&VERBATIM).await?;
        kubectl.until("Ready", &["mysql", "prod-db"], |mysql| holds(mysql, "Ready")).await?;
        let table = kubectl.run(&["get", "mysql"]).await?;
        for word in ["NAME", "READY", "AGE", "prod-db"] {
            ensure!(table.contains(word), "{word} is not in:\n{table}");
        }
        let described = kubectl.run(&["describe", "mysql", "prod-db"]).await?;
        ensure!(described.contains("Conditions"), "{described}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_explain_knows_every_level_of_the_spec() -> Result<()> {
    with_session(async |session| {
        let text = session.kubectl.run(&["explain", "mysql.spec.storage"]).await?;
        ensure!(text.contains("size"), "{text}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_manifests_are_refused_with_the_field_named_and_change_nothing() -> Result<()> {
    with_session(async |session| {
        for (manifest, field) in [
            (VERBATIM.replace("replicas: 3", "replicas: -1"), "spec.replicas"),
            (VERBATIM.replace(&fixtures::servers::series(), "5.5"), "spec.version"),
            (VERBATIM.replace("\"0 2 * * *\"", "\"every day\""), "spec.backup.schedule"),
        ] {
            let refused = session.kubectl.apply(&manifest).await;
            let message = format!("{:#}", refused.expect_err("must be refused"));
            ensure!(message.contains(field), "{field} is not named in: {message}");
        }
        let list = session.kubectl.json(&["mysql"]).await?;
        assert_eq!(list["items"].as_array().unwrap().len(), 0);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_apply_changes_nothing_and_diff_says_so() -> Result<()> {
    with_session(async |session| {
        let kubectl = &session.kubectl;
        kubectl.apply(&VERBATIM).await?;
        kubectl.until("Ready", &["mysql", "prod-db"], |mysql| holds(mysql, "Ready")).await?;
        let answer = kubectl.apply(&VERBATIM).await?;
        ensure!(answer.contains("unchanged"), "{answer}");
        let answer = kubectl.run_with_input(&["diff", "-f", "-"], &VERBATIM).await?;
        ensure!(answer.is_empty(), "{answer}");
        Ok(())
    })
    .await
}

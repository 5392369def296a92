//! F: what users and their tools write that nobody asked for. What the API server lets through, the host and the plugin
//! answer with a condition; it never costs another resource anything.

#![allow(clippy::unwrap_used)]

mod edits;
mod limits;
mod names;
mod shapes;

use anyhow::{Result, ensure};
use fixtures::stage::{Shown, Stage, spec};
use serde_json::json;
use std::time::Duration;

const MYSQLS: &str = "/apis/database.example.com/v1/namespaces/default/mysqls";

/// Sends a body as it is. The status code where the server refuses it.
async fn post(stage: &Stage, body: String) -> Result<(), u16> {
    let request = http::Request::post(MYSQLS).header("content-type", "application/json").body(body.into_bytes());
    match stage.world.client.request_text(request.unwrap()).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) => Err(status.code),
        Err(other) => panic!("no answer: {other}"),
    }
}

fn manifest(name: &str, spec: &str) -> String {
    format!(
        r#"{{"apiVersion":"database.example.com/v1","kind":"MySQL","metadata":{{"name":{}}},"spec":{spec}}}"#,
        json!(name)
    )
}

async fn served(stage: &Stage) -> Result<()> {
    let world = &stage.world;
    world.until("the kind to be served", async || Ok(world.mysqls().list(&Default::default()).await.is_ok())).await
}

/// No pass panicked, no plugin broke, and a sound resource is still served.
async fn unharmed(stage: &Stage) -> Result<()> {
    ensure!(stage.metric("windlass_passes_total", "Panicked") == 0, "a pass panicked");
    ensure!(stage.metric("windlass_passes_total", "TookTooLong") == 0, "a pass took too long");
    ensure!(stage.metric("windlass_decisions_total", "Trap") == 0, "the plugin trapped");
    let name = "sound";
    stage.world.apply(name, spec(1, false)).await?;
    stage.world.until_ready(name, 1).await
}

/// What the host says about a resource, once it says something.
async fn said(stage: &Stage, name: &str) -> Result<Shown> {
    let what = format!("a word about {name}");
    stage.world.until(&what, async || Ok(!stage.condition(name, "Reconciled").await?.reason.is_empty())).await?;
    stage.condition(name, "Reconciled").await
}

/// Requests that write, of a while.
async fn writes_within(stage: &Stage, time: Duration) -> usize {
    let before = stage.writes.count();
    tokio::time::sleep(time).await;
    stage.writes.count() - before
}

//! Whose tokens are used, and that no secret is ever seen where it has no place.

use crate::stage::{NAME, NAMESPACE, Stage, VAULT, server_id};
use anyhow::{Result, ensure};
use azure::{Effect, Fault, Match};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE},
};
use kube::api::PostParams;
use serde_json::json;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use windlass::azure::Identity;

#[derive(Clone, Default)]
struct Text(Arc<Mutex<Vec<u8>>>);

impl io::Write for Text {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn forms(secret: &str) -> Vec<String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let percent: String = secret
        .bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect();
    let bytes = format!("{:?}", secret.as_bytes()).trim_matches(['[', ']']).to_owned();
    vec![secret.to_owned(), percent, bytes, STANDARD.encode(secret), URL_SAFE.encode(secret)]
}

fn absent(place: &str, text: &str, secret: &str) -> Result<()> {
    for form in forms(secret) {
        ensure!(!text.contains(form.trim_end_matches('=')), "a secret is in {place}");
    }
    Ok(())
}

// One thread: the log of every task of the host is heard.
#[tokio::test]
async fn no_secret_is_in_any_log_event_status_metric_or_message() -> Result<()> {
    let log = Text::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let mut stage = Stage::brisk().await?;
    stage.look_every = Duration::from_secs(1);
    let host = stage.host()?;
    stage.apply(json!({})).await?;
    stage.until_ready(NAME).await?;
    let password = stage.secret(NAME, "password").await?.unwrap_or_default();
    ensure!(password.len() > 20);

    // An Azure that says the password in its refusal.
    let echo = format!("the value '{password}' ({}) is bad", STANDARD.encode(&password));
    let refusal = azure::ApiError::new(400, "InvalidParameterValue", &echo);
    stage
        .cloud()
        .faults()
        .add(Fault::once(Match::of("PATCH", &format!("servers/{NAME}")), Effect::FailBefore(refusal)));
    stage.cloud().edit(&server_id(NAME), |body| {
        let tags = body["tags"].as_object_mut().unwrap();
        let sent = tags.keys().find(|key| key.starts_with("windlass-sent")).cloned().unwrap();
        tags.insert(sent, json!("fp1:other"));
    });
    stage.until_reason(NAME, "InvalidParameterValue").await?;
    stage.apply(json!({"credentials": {"generation": 1}})).await?;
    stage.until_ready(NAME).await?;
    let new = stage.secret(NAME, "password").await?.unwrap_or_default();
    ensure!(new != password);

    let log = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    ensure!(log.contains("InvalidParameterValue") && log.contains("windlass::audit"), "the log was not heard");
    for secret in [&password, &new, &"a-client-secret".to_owned()] {
        absent("the log", &log, secret)?;
        absent("the metrics", &host.metrics.encode(), secret)?;
        let leaks = stage.cloud().ledger().leaks(secret);
        ensure!(leaks.is_empty(), "a secret was sent where it has no place: {leaks:?}");
        for (name, object) in stage.world.server.store().dump() {
            if !name.starts_with("secrets/") {
                absent(&name, &object.to_string(), secret)?;
            }
        }
        let server = stage.cloud().resource(&server_id(NAME)).unwrap_or_default();
        absent("the server's tags", &server.to_string(), secret)?;
    }
    ensure!(stage.cloud().vault_value(VAULT, &format!("{NAME}-password")).as_ref() == Some(&new));
    host.stop().await?;
    stage.end().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_to_a_token_makes_a_server_and_a_token_file_is_read_again() -> Result<()> {
    let stage = Stage::brisk().await?;
    let managed = stage.host_as(Some(Identity::Managed { client: None }))?;
    stage.apply_with("by-machine", json!({}), json!({})).await?;
    stage.until_ready("by-machine").await?;
    managed.stop().await?;

    let folder = tempfile::tempdir()?;
    let file = folder.path().join("token");
    std::fs::write(&file, "an old token")?;
    let Identity::ClientSecret { tenant, client, .. } = stage.identity() else { unreachable!() };
    let workload = stage.host_as(Some(Identity::Workload { tenant, client, file: file.clone() }))?;
    stage.apply_with("by-account", json!({}), json!({})).await?;
    stage.until_reason("by-account", "CredentialRefused").await?;
    // The kubelet replaces the file.
    let token = stage.cloud().federated_token("system:serviceaccount:windlass:windlass", Duration::from_secs(3600));
    std::fs::write(&file, token)?;
    stage.until_ready("by-account").await?;
    workload.stop().await?;
    stage.end().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_that_a_resource_names_is_used_and_no_wider_one_steps_in_for_it() -> Result<()> {
    let stage = Stage::brisk().await?;
    let host = stage.host()?;
    let from = json!({"serviceoperator.azure.com/credential-from": "mine"});
    stage.apply_with(NAME, json!({}), from).await?;
    stage.until_reason(NAME, "CredentialMissing").await?;
    assert_eq!(stage.writes(), 0, "the host's own credential is not used");
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "mine", "namespace": NAMESPACE},
        "stringData": {
            "AZURE_TENANT_ID": "00000000-0000-4000-8000-00000000da7e",
            "AZURE_CLIENT_ID": "00000000-0000-4000-8000-0000000000c1",
            "AZURE_CLIENT_SECRET": "a-client-secret",
        },
    });
    stage.world.api("", "v1", "Secret").create(&PostParams::default(), &serde_json::from_value(secret)?).await?;
    stage.until_ready(NAME).await?;
    host.stop().await?;
    stage.end().await;
    Ok(())
}

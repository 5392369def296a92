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

/// What a secret may look like.
fn forms(secret: &str) -> Vec<String> {
    let percent = |digits: fn(u8) -> String| -> String {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
        secret.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { digits(byte) }).collect()
    };
    let bytes = format!("{:?}", secret.as_bytes()).trim_matches(['[', ']']).to_owned();
    let hexadecimal = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    vec![
        secret.to_owned(),
        percent(|byte| format!("%{byte:02X}")),
        percent(|byte| format!("%{byte:02x}")),
        bytes.replace(' ', ""),
        bytes,
        hexadecimal,
        STANDARD.encode(secret),
        URL_SAFE.encode(secret),
    ]
}

/// Base64 of texts in which a secret begins at each of the three places.
fn inside(secret: &str) -> Vec<String> {
    ["...", "....", "....."].iter().map(|before| STANDARD.encode(format!("{before}{secret} and more"))).collect()
}

/// An answer of Azure that says a secret in every form.
fn echo(secret: &str) -> String {
    format!("the value is bad: {} {}", forms(secret).join(" or "), inside(secret).join(" or "))
}

fn absent(place: &str, text: &str, secret: &str) -> Result<()> {
    // Of Base64 of longer texts the characters that come from the secret alone.
    let inner = inside(secret).into_iter().filter_map(|code| Some(code.get(8..code.len() - 16)?.to_owned()));
    for form in forms(secret).into_iter().chain(inner) {
        let at = text.find(form.trim_end_matches('='));
        ensure!(at.is_none(), "a secret is in {place}, as {} characters", form.len());
    }
    Ok(())
}

/// Somebody takes away what says which password the server was given last: it is sent again.
fn forget_the_password(stage: &Stage) {
    stage.cloud().edit(&server_id(NAME), |body| {
        let tags = body["tags"].as_object_mut().unwrap();
        let sent = tags.keys().find(|key| key.starts_with("windlass-sent")).cloned().unwrap();
        tags.insert(sent, json!("fp1:other"));
    });
}

#[tokio::test]
async fn no_error_chain_of_the_backend_has_a_secret() -> Result<()> {
    use windlass::azure::{Around, Order};
    let stage = Stage::brisk().await?;
    let (password, id) = ("Correct-Horse/9+\"Battery\"", server_id(NAME));
    let body = json!({"location": "eastus", "properties": {"administratorLogin": "ada", "version": "12.0",
        "administratorLoginPassword": password}});
    let prints = Default::default();
    let around =
        Around { wish: "w", before: Default::default(), secrets: &[password.as_bytes()], prints: &prints, now: 0 };
    let effects = [
        Effect::FailBefore(azure::ApiError::new(400, "BadRequest", &echo(password))),
        Effect::FailAfter(azure::ApiError::new(500, "InternalServerError", &echo(password))),
        Effect::CutBefore,
        Effect::CutAfter,
        Effect::FailBefore(azure::ApiError::new(403, "AuthorizationFailed", &echo(password))),
    ];
    for effect in effects {
        stage.cloud().faults().clear();
        stage.cloud().faults().add(Fault::always(Match::of("PUT", NAME), effect));
        let (azure, mut record) = (stage.backend(Some(stage.identity())), Default::default());
        let order = Order::Put { id: &id, api_version: "2021-11-01", body: &body, etag: None };
        let outcome = azure.write(&stage.identity(), &order, &around, &mut record).await;
        let mut said = format!("{outcome:?} {record:?} {azure_debug:?}", azure_debug = stage.identity());
        let mut at: Option<&dyn std::error::Error> = outcome.as_ref().err().map(|error| error as _);
        while let Some(error) = at {
            said += &format!(" {error} {error:?}");
            at = error.source();
        }
        absent("an outcome", &said, password)?;
        absent("an outcome", &said, "a-client-secret")?;
    }
    stage.end().await;
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

    // An Azure that says the password in its refusal, and one that says it when the operation fails.
    let patch = || Match::of("PATCH", &format!("servers/{NAME}"));
    let refusal = azure::ApiError::new(400, "InvalidParameterValue", &echo(&password));
    stage.cloud().faults().add(Fault::once(patch(), Effect::FailBefore(refusal)));
    forget_the_password(&stage);
    stage.until_reason(NAME, "InvalidParameterValue").await?;
    stage.cloud().faults().clear();
    let failure = azure::Outcome::Failed { code: "PasswordNotComplex".into(), message: echo(&password) };
    stage.cloud().faults().add(Fault::once(patch(), Effect::Operation(failure)));
    // Another wish is tried at once, and has the same password.
    stage.apply(json!({"tags": {"again": "1"}})).await?;
    stage.until_reason(NAME, "PasswordNotComplex").await?;
    stage.cloud().faults().clear();

    // A vault that says it, and an Entra that says the secret of the application.
    let put = || Match::of("PUT", &format!("secrets/{NAME}-password"));
    let busy = azure::ApiError::new(500, "InternalServerError", "try later");
    let holding = stage.cloud().faults().add(Fault::always(put(), Effect::FailBefore(busy)));
    stage.apply(json!({"credentials": {"generation": 1}})).await?;
    stage.until("a refusal of the vault", async || Ok(stage.cloud().faults().fired(holding) > 0)).await?;
    let new = stage.secret(NAME, "password").await?.unwrap_or_default();
    ensure!(new != password);
    let refusal = azure::ApiError::new(400, "BadParameter", &echo(&new));
    let telling = stage.cloud().faults().add(Fault::always(put(), Effect::FailBefore(refusal)));
    stage.cloud().faults().remove(holding);
    stage.until("a refusal that says it", async || Ok(stage.cloud().faults().fired(telling) > 0)).await?;
    let told = async || {
        let shown = fixtures::stage::condition(&stage.servers().get(NAME).await?, "Ready");
        Ok(shown.message.contains("BadParameter"))
    };
    stage.until("the refusal to be told", told).await?;
    stage.cloud().faults().clear();
    host.stop().await?;
    let refusal = azure::ApiError::new(401, "invalid_client", &echo("a-client-secret"));
    let login = Match { site: Some(azure::Site::Login), ..Match::default() };
    let refused = stage.cloud().faults().add(Fault::once(login, Effect::FailBefore(refusal)));
    let host = stage.host()?;
    stage.until("a refusal of the credential", async || Ok(stage.cloud().faults().fired(refused) > 0)).await?;
    stage.apply(json!({"credentials": {"generation": 2}})).await?;
    stage.until_ready(NAME).await?;
    let newest = stage.secret(NAME, "password").await?.unwrap_or_default();

    let log = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    ensure!(log.contains("InvalidParameterValue") && log.contains("windlass::audit"), "the log was not heard");
    for secret in [&password, &new, &newest, &"a-client-secret".to_owned()] {
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
    ensure!(stage.cloud().vault_value(VAULT, &format!("{NAME}-password")).as_ref() == Some(&newest));
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

//! Sources that lie, dawdle, and lead astray; and those that keep their word.

use crate::{COMPILER, grants};
use anyhow::{Context, Result};
use plugins_suite::identity::Identity;
use plugins_suite::scene::Scene;
use plugins_suite::servers::{Web, answer, redirect, truncated};
use plugins_suite::{greeting, sha256};
use serde_json::{Value, json};
use windlass::plugins::source::web::read_authorities;
use windlass::run::RunConfig;

/// A host that trusts these servers though they are on this machine.
fn trusting(authorities: &[&str]) -> impl FnOnce(&mut RunConfig) {
    let trusted = authorities.iter().map(|authority| (*authority).to_owned()).collect();
    move |config| {
        if let Some(resources) = &mut config.resources {
            resources.trusted = trusted;
        }
    }
}

fn http(authority: &str, path: &str, component: &[u8]) -> Value {
    json!({"http": {"url": format!("http://{authority}{path}"), "sha256": sha256(component)}})
}

/// A server is not believed: the plugin is stopped, by name, and what served before goes on.
async fn refused(
    respond: impl Fn(&str) -> Option<Vec<u8>> + Send + Sync + 'static,
    reason: &str,
    words: &[&str],
) -> Result<()> {
    let web = Web::start(respond).await?;
    let scene = Scene::start(COMPILER, trusting(&[&web.authority])).await?;
    let (good, wanted) = (greeting("Hello, ", 1)?, greeting("Salve, ", 2)?);
    let source = scene.put("a.wasm", &good)?;
    scene.apply("greeting", json!({"source": source, "grants": grants()})).await?;
    scene.until_serves("greeting", &good).await?;
    let source = http(&web.authority, "/a.wasm", &wanted);
    scene.apply("greeting", json!({"source": source, "grants": grants()})).await?;
    let message = scene.until_says("greeting", "Fetched", "False", reason).await?;
    for word in words {
        assert!(message.contains(word), "{word} in {message}");
    }
    scene.until_says("greeting", "Serving", "True", "PreviousVersion").await?;
    scene.greet("a").await?;
    scene.until_greeted("a", "Hello, ").await?;
    scene.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_is_fetched_over_http_and_through_a_redirect_to_where_one_may_go() -> Result<()> {
    let component = greeting("Hello, ", 1)?;
    let body = component.clone();
    let web = Web::start(move |path| {
        Some(if path == "/a.wasm" { redirect("/elsewhere.wasm") } else { answer("200 OK", "", &body) })
    })
    .await?;
    let scene = Scene::start(COMPILER, trusting(&[&web.authority])).await?;
    scene.apply("greeting", json!({"source": http(&web.authority, "/a.wasm", &component), "grants": grants()})).await?;
    scene.until_serves("greeting", &component).await?;
    scene.end().await
}

/// A host that trusts a server with TLS on this machine, and an authority where one is given.
async fn behind_tls(web: &Web, authority: Option<&Identity>) -> Result<Scene> {
    let trusted = format!("https://{}", web.authority);
    let authorities = match authority {
        Some(identity) => read_authorities(identity.authority.as_bytes()).map_err(anyhow::Error::msg)?,
        None => Default::default(),
    };
    Scene::start(COMPILER, |config| {
        if let Some(resources) = &mut config.resources {
            resources.trusted.insert(trusted);
            resources.authorities = authorities;
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_is_fetched_over_https_from_a_server_that_a_known_authority_vouches_for() -> Result<()> {
    let (identity, component) = (Identity::new()?, greeting("Hello, ", 1)?);
    let body = component.clone();
    let web = Web::with(Some(&identity), move |_| Some(answer("200 OK", "", &body))).await?;
    let mut source = http(&web.authority, "/a.wasm", &component);
    source["http"]["url"] = format!("https://{}/a.wasm", web.authority).into();
    let spec = json!({"source": source, "grants": grants()});
    let other = Identity::new()?;
    for stranger in [None, Some(&other)] {
        let scene = behind_tls(&web, stranger).await?;
        scene.apply("greeting", spec.clone()).await?;
        let message = scene.until_says("greeting", "Fetched", "False", "SourceUnreachable").await?;
        assert!(message.contains("certificate") && message.contains("--plugin-source-ca"), "{message}");
        scene.end().await?;
    }
    let scene = behind_tls(&web, Some(&identity)).await?;
    scene.apply("greeting", spec).await?;
    scene.until_serves("greeting", &component).await?;
    scene.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_that_gives_tls_up_is_not_followed() -> Result<()> {
    let identity = Identity::new()?;
    let plain = Web::start(|_| panic!("the redirect was followed")).await?;
    let to = format!("http://{}/a.wasm", plain.authority);
    let web = Web::with(Some(&identity), move |_| Some(redirect(&to))).await?;
    let scene = behind_tls(&web, Some(&identity)).await?;
    let mut source = http(&web.authority, "/a.wasm", b"x");
    source["http"]["url"] = format!("https://{}/a.wasm", web.authority).into();
    scene.apply("greeting", json!({"source": source, "grants": grants()})).await?;
    let message = scene.until_says("greeting", "Fetched", "False", "SourceDishonest").await?;
    assert!(message.contains("it redirects from TLS to"), "{message}");
    scene.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_lies_about_a_digest_is_not_believed() -> Result<()> {
    let other = greeting("Terve, ", 3)?;
    let found = sha256(&other);
    refused(move |_| Some(answer("200 OK", "", &other)), "SourceDishonest", &[&found, "sha256"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_server_is_left_after_the_deadline() -> Result<()> {
    refused(|_| None, "SourceTooSlow", &["within 3 s"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_cuts_its_answer_short_is_not_believed() -> Result<()> {
    let component = greeting("Salve, ", 2)?;
    refused(move |_| Some(truncated(&component)), "SourceDishonest", &["broke off"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_to_loopback_is_not_followed() -> Result<()> {
    let secret = Web::start(|_| panic!("the redirect was followed")).await?;
    let to = format!("http://{}/a.wasm", secret.authority);
    refused(move |_| Some(redirect(&to)), "AddressRefused", &["127.0.0.1", "this machine or link-local"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_to_a_name_of_loopback_is_not_followed() -> Result<()> {
    let secret = Web::start(|_| panic!("the redirect was followed")).await?;
    let to = secret.authority.replace("127.0.0.1", "localhost");
    refused(move |_| Some(redirect(&format!("http://{to}/a"))), "AddressRefused", &["this machine or link-local"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_to_a_metadata_service_is_not_followed() -> Result<()> {
    refused(|_| Some(redirect("http://169.254.169.254/latest/meta-data/")), "AddressRefused", &["169.254.169.254"])
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_redirects_in_circles_is_left() -> Result<()> {
    refused(|_| Some(redirect("/a.wasm")), "SourceDishonest", &["redirects more than 5 times"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_gives_more_than_the_limit_is_left() -> Result<()> {
    refused(|_| Some(answer("200 OK", "", &vec![0; 9 << 20])), "ComponentTooLarge", &["8388608 bytes"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_of_this_machine_is_refused_unless_it_is_trusted() -> Result<()> {
    let web = Web::start(|_| panic!("the address was reached")).await?;
    let scene = Scene::start(COMPILER, |_| {}).await?;
    scene.apply("greeting", json!({"source": http(&web.authority, "/a.wasm", b"x"), "grants": grants()})).await?;
    scene.until_says("greeting", "Fetched", "False", "AddressRefused").await?;
    scene.until_says("greeting", "Serving", "False", "AddressRefused").await?;
    scene.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_is_not_the_one_of_spec_verify_is_not_used() -> Result<()> {
    let scene = Scene::start(COMPILER, |_| {}).await?;
    let (good, other) = (greeting("Hello, ", 1)?, greeting("Salve, ", 2)?);
    let verify = json!({"digest": format!("sha256:{}", sha256(&good))});
    let source = scene.put("a.wasm", &good)?;
    scene.apply("greeting", json!({"source": source, "grants": grants(), "verify": verify})).await?;
    scene.until_serves("greeting", &good).await?;
    scene.until_says("greeting", "Verified", "True", "DigestMatches").await?;
    // The file changes under its name.
    scene.put("a.wasm", &other)?;
    let message = scene.until_says("greeting", "Verified", "False", "DigestMismatch").await?;
    assert!(message.contains(&sha256(&other)), "{message}");
    scene.until_says("greeting", "Serving", "True", "PreviousVersion").await?;
    // Whoever asks for nothing gets whatever is there, and is told so.
    scene.apply("greeting", json!({"source": source, "grants": grants()})).await?;
    scene.until_says("greeting", "Verified", "True", "NotAsked").await?;
    scene.until_serves("greeting", &other).await?;
    scene.end().await
}

async fn config_map(scene: &Scene, component: &[u8]) -> Result<()> {
    let file = scene.folder().join("component.wasm");
    std::fs::write(&file, component)?;
    let from = format!("--from-file=plugin.wasm={}", file.display());
    let _ = scene.kubectl.run(&["delete", "configmap", "plugin", "--ignore-not-found"]).await?;
    scene.kubectl.run(&["create", "configmap", "plugin", &from]).await.map(drop)
}

const MAP: fn() -> Value = || json!({"configMap": {"namespace": "default", "name": "plugin", "key": "plugin.wasm"}});

#[tokio::test(flavor = "multi_thread")]
async fn a_component_in_a_config_map_is_served_and_followed() -> Result<()> {
    let scene = Scene::start(COMPILER, |_| {}).await?;
    scene.apply("greeting", json!({"source": MAP(), "grants": grants()})).await?;
    let message = scene.until_says("greeting", "Fetched", "False", "SourceMissing").await?;
    assert!(message.contains("kubectl create configmap"), "{message}");
    for component in [greeting("Hello, ", 1)?, greeting("Salve, ", 2)?] {
        config_map(&scene, &component).await?;
        scene.until_serves("greeting", &component).await?;
    }
    scene.kubectl.run(&["delete", "configmap", "plugin"]).await?;
    // What was fetched once goes on serving.
    scene.until_says("greeting", "Serving", "True", "PreviousVersion").await?;
    scene.greet("a").await?;
    scene.until_greeted("a", "Salve, ").await?;
    scene.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_config_map_at_the_limit_of_its_size_is_served() -> Result<()> {
    let scene = Scene::start(COMPILER, |_| {}).await?;
    // A custom section fills the component up to what a ConfigMap takes: 1 MiB, key included.
    let component = greeting("Hello, ", 1)?;
    let room = (1 << 20) - component.len() - "plugin.wasm".len();
    // A section is its id, the length of the rest in LEB128 of four bytes, and a name.
    let rest = room - 5;
    let length: Vec<u8> =
        (0..4).map(|at| u8::try_from((rest >> (7 * at)) & 0x7f).unwrap() | if at < 3 { 0x80 } else { 0 }).collect();
    let padding = [&[0][..], &length, &[1, b'p'], &vec![0; rest - 2]].concat();
    let full = [component.as_slice(), &padding].concat();
    assert_eq!(full.len() + "plugin.wasm".len(), 1 << 20);
    config_map(&scene, &full).await.context("the API server does not take it")?;
    scene.apply("greeting", json!({"source": MAP(), "grants": grants()})).await?;
    scene.until_serves("greeting", &full).await?;
    scene.end().await
}

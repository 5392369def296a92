//! Artifacts of OCI registries: sound ones, tags that move, registries that lie, and signatures.

use crate::{COMPILER, grants};
use anyhow::Result;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use plugins_suite::scene::Scene;
use plugins_suite::servers::{Web, answer, redirect, truncated};
use plugins_suite::{greeting, sha256};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use windlass::plugins::verify::{key::PublicKey, payload};

/// What the registry answers to a path.
type Paths = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

const NAME: &str = "/v2/team/greeting";

/// A registry of one repository, and a host that trusts it.
async fn registry() -> Result<(Web, Paths, Scene)> {
    let paths = Paths::default();
    let served = paths.clone();
    let web = Web::start(move |path| {
        let found = served.lock().unwrap().get(path).cloned();
        Some(found.map_or_else(|| answer("404 Not Found", "", b"{}"), |body| answer("200 OK", "", &body)))
    })
    .await?;
    let authority = web.authority.clone();
    let scene = Scene::start(COMPILER, |config| {
        if let Some(resources) = &mut config.resources {
            resources.trusted.insert(authority);
        }
    })
    .await?;
    Ok((web, paths, scene))
}

fn put(paths: &Paths, path: &str, body: &[u8]) {
    paths.lock().unwrap().insert(format!("{NAME}{path}"), body.to_vec());
}

fn manifest(media_type: &str, layer: &[u8], annotations: Value) -> Vec<u8> {
    let blob = |media_type: &str, bytes: &[u8], annotations: Value| json!({"mediaType": media_type, "digest": format!("sha256:{}", sha256(bytes)), "size": bytes.len(), "annotations": annotations});
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": blob("application/vnd.wasm.config.v0+json", b"{}", json!({})),
        "layers": [blob(media_type, layer, annotations)],
    });
    manifest.to_string().into_bytes()
}

/// Puts a component under a tag; the digest of its manifest comes out.
fn push(paths: &Paths, tag: &str, component: &[u8]) -> String {
    let manifest = manifest("application/wasm", component, json!({}));
    let digest = format!("sha256:{}", sha256(&manifest));
    put(paths, &format!("/manifests/{tag}"), &manifest);
    put(paths, &format!("/manifests/{digest}"), &manifest);
    put(paths, &format!("/blobs/sha256:{}", sha256(component)), component);
    digest
}

fn source(web: &Web, selector: &str) -> Value {
    json!({"oci": {"reference": format!("{}/team/greeting{selector}", web.authority)}})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_moves_is_followed_and_a_digest_stays() -> Result<()> {
    let (web, paths, scene) = registry().await?;
    let (first, second) = (greeting("Hello, ", 1)?, greeting("Salve, ", 2)?);
    let digest = push(&paths, "1", &first);
    scene.apply("greeting", json!({"source": source(&web, ":1"), "grants": grants()})).await?;
    scene.until_serves("greeting", &first).await?;
    push(&paths, "1", &second);
    scene.until_serves("greeting", &second).await?;
    scene.apply("greeting", json!({"source": source(&web, &format!("@{digest}")), "grants": grants()})).await?;
    scene.until_serves("greeting", &first).await?;
    // A tag that is pinned in spec.verify and moves is not followed.
    let verify = json!({"digest": format!("sha256:{}", sha256(&second))});
    scene.apply("greeting", json!({"source": source(&web, ":1"), "grants": grants(), "verify": verify})).await?;
    scene.until_serves("greeting", &second).await?;
    push(&paths, "1", &first);
    scene.until_says("greeting", "Verified", "False", "DigestMismatch").await?;
    scene.until_says("greeting", "Serving", "True", "PreviousVersion").await?;
    scene.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_lies_about_a_digest_is_not_believed() -> Result<()> {
    let (web, paths, scene) = registry().await?;
    let (good, other) = (greeting("Hello, ", 1)?, greeting("Salve, ", 2)?);
    let digest = push(&paths, "1", &good);
    put(&paths, &format!("/blobs/sha256:{}", sha256(&good)), &other);
    scene.apply("greeting", json!({"source": source(&web, ":1"), "grants": grants()})).await?;
    let message = scene.until_says("greeting", "Fetched", "False", "SourceDishonest").await?;
    assert!(message.contains(&sha256(&other)), "{message}");
    put(&paths, &format!("/manifests/{digest}"), &manifest("application/wasm", &other, json!({})));
    scene.apply("greeting", json!({"source": source(&web, &format!("@{digest}")), "grants": grants()})).await?;
    scene
        .until("the manifest to be refused", async || {
            let status = scene.status("greeting").await?;
            Ok(status["conditions"][0]["message"]
                .as_str()
                .is_some_and(|message| message.contains("a manifest of digest")))
        })
        .await?;
    scene.end().await
}

fn key_pair() -> EcdsaKeyPair {
    let random = SystemRandom::new();
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document.as_ref(), &random).unwrap()
}

/// Registries that have the API for referrers; that of the tests has none, and keeps a tag in its place.
#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_is_found_among_what_a_registry_lists_as_referrers() -> Result<()> {
    const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
    let (web, paths, scene) = registry().await?;
    let (random, pair) = (SystemRandom::new(), key_pair());
    let component = greeting("Hello, ", 1)?;
    let digest = push(&paths, "1", &component);
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"digest": {"sha256": digest.trim_start_matches("sha256:")}}],
        "predicateType": "https://sigstore.dev/cosign/sign/v1",
        "predicate": {},
    })
    .to_string();
    let payload_type = "application/vnd.in-toto+json";
    let signed = format!("DSSEv1 {} {payload_type} {} {statement}", payload_type.len(), statement.len());
    let signature = STANDARD.encode(pair.sign(&random, signed.as_bytes()).unwrap().as_ref());
    let bundle = json!({
        "mediaType": BUNDLE,
        "dsseEnvelope": {
            "payload": STANDARD.encode(&statement), "payloadType": payload_type, "signatures": [{"sig": signature}],
        },
    })
    .to_string();
    let holder = manifest(BUNDLE, bundle.as_bytes(), json!({}));
    let listed = |digest: String, artifact_type: &str| {
        let media_type = "application/vnd.oci.image.manifest.v1+json";
        json!({"mediaType": media_type, "digest": digest, "size": 1, "artifactType": artifact_type})
    };
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        // The first is none that could be one, the second was removed.
        "manifests": [
            listed(format!("sha256:{}", "0".repeat(64)), "application/spdx+json"),
            listed(format!("sha256:{}", "1".repeat(64)), BUNDLE),
            listed(format!("sha256:{}", sha256(&holder)), BUNDLE),
        ],
    });
    put(&paths, &format!("/blobs/sha256:{}", sha256(bundle.as_bytes())), bundle.as_bytes());
    put(&paths, &format!("/manifests/sha256:{}", sha256(&holder)), &holder);
    put(&paths, &format!("/referrers/{digest}"), index.to_string().as_bytes());
    let verify = json!({"cosignKeys": [PublicKey::pem_of_p256(pair.public_key().as_ref())]});
    scene.apply("greeting", json!({"source": source(&web, ":1"), "grants": grants(), "verify": verify})).await?;
    scene.until_serves("greeting", &component).await?;
    scene.until_says("greeting", "Verified", "True", "Signed").await?;
    scene.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_fails_at_signatures_stops_those_who_ask_for_one_alone() -> Result<()> {
    let component = greeting("Hello, ", 1)?;
    let (sound, body) = (manifest("application/wasm", &component, json!({})), component.clone());
    let web = Web::start(move |path| {
        Some(match path {
            path if path.contains("/blobs/") => answer("200 OK", "", &body),
            path if path == format!("{NAME}/manifests/1") => answer("200 OK", "", &sound),
            _ => answer("500 Internal Server Error", "", b"{}"),
        })
    })
    .await?;
    let authority = web.authority.clone();
    let scene = Scene::start(COMPILER, |config| {
        if let Some(resources) = &mut config.resources {
            resources.trusted.insert(authority);
        }
    })
    .await?;
    let verify = json!({"cosignKeys": [PublicKey::pem_of_p256(key_pair().public_key().as_ref())]});
    let spec = json!({"source": source(&web, ":1"), "grants": grants(), "verify": verify});
    scene.apply("greeting", spec).await?;
    let message = scene.until_says("greeting", "Verified", "False", "SignaturesUnread").await?;
    assert!(message.contains("the server answers 500"), "{message}");
    scene.apply("greeting", json!({"source": source(&web, ":1"), "grants": grants()})).await?;
    scene.until_serves("greeting", &component).await?;
    scene.end().await
}

/// A registry whose manifests are sound and whose blobs are answered so is left, by name; what served before goes on.
async fn refused(
    blob: impl Fn(&[u8]) -> Option<Vec<u8>> + Send + Sync + 'static,
    reason: &str,
    words: &[&str],
) -> Result<()> {
    let (good, wanted) = (greeting("Hello, ", 1)?, greeting("Salve, ", 2)?);
    let sound = manifest("application/wasm", &wanted, json!({}));
    let web = Web::start(move |path| {
        if path.contains("/blobs/") {
            return blob(&wanted);
        }
        let found = path == format!("{NAME}/manifests/1");
        Some(if found { answer("200 OK", "", &sound) } else { answer("404 Not Found", "", b"{}") })
    })
    .await?;
    let authority = web.authority.clone();
    let scene = Scene::start(COMPILER, |config| {
        if let Some(resources) = &mut config.resources {
            resources.trusted.insert(authority);
        }
    })
    .await?;
    let file = scene.put("a.wasm", &good)?;
    scene.apply("greeting", json!({"source": file, "grants": grants()})).await?;
    scene.until_serves("greeting", &good).await?;
    scene.apply("greeting", json!({"source": source(&web, ":1"), "grants": grants()})).await?;
    let message = scene.until_says("greeting", "Fetched", "False", reason).await?;
    for word in words {
        assert!(message.contains(word), "{word} in {message}");
    }
    scene.until_says("greeting", "Serving", "True", "PreviousVersion").await?;
    scene.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_registry_is_left_after_the_deadline() -> Result<()> {
    refused(|_| None, "SourceTooSlow", &["within 3 s"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_cuts_a_blob_short_is_not_believed() -> Result<()> {
    refused(|blob| Some(truncated(blob)), "SourceDishonest", &["broke off"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_redirects_to_this_machine_is_not_followed() -> Result<()> {
    let secret = Web::start(|_| panic!("the redirect was followed")).await?;
    let to = format!("http://{}/blob", secret.authority);
    refused(move |_| Some(redirect(&to)), "AddressRefused", &["127.0.0.1", "this machine or link-local"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_redirects_to_a_metadata_service_is_not_followed() -> Result<()> {
    let to = "http://169.254.169.254/latest/meta-data/";
    refused(move |_| Some(redirect(to)), "AddressRefused", &["169.254.169.254"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_one_of_the_keys_signed_is_served() -> Result<()> {
    let (web, paths, scene) = registry().await?;
    let (random, pair) = (SystemRandom::new(), key_pair());
    let component = greeting("Hello, ", 1)?;
    let digest = push(&paths, "1", &component);
    let verify = json!({"cosignKeys": [PublicKey::pem_of_p256(pair.public_key().as_ref())]});
    scene.apply("greeting", json!({"source": source(&web, ":1"), "grants": grants(), "verify": verify})).await?;
    let message = scene.until_says("greeting", "Verified", "False", "Unsigned").await?;
    assert!(message.contains(&digest), "{message}");
    // Somebody signs it, as cosign does.
    let payload = payload("team/greeting", &digest);
    let signature = STANDARD.encode(pair.sign(&random, &payload).unwrap().as_ref());
    let annotations = json!({"dev.cosignproject.cosign/signature": signature});
    let signed = manifest("application/vnd.dev.cosign.simplesigning.v1+json", &payload, annotations);
    put(&paths, &format!("/blobs/sha256:{}", sha256(&payload)), &payload);
    put(&paths, &format!("/manifests/{}.sig", digest.replace(':', "-")), &signed);
    scene.until_serves("greeting", &component).await?;
    scene.until_says("greeting", "Verified", "True", "Signed").await?;
    scene.end().await
}

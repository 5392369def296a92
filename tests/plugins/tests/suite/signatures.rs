//! What cosign signed, the real one, offline and with a key: verified by the command and by the host. Not what anybody else
//! signed, nor what was put in its place.

use crate::{COMPILER, grants};
use anyhow::Result;
use plugins_suite::command::Windlass;
use plugins_suite::greeting;
use plugins_suite::registry::Registry;
use plugins_suite::scene::Scene;
use plugins_suite::signer::{Format, Signer};
use serde_json::json;

async fn signed_in(format: Format) -> Result<()> {
    let (registry, folder) = (Registry::start().await?, tempfile::tempdir()?);
    let signer = Signer::new(folder.path().join("signer")).await?;
    let stranger = Signer::new(folder.path().join("stranger")).await?;
    let windlass = Windlass { program: COMPILER, home: folder.path() };
    let (first, second) = (greeting("Hello, ", 1)?, greeting("Salve, ", 2)?);
    std::fs::write(folder.path().join("first.wasm"), &first)?;
    std::fs::write(folder.path().join("second.wasm"), &second)?;
    let tag = registry.reference("team/greeting:1");
    let (own, other) = (signer.key().display().to_string(), stranger.key().display().to_string());
    let pushed = windlass.ok(&["push", "first.wasm", &tag]).await?.trim().to_owned();
    let error = windlass.refused(&["verify", &tag, "--key", &own]).await?;
    assert!(error.contains("has no signature; sign it with `cosign sign`"), "{error}");

    signer.sign(&pushed, format).await?;
    let seen = windlass.json(&["verify", &tag, "--key", &other, "--key", &own]).await?;
    assert_eq!((&seen["verified"], &seen["subject"], &seen["key"]), (&json!(true), &json!(pushed), &json!(own)));
    let ran = windlass.run(&["verify", &tag, "--key", &other, "--output", "json"]).await?;
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.contains("it is by another key") && ran.out.contains("\"verified\": false"), "{ran:?}");
    let word = if format == Format::Bundle { "sigstore-bundle" } else { "cosign-simple" };
    assert_eq!(windlass.json(&["inspect", &tag]).await?["artifact"]["signatures"], json!([word]));

    // The host takes what is signed, and goes on with it when something else takes its place.
    let authority = registry.authority.clone();
    let scene = Scene::start(COMPILER, |config| {
        if let Some(resources) = &mut config.resources {
            resources.trusted.insert(authority);
        }
    })
    .await?;
    let spec = |keys: &[&Signer]| -> Result<_> {
        let keys = keys.iter().map(|signer| signer.pem()).collect::<Result<Vec<_>>>()?;
        let source = json!({"oci": {"reference": tag}});
        Ok(json!({"source": source, "grants": grants(), "verify": {"cosignKeys": keys}}))
    };
    scene.apply("greeting", spec(&[&stranger])?).await?;
    scene.until_says("greeting", "Verified", "False", "SignatureMismatch").await?;
    scene.apply("greeting", spec(&[&signer])?).await?;
    scene.until_serves("greeting", &first).await?;
    scene.until_says("greeting", "Verified", "True", "Signed").await?;
    let replaced = windlass.ok(&["push", "second.wasm", &tag]).await?.trim().to_owned();
    scene.until_says("greeting", "Verified", "False", "Unsigned").await?;
    scene.until_says("greeting", "Serving", "True", "PreviousVersion").await?;
    // A second signature, by somebody else, changes nothing; the right one does.
    stranger.sign(&replaced, format).await?;
    scene.until_says("greeting", "Verified", "False", "SignatureMismatch").await?;
    signer.sign(&replaced, format).await?;
    scene.until_serves("greeting", &second).await?;
    scene.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cosign_signed_with_a_bundle_is_verified_and_nothing_else() -> Result<()> {
    signed_in(Format::Bundle).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cosign_signed_in_its_former_format_is_verified_and_nothing_else() -> Result<()> {
    signed_in(Format::Simple).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_of_one_artifact_put_beside_another_is_about_another() -> Result<()> {
    let (registry, folder) = (Registry::start().await?, tempfile::tempdir()?);
    let signer = Signer::new(folder.path().join("signer")).await?;
    let windlass = Windlass { program: COMPILER, home: folder.path() };
    std::fs::write(folder.path().join("first.wasm"), greeting("Hello, ", 1)?)?;
    std::fs::write(folder.path().join("second.wasm"), greeting("Salve, ", 2)?)?;
    let tag = registry.reference("team/greeting:1");
    let digest = |pushed: &str| pushed.trim().rsplit_once("@sha256:").unwrap().1.to_owned();
    let first = windlass.ok(&["push", "first.wasm", &tag]).await?;
    signer.sign(first.trim(), Format::Simple).await?;
    let second = windlass.ok(&["push", "second.wasm", &tag]).await?;
    let signature = registry.document(&format!("/v2/team/greeting/manifests/sha256-{}.sig", digest(&first))).await?;
    registry.put_manifest("team/greeting", &format!("sha256-{}.sig", digest(&second)), &signature).await?;
    let key = signer.key().display().to_string();
    let error = windlass.refused(&["verify", &tag, "--key", &key]).await?;
    assert!(error.contains("it is about another manifest"), "{error}");
    windlass.ok(&["verify", first.trim(), "--key", &key]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_verified_by_what_cosign_wrote_about_it() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let signer = Signer::new(folder.path().join("signer")).await?;
    let windlass = Windlass { program: COMPILER, home: folder.path() };
    let file = folder.path().join("a.wasm");
    std::fs::write(&file, greeting("Hello, ", 1)?)?;
    let (key, bundle) = (signer.key().display().to_string(), signer.sign_file(&file).await?.display().to_string());
    let seen = windlass.json(&["verify", "a.wasm", "--key", &key, "--bundle", &bundle]).await?;
    let digest = seen["digest"].as_str().unwrap();
    windlass.ok(&["verify", "a.wasm", "--digest", digest]).await?;
    std::fs::write(&file, greeting("Salve, ", 2)?)?;
    let error = windlass.refused(&["verify", "a.wasm", "--key", &key, "--bundle", &bundle]).await?;
    assert!(error.contains("of another file"), "{error}");
    let error = windlass.refused(&["verify", "a.wasm", "--digest", digest]).await?;
    assert!(error.contains("is wanted"), "{error}");
    let error = windlass.refused(&["verify", "a.wasm", "--key", &key]).await?;
    assert!(error.contains("--bundle"), "{error}");
    Ok(())
}

//! Push, pull and inspect, and `Plugin` resources out of a real registry: open, with passwords, with TLS of the house.

use crate::{COMPILER, grants};
use anyhow::Result;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use kube::api::{Patch, PatchParams};
use plugins_suite::command::Windlass;
use plugins_suite::identity::Identity;
use plugins_suite::registry::{PASSWORD, Registry, USER};
use plugins_suite::scene::Scene;
use plugins_suite::{greeting, sha256};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// A folder with the command, and a component in it.
struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    fn new() -> Result<Desk> {
        Ok(Desk { folder: tempfile::tempdir()? })
    }

    fn windlass(&self) -> Windlass<'_> {
        Windlass { program: COMPILER, home: self.folder.path() }
    }

    fn file(&self, name: &str, content: &[u8]) -> Result<PathBuf> {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content)?;
        Ok(path)
    }
}

fn source(reference: &str) -> Value {
    json!({"oci": {"reference": reference}})
}

/// A host that trusts a registry on loopback, given as in `--trust-plugin-source`.
async fn scene_with(trusted: &str, authority: Option<&Identity>) -> Result<Scene> {
    let authorities = match authority {
        Some(identity) => windlass::plugins::source::web::read_authorities(identity.authority.as_bytes())
            .map_err(anyhow::Error::msg)?,
        None => Default::default(),
    };
    let trusted = trusted.to_owned();
    Scene::start(COMPILER, |config| {
        if let Some(resources) = &mut config.resources {
            resources.trusted.insert(trusted);
            resources.authorities = authorities;
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_is_pushed_inspected_pulled_and_served_by_digest_and_by_a_tag_that_moves() -> Result<()> {
    let (registry, desk) = (Registry::start().await?, Desk::new()?);
    let windlass = desk.windlass();
    let (first, second) = (greeting("Hello, ", 1)?, greeting("Salve, ", 2)?);
    desk.file("first.wasm", &first)?;
    desk.file("second.wasm", &second)?;
    let tag = registry.reference("team/greeting:1");
    let source_url = ["--source", "https://example.com/greeting"];
    let pushed = windlass.json(&[&["push", "first.wasm", &tag][..], &source_url].concat()).await?;
    let by_digest = pushed["reference"].as_str().unwrap().to_owned();
    assert_eq!(by_digest, format!("{tag}@{}", pushed["manifest"].as_str().unwrap()));
    assert_eq!(pushed["digest"], format!("sha256:{}", sha256(&first)));

    let seen = windlass.json(&["inspect", &tag]).await?;
    assert_eq!(seen["plugin"]["name"], "greeting");
    assert_eq!(seen["plugin"]["version"], "0.1.0");
    assert_eq!(seen["contract"], "windlass:plugin@1.0.0");
    assert_eq!(seen["plugin"]["permissions"], json!(["write /ConfigMap"]));
    let kind = &seen["plugin"]["kinds"][0];
    assert_eq!((&kind["kind"], &kind["scope"]), (&json!("Greeting"), &json!("Namespaced")));
    assert_eq!(seen["artifact"]["reference"], by_digest);
    assert_eq!(seen["artifact"]["signatures"], json!([]));
    let annotations = &seen["artifact"]["annotations"];
    assert_eq!(annotations["org.opencontainers.image.version"], "0.1.0");
    assert_eq!(annotations["org.opencontainers.image.source"], "https://example.com/greeting");
    assert_eq!(annotations["dev.windlass.kinds"], "examples.windlass.dev/v1/Greeting");
    let shown = windlass.ok(&["inspect", &tag]).await?;
    assert!(shown.contains("Greeting.examples.windlass.dev  v1 (stored), Namespaced"), "{shown}");

    let pulled = windlass.json(&["pull", &tag]).await?;
    assert_eq!(pulled["file"], "greeting.wasm");
    assert_eq!(std::fs::read(desk.folder.path().join("greeting.wasm"))?, first);

    let scene = scene_with(&registry.authority, None).await?;
    scene.apply("greeting", json!({"source": source(&by_digest), "grants": grants()})).await?;
    scene.until_serves("greeting", &first).await?;
    scene.apply("greeting", json!({"source": source(&tag), "grants": grants()})).await?;
    // The tag moves, and is followed; the digest stays what it was.
    windlass.ok(&["push", "second.wasm", &tag]).await?;
    scene.until_serves("greeting", &second).await?;
    scene.greet("a").await?;
    scene.until_greeted("a", "Salve, ").await?;
    scene.apply("greeting", json!({"source": source(&by_digest), "grants": grants()})).await?;
    scene.until_serves("greeting", &first).await?;
    // A file that is there with another content is not lost.
    let error = windlass.refused(&["pull", &tag]).await?;
    assert!(error.contains("greeting.wasm is there with another content; --force"), "{error}");
    assert_eq!(std::fs::read(desk.folder.path().join("greeting.wasm"))?, first);
    windlass.ok(&["pull", &tag, "--force"]).await?;
    assert_eq!(std::fs::read(desk.folder.path().join("greeting.wasm"))?, second);
    scene.end().await
}

/// The layout of `oci-wasm`, which `wkg` is built on: each field of what is stored.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_pushed_is_stored_in_the_layout_that_other_tools_pull() -> Result<()> {
    let (registry, desk) = (Registry::start().await?, Desk::new()?);
    let component = greeting("Hello, ", 1)?;
    desk.file("a.wasm", &component)?;
    let (reference, created) = (registry.reference("team/greeting:1"), "2026-01-31T12:00:00Z");
    let push = ["push", "a.wasm", reference.as_str(), "--created", created, "--annotation", "team=blue"];
    let first = desk.windlass().ok(&push).await?;
    let manifest = registry.document("/v2/team/greeting/manifests/1").await?;
    let config = manifest["config"]["digest"].as_str().unwrap().to_owned();
    let expected = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {
            "mediaType": "application/vnd.wasm.config.v0+json", "digest": config, "size": manifest["config"]["size"],
        },
        "layers": [{
            "mediaType": "application/wasm",
            "digest": format!("sha256:{}", sha256(&component)),
            "size": component.len(),
            "annotations": {"org.opencontainers.image.title": "greeting.wasm"},
        }],
        "annotations": {
            "dev.windlass.contract": "windlass:plugin@1.0.0",
            "dev.windlass.kinds": "examples.windlass.dev/v1/Greeting",
            "org.opencontainers.image.created": created,
            "org.opencontainers.image.title": "greeting",
            "org.opencontainers.image.version": "0.1.0",
            "team": "blue",
        },
    });
    assert_eq!(manifest, expected);
    let config = registry.document(&format!("/v2/team/greeting/blobs/{config}")).await?;
    assert_eq!(
        config,
        json!({
            "created": created,
            "architecture": "wasm",
            "os": "wasip2",
            "layerDigests": [format!("sha256:{}", sha256(&component))],
            "component": {
                "imports": config["component"]["imports"],
                "exports": ["windlass:plugin/reconciler@1.0.0"],
                "target": "windlass:plugin/plugin@1.0.0",
            },
        })
    );
    let imports = config["component"]["imports"].as_array().unwrap();
    assert!(imports.contains(&json!("windlass:plugin/log@1.0.0")), "{imports:?}");
    // The same again is the same.
    assert_eq!(desk.windlass().ok(&push).await?, first);
    Ok(())
}

/// As `wkg oci push` stores it: null where it has nothing to say.
#[tokio::test(flavor = "multi_thread")]
async fn what_another_tool_pushed_is_pulled_inspected_and_served() -> Result<()> {
    let (registry, desk) = (Registry::start().await?, Desk::new()?);
    let component = greeting("Hello, ", 1)?;
    let config = json!({
        "created": "2026-08-19T15:50:20.123456789Z", "author": null, "architecture": "wasm", "os": "wasip2",
        "layerDigests": [format!("sha256:{}", sha256(&component))],
        "component": {"exports": ["windlass:plugin/reconciler@1.0.0"], "imports": [], "target": null},
    })
    .to_string();
    let layer = registry.put_blob("team/other", &component).await?;
    let blob = registry.put_blob("team/other", config.as_bytes()).await?;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.wasm.config.v0+json", "digest": blob, "size": config.len()},
        "layers": [{
            "mediaType": "application/wasm", "digest": layer, "size": component.len(),
            "annotations": {"org.opencontainers.image.title": "other.wasm"},
        }],
        "annotations": null,
    });
    registry.put_manifest("team/other", "1", &manifest).await?;
    let reference = registry.reference("team/other:1");
    desk.windlass().ok(&["pull", &reference, "there.wasm"]).await?;
    assert_eq!(std::fs::read(desk.folder.path().join("there.wasm"))?, component);
    let seen = desk.windlass().json(&["inspect", &reference]).await?;
    assert_eq!(seen["artifact"]["annotations"], json!({}));
    let scene = scene_with(&registry.authority, None).await?;
    scene.apply("greeting", json!({"source": source(&reference), "grants": grants()})).await?;
    scene.until_serves("greeting", &component).await?;
    scene.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_with_passwords_is_entered_with_the_right_one_alone() -> Result<()> {
    let (registry, desk) = (Registry::with(None, true).await?, Desk::new()?);
    let windlass = desk.windlass();
    let component = greeting("Hello, ", 1)?;
    desk.file("a.wasm", &component)?;
    desk.file("password", format!("{PASSWORD}\n").as_bytes())?;
    desk.file("wrong", b"hunter2")?;
    let reference = registry.reference("team/greeting:1");
    let error = windlass.refused(&["push", "a.wasm", &reference]).await?;
    assert!(error.contains("the server answers 401; check the login"), "{error}");
    let login = |file: &'static str| ["--username", USER, "--password-file", file];
    let error = windlass.refused(&[&["push", "a.wasm", &reference][..], &login("wrong")].concat()).await?;
    assert!(error.contains("401") && !error.contains("hunter2"), "{error}");
    windlass.ok(&[&["push", "a.wasm", &reference][..], &login("password")].concat()).await?;

    // docker's configuration serves as well, where `docker login` puts it.
    let error = windlass.refused(&["pull", &reference, "b.wasm"]).await?;
    assert!(error.contains("401"), "{error}");
    std::fs::create_dir(desk.folder.path().join(".docker"))?;
    let docker =
        |password: &str| json!({"auths": {&registry.authority: {"username": USER, "password": password}}}).to_string();
    desk.file(".docker/config.json", docker(PASSWORD).as_bytes())?;
    windlass.ok(&["pull", &reference, "b.wasm"]).await?;
    assert_eq!(std::fs::read(desk.folder.path().join("b.wasm"))?, component);

    // A host has the login from a pull secret; a wrong one is a condition, and the right one is taken without a restart.
    let scene = scene_with(&registry.authority, None).await?;
    let secret = |password: &str| {
        json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "pull"},
            "type": "kubernetes.io/dockerconfigjson",
            "data": {".dockerconfigjson": STANDARD.encode(docker(password))},
        })
    };
    let spec = |secret: Option<&str>| {
        let mut source = source(&reference);
        if let Some(name) = secret {
            source["oci"]["pullSecret"] = json!({"namespace": "default", "name": name});
        }
        json!({"source": source, "grants": grants()})
    };
    scene.apply("greeting", spec(None)).await?;
    scene.until_says("greeting", "Fetched", "False", "SourceForbidden").await?;
    scene.apply("greeting", spec(Some("pull"))).await?;
    let message = scene.until_says("greeting", "Fetched", "False", "SourceMissing").await?;
    assert!(message.contains("kubectl create secret docker-registry"), "{message}");
    let secrets = scene.objects("", "v1", "Secret");
    let apply = PatchParams::apply("user").force();
    secrets.patch("pull", &apply, &Patch::Apply(&secret("hunter2"))).await?;
    let message = scene.until_says("greeting", "Fetched", "False", "SourceForbidden").await?;
    assert!(message.contains("check the login") && !message.contains("hunter2"), "{message}");
    secrets.patch("pull", &apply, &Patch::Apply(&secret(PASSWORD))).await?;
    scene.until_serves("greeting", &component).await?;
    scene.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_of_a_private_authority_is_believed_by_its_certificate_alone() -> Result<()> {
    let identity = Identity::new()?;
    let (registry, desk) = (Registry::with(Some(&identity), false).await?, Desk::new()?);
    let windlass = desk.windlass();
    let component = greeting("Hello, ", 1)?;
    desk.file("a.wasm", &component)?;
    desk.file("ca.pem", identity.authority.as_bytes())?;
    desk.file("other.pem", Identity::new()?.authority.as_bytes())?;
    let reference = registry.reference("team/greeting:1");
    let error = windlass.refused(&["push", "a.wasm", &reference, "--ca-file", "other.pem"]).await?;
    assert!(error.contains("no authority that is known here") && error.contains("--ca-file"), "{error}");
    let error = windlass.refused(&["push", "a.wasm", &reference, "--ca-file", "a.wasm"]).await?;
    assert!(error.contains("a.wasm") && error.contains("certificate"), "{error}");
    // Without TLS it gets no further either.
    windlass.refused(&["push", "a.wasm", &reference]).await?;
    windlass.ok(&["push", "a.wasm", &reference, "--ca-file", "ca.pem"]).await?;
    windlass.ok(&["pull", &reference, "b.wasm", "--ca-file", "ca.pem"]).await?;
    assert_eq!(std::fs::read(desk.folder.path().join("b.wasm"))?, component);

    let spec = json!({"source": source(&reference), "grants": grants()});
    let trusted = format!("https://{}", registry.authority);
    let scene = scene_with(&trusted, None).await?;
    scene.apply("greeting", spec.clone()).await?;
    let message = scene.until_says("greeting", "Fetched", "False", "SourceUnreachable").await?;
    assert!(message.contains("--plugin-source-ca"), "{message}");
    scene.end().await?;
    let scene = scene_with(&trusted, Some(&identity)).await?;
    scene.apply("greeting", spec).await?;
    scene.until_serves("greeting", &component).await?;
    scene.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_plugin_is_inspected_with_the_reason_and_not_pushed() -> Result<()> {
    let (registry, desk) = (Registry::start().await?, Desk::new()?);
    let windlass = desk.windlass();
    let foreign = guests::Guest::idle().importing("wasi:sockets", "0.2.0", "tcp", "now: func() -> u64").build()?;
    let broken: [(&[u8], &str); 5] = [
        (b"", "NotAComponent"),
        (b"\x7fELF", "NotAComponent"),
        (b"\0asm but no component", "MalformedComponent"),
        (&foreign, "UndeclaredImport"),
        (&guests::Guest::idle().version("2.0.0").build()?, "UnknownContractVersion"),
    ];
    for (content, reason) in broken {
        let file = desk.file("broken.wasm", content)?;
        let ran = windlass.run(&["inspect", "broken.wasm", "--output", "json"]).await?;
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.err.contains(reason), "{}", ran.err);
        let seen: Value = serde_json::from_str(&ran.out)?;
        assert_eq!(seen["problem"]["reason"], reason);
        assert_eq!(seen["digest"], format!("sha256:{}", sha256(content)));
        let error = windlass.refused(&["push", "broken.wasm", &registry.reference("team/broken:1")]).await?;
        assert!(error.contains("broken.wasm is not pushed"), "{error}");
        std::fs::remove_file(file)?;
    }
    // What can be read of it is shown all the same.
    desk.file("foreign.wasm", &foreign)?;
    let ran = windlass.run(&["inspect", "foreign.wasm"]).await?;
    assert!(ran.out.contains("wasi:sockets/tcp@0.2.0"), "{}", ran.out);
    let (status, ..) = registry.ask("GET", "/v2/team/broken/manifests/1", "", b"").await?;
    assert_eq!(status, 404);
    for (subject, word) in [("nothing", "there is no file nothing"), ("./nothing", "cannot read ./nothing")] {
        let error = windlass.refused(&["inspect", subject]).await?;
        assert!(error.contains(word), "{error}");
    }
    let error = windlass.refused(&["pull", &registry.reference("team/none:1")]).await?;
    assert!(error.contains("is not there"), "{error}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_push_at_once_leave_one_whole_artifact_and_one_who_is_killed_leaves_none() -> Result<()> {
    let (registry, desk) = (Registry::start().await?, Desk::new()?);
    let (first, second) = (greeting("Hello, ", 1)?, greeting("Salve, ", 2)?);
    desk.file("first.wasm", &first)?;
    desk.file("second.wasm", &second)?;
    let (windlass, reference) = (desk.windlass(), registry.reference("team/greeting:1"));
    let push = async |file: &str| windlass.ok(&["push", file, &reference]).await;
    let (one, other) = tokio::join!(push("first.wasm"), push("second.wasm"));
    let (one, other) = (one?, other?);
    assert_ne!(one, other);
    windlass.ok(&["pull", &reference, "b.wasm"]).await?;
    let pulled = std::fs::read(desk.folder.path().join("b.wasm"))?;
    assert!(pulled == first || pulled == second);
    for (by_digest, component) in [(one, &first), (other, &second)] {
        windlass.ok(&["pull", by_digest.trim(), "c.wasm", "--force"]).await?;
        assert_eq!(&std::fs::read(desk.folder.path().join("c.wasm"))?, component);
    }
    // Killed as soon as the component is there: the tag is not, or leads to the whole. The next push takes it up.
    let killed = registry.reference("team/killed:1");
    let push = ["push", "first.wasm", killed.as_str()];
    let blob = format!("/v2/team/killed/blobs/sha256:{}", sha256(&first));
    let uploaded = async {
        while registry.ask("HEAD", &blob, "", b"").await?.0 != 200 {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        anyhow::Ok(())
    };
    tokio::select! {
        ran = windlass.run(&push) => drop(ran?),
        uploaded = uploaded => uploaded?,
    }
    let pulled = windlass.run(&["pull", &killed, "d.wasm"]).await?;
    match pulled.code {
        0 => assert_eq!(std::fs::read(desk.folder.path().join("d.wasm"))?, first),
        _ => assert!(pulled.err.contains("is not there"), "{pulled:?}"),
    }
    windlass.ok(&push).await?;
    windlass.ok(&["pull", &killed, "d.wasm", "--force"]).await?;
    assert_eq!(std::fs::read(desk.folder.path().join("d.wasm"))?, first);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_that_finds_no_room_leaves_nothing_behind() -> Result<()> {
    let (registry, desk) = (Registry::start().await?, Desk::new()?);
    desk.file("a.wasm", &greeting("Hello, ", 1)?)?;
    let (windlass, reference) = (desk.windlass(), registry.reference("team/greeting:1"));
    windlass.ok(&["push", "a.wasm", &reference]).await?;
    // A limit of the process stands in for a full disk: at a file of half the size, writing fails.
    let script = format!("trap '' XFSZ; ulimit -f 50; exec {COMPILER} pull {reference} there/b.wasm");
    std::fs::create_dir(desk.folder.path().join("there"))?;
    let output = tokio::process::Command::new("sh")
        .args(["-c", &script])
        .current_dir(desk.folder.path())
        .env("HOME", desk.folder.path())
        .output()
        .await?;
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && error.contains("cannot write there/b.wasm"), "{error}");
    assert_eq!(std::fs::read_dir(desk.folder.path().join("there"))?.count(), 0);
    Ok(())
}

/// No name of a helper or of a file leads out of what was meant.
#[tokio::test(flavor = "multi_thread")]
async fn nonsense_on_the_command_line_is_refused_by_name() -> Result<()> {
    let desk = Desk::new()?;
    let windlass = desk.windlass();
    desk.file("a.wasm", &greeting("Hello, ", 1)?)?;
    let digest = format!("127.0.0.1:1/a@sha256:{}", "0".repeat(64));
    for (arguments, word) in [
        (&["push", "a.wasm", "greeting"][..], "it names no registry"),
        (&["push", "a.wasm", &digest][..], "name a tag"),
        (&["push", "none.wasm", "127.0.0.1:1/a"][..], "cannot read none.wasm"),
        (&["push", "/", "127.0.0.1:1/a"][..], "cannot read /"),
        (&["push", "a.wasm", "127.0.0.1:1/a"][..], "cannot fetch http://127.0.0.1:1/"),
        (&["pull", "127.0.0.1:1/a b"][..], "is no reference"),
        (&["verify", "a.wasm", "--key", "a.wasm"][..], "cannot read a.wasm"),
    ] {
        let error = windlass.refused(arguments).await?;
        assert!(error.contains(word), "{arguments:?}: {error}");
        assert!(error.lines().filter(|line| line.starts_with("error: ")).count() == 1, "{error}");
    }
    assert!(!Path::new(desk.folder.path()).join("a b.wasm").exists());
    Ok(())
}

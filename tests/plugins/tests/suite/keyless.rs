//! Signatures by identities: by an authority and a log of the test, in the form of cosign. The real cosign stores each of
//! them, and judges it as well: what it takes the command and the host take, and what it refuses they refuse.

use crate::{COMPILER, grants};
use anyhow::Result;
use plugins_suite::command::Windlass;
use plugins_suite::greeting;
use plugins_suite::keyless::{Authority, BUNDLE, Log, Person, Signed, bundle, file_bundle, sign};
use plugins_suite::registry::Registry;
use plugins_suite::scene::Scene;
use plugins_suite::signer::{asking, attach, judged_by_cosign, trusted_root};
use serde_json::{Value, json};
use std::path::Path;
use windlass::plugins::verify::payload;

const ISSUER: &str = "https://issuer.test";
const WORKFLOW: &str = "https://git.test/team/plugin/.workflows/release.yaml@refs/tags/v1";
/// Seconds after which the log notes a signature: within those for which certificates hold.
const SOON: i64 = 60;

/// An authority, a log and a person, and the trusted root of the first two.
struct Trust {
    authority: Authority,
    log: Log,
    person: Person,
    root: String,
}

impl Trust {
    async fn new(folder: &Path) -> Result<Trust> {
        let (authority, log) = (Authority::new()?, Log::new()?);
        let root = trusted_root(folder, "trusted", &authority, &log).await?.display().to_string();
        Ok(Trust { authority, log, person: Person::new(ISSUER, WORKFLOW), root })
    }

    fn asking(&self) -> [&str; 6] {
        asking(&self.root, &self.person)
    }

    /// `spec.verify` of a Plugin.
    fn spec(&self, identity: Value) -> Result<Value> {
        let root = std::fs::read_to_string(&self.root)?;
        Ok(json!({"keyless": {"identities": [identity], "trustedRoot": root}}))
    }
}

/// Pushes a component into a repository; the reference by digest, and the digest of the manifest come out.
async fn pushed(windlass: &Windlass<'_>, registry: &Registry, repository: &str) -> Result<(String, String)> {
    let pushed = windlass.ok(&["push", "a.wasm", &registry.reference(&format!("{repository}:1"))]).await?;
    let reference = pushed.trim().to_owned();
    let digest = reference.rsplit_once('@').unwrap().1.to_owned();
    Ok((reference, digest))
}

/// Both parts of a command.
fn both<'a>(what: &[&'a str], asking: &[&'a str]) -> Vec<&'a str> {
    [what, asking].concat()
}

async fn scene(registry: &Registry) -> Result<Scene> {
    let authority = registry.authority.clone();
    Scene::start(COMPILER, |config| {
        if let Some(resources) = &mut config.resources {
            resources.trusted.insert(authority);
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_identity_signed_is_taken_by_cosign_the_command_and_the_host_in_both_formats() -> Result<()> {
    let (registry, folder) = (Registry::start().await?, tempfile::tempdir()?);
    let windlass = Windlass { program: COMPILER, home: folder.path() };
    let component = greeting("Hello, ", 1)?;
    std::fs::write(folder.path().join("a.wasm"), &component)?;
    let trust = Trust::new(folder.path()).await?;
    let Trust { authority, log, person, root } = &trust;
    let (simple, manifest) = pushed(&windlass, &registry, "team/simple").await?;
    let payload = payload(&registry.reference("team/simple"), &manifest);
    attach(folder.path(), &simple, &sign(authority, log, person, &payload, SOON)?).await?;
    let (bundled, manifest) = pushed(&windlass, &registry, "team/bundled").await?;
    registry.refer("team/bundled", &manifest, BUNDLE, &bundle(authority, log, person, &manifest, SOON)?).await?;

    let scene = scene(&registry).await?;
    for (name, reference) in [("simple", &simple), ("bundled", &bundled)] {
        judged_by_cosign(folder.path(), &["verify", reference], &trust.asking()).await?;
        let seen = windlass.json(&both(&["verify", reference], &trust.asking())).await?;
        assert_eq!(seen["identity"], json!({"issuer": ISSUER, "subject": WORKFLOW}), "{seen}");
        let patterns =
            ["--certificate-oidc-issuer-regexp", "issuer", "--certificate-identity-regexp", "^https://git.test/team/"];
        let said = windlass.ok(&both(&["verify", reference, "--trusted-root", root], &patterns)).await?;
        assert!(said.contains(&format!("signed by {WORKFLOW}, known to {ISSUER}")), "{said}");

        let verify = trust.spec(json!({"issuer": ISSUER, "subjectRegExp": "^https://git[.]test/team/plugin/"}))?;
        let spec = json!({"source": {"oci": {"reference": reference}}, "grants": grants(), "verify": verify});
        scene.apply(name, spec).await?;
        let message = scene.until_says(name, "Verified", "True", "Signed").await?;
        assert!(message.contains(&format!("is signed by {WORKFLOW}, known to {ISSUER}")), "{message}");
    }
    // Both claim the same kind, so the older one serves it.
    scene.until_serves("simple", &component).await?;
    scene.end().await
}

/// What makes a signature of a payload.
type Signing<'a> = Box<dyn Fn(&[u8]) -> Result<Signed> + 'a>;

/// One way in which a signature is none that is asked for.
struct Case<'a> {
    name: &'static str,
    /// Of the condition, and a part of its message.
    reason: &'static str,
    says: &'static str,
    /// Makes it, of what should be signed.
    sign: Signing<'a>,
    /// Who is asked for.
    asked: Person,
}

impl<'a> Case<'a> {
    fn new(
        name: &'static str,
        reason: &'static str,
        says: &'static str,
        asked: &Person,
        sign: impl Fn(&[u8]) -> Result<Signed> + 'a,
    ) -> Self {
        Case { name, reason, says, sign: Box::new(sign), asked: asked.clone() }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_anybody_else_signed_or_something_else_is_refused_by_cosign_the_command_and_the_host() -> Result<()> {
    let (registry, folder) = (Registry::start().await?, tempfile::tempdir()?);
    let windlass = Windlass { program: COMPILER, home: folder.path() };
    std::fs::write(folder.path().join("a.wasm"), greeting("Hello, ", 1)?)?;
    let trust = Trust::new(folder.path()).await?;
    let Trust { authority, log, person, .. } = &trust;
    let (stranger, other_log, false_log) = (Authority::new()?, Log::new()?, Log::instead_of(log)?);
    let right = |payload: &[u8]| sign(authority, log, person, payload, SOON);
    let by =
        |authority: &Authority, log: &Log, after: i64, payload: &[u8]| sign(authority, log, person, payload, after);
    let other_digest = payload("elsewhere", &format!("sha256:{}", "0".repeat(64)));
    let altered = |what: &[u8]| Ok(Signed { payload: [what, b" "].concat(), ..right(what)? });
    let unlogged = |what: &[u8]| Ok(Signed { entry: None, ..right(what)? });
    let of_another = |what: &[u8]| Ok(Signed { entry: right(what)?.entry, ..right(what)? });
    let mismatch = |name, issuer: &str, subject: &str, says| Case {
        asked: Person::new(issuer, subject),
        ..Case::new(name, "IdentityMismatch", says, person, right)
    };
    let (late, early) = ("noted it at 2026-05-04T01:00:00Z", "noted it at 2026-05-03T23:59:00Z");
    let cases = [
        mismatch("issuer", "https://issuer.example", WORKFLOW, "known to https://issuer.test"),
        mismatch("identity", ISSUER, "https://git.test/team/other", WORKFLOW),
        // The whole is compared, not a part of it.
        mismatch("part", ISSUER, "https://git.test", WORKFLOW),
        Case::new("root", "CertificateUntrusted", "no authority", person, |what| by(&stranger, log, SOON, what)),
        Case::new("late", "CertificateExpired", late, person, |what| by(authority, log, 3600, what)),
        Case::new("early", "CertificateExpired", early, person, |what| by(authority, log, -60, what)),
        Case::new("payload", "SignatureMismatch", "did not sign this", person, altered),
        Case::new("digest", "SignatureMismatch", "another manifest", person, |_| right(&other_digest)),
        Case::new("no entry", "LogEntryMissing", "no log noted it", person, unlogged),
        Case::new("log", "LogEntryInvalid", "does not name", person, |what| by(authority, &other_log, SOON, what)),
        Case::new("false log", "LogEntryInvalid", "not by the log", person, |what| {
            by(authority, &false_log, SOON, what)
        }),
        Case::new("entry", "LogEntryInvalid", "noted another signature", person, of_another),
    ];

    let scene = scene(&registry).await?;
    for (at, Case { name, reason, says, sign, asked }) in cases.iter().enumerate() {
        let repository = format!("team/case-{at}");
        let (reference, manifest) = pushed(&windlass, &registry, &repository).await?;
        attach(folder.path(), &reference, &sign(&payload(&repository, &manifest))?).await?;
        let asking = asking(&trust.root, asked);
        let taken = judged_by_cosign(folder.path(), &["verify", &reference], &asking).await;
        assert!(taken.is_err(), "{name}: cosign takes it");
        let error = windlass.refused(&both(&["verify", &reference], &asking)).await?;
        assert!(error.contains(says), "{name}: {error}");
        let verify = trust.spec(json!({"issuer": asked.issuer, "subject": asked.subject}))?;
        let spec = json!({"source": {"oci": {"reference": reference}}, "grants": grants(), "verify": verify});
        scene.apply(&format!("case-{at}"), spec).await?;
        let message = scene.until_says(&format!("case-{at}"), "Verified", "False", reason).await?;
        assert!(message.contains(says), "{name}: {message}");
    }
    // And the right one is taken, so that it was nothing else.
    let (reference, manifest) = pushed(&windlass, &registry, "team/right").await?;
    attach(folder.path(), &reference, &right(&payload("team/right", &manifest))?).await?;
    judged_by_cosign(folder.path(), &["verify", &reference], &trust.asking()).await?;
    windlass.ok(&both(&["verify", &reference], &trust.asking())).await?;
    scene.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_an_identity_signed_is_verified_by_its_bundle() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let windlass = Windlass { program: COMPILER, home: folder.path() };
    let component = greeting("Hello, ", 1)?;
    std::fs::write(folder.path().join("a.wasm"), &component)?;
    std::fs::write(folder.path().join("b.wasm"), greeting("Salve, ", 1)?)?;
    let trust = Trust::new(folder.path()).await?;
    let Trust { authority, log, person, root } = &trust;
    let write = |name: &str, bundle: &Value| std::fs::write(folder.path().join(name), bundle.to_string());
    write("good.json", &file_bundle(authority, log, person, &component, SOON)?)?;
    write("late.json", &file_bundle(authority, log, person, &component, 3600)?)?;
    let mut promised_nothing = file_bundle(authority, log, person, &component, SOON)?;
    let entry = &mut promised_nothing["verificationMaterial"]["tlogEntries"][0];
    entry.as_object_mut().unwrap().remove("inclusionPromise");
    write("bare.json", &promised_nothing)?;
    let asked = trust.asking();
    judged_by_cosign(folder.path(), &["verify-blob", "--bundle", "good.json", "a.wasm"], &trust.asking()).await?;
    windlass.ok(&both(&["verify", "a.wasm", "--bundle", "good.json"], &asked)).await?;
    for (file, bundle, says) in [
        ("b.wasm", "good.json", "of another file"),
        ("a.wasm", "late.json", "the log noted it at"),
        ("a.wasm", "bare.json", "no log noted it"),
    ] {
        let error = windlass.refused(&both(&["verify", file, "--bundle", bundle], &asked)).await?;
        assert!(error.contains(says), "{file} {bundle}: {error}");
    }
    // Half of a question is none.
    let zeros = format!("sha256:{}", "0".repeat(64));
    for (arguments, says) in [
        (&["verify", "a.wasm", "--trusted-root", root.as_str()][..], "--certificate-identity"),
        (&["verify", "a.wasm", "--digest", &zeros, "--certificate-identity", WORKFLOW], "--trusted-root"),
    ] {
        let ran = windlass.run(arguments).await?;
        assert!(ran.code == 2 && ran.err.contains(says), "{ran:?}");
    }
    std::fs::write(folder.path().join("none.json"), "{}")?;
    let none = asking("none.json", person);
    let error = windlass.refused(&both(&["verify", "a.wasm", "--bundle", "good.json"], &none)).await?;
    assert!(error.contains("none.json is no trusted root"), "{error}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_the_question_is_named() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let trust = Trust::new(folder.path()).await?;
    let component = greeting("Hello, ", 1)?;
    let scene = crate::scene().await?;
    scene.put("a.wasm", &component)?;
    let spec = |verify: Value| json!({"source": {"file": {"path": "a.wasm"}}, "grants": grants(), "verify": verify});
    let person = json!({"issuer": ISSUER, "subject": WORKFLOW});
    let cases = [
        (trust.spec(person.clone())?, "SignatureImpossible", "only OCI artifacts"),
        (
            trust.spec(json!({"issuer": ISSUER, "subjectRegExp": "("}))?,
            "InvalidIdentity",
            "identities[0].subjectRegExp",
        ),
        (
            json!({"keyless": {"identities": [person], "trustedRoot": "{}"}}),
            "InvalidIdentity",
            "trustedRoot is no trusted root",
        ),
    ];
    for (at, (verify, reason, says)) in cases.into_iter().enumerate() {
        let name = format!("case-{at}");
        scene.apply(&name, spec(verify)).await?;
        let message = scene.until_says(&name, "Verified", "False", reason).await?;
        assert!(message.contains(says), "{reason}: {message}");
    }
    // The API server refuses what names both, or neither.
    for identity in [json!({"issuer": ISSUER}), json!({"issuer": ISSUER, "issuerRegExp": ".", "subject": WORKFLOW})] {
        let refused = scene.apply("other", spec(trust.spec(identity)?)).await;
        let error = format!("{:#}", refused.unwrap_err());
        assert!(error.contains("name either"), "{error}");
    }
    scene.end().await
}

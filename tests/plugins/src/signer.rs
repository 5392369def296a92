//! cosign, offline: nothing of it leaves the machine, and no log or authority is asked. With a key pair of its own, or to
//! store and judge what an authority and a log of a test vouched for.

use crate::keyless::{Authority, Log, Person, Signed};
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::process::Command;

/// How cosign stores a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// As cosign 3 does by itself: a sigstore bundle among what refers to the artifact.
    Bundle,
    /// As cosign did before: under a tag that ends in `.sig`.
    Simple,
}

/// Runs cosign in a folder.
///
/// # Errors
/// With what it says, when it does not end well.
pub async fn cosign(folder: &Path, arguments: &[&str]) -> Result<()> {
    let program = fixtures::environment::variable("WINDLASS_COSIGN");
    let program = program.context("WINDLASS_COSIGN names no cosign; run tests by `cargo xtask test`")?;
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).env("HOME", folder).env("COSIGN_PASSWORD", "");
    // Where an entry is missing it would ask the public log: nobody listens there.
    command.env("HTTPS_PROXY", "http://127.0.0.1:1");
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await.context("cosign does not run")?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "cosign {}: {said}", arguments.join(" "));
    Ok(())
}

/// The trusted root that cosign makes of an authority and a log: the file, in this folder.
pub async fn trusted_root(folder: &Path, name: &str, authority: &Authority, log: &Log) -> Result<PathBuf> {
    let file = |ending: &str| folder.join(format!("{name}.{ending}"));
    std::fs::write(file("chain.pem"), &authority.chain)?;
    std::fs::write(file("log.pub"), log.pem())?;
    let (chain, key, out) = (file("chain.pem"), file("log.pub"), file("root.json"));
    let (from, out_text) = ("start-time=2026-01-01T00:00:00Z", out.display().to_string());
    let fulcio = format!("url=https://fulcio.test,certificate-chain={},{from}", chain.display());
    let rekor = format!("url=https://rekor.test,public-key={},{from}", key.display());
    let made = ["trusted-root", "create", "--fulcio", &fulcio, "--rekor", &rekor, "--out", &out_text];
    cosign(folder, &made).await?;
    Ok(out)
}

/// Has cosign store a signature beside an artifact.
pub async fn attach(folder: &Path, reference: &str, signed: &Signed) -> Result<()> {
    let Signed { payload, signature, certificate, chain, entry } = signed;
    for (name, text) in [
        ("payload.json", payload.as_slice()),
        ("signature", signature.as_bytes()),
        ("certificate.pem", certificate.as_bytes()),
        ("above.pem", chain.as_bytes()),
    ] {
        std::fs::write(folder.join(name), text)?;
    }
    let mut arguments = vec![
        "attach",
        "signature",
        "--payload",
        "payload.json",
        "--signature",
        "signature",
        "--certificate",
        "certificate.pem",
        "--certificate-chain",
        "above.pem",
    ];
    if let Some(entry) = entry {
        // The form of what `cosign sign-blob` formerly wrote.
        let entry = json!({ "base64Signature": signature, "rekorBundle": entry });
        std::fs::write(folder.join("entry.json"), entry.to_string())?;
        arguments.extend(["--rekor-response", "entry.json"]);
    }
    cosign(folder, &[&arguments[..], &[reference]].concat()).await
}

/// What cosign and `windlass verify` are both asked: whether a person signed, by the word of a trusted root.
pub fn asking<'a>(root: &'a str, person: &'a Person) -> [&'a str; 6] {
    let Person { issuer, subject } = person;
    ["--trusted-root", root, "--certificate-oidc-issuer", issuer, "--certificate-identity", subject]
}

/// Whether cosign takes a signature. No log of certificates vouches for those of tests.
pub async fn judged_by_cosign(folder: &Path, what: &[&str], asking: &[&str]) -> Result<()> {
    cosign(folder, &[&what[..1], asking, &["--insecure-ignore-sct"], &what[1..]].concat()).await
}

/// A person who signs.
pub struct Signer {
    folder: PathBuf,
}

impl Signer {
    /// With a new key pair, in a folder that is made.
    pub async fn new(folder: PathBuf) -> Result<Signer> {
        std::fs::create_dir(&folder)?;
        cosign(&folder, &["generate-key-pair"]).await?;
        Ok(Signer { folder })
    }

    /// File of the public key.
    pub fn key(&self) -> PathBuf {
        self.folder.join("cosign.pub")
    }

    /// The public key.
    pub fn pem(&self) -> Result<String> {
        Ok(std::fs::read_to_string(self.key())?)
    }

    /// Signs an artifact of a registry without TLS on loopback.
    pub async fn sign(&self, reference: &str, format: Format) -> Result<()> {
        let format: &[&str] = if format == Format::Simple { &["--new-bundle-format=false"] } else { &[] };
        cosign(&self.folder, &[&["sign"][..], &OFFLINE, format, &[reference]].concat()).await
    }

    /// Signs a file; the file with the bundle comes out.
    pub async fn sign_file(&self, file: &Path) -> Result<PathBuf> {
        let bundle = file.with_extension("sigstore.json");
        let (file, to) = (file.display().to_string(), bundle.display().to_string());
        cosign(&self.folder, &[&["sign-blob"][..], &OFFLINE, &["--bundle", &to, &file]].concat()).await?;
        Ok(bundle)
    }
}

const OFFLINE: [&str; 5] = ["--yes", "--tlog-upload=false", "--use-signing-config=false", "--key", "cosign.key"];

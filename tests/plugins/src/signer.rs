//! cosign with a key pair of its own, offline: nothing of it leaves the machine, and no log or authority is asked.

use anyhow::{Context, Result, ensure};
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

/// A person who signs.
pub struct Signer {
    program: String,
    folder: PathBuf,
}

impl Signer {
    /// With a new key pair, in a folder that is made.
    pub async fn new(folder: PathBuf) -> Result<Signer> {
        let program = fixtures::environment::variable("WINDLASS_COSIGN");
        let program = program.context("WINDLASS_COSIGN names no cosign; run tests by `cargo xtask test`")?;
        std::fs::create_dir(&folder)?;
        let signer = Signer { program, folder };
        signer.run(&["generate-key-pair"]).await?;
        Ok(signer)
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
        self.run(&[&["sign"][..], &OFFLINE, format, &[reference]].concat()).await
    }

    /// Signs a file; the file with the bundle comes out.
    pub async fn sign_file(&self, file: &Path) -> Result<PathBuf> {
        let bundle = file.with_extension("sigstore.json");
        let (file, to) = (file.display().to_string(), bundle.display().to_string());
        self.run(&[&["sign-blob"][..], &OFFLINE, &["--bundle", &to, &file]].concat()).await?;
        Ok(bundle)
    }

    async fn run(&self, arguments: &[&str]) -> Result<()> {
        let mut command = Command::new(&self.program);
        command.args(arguments).current_dir(&self.folder).env("HOME", &self.folder).env("COSIGN_PASSWORD", "");
        let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await.context("cosign does not run")?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "cosign {}: {said}", arguments.join(" "));
        Ok(())
    }
}

const OFFLINE: [&str; 5] = ["--yes", "--tlog-upload=false", "--use-signing-config=false", "--key", "cosign.key"];

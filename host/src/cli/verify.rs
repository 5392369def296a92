//! `windlass verify`: whether a plugin is the one that is wanted, from whom it is wanted.

use super::output::{Output, say};
use super::registry::{self, LARGEST, Subject};
use super::{mysql_login, progress};
use crate::decide::Digest;
use crate::plugins::source::oci::Artifact;
use crate::plugins::verify::{bundle, key::PublicKey, signed_by};
use anyhow::{Context as _, anyhow};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Check the signature of a plugin, offline, with public keys of cosign
///
/// Of an artifact in a registry: what `cosign sign --key` stored beside it, in its present and its former format. Of a
/// file: what `cosign sign-blob --key` wrote. Ends with exit code 0 only if one of the keys signed exactly this.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example:\n  windlass verify registry.example.com/team/mysql:1.4.0 --key cosign.pub\n  windlass verify mysql.wasm --key cosign.pub --bundle mysql.sigstore.json"
)]
pub(super) struct Arguments {
    /// A .wasm file, or REGISTRY/NAME:TAG
    #[arg(value_name = "FILE|REFERENCE")]
    subject: String,
    /// File with a public key; may be given several times, and one of them must have signed
    #[arg(long = "key", value_name = "FILE", required_unless_present = "digest")]
    keys: Vec<PathBuf>,
    /// The component must have this digest: sha256:HEX
    #[arg(long, value_name = "DIGEST", value_parser = digest)]
    digest: Option<String>,
    /// Of a file: what `cosign sign-blob` wrote, a bundle or a signature in base64
    #[arg(long, value_name = "FILE", requires = "keys")]
    bundle: Option<PathBuf>,
    #[command(flatten)]
    registry: registry::Arguments,
    /// Form of the output
    #[arg(long, short, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// What was found.
struct Verified {
    /// What exactly was verified.
    what: String,
    /// Digest of the component.
    digest: String,
    /// Whose signature it has; none where only the digest was asked for.
    key: Option<PathBuf>,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let Arguments { subject, keys, digest, bundle, registry, output } = arguments;
    let read: Vec<PublicKey> = keys.iter().map(|file| public_key(file)).collect::<Result<_, _>>()?;
    let (bytes, artifact) = match Subject::of(&subject)? {
        Subject::File(file) => (registry::component(&file)?, None),
        Subject::Artifact(reference) => {
            anyhow::ensure!(bundle.is_none(), "--bundle is for files; the signatures of an artifact are beside it");
            let (registry, timeout) = registry.open(&reference).await?;
            let text = reference.to_string();
            let pulling = registry::within(timeout, registry.pull(&text, LARGEST));
            let fetched = progress::waiting(&format!("pulling {text}"), pulling).await?;
            (fetched.bytes, fetched.artifact)
        }
    };
    let judged = judge(&subject, &bytes, digest.as_deref(), artifact.as_ref(), bundle.as_deref(), &keys, &read);
    match (output, &judged) {
        (Output::Text, Ok(Verified { what, digest, key })) => {
            let by = key.as_ref().map(|key| format!(", and signed by {}", key.display())).unwrap_or_default();
            say(format_args!("{what} is verified: the component is {digest}{by}"))?;
        }
        (Output::Json, Ok(Verified { what, digest, key })) => {
            let document = json!({ "subject": what, "verified": true, "digest": digest, "key": key });
            say(format_args!("{document:#}"))?;
        }
        (Output::Json, Err(error)) => {
            let document = json!({ "subject": subject, "verified": false, "message": super::one_line(error) });
            say(format_args!("{document:#}"))?;
        }
        (Output::Text, Err(_)) => {}
    }
    judged.map(drop)
}

fn judge(
    subject: &str,
    bytes: &[u8],
    wanted: Option<&str>,
    artifact: Option<&Artifact>,
    about: Option<&Path>,
    files: &[PathBuf],
    keys: &[PublicKey],
) -> anyhow::Result<Verified> {
    let digest = format!("sha256:{}", Digest::of(bytes));
    if let Some(wanted) = wanted.filter(|wanted| *wanted != digest) {
        anyhow::bail!("the component of {subject} has the digest {digest}, and {wanted} is wanted");
    }
    let what = artifact.map(|artifact| artifact.reference.by_digest(&artifact.manifest).to_string());
    let what = what.unwrap_or_else(|| subject.to_owned());
    if keys.is_empty() {
        return Ok(Verified { what, digest, key: None });
    }
    let at = match (artifact, about) {
        (Some(Artifact { manifest, signatures, .. }), _) => {
            let signatures = signatures.as_ref().map_err(|error| anyhow!("the signatures cannot be read: {error}"))?;
            signed_by(manifest, signatures, keys)?
        }
        (None, Some(about)) => {
            let text = std::fs::read(about).with_context(|| format!("cannot read {}", about.display()))?;
            bundle::judge_file(bytes, &text, keys).map_err(|why| anyhow!("{} does not hold: {why}", about.display()))?
        }
        (None, None) => anyhow::bail!(
            "a file has no signature of its own: name what `cosign sign-blob` wrote with --bundle, or verify the artifact"
        ),
    };
    Ok(Verified { what, digest, key: files.get(at).cloned() })
}

fn public_key(file: &Path) -> anyhow::Result<PublicKey> {
    let pem = mysql_login::read(file)?;
    PublicKey::read(&pem).map_err(|message| anyhow!("{} {message}", file.display()))
}

fn digest(text: &str) -> Result<String, String> {
    let hex = text.strip_prefix("sha256:").unwrap_or_default();
    let right = hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    if right { Ok(text.to_owned()) } else { Err("a digest is sha256: and 64 hexadecimal digits".into()) }
}

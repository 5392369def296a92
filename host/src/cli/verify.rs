//! `windlass verify`: whether a plugin is the one that is wanted, from whom it is wanted.

use super::output::{Output, say};
use super::registry::{self, LARGEST, Subject};
use super::{mysql_login, progress};
use crate::decide::Digest;
use crate::plugins::resource;
use crate::plugins::source::oci::Artifact;
use crate::plugins::verify::keyless::Keyless;
use crate::plugins::verify::signers::{Holder, Signer, Signers};
use crate::plugins::verify::{bundle, key::PublicKey, signed_by};
use anyhow::{Context as _, anyhow};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Check the signature of a plugin, offline, with public keys or identities as cosign has them
///
/// Of an artifact in a registry: what `cosign sign` stored beside it, in its present and its former format. Of a file: what
/// `cosign sign-blob` wrote. Ends with exit code 0 only if one of the keys, or the identity, signed exactly this.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  windlass verify registry.example.com/team/mysql:1.4.0 --key cosign.pub\n  windlass verify mysql.wasm --key cosign.pub --bundle mysql.sigstore.json\n  windlass verify registry.example.com/team/mysql:1.4.0 --trusted-root trusted_root.json \\\n    --certificate-oidc-issuer https://token.actions.githubusercontent.com \\\n    --certificate-identity-regexp '^https://github\\.com/team/mysql/'"
)]
pub(super) struct Arguments {
    /// A .wasm file, or REGISTRY/NAME:TAG
    #[arg(value_name = "FILE|REFERENCE")]
    subject: String,
    /// File with a public key; may be given several times, and one of them must have signed
    #[arg(long = "key", value_name = "FILE", required_unless_present_any = ["digest", "trusted_root"])]
    keys: Vec<PathBuf>,
    #[command(flatten)]
    identity: Identity,
    /// The component must have this digest: sha256:HEX
    #[arg(long, value_name = "DIGEST", value_parser = digest)]
    digest: Option<String>,
    /// Of a file: what `cosign sign-blob` wrote, a bundle or a signature in base64
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
    #[command(flatten)]
    registry: registry::Arguments,
    /// Form of the output
    #[arg(long, short, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// An identity that must have signed, as cosign asks for it.
#[derive(clap::Args, Debug)]
#[group(skip)]
#[command(group(clap::ArgGroup::new("who").args(["certificate_identity", "certificate_identity_regexp"])))]
#[command(group(clap::ArgGroup::new("by_word_of").args(["certificate_oidc_issuer", "certificate_oidc_issuer_regexp"])))]
struct Identity {
    /// The identity that signed: an address of mail, or of a workflow
    #[arg(long, value_name = "IDENTITY", requires_all = ["by_word_of", "trusted_root"])]
    certificate_identity: Option<String>,
    /// A regular expression instead; it needs to match somewhere, so write ^ and $ for the whole
    #[arg(long, value_name = "PATTERN", requires_all = ["by_word_of", "trusted_root"])]
    certificate_identity_regexp: Option<String>,
    /// The OIDC issuer that knows it
    #[arg(long, value_name = "ISSUER", requires_all = ["who", "trusted_root"])]
    certificate_oidc_issuer: Option<String>,
    /// A regular expression instead
    #[arg(long, value_name = "PATTERN", requires_all = ["who", "trusted_root"])]
    certificate_oidc_issuer_regexp: Option<String>,
    /// The trusted_root.json with the authorities and logs that are believed
    #[arg(long, value_name = "FILE", requires_all = ["who", "by_word_of"])]
    trusted_root: Option<PathBuf>,
}

impl Identity {
    fn read(self) -> anyhow::Result<Option<Keyless>> {
        let Identity {
            certificate_identity: subject,
            certificate_identity_regexp: subject_reg_exp,
            certificate_oidc_issuer: issuer,
            certificate_oidc_issuer_regexp: issuer_reg_exp,
            trusted_root,
        } = self;
        let Some(file) = trusted_root else { return Ok(None) };
        let identities = vec![resource::Identity { issuer, issuer_reg_exp, subject, subject_reg_exp }];
        let spec = resource::Keyless { identities, trusted_root: mysql_login::read(&file)? };
        // What is read calls things as they are called in a Plugin.
        let read = Keyless::read(&spec).map_err(|problem| match problem.strip_prefix(".trustedRoot") {
            Some(problem) => anyhow!("{}{problem}", file.display()),
            None => {
                anyhow!("the identity cannot be asked for: {}", problem.trim_start_matches(".identities[0]").trim())
            }
        })?;
        Ok(Some(read))
    }
}

/// What was found.
struct Verified {
    /// What exactly was verified.
    what: String,
    /// Digest of the component.
    digest: String,
    /// Whose signature it has; none where only the digest was asked for.
    by: Option<By>,
}

/// Who signed.
enum By {
    /// The owner of the key in this file.
    Key(PathBuf),
    /// Somebody whom an issuer knows.
    Identity(Holder),
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let Arguments { subject, keys: files, identity, digest, bundle, registry, output } = arguments;
    let keys = files.iter().map(|file| public_key(file)).collect::<Result<_, _>>()?;
    let signers = Signers { keys, keyless: identity.read()? };
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
    let judged = judge(&subject, &bytes, digest.as_deref(), artifact.as_ref(), bundle.as_deref(), &files, &signers);
    match (output, &judged) {
        (Output::Text, Ok(Verified { what, digest, by })) => {
            let by = match by {
                None => String::new(),
                Some(By::Key(file)) => format!(", and signed by {}", file.display()),
                Some(By::Identity(holder)) => format!(", and signed by {holder}"),
            };
            say(format_args!("{what} is verified: the component is {digest}{by}"))?;
        }
        (Output::Json, Ok(Verified { what, digest, by })) => {
            let (key, identity) = match by {
                None => (None, None),
                Some(By::Key(file)) => (Some(file), None),
                Some(By::Identity(Holder { issuer, subject })) => {
                    (None, Some(json!({ "issuer": issuer, "subject": subject })))
                }
            };
            let document =
                json!({ "subject": what, "verified": true, "digest": digest, "key": key, "identity": identity });
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
    signers: &Signers,
) -> anyhow::Result<Verified> {
    let digest = format!("sha256:{}", Digest::of(bytes));
    if let Some(wanted) = wanted.filter(|wanted| *wanted != digest) {
        anyhow::bail!("the component of {subject} has the digest {digest}, and {wanted} is wanted");
    }
    let what = artifact.map(|artifact| artifact.reference.by_digest(&artifact.manifest).to_string());
    let what = what.unwrap_or_else(|| subject.to_owned());
    if signers.is_empty() {
        anyhow::ensure!(about.is_none(), "--bundle says what was signed; name by whom with --key or --trusted-root");
        return Ok(Verified { what, digest, by: None });
    }
    let signer = match (artifact, about) {
        (Some(Artifact { manifest, signatures, .. }), _) => {
            let signatures = signatures.as_ref().map_err(|error| anyhow!("the signatures cannot be read: {error}"))?;
            signed_by(manifest, signatures, signers)?
        }
        (None, Some(about)) => {
            let text = std::fs::read(about).with_context(|| format!("cannot read {}", about.display()))?;
            let judged = bundle::judge_file(bytes, &text, signers);
            judged.map_err(|why| anyhow!("{} does not hold: {why}", about.display()))?
        }
        (None, None) => anyhow::bail!(
            "a file has no signature of its own: name what `cosign sign-blob` wrote with --bundle, or verify the artifact"
        ),
    };
    let by = match signer {
        Signer::Key(at) => files.get(at).cloned().map(By::Key),
        Signer::Identity(holder) => Some(By::Identity(holder)),
    };
    Ok(Verified { what, digest, by })
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

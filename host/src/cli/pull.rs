//! `windlass pull`: a plugin comes out of a registry, into a file.

use super::output::{Output, say};
use super::progress;
use super::registry::{self, LARGEST};
use crate::decide::Digest;
use crate::plugins::source::oci::reference::Reference;
use anyhow::Context as _;
use serde_json::json;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Pull a plugin from a registry into a file
///
/// Takes any artifact with one layer application/wasm, whatever tool pushed it, and checks every digest. The file is
/// there as a whole or not at all.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:\n  windlass pull registry.example.com/team/mysql:1.4.0 mysql.wasm")]
pub(super) struct Arguments {
    /// Where from: REGISTRY/NAME:TAG or REGISTRY/NAME@sha256:DIGEST
    reference: String,
    /// File or folder to write to; without it, NAME.wasm in the current folder
    file: Option<PathBuf>,
    /// Replace the file if it is there with another content
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    registry: registry::Arguments,
    /// Form of the output
    #[arg(long, short, value_enum, default_value_t = Output::Text)]
    output: Output,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let Arguments { reference, file, force, registry, output } = arguments;
    let reference = Reference::parse(&reference)?;
    let file = place(&reference, file);
    let (registry, timeout) = registry.open(&reference).await?;
    let text = reference.to_string();
    let pulling = registry::within(timeout, registry.pull(&text, LARGEST));
    let fetched = progress::waiting(&format!("pulling {text}"), pulling).await?;
    write(&file, &fetched.bytes, force)?;
    let artifact = fetched.artifact.context("the registry gave no artifact")?;
    let pulled = reference.by_digest(&artifact.manifest);
    let (size, digest) = (fetched.bytes.len(), format!("sha256:{}", Digest::of(&fetched.bytes)));
    match output {
        Output::Text => say(format_args!(
            "{} has {} of {pulled}; the component is {digest}",
            file.display(),
            progress::size(size as u64)
        )),
        Output::Json => say(format_args!(
            "{:#}",
            json!({
                "file": file, "reference": pulled.to_string(), "manifest": artifact.manifest, "digest": digest, "size": size,
                "annotations": artifact.annotations,
            })
        )),
    }
}

/// Where the component goes.
fn place(reference: &Reference, file: Option<PathBuf>) -> PathBuf {
    let name = reference.repository.rsplit('/').next().unwrap_or("plugin");
    let name = format!("{name}.wasm");
    match file {
        Some(folder) if folder.is_dir() => folder.join(name),
        Some(file) => file,
        None => PathBuf::from(name),
    }
}

/// Writes a file as a whole or not at all.
fn write(file: &Path, bytes: &[u8], force: bool) -> anyhow::Result<()> {
    if std::fs::read(file).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let failed = || format!("cannot write {}", file.display());
    let mut builder = tempfile::Builder::new();
    // As other files are: what the process may give away is for its mask to say.
    builder.permissions(std::fs::Permissions::from_mode(0o666));
    let mut part = builder.tempfile_in(folder).with_context(failed)?;
    part.write_all(bytes).and_then(|()| part.as_file().sync_all()).with_context(failed)?;
    if force {
        part.persist(file).with_context(failed)?;
        return Ok(());
    }
    match part.persist_noclobber(file) {
        Ok(_) => Ok(()),
        Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => {
            anyhow::bail!("{} is there with another content; --force replaces it", file.display())
        }
        Err(error) => Err(error).with_context(failed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_file_is_replaced_only_by_force_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.wasm");
        write(&file, b"one", false).unwrap();
        write(&file, b"one", false).unwrap();
        assert!(write(&file, b"two", false).unwrap_err().to_string().contains("--force"));
        assert_eq!(std::fs::read(&file).unwrap(), b"one");
        write(&file, b"two", true).unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(
            write(&folder.path().join("none/a.wasm"), b"one", false).unwrap_err().to_string().contains("none/a.wasm")
        );
    }

    #[test]
    fn a_component_is_named_by_the_end_of_its_reference() {
        let folder = tempfile::tempdir().unwrap();
        let reference = Reference::parse("r.example/team/mysql:1").unwrap();
        assert_eq!(place(&reference, None), Path::new("mysql.wasm"));
        assert_eq!(place(&reference, Some("b.wasm".into())), Path::new("b.wasm"));
        assert_eq!(place(&reference, Some(folder.path().into())), folder.path().join("mysql.wasm"));
    }
}

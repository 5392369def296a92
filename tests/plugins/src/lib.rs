//! What the suite of `Plugin` resources needs: a cluster with a host that serves them, components in versions that can be
//! told apart, servers that lie, and a registry that does not.

pub mod command;
pub mod identity;
pub mod keyless;
pub mod registry;
pub mod scene;
pub mod servers;
pub mod signer;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

/// The built plugin `greeting`, in a version of its own: what it writes begins with `word`, exactly seven characters, and
/// it calls itself `0.MINOR.0`.
pub fn greeting(word: &str, minor: u8) -> Result<Vec<u8>> {
    let mut component = std::fs::read(fixtures::components::folder()?.join("greeting.wasm")).context("not built")?;
    replace(&mut component, b"Hello, ", word.as_bytes())?;
    replace(&mut component, b"0.1.0", format!("0.{}.0", minor % 10).as_bytes())?;
    Ok(component)
}

/// Replaces the only occurrence of a text by one of the same length.
fn replace(component: &mut [u8], old: &[u8], new: &[u8]) -> Result<()> {
    anyhow::ensure!(old.len() == new.len(), "{} bytes are wanted, not {}", old.len(), new.len());
    let mut found = component.windows(old.len()).enumerate().filter(|(_, window)| *window == old).map(|(at, _)| at);
    let at = found.next().with_context(|| format!("the component has no {}", String::from_utf8_lossy(old)))?;
    anyhow::ensure!(found.next().is_none(), "{} is there twice", String::from_utf8_lossy(old));
    component[at..at + new.len()].copy_from_slice(new);
    Ok(())
}

/// SHA-256 in hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

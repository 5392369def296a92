//! A registry of container images and the program that signs what is in it: Debian's packages in the private folder. Out:
//! two programs, as the suite of plugins runs them.

use super::debian::{SUITE, lock, unpacked, words, wrap};
use super::{folder, on_path, variable};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// The variable that names the registry.
pub const SERVER: &str = "WINDLASS_REGISTRY";
/// The variable that names cosign.
pub const SIGNER: &str = "WINDLASS_COSIGN";

/// Both are written in Go and need nothing but the C library.
const PACKAGES: [&str; 3] = ["docker-registry", "cosign", "libc6"];
const PROGRAMS: [&str; 2] = ["docker-registry", "cosign"];

/// The programs.
pub struct Registry {
    /// `docker-registry`, 2.8 or later.
    pub server: PathBuf,
    /// `cosign`, 3 or later.
    pub signer: PathBuf,
}

/// What the environment names, a registry on the path, else Debian's, unpacked into the private folder.
pub fn registry() -> Result<Registry> {
    let server = variable(SERVER).map(PathBuf::from).or_else(|| on_path("docker-registry"));
    let signer = variable(SIGNER).map(PathBuf::from);
    if let (Some(server), Some(signer)) = (&server, &signer) {
        return Ok(Registry { server: server.clone(), signer: signer.clone() });
    }
    let folder = folder()?;
    std::fs::create_dir_all(&folder).with_context(|| format!("could not create {}", folder.display()))?;
    let bin = install(&folder).context(
        "there is no registry to test with: name a docker-registry in WINDLASS_REGISTRY and a cosign, 3 or later, in \
         WINDLASS_COSIGN",
    )?;
    Ok(Registry {
        server: server.unwrap_or_else(|| bin.join(PROGRAMS[0])),
        signer: signer.unwrap_or_else(|| bin.join(PROGRAMS[1])),
    })
}

/// The folder of the programs, made if it is not there.
fn install(folder: &Path) -> Result<PathBuf> {
    let target = folder.join("registry");
    let _held = lock(folder, "registry")?;
    // Made as a whole by the last step.
    if target.is_dir() {
        return Ok(target.join("bin"));
    }
    let draft = folder.join("registry.partial");
    let _ = std::fs::remove_dir_all(&draft);
    println!("installing {} of Debian {SUITE} into {}", PROGRAMS.join(" and "), target.display());
    let root = unpacked(&draft, &PACKAGES, false)?;
    let mut programs = Vec::new();
    for name in PROGRAMS {
        let words = words(&root, &target.join("root"), name, &[])?;
        programs.push((name, words.with_context(|| format!("the packages hold no {name}"))?));
    }
    wrap(&draft.join("bin"), &programs)?;
    std::fs::rename(&draft, &target).with_context(|| format!("could not make {}", target.display()))?;
    Ok(target.join("bin"))
}

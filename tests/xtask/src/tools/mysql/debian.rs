//! Debian's MySQL, unpacked into a folder: an installation that runs with its own loader and libraries.

use super::super::debian;
use super::{FILE, NEEDED, WELCOME, describe, version};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

const PACKAGES: [&str; 2] = ["mysql-server-core", "mysql-client-core"];

/// The installation in `folder`, made if it is not there.
pub(super) fn install(folder: &Path) -> Result<PathBuf> {
    let target = folder.join("mysql");
    let _held = debian::lock(folder, "mysql")?;
    if target.join(FILE).is_file() {
        return Ok(target);
    }
    // Whatever an earlier attempt left; the lock says that none goes on.
    let draft = folder.join("mysql.partial");
    let _ = std::fs::remove_dir_all(&draft);
    let _ = std::fs::remove_dir_all(&target);
    println!("installing {} of Debian {} into {}", PACKAGES.join(" and "), debian::SUITE, target.display());
    debian::unpacked(&draft, &PACKAGES, true)?;
    finish(&draft, &target)?;
    std::fs::rename(&draft, &target).with_context(|| format!("could not make {}", target.display()))?;
    Ok(target)
}

/// Tries the server where it was unpacked, and writes down how to run it where it will be.
fn finish(draft: &Path, target: &Path) -> Result<()> {
    let words = |at: &Path, program: &str| -> Result<Option<Vec<String>>> {
        debian::words(&draft.join("root"), &at.join("root"), program, &["usr/lib/mysql/private"])
    };
    let server = words(draft, "mysqld")?.context("the packages hold no mysqld")?;
    let version = version(Command::new(&server[0]).args(&server[1..]).args(["--no-defaults", "--version"]))?;
    let mut programs = Vec::new();
    for name in NEEDED {
        programs.push((name, words(target, name)?.with_context(|| format!("the packages hold no {name}"))?));
    }
    for name in WELCOME {
        programs.extend(words(target, name)?.map(|words| (name, words)));
    }
    let usr = target.join("root/usr");
    let option = |name: &str, below: &str| format!("--{name}={}", usr.join(below).display());
    let arguments = [
        format!("--basedir={}", usr.display()),
        option("plugin-dir", "lib/mysql/plugin"),
        option("lc-messages-dir", "share/mysql"),
        option("character-sets-dir", "share/mysql/charsets"),
    ];
    describe(draft, target, &version, &programs, &arguments)?;
    println!("MySQL {version} runs");
    Ok(())
}

//! A MySQL server with its clients: what the machine has, else Debian's packages in the private folder. Out: a folder
//! whose `mysql.json` says how to run it, as the local node reads it from `WINDLASS_MYSQL`.

mod debian;

use super::debian::{lock, wrap};
use super::{folder, on_path, variable};
use anyhow::{Context, Result, bail};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The variable that names an installation, or several separated like those of `PATH`.
pub const VARIABLE: &str = "WINDLASS_MYSQL";
/// The file that describes an installation.
const FILE: &str = "mysql.json";
/// The oldest server that the project works with.
const OLDEST: [u32; 3] = [8, 0, 26];
/// Programs that the project runs.
const NEEDED: [&str; 4] = ["mysqld", "mysql", "mysqladmin", "mysqldump"];
/// Programs that serve where they are at hand.
const WELCOME: [&str; 2] = ["mysqlbinlog", "mysql_tzinfo_to_sql"];

/// Installations of MySQL, as a value of [`VARIABLE`]: what that holds already, the server in `MYSQLD`, one on the path,
/// else Debian's, unpacked into the private folder.
pub fn mysql() -> Result<String> {
    if let Some(value) = variable(VARIABLE) {
        return Ok(value);
    }
    let folder = folder()?;
    std::fs::create_dir_all(&folder).with_context(|| format!("could not create {}", folder.display()))?;
    let found = match variable("MYSQLD") {
        Some(path) => Some((PathBuf::from(path), true)),
        None => on_path("mysqld").or_else(|| on_path_of("/usr/sbin", "mysqld")).map(|path| (path, false)),
    };
    if let Some((server, named)) = found {
        match system(&folder, &server) {
            Ok(installation) => return Ok(installation.display().to_string()),
            Err(error) if named => return Err(error.context("MYSQLD names a server that cannot be used")),
            Err(error) => println!("{} is left alone: {error:#}", server.display()),
        }
    }
    let installation = debian::install(&folder).context(
        "there is no MySQL server: install MySQL 8.0.26 or later, or name a mysqld in MYSQLD or an installation in \
         WINDLASS_MYSQL",
    )?;
    Ok(installation.display().to_string())
}

fn on_path_of(folder: &str, program: &str) -> Option<PathBuf> {
    Some(Path::new(folder).join(program)).filter(|path| path.is_file())
}

/// Describes a server of the machine's own.
fn system(folder: &Path, server: &Path) -> Result<PathBuf> {
    let server = server.canonicalize().with_context(|| format!("there is no {}", server.display()))?;
    let version = version(Command::new(&server).args(["--no-defaults", "--version"]))?;
    let target = folder.join(format!("mysql-of-the-machine-{version}"));
    let beside = server.parent().unwrap_or(Path::new("/"));
    let find = |name: &str| match name {
        "mysqld" => Some(server.clone()),
        _ => {
            let near = [beside.join(name), beside.join("../bin").join(name)];
            near.into_iter().find(|path| path.is_file()).or_else(|| on_path(name))
        }
    };
    let mut programs = Vec::new();
    for name in NEEDED {
        let path =
            find(name).with_context(|| format!("{name} is neither beside {} nor on the path", server.display()))?;
        programs.push((name, vec![path.display().to_string()]));
    }
    programs.extend(WELCOME.iter().filter_map(|name| Some((*name, vec![find(name)?.display().to_string()]))));
    let draft = folder.join(format!("mysql.{}.partial", std::process::id()));
    describe(&draft, &target, &version, &programs, &[])?;
    let _held = lock(folder, "mysql")?;
    // A description of another server of this version is replaced.
    let _ = std::fs::remove_dir_all(&target);
    std::fs::rename(&draft, &target).with_context(|| format!("could not make {}", target.display()))?;
    println!("mysql: {} {version}", server.display());
    Ok(target)
}

/// Writes the programs, as wrappers that become them, and the file that describes them, into `draft`, to be used from
/// `target`.
fn describe(
    draft: &Path,
    target: &Path,
    version: &str,
    programs: &[(&str, Vec<String>)],
    arguments: &[String],
) -> Result<()> {
    wrap(&draft.join("bin"), programs)?;
    let text = json!({ "version": version, "bin": target.join("bin"), "arguments": arguments });
    let file = draft.join(FILE);
    std::fs::write(&file, format!("{text:#}\n")).with_context(|| format!("could not write {}", file.display()))
}

/// The version of a server that says it by this command; an error where it is too old or another product.
fn version(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("could not run {}", super::name(command)))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        bail!(
            "{} ended with {}: {}",
            super::name(command),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    read_version(&text)
}

fn read_version(text: &str) -> Result<String> {
    let text = text.trim();
    if text.contains("MariaDB") {
        bail!("it is MariaDB and not MySQL: {text}");
    }
    let word = text.split_whitespace().skip_while(|word| *word != "Ver").nth(1);
    let version = word.and_then(|word| word.split('-').next()).unwrap_or_default();
    let numbers: Vec<u32> = version.split('.').filter_map(|part| part.parse().ok()).collect();
    if numbers.len() != 3 {
        bail!("it does not say a version: {text}");
    }
    if numbers.as_slice() < OLDEST.as_slice() {
        bail!("it is too old, 8.0.26 or later is needed: {text}");
    }
    Ok(version.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_version_is_read_from_what_servers_print_and_old_ones_and_others_are_refused() {
        let read = |text: &str| read_version(text).map_err(|error| error.to_string());
        assert_eq!(read("/usr/sbin/mysqld  Ver 9.7.4-2 for Linux on x86_64 ((Debian))\n").unwrap(), "9.7.4");
        assert_eq!(read("mysqld  Ver 8.0.26 for Linux on x86_64 (MySQL Community Server - GPL)").unwrap(), "8.0.26");
        assert!(read("mysqld  Ver 8.0.25 for Linux").unwrap_err().contains("too old"));
        assert!(read("mysqld  Ver 5.7.44 for Linux").unwrap_err().contains("too old"));
        assert!(read("mysqld  Ver 10.11.6-MariaDB-0+deb12u1 for debian-linux-gnu").unwrap_err().contains("MariaDB"));
        assert!(read("hello").unwrap_err().contains("does not say a version"));
    }

    #[test]
    fn a_description_names_wrappers_that_become_the_programs() {
        let folder = std::env::temp_dir().join(format!("windlass-xtask-{}", std::process::id()));
        describe(&folder, &folder, "8.4.0", &[("mysqld", vec!["/bin/echo".into(), "it's".into()])], &["--a".into()])
            .unwrap();
        let output = Command::new(folder.join("bin/mysqld")).args(["b c"]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "it's b c\n");
        let text: serde_json::Value = serde_json::from_slice(&std::fs::read(folder.join(FILE)).unwrap()).unwrap();
        assert_eq!(text, json!({"version": "8.4.0", "bin": folder.join("bin"), "arguments": ["--a"]}));
        std::fs::remove_dir_all(folder).unwrap();
    }
}

//! Packages of Debian, unpacked into a folder. In: the machine's own apt, with its mirror and its keys. Out: programs that
//! run with their own loader and libraries. Nothing of the system changes: apt works on lists, a cache and a package
//! status of its own, and packages are unpacked, not installed.

use super::{on_path, run};
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The suite that has what is needed; stable releases of Debian have no MySQL, and old programs.
pub const SUITE: &str = "unstable";
/// Keys of the archive, where the machine's sources name none.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Unpacks packages below `draft`, `depending` on others or as they are, and returns the root that they were unpacked to.
pub fn unpacked(draft: &Path, packages: &[&str], depending: bool) -> Result<PathBuf> {
    for tool in ["apt-get", "dpkg-deb"] {
        if on_path(tool).is_none() {
            bail!("it can be installed on Debian machines alone: {tool} is not on the path");
        }
    }
    let apt = Apt::prepare(&draft.join("apt"))?;
    run(apt.command().arg("update"))
        .context("apt could not read the package lists; if it misses a key, install a newer debian-archive-keyring")?;
    let archives = apt.folder.join("cache/archives");
    let arguments: &[&str] = if depending { &["install", "--yes", "--download-only"] } else { &["download"] };
    // What is downloaded without what it depends on goes to where apt is.
    run(apt.command().args(arguments).args(packages).current_dir(&archives))
        .context("apt could not download the packages")?;
    let root = draft.join("root");
    unpack(&archives, &root)?;
    std::fs::remove_dir_all(&apt.folder).context("could not remove what was downloaded")?;
    Ok(root)
}

/// An apt that works in a folder of its own.
struct Apt {
    folder: PathBuf,
}

impl Apt {
    fn prepare(folder: &Path) -> Result<Apt> {
        let make = |path: &str| {
            let path = folder.join(path);
            std::fs::create_dir_all(&path).with_context(|| format!("could not create {}", path.display()))
        };
        ["state/lists/partial", "cache/archives/partial", "none"].into_iter().try_for_each(make)?;
        let (mirror, keys) = mirror()?;
        let options = if keys.is_empty() { String::new() } else { format!("[signed-by={keys}] ") };
        let at = folder.display();
        // The machine's own configuration is read before this one: proxies and the like hold here too. What it does
        // after each update does not: that is about the system.
        let configuration = format!(
            "Dir::State \"{at}/state/\";\nDir::State::status \"{at}/state/status\";\nDir::Cache \"{at}/cache/\";\n\
             Dir::Etc::sourcelist \"{at}/sources.list\";\nDir::Etc::sourceparts \"{at}/none/\";\n\
             Dir::Etc::preferences \"/dev/null\";\nDir::Etc::preferencesparts \"{at}/none/\";\n\
             APT::Install-Recommends \"false\";\nAPT::Sandbox::User \"root\";\nAcquire::Languages \"none\";\n\
             #clear APT::Update::Post-Invoke;\n#clear APT::Update::Post-Invoke-Success;\n#clear DPkg::Post-Invoke;\n\
             #clear DPkg::Pre-Install-Pkgs;\n#clear Acquire::IndexTargets::deb::DEP-11;\n\
             #clear Acquire::IndexTargets::deb::Contents-deb;\n"
        );
        let files = [
            ("apt.conf", configuration),
            ("sources.list", format!("deb {options}{mirror} {SUITE} main\n")),
            ("state/status", String::new()),
        ];
        for (name, text) in files {
            std::fs::write(folder.join(name), text).with_context(|| format!("could not write {at}/{name}"))?;
        }
        Ok(Apt { folder: folder.to_path_buf() })
    }

    fn command(&self) -> Command {
        let mut command = Command::new("apt-get");
        command.arg("-q").arg("-c").arg(self.folder.join("apt.conf")).env("LC_ALL", "C.UTF-8");
        command
    }
}

/// The Debian mirror that the machine uses, and the file with its keys, which may be empty: then apt uses its own.
fn mirror() -> Result<(String, String)> {
    let mut command = Command::new("apt-get");
    let output = command.args(["indextargets", "--format", "$(REPO_URI)|$(COMPONENT)|$(SIGNED_BY)"]).output();
    let output = output.context("could not ask apt for the machine's mirrors")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    choose(&text, Path::new(KEYRING).is_file())
        .context("the machine's apt sources name no Debian mirror (a line for …/debian with the component main)")
}

fn choose(targets: &str, has_keyring: bool) -> Option<(String, String)> {
    let lines = targets.lines().filter_map(|line| {
        let mut fields = line.split('|');
        Some((fields.next()?, fields.next()?, fields.next()?))
    });
    let mut debian =
        lines.filter(|(uri, component, _)| uri.trim_end_matches('/').ends_with("/debian") && *component == "main");
    let (uri, _, keys) = debian.next()?;
    // A key that stands in the source itself, or its fingerprint, cannot be handed on in one word.
    let keys = match keys.starts_with('/') && !keys.contains(char::is_whitespace) {
        true => keys,
        false if has_keyring => KEYRING,
        false => "",
    };
    Some((uri.trim_end_matches('/').to_owned(), keys.to_owned()))
}

fn unpack(archives: &Path, root: &Path) -> Result<()> {
    let entries = std::fs::read_dir(archives).with_context(|| format!("could not read {}", archives.display()))?;
    let mut packages: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    packages.retain(|path| path.extension().is_some_and(|extension| extension == "deb"));
    packages.sort();
    println!("unpacking {} packages", packages.len());
    std::fs::create_dir_all(root).with_context(|| format!("could not create {}", root.display()))?;
    for package in packages {
        run(Command::new("dpkg-deb").arg("--extract").arg(&package).arg(root))
            .with_context(|| format!("could not unpack {}", package.display()))?;
    }
    Ok(())
}

/// The words that run a program of unpacked packages by their own loader, once they are at `root`; none where the packages,
/// which are at `now`, have no such program. `libraries` are further folders with libraries, below the root.
pub fn words(now: &Path, root: &Path, program: &str, libraries: &[&str]) -> Result<Option<Vec<String>>> {
    let found = ["usr/sbin", "usr/bin"].into_iter().find(|folder| now.join(folder).join(program).is_file());
    let Some(found) = found else { return Ok(None) };
    let (folder, loader) = loader(now)?;
    let text = |path: PathBuf| path.display().to_string();
    let own = root.join("usr/lib").join(folder);
    let path: Vec<String> =
        std::iter::once(own.clone()).chain(libraries.iter().map(|below| root.join(below))).map(text).collect();
    let program = text(root.join(found).join(program));
    Ok(Some(vec![text(own.join(loader)), "--library-path".into(), path.join(":"), program]))
}

/// The folder of the libraries, like `x86_64-linux-gnu`, and the dynamic loader's name in it.
fn loader(root: &Path) -> Result<(String, String)> {
    let lib = root.join("usr/lib");
    for folder in std::fs::read_dir(&lib).with_context(|| format!("could not read {}", lib.display()))?.flatten() {
        for file in std::fs::read_dir(folder.path()).into_iter().flatten().flatten() {
            let name = file.file_name().to_string_lossy().into_owned();
            if name.starts_with("ld-linux") || name.starts_with("ld64.so") {
                return Ok((folder.file_name().to_string_lossy().into_owned(), name));
            }
        }
    }
    bail!("the packages hold no dynamic loader below {}", lib.display())
}

/// Writes programs, as wrappers that become what their words say, into a folder.
pub fn wrap(bin: &Path, programs: &[(&str, Vec<String>)]) -> Result<()> {
    std::fs::create_dir_all(bin).with_context(|| format!("could not create {}", bin.display()))?;
    for (name, words) in programs {
        let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
        let path = bin.join(name);
        let written = std::fs::write(&path, format!("#!/bin/sh\nexec {} \"$@\"\n", words.join(" ")))
            .and_then(|()| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)));
        written.with_context(|| format!("could not write {}", path.display()))?;
    }
    Ok(())
}

/// A word as a shell reads it, whatever is in it.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// Only one at a time installs `what`; the lock goes with the file.
pub fn lock(folder: &Path, what: &str) -> Result<File> {
    let path = folder.join(format!("{what}.lock"));
    let file = File::options().create(true).append(true).open(&path);
    let file = file.with_context(|| format!("could not open {}", path.display()))?;
    if file.try_lock().is_err() {
        println!("waiting for another installation of {what} to end (it holds {})", path.display());
        file.lock().with_context(|| format!("could not lock {}", path.display()))?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirror_is_the_machines_own_with_the_keys_that_it_trusts() {
        let targets = "http://security.example/debian-security/|main|/k.gpg\nhttp://mirror.example/debian/|contrib|/k.gpg\n\
                       http://mirror.example/debian/|main|/k.gpg\nhttp://other.example/debian/|main|\n";
        let chosen = |text: &str, keyring| choose(text, keyring).unwrap_or_default();
        let mirror = "http://mirror.example/debian".to_owned();
        assert_eq!(chosen(targets, true), (mirror.clone(), "/k.gpg".to_owned()));
        assert_eq!(chosen("http://mirror.example/debian/|main|", true), (mirror.clone(), KEYRING.to_owned()));
        assert_eq!(chosen("http://mirror.example/debian/|main|", false), (mirror, String::new()));
        assert_eq!(choose("http://archive.example/ubuntu/|main|\n", true), None);
    }
}

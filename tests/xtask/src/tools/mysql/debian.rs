//! Debian's MySQL, unpacked into a folder. In: the machine's own apt, with its mirror and its keys. Out: an installation
//! that runs with its own loader and libraries. Nothing of the system changes: apt works on lists, a cache and a package
//! status of its own, and packages are unpacked, not installed.

use super::super::{on_path, run};
use super::{FILE, NEEDED, WELCOME, describe, lock, version};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The suite that has MySQL; stable releases of Debian have none.
const SUITE: &str = "unstable";
const PACKAGES: [&str; 2] = ["mysql-server-core", "mysql-client-core"];
/// Keys of the archive, where the machine's sources name none.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// The installation in `folder`, made if it is not there.
pub(super) fn install(folder: &Path) -> Result<PathBuf> {
    let target = folder.join("mysql");
    let _held = lock(folder)?;
    if target.join(FILE).is_file() {
        return Ok(target);
    }
    for tool in ["apt-get", "dpkg-deb"] {
        if on_path(tool).is_none() {
            bail!("it can be installed on Debian machines alone: {tool} is not on the path");
        }
    }
    // Whatever an earlier attempt left; the lock says that none goes on.
    let draft = folder.join("mysql.partial");
    let _ = std::fs::remove_dir_all(&draft);
    let _ = std::fs::remove_dir_all(&target);
    let apt = Apt::prepare(&draft.join("apt"))?;
    println!("installing {} of Debian {SUITE} into {}", PACKAGES.join(" and "), target.display());
    run(apt.command().arg("update"))
        .context("apt could not read the package lists; if it misses a key, install a newer debian-archive-keyring")?;
    run(apt.command().args(["install", "--yes", "--download-only"]).args(PACKAGES))
        .context("apt could not download the packages")?;
    let root = draft.join("root");
    unpack(&apt.folder.join("cache/archives"), &root)?;
    std::fs::remove_dir_all(&apt.folder).context("could not remove what was downloaded")?;
    finish(&draft, &target)?;
    std::fs::rename(&draft, &target).with_context(|| format!("could not make {}", target.display()))?;
    Ok(target)
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

/// Tries the server where it was unpacked, and writes down how to run it where it will be.
fn finish(draft: &Path, target: &Path) -> Result<()> {
    let (folder, loader) = loader(&draft.join("root"))?;
    let words = |at: &Path, program: &str| -> Option<Vec<String>> {
        let found = ["usr/sbin", "usr/bin"].into_iter().find(|f| draft.join("root").join(f).join(program).is_file())?;
        let root = at.join("root");
        let libraries = [root.join("usr/lib").join(&folder), root.join("usr/lib/mysql/private")];
        let libraries: Vec<String> = libraries.iter().map(|path| path.display().to_string()).collect();
        let text = |path: PathBuf| path.display().to_string();
        let loader = text(root.join("usr/lib").join(&folder).join(&loader));
        Some(vec![loader, "--library-path".into(), libraries.join(":"), text(root.join(found).join(program))])
    };
    let server = words(draft, "mysqld").context("the packages hold no mysqld")?;
    let version = version(Command::new(&server[0]).args(&server[1..]).args(["--no-defaults", "--version"]))?;
    let mut programs = Vec::new();
    for name in NEEDED {
        programs.push((name, words(target, name).with_context(|| format!("the packages hold no {name}"))?));
    }
    programs.extend(WELCOME.iter().filter_map(|name| Some((*name, words(target, name)?))));
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

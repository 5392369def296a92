//! How commands reach a registry. Arguments and a reference in, a registry with a login out; and what a word on the command
//! line means, a file or a reference.

use super::mysql_login::read;
use super::run::duration;
use crate::plugins::source::oci::{Login, Registry, docker, reference::Reference};
use crate::plugins::source::web::{Authorities, Web, read_authorities};
use anyhow::{Context as _, anyhow};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Bytes of a component that commands take. What a host takes is a matter of its Plugin.
pub(super) const LARGEST: usize = 64 << 20;

/// Which registry is meant, and who asks.
#[derive(clap::Args, Debug)]
#[group(skip)]
pub(super) struct Arguments {
    /// User of the registry; without it, the login that docker's configuration has
    #[arg(long, value_name = "NAME", requires = "password_file")]
    username: Option<String>,
    /// File with the password
    #[arg(long, value_name = "FILE", requires = "username")]
    password_file: Option<PathBuf>,
    /// Folder of docker's config.json; without it, .docker in the home folder
    #[arg(long, value_name = "DIR", env = "DOCKER_CONFIG")]
    docker_config: Option<PathBuf>,
    /// File with certificates of authorities, in PEM, by which the registry is checked besides those of this machine
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Speak to the registry without TLS. With registries on this machine that is so unless --ca-file is given
    #[arg(long, conflicts_with = "ca_file")]
    plain_http: bool,
    /// Give up after this time: 30s, 10m, 2h
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = duration)]
    timeout: Duration,
}

impl Arguments {
    /// The registry of a reference, and how long it may take. Nothing is sent yet.
    pub async fn open(self, reference: &Reference) -> anyhow::Result<(Registry, Duration)> {
        let Arguments { username, password_file, docker_config, ca_file, plain_http, timeout } = self;
        let own = reference.is_on_this_machine();
        let plain = plain_http || (own && ca_file.is_none());
        let login = match (username, password_file) {
            (Some(name), Some(_)) if name.contains(':') => anyhow::bail!("--username must have no colon"),
            (Some(name), Some(file)) => Some(Login::new(&name, &read(&file)?)),
            _ => match docker_config.or_else(|| Some(std::env::home_dir()?.join(".docker"))) {
                Some(folder) => docker::find(&folder, &reference.registry).await?,
                None => None,
            },
        };
        if plain && !own && login.is_some() {
            tracing::warn!("the login goes to {} without TLS, as --plain-http says", reference.registry);
        }
        // Whoever names a registry on the command line means it, wherever it is.
        let trusted = match plain {
            true => [reference.authority(), format!("{}:80", reference.host())].into(),
            false => [format!("https://{}", reference.authority())].into(),
        };
        let web = Web::new(trusted, authorities(ca_file.as_deref())?);
        Ok((Registry::new(web, login), timeout))
    }
}

/// Certificates of authorities in a file; none without one.
pub(super) fn authorities(file: Option<&Path>) -> anyhow::Result<Authorities> {
    let Some(file) = file else { return Ok(Authorities::default()) };
    let pem = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    read_authorities(&pem).map_err(|message| anyhow!("{} {message}", file.display()))
}

/// Ends work that takes too long.
pub(super) async fn within<T, E: Into<anyhow::Error>>(
    timeout: Duration,
    work: impl Future<Output = Result<T, E>>,
) -> anyhow::Result<T> {
    match tokio::time::timeout(timeout, work).await {
        Ok(done) => done.map_err(Into::into),
        Err(_) => Err(anyhow!("the registry was not done within {} s; --timeout allows more", timeout.as_secs())),
    }
}

/// What is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    File(PathBuf),
    Artifact(Reference),
}

impl Subject {
    /// A file that is there, or that is written as one; else a reference.
    pub fn of(text: &str) -> anyhow::Result<Subject> {
        let path = Path::new(text);
        let written = ["/", "./", "../"].iter().any(|start| text.starts_with(start)) || text.ends_with(".wasm");
        if written || path.is_file() {
            return Ok(Subject::File(path.to_owned()));
        }
        let reference = Reference::parse(text).map_err(|error| anyhow!("there is no file {text}, and {error}"))?;
        Ok(Subject::Artifact(reference))
    }
}

/// The bytes of a component in a file.
pub(super) fn component(file: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    let reading = opened.take(LARGEST as u64 + 1).read_to_end(&mut bytes);
    reading.with_context(|| format!("cannot read {}", file.display()))?;
    anyhow::ensure!(bytes.len() <= LARGEST, "{} has more than {} MiB", file.display(), LARGEST >> 20);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_a_file_where_there_is_one_or_it_is_written_so_and_else_a_reference() {
        let file = |text: &str| matches!(Subject::of(text), Ok(Subject::File(_)));
        assert!(file("./a") && file("/tmp/a") && file("../a") && file("a.wasm") && file("Cargo.toml"));
        let reference = Reference::parse("r.example/a:1").unwrap();
        assert_eq!(Subject::of("r.example/a:1").unwrap(), Subject::Artifact(reference));
        let error = Subject::of("nothing").unwrap_err().to_string();
        assert!(error.contains("no file nothing") && error.contains("no reference"), "{error}");
    }
}

//! Logins that docker and its kin keep for a person. A folder and a registry in, a login out: from `config.json`, or from
//! the helper program that it names, which reads them from the keyring of the desktop or makes them for a cloud.

use super::super::SourceError;
use super::login::Login;
use model::redact::Redacted;
use serde_json::Value;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

/// The file with logins.
const FILE: &str = "config.json";
/// How long a helper may take: it may have to ask a cloud, or a person.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes of what a helper says.
const SAID: u64 = 64 << 10;

/// The registry by the name that configurations have for it. That of Docker Hub is a historical one.
pub(super) fn key(registry: &str) -> &str {
    if registry == "docker.io" { "index.docker.io" } else { registry }
}

/// The login for a registry; none where the folder has none.
///
/// # Errors
/// When the configuration is none, or its helper fails.
pub async fn find(folder: &Path, registry: &str) -> Result<Option<Login>, SourceError> {
    let path = folder.join(FILE);
    let what = path.display().to_string();
    let text = match tokio::fs::read(&path).await {
        Ok(text) => Redacted::new(text),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        Err(error) => return Err(SourceError::Unreachable { what, message: error.to_string() }),
    };
    let config: Value = serde_json::from_slice(text.expose()).map_err(|error| {
        // What the parser says names no content.
        SourceError::Unusable(format!("{what} is no JSON: line {}, column {}", error.line(), error.column()))
    })?;
    match helper(&config, registry) {
        Some(name) => match ask(&program(&name, &what)?, registry).await? {
            Some(login) => Ok(Some(login)),
            None => Ok(Login::of_docker_config(&config, registry)),
        },
        None => Ok(Login::of_docker_config(&config, registry)),
    }
}

/// Name of the helper for a registry: its own, else the one for all.
fn helper(config: &Value, registry: &str) -> Option<String> {
    let own = config.get("credHelpers").and_then(|helpers| helpers.get(key(registry)));
    let name = own.or_else(|| config.get("credsStore"))?.as_str()?;
    Some(name.to_owned()).filter(|name| !name.is_empty())
}

/// The program of a helper. Its name comes from a file: it is one word, so that no path is run.
fn program(name: &str, what: &str) -> Result<PathBuf, SourceError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if !name.bytes().all(plain) {
        return Err(SourceError::Unusable(format!("{what} names a helper {name:?}, which is no name of a program")));
    }
    Ok(PathBuf::from(format!("docker-credential-{name}")))
}

/// Asks a helper program; none where it knows no login.
async fn ask(program: &Path, registry: &str) -> Result<Option<Login>, SourceError> {
    let what = program.display().to_string();
    let failed = |message: String| SourceError::Unreachable { what: what.clone(), message };
    let asking = async {
        let mut child = Command::new(program)
            .arg("get")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()?;
        let name = match key(registry) {
            "index.docker.io" => "https://index.docker.io/v1/",
            registry => registry,
        };
        if let Some(mut stdin) = child.stdin.take() {
            // A helper that ended early says why itself.
            let _ = stdin.write_all(name.as_bytes()).await;
        }
        let mut said = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            stdout.take(SAID).read_to_end(&mut said).await?;
        }
        std::io::Result::Ok((child.wait().await?, Redacted::new(said)))
    };
    let asked = tokio::time::timeout(PATIENCE, asking).await;
    let (status, said) = match asked {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) if error.kind() == ErrorKind::NotFound => {
            return Err(failed("docker's configuration names this program, and it is not on the path".into()));
        }
        Ok(Err(error)) => return Err(failed(error.to_string())),
        Err(_) => return Err(SourceError::Slow { what, limit: PATIENCE }),
    };
    if !status.success() {
        // This text is part of the protocol of helpers.
        let none = String::from_utf8_lossy(said.expose()).contains("credentials not found");
        return if none { Ok(None) } else { Err(failed(format!("it ended with {status}"))) };
    }
    let answer: Value = serde_json::from_slice(said.expose()).map_err(|_| failed("it gives no JSON".into()))?;
    let text = |field: &str| answer.get(field).and_then(Value::as_str).unwrap_or_default();
    match (text("Username"), text("Secret")) {
        ("", _) | (_, "") => Ok(None),
        ("<token>", _) => Err(failed("it gives an identity token; log in with a name and a password".into())),
        (name, secret) => Ok(Some(Login::new(name, secret))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn written(config: &Value) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), config.to_string()).unwrap();
        folder
    }

    #[tokio::test]
    async fn a_login_is_read_from_the_file_of_docker() {
        let folder = written(&json!({"auths": {"r.example": {"auth": "YTpi"}}}));
        assert!(find(folder.path(), "r.example").await.unwrap().is_some());
        assert!(find(folder.path(), "other.example").await.unwrap().is_none());
        assert!(find(&folder.path().join("none"), "r.example").await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_file_that_is_no_configuration_is_named_and_not_quoted() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), "{\"auths\": hunter2").unwrap();
        let error = find(folder.path(), "r.example").await.err().unwrap().to_string();
        assert!(error.contains("config.json is no JSON: line 1") && !error.contains("hunter2"), "{error}");
    }

    #[tokio::test]
    async fn a_helper_that_is_no_name_or_not_there_is_an_error() {
        for (name, word) in [("../../bin/sh", "no name of a program"), ("windlass-none", "not on the path")] {
            let folder = written(&json!({"credsStore": name}));
            let error = find(folder.path(), "r.example").await.err().unwrap().to_string();
            assert!(error.contains(word), "{error}");
        }
        let own = json!({"credsStore": "all", "credHelpers": {"r.example": "own"}});
        assert_eq!(helper(&own, "r.example").as_deref(), Some("own"));
        assert_eq!(helper(&own, "other.example").as_deref(), Some("all"));
    }

    #[tokio::test]
    async fn a_helper_is_asked_for_the_registry() {
        let folder = tempfile::tempdir().unwrap();
        let run = async |script: &str| {
            let path = folder.path().join("helper");
            // Written by another process: a program that a process has open for writing cannot be run by its children.
            let write = "printf '#!/bin/sh\\n%s\\n' \"$1\" > \"$0\" && chmod 755 \"$0\"";
            let written = std::process::Command::new("sh").args(["-c", write]).arg(&path).arg(script).status();
            assert!(written.unwrap().success());
            ask(&path, "r.example").await
        };
        let good = r#"[ "$1 $(cat)" = "get r.example" ] && echo '{"Username": "a", "Secret": "b"}'"#;
        assert!(run(good).await.unwrap().is_some());
        assert!(run("echo credentials not found in native keychain; exit 1").await.unwrap().is_none());
        let wrong = ["exit 3", "echo hello", r#"echo '{"Username": "<token>", "Secret": "hunter2"}'"#];
        for script in wrong {
            let error = run(script).await.err().unwrap().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}

//! A real registry: docker-registry on loopback and a free port. It ends with the test, and with the program of the tests if
//! that is killed.

use crate::identity::Identity;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The user that a registry with logins knows.
pub const USER: &str = "ada";
/// The password of that user.
pub const PASSWORD: &str = "kunigunde";
/// Both as a registry has them: bcrypt with the least cost, salt `abcdefghijklmnopqrstuu`.
const HTPASSWD: &str = "ada:$2y$05$abcdefghijklmnopqrstuuvDX3O2acJ38TKycPxoxpHOSWXnhGp0u\n";
/// Runs a program until standard input ends, however its writer came to its end.
const UNTIL_ALONE: &str = "\"$@\" & child=$!; read -r nothing; kill -KILL $child; wait";

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const MANIFESTS: &str = "Accept: application/vnd.oci.image.manifest.v1+json\r\n";

/// A registry.
pub struct Registry {
    /// `127.0.0.1:PORT`
    pub authority: String,
    folder: tempfile::TempDir,
    child: Child,
}

impl Drop for Registry {
    fn drop(&mut self) {
        // The shell around it ends it when nobody writes any more.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

impl Registry {
    /// Anybody may do anything, without TLS.
    pub async fn start() -> Result<Registry> {
        Registry::with(None, false).await
    }

    /// With TLS by an identity; with a login, that of [`USER`].
    pub async fn with(identity: Option<&Identity>, login: bool) -> Result<Registry> {
        let program = fixtures::environment::variable("WINDLASS_REGISTRY");
        let program = program.context("WINDLASS_REGISTRY names no registry; run tests by `cargo xtask test`")?;
        let folder = tempfile::tempdir()?;
        let path = |name: &str| folder.path().join(name);
        let mut config = json!({
            "version": 0.1,
            "log": {"level": "info", "accesslog": {"disabled": true}},
            "storage": {"filesystem": {"rootdirectory": path("store")}},
            "http": {"addr": "127.0.0.1:0"},
        });
        if let Some(Identity { certificate, key, .. }) = identity {
            std::fs::write(path("certificate.pem"), certificate)?;
            std::fs::write(path("key.pem"), key)?;
            config["http"]["tls"] = json!({"certificate": path("certificate.pem"), "key": path("key.pem")});
        }
        if login {
            std::fs::write(path("htpasswd"), HTPASSWD)?;
            config["auth"] = json!({"htpasswd": {"realm": "windlass", "path": path("htpasswd")}});
        }
        // JSON is YAML.
        std::fs::write(path("config.yml"), config.to_string())?;
        let log = File::create(path("log"))?;
        let child = Command::new("sh")
            .args(["-c", UNTIL_ALONE, "registry"])
            .arg(&program)
            .arg("serve")
            .arg(path("config.yml"))
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("no shell")?;
        let mut registry = Registry { authority: String::new(), folder, child };
        registry.authority = registry.address().await?;
        Ok(registry)
    }

    /// The address that it says in its log.
    async fn address(&self) -> Result<String> {
        let log: PathBuf = self.folder.path().join("log");
        for _ in 0..2400 {
            let text = std::fs::read_to_string(&log)?;
            if let Some((_, rest)) = text.split_once("listening on ") {
                let end = rest.find(|it: char| !it.is_ascii_digit() && it != '.' && it != ':');
                if let Some(end) = end {
                    return Ok(rest[..end].to_owned());
                }
            }
            if text.contains("level=fatal") || text.contains("not found") {
                bail!("the registry does not start:\n{text}");
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        bail!("the registry does not listen within 60 s:\n{}", std::fs::read_to_string(&log)?)
    }

    /// A reference below the registry.
    pub fn reference(&self, rest: &str) -> String {
        format!("{}/{rest}", self.authority)
    }

    /// What another client would do: one request without TLS. Status, header and body come out.
    pub async fn ask(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Result<(u16, String, Vec<u8>)> {
        let mut stream = TcpStream::connect(&self.authority).await?;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n",
            self.authority,
            body.len()
        );
        stream.write_all(&[head.as_bytes(), body].concat()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n").context("no answer")?;
        let head = String::from_utf8_lossy(&answer[..end]).into_owned();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).context("no status")?;
        Ok((status, head, answer.split_off(end + 4)))
    }

    /// A manifest or a configuration as it is stored.
    pub async fn document(&self, path: &str) -> Result<Value> {
        let (status, _, body) = self.ask("GET", path, MANIFESTS, b"").await?;
        anyhow::ensure!(status == 200, "{path}: {status}");
        Ok(serde_json::from_slice(&body)?)
    }

    /// Puts a blob, as other tools do; its digest comes out.
    pub async fn put_blob(&self, name: &str, blob: &[u8]) -> Result<String> {
        let digest = format!("sha256:{}", crate::sha256(blob));
        let (status, head, _) = self.ask("POST", &format!("/v2/{name}/blobs/uploads/"), "", b"").await?;
        anyhow::ensure!(status == 202, "{status}");
        let location = head.lines().find_map(|line| line.strip_prefix("Location: ")).context("no location")?;
        let path = &location[location.find("/v2/").context("no path")?..];
        let (status, ..) = self.ask("PUT", &format!("{path}&digest={digest}"), "", blob).await?;
        anyhow::ensure!(status == 201, "{status}");
        Ok(digest)
    }

    /// Stores a bundle as cosign does: in an artifact that refers to a manifest, and in the index of those that do.
    pub async fn refer(&self, name: &str, manifest: &str, media_type: &str, bundle: &Value) -> Result<()> {
        let (empty, bytes) = (self.put_blob(name, b"{}").await?, bundle.to_string());
        let digest = self.put_blob(name, bytes.as_bytes()).await?;
        let (status, _, subject) = self.ask("GET", &format!("/v2/{name}/manifests/{manifest}"), MANIFESTS, b"").await?;
        anyhow::ensure!(status == 200, "{status}");
        let artifact = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": media_type,
            "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": empty, "size": 2},
            "layers": [{"mediaType": media_type, "digest": digest, "size": bytes.len()}],
            "subject": {"mediaType": MANIFEST, "digest": manifest, "size": subject.len()},
            "annotations": {
                "dev.sigstore.bundle.content": "dsse-envelope",
                "dev.sigstore.bundle.predicateType": "https://sigstore.dev/cosign/sign/v1",
            },
        });
        let text = artifact.to_string();
        let digest = format!("sha256:{}", crate::sha256(text.as_bytes()));
        self.put_manifest(name, &digest, &artifact).await?;
        let listed = json!({
            "mediaType": MANIFEST, "artifactType": media_type, "digest": digest, "size": text.len(),
            "annotations": artifact["annotations"],
        });
        let index = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [listed],
        });
        self.put_manifest(name, &manifest.replace(':', "-"), &index).await
    }

    /// Puts a manifest, or an index that says so, under a tag.
    pub async fn put_manifest(&self, name: &str, tag: &str, manifest: &Value) -> Result<()> {
        let type_ = format!("Content-Type: {}\r\n", manifest["mediaType"].as_str().unwrap_or(MANIFEST));
        let path = format!("/v2/{name}/manifests/{tag}");
        let (status, _, body) = self.ask("PUT", &path, &type_, manifest.to_string().as_bytes()).await?;
        anyhow::ensure!(status == 201, "{status} {}", String::from_utf8_lossy(&body));
        Ok(())
    }
}

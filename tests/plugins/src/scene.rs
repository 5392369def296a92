//! A cluster, a host that serves `Plugin` resources on it, and a kubectl.

use anyhow::{Context, Result, anyhow, bail};
use apiserver::controllers::Controllers;
use apiserver::{Options, Server};
use fixtures::Kubectl;
use fixtures::stage::condition;
use fixtures::wire::Wire;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use windlass::decide::{Compiler, compile::Child};
use windlass::plugins::source;
use windlass::run::{RunConfig, RunError};

/// How long anything may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// A cluster with a host.
pub struct Scene {
    /// The API server.
    pub server: Server,
    /// kubectl in the namespace `default`.
    pub kubectl: Kubectl,
    /// A client with all rights that is not the host's.
    pub client: kube::Client,
    /// What the host says to the API server.
    pub wire: Wire,
    /// Settings of the host.
    pub config: RunConfig,
    /// Token of the account that the host has; none: it may do everything.
    pub token: Option<String>,
    folder: tempfile::TempDir,
    controllers: Controllers,
    host: Option<(CancellationToken, JoinHandle<Result<(), RunError>>)>,
}

/// A compiler with tight limits: the program of the suite.
pub fn compiler(program: &str) -> Compiler {
    Compiler::Child(Child { program: program.into(), memory: 400 << 20, time: Duration::from_secs(60) })
}

impl Scene {
    /// A fresh cluster with a host that compiles with `program`.
    pub async fn start(program: &str, change: impl FnOnce(&mut RunConfig)) -> Result<Scene> {
        let mut scene = Scene::prepare(program, change).await?;
        scene.start_host().await?;
        Ok(scene)
    }

    /// A fresh cluster, and a host that is not started yet.
    pub async fn prepare(program: &str, change: impl FnOnce(&mut RunConfig)) -> Result<Scene> {
        let server = Server::start(Options { history: 500, ..Options::default() }).await?;
        let folder = tempfile::tempdir()?;
        let kubeconfig = folder.path().join("kubeconfig");
        std::fs::write(&kubeconfig, server.kubeconfig())?;
        std::fs::create_dir(folder.path().join("files"))?;
        let client = fixtures::host::client(&kubeconfig).await?;
        let controllers = Controllers::start(client.clone(), Default::default());
        let resources = source::Options {
            files: Some(folder.path().join("files")),
            deadline: Duration::from_secs(3),
            refresh: Duration::from_millis(400),
            ..source::Options::default()
        };
        let mut config = RunConfig {
            resources: Some(resources),
            cache_dir: Some(folder.path().join("cache")),
            ..RunConfig::new(compiler(program))
        };
        change(&mut config);
        let kubectl = Kubectl::new(&kubeconfig, "default");
        let wire = Wire::new();
        Ok(Scene { server, kubectl, client, wire, config, token: None, folder, controllers, host: None })
    }

    /// A host as a process of its own, of the program `windlass`.
    pub async fn spawn_host(&self, program: &str) -> Result<tokio::process::Child> {
        let at = |name: &str| self.folder.path().join(name).display().to_string();
        let (kubeconfig, files, cache) = (at("kubeconfig"), at("files"), at("cache"));
        let arguments = ["--log", "warn", "run", "--kubeconfig", &kubeconfig, "--plugin-files", &files];
        let host = tokio::process::Command::new(program)
            .args(arguments)
            .args(["--cache-dir", &cache, "--plugin-refresh", "10s"])
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("could not start {program}"))?;
        self.until("the kind Plugin", async || Ok(self.plugins().list(&Default::default()).await.is_ok())).await?;
        Ok(host)
    }

    /// Starts a host, as it was configured.
    pub async fn start_host(&mut self) -> Result<()> {
        let stop = CancellationToken::new();
        let mut config = kube::Config::new(self.server.url().parse()?);
        config.auth_info.token = self.token.clone().map(Into::into);
        let client = fixtures::host::connect(config)?;
        let running = windlass::run::run(self.config.clone(), self.wire.over(client), stop.clone());
        self.host = Some((stop, tokio::spawn(running)));
        self.until("the kind Plugin", async || Ok(self.plugins().list(&Default::default()).await.is_ok())).await
    }

    /// Ends the host in an orderly way.
    pub async fn stop_host(&mut self) -> Result<()> {
        let Some((stop, task)) = self.host.take() else { return Ok(()) };
        stop.cancel();
        task.await.map_err(|error| anyhow!("the host panicked: {error}"))?.context("the host failed")
    }

    /// Ends the host at once, as SIGKILL does: no request leaves it after this returns.
    pub async fn kill_host(&mut self) {
        if let Some((_, task)) = self.host.take() {
            task.abort();
            let _ = task.await;
        }
    }

    /// Ends everything.
    pub async fn end(mut self) -> Result<()> {
        self.stop_host().await?;
        self.controllers.stop().await;
        self.server.stop().await;
        Ok(())
    }

    /// Folder for whatever a test keeps.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Puts a component where sources of kind `file` are, at once as a whole; the source comes out.
    pub fn put(&self, name: &str, component: &[u8]) -> Result<Value> {
        let path: PathBuf = self.folder.path().join("files").join(name);
        let part = path.with_extension("part");
        std::fs::write(&part, component)?;
        std::fs::rename(part, path)?;
        Ok(json!({ "file": { "path": name } }))
    }

    /// `Plugin` resources.
    pub fn plugins(&self) -> Api<DynamicObject> {
        let kind = GroupVersionKind::gvk("windlass.dev", "v1alpha1", "Plugin");
        Api::all_with(self.client.clone(), &ApiResource::from_gvk_with_plural(&kind, "plugins"))
    }

    /// Objects of a namespaced kind.
    pub fn objects(&self, group: &str, version: &str, kind: &str) -> Api<DynamicObject> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        Api::namespaced_with(self.client.clone(), "default", &resource)
    }

    /// Applies a `Plugin`, as a user would by a program.
    pub async fn apply(&self, name: &str, spec: Value) -> Result<()> {
        let manifest = json!({
            "apiVersion": "windlass.dev/v1alpha1", "kind": "Plugin", "metadata": {"name": name}, "spec": spec,
        });
        let parameters = PatchParams::apply("user").force();
        self.plugins().patch(name, &parameters, &Patch::Apply(&manifest)).await.context("not applied").map(drop)
    }

    /// Applies a `Greeting`.
    pub async fn greet(&self, name: &str) -> Result<()> {
        let manifest = json!({
            "apiVersion": "examples.windlass.dev/v1", "kind": "Greeting", "metadata": {"name": name}, "spec": {"name": name},
        });
        let api = self.objects("examples.windlass.dev", "v1", "Greeting");
        api.patch(name, &PatchParams::apply("user").force(), &Patch::Apply(&manifest)).await?;
        Ok(())
    }

    /// The text of a greeting's ConfigMap as it is.
    pub async fn text(&self, name: &str) -> Result<String> {
        let map = self.objects("", "v1", "ConfigMap").get(&format!("{name}-greeting")).await?;
        Ok(map.data["data"]["text"].as_str().unwrap_or_default().to_owned())
    }

    /// Waits until a `Greeting` has led to a ConfigMap whose text begins so.
    pub async fn until_greeted(&self, name: &str, word: &str) -> Result<()> {
        let maps = self.objects("", "v1", "ConfigMap");
        let child = format!("{name}-greeting");
        self.until(&format!("the text of {child} to begin with {word}"), async || {
            let found = maps.get_opt(&child).await?;
            Ok(found.is_some_and(|map| map.data["data"]["text"].as_str().is_some_and(|text| text.starts_with(word))))
        })
        .await
    }

    /// The status of a `Plugin`.
    pub async fn status(&self, name: &str) -> Result<Value> {
        Ok(self.plugins().get(name).await?.data["status"].clone())
    }

    /// Waits until a condition of a `Plugin` has this status and reason; its message comes out.
    pub async fn until_says(&self, name: &str, type_: &str, status: &str, reason: &str) -> Result<String> {
        let what = format!("{name} to say {type_} {status} {reason}");
        let mut message = String::new();
        let waited = self
            .until(&what, async || {
                let Some(plugin) = self.plugins().get_opt(name).await? else { return Ok(false) };
                let shown = condition(&plugin, type_);
                message = shown.message.clone();
                Ok(shown.status == status && shown.reason == reason)
            })
            .await;
        match waited {
            Ok(()) => Ok(message),
            Err(error) => Err(error.context(self.status(name).await?.to_string())),
        }
    }

    /// Waits until the version that is to take over is in this phase; what the status says of it comes out.
    pub async fn until_phase(&self, name: &str, phase: &str) -> Result<Value> {
        let what = format!("the rollout of {name} to be {phase}");
        let waited = self.until(&what, async || Ok(self.status(name).await?["rollout"]["phase"] == phase)).await;
        let status = self.status(name).await?;
        waited.with_context(|| status.to_string())?;
        Ok(status["rollout"].clone())
    }

    /// Waits until the component of this digest serves.
    pub async fn until_serves(&self, name: &str, component: &[u8]) -> Result<()> {
        let digest = format!("sha256:{}", crate::sha256(component));
        let what = format!("{name} to serve {digest}");
        let waited = self.until(&what, async || {
            let Some(plugin) = self.plugins().get_opt(name).await? else { return Ok(false) };
            Ok(plugin.data["status"]["digest"] == digest && condition(&plugin, "Serving").reason == "WantedVersion")
        });
        match waited.await {
            Ok(()) => Ok(()),
            Err(error) => Err(error.context(self.status(name).await?.to_string())),
        }
    }

    /// Asks again until the answer is yes.
    pub async fn until(&self, what: &str, mut done: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
        let limit = tokio::time::Instant::now() + PATIENCE;
        let mut last = None;
        loop {
            match done().await {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(error) => last = Some(error),
            }
            if tokio::time::Instant::now() > limit {
                bail!("waited {} s for {what}; last error: {last:?}", PATIENCE.as_secs());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

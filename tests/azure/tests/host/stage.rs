//! A cluster, an Azure, and hosts that come and go between them.

use anyhow::{Context, Result, bail, ensure};
use azure::{Cloud, Config, Server, Site, SystemClock, Timing};
use fixtures::World;
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use model::redact::Redacted;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OnceCell;
use tokio::task::{AbortHandle, JoinHandle};
use tokio_util::sync::CancellationToken;
use windlass::azure::{Azure, Endpoints, Identity, Wire};
use windlass::context::Served;
use windlass::decide::{Compiler, Engine, EngineOptions};
use windlass::run::{Loaded, RunConfig, RunError};

pub(crate) const NAME: &str = "customer-123-db";
pub(crate) const NAMESPACE: &str = "default";
pub(crate) const VAULT: &str = "windlass-customers";
pub(crate) const GROUP: &str = "/subscriptions/00000000-0000-4000-8000-00000000a2e0/resourceGroups/customers";
/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// The id of a server.
pub(crate) fn server_id(name: &str) -> String {
    format!("{GROUP}/providers/Microsoft.Sql/servers/{name}")
}

/// Everything in a fraction of a second, in the order in which Azure has it.
pub(crate) fn brisk() -> Timing {
    Timing {
        create: 700,
        invisible: 400,
        update: 200,
        delete: 300,
        child: 200,
        vault: 200,
        token: 3_600_000,
        retry_after: 0,
    }
}

/// The kind of the plugin.
pub(crate) fn resource_kind() -> kube::api::ApiResource {
    let kind = GroupVersionKind::gvk("serviceoperator.azure.com", "v1beta1", "AzureSQLServer");
    kube::api::ApiResource::from_gvk_with_plural(&kind, "azuresqlservers")
}

/// Tests run at the size that the promise has, however long it takes: `cargo xtask test --suite azure --full`.
#[allow(dead_code, reason = "the demo has one size")]
pub(crate) fn full() -> bool {
    fixtures::environment::variable("WINDLASS_FULL").is_some()
}

/// The plugin where the operator set no Key Vault.
#[allow(dead_code, reason = "the demo has a Key Vault")]
pub(crate) async fn without_vault() -> Result<Loaded> {
    let Loaded { name, served } = plugin().await?;
    let mut settings: Value = serde_json::from_str(&served.settings)?;
    settings.as_object_mut().context("settings are an object")?.remove("keyVault");
    let served = Served::new(served.decider.clone(), served.grants.clone(), settings.to_string().into());
    Ok(Loaded { name, served: Arc::new(served) })
}

static PLUGIN: OnceCell<Loaded> = OnceCell::const_new();

/// The built plugin, compiled once for all tests.
pub(crate) async fn plugin() -> Result<Loaded> {
    PLUGIN.get_or_try_init(|| load("azuresql")).await.cloned()
}

/// A built plugin.
pub(crate) async fn load(plugin: &str) -> Result<Loaded> {
    let engine = Engine::new(EngineOptions::new(Compiler::InProcess)).context("the engine does not start")?;
    for files in windlass::plugins::discover(&fixtures::components::folder()?) {
        let files = files.context("a plugin is not readable")?;
        if files.name != plugin {
            continue;
        }
        let (name, limits) = (files.name.clone(), files.limits.clone());
        let (grants, settings) = (files.grants.clone(), files.settings.to_string());
        let plugin = engine.load(&name, files.read()?, limits).await.context("the plugin does not load")?;
        // The threads of the engine end with the process.
        std::mem::forget(engine);
        return Ok(Loaded { name, served: Arc::new(Served::new(Arc::new(plugin), grants, settings.into())) });
    }
    bail!("there is no {plugin}.wasm; run `cargo xtask build-plugins`, or tests by `cargo xtask test`")
}

/// A running host.
pub(crate) struct Host {
    stop: CancellationToken,
    task: JoinHandle<Result<(), RunError>>,
    pub(crate) metrics: Arc<windlass::serve::Metrics>,
}

impl Host {
    pub(crate) async fn stop(self) -> Result<()> {
        self.stop.cancel();
        self.task.await.context("the host panicked")?.context("the host failed")
    }

    pub(crate) async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }

    pub(crate) fn killer(&self) -> AbortHandle {
        self.task.abort_handle()
    }
}

/// A cluster and an Azure.
pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) azure: Server,
    pub(crate) look_every: Duration,
    pub(crate) loaded: Vec<Loaded>,
    pub(crate) namespace: String,
}

impl Stage {
    pub(crate) async fn new(config: Config) -> Result<Stage> {
        let world = World::start().await?;
        let azure = Server::start(Cloud::new(config.with_vault(VAULT), SystemClock)).await?;
        let loaded = vec![plugin().await?];
        Ok(Stage { world, azure, look_every: Duration::from_secs(600), loaded, namespace: NAMESPACE.into() })
    }

    pub(crate) async fn brisk() -> Result<Stage> {
        Stage::new(Config::default().timed(brisk())).await
    }

    pub(crate) fn cloud(&self) -> &Cloud {
        self.azure.cloud()
    }

    pub(crate) fn endpoints(&self) -> Endpoints {
        let login = "https://login.windlass.test".to_owned();
        let instead = [
            (login.clone(), self.azure.login()),
            ("http://169.254.169.254".to_owned(), self.azure.imds()),
            (format!("https://{VAULT}.vault.azure.net"), self.azure.vault(VAULT)),
        ];
        Endpoints { resource_manager: self.azure.arm(), login, instead: instead.into(), ..Endpoints::public() }
    }

    /// The application that the stand-in knows.
    pub(crate) fn identity(&self) -> Identity {
        Identity::ClientSecret {
            tenant: "00000000-0000-4000-8000-00000000da7e".into(),
            client: "00000000-0000-4000-8000-0000000000c1".into(),
            secret: Redacted::new("a-client-secret".to_owned()),
        }
    }

    pub(crate) fn backend(&self, identity: Option<Identity>) -> Azure {
        let endpoints = self.endpoints();
        let wire = Arc::new(Wire::new(endpoints.instead.clone()));
        Azure::new(endpoints, wire, identity).looking_every(self.look_every)
    }

    /// Another host, which shares nothing with those before it.
    pub(crate) fn host(&self) -> Result<Host> {
        self.host_as(Some(self.identity()))
    }

    pub(crate) fn host_as(&self, identity: Option<Identity>) -> Result<Host> {
        self.host_with(Arc::new(self.backend(identity)))
    }

    pub(crate) fn host_with(&self, azure: Arc<Azure>) -> Result<Host> {
        let config = RunConfig { loaded: self.loaded.clone(), azure, ..RunConfig::new(Compiler::InProcess) };
        let (stop, metrics) = (CancellationToken::new(), config.metrics.clone());
        let task = tokio::spawn(windlass::run::run(config, self.world.host_client()?, stop.clone()));
        Ok(Host { stop, task, metrics })
    }

    pub(crate) fn servers(&self) -> Api<DynamicObject> {
        Api::namespaced_with(self.world.client.clone(), &self.namespace, &resource_kind())
    }

    /// Applies the manifest of the mission with more in its spec, and annotations.
    pub(crate) async fn apply_with(&self, name: &str, more: Value, annotations: Value) -> Result<()> {
        let mut spec = json!({ "location": "eastus", "administratorLogin": "admin", "version": "12.0" });
        for (key, value) in more.as_object().into_iter().flatten() {
            spec[key] = value.clone();
        }
        let manifest = json!({
            "apiVersion": "serviceoperator.azure.com/v1beta1", "kind": "AzureSQLServer",
            "metadata": { "name": name, "annotations": annotations }, "spec": spec,
        });
        let parameters = PatchParams::apply("user").force();
        let last = std::sync::Mutex::new(String::new());
        let applied = self
            .until("the kind to be served", async || {
                match self.servers().patch(name, &parameters, &Patch::Apply(&manifest)).await {
                    Ok(_) => Ok(true),
                    Err(error) => {
                        *last.lock().unwrap() = error.to_string();
                        Ok(false)
                    }
                }
            })
            .await;
        applied.with_context(|| last.lock().unwrap().clone())
    }

    pub(crate) async fn apply(&self, more: Value) -> Result<()> {
        self.apply_with(NAME, more, json!({})).await
    }

    pub(crate) async fn delete(&self) -> Result<()> {
        self.servers().delete(NAME, &DeleteParams::default()).await.context("not deleted").map(drop)
    }

    /// The Ready condition: status and reason.
    pub(crate) async fn ready(&self, name: &str) -> Result<(String, String)> {
        let Some(object) = self.servers().get_opt(name).await? else { return Ok(Default::default()) };
        let shown = fixtures::stage::condition(&object, "Ready");
        Ok((shown.status, shown.reason))
    }

    /// Waits until the resource is Ready for the generation that it has.
    pub(crate) async fn until_ready(&self, name: &str) -> Result<()> {
        self.until(&format!("{name} to be ready"), async || {
            let Some(object) = self.servers().get_opt(name).await? else { return Ok(false) };
            let status = fixtures::stage::condition(&object, "Ready").status;
            Ok(status == "True" && object.data["status"]["observedGeneration"].as_i64() == object.metadata.generation)
        })
        .await
    }

    pub(crate) async fn until_reason(&self, name: &str, reason: &str) -> Result<()> {
        self.until(&format!("{name} to say {reason}"), async || Ok(self.ready(name).await?.1 == reason)).await
    }

    pub(crate) async fn until_gone(&self) -> Result<()> {
        self.until("the resource to be gone", async || Ok(self.servers().get_opt(NAME).await?.is_none())).await
    }

    pub(crate) async fn until(&self, what: &str, done: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
        self.until_in(PATIENCE, what, done).await
    }

    pub(crate) async fn until_in(
        &self,
        patience: Duration,
        what: &str,
        mut done: impl AsyncFnMut() -> Result<bool>,
    ) -> Result<()> {
        let limit = tokio::time::Instant::now() + patience;
        let mut last = None;
        loop {
            match done().await {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(error) => last = Some(error),
            }
            if tokio::time::Instant::now() > limit {
                bail!("waited {} s for {what}; {last:?}\n{}", patience.as_secs(), self.summary());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// What there is, for when something does not happen.
    pub(crate) fn summary(&self) -> String {
        let mut lines = Vec::new();
        for (name, object) in self.world.server.store().dump() {
            if name.contains("azuresqlservers") && !name.contains("customresource") {
                lines.push(format!("{name}: {} {}", object["metadata"]["annotations"], object["status"]));
            }
        }
        let writes = self.cloud().ledger().writes();
        lines.extend(writes.iter().map(|one| format!("{} {} {:?} {:?}", one.method, one.path, one.status, one.code)));
        lines.join("\n")
    }

    /// A key of the credentials' Secret.
    pub(crate) async fn secret(&self, name: &str, key: &str) -> Result<Option<String>> {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        let secrets = kube::api::ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "Secret"));
        let api: Api<DynamicObject> = Api::namespaced_with(self.world.client.clone(), &self.namespace, &secrets);
        let Some(secret) = api.get_opt(&format!("{name}-credentials")).await? else { return Ok(None) };
        let Some(encoded) = secret.data["data"][key].as_str() else { return Ok(None) };
        Ok(Some(String::from_utf8(STANDARD.decode(encoded)?)?))
    }

    /// The server has the Secret's login and password, and the vault has the Secret's values.
    pub(crate) async fn agrees(&self, name: &str) -> Result<()> {
        let password = self.secret(name, "password").await?.context("no password")?;
        let login = self.secret(name, "username").await?.context("no login")?;
        ensure!(self.cloud().can_log_in(&server_id(name), &login, &password), "the server has another password");
        for (part, key) in [("host", "host"), ("login", "username"), ("password", "password")] {
            let stored = self.cloud().vault_value(VAULT, &format!("{name}-{part}"));
            ensure!(stored == self.secret(name, key).await?, "the vault has another {part}");
        }
        Ok(())
    }

    /// Accepted writes to ARM with this method and a path that ends so.
    pub(crate) fn accepted(&self, method: &str, end: &str) -> usize {
        let end = end.to_ascii_lowercase();
        let writes = self.cloud().ledger().writes();
        let same =
            |one: &&azure::Entry| one.accepted && one.method == method && one.path.to_ascii_lowercase().ends_with(&end);
        writes.iter().filter(same).count()
    }

    /// Writes to ARM and vaults so far.
    pub(crate) fn writes(&self) -> usize {
        self.cloud().ledger().writes().iter().filter(|one| matches!(one.site, Site::Arm | Site::Vault(_))).count()
    }

    pub(crate) async fn end(self) {
        self.world.stop().await;
    }
}

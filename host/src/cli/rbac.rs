//! `windlass rbac`: grants come in, from files, a folder of plugins or a cluster; the roles that they need go out.

use super::connection;
use crate::decide::{Compiler, Engine, EngineOptions, Limits};
use crate::plugins::resource::{GROUP, PLURAL, VERSION};
use crate::plugins::{self, PluginSpec};
use crate::rbac::{self, Host, Names, Plugin, Served};
use crate::watch::discovery::Discovery;
use anyhow::{Context as _, bail};
use model::Kind;
use model::grant::ServiceAccount;
use serde::Deserialize as _;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Print the roles that the host and its plugins need for what they are granted, and no more
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:\n  windlass rbac --plugins ./plugins --no-plugin-resources\n  \
                        windlass rbac --file plugin.yaml --plugin-files ./components\n  \
                        windlass rbac --cluster --kubeconfig ~/.kube/config --output json")]
pub(super) struct Arguments {
    #[command(flatten)]
    connection: connection::Arguments,
    /// Plugins of a folder: NAME.wasm with NAME.grants.yaml
    #[arg(long, value_name = "DIR")]
    plugins: Option<PathBuf>,
    /// Plugin resources of a file; may be given several times
    #[arg(long = "file", short, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Folder of the components that Plugins with `spec.source.file` name
    #[arg(long, value_name = "DIR")]
    plugin_files: Option<PathBuf>,
    /// Plugin resources of the cluster that --kubeconfig names
    #[arg(long)]
    cluster: bool,
    /// A kind that a plugin serves, where its component is not at hand; may be given several times
    #[arg(long, value_name = "PLUGIN=PLURAL.GROUP", value_parser = serves)]
    serves: Vec<(String, Served)>,
    /// ServiceAccount of the host
    #[arg(long, value_name = "NAMESPACE/NAME", default_value = "windlass-system/windlass", value_parser = ServiceAccount::parse)]
    account: ServiceAccount,
    /// The host serves this namespace only; may be given several times
    #[arg(long = "namespace", value_name = "NAME", value_delimiter = ',')]
    namespaces: Vec<String>,
    /// The host serves no Plugin resources, only the plugins of a folder
    #[arg(long)]
    no_plugin_resources: bool,
    /// Namespace of what the host keeps for itself
    #[arg(long, value_name = "NAME", default_value = "windlass-system")]
    system_namespace: String,
    /// Form of the output
    #[arg(long, short, value_enum, default_value_t = Output::Yaml)]
    output: Output,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Output {
    Yaml,
    Json,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let mut found = Found::default();
    if let Some(folder) = &arguments.plugins {
        found.folder(folder).await?;
    }
    for file in &arguments.files {
        found.file(file, arguments.plugin_files.as_deref()).await?;
    }
    if arguments.cluster {
        found.cluster(&arguments.connection.client().await?).await?;
    }
    if arguments.plugins.is_none() && arguments.files.is_empty() && !arguments.cluster {
        bail!("name the plugins: --plugins DIR, --file FILE, or --cluster with --kubeconfig FILE");
    }
    let Found { mut plugins, names, .. } = found;
    for (name, served) in &arguments.serves {
        let plugin = plugins.iter_mut().find(|plugin| plugin.name == *name);
        plugin.with_context(|| format!("--serves {name}=…: there is no plugin {name}"))?.serves.push(served.clone());
    }
    if let Some(plugin) = plugins.iter().find(|plugin| plugin.serves.is_empty()) {
        let name = &plugin.name;
        bail!(
            "which kinds plugin {name} serves is not known: name the folder of its component with --plugin-files, or \
             say it with --serves {name}=PLURAL.GROUP, or read it from a cluster in which it is served"
        );
    }
    for plugin in &plugins {
        let (writes, reads) = (plugin.grants.writes.iter(), plugin.grants.reads.iter());
        let kinds =
            writes.map(|grant| (&grant.group, &grant.kind)).chain(reads.map(|grant| (&grant.group, &grant.kind)));
        for (group, kind) in kinds.filter(|(group, kind)| names.is_guess(group, kind)) {
            let plural = names.of(group, kind, false).plural;
            tracing::warn!(
                plugin = plugin.name,
                "the plural of {kind} is taken to be {plural}.{group}; a cluster would tell"
            );
        }
    }
    let host = Host {
        account: arguments.account,
        namespaces: arguments.namespaces,
        plugin_resources: !arguments.no_plugin_resources,
        system_namespace: arguments.system_namespace,
    };
    let documents = rbac::documents(&host, &plugins, &names);
    let text = match arguments.output {
        Output::Yaml => rbac::yaml(&plugins, &documents)?,
        Output::Json => format!("{:#}\n", rbac::list(&documents)),
    };
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(())
}

/// `PLUGIN=PLURAL.GROUP`
fn serves(text: &str) -> Result<(String, Served), String> {
    let read = text.split_once('=').and_then(|(name, kind)| Some((name.to_owned(), Served::named(kind, true)?)));
    read.ok_or_else(|| {
        format!("{text:?} is no kind of a plugin; write PLUGIN=PLURAL.GROUP, as in mysql=mysqls.database.example.com")
    })
}

/// Plugins that were found, and what kinds are called.
#[derive(Default)]
struct Found {
    plugins: Vec<Plugin>,
    names: Names,
    engine: Option<Engine>,
}

impl Found {
    async fn folder(&mut self, folder: &Path) -> anyhow::Result<()> {
        for files in plugins::discover(folder) {
            let files = files?;
            let mut plugin = Plugin {
                name: files.name.clone(),
                serves: Vec::new(),
                grants: files.grants.clone(),
                source: None,
                deletes_definitions: false,
                deletes_resources: false,
            };
            self.describe(&mut plugin, files.read()?, files.limits.clone()).await?;
            self.plugins.push(plugin);
        }
        Ok(())
    }

    async fn file(&mut self, file: &Path, components: Option<&Path>) -> anyhow::Result<()> {
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let before = self.plugins.len();
        for document in serde_yaml::Deserializer::from_str(&text) {
            let document = Value::deserialize(document).with_context(|| format!("{} is no YAML", file.display()))?;
            if document["kind"] != "Plugin" {
                continue;
            }
            let of_file = |error: String| anyhow::anyhow!("{}: {error}", file.display());
            let mut plugin = Plugin::of_resource(&document).map_err(of_file)?;
            let path = plugin.source.as_ref().and_then(|source| source.file.as_ref()).map(|file| file.path.clone());
            if let (Some(folder), Some(path)) = (components, path) {
                let path = folder.join(path);
                let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
                let limits = PluginSpec::read(&document).map_err(of_file)?.limits;
                self.describe(&mut plugin, bytes, limits).await?;
            }
            self.plugins.push(plugin);
        }
        if self.plugins.len() == before {
            bail!("{} has no document of kind Plugin", file.display());
        }
        Ok(())
    }

    /// Asks a component which kinds it serves.
    async fn describe(&mut self, plugin: &mut Plugin, bytes: Vec<u8>, limits: Limits) -> anyhow::Result<()> {
        let engine = match self.engine.clone() {
            Some(engine) => engine,
            None => {
                let compiler = Compiler::child().context("cannot find the program that compiles plugins")?;
                let engine = Engine::new(EngineOptions::new(compiler))?;
                self.engine.insert(engine).clone()
            }
        };
        tracing::info!(plugin = plugin.name, "asking the component which kinds it serves");
        let loaded = engine.load(&plugin.name, bytes, limits).await;
        let loaded = loaded.with_context(|| format!("plugin {} does not load", plugin.name))?;
        plugin.serve(&loaded.description().serves, &mut self.names);
        Ok(())
    }

    async fn cluster(&mut self, client: &kube::Client) -> anyhow::Result<()> {
        let request = http::Request::get(format!("/apis/{GROUP}/{VERSION}/{PLURAL}")).body(Vec::new())?;
        let list: Value = client.request(request).await.context("cannot list the Plugin resources of the cluster")?;
        for document in list["items"].as_array().into_iter().flatten() {
            self.plugins.push(Plugin::of_resource(document).map_err(anyhow::Error::msg)?);
        }
        self.ask_names(client).await
    }

    /// How the cluster serves the kinds of all grants.
    async fn ask_names(&mut self, client: &kube::Client) -> anyhow::Result<()> {
        let groups = client.list_api_groups().await.context("cannot ask the cluster for its API groups")?;
        let mut versions: BTreeMap<String, Vec<String>> = BTreeMap::from([(String::new(), vec!["v1".into()])]);
        for group in groups.groups {
            versions.insert(group.name, group.versions.into_iter().map(|version| version.version).collect());
        }
        let discovery = Discovery::new(client.clone());
        for plugin in &mut self.plugins {
            let (writes, reads) = (plugin.grants.writes.iter(), plugin.grants.reads.iter());
            let kinds =
                writes.map(|grant| (&grant.group, &grant.kind)).chain(reads.map(|grant| (&grant.group, &grant.kind)));
            for (group, kind) in kinds {
                for version in versions.get(group).into_iter().flatten() {
                    if let Some(found) = discovery.resolve(&Kind::new(group, version, kind)).await? {
                        self.names.insert(group, kind, &found.plural, found.namespaced);
                        break;
                    }
                }
            }
            for served in &mut plugin.serves {
                let name = format!(
                    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{}.{}",
                    served.plural, served.group
                );
                let request = http::Request::get(name).body(Vec::new())?;
                // One that cannot be read is in namespaces, as most are.
                if let Ok(definition) = client.request::<Value>(request).await {
                    self.names.insert_definition(&definition);
                    served.namespaced = definition["spec"]["scope"] != "Cluster";
                }
            }
        }
        Ok(())
    }
}

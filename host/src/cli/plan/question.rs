//! From the command line to the question: the new version from a file or a registry, the old one from what the Plugin
//! resource names.

use super::Arguments;
use crate::context::Served;
use crate::decide::{Digest, Engine, Limits, Plugin};
use crate::install::definition::Definition;
use crate::plugins::PluginSpec;
use crate::plugins::resource::status::ServedKind;
use crate::plugins::resource::{GROUP, Oci, PLURAL, Source, VERSION};
use crate::plugins::source::{Fetcher, Options};
use crate::run::preview::Question;
use anyhow::{Context as _, bail};
use http::Request;
use model::Kind;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;

/// A question, and words for its two sides.
pub(super) struct Asked {
    pub question: Question,
    /// `greeting 0.2.0 (sha256:…)`
    pub new: String,
    /// The same of what it is compared with; none: with what exists.
    pub old: Option<String>,
    /// What a person should know of the comparison.
    pub remarks: Vec<String>,
}

/// Fetches and loads both versions.
pub(super) async fn ask(arguments: &Arguments, client: &kube::Client, engine: &Engine) -> anyhow::Result<Asked> {
    let options = Options {
        files: arguments.plugin_files.clone(),
        trusted: arguments.trust_plugin_source.iter().cloned().collect(),
        ..Options::default()
    };
    let fetcher = Fetcher::new(options, client.clone());
    let plugins = plugins(client).await?;
    let grants = arguments.grants.as_deref().map(read_grants).transpose()?;
    let limits = grants.as_ref().map_or_else(Limits::default, |file| file.limits.clone());
    let bytes = fetch(&arguments.source, &fetcher, limits.component_size).await?;
    let new = load(engine, "new", bytes, limits).await.with_context(|| format!("{} is no plugin", arguments.source))?;
    let serves = kinds(&new)?;
    let document = chosen(arguments, &plugins, &serves)?;
    let mut remarks = Vec::new();
    let spec = document.map(|document| PluginSpec::read(document).map_err(anyhow::Error::msg)).transpose()?;
    let (granted, settings) = match (&grants, &spec) {
        (Some(file), _) => (file.grants.clone(), Value::Object(file.settings.clone())),
        (None, Some(spec)) => (spec.grants.clone(), Value::Object(spec.settings.clone())),
        (None, None) => bail!(
            "no Plugin serves {}; name what the new version may do with --grants FILE",
            serves.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        ),
    };
    let settings = settings.to_string();
    if let Err(errors) = new.validate_settings(&settings).await? {
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        bail!("the new version refuses its settings: {}", errors.join("; "));
    }
    let old = old(arguments, &fetcher, engine, document, spec.as_ref(), &mut remarks).await?;
    let kinds = match &old {
        // Resources are as the serving version has them.
        Some((plugin, _)) => kinds(plugin)?,
        None => serves.clone(),
    };
    let side = |plugin: &Plugin| {
        let description = plugin.description();
        format!("{} {} (sha256:{})", description.name, description.version, plugin.digest())
    };
    let (in_words, old_in_words) = (side(&new), old.as_ref().map(|(plugin, _)| side(plugin)));
    let old = match old {
        Some((plugin, spec)) => {
            let (granted, settings) = match spec {
                Some(spec) => (spec.grants, Value::Object(spec.settings).to_string()),
                None => (granted.clone(), settings.clone()),
            };
            Some(Arc::new(Served::new(Arc::new(plugin), granted, settings.into())))
        }
        None => None,
    };
    let question = Question {
        old,
        new: Arc::new(Served::new(Arc::new(new), granted, settings.into())),
        kinds,
        new_kinds: serves,
        namespaces: arguments.namespaces.clone(),
        system_namespace: arguments.system_namespace.clone(),
    };
    Ok(Asked { question, new: in_words, old: old_in_words, remarks })
}

async fn old(
    arguments: &Arguments,
    fetcher: &Fetcher,
    engine: &Engine,
    document: Option<&Value>,
    spec: Option<&PluginSpec>,
    remarks: &mut Vec<String>,
) -> anyhow::Result<Option<(Plugin, Option<PluginSpec>)>> {
    if let Some(file) = &arguments.against {
        let limits = spec.map_or_else(Limits::default, |spec| spec.limits.clone());
        let bytes = read(file)?;
        let plugin = load(engine, "old", bytes, limits).await;
        return Ok(Some((plugin.with_context(|| format!("{} is no plugin", file.display()))?, spec.cloned())));
    }
    let (Some(document), Some(spec)) = (document, spec) else {
        remarks.push("no Plugin serves these kinds: compared with what exists".into());
        return Ok(None);
    };
    let serving = document.pointer("/status/digest").and_then(Value::as_str).unwrap_or_default().to_owned();
    let fetched = match fetcher.fetch(&spec.source, spec.limits.component_size).await {
        Ok(fetched) => fetched,
        Err(error) => {
            remarks.push(format!(
                "what serves cannot be fetched from here ({error}): compared with what exists; name its file with --against"
            ));
            return Ok(None);
        }
    };
    let digest = format!("sha256:{}", Digest::of(&fetched.bytes));
    if digest != serving {
        remarks.push(format!(
            "the Plugin's source gives {digest}, and {serving} serves: compared with what exists; name the file of what serves \
             with --against"
        ));
        return Ok(None);
    }
    let plugin =
        load(engine, "old", fetched.bytes, spec.limits.clone()).await.context("what serves does not load here")?;
    Ok(Some((plugin, Some(spec.clone()))))
}

/// The Plugin that is to be taken over from.
fn chosen<'a>(arguments: &Arguments, plugins: &'a [Value], serves: &[Kind]) -> anyhow::Result<Option<&'a Value>> {
    let name = |plugin: &Value| plugin.pointer("/metadata/name").and_then(Value::as_str).map(str::to_owned);
    if let Some(wanted) = &arguments.plugin {
        let found = plugins.iter().find(|plugin| name(plugin).as_ref() == Some(wanted));
        return found.map(Some).with_context(|| format!("there is no Plugin {wanted}"));
    }
    Ok(plugins.iter().find(|plugin| {
        let kinds = plugin.pointer("/status/kinds").cloned().unwrap_or_default();
        let kinds: Vec<ServedKind> = serde_json::from_value(kinds).unwrap_or_default();
        kinds.iter().any(|kind| {
            let kind = Kind::from_manifest(&kind.api_version, &kind.kind);
            serves.iter().any(|served| (&served.group, &served.kind) == (&kind.group, &kind.kind))
        })
    }))
}

async fn plugins(client: &kube::Client) -> anyhow::Result<Vec<Value>> {
    let request = Request::get(format!("/apis/{GROUP}/{VERSION}/{PLURAL}")).body(Vec::new())?;
    match client.request::<Value>(request).await {
        Ok(list) => Ok(list.get("items").and_then(Value::as_array).cloned().unwrap_or_default()),
        // A cluster without the kind has none.
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(Vec::new()),
        Err(error) => Err(error).context("cannot list the Plugins of the cluster"),
    }
}

fn kinds(plugin: &Plugin) -> anyhow::Result<Vec<Kind>> {
    let definitions = plugin.description().serves.iter().map(Definition::new).collect::<Result<Vec<_>, _>>();
    let definitions = definitions.context("a kind that it serves is not valid")?;
    Ok(definitions.iter().filter_map(|definition| definition.watched().cloned()).collect())
}

async fn load(engine: &Engine, name: &str, bytes: Vec<u8>, limits: Limits) -> anyhow::Result<Plugin> {
    Ok(engine.load(name, bytes, limits).await?)
}

async fn fetch(source: &str, fetcher: &Fetcher, limit: usize) -> anyhow::Result<Vec<u8>> {
    let path = Path::new(source);
    if path.exists() || source.ends_with(".wasm") || source.starts_with(['.', '/']) {
        return read(path);
    }
    let oci = Oci { reference: source.into(), pull_secret: None };
    let source = Source { oci: Some(oci), ..Source::default() };
    Ok(fetcher.fetch(&source, limit).await?.bytes)
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

fn read_grants(path: &Path) -> anyhow::Result<crate::plugins::folder::GrantsFile> {
    serde_yaml::from_slice(&read(path)?).with_context(|| format!("{} is no file of grants", path.display()))
}

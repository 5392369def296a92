//! Plugins in a folder come in, plugins that run go out. One that does not load is reported and stops no other (H2).

use super::RunConfig;
use crate::context::Served;
use crate::decide::{Engine, EngineError, EngineOptions, Plugin};
use crate::plugins::{self, PluginFiles};
use crate::watch::page::chain;
use futures::{StreamExt, stream};
use std::sync::Arc;

/// Plugins that are loaded at the same time.
const AT_A_TIME: usize = 8;

/// A plugin that is loaded, with what its operator grants.
#[derive(Clone)]
pub struct Loaded {
    /// Name of the plugin, in logs.
    pub name: String,
    /// What decides, and what it may do.
    pub served: Arc<Served>,
}

/// The engine for plugins that are not loaded already; none where there are no such.
pub(super) fn engine(config: &RunConfig) -> Result<Option<Engine>, EngineError> {
    if config.plugins.is_none() && config.resources.is_none() {
        return Ok(None);
    }
    let options = EngineOptions {
        cache_dir: config.cache_dir.clone(),
        meter: config.metrics.clone(),
        ..EngineOptions::new(config.compiler.clone())
    };
    Engine::new(options).map(Some)
}

/// Loads the plugins of the folder that the configuration names.
pub(super) async fn load(config: &RunConfig, engine: Option<&Engine>) -> Vec<Loaded> {
    let mut loaded = config.loaded.clone();
    let (Some(folder), Some(engine)) = (&config.plugins, engine) else { return loaded };
    let folder = folder.clone();
    // Reading a folder blocks; a panic there is a defect that leaves no plugins, which is said below.
    let found = tokio::task::spawn_blocking(move || plugins::discover(&folder)).await.unwrap_or_default();
    if found.is_empty() && loaded.is_empty() {
        tracing::warn!(folder = ?config.plugins, "there is no plugin; put NAME.wasm and NAME.grants.yaml there");
    }
    // Side by side, in their order.
    let each = found.into_iter().map(|files| async move {
        match files {
            Ok(files) => one(engine, files).await,
            Err(error) => {
                tracing::error!("a plugin was left out: {}", chain(&error));
                None
            }
        }
    });
    loaded.extend(stream::iter(each).buffered(AT_A_TIME).collect::<Vec<_>>().await.into_iter().flatten());
    loaded
}

/// Why the settings of a plugin keep it out; none when it takes them.
async fn settings_refused(plugin: &Plugin, settings: &str) -> Option<String> {
    match plugin.validate_settings(settings).await {
        Ok(Ok(())) => None,
        Ok(Err(errors)) => {
            let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
            Some(format!("it refuses its settings: {}", errors.join("; ")))
        }
        Err(error) => Some(format!("it does not judge its settings: {error}")),
    }
}

async fn one(engine: &Engine, files: PluginFiles) -> Option<Loaded> {
    let name = files.name.clone();
    let limits = files.limits.clone();
    let (grants, settings) = (files.grants.clone(), files.settings.to_string());
    let read = tokio::task::spawn_blocking(move || files.read()).await;
    let bytes = match read {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(error)) => {
            tracing::error!(plugin = name, "the plugin was left out: {}", chain(&error));
            return None;
        }
        Err(error) => {
            tracing::error!(plugin = name, "the plugin was left out: {}", chain(&error));
            return None;
        }
    };
    match engine.load(&name, bytes, limits).await {
        Ok(plugin) => {
            if let Some(message) = settings_refused(&plugin, &settings).await {
                tracing::error!(plugin = name, "the plugin was left out: {message}");
                return None;
            }
            tracing::info!(plugin = name, version = plugin.description().version, digest = %plugin.digest(), "loaded");
            let served = Served::new(Arc::new(plugin), grants, settings.into());
            Some(Loaded { name, served: Arc::new(served) })
        }
        Err(error) => {
            tracing::error!(plugin = name, "the plugin was left out: {}", chain(&error));
            None
        }
    }
}

//! Resident memory with a hundred plugins loaded: a hundred different components, each called once.

use crate::{
    plugin::{self, component, of_model, snapshot},
    usage,
};
use anyhow::{Result, ensure};
use windlass::decide::{Engine, Limits, Plugin};

/// How many are loaded.
pub(crate) const PLUGINS: u8 = 100;

pub(crate) fn measure(_: usize) -> Result<String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let folder = tempfile::tempdir()?;
        let engine = plugin::engine(Some(folder.path()))?;
        let before = usage::resident();
        let plugins = load(&engine, PLUGINS).await?;
        let after = usage::resident();
        Ok(format!(
            "{:.1} MiB resident with {} plugins of {:.0} KiB loaded and called, {:.1} MiB before",
            usage::mib(after),
            plugins.len(),
            component()?.len() as f64 / 1024.0,
            usage::mib(before)
        ))
    })
}

/// Loads that many different plugins, and calls each once.
pub(crate) async fn load(engine: &Engine, count: u8) -> Result<Vec<Plugin>> {
    let component = component()?;
    let shown = of_model(&snapshot()?);
    let mut plugins = Vec::new();
    for number in 0..count {
        let plugin = engine.load(&format!("mysql-{number}"), distinct(&component, number), Limits::default()).await?;
        ensure!(plugin.decide(&shown).await?.outcome.is_ok(), "the plugin gave no decision");
        plugins.push(plugin);
    }
    Ok(plugins)
}

/// The component with a custom section of its own: other bytes, so another plugin.
fn distinct(component: &[u8], number: u8) -> Vec<u8> {
    [component, &[0, 4, 2, b'n', b'o', number]].concat()
}

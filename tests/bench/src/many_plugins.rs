//! Resident memory with a hundred plugins loaded: a hundred different components, each called once.

use crate::{
    plugin::{self, component, of_model, snapshot},
    usage,
};
use anyhow::{Result, ensure};
use windlass::decide::{Engine, Limits, Plugin};

/// How many are loaded.
pub(crate) const PLUGINS: usize = 100;

pub(crate) fn measure(count: usize) -> Result<String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let folder = tempfile::tempdir()?;
        let engine = plugin::engine(Some(folder.path()))?;
        let before = usage::resident();
        let plugins = load(&engine, count).await?;
        let after = usage::resident();
        Ok(format!(
            "{after} with {} plugins of {:.0} KiB loaded and called; before: {before}",
            plugins.len(),
            component()?.len() as f64 / 1024.0,
        ))
    })
}

/// Loads that many different plugins, and calls each once.
pub(crate) async fn load(engine: &Engine, count: usize) -> Result<Vec<Plugin>> {
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
fn distinct(component: &[u8], number: usize) -> Vec<u8> {
    let [.., high, low] = number.to_be_bytes();
    [component, &[0, 5, 2, b'n', b'o', high, low]].concat()
}

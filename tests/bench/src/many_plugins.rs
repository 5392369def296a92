//! Resident memory with a hundred plugins loaded: a hundred different components, each called once.

use crate::{
    plugin::{component, of_model, snapshot},
    resident,
};
use anyhow::{Result, ensure};
use windlass::decide::{Compiler, Engine, EngineOptions, Limits};

const PLUGINS: u8 = 100;

pub(crate) fn measure() -> Result<String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let folder = tempfile::tempdir()?;
        let options = EngineOptions { cache_dir: Some(folder.path().into()), ..EngineOptions::new(Compiler::child()?) };
        let component = component()?;
        let shown = of_model(&snapshot()?);
        let engine = Engine::new(options)?;
        let before = resident::now();
        let mut plugins = Vec::new();
        for number in 0..PLUGINS {
            let plugin =
                engine.load(&format!("mysql-{number}"), distinct(&component, number), Limits::default()).await?;
            ensure!(plugin.decide(&shown).await?.outcome.is_ok(), "the plugin gave no decision");
            plugins.push(plugin);
        }
        let after = resident::now();
        let mib = |bytes: usize| bytes as f64 / f64::from(1 << 20);
        Ok(format!(
            "{:.1} MiB resident with {} plugins of {:.0} KiB loaded and called, {:.1} MiB before",
            mib(after),
            plugins.len(),
            component.len() as f64 / 1024.0,
            mib(before)
        ))
    })
}

/// The component with a custom section of its own: other bytes, so another plugin.
fn distinct(component: &[u8], number: u8) -> Vec<u8> {
    [component, &[0, 4, 2, b'n', b'o', number]].concat()
}

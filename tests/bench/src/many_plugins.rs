//! A hundred plugins and a thousand resources: how long a hundred different components take to load, compiled anew and from
//! the cache, and what is resident after ten decisions of each, at once and when the plugins rest.

use crate::{
    plugin::{self, component, of_model, unseen},
    usage,
};
use anyhow::Result;
use futures::{StreamExt, TryStreamExt, stream};
use std::time::Duration;
use tokio::time::Instant;
use windlass::decide::{Engine, Limits, Plugin};

/// How many are loaded.
pub(crate) const PLUGINS: usize = 100;

/// Resources of each plugin: a thousand for a hundred.
const RESOURCES: usize = 10;
/// Plugins that are loaded at the same time, as a host does.
const AT_A_TIME: usize = 8;

pub(crate) fn measure(count: usize) -> Result<String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let folder = tempfile::tempdir()?;
        let (cold, plugins) = {
            let engine = plugin::engine(Some(folder.path()))?;
            let begun = Instant::now();
            let plugins = load(&engine, count).await?;
            (begun.elapsed(), plugins)
        };
        drop(plugins);
        // Another start, with the cache that the first one left.
        let engine = plugin::engine(Some(folder.path()))?;
        let before = usage::resident();
        let begun = Instant::now();
        let plugins = load(&engine, count).await?;
        let warm = begun.elapsed();
        let loaded = usage::resident();
        decide(&plugins).await?;
        let busy = usage::resident();
        engine.rest(Duration::ZERO);
        let resting = usage::resident();
        decide(&plugins[..plugins.len().min(1)]).await?;
        Ok(format!(
            "{} plugins of {:.0} KiB, start cold {:.1} s, warm {:.2} s; {before} before, {loaded} loaded, {busy} after {} \
             decisions, {resting} once they rest",
            plugins.len(),
            component()?.len() as f64 / 1024.0,
            cold.as_secs_f64(),
            warm.as_secs_f64(),
            plugins.len() * RESOURCES,
        ))
    })
}

/// Loads that many different plugins.
pub(crate) async fn load(engine: &Engine, count: usize) -> Result<Vec<Plugin>> {
    let component = component()?;
    let one = |number: usize| {
        let bytes = distinct(&component, number);
        async move { engine.load(&format!("mysql-{number}"), bytes, Limits::default()).await }
    };
    Ok(stream::iter((0..count).map(one)).buffered(AT_A_TIME).try_collect().await?)
}

/// Asks each plugin about its resources.
async fn decide(plugins: &[Plugin]) -> Result<()> {
    let shown = of_model(&unseen());
    for plugin in plugins {
        for _ in 0..RESOURCES {
            // That it has to see more first is an answer as well.
            plugin.decide(&shown).await?;
        }
    }
    Ok(())
}

/// The component with a custom section of its own: other bytes, so another plugin.
fn distinct(component: &[u8], number: usize) -> Vec<u8> {
    let [.., high, low] = number.to_be_bytes();
    [component, &[0, 5, 2, b'n', b'o', high, low]].concat()
}

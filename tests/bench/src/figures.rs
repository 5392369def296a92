//! The figures about many resources: which plugins, which kind, and which part of what was measured is told.

use crate::{
    bundle::{self, Bundles},
    cluster::Kind,
    counted::Counted,
    fleet::{self, Measured},
    many_plugins, plugin,
};
use anyhow::Result;
use std::sync::{Arc, atomic::AtomicU64};
use windlass::{context::Served, decide::decider::Decider, run::Loaded};

/// Looking at resources that did not change.
pub(crate) fn unchanged(count: usize) -> Result<String> {
    in_runtime(async || Ok(mysqls(count, 0).await?.looks()))
}

/// Many `MySQL` resources, decided for in the sandbox.
pub(crate) fn converge(count: usize) -> Result<String> {
    in_runtime(async || Ok(mysqls(count, 0).await?.convergence()))
}

/// Many resources with six children each, decided for by native code.
pub(crate) fn children(count: usize) -> Result<String> {
    in_runtime(async || {
        let calls = Arc::new(AtomicU64::new(0));
        let bundles = loaded("bundle", Arc::new(Bundles::default()), bundle::grants(), &calls);
        let measured = fleet::measure(vec![bundles], &calls, Kind::Bundle, count).await?;
        Ok(format!("{} children each; {}", bundle::CHILDREN, measured.convergence()))
    })
}

/// Resident memory with a hundred plugins and many resources.
pub(crate) fn memory(count: usize) -> Result<String> {
    in_runtime(async || {
        let measured = mysqls(count, many_plugins::PLUGINS).await?;
        let resident = measured.resident();
        Ok(format!("{resident} with {} plugins and {count} MySQL resources", many_plugins::PLUGINS))
    })
}

/// Measures with the plugins `mysql` and `backup`, and `others` that are loaded and have nothing to do.
async fn mysqls(count: usize, others: usize) -> Result<Measured> {
    let folder = tempfile::tempdir()?;
    let engine = plugin::engine(Some(folder.path()))?;
    let calls = Arc::new(AtomicU64::new(0));
    let mut plugins = Vec::new();
    for files in windlass::plugins::discover(&fixtures::components::folder()?) {
        let files = files?;
        if files.name == "mysql" || files.name == "backup" {
            let plugin = engine.load(&files.name, files.read()?, files.limits.clone()).await?;
            plugins.push(loaded(&files.name, Arc::new(plugin), files.grants.clone(), &calls));
        }
    }
    let idle = many_plugins::load(&engine, others.saturating_sub(2)).await?;
    let measured = fleet::measure(plugins, &calls, Kind::Mysql, count).await;
    drop(idle);
    measured
}

fn loaded(name: &str, decider: Arc<dyn Decider>, grants: model::Grants, calls: &Arc<AtomicU64>) -> Loaded {
    let counted = Arc::new(Counted::new(decider, calls.clone()));
    Loaded { name: name.into(), served: Arc::new(Served::new(counted, grants, "{}".into())) }
}

fn in_runtime(work: impl AsyncFnOnce() -> Result<String>) -> Result<String> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work())
}

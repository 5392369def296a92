//! `Plugin` resources on a real API server, with a real host and real components (H1 to H8, G11, G12, D7).
#![allow(clippy::unwrap_used, missing_docs)]

mod claims;
mod grants;
mod hostile;
mod life;
mod parts;
mod plan;
mod registry;
mod removal;
mod restart;
mod resumed;
mod shadow;
mod sources;
mod storm;
mod swapping;

use anyhow::Result;
use plugins_suite::scene::Scene;
use serde_json::{Value, json};

pub const COMPILER: &str = env!("CARGO_BIN_EXE_plugins-compiler");

pub async fn scene() -> Result<Scene> {
    Scene::start(COMPILER, |_| {}).await
}

/// What the plugin `greeting` needs.
pub fn grants() -> Value {
    json!({ "writes": [{ "group": "", "kind": "ConfigMap" }] })
}

//! `Plugin` resources on a real API server, with a real host and real components.
//!
//! Of the checklist for operators, what is about plugins and versions:
//!
//! | id | what | where |
//! | --- | --- | --- |
//! | D7 | a refused login is a condition, and the right one is taken without a restart | `distribution::a_registry_with_passwords_…`; for the API server: `faults`, `errors::d7_…` |
//! | G11 | texts of plugins are cut and cannot act on a reader | `checklist::g11_…`; for decisions: `hostile`, `answers::texts_of_a_plugin_…` |
//! | G12 | a compile bomb is stopped in the child | `hostile::a_compile_bomb_…`; by time as well: `hostile`, `compiling` |
//! | G13 | the runtime is one with the known holes closed | `checklist::g13_…` |
//! | H1 | no pass mixes versions | `swapping` |
//! | H2 | a broken version leaves the good one in service | `hostile`, `sources`, `storm`, `restart` |
//! | H3 | a rollback leads to what the older version wants | `life` |
//! | H4 | an unknown contract is refused with those that are known | `hostile::a_plugin_for_another_version_…` |
//! | H5 | stored versions of a kind may change, and nothing is lost | `checklist::h5_…` |
//! | H6 | a host that starts anew rewrites nothing that is as it should be | `checklist::h6_…` |
//! | H7 | what a newer host wrote down does not confuse an older one | `checklist::h7_…` |
//! | H8 | a new version is no storm of writes | `checklist::h8_…` |
#![allow(clippy::unwrap_used, missing_docs)]

mod checklist;
mod claims;
mod distribution;
mod grants;
mod hostile;
mod isolation;
mod keyless;
mod life;
mod parts;
mod plan;
mod privilege;
mod registry;
mod removal;
mod restart;
mod resumed;
mod roles;
mod shadow;
mod signatures;
mod sources;
mod storm;
mod swapping;

use anyhow::Result;
use plugins_suite::scene::Scene;
use serde_json::{Value, json};

pub const COMPILER: &str = env!("CARGO_BIN_EXE_plugins-windlass");

pub async fn scene() -> Result<Scene> {
    Scene::start(COMPILER, |_| {}).await
}

/// What the plugin `greeting` needs.
pub fn grants() -> Value {
    json!({ "writes": [{ "group": "", "kind": "ConfigMap" }] })
}

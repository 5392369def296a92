//! `cargo xtask crds`. In: the CustomResourceDefinitions that the host and the plugins generate from their types. Out: one
//! file for each in `crds/`, or, with `--check`, an error where a file is not what they generate.

use crate::workspace::Workspace;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::fs;
use std::path::Path;
use windlass::plugins::resource::{GROUP, PluginSpec, PluginStatus, VERSION};
use windlass_sdk::{Column, Crd};

/// First lines of each file.
const HEADER: &str = "# Made from Rust types by `cargo xtask crds`; change those instead.\n";

/// Runs the subcommand.
pub fn run(check: bool) -> Result<()> {
    let folder = Workspace::find()?.root.join("crds");
    if check {
        let drift = drift(&folder)?;
        if !drift.is_empty() {
            bail!("not as the plugins generate: {}; run `cargo xtask crds`", drift.join(", "));
        }
        println!("crds/ is as the plugins generate");
        return Ok(());
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    for (name, text) in generated()? {
        let file = folder.join(&name);
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
        println!("wrote crds/{name}");
    }
    Ok(())
}

/// Name and text of each file.
pub fn generated() -> Result<Vec<(String, String)>> {
    [plugin().manifest(), mysql::crd().manifest(), backup::crd().manifest(), azuresql::crd().manifest()]
        .iter()
        .map(|crd| {
            let problems = windlass_sdk::crd::problems(crd);
            let name = crd.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
            if !problems.is_empty() {
                bail!("an API server would refuse {name}: {}", problems.join("; "));
            }
            Ok((format!("{name}.yaml"), format!("{HEADER}{}", serde_yaml::to_string(crd)?)))
        })
        .collect()
}

/// The host's own kind.
fn plugin() -> Crd {
    Crd::of::<PluginSpec, PluginStatus>(GROUP, VERSION, "Plugin")
        .cluster_scoped()
        .column(Column::condition("Serving", "Serving").described("It decides for its kinds."))
        .column(
            Column::text("Reason", ".status.conditions[?(@.type==\"Serving\")].reason")
                .described("Which version serves, or why none does."),
        )
        .column(Column::text("Version", ".status.version").described("The version that decides now."))
        .column(
            Column::text("Rollout", ".status.rollout.phase").described("How far the version is that is to take over."),
        )
        .column(Column::integer("Ready", ".status.resources.ready").described("Resources of its kinds that are ready."))
        .column(Column::integer("Failing", ".status.resources.failing").described("Resources whose last pass failed."))
        .column(Column::integer("Total", ".status.resources.total").described("Resources of its kinds."))
        .column(Column::text("Digest", ".status.digest").wide())
        .column(Column::text("Wanted", ".status.wantedDigest").wide())
        .column(Column::date("Age", ".metadata.creationTimestamp"))
}

/// Files that are not as the plugins generate.
fn drift(folder: &Path) -> Result<Vec<String>> {
    let differs = |(name, text): (String, String)| {
        (fs::read_to_string(folder.join(&name)).ok().as_deref() != Some(text.as_str())).then_some(name)
    };
    Ok(generated()?.into_iter().filter_map(differs).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_in_crds_are_what_the_plugins_generate() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crds");
        assert_eq!(drift(&folder).unwrap(), Vec::<String>::new(), "run `cargo xtask crds`");
    }
}

//! What can be said of a component: bytes in, a report out, also where it is no plugin; then the report says why. To ask the
//! plugin what it serves, it is compiled and run as a host would, under the same limits.

use super::registry::LARGEST;
use crate::decide::{Compiler, Digest, Engine, EngineOptions, Limits, surface};
use crate::plugins::permissions;
use anyhow::Context as _;
use model::Description;
use serde::Serialize;
use serde_json::Value;

/// A report.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct About {
    /// Bytes.
    pub size: usize,
    /// `sha256:…` of the component.
    pub digest: String,
    /// The contract that it names.
    pub contract: Option<String>,
    /// Name and version, by its own word; none where it does not say.
    pub plugin: Option<Plugin>,
    /// Top-level imports.
    pub imports: Vec<String>,
    /// Top-level exports.
    pub exports: Vec<String>,
    /// Why it is no plugin for this host.
    pub problem: Option<Problem>,
}

/// What a plugin says of itself.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Plugin {
    pub name: String,
    pub version: String,
    pub kinds: Vec<Served>,
    /// What it asks for, in the words of a Plugin's status.
    pub permissions: Vec<String>,
}

/// A kind that it serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Served {
    pub group: String,
    pub kind: String,
    /// `Namespaced` or `Cluster`.
    pub scope: String,
    pub versions: Vec<Version>,
}

/// A version of a kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Version {
    pub name: String,
    pub served: bool,
    pub storage: bool,
}

/// Why a component is no plugin.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Problem {
    /// As the conditions of a Plugin have it.
    pub reason: String,
    pub message: String,
}

impl Plugin {
    fn of(description: &Description) -> Plugin {
        Plugin {
            name: description.name.clone(),
            version: description.version.clone(),
            kinds: description.serves.iter().map(Served::of).collect(),
            permissions: permissions::asked(description).into_iter().collect(),
        }
    }
}

impl Served {
    /// Of a CustomResourceDefinition that the engine accepted.
    fn of(definition: &Value) -> Served {
        let text = |pointer: &str| definition.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let versions = definition.pointer("/spec/versions").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let flag = |version: &Value, name: &str| version.get(name).and_then(Value::as_bool).unwrap_or_default();
        let of = |version: &Value| Version {
            name: version.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
            served: flag(version, "served"),
            storage: flag(version, "storage"),
        };
        Served {
            group: text("/spec/group"),
            kind: text("/spec/names/kind"),
            scope: text("/spec/scope"),
            versions: versions.iter().map(of).collect(),
        }
    }

    /// `GROUP/VERSION/KIND` of each version that is served.
    pub fn words(&self) -> impl Iterator<Item = String> {
        let served = self.versions.iter().filter(|version| version.served);
        served.map(|version| format!("{}/{}/{}", self.group, version.name, self.kind))
    }
}

/// Looks at a component.
pub(super) async fn about(bytes: Vec<u8>) -> anyhow::Result<About> {
    let surface = surface::surface(&bytes);
    let (size, digest) = (bytes.len(), format!("sha256:{}", Digest::of(&bytes)));
    let compiler = Compiler::child().context("cannot find the program itself, which compiles plugins")?;
    let engine = Engine::new(EngineOptions { threads: 2, slots: 2, ..EngineOptions::new(compiler) })?;
    let limits = Limits { component_size: LARGEST, ..Limits::default() };
    let (plugin, problem) = match engine.load("inspected", bytes, limits).await {
        Ok(plugin) => (Some(Plugin::of(plugin.description())), None),
        Err(error) => {
            let message = crate::watch::page::chain(&error);
            (None, Some(Problem { reason: error.reason().into(), message }))
        }
    };
    let surface::Surface { imports, exports, contract } = surface;
    Ok(About { size, digest, contract, plugin, imports, exports, problem })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_kind_is_told_with_its_versions_and_only_served_ones_are_announced() {
        let served = Served::of(&json!({"spec": {
            "group": "a.example", "names": {"kind": "Thing"}, "scope": "Namespaced",
            "versions": [
                {"name": "v1", "served": true, "storage": true}, {"name": "v1alpha1", "served": false, "storage": false},
            ],
        }}));
        assert_eq!(served.words().collect::<Vec<_>>(), ["a.example/v1/Thing"]);
        assert_eq!((served.scope.as_str(), served.versions.len()), ("Namespaced", 2));
    }
}

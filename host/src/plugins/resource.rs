//! The kind `Plugin`: what its YAML says comes in as types, what its status says goes out. The definition in `crds/` is
//! generated from these types.

pub mod condition;
pub mod rollout;
mod schema;
pub mod status;

use crate::decide::Limits;
use model::{Grants, Kind};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

pub use rollout::{Rollout, Strategy};
pub use status::PluginStatus;

/// Group of the kind.
pub const GROUP: &str = "windlass.dev";
/// Its version.
pub const VERSION: &str = "v1alpha1";
/// Its plural, as paths have it.
pub const PLURAL: &str = "plugins";
/// Holds a `Plugin` whose deletion policy has something left to do.
pub const FINALIZER: &str = "windlass.dev/plugin";

/// The kind `Plugin`.
pub fn kind() -> Kind {
    Kind::new(GROUP, VERSION, "Plugin")
}

/// The definition of the kind, as it is in `crds/`.
pub const DEFINITION: &str = include_str!("../../../crds/plugins.windlass.dev.yaml");

/// A WebAssembly component that serves new kinds, and what it may do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PluginSpec {
    /// Where the component is. Exactly one of the fields.
    pub source: Source,
    /// What must hold of the component before it is used. Without it whatever the source gives is used.
    #[serde(default, deserialize_with = "or_default")]
    pub verify: Verify,
    /// Settings for the plugin, which judges them itself.
    #[serde(default, deserialize_with = "or_default")]
    #[schemars(schema_with = "schema::settings")]
    pub settings: Map<String, Value>,
    /// What the plugin may do. It asks for the same; neither alone suffices. Without it: nothing.
    #[serde(default, deserialize_with = "or_default")]
    #[schemars(schema_with = "schema::grants")]
    pub grants: Grants,
    /// What one call may use.
    #[serde(default, deserialize_with = "or_default")]
    #[schemars(schema_with = "schema::limits")]
    pub limits: Limits,
    /// How a new version takes over from the one that serves.
    #[serde(default, deserialize_with = "or_default")]
    pub rollout: Rollout,
    /// What becomes of the kinds and their resources when the Plugin is deleted.
    #[serde(default, deserialize_with = "or_default")]
    pub deletion_policy: DeletionPolicy,
    /// The definition of a kind may be replaced by one that takes less: fields gone, types or bounds tighter. Stored
    /// versions are never dropped.
    #[serde(default, deserialize_with = "or_default")]
    pub allow_narrowing: bool,
}

/// Where a component is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [schema::one_source()]))]
pub struct Source {
    /// A Wasm artifact in an OCI registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oci: Option<Oci>,
    /// A key of the `binaryData` of a ConfigMap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map: Option<ConfigMapKey>,
    /// A file behind a URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<Http>,
    /// A file of the host, in the folder that it was started with for this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<File>,
}

/// A Wasm artifact in an OCI registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Oci {
    /// `registry.example.com/team/plugin:1.4` or `…/plugin@sha256:…`. A tag is looked up again from time to time.
    #[schemars(length(min = 3, max = 512))]
    pub reference: String,
    /// A Secret of type `kubernetes.io/dockerconfigjson` with the login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_secret: Option<SecretName>,
}

/// Names a Secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretName {
    /// Its namespace.
    #[schemars(length(min = 1, max = 63))]
    pub namespace: String,
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// A key of the `binaryData` of a ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConfigMapKey {
    /// Its namespace.
    #[schemars(length(min = 1, max = 63))]
    pub namespace: String,
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The key. A ConfigMap holds at most 1 MiB, so a larger component needs another source.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

/// A file behind a URL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Http {
    /// The address.
    #[schemars(length(max = 2048), regex(pattern = "^https?://.+$"))]
    pub url: String,
    /// SHA-256 of the file in hexadecimal digits.
    #[schemars(regex(pattern = "^[0-9a-f]{64}$"))]
    pub sha256: String,
}

/// A file of the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct File {
    /// Path relative to the folder that `--plugin-files` names.
    #[schemars(length(min = 1, max = 1024))]
    pub path: String,
}

/// What must hold of a component.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Verify {
    /// The component has this digest: `sha256:…` of the .wasm file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^sha256:[0-9a-f]{64}$"))]
    pub digest: Option<String>,
    /// One of these public keys signed the artifact with cosign. PEM, ECDSA on P-256 or Ed25519. For OCI sources.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    #[schemars(length(max = 8), inner(length(max = 1024)))]
    pub cosign_keys: Vec<String>,
    /// Or one of these identities signed it with cosign, by a certificate and an entry of a log that the trusted root vouches
    /// for. For OCI sources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keyless: Option<Keyless>,
}

/// Signatures by identities, without keys that are known beforehand. Checked offline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Keyless {
    /// Who may have signed.
    #[schemars(length(min = 1, max = 16))]
    pub identities: Vec<Identity>,
    /// The contents of a `trusted_root.json`: the authorities (Fulcio) and logs (Rekor) that are believed. What Sigstore
    /// publishes, or what `cosign trusted-root create` makes.
    #[schemars(length(min = 2, max = 65536))]
    pub trusted_root: String,
}

/// Somebody whom an OIDC issuer knows. Patterns are regular expressions that need to match somewhere, as those of cosign:
/// write `^` and `$` for the whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = schema::one_identity()))]
pub struct Identity {
    /// The OIDC issuer: `https://token.actions.githubusercontent.com`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub issuer: Option<String>,
    /// A pattern of issuers, instead of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub issuer_reg_exp: Option<String>,
    /// The address of a person, account or workflow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub subject: Option<String>,
    /// A pattern of them, instead of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub subject_reg_exp: Option<String>,
}

/// What becomes of the kinds and their resources when the Plugin is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// They stay, and nobody decides for them. A resource that is deleted later is torn down by its inventory.
    #[default]
    Retain,
    /// The Plugin goes on serving until the last resource is gone, then the definitions go, then the Plugin.
    WaitForResources,
    /// Every resource is deleted and torn down through the plugin, then the definitions go, then the Plugin.
    DeleteResources,
}

impl PluginSpec {
    /// Reads the `spec` of a `Plugin`.
    ///
    /// # Errors
    /// With the path of the field and what is wrong.
    pub fn read(plugin: &Value) -> Result<PluginSpec, String> {
        let spec = plugin.get("spec").cloned().unwrap_or(Value::Null);
        let spec: PluginSpec = serde_path_to_error::deserialize(spec)
            .map_err(|error| format!("spec.{}: {}", error.path(), error.inner()))?;
        if let Some((field, most)) = spec.limits.out_of_range() {
            return Err(format!("spec.limits.{field}: the most that can be set is {most}"));
        }
        match spec.rollout.problem() {
            Some(problem) => Err(problem),
            None => Ok(spec),
        }
    }
}

/// Null is the same as a field that is left out.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests;

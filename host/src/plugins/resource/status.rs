//! The status of a `Plugin`: what runs, what it asks for and may do, how its resources are.

mod rollout;

pub use rollout::{Phase, RolloutStatus, ShadowEntry, ShadowStatus};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is the case with a plugin.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PluginStatus {
    /// Digest of the component that decides now: `sha256:…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Digest of the component that the spec leads to; another one than `digest` while that is not serving.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wanted_digest: Option<String>,
    /// Version that the running component gives itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Kinds that it decides for.
    pub kinds: Vec<ServedKind>,
    /// What it asks for and what it is granted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Permissions>,
    /// The version that is to take over, or took over last: how far it is, and what it does otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollout: Option<RolloutStatus>,
    /// Its resources.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// Cost of the last decision that was counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_decision: Option<DecisionCost>,
}

/// A kind that a plugin decides for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServedKind {
    /// Name of its definition.
    pub definition: String,
    /// Kind in CamelCase.
    pub kind: String,
    /// API group and version.
    pub api_version: String,
}

/// What a plugin asks for in `describe`, and what its operator grants.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Permissions {
    /// What it asks for: `write apps/StatefulSet`, `read /Secret`, `use mysql`.
    pub asked: Vec<String>,
    /// What it is granted, in the same words.
    pub granted: Vec<String>,
    /// Asked for and not granted: decisions that need it are refused.
    pub missing: Vec<String>,
    /// Granted and not asked for: can be taken out of the grants.
    pub unused: Vec<String>,
}

/// Resources of a plugin's kinds, by what their conditions say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Resources {
    /// All of them.
    pub total: u32,
    /// With the condition Ready True.
    pub ready: u32,
    /// Whose last pass failed or was refused: the condition Reconciled is False and they are not just under way.
    pub failing: u32,
}

/// What one decision cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct DecisionCost {
    /// Units of work.
    pub fuel: u64,
    /// Microseconds by the clock.
    pub microseconds: u64,
    /// Most bytes of memory at one time.
    pub memory_bytes: u64,
    /// Bytes of the answer.
    pub output_bytes: u64,
}

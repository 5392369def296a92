//! What the status of a `Plugin` says about a version that is to take over.

use model::shadow::{Entry, Summary};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How far a new version is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RolloutStatus {
    /// `Shadowing`, `Waiting` (for approval, or to be mended), `RollingOut`, `FellBack`, `Promoted`.
    pub phase: Phase,
    /// Digest of the new version.
    pub digest: String,
    /// Version that it gives itself.
    pub version: String,
    /// What approves it, in the annotation `windlass.dev/approve` or in `spec.rollout.approved`.
    pub approve: String,
    /// It decides for so many in a hundred: those for which the first eight bytes of the SHA-256 of their uid, as a number,
    /// modulo 10,000 are less than a hundred times this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent: Option<u8>,
    /// It decides for the resources with these labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// Since when it decides for that part, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Why it was taken back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What it would do otherwise, by a run over every resource without effects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadow: Option<ShadowStatus>,
}

/// Where a new version is on its way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Phase {
    /// It is asked about every resource, without effects.
    #[default]
    Shadowing,
    /// It waits for a person.
    Waiting,
    /// It decides for a part.
    RollingOut,
    /// It failed and was taken back.
    FellBack,
    /// It decides for all.
    Promoted,
}

/// What a shadow run found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ShadowStatus {
    /// Every resource was looked at; false while the run goes on, and where it was ended because too much failed.
    pub complete: bool,
    /// Resources.
    pub total: u32,
    /// Of them, those about which something can be said.
    pub judged: u32,
    /// Of these, those with which both versions do the same.
    pub equal: u32,
    /// Of these, the others.
    pub different: u32,
    /// Resources about which nothing can be said, by why. Never counted as equal.
    pub not_judged: BTreeMap<String, u32>,
    /// Differences by what they are: `create`, `change`, `delete`, `recreate`, `status`, …
    pub changes: BTreeMap<String, u32>,
    /// Resources for which the new version fails or is refused, where the old one is not.
    pub failing: u32,
    /// Differences that delete, or make anew, what holds state.
    pub destroys: u32,
    /// The worst differences, the worst first. Paths without values.
    pub worst: Vec<ShadowEntry>,
}

/// One difference.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ShadowEntry {
    /// The resource.
    pub resource: String,
    /// The item; left out where it is the resource itself.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub item: String,
    /// What would happen: `delete`.
    pub change: String,
    /// What it is about: `StatefulSet.apps shop/db`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub target: String,
    /// Paths that differ.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    /// More words.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub note: String,
}

impl ShadowStatus {
    /// What is told of a run over `total` resources.
    pub fn of(summary: &Summary, total: usize, complete: bool) -> Self {
        let entry = |entry: &Entry| ShadowEntry {
            resource: entry.resource.clone(),
            item: entry.item.clone(),
            change: entry.happens.word().into(),
            target: entry.target.clone(),
            fields: entry.fields.clone(),
            note: entry.note.clone(),
        };
        ShadowStatus {
            complete,
            total: u32::try_from(total).unwrap_or(u32::MAX),
            judged: summary.judged,
            equal: summary.equal,
            different: summary.different,
            not_judged: summary.not_judged.iter().map(|(why, count)| (why.word().to_owned(), *count)).collect(),
            changes: summary.changes.iter().map(|(happens, count)| (happens.word().to_owned(), *count)).collect(),
            failing: summary.failing,
            destroys: summary.destroys,
            worst: summary.worst().iter().map(entry).collect(),
        }
    }
}

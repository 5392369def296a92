//! What one decision is made from.

use crate::kind::Kind;
use serde::Serialize;
use std::sync::Arc;

/// One JSON document, kept as text: the cache holds objects in this form and a plugin takes them in it, so that nothing
/// is parsed that nobody looks into.
pub type Json = Arc<str>;

/// Milliseconds since the Unix epoch, UTC.
pub type Instant = u64;

/// Everything that one decision is made from. Immutable once taken.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Snapshot {
    /// The resource without managedFields.
    pub resource: Json,
    /// The user deleted the resource.
    pub deleting: bool,
    /// Items of the last desired set and owned objects.
    pub items: Vec<ObservedItem>,
    /// Answers to related queries.
    pub related: Vec<RelatedAnswer>,
    /// When the snapshot was taken.
    pub now: Instant,
    /// Settings of the operator for this plugin.
    pub settings: Json,
}

/// One desired item as it was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ObservedItem {
    /// Id of the item; empty for an owned object that no pass has named.
    pub id: String,
    /// What was found.
    pub state: Observation,
    /// Ready by the rules of the kind.
    pub ready: bool,
    /// Since when `ready` has its value; zero where that is not known.
    pub ready_since: Instant,
    /// Why the last change of this item failed, while it is failing.
    pub last_error: Option<String>,
    /// Being deleted and not gone yet.
    pub deleting: bool,
}

/// The answer to one related query.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RelatedAnswer {
    /// Name of the query.
    pub name: String,
    /// False when the host may not or cannot see all that matches.
    pub complete: bool,
    /// Why it is not complete.
    pub reason: Option<String>,
    /// The objects, Secrets with fingerprints for values.
    pub objects: Vec<Json>,
}

/// What was found where an item should be.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum Observation {
    /// Looked for, and not there.
    Absent,
    /// The live object without managedFields.
    Kubernetes(Json),
    /// Keys of a Secret.
    Secret(SecretFacts),
    /// A MySQL server.
    Mysql(Box<MysqlFacts>),
    /// An Azure resource.
    Azure(ArmFacts),
    /// A Key Vault secret.
    Vault(VaultFacts),
    /// No answer: nothing is known.
    Unreachable(Unreachable),
}

/// Reason of an [`Unreachable`] that nobody has asked yet: nothing is known, and nothing has failed.
pub const NOT_ASKED: &str = "NotAsked";

/// No answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Unreachable {
    /// When the first of the unanswered attempts was made.
    pub since: Instant,
    /// Stable word for the class of failure.
    pub reason: String,
}

/// Keys of a Secret with keyed fingerprints of their values.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SecretFacts {
    /// Generation that the stored values were made for.
    pub generation: u32,
    /// Key and fingerprint.
    pub keys: Vec<(String, String)>,
}

/// One MySQL server as it answered.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[expect(missing_docs, reason = "fields are those of `mysql-facts` in wit/v1, documented there")]
pub struct MysqlFacts {
    pub version: String,
    pub server_uuid: String,
    pub server_id: u32,
    pub read_only: bool,
    pub super_read_only: bool,
    pub executed: String,
    pub purged: String,
    pub source: Option<SourceFacts>,
    pub semi_sync: SemiSyncFacts,
    pub attached: Vec<u32>,
    pub clone: Option<CloneFacts>,
    pub can_commit: bool,
    pub stalled_since: Option<Instant>,
    pub accounts: Vec<String>,
    pub uptime: u64,
}

/// The default replication channel.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "fields are those of `source-facts` in wit/v1, documented there")]
pub struct SourceFacts {
    pub host: String,
    pub port: u16,
    pub source_uuid: String,
    pub io: IoState,
    pub sql_running: bool,
    pub received: String,
    pub io_error: u32,
    pub sql_error: u32,
    pub lag: Option<u64>,
}

/// State of a receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "cases are those of `io-state` in wit/v1")]
pub enum IoState {
    Stopped,
    Connecting,
    Running,
}

/// Semi-synchronous replication as a server reports it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "fields are those of `semi-sync-facts` in wit/v1, documented there")]
pub struct SemiSyncFacts {
    pub source_enabled: bool,
    pub replica_enabled: bool,
    pub wait_for: u32,
    pub waiting_sessions: u32,
}

/// The last clone into a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "fields are those of `clone-facts` in wit/v1")]
pub struct CloneFacts {
    pub state: CloneState,
    pub error: u32,
}

/// State of a clone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "cases are those of `clone-state` in wit/v1")]
pub enum CloneState {
    NotStarted,
    InProgress,
    Completed,
    Failed,
}

/// An Azure resource as ARM returned it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "fields are those of `arm-facts` in wit/v1, documented there")]
pub struct ArmFacts {
    pub found: bool,
    pub body: Json,
    pub operation: Option<OperationFacts>,
    pub etag: Option<String>,
    pub accepted: bool,
    pub name_taken: Option<String>,
    pub sent_secrets: Vec<(String, String)>,
}

/// An asynchronous operation of ARM.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "fields are those of `operation-facts` in wit/v1, documented there")]
pub struct OperationFacts {
    pub running: bool,
    pub error_code: Option<String>,
    pub error_message: Option<String>,
    pub failure: Option<FailureClass>,
    pub retry_at: Instant,
}

/// What becomes of a write that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "cases are those of `failure-class` in wit/v1, documented there")]
pub enum FailureClass {
    Transient,
    Blocked,
    Final,
}

/// A Key Vault secret.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "fields are those of `vault-facts` in wit/v1, documented there")]
pub struct VaultFacts {
    pub found: bool,
    pub soft_deleted: bool,
    pub version: Option<String>,
    pub fingerprint: Option<String>,
}

/// The kind of an observation's object, where it is a Kubernetes object in a form that a manifest has.
pub fn manifest_kind(manifest: &serde_json::Value) -> Option<Kind> {
    Some(Kind::from_manifest(manifest.get("apiVersion")?.as_str()?, manifest.get("kind")?.as_str()?))
}

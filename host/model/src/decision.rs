//! What a plugin decided should be. Not yet checked: nothing here may be acted on.

use crate::snapshot::Instant;
use serde::Serialize;
use serde_json::Value;

/// Identity of an item over passes.
pub type ItemId = String;

/// The answer of `decide`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Decision {
    /// Everything that should exist. What is missing here is deleted.
    pub items: Vec<Item>,
    /// Status without conditions and observedGeneration.
    pub status: Value,
    /// Conditions of the plugin.
    pub conditions: Vec<Condition>,
    /// Told to the user once.
    pub events: Vec<Event>,
    /// Ask again then though nothing changed.
    pub wake: Option<Instant>,
}

/// One thing that should exist.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Item {
    /// Unique within a decision.
    pub id: ItemId,
    /// Items that must exist and be ready first, and be deleted later.
    pub after: Vec<ItemId>,
    /// What counts as ready for later items.
    pub ready_when: ReadyWhen,
    /// How a difference is mended.
    pub update: UpdatePolicy,
    /// What happens when it is no longer desired.
    pub removal: RemovalPolicy,
    /// What it is.
    pub body: Body,
}

/// What counts as ready for the items that come after.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum ReadyWhen {
    /// The rule of the kind.
    #[default]
    Ready,
    /// It exists.
    Exists,
}

/// How a difference is mended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum UpdatePolicy {
    /// Server-side apply.
    #[default]
    Apply,
    /// Created when absent, then left alone.
    CreateOnce,
    /// Deleted and created again.
    Recreate,
    /// One at a time among the items with the same `after`.
    Rolling,
    /// Laid over an object of others, which is never created or deleted.
    Overlay,
}

/// What happens to an item that is no longer desired.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, serde::Deserialize)]
pub enum RemovalPolicy {
    /// Deleted.
    #[default]
    Delete,
    /// Left in place without owner reference.
    Keep,
    /// Deleted only when a human asks for it by annotation.
    Protect,
}

/// What an item is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum Body {
    /// A Kubernetes object.
    Kubernetes(Value),
    /// A Secret with values that the host makes.
    Secret(GeneratedSecret),
    /// How a MySQL server should be.
    Mysql(Box<MysqlServer>),
    /// An Azure resource.
    Azure(ArmResource),
    /// A Key Vault secret.
    Vault(VaultSecret),
}

/// A key of a Secret in the namespace of the resource.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct SecretKey {
    /// Name of the Secret.
    pub secret: String,
    /// Key in its data.
    pub key: String,
}

/// A Secret whose random values the host makes once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GeneratedSecret {
    /// Name of the Secret.
    pub name: String,
    /// `Opaque` where it does not matter.
    pub secret_type: String,
    /// Key and value of what is no secret.
    pub plain: Vec<(String, String)>,
    /// Values to make.
    pub random: Vec<RandomValue>,
    /// Values that are put together from others.
    pub composed: Vec<ComposedValue>,
    /// A higher number makes new values.
    pub generation: u32,
    /// Labels of the Secret.
    pub labels: Vec<(String, String)>,
}

/// One value to make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RandomValue {
    /// Key in the Secret.
    pub key: String,
    /// Characters.
    pub length: u32,
    /// Alphabet and classes.
    pub rules: PasswordRules,
    /// A login name whose parts must not be in the value; empty for none.
    pub avoid: String,
}

/// One value that is put together from others of its Secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ComposedValue {
    /// Key in the Secret.
    pub key: String,
    /// Text with places for the values of other keys, see [`crate::template`].
    pub template: String,
}

/// Alphabet and classes of a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum PasswordRules {
    /// Letters and digits.
    Alphanumeric,
    /// As Azure SQL asks.
    AzureSql,
}

/// How one MySQL server should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "fields are those of `mysql-server` in wit/v1, documented there")]
pub struct MysqlServer {
    pub host: String,
    pub port: u16,
    pub admin_port: Option<u16>,
    pub user: SecretKey,
    pub password: SecretKey,
    pub tls: Tls,
    pub writable: bool,
    pub replication: Replication,
    pub acks: Option<u32>,
    pub accounts: Vec<MysqlAccount>,
    pub reseed: Option<Reseed>,
    pub expect: Vec<Precondition>,
}

/// How to talk to a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tls {
    /// Whether and how certificates are checked.
    pub mode: TlsMode,
    /// Certificate authority, PEM.
    pub ca: Option<SecretKey>,
}

/// Whether traffic is encrypted and checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "cases are those of `tls-mode` in wit/v1, documented there")]
pub enum TlsMode {
    Disabled,
    Required,
    Verified,
}

/// Where a server gets its data from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Replication {
    /// Nowhere.
    None,
    /// Receives and acknowledges nothing more.
    Fenced,
    /// From another server.
    Source(ReplicationSource),
}

/// The server to replicate from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "fields are those of `replication-source` in wit/v1")]
pub struct ReplicationSource {
    pub host: String,
    pub port: u16,
    pub user: SecretKey,
    pub password: SecretKey,
    pub tls: Tls,
}

/// An account that should exist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "fields are those of `mysql-account` in wit/v1, documented there")]
pub struct MysqlAccount {
    pub user: SecretKey,
    pub password: SecretKey,
    pub keep_previous: bool,
    pub grants: Vec<String>,
}

/// Permission to replace a server's data by a donor's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "fields are those of `reseed` in wit/v1, documented there")]
pub struct Reseed {
    pub donor_host: String,
    pub donor_port: u16,
    pub user: SecretKey,
    pub password: SecretKey,
    pub tls: Tls,
    pub contained_in: String,
}

/// Checked again immediately before each change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "cases are those of `precondition` in wit/v1, documented there")]
pub enum Precondition {
    ServerUuid(String),
    ExecutedContains(String),
    ExecutedWithin(String),
    SuperReadOnly(bool),
    Detached,
}

/// One Azure resource.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "fields are those of `arm-resource` in wit/v1, documented there")]
pub struct ArmResource {
    pub resource_id: String,
    pub api_version: String,
    pub body: Value,
    pub secrets: Vec<(String, SecretKey)>,
    pub observe_only: bool,
    pub adopt: bool,
    pub unique_name: bool,
    pub change: ArmChange,
    pub ready_field: Option<ReadyField>,
}

/// How an Azure resource that exists is changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum ArmChange {
    /// PUT of the whole body.
    #[default]
    Put,
    /// PATCH of what differs.
    Patch,
}

/// The place of an Azure resource whose value says that it is ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReadyField {
    /// JSON pointer.
    pub pointer: String,
    /// Any of these means ready.
    pub values: Vec<String>,
}

/// One Key Vault secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "fields are those of `vault-secret` in wit/v1")]
pub struct VaultSecret {
    pub vault: String,
    pub name: String,
    pub value: SecretKey,
    pub content_type: Option<String>,
    pub observe_only: bool,
}

/// A condition of a status, without times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Condition {
    /// CamelCase.
    pub type_: String,
    /// Whether it holds.
    pub status: Truth,
    /// CamelCase, stable.
    pub reason: String,
    /// What is wrong, and what will happen or what to do.
    pub message: String,
}

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Truth {
    /// `True`
    Yes,
    /// `False`
    No,
    /// `Unknown`
    Unknown,
}

impl Truth {
    /// As conditions spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Truth::Yes => "True",
            Truth::No => "False",
            Truth::Unknown => "Unknown",
        }
    }
}

/// A Kubernetes event about the resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Event {
    /// `Warning` rather than `Normal`.
    pub warning: bool,
    /// CamelCase, stable.
    pub reason: String,
    /// For people.
    pub message: String,
}

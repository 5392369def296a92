//! What users write in an `AzureSQLServer`. The doc comments are what `kubectl explain azuresqlserver.spec` shows.

pub mod access;
pub mod database;
pub mod delivery;

use access::{Administrators, FirewallRule, Toggle};
use database::{Database, ElasticPool};
use delivery::{Credentials, KeyVault};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The login of a server where none is written, and in place of one that Azure reserves.
pub const DEFAULT_LOGIN: &str = "sqladmin";

/// A logical server of Azure SQL with what belongs to it.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServerSpec {
    /// Name of the server in Azure; without it, the name of the resource. All servers of Azure share one space of names.
    /// It cannot change.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"))]
    pub azure_name: Option<String>,

    /// The resource group; without it, the one that the operator set. It cannot change.
    pub owner: Option<Owner>,

    /// Region of Azure: `eastus`, `westeurope`. It cannot change.
    #[schemars(length(min = 1, max = 64))]
    pub location: String,

    /// Login of the administrator. Azure keeps some names for itself (admin, administrator, sa, root, guest, public, dbo,
    /// dbmanager, loginmanager): in place of one of those the server gets `sqladmin`, which the condition `LoginAsWritten`
    /// says before the server is created. The login is in the Secret, and it cannot change once the server exists.
    #[serde(default = "default_login")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z][A-Za-z0-9_.-]*$"))]
    pub administrator_login: String,

    /// Version of the server; there is only 12.0.
    #[serde(default)]
    pub version: Version,

    /// The oldest version of TLS that the server speaks.
    #[serde(default)]
    pub minimal_tls_version: TlsVersion,

    /// Whether the server can be reached from the internet, by those whom firewall rules let in. Disabled: only by
    /// private endpoints, and there can be no firewall rules.
    #[serde(default = "enabled")]
    pub public_network_access: Toggle,

    /// Whether the server itself can reach only what is allowed to it.
    #[serde(default = "disabled")]
    pub restrict_outbound_network_access: Toggle,

    /// Tags of the server, beside those that others put on it.
    #[serde(default)]
    #[schemars(extend("maxProperties" = 40))]
    pub tags: BTreeMap<String, String>,

    /// Administrator of Microsoft Entra.
    pub administrators: Option<Administrators>,

    /// Who may connect, beside the rules that the operator set. A rule that is taken away here is deleted; rules that
    /// others made are left alone.
    #[serde(default)]
    #[schemars(length(max = 128))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub firewall_rules: Vec<FirewallRule>,

    /// Everything that runs in Azure may connect, that of other customers too. Their logins still have to be right.
    #[serde(default)]
    pub allow_azure_services: bool,

    /// Elastic pools.
    #[serde(default)]
    #[schemars(length(max = 16))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub elastic_pools: Vec<ElasticPool>,

    /// Databases. One that is taken away here is only deleted when the annotation `windlass.dev/allow-delete` of the
    /// resource names it.
    #[serde(default)]
    #[schemars(length(max = 64))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub databases: Vec<Database>,

    /// The Secret with the credentials.
    #[serde(default)]
    pub credentials: Credentials,

    /// The Key Vault that the credentials are put into as well; without it, the one that the operator set, if any.
    pub key_vault: Option<KeyVault>,

    /// The server, its pools and its databases are not deleted with the resource, unless the annotation
    /// `windlass.dev/allow-delete` of the resource names them.
    #[serde(default)]
    pub deletion_protection: bool,
}

/// What the server is in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = [
    windlass_sdk::crd::rule("has(self.name) != has(self.armId)", "needs either name or armId"),
]))]
pub struct Owner {
    /// Name of a resource group in the subscription that the operator set.
    #[schemars(length(min = 1, max = 90), regex(pattern = r"^[A-Za-z0-9_().-]*[A-Za-z0-9_()-]$"))]
    pub name: Option<String>,
    /// Id of a resource group: `/subscriptions/…/resourceGroups/…`.
    #[schemars(
        length(max = 256),
        regex(pattern = r"^/subscriptions/[0-9A-Fa-f-]{36}/[rR]esource[gG]roups/[A-Za-z0-9_().-]+$")
    )]
    pub arm_id: Option<String>,
}

/// Version of a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, serde::Serialize, JsonSchema)]
pub enum Version {
    /// The only one.
    #[default]
    #[serde(rename = "12.0")]
    V12,
}

/// Version of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, serde::Serialize, JsonSchema)]
pub enum TlsVersion {
    /// TLS 1.2.
    #[default]
    #[serde(rename = "1.2")]
    Tls12,
    /// TLS 1.3.
    #[serde(rename = "1.3")]
    Tls13,
}

impl TlsVersion {
    /// As Azure has it.
    pub fn as_str(self) -> &'static str {
        match self {
            TlsVersion::Tls12 => "1.2",
            TlsVersion::Tls13 => "1.3",
        }
    }
}

fn default_login() -> String {
    DEFAULT_LOGIN.to_string()
}

fn enabled() -> Toggle {
    Toggle::Enabled
}

fn disabled() -> Toggle {
    Toggle::Disabled
}

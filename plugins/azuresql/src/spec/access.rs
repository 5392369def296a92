//! Who may connect: firewall rules and the administrator of Microsoft Entra.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Names of rules, pools and databases as far as they are safe in an id.
pub const NAME: &str = r"^[A-Za-z0-9_]([A-Za-z0-9_.()-]*[A-Za-z0-9_()-])?$";

/// On or off, as Azure writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum Toggle {
    /// On.
    Enabled,
    /// Off.
    Disabled,
}

impl Toggle {
    /// As Azure has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Toggle::Enabled => "Enabled",
            Toggle::Disabled => "Disabled",
        }
    }
}

/// A range of addresses that may connect.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FirewallRule {
    /// Name of the rule.
    #[schemars(length(min = 1, max = 128), regex(pattern = NAME))]
    pub name: String,
    /// First address, IPv4.
    #[schemars(length(max = 15), regex(pattern = r"^[0-9]{1,3}(\.[0-9]{1,3}){3}$"))]
    pub start_ip_address: String,
    /// Last address, IPv4; without it, only the first.
    #[schemars(length(max = 15), regex(pattern = r"^[0-9]{1,3}(\.[0-9]{1,3}){3}$"))]
    pub end_ip_address: Option<String>,
}

impl FirewallRule {
    /// Last address.
    pub fn end(&self) -> &str {
        self.end_ip_address.as_deref().unwrap_or(&self.start_ip_address)
    }
}

/// The administrator of Microsoft Entra.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Administrators {
    /// Name of the user, group or application, as it is shown.
    #[schemars(length(min = 1, max = 256))]
    pub login: String,
    /// Its object id; of an application, its client id.
    #[schemars(length(max = 36), regex(pattern = r"^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"))]
    pub sid: String,
    /// Its tenant; without it, that of the subscription.
    #[schemars(length(max = 36), regex(pattern = r"^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"))]
    pub tenant_id: Option<String>,
    /// What it is. It is only used when the server is created.
    pub principal_type: Option<PrincipalType>,
    /// Logins with passwords are refused, that of the administrator too.
    #[serde(default, rename = "azureADOnlyAuthentication")]
    pub azure_ad_only_authentication: bool,
}

/// Kinds of principals of Microsoft Entra.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum PrincipalType {
    /// A person.
    User,
    /// A group.
    Group,
    /// An application or a managed identity.
    Application,
}

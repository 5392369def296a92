//! The operator's settings of this plugin. In: a JSON object. Out: typed settings, or what is wrong and where.

use crate::spec::access::FirewallRule;
use serde::Deserialize;
use std::collections::BTreeMap;
use windlass_sdk::{FieldError, Value};

/// What the operator set for all servers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Settings {
    /// Id of the subscription of servers that do not name one.
    pub subscription: Option<String>,
    /// Resource group of servers that do not name one.
    pub resource_group: Option<String>,
    /// Which Azure.
    pub cloud: Cloud,
    /// Key Vault of servers that do not name one: its name or address.
    pub key_vault: Option<String>,
    /// Tags of all servers.
    pub tags: BTreeMap<String, String>,
    /// Firewall rules of all servers: the addresses under which the cluster goes out.
    pub firewall_rules: Vec<FirewallRule>,
    /// Whether a reserved login is replaced or refused.
    pub reserved_logins: ReservedLogins,
}

/// Which Azure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Cloud {
    /// The public one.
    #[default]
    Public,
    /// That of the government of the United States.
    UsGovernment,
    /// That of China.
    China,
}

impl Cloud {
    /// What the host name of a server ends with.
    pub fn sql_suffix(self) -> &'static str {
        match self {
            Cloud::Public => "database.windows.net",
            Cloud::UsGovernment => "database.usgovcloudapi.net",
            Cloud::China => "database.chinacloudapi.cn",
        }
    }

    /// What the host name of a vault ends with.
    pub fn vault_suffix(self) -> &'static str {
        match self {
            Cloud::Public => "vault.azure.net",
            Cloud::UsGovernment => "vault.usgovcloudapi.net",
            Cloud::China => "vault.azure.cn",
        }
    }
}

/// What becomes of a login that Azure reserves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum ReservedLogins {
    /// Another one is used in its place, and the user is told.
    #[default]
    Replace,
    /// The resource is refused.
    Refuse,
}

impl Settings {
    /// Reads settings.
    pub fn parse(settings: &Value) -> Result<Self, Vec<FieldError>> {
        let parsed: Settings = serde_path_to_error::deserialize(settings.clone()).map_err(|error| {
            let path = match error.path().to_string().as_str() {
                "." | "?" => "settings".to_string(),
                inner => format!("settings.{inner}"),
            };
            vec![FieldError::at(&path, &error.inner().to_string())]
        })?;
        let mut errors = Vec::new();
        let mut say = |path: &str, message: &str| errors.push(FieldError::at(&format!("settings.{path}"), message));
        let uuid = |text: &str| text.len() == 36 && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
        if parsed.subscription.as_deref().is_some_and(|id| !uuid(id)) {
            say("subscription", "must be the id of a subscription, a UUID");
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.()".contains(&byte);
        let group = parsed.resource_group.as_deref();
        if group.is_some_and(|name| name.is_empty() || name.len() > 90 || !name.bytes().all(plain)) {
            say("resourceGroup", "must be the name of a resource group");
        }
        errors.extend(crate::validate::rules("settings.firewallRules", &parsed.firewall_rules));
        if errors.is_empty() { Ok(parsed) } else { Err(errors) }
    }
}

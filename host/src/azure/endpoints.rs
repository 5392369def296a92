//! Where Azure is. In: which cloud, or a file with addresses. Out: endpoints and audiences.

use serde::Deserialize;
use std::collections::BTreeMap;

/// Where Azure is, and for whom tokens are asked for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Endpoints {
    /// Address of Azure Resource Manager, without a slash at its end.
    pub resource_manager: String,
    /// For whom its tokens are: `https://management.azure.com`.
    pub resource_manager_audience: String,
    /// Address of Microsoft Entra; always `https`.
    pub login: String,
    /// For whom the tokens of vaults are.
    pub vault_audience: String,
    /// Addresses that are asked instead of others, by their beginning (`https://NAME.vault.azure.net`). For test servers,
    /// proxies and private links; plain `http` only on loopback.
    pub instead: BTreeMap<String, String>,
}

impl Default for Endpoints {
    fn default() -> Self {
        Endpoints::public()
    }
}

impl Endpoints {
    fn of(manager: &str, login: &str, vault: &str) -> Self {
        Endpoints {
            resource_manager: manager.into(),
            resource_manager_audience: manager.into(),
            login: login.into(),
            vault_audience: vault.into(),
            instead: BTreeMap::new(),
        }
    }

    /// The public cloud.
    pub fn public() -> Self {
        Endpoints::of("https://management.azure.com", "https://login.microsoftonline.com", "https://vault.azure.net")
    }

    /// That of the government of the United States.
    pub fn us_government() -> Self {
        Endpoints::of(
            "https://management.usgovcloudapi.net",
            "https://login.microsoftonline.us",
            "https://vault.usgovcloudapi.net",
        )
    }

    /// That of China.
    pub fn china() -> Self {
        Endpoints::of("https://management.chinacloudapi.cn", "https://login.chinacloudapi.cn", "https://vault.azure.cn")
    }
}

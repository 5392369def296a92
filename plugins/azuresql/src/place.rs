//! Where a server is: its id, its name, its hosts. In: the resource and the operator's settings. Out: one place that never
//! moves once Azure has accepted the server, or what is missing to name it.

use crate::settings::{Cloud, Settings};
use crate::spec::ServerSpec;
use crate::status::ServerStatus;
use windlass_sdk::{FieldError, Resource, names};

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its id.
    pub id: String,
    /// Its name in Azure.
    pub name: String,
    /// Its host name.
    pub host: String,
    /// Address of the Key Vault, if there is one.
    pub vault: Option<String>,
    /// First part of the names of the vault's secrets.
    pub prefix: String,
    /// Name of the Secret.
    pub secret: String,
    /// The resource now names another place than the one where the server is: which fields.
    pub moved: bool,
}

impl Place {
    /// The place of a resource.
    pub fn of(resource: &Resource<ServerSpec, ServerStatus>, settings: &Settings) -> Result<Self, Vec<FieldError>> {
        let (spec, status) = (&resource.spec, &resource.status);
        let wanted = wanted_id(&resource.metadata.name, spec, settings);
        let (id, moved) = match (&status.id, wanted) {
            // Where it is, whatever the resource says now: a second server is never made by a change of name.
            (Some(id), wanted) => (id.clone(), !wanted.is_ok_and(|wanted| wanted.eq_ignore_ascii_case(id))),
            (None, wanted) => (wanted?, false),
        };
        let name = id.rsplit('/').next().unwrap_or_default().to_string();
        let vault = spec.key_vault.as_ref().map(|vault| vault.name.as_str()).or(settings.key_vault.as_deref());
        let prefix = spec.key_vault.as_ref().and_then(|vault| vault.prefix.clone()).unwrap_or_else(|| name.clone());
        let secret = spec.credentials.secret_name.clone();
        Ok(Place {
            host: format!("{name}.{}", settings.cloud.sql_suffix()),
            vault: vault.map(|vault| vault_address(vault, settings.cloud)),
            prefix,
            secret: secret.unwrap_or_else(|| names::child(&resource.metadata.name, "-credentials", names::LABEL)),
            id,
            name,
            moved,
        })
    }

    /// The id of something in the server.
    pub fn child(&self, type_: &str, name: &str) -> String {
        format!("{}/{type_}/{name}", self.id)
    }

    /// The name of one of the vault's secrets.
    pub fn vault_secret(&self, key: &str) -> String {
        format!("{}-{key}", self.prefix)
    }
}

fn wanted_id(resource: &str, spec: &ServerSpec, settings: &Settings) -> Result<String, Vec<FieldError>> {
    let wrong = |path: &str, message: &str| Err(vec![FieldError::at(path, message)]);
    let name = spec.azure_name.as_deref().unwrap_or(resource);
    if !is_server_name(name) {
        let message = format!(
            "{name:?} is no name for a server in Azure: set azureName to 1 to 63 lower-case letters, digits and hyphens, \
             no hyphen at either end"
        );
        return wrong("spec.azureName", &message);
    }
    let owner = spec.owner.clone().unwrap_or_default();
    let group = match (owner.arm_id, owner.name.or_else(|| settings.resource_group.clone()), &settings.subscription) {
        (Some(id), _, _) => id.trim_end_matches('/').to_string(),
        (None, Some(group), Some(subscription)) => format!("/subscriptions/{subscription}/resourceGroups/{group}"),
        (None, _, None) => {
            let message = "no subscription is known: set armId to the id of a resource group, or ask the operator to \
                           set subscription and resourceGroup in the plugin's settings";
            return wrong("spec.owner", message);
        }
        (None, None, Some(_)) => {
            let message = "no resource group is known: set name, or ask the operator to set resourceGroup in the \
                           plugin's settings";
            return wrong("spec.owner", message);
        }
    };
    Ok(format!("{group}/providers/Microsoft.Sql/servers/{name}"))
}

/// Whether Azure takes a name for a server.
pub fn is_server_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&name.len()) && name.bytes().all(allowed) && !name.starts_with('-') && !name.ends_with('-')
}

/// A vault's address from its name or address.
fn vault_address(vault: &str, cloud: Cloud) -> String {
    if vault.starts_with("https://") {
        vault.trim_end_matches('/').to_string()
    } else {
        format!("https://{vault}.{}", cloud.vault_suffix())
    }
}

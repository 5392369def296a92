//! What is reported about a server. In: the design and its Ready condition. Out: the status.

pub mod condition;

use crate::build::{CREDENTIALS, Design, credentials, rule, server};
use crate::situation::Situation;
use condition::Ready;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use windlass_sdk::Value;

/// The status of an `AzureSQLServer`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ServerStatus {
    /// Id of the server in Azure, from the moment that Azure has accepted it. From then on some fields cannot change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Its host name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fully_qualified_domain_name: Option<String>,
    /// What Azure says of it: `Ready`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// The administrator's login that it has, or is to get.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub administrator_login: Option<String>,
    /// Its region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// How bad it is that Ready is not true: `Info`, it becomes so by itself; `Warning`, it may take somebody's help;
    /// `Error`, it stays so until the resource is changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<String>,
    /// Code of the last write that Azure refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// Secret with host, login, password and connection strings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials_secret: Option<String>,
    /// Generation of the password in the Secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials_generation: Option<u32>,
    /// Key Vault that the credentials are in as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_vault: Option<String>,
    /// Names of the firewall rules that are declared.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub firewall_rules: Vec<String>,
    /// The resource is being deleted and everything in Azure is to stay.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub detached: bool,
}

/// The status.
pub fn build(design: &Design<'_>, ready: &Ready) -> ServerStatus {
    let old = &design.snapshot.resource.status;
    let live = design.case.live.as_ref();
    let text = |pointer: &str| live.and_then(|live| live.pointer(pointer)).and_then(Value::as_str).map(str::to_string);
    let id = text("/id").or_else(|| old.id.clone()).or_else(|| accepted(design).then(|| design.place.id.clone()));
    let gone = live.is_none() && !matches!(design.case.situation, Situation::Looking | Situation::Unreachable { .. });
    // What was true stays so while nobody can look.
    let kept = |new: Option<String>, old: &Option<String>| new.or_else(|| if gone { None } else { old.clone() });
    let secret = design.snapshot.secret(CREDENTIALS);
    ServerStatus {
        id,
        fully_qualified_domain_name: Some(credentials::host(design).to_string()),
        state: kept(text("/properties/state"), &old.state),
        administrator_login: Some(match (live, &old.administrator_login) {
            (None, Some(old)) if !gone => old.clone(),
            _ => server::login(design).to_string(),
        }),
        location: kept(text("/location"), &old.location),
        version: kept(text("/properties/version"), &old.version),
        severity: ready.severity.map(str::to_string),
        last_error: match &design.case.situation {
            Situation::Failed(failure) => Some(failure.code.clone()),
            Situation::PasswordUnknown => Some("PasswordUnknown".to_string()),
            Situation::Running { .. } | Situation::Looking | Situation::Unreachable { .. } => old.last_error.clone(),
            _ => None,
        },
        credentials_secret: Some(design.place.secret.clone()),
        credentials_generation: secret.map(|facts| facts.generation).or(old.credentials_generation),
        key_vault: design.place.vault.clone(),
        firewall_rules: rule::declared(design.spec(), &design.settings.firewall_rules)
            .into_iter()
            .map(|rule| rule.name)
            .collect(),
        detached: false,
    }
}

/// Azure has taken a write of the server, whether or not it can be seen.
fn accepted(design: &Design<'_>) -> bool {
    let failed = matches!(&design.case.situation, Situation::Failed(_) | Situation::NameTaken(_));
    design.case.exists && !failed && !matches!(design.case.situation, Situation::Unreachable { .. })
}

//! Where credentials are put: a Secret, and a Key Vault.

use schemars::JsonSchema;
use serde::Deserialize;

/// The Secret with the credentials.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Credentials {
    /// Name of the Secret; without it, the name of the resource with `-credentials`.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"))]
    pub secret_name: Option<String>,
    /// A higher number makes a new password. It is also the consent to replace a password that nobody knows any more.
    #[schemars(range(min = 0, max = 1000000), extend("x-kubernetes-validations" = [
        windlass_sdk::crd::rule("self >= oldSelf", "only goes up: a password does not come back"),
    ]))]
    pub generation: u32,
}

/// A Key Vault.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeyVault {
    /// Name of the vault, or its address: `https://NAME.vault.azure.net`.
    #[schemars(
        length(min = 3, max = 253),
        regex(pattern = r"^(https://[a-z0-9.-]+/?|[A-Za-z][A-Za-z0-9-]*[A-Za-z0-9])$")
    )]
    pub name: String,
    /// First part of the names of its secrets; without it, the name of the server. `-login`, `-password`, `-host` and
    /// `-connection-string` follow.
    #[schemars(length(min = 1, max = 100), regex(pattern = r"^[0-9A-Za-z-]+$"))]
    pub prefix: Option<String>,
}

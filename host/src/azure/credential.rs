//! Whose credential a resource is worked on with: that which the resource names, else that of its namespace, else that of
//! the host. In: a resource and the Secrets. Out: an identity, or why there is none.

use crate::act::{Actor, kubernetes::Target};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use model::{Kind, ObjectKey, facts::ResourceFacts, redact::Redacted};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::path::PathBuf;

/// Annotation on a resource: name of the Secret in its namespace with the credential. As the Azure Service Operator has it.
pub const CREDENTIAL_FROM: &str = "serviceoperator.azure.com/credential-from";
/// Name of the Secret with the credential of all resources of a namespace. As the Azure Service Operator has it.
pub const NAMESPACE_CREDENTIAL: &str = "aso-credential";

/// How to get tokens.
#[derive(Clone, Debug)]
pub enum Identity {
    /// An application with a client secret.
    ClientSecret {
        /// Tenant of the application.
        tenant: String,
        /// Its client id.
        client: String,
        /// Its secret.
        secret: Redacted<String>,
    },
    /// A service account of Kubernetes that Microsoft Entra trusts.
    Workload {
        /// Tenant of the application.
        tenant: String,
        /// Its client id.
        client: String,
        /// File with the service account's token. Read for each exchange: the kubelet replaces it.
        file: PathBuf,
    },
    /// The identity of the machine.
    Managed {
        /// Client id, where it has several.
        client: Option<String>,
    },
}

/// What was found for a resource.
pub type Scoped = Result<Identity, &'static str>;

/// No credential, or one that cannot be read.
const MISSING: &str = "CredentialMissing";

impl Identity {
    /// Distinguishes identities; says nothing about their secrets.
    pub(super) fn key(&self) -> [u8; 32] {
        let mut hasher = Sha256::new();
        let mut feed = |part: &str| {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part.as_bytes());
        };
        match self {
            Identity::ClientSecret { tenant, client, secret } => {
                ["secret", tenant, client, secret.expose()].into_iter().for_each(&mut feed);
            }
            Identity::Workload { tenant, client, file } => {
                ["workload", tenant, client, &file.to_string_lossy()].into_iter().for_each(&mut feed);
            }
            Identity::Managed { client } => {
                ["managed", client.as_deref().unwrap_or_default()].into_iter().for_each(&mut feed);
            }
        }
        hasher.finalize().into()
    }
}

/// The identity for a resource. One that is named and cannot be read is never replaced by a wider one.
pub async fn of(resource: &ResourceFacts, actor: &Actor, host: Option<&Identity>) -> Scoped {
    let Some(namespace) = &resource.key.namespace else { return host.cloned().ok_or(MISSING) };
    if let Some(name) = resource.annotations.get(CREDENTIAL_FROM) {
        return match read(namespace, name, actor).await? {
            Some(secret) => parse(&secret, host),
            None => Err(MISSING),
        };
    }
    match read(namespace, NAMESPACE_CREDENTIAL, actor).await? {
        Some(secret) => parse(&secret, host),
        None => host.cloned().ok_or(MISSING),
    }
}

async fn read(namespace: &str, name: &str, actor: &Actor) -> Result<Option<Value>, &'static str> {
    let kind = Kind::new("", "v1", "Secret");
    let key = ObjectKey { kind, namespace: Some(namespace.to_owned()), name: name.to_owned() };
    let served = actor.served_as(&key).await.map_err(|_| MISSING)?;
    actor.reader.get(Target { key: &key, resource: &served }).await.map_err(|failure| {
        tracing::debug!(secret = %key, reason = failure.reason(), "a credential could not be read");
        MISSING
    })
}

/// The keys are those of the Azure Service Operator.
fn parse(secret: &Value, host: Option<&Identity>) -> Scoped {
    let get = |key: &str| {
        let encoded = secret.get("data").and_then(|data| data.get(key)).and_then(Value::as_str)?;
        let text = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    };
    let client = get("AZURE_CLIENT_ID");
    if get("AUTH_MODE").is_some_and(|mode| mode.eq_ignore_ascii_case("podidentity")) {
        return Ok(Identity::Managed { client });
    }
    let (Some(tenant), Some(client)) = (get("AZURE_TENANT_ID"), client) else { return Err(MISSING) };
    match (get("AZURE_CLIENT_SECRET"), host) {
        (Some(secret), _) => Ok(Identity::ClientSecret { tenant, client, secret: Redacted::new(secret) }),
        // The service account is always the host's own.
        (None, Some(Identity::Workload { file, .. })) => Ok(Identity::Workload { tenant, client, file: file.clone() }),
        (None, _) => Err(MISSING),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn secret(entries: &[(&str, &str)]) -> Value {
        let data: serde_json::Map<String, Value> =
            entries.iter().map(|(key, value)| ((*key).to_owned(), STANDARD.encode(value).into())).collect();
        json!({ "data": data })
    }

    #[test]
    fn a_secret_names_an_application_or_the_service_account_or_the_machine() {
        let both = [("AZURE_TENANT_ID", "t"), ("AZURE_CLIENT_ID", "c")];
        let host = Identity::Workload { tenant: "T".into(), client: "C".into(), file: "/token".into() };
        let with = parse(&secret(&[both[0], both[1], ("AZURE_CLIENT_SECRET", "s\n")]), None).unwrap();
        assert!(matches!(&with, Identity::ClientSecret { secret, .. } if secret.expose() == "s"), "{with:?}");
        assert!(!format!("{with:?}").contains("\"s\""));
        let shared = parse(&secret(&both), Some(&host)).unwrap();
        assert!(matches!(shared, Identity::Workload { tenant, .. } if tenant == "t"));
        assert!(parse(&secret(&both), None).is_err(), "no other credential steps in");
        let managed = parse(&secret(&[("AUTH_MODE", "podidentity")]), None).unwrap();
        assert!(matches!(managed, Identity::Managed { client: None }));
    }
}

//! The key that fingerprints of Secret values are made with: read from, or once put into, the Secret `windlass-host` of
//! the system namespace, so that fingerprints mean the same after a restart.

use crate::client::DEADLINE;
use crate::entropy::Entropy;
use crate::watch::FingerprintKey;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::Api;
use kube::api::PostParams;
use kube::core::ObjectMeta;
use model::names::{FIELD_MANAGER, LABEL_MANAGED_BY, MANAGED_BY};
use std::collections::BTreeMap;

/// Name of the Secret.
pub const SECRET: &str = "windlass-host";
/// Its key.
pub const KEY: &str = "fingerprint-key";

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The host may not.
    #[error(
        "the API server does not let the host {verb} {what}: {message}; \
         grant the verbs get and create on secrets in namespace {namespace}, or create {what} beforehand"
    )]
    Forbidden {
        /// What was refused.
        verb: &'static str,
        /// The object.
        what: String,
        /// The system namespace.
        namespace: String,
        /// What the API server said.
        message: String,
    },
    /// The Secret is there without a usable key. It is not replaced: fingerprints would change everywhere.
    #[error("Secret {namespace}/windlass-host has no 32 bytes under fingerprint-key; delete it to have it made anew")]
    Malformed {
        /// The system namespace.
        namespace: String,
    },
    /// No answer.
    #[error("cannot {verb} {what}")]
    Unknown {
        /// What was tried.
        verb: &'static str,
        /// The object.
        what: String,
        /// What the client said; none for no answer in time.
        #[source]
        source: Option<kube::Error>,
    },
}

/// Reads the key, and makes it (and the namespace) where it is missing. Of several hosts that start at once, one makes
/// it and the others read it.
///
/// # Errors
/// When the key can be neither read nor made.
pub async fn obtain(client: &kube::Client, namespace: &str, entropy: &Entropy) -> Result<FingerprintKey, KeyError> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let what = format!("Secret {namespace}/{SECRET}");
    if let Some(secret) = answer(namespace, "get", &what, secrets.get_opt(SECRET)).await? {
        return read(&secret, namespace);
    }
    let mut key = [0; 32];
    entropy.fill(&mut key);
    let secret = Secret {
        metadata: metadata(SECRET),
        data: Some(BTreeMap::from([(KEY.to_owned(), ByteString(key.to_vec()))])),
        type_: Some("Opaque".into()),
        ..Secret::default()
    };
    let parameters = PostParams { field_manager: Some(FIELD_MANAGER.into()), ..PostParams::default() };
    match created(answer(namespace, "create", &what, secrets.create(&parameters, &secret)).await)? {
        Created::Done => return Ok(FingerprintKey::new(key)),
        Created::NoNamespace => {
            let namespaces: Api<Namespace> = Api::all(client.clone());
            let object = Namespace { metadata: metadata(namespace), ..Namespace::default() };
            let what_namespace = format!("Namespace {namespace}");
            let made = answer(namespace, "create", &what_namespace, namespaces.create(&parameters, &object)).await;
            created(made)?;
            let again = answer(namespace, "create", &what, secrets.create(&parameters, &secret)).await;
            if let Created::Done = created(again)? {
                return Ok(FingerprintKey::new(key));
            }
        }
        Created::Exists => {}
    }
    // Somebody was faster.
    match answer(namespace, "get", &what, secrets.get_opt(SECRET)).await? {
        Some(secret) => read(&secret, namespace),
        None => Err(KeyError::Unknown { verb: "create", what, source: None }),
    }
}

/// The key, where it is there and may be read. Nothing is made.
pub async fn look(client: &kube::Client, namespace: &str) -> Option<FingerprintKey> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let found = answer(namespace, "get", SECRET, secrets.get_opt(SECRET)).await.ok()??;
    read(&found, namespace).ok()
}

fn read(secret: &Secret, namespace: &str) -> Result<FingerprintKey, KeyError> {
    let bytes = secret.data.as_ref().and_then(|data| data.get(KEY)).map(|value| value.0.as_slice());
    let key = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    key.map(FingerprintKey::new).ok_or_else(|| KeyError::Malformed { namespace: namespace.to_owned() })
}

fn metadata(name: &str) -> ObjectMeta {
    let labels = BTreeMap::from([(LABEL_MANAGED_BY.to_owned(), MANAGED_BY.to_owned())]);
    ObjectMeta { name: Some(name.to_owned()), labels: Some(labels), ..ObjectMeta::default() }
}

enum Created {
    Done,
    Exists,
    NoNamespace,
}

fn created<T>(answer: Result<T, KeyError>) -> Result<Created, KeyError> {
    match answer {
        Ok(_) => Ok(Created::Done),
        Err(KeyError::Unknown { source: Some(kube::Error::Api(status)), .. }) if status.code == 409 => {
            Ok(Created::Exists)
        }
        Err(KeyError::Unknown { source: Some(kube::Error::Api(status)), .. }) if status.code == 404 => {
            Ok(Created::NoNamespace)
        }
        Err(error) => Err(error),
    }
}

async fn answer<T>(
    namespace: &str,
    verb: &'static str,
    what: &str,
    call: impl Future<Output = kube::Result<T>>,
) -> Result<T, KeyError> {
    let what = what.to_owned();
    match tokio::time::timeout(DEADLINE, call).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(kube::Error::Api(status))) if status.code == 403 => {
            let (namespace, message) = (namespace.to_owned(), status.message.clone());
            Err(KeyError::Forbidden { verb, what, namespace, message })
        }
        Ok(Err(source)) => Err(KeyError::Unknown { verb, what, source: Some(source) }),
        Err(_) => Err(KeyError::Unknown { verb, what, source: None }),
    }
}

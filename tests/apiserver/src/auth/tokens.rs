//! Bearer tokens of ServiceAccounts: issued here, recognised here, gone when their account is.

use super::User;
use crate::storage::{Store, TableKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

struct Issued {
    namespace: String,
    name: String,
    uid: String,
    until: DateTime<Utc>,
}

/// All tokens issued.
#[derive(Default)]
pub(crate) struct Tokens {
    issued: Mutex<HashMap<String, Issued>>,
}

impl Tokens {
    /// A new token. It has the form of a JWT, which clients look into; it is recognised by being known.
    pub(crate) fn issue(&self, namespace: &str, name: &str, uid: &str, until: DateTime<Utc>) -> String {
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let header = part(json!({ "alg": "none", "typ": "JWT" }));
        let claims = part(json!({
            "iss": "https://kubernetes.default.svc.cluster.local",
            "sub": format!("system:serviceaccount:{namespace}:{name}"),
            "exp": until.timestamp(),
            "jti": crate::clock::new_uid(),
            "kubernetes.io": { "namespace": namespace, "serviceaccount": { "name": name, "uid": uid } },
        }));
        let secret = URL_SAFE_NO_PAD.encode(format!("{}{}", crate::clock::new_uid(), crate::clock::new_uid()));
        let token = format!("{header}.{claims}.{secret}");
        let issued = Issued { namespace: namespace.to_owned(), name: name.to_owned(), uid: uid.to_owned(), until };
        self.issued.lock().unwrap_or_else(PoisonError::into_inner).insert(token.clone(), issued);
        token
    }

    /// The user of a token that is known, not expired, and whose account is still the one it was issued for.
    pub(crate) fn user(&self, token: &str, now: DateTime<Utc>, store: &Store) -> Option<User> {
        let known = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        let issued = known.get(token).filter(|i| i.until > now)?;
        let account =
            store.get(&TableKey::new("", "serviceaccounts"), &(issued.namespace.clone(), issued.name.clone()))?;
        let uid = account.value.pointer("/metadata/uid").and_then(Value::as_str)?;
        (uid == issued.uid).then(|| User::service_account(&issued.namespace, &issued.name, uid))
    }
}

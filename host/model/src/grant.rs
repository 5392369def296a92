//! What an operator allows a plugin. Both are needed: the plugin asks in `describe`, the operator grants here.

use crate::description::Backends;
use crate::names::syntax;
use serde::{Deserialize, Deserializer, Serialize, de::Error};
use std::fmt;

/// What one plugin may do. The default allows nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Grants {
    /// Kinds that it may write, in the namespace of the resource.
    pub writes: Vec<KindGrant>,
    /// Kinds that it may see though its resources do not own them.
    pub reads: Vec<ReadGrant>,
    /// Namespaces in which its resources are served; empty: all.
    pub namespaces: Vec<String>,
    /// Backends besides Kubernetes.
    pub backends: Backends,
    /// Subscription ids and, where given, resource groups.
    pub azure_scopes: Vec<AzureScope>,
    /// Key Vault addresses.
    pub vaults: Vec<String>,
    /// The ServiceAccount that everything about the plugin's resources is written as. None: the host's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account: Option<ServiceAccount>,
}

impl Grants {
    /// The grant to write a kind, whatever its version.
    pub fn write(&self, group: &str, kind: &str) -> Option<&KindGrant> {
        self.writes.iter().find(|grant| grant.group == group && grant.kind == kind)
    }

    /// Whether a kind may be written in this way.
    pub fn may(&self, verb: WriteVerb, group: &str, kind: &str) -> bool {
        self.writes.iter().any(|grant| grant.group == group && grant.kind == kind && grant.allows(verb))
    }
}

/// A ServiceAccount of Kubernetes. Both names are ones that the API server would take, so that they are safe in headers.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceAccount {
    namespace: String,
    name: String,
}

impl ServiceAccount {
    /// An account by its names.
    ///
    /// # Errors
    /// When the API server would not take one of them.
    pub fn new(namespace: &str, name: &str) -> Result<Self, String> {
        syntax::dns_label(namespace).map_err(|why| format!("the namespace {namespace:?} {why}"))?;
        syntax::dns_subdomain(name).map_err(|why| format!("the name {name:?} {why}"))?;
        Ok(ServiceAccount { namespace: namespace.into(), name: name.into() })
    }

    /// From `NAMESPACE/NAME`.
    ///
    /// # Errors
    /// When it is not of that form, or the API server would not take one of the names.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (namespace, name) =
            text.split_once('/').ok_or_else(|| format!("{text:?} is no account; write NAMESPACE/NAME"))?;
        ServiceAccount::new(namespace, name)
    }

    /// Its namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name of the user that it is to the API server.
    pub fn user(&self) -> String {
        format!("system:serviceaccount:{}:{}", self.namespace, self.name)
    }
}

impl fmt::Display for ServiceAccount {
    /// `NAMESPACE/NAME`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl<'de> Deserialize<'de> for ServiceAccount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        struct Written {
            namespace: String,
            name: String,
        }
        let Written { namespace, name } = Written::deserialize(deserializer)?;
        ServiceAccount::new(&namespace, &name).map_err(D::Error::custom)
    }
}

/// A way to write, in the words of RBAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WriteVerb {
    /// To make what is not there.
    Create,
    /// To change what is there.
    Patch,
    /// To delete.
    Delete,
}

impl WriteVerb {
    /// All of them.
    pub const ALL: [WriteVerb; 3] = [WriteVerb::Create, WriteVerb::Patch, WriteVerb::Delete];

    /// The word of RBAC.
    pub fn word(self) -> &'static str {
        match self {
            WriteVerb::Create => "create",
            WriteVerb::Patch => "patch",
            WriteVerb::Delete => "delete",
        }
    }
}

/// A kind that may be written. `*` for the version allows any.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KindGrant {
    /// API group; empty for the core group.
    #[serde(default)]
    pub group: String,
    /// Kind in CamelCase.
    pub kind: String,
    /// Objects of this cluster-scoped kind may be written from a namespaced resource.
    #[serde(default)]
    pub cluster_scope: bool,
    /// In which ways; empty: in all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verbs: Vec<WriteVerb>,
}

impl KindGrant {
    /// Whether it covers a way to write.
    pub fn allows(&self, verb: WriteVerb) -> bool {
        self.verbs.is_empty() || self.verbs.contains(&verb)
    }
}

/// A kind that may be seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReadGrant {
    /// API group; empty for the core group.
    #[serde(default)]
    pub group: String,
    /// Kind in CamelCase.
    pub kind: String,
    /// Namespaces besides the resource's own; `*` for all.
    #[serde(default)]
    pub namespaces: Vec<String>,
    /// Only objects of these names; empty: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
}

/// A subscription, or one of its resource groups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AzureScope {
    /// Subscription id.
    pub subscription: String,
    /// Resource group; none: all of the subscription.
    #[serde(default)]
    pub resource_group: Option<String>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn a_grant_without_verbs_covers_all_and_one_with_verbs_those() {
        let grants: Grants = serde_json::from_value(json!({"writes": [
            {"kind": "ConfigMap"}, {"kind": "Pod", "verbs": ["patch"]},
        ]}))
        .unwrap();
        let verbs = |kind: &str| WriteVerb::ALL.map(|verb| grants.may(verb, "", kind));
        assert_eq!(verbs("ConfigMap"), [true; 3]);
        assert_eq!(verbs("Pod"), [false, true, false]);
        assert_eq!(verbs("Secret"), [false; 3]);
        let error = serde_json::from_value::<Grants>(json!({"writes": [{"kind": "Pod", "verbs": ["*"]}]})).unwrap_err();
        assert!(error.to_string().contains('*'), "{error}");
    }

    #[test]
    fn an_account_is_only_one_that_the_api_server_would_take() {
        let read = |namespace: &str, name: &str| {
            serde_json::from_value::<ServiceAccount>(json!({"namespace": namespace, "name": name}))
        };
        assert_eq!(read("shop", "mysql").unwrap().user(), "system:serviceaccount:shop:mysql");
        for (namespace, name) in
            [("", "a"), ("a", ""), ("a", "b:c"), ("a:b", "c"), ("a", "b\r\nx: y"), ("A", "b"), ("a", "é")]
        {
            assert!(read(namespace, name).is_err(), "{namespace:?} {name:?}");
        }
        assert_eq!(ServiceAccount::parse("shop/mysql").unwrap().to_string(), "shop/mysql");
        assert!(ServiceAccount::parse("mysql").is_err());
    }
}

//! What a plugin may see, and which values of Secrets are used in its name. In: a query, an item, and the grants. Out: a
//! yes, or the rule that says no. Asked before anything is looked at, and again of the whole decision.

use super::{Problem, Refusal, Rule};
use crate::decision::{Body, MysqlServer, Replication, SecretKey};
use crate::description::RelatedQuery;
use crate::grant::{Grants, ReadGrant};
use crate::kind::ObjectKey;

/// Whether a resource in this namespace is the plugin's to decide for. Its plugin is not shown one that is not.
///
/// # Errors
/// When the namespace is not granted.
pub fn namespace(resource: &ObjectKey, grants: &Grants, plugin: &str) -> Result<(), Refusal> {
    Refusal::unless_empty(namespace_problem(resource, grants, plugin).into_iter().collect())
}

pub(super) fn namespace_problem(resource: &ObjectKey, grants: &Grants, plugin: &str) -> Option<Problem> {
    let namespace = resource.namespace.as_deref().filter(|namespace| !serves(grants, namespace))?;
    let why = format!("namespace {namespace} is not among those that plugin {plugin} is granted");
    Some(Problem::new(Rule::NamespaceNotGranted, "", &why))
}

pub(super) fn serves(grants: &Grants, namespace: &str) -> bool {
    grants.namespaces.is_empty() || grants.namespaces.iter().any(|granted| granted == namespace || granted == "*")
}

/// Whether a plugin may see what a query is about. Without a namespace a query is about that of the resource.
pub fn read_granted(query: &RelatedQuery, resource: &ObjectKey, grants: &Grants) -> bool {
    let namespace = query.namespace.as_deref().or(resource.namespace.as_deref());
    let of_kind = |grant: &&ReadGrant| grant.group == query.kind.group && grant.kind == query.kind.kind;
    grants.reads.iter().filter(of_kind).any(|grant| {
        let own = namespace.is_some() && namespace == resource.namespace.as_deref();
        let named = grant.names.is_empty()
            || (!query.names.is_empty() && query.names.iter().all(|name| grant.names.contains(name)));
        named && (own || grant.namespaces.iter().any(|allowed| allowed == "*" || Some(allowed.as_str()) == namespace))
    })
}

/// Why a query is not answered, in words.
pub fn not_readable(query: &RelatedQuery, resource: &ObjectKey) -> String {
    let namespace = query.namespace.as_deref().or(resource.namespace.as_deref());
    let place = namespace.map_or_else(|| "the cluster".to_string(), |name| format!("namespace {name}"));
    let which = if query.names.is_empty() { String::new() } else { format!(" {}", query.names.join(", ")) };
    format!("{}{which} in {place} is not granted to the plugin; add it to `reads` of its grants", query.kind)
}

/// What a plugin says that it must see before it decides.
///
/// # Errors
/// With each query that goes beyond the grants; its name stands for the item.
pub fn reads(queries: &[RelatedQuery], resource: &ObjectKey, grants: &Grants) -> Result<(), Refusal> {
    let beyond = queries.iter().filter(|query| !read_granted(query, resource, grants));
    let problem =
        |query: &RelatedQuery| Problem::new(Rule::ReadNotGranted, &query.name, &not_readable(query, resource));
    Refusal::unless_empty(beyond.map(problem).collect())
}

/// Whether the values of a Secret of the resource's namespace may be used for the plugin, though it did not have it made.
pub fn secret_granted(name: &str, grants: &Grants) -> bool {
    grants
        .reads
        .iter()
        .filter(|grant| grant.group.is_empty() && grant.kind == "Secret")
        .any(|grant| grant.names.is_empty() || grant.names.iter().any(|granted| granted == name))
}

/// The keys of Secrets whose values a server, or one that it follows, is sent.
pub fn server_secrets(server: &MysqlServer) -> Vec<&SecretKey> {
    let mut keys = vec![&server.user, &server.password];
    if let Replication::Source(source) = &server.replication {
        keys.extend([&source.user, &source.password]);
    }
    keys.extend(server.accounts.iter().flat_map(|account| [&account.user, &account.password]));
    keys.extend(server.reseed.iter().flat_map(|reseed| [&reseed.user, &reseed.password]));
    keys
}

/// The keys of Secrets whose values leave for where an item says: a server that is logged in to, a resource, a vault.
/// Certificates of authorities are not among them, for they are only compared with.
pub fn sent_secrets(body: &Body) -> Vec<&SecretKey> {
    match body {
        Body::Mysql(server) => server_secrets(server),
        Body::Azure(resource) => resource.secrets.iter().map(|(_, key)| key).collect(),
        Body::Vault(secret) => vec![&secret.value],
        Body::Kubernetes(_) | Body::Secret(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Kind;

    fn query(namespace: Option<&str>) -> RelatedQuery {
        RelatedQuery {
            name: "q".into(),
            kind: Kind::new("", "v1", "ConfigMap"),
            namespace: namespace.map(Into::into),
            label_selector: None,
            names: Vec::new(),
        }
    }

    fn grants(namespaces: &[&str]) -> Grants {
        let namespaces = namespaces.iter().map(|name| (*name).into()).collect();
        Grants {
            reads: vec![ReadGrant { group: String::new(), kind: "ConfigMap".into(), namespaces, names: Vec::new() }],
            ..Grants::default()
        }
    }

    fn resource() -> ObjectKey {
        ObjectKey { kind: Kind::new("x", "v1", "X"), namespace: Some("own".into()), name: "x".into() }
    }

    fn may_see(namespace: Option<&str>, grants: &Grants) -> bool {
        read_granted(&query(namespace), &resource(), grants)
    }

    #[test]
    fn nothing_is_seen_without_a_grant() {
        assert!(!may_see(None, &Grants::default()));
        let refusal = reads(&[query(None)], &resource(), &Grants::default()).unwrap_err();
        assert_eq!((refusal.reason(), refusal.problems()[0].item.as_str()), ("ReadNotGranted", "q"));
        assert!(refusal.to_string().contains("ConfigMap in namespace own is not granted"), "{refusal}");
        assert!(reads(&[query(None)], &resource(), &grants(&[])).is_ok());
    }

    #[test]
    fn a_grant_of_a_kind_covers_the_namespace_of_the_resource() {
        assert!(may_see(None, &grants(&[])));
        assert!(may_see(Some("own"), &grants(&[])));
        assert!(!may_see(Some("other"), &grants(&[])));
    }

    #[test]
    fn other_namespaces_are_seen_where_they_are_granted() {
        assert!(may_see(Some("other"), &grants(&["other"])));
        assert!(!may_see(Some("third"), &grants(&["other"])));
        assert!(may_see(Some("third"), &grants(&["*"])));
    }

    #[test]
    fn a_grant_of_names_covers_no_other_name_and_no_query_for_any() {
        let mut grants = grants(&[]);
        grants.reads[0].names = vec!["a".into(), "b".into()];
        let sees = |names: &[&str]| {
            let names = names.iter().map(|name| (*name).into()).collect();
            read_granted(&RelatedQuery { names, ..query(None) }, &resource(), &grants)
        };
        assert!(sees(&["a"]) && sees(&["a", "b"]));
        assert!(!sees(&["c"]) && !sees(&["a", "c"]) && !sees(&[]));
    }

    #[test]
    fn values_of_secrets_are_used_by_name() {
        let secret = |names: &[&str]| {
            let names = names.iter().map(|name| (*name).into()).collect();
            let grant = ReadGrant { group: String::new(), kind: "Secret".into(), namespaces: Vec::new(), names };
            Grants { reads: vec![grant], ..Grants::default() }
        };
        assert!(secret_granted("a", &secret(&["a"])) && !secret_granted("b", &secret(&["a"])));
        assert!(secret_granted("b", &secret(&[])));
        assert!(!secret_granted("a", &grants(&[])));
    }

    #[test]
    fn a_resource_is_the_plugins_where_its_namespace_is_granted() {
        let in_namespaces = |names: &[&str]| {
            let namespaces = names.iter().map(|name| (*name).into()).collect();
            namespace(&resource(), &Grants { namespaces, ..Grants::default() }, "p")
        };
        assert!(in_namespaces(&[]).is_ok() && in_namespaces(&["own"]).is_ok() && in_namespaces(&["*"]).is_ok());
        assert_eq!(in_namespaces(&["other"]).unwrap_err().reason(), "NamespaceNotGranted");
        let cluster = ObjectKey { namespace: None, ..resource() };
        assert!(namespace(&cluster, &Grants { namespaces: vec!["other".into()], ..Grants::default() }, "p").is_ok());
    }
}

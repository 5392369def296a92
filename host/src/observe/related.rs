//! Answers to what a plugin wants to see besides its own: a query in, objects out, within what the operator granted.

use super::{NotYet, settled};
use crate::watch::{Cache, Object, cache::Sync};
use model::{Grants, ObjectKey, description::RelatedQuery, related::Selector};
use std::sync::Arc;

/// The answer to one query.
pub struct Answer {
    /// The query.
    pub query: RelatedQuery,
    /// Why the objects are not all that match; none when they are.
    pub reason: Option<String>,
    /// What matches, by namespace and name.
    pub objects: Vec<Arc<Object>>,
}

pub(super) fn answer(
    query: &RelatedQuery,
    resource: &ObjectKey,
    cache: &Cache,
    grants: &Grants,
    watch: &dyn Fn(&model::Kind),
) -> Result<Answer, NotYet> {
    let none = |reason: String| Ok(Answer { query: query.clone(), reason: Some(reason), objects: Vec::new() });
    let namespace = query.namespace.as_deref().or(resource.namespace.as_deref());
    if !granted(query, namespace, resource, grants) {
        let place = namespace.map_or_else(|| "the cluster".to_string(), |name| format!("namespace {name}"));
        let which = if query.names.is_empty() { String::new() } else { format!(" {}", query.names.join(", ")) };
        return none(format!(
            "{}{which} in {place} is not granted to the plugin; add it to `reads` of its grants",
            query.kind
        ));
    }
    let selector = match Selector::parse(query.label_selector.as_deref().unwrap_or_default()) {
        Ok(selector) => selector,
        Err(error) => return none(error.to_string()),
    };
    settled(cache, &query.kind, watch)?;
    match cache.sync(&query.kind) {
        Sync::Forbidden(why) => return none(why),
        Sync::Missing => return none(format!("the cluster does not serve {}", query.kind)),
        Sync::Synced | Sync::Listing | Sync::Unwatched => {}
    }
    // Objects of kinds without namespaces have none, wherever the resource is.
    let mut objects = cache.list(&query.kind, namespace, &selector, &query.names);
    if objects.is_empty() && query.namespace.is_none() {
        objects = cache.list(&query.kind, Some(""), &selector, &query.names);
    }
    Ok(Answer { query: query.clone(), reason: None, objects })
}

fn granted(query: &RelatedQuery, namespace: Option<&str>, resource: &ObjectKey, grants: &Grants) -> bool {
    grants.reads.iter().filter(|grant| grant.group == query.kind.group && grant.kind == query.kind.kind).any(|grant| {
        let own = namespace.is_some() && namespace == resource.namespace.as_deref();
        let named = grant.names.is_empty()
            || (!query.names.is_empty() && query.names.iter().all(|name| grant.names.contains(name)));
        named && (own || grant.namespaces.iter().any(|allowed| allowed == "*" || Some(allowed.as_str()) == namespace))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Kind, grant::ReadGrant};

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
        granted(&query(namespace), namespace.or(Some("own")), &resource(), grants)
    }

    #[test]
    fn nothing_is_seen_without_a_grant() {
        assert!(!may_see(None, &Grants::default()));
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
            granted(&RelatedQuery { names, ..query(None) }, Some("own"), &resource(), &grants)
        };
        assert!(sees(&["a"]) && sees(&["a", "b"]));
        assert!(!sees(&["c"]) && !sees(&["a", "c"]) && !sees(&[]));
    }
}

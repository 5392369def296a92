//! Answers to what a plugin wants to see besides its own: a query in, objects out, within what the operator granted.

use super::{NotYet, settled};
use crate::watch::{Cache, Object, cache::Sync};
use model::{Grants, ObjectKey, check, description::RelatedQuery, related::Selector};
use std::sync::Arc;

/// The answer to one query.
pub struct Answer {
    /// The query.
    pub query: RelatedQuery,
    /// Why the objects are not all that match; none when they are.
    pub reason: Option<String>,
    /// The operator granted the plugin to see them.
    pub granted: bool,
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
    let none =
        |reason: String| Ok(Answer { query: query.clone(), reason: Some(reason), granted: true, objects: Vec::new() });
    let namespace = query.namespace.as_deref().or(resource.namespace.as_deref());
    if !check::read_granted(query, resource, grants) {
        let reason = Some(check::not_readable(query, resource));
        return Ok(Answer { query: query.clone(), reason, granted: false, objects: Vec::new() });
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
    Ok(Answer { query: query.clone(), reason: None, granted: true, objects })
}

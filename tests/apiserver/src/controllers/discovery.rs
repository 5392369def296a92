//! Which kinds the API server serves. In: a client. Out: the kinds that can be listed, watched and deleted.

use std::collections::BTreeMap;
use std::sync::Arc;

use kube::api::{ApiResource, DynamicObject};
use kube::discovery::{ApiCapabilities, Discovery, Scope, verbs};
use kube::{Api, Client};

use crate::machinery::error::Error;

/// A kind, whatever its version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct GroupKind {
    pub(crate) group: String,
    pub(crate) kind: String,
}

impl GroupKind {
    /// The kind that an `apiVersion` and `kind` name.
    pub(crate) fn of(api_version: &str, kind: &str) -> Self {
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        Self { group: group.to_owned(), kind: kind.to_owned() }
    }
}

/// One served kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Served {
    pub(crate) resource: ApiResource,
    pub(crate) namespaced: bool,
    /// Whether all objects of a namespace can be deleted in one request.
    pub(crate) collection_delete: bool,
}

impl Served {
    /// The API for one namespace, which a cluster-scoped kind ignores.
    pub(crate) fn api(&self, client: &Client, namespace: &str) -> Api<DynamicObject> {
        if self.namespaced && !namespace.is_empty() {
            Api::namespaced_with(client.clone(), namespace, &self.resource)
        } else {
            Api::all_with(client.clone(), &self.resource)
        }
    }
}

/// The served kinds by their identity.
pub(crate) type Kinds = Arc<BTreeMap<GroupKind, Served>>;

/// Asks the API server. Aggregated discovery takes two requests; a server without it is asked group by group.
pub(crate) async fn discover(client: &Client) -> Result<Kinds, Error> {
    let aggregated = Discovery::new(client.clone()).run_aggregated().await;
    let discovery = match aggregated {
        Ok(discovery) if discovery.groups().next().is_some() => discovery,
        _ => Discovery::new(client.clone())
            .run()
            .await
            .map_err(|source| Error::Discovery { source: Box::new(source) })?,
    };
    let mut kinds = BTreeMap::new();
    for group in discovery.groups() {
        for (resource, capabilities) in group.resources_by_stability() {
            let identity = GroupKind { group: resource.group.clone(), kind: resource.kind.clone() };
            if let Some(served) = served(resource, &capabilities) {
                kinds.insert(identity, served);
            }
        }
    }
    Ok(Arc::new(kinds))
}

fn served(resource: ApiResource, capabilities: &ApiCapabilities) -> Option<Served> {
    let can = |verb| capabilities.supports_operation(verb);
    (can(verbs::LIST) && can(verbs::WATCH) && can(verbs::DELETE)).then(|| Served {
        resource,
        namespaced: capabilities.scope == Scope::Namespaced,
        collection_delete: can(verbs::DELETE_COLLECTION),
    })
}

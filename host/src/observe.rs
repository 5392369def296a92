//! Observe: the key of a resource in, one immutable view of it and everything around it out. Kubernetes from caches alone:
//! nothing is asked of the API server for it, and an unchanged resource is recognised without a document being parsed.
//! Servers of other backends are asked, and only when a decision is due.
//!
//! It goes in two steps. A [`Look`] collects references to cached objects and the identity of the whole; only when that
//! identity is new, or the last pass left something to do, [`Look::snapshot`] and [`Look::facts`] read the documents.

pub mod cloud;
mod credentials;
pub mod found;
mod identity;
mod related;
pub mod servers;
mod sighting;
mod snapshot;

pub use credentials::Credentials;
pub use identity::Identity;
pub use related::Answer;

use crate::{
    context::{Memory, Served},
    watch::{Cache, Object, cache::Sync, discovery::Discovery},
};
use model::{
    Body, Decision, Grants, Inventory, ItemId, Kind, ObjectKey, check,
    decision::SecretKey,
    description::RelatedQuery,
    names,
    scope::{Scope, Scopes},
    snapshot::manifest_kind,
};
use std::sync::Arc;

/// What was found for one resource, as references into the cache.
pub struct Look {
    /// The resource.
    pub resource: Arc<Object>,
    /// Every object of every watched kind that belongs to it, by key.
    pub owned: Vec<Arc<Object>>,
    /// Objects that the inventory names and that do not carry our marks any more (or are of a kind that has none).
    pub named: Vec<(ObjectKey, Seen)>,
    /// Objects of others that items of the last decision are laid over.
    pub overlaid: Vec<(ItemId, ObjectKey, Seen)>,
    /// Answers to the queries of the plugin.
    pub related: Vec<Answer>,
    /// What the resource has in its inventory. One that cannot be read is empty here and an error in the facts.
    pub inventory: Arc<Inventory>,
    /// Kinds that the plugin writes and that the cluster does not serve.
    pub unserved: Vec<Kind>,
    /// MySQL servers that were asked in this pass.
    pub servers: Arc<servers::Asked>,
    /// What was seen in Azure in this pass.
    pub cloud: Arc<cloud::Asked>,
    /// Same identity: same view of Kubernetes.
    pub identity: Identity,
    /// Same question: same snapshot, but for the time.
    pub question: Identity,
}

/// What the cache says about one object.
#[derive(Clone, Debug)]
pub enum Seen {
    /// It is there.
    Found(Arc<Object>),
    /// It is not there.
    Absent,
    /// Nothing is known; the text says why.
    Unknown(String),
}

/// Why there is nothing to look at yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotYet {
    /// The first list of a kind is under way.
    Listing(Kind),
    /// The resource is gone.
    Gone,
}

impl Look {
    /// The same look with what servers and Azure answered.
    pub fn with_answers(mut self, servers: Arc<servers::Asked>, cloud: Arc<cloud::Asked>) -> Self {
        self.question = self.identity.with_servers(&servers).with_cloud(&cloud);
        (self.servers, self.cloud) = (servers, cloud);
        self
    }

    /// The object that the resource owns for an item, if there is one.
    pub fn object_of(&self, item: &str) -> Option<serde_json::Value> {
        let of_item =
            |object: &&Arc<Object>| object.annotations.get(names::ANNOTATION_ITEM).is_some_and(|id| id == item);
        Some(self.owned.iter().find(of_item)?.value())
    }

    /// Whether the values of a Secret may be used for the plugin: it is the resource's own, or granted.
    pub fn may_use(&self, key: &SecretKey, grants: &Grants) -> bool {
        let ours = |object: &Arc<Object>| {
            let ObjectKey { kind, namespace, name } = &object.key;
            kind.group.is_empty()
                && kind.kind == "Secret"
                && *namespace == self.resource.key.namespace
                && *name == key.secret
        };
        self.owned.iter().any(ours) || check::secret_granted(&key.secret, grants)
    }

    /// What the plugin asked to see.
    pub fn queries(&self) -> Vec<RelatedQuery> {
        self.related.iter().map(|answer| answer.query.clone()).collect()
    }
}

/// Collects what is there. `watch` is told every kind that has to be watched; it may be called with one that is.
#[tracing::instrument(name = "observe", level = "debug", skip_all)]
pub fn look(
    key: &ObjectKey,
    cache: &Cache,
    served: &Served,
    memory: &mut Memory,
    watch: &dyn Fn(&Kind),
) -> Result<Look, NotYet> {
    let resource = cache.get(key).ok_or(NotYet::Gone)?;
    let inventory = memory.inventory(resource.annotations.get(names::ANNOTATION_INVENTORY).map(String::as_str));
    let writes = served.decider.description().writes.iter();
    for kind in writes.chain(inventory.keys().map(|key| &key.kind)) {
        settled(cache, kind, watch)?;
    }
    let queries: Vec<&RelatedQuery> = served.decider.description().reads.iter().chain(&memory.needs).collect();
    let mut related = Vec::with_capacity(queries.len());
    for query in queries {
        related.push(related::answer(query, key, cache, &served.grants, watch)?);
    }
    let owned = cache.owned_by(&resource.uid);
    let named = inventory
        .keys()
        .filter(|named| !owned.iter().any(|object| object.key == **named))
        .map(|named| (named.clone(), sighting::of(cache, named)))
        .collect();
    let mut overlaid = Vec::with_capacity(memory.overlaid.len());
    for (id, key) in &memory.overlaid {
        settled(cache, &key.kind, watch)?;
        overlaid.push((id.clone(), key.clone(), sighting::of(cache, key)));
    }
    let unserved = served.decider.description().writes.iter().filter(|kind| cache.sync(kind) == Sync::Missing);
    let unserved = unserved.cloned().collect();
    let mut look = Look {
        resource,
        owned,
        named,
        overlaid,
        related,
        inventory,
        unserved,
        servers: Arc::default(),
        cloud: Arc::default(),
        identity: Identity::default(),
        question: Identity::default(),
    };
    look.identity = Identity::of(&look, served, memory);
    look.question = look.identity;
    Ok(look)
}

/// A view of the kind can be relied on, or it is known why there is none.
fn settled(cache: &Cache, kind: &Kind, watch: &dyn Fn(&Kind)) -> Result<(), NotYet> {
    match cache.sync(kind) {
        Sync::Unwatched => {
            watch(kind);
            Err(NotYet::Listing(kind.clone()))
        }
        Sync::Listing => Err(NotYet::Listing(kind.clone())),
        Sync::Synced | Sync::Missing | Sync::Forbidden(_) => Ok(()),
    }
}

/// Where the kinds of a decision live, as the cluster tells. Asked once for each group; later from memory.
pub async fn scopes(decision: &Decision, discovery: &Discovery) -> Scopes {
    let mut scopes = Scopes::default();
    for item in &decision.items {
        let Body::Kubernetes(manifest) = &item.body else { continue };
        let Some(kind) = manifest_kind(manifest) else { continue };
        // Where the cluster cannot be asked, the plan knows the built-in kinds, and the check refuses the others.
        if let Ok(Some(resource)) = discovery.resolve(&kind).await {
            scopes.insert(&kind, if resource.namespaced { Scope::Namespaced } else { Scope::Cluster });
        }
    }
    scopes
}

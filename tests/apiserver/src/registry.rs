//! Which resources are served now: built-in kinds, and the versions of established CustomResourceDefinitions. Readers
//! take a snapshot; a change makes a new one.

use crate::resource::Resource;
use crate::storage::TableKey;
use std::collections::{BTreeMap, HashMap};
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// A resource in service.
pub(crate) struct Served {
    pub(crate) resource: Resource,
    /// Where its objects are.
    pub(crate) table: TableKey,
    /// Which compilation this is: objects stored under another are defaulted and pruned again when read.
    pub(crate) epoch: u64,
    /// The apiVersion under which its objects are stored.
    pub(crate) stored_as: String,
    /// Its CustomResourceDefinition is being deleted: nothing new may be created.
    pub(crate) terminating: bool,
}

impl Deref for Served {
    type Target = Resource;

    fn deref(&self) -> &Resource {
        &self.resource
    }
}

/// All resources in service at one moment.
#[derive(Default)]
pub(crate) struct Catalog {
    by_path: HashMap<(String, String), BTreeMap<String, Arc<Served>>>,
    order: Vec<Arc<Served>>,
}

impl Catalog {
    fn of(order: Vec<Arc<Served>>) -> Self {
        let mut by_path: HashMap<_, BTreeMap<_, _>> = HashMap::new();
        for served in &order {
            by_path
                .entry((served.group.clone(), served.version.clone()))
                .or_default()
                .insert(served.plural.clone(), served.clone());
        }
        Self { by_path, order }
    }

    /// The resource at a path.
    pub(crate) fn find(&self, group: &str, version: &str, plural: &str) -> Option<Arc<Served>> {
        self.by_path.get(&(group.to_owned(), version.to_owned()))?.get(plural).cloned()
    }

    /// Whether a built-in group version exists; paths in those answer a Status where others answer plain text.
    pub(crate) fn is_builtin(&self, group: &str, version: &str) -> bool {
        self.by_path
            .get(&(group.to_owned(), version.to_owned()))
            .is_some_and(|resources| resources.values().any(|r| !r.custom))
    }

    /// Everything in service, in order of registration.
    pub(crate) fn all(&self) -> &[Arc<Served>] {
        &self.order
    }

    /// The resources alone, for the OpenAPI documents.
    pub(crate) fn resources(&self) -> Vec<Resource> {
        self.order.iter().map(|s| s.resource.clone()).collect()
    }
}

/// The place of the current [`Catalog`].
pub(crate) struct Registry {
    catalog: RwLock<Arc<Catalog>>,
    epochs: AtomicU64,
}

/// Where the objects of a resource are kept: events are one table for both of their groups.
pub(crate) fn table(resource: &Resource) -> TableKey {
    match (resource.group.as_str(), resource.plural.as_str()) {
        ("events.k8s.io", "events") => TableKey::new("", "events"),
        (group, plural) => TableKey::new(group, plural),
    }
}

impl Registry {
    /// A registry of built-in kinds.
    pub(crate) fn new(builtin: Vec<Resource>) -> Self {
        let registry = Self { catalog: RwLock::default(), epochs: AtomicU64::new(1) };
        let served = registry.serve(builtin, false);
        registry.put(Catalog::of(served));
        registry
    }

    fn serve(&self, resources: Vec<Resource>, terminating: bool) -> Vec<Arc<Served>> {
        let epoch = self.epochs.fetch_add(1, Ordering::Relaxed);
        let stored: HashMap<TableKey, String> = resources
            .iter()
            .filter(|r| r.storage_version)
            .map(|r| (TableKey::new(&r.group, &r.plural), r.api_version()))
            .collect();
        let one = |resource: Resource| {
            let table = table(&resource);
            let stored_as = stored.get(&table).cloned().unwrap_or_else(|| resource.api_version());
            Arc::new(Served { resource, table, epoch, stored_as, terminating })
        };
        resources.into_iter().map(one).collect()
    }

    fn put(&self, catalog: Catalog) {
        *self.catalog.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(catalog);
    }

    /// What is served now.
    pub(crate) fn snapshot(&self) -> Arc<Catalog> {
        self.catalog.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Serve these versions of a custom resource instead of what was served of it (none: stop serving it).
    pub(crate) fn set_custom(&self, table: &TableKey, resources: Vec<Resource>, terminating: bool) {
        let added = self.serve(resources, terminating);
        let mut current = self.catalog.write().unwrap_or_else(PoisonError::into_inner);
        let mut order: Vec<_> = current.all().iter().filter(|s| !(s.custom && s.table == *table)).cloned().collect();
        order.extend(added);
        *current = Arc::new(Catalog::of(order));
    }
}

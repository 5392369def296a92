//! Everything stored: one counter and one lock order all writes; each resource keeps its objects and the log of what
//! happened to them. Writes come in, snapshots and events go out. Lists at an older version are rebuilt by undoing the
//! log; watches read the log from where they are, so a slow watcher costs nothing.

mod object;
mod oracle;
#[cfg(test)]
mod tests;

pub(crate) use object::render_json;
pub use object::{Event, EventKind, Stored};
pub use oracle::Counts;

use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// Where objects of a resource are kept: group and plural name, shared by all versions.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableKey {
    /// API group.
    pub group: String,
    /// Plural name.
    pub plural: String,
}

impl TableKey {
    /// The table of a resource.
    pub fn new(group: &str, plural: &str) -> Self {
        Self { group: group.to_owned(), plural: plural.to_owned() }
    }
}

/// Namespace (empty for cluster scope) and name.
pub type ObjectKey = (String, String);

/// Why a write did not happen.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum WriteError {
    /// Create of a name that exists.
    #[error("the object exists already")]
    Exists,
    /// Change of a name that does not exist.
    #[error("the object does not exist")]
    Missing,
    /// The object is not at the version that the change was computed from.
    #[error("the object has changed since it was read")]
    Changed,
}

/// The history asked for has been dropped.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("version {asked} is older than the oldest kept, {oldest}")]
pub struct Compacted {
    /// Version asked for.
    pub asked: u64,
    /// Oldest version that can still be asked for.
    pub oldest: u64,
}

/// A part of a list at one version.
pub struct Page {
    /// Objects in order of key.
    pub items: Vec<Arc<Stored>>,
    /// Version of the snapshot.
    pub version: u64,
}

struct Table {
    objects: BTreeMap<ObjectKey, Arc<Stored>>,
    log: VecDeque<Arc<Event>>,
    /// Events up to this version may be missing from the log.
    dropped: u64,
    changed: watch::Sender<u64>,
}

struct Inner {
    version: u64,
    history: usize,
    tables: HashMap<TableKey, Table>,
    counts: BTreeMap<String, Counts>,
    /// How often an object of that name was removed, since the start.
    removals: HashMap<String, u64>,
    writes: u64,
}

/// All objects of the server. Clones share the same objects.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Mutex<Inner>>,
}

impl Store {
    /// An empty store that keeps the last `history` events of each resource.
    pub fn new(history: usize) -> Self {
        let inner = Inner {
            version: 1,
            history: history.max(1),
            tables: HashMap::new(),
            counts: BTreeMap::new(),
            removals: HashMap::new(),
            writes: 0,
        };
        Self { inner: Arc::new(Mutex::new(inner)) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The version of the last write.
    pub fn version(&self) -> u64 {
        self.lock().version
    }

    /// The place of an object as oracles name it, and how often an object there was removed.
    pub(crate) fn place(&self, table: &TableKey, key: &ObjectKey) -> (String, u64) {
        let name = oracle::name(table, key);
        let removals = self.lock().removals.get(&name).copied().unwrap_or(0);
        (name, removals)
    }

    /// One object.
    pub fn get(&self, table: &TableKey, key: &ObjectKey) -> Option<Arc<Stored>> {
        self.lock().tables.get(table)?.objects.get(key).cloned()
    }

    /// Store a new object under the next version.
    pub fn create(
        &self,
        table: &TableKey,
        key: ObjectKey,
        value: Value,
        epoch: u64,
    ) -> Result<Arc<Stored>, WriteError> {
        let mut inner = self.lock();
        if inner.tables.get(table).is_some_and(|t| t.objects.contains_key(&key)) {
            return Err(WriteError::Exists);
        }
        Ok(inner.write(table, key, EventKind::Added, Some(value), epoch))
    }

    /// Replace an object that is still at version `expected`.
    pub fn replace(
        &self,
        table: &TableKey,
        key: ObjectKey,
        expected: u64,
        value: Value,
        epoch: u64,
    ) -> Result<Arc<Stored>, WriteError> {
        let mut inner = self.lock();
        inner.expect(table, &key, expected)?;
        Ok(inner.write(table, key, EventKind::Modified, Some(value), epoch))
    }

    /// Remove an object that is still at version `expected`; answers its last state under the version of the removal.
    pub fn delete(&self, table: &TableKey, key: ObjectKey, expected: u64) -> Result<Arc<Stored>, WriteError> {
        let mut inner = self.lock();
        inner.expect(table, &key, expected)?;
        Ok(inner.write(table, key, EventKind::Deleted, None, 0))
    }

    /// Objects of a table after the key `after`, restricted to `namespace`, as of version `at` (now when absent).
    pub fn list(
        &self,
        table: &TableKey,
        namespace: Option<&str>,
        at: Option<u64>,
        after: Option<&ObjectKey>,
    ) -> Result<Page, Compacted> {
        let inner = self.lock();
        let version = at.unwrap_or(inner.version);
        let Some(table) = inner.tables.get(table) else {
            return Ok(Page { items: Vec::new(), version });
        };
        let mut undone: BTreeMap<&ObjectKey, Option<&Arc<Stored>>> = BTreeMap::new();
        if version < inner.version {
            if version < table.dropped {
                return Err(Compacted { asked: version, oldest: table.dropped });
            }
            for event in table.log.iter().rev().take_while(|e| e.version > version) {
                undone.insert(&event.key, event.previous.as_ref());
            }
        }
        let wanted = |key: &ObjectKey| namespace.is_none_or(|n| key.0 == n) && after.is_none_or(|a| key > a);
        let mut found: Vec<(&ObjectKey, Arc<Stored>)> = Vec::new();
        let start = match (after, namespace) {
            (Some(after), _) => std::ops::Bound::Excluded(after.clone()),
            (None, Some(namespace)) => std::ops::Bound::Included((namespace.to_owned(), String::new())),
            (None, None) => std::ops::Bound::Unbounded,
        };
        for (key, object) in table.objects.range((start, std::ops::Bound::Unbounded)) {
            if namespace.is_some_and(|n| key.0.as_str() > n) {
                break;
            }
            if wanted(key) && !undone.contains_key(key) {
                found.push((key, object.clone()));
            }
        }
        let old: Vec<_> = undone
            .into_iter()
            .filter(|(key, _)| wanted(key))
            .filter_map(|(key, object)| object.map(|o| (key, o.clone())))
            .collect();
        if !old.is_empty() {
            found.extend(old);
            found.sort_by(|a, b| a.0.cmp(b.0));
        }
        Ok(Page { items: found.into_iter().map(|(_, o)| o).collect(), version })
    }

    /// What happened to a table after version `after`, at most `max` events, and the version up to which the answer is
    /// complete.
    pub fn events(&self, table: &TableKey, after: u64, max: usize) -> Result<(Vec<Arc<Event>>, u64), Compacted> {
        let inner = self.lock();
        let Some(table) = inner.tables.get(table) else {
            return Ok((Vec::new(), inner.version));
        };
        if after < table.dropped {
            return Err(Compacted { asked: after, oldest: table.dropped });
        }
        let start = table.log.partition_point(|e| e.version <= after);
        let events: Vec<_> = table.log.iter().skip(start).take(max).cloned().collect();
        let complete = if start + events.len() == table.log.len() {
            inner.version
        } else {
            events.last().map_or(inner.version, |e| e.version)
        };
        Ok((events, complete))
    }

    /// A channel that changes with every write to a table.
    pub fn changes(&self, table: &TableKey) -> watch::Receiver<u64> {
        self.lock().table(table).changed.subscribe()
    }

    /// Forget the history up to version `up_to` (all of it when absent): older lists and watches then get 410.
    pub fn compact(&self, up_to: Option<u64>) {
        let mut inner = self.lock();
        let up_to = up_to.unwrap_or(inner.version).min(inner.version);
        for table in inner.tables.values_mut() {
            while table.log.front().is_some_and(|e| e.version <= up_to) {
                table.log.pop_front();
            }
            table.dropped = table.dropped.max(up_to);
        }
    }

    /// Whether a table holds nothing.
    pub fn is_empty(&self, table: &TableKey) -> bool {
        self.lock().tables.get(table).is_none_or(|t| t.objects.is_empty())
    }
}

impl Inner {
    fn table(&mut self, key: &TableKey) -> &mut Table {
        self.tables.entry(key.clone()).or_insert_with(|| Table {
            objects: BTreeMap::new(),
            log: VecDeque::new(),
            dropped: 0,
            changed: watch::channel(0).0,
        })
    }

    fn expect(&self, table: &TableKey, key: &ObjectKey, expected: u64) -> Result<(), WriteError> {
        match self.tables.get(table).and_then(|t| t.objects.get(key)) {
            None => Err(WriteError::Missing),
            Some(object) if object.version != expected => Err(WriteError::Changed),
            Some(_) => Ok(()),
        }
    }

    fn write(
        &mut self,
        at: &TableKey,
        key: ObjectKey,
        kind: EventKind,
        value: Option<Value>,
        epoch: u64,
    ) -> Arc<Stored> {
        self.version += 1;
        self.writes += 1;
        let (version, history) = (self.version, self.history);
        let table = self.table(at);
        let previous = table.objects.get(&key).cloned();
        let mut value = value.unwrap_or_else(|| previous.as_ref().map_or(Value::Null, |p| (*p.value).clone()));
        if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert("resourceVersion".to_owned(), json!(version.to_string()));
        }
        let epoch = if kind == EventKind::Deleted { previous.as_ref().map_or(0, |p| p.epoch) } else { epoch };
        let object = Arc::new(Stored::new(value, version, epoch));
        if kind == EventKind::Deleted {
            table.objects.remove(&key);
        } else {
            table.objects.insert(key.clone(), object.clone());
        }
        table.log.push_back(Arc::new(Event { version, kind, key: key.clone(), object: object.clone(), previous }));
        while table.log.len() > history {
            if let Some(event) = table.log.pop_front() {
                table.dropped = event.version;
            }
        }
        table.changed.send_replace(version);
        let name = oracle::name(at, &key);
        if kind == EventKind::Deleted {
            *self.removals.entry(name.clone()).or_default() += 1;
        }
        self.counts.entry(name).or_default().count(kind);
        object
    }
}

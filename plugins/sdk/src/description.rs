//! Builders for what a plugin says it is and asks for.

use crate::bindings::windlass::plugin::types::Backends;
use crate::{Crd, Description, Kind, RelatedQuery};

impl Description {
    /// A plugin that serves nothing and asks for nothing yet. `name` is a DNS label, `version` a semantic version.
    pub fn new(name: &str, version: &str) -> Self {
        Description {
            name: name.to_string(),
            version: version.to_string(),
            serves: Vec::new(),
            writes: Vec::new(),
            reads: Vec::new(),
            backends: Backends { mysql: false, azure: false, vault: false },
        }
    }

    /// Decides for this kind.
    pub fn serves(mut self, crd: Crd) -> Self {
        self.serves.push(crd.manifest().to_string());
        self
    }

    /// May return objects of this kind.
    pub fn writes(mut self, group: &str, version: &str, kind: &str) -> Self {
        self.writes.push(Kind::of(group, version, kind));
        self
    }

    /// May return MySQL servers as desired items.
    pub fn uses_mysql(mut self) -> Self {
        self.backends.mysql = true;
        self
    }

    /// May return Azure resources as desired items.
    pub fn uses_azure(mut self) -> Self {
        self.backends.azure = true;
        self
    }

    /// May return Key Vault secrets as desired items.
    pub fn uses_vault(mut self) -> Self {
        self.backends.vault = true;
        self
    }

    /// Wants to see these objects in every decision.
    pub fn reads(mut self, query: RelatedQuery) -> Self {
        self.reads.push(query);
        self
    }
}

impl Kind {
    /// A kind by the names that manifests use; the core group is the empty string.
    pub fn of(group: &str, version: &str, kind: &str) -> Self {
        Kind { group: group.to_string(), version: version.to_string(), kind: kind.to_string() }
    }
}

impl RelatedQuery {
    /// All objects of a kind in the namespace of the resource.
    pub fn all(name: &str, kind: Kind) -> Self {
        RelatedQuery { name: name.to_string(), kind, namespace: None, label_selector: None, names: Vec::new() }
    }

    /// Only the object of this name.
    pub fn named(mut self, name: &str) -> Self {
        self.names.push(name.to_string());
        self
    }

    /// Only objects that match a selector as kubectl takes it.
    pub fn selector(mut self, selector: &str) -> Self {
        self.label_selector = Some(selector.to_string());
        self
    }
}

//! Roles of a host, made from grants. In: who the host is, and its plugins with what each serves and is granted. Out: the
//! ClusterRoles, Roles and bindings that they need and no more, never a `*`. Pure.
//!
//! The host watches as itself, through caches that all plugins share, so that kinds which are granted to be read are
//! listed as a whole; who may see what of them is the host's own wall. Everything that is written about the resources of
//! a plugin is written as the ServiceAccount of its grants, where they name one: those roles are a second wall.

mod names;
mod read;
mod right;

pub use names::Names;

use crate::plugins::resource::{GROUP, PLURAL, SecretName, Source};
use crate::run::fingerprint_key;
use model::Grants;
use model::grant::{ServiceAccount, WriteVerb};
use right::{Place, Rights};
use serde_json::{Value, json};

/// A host, as far as its rights go.
#[derive(Clone, Debug)]
pub struct Host {
    /// Who it is.
    pub account: ServiceAccount,
    /// Namespaces that it serves; empty: all.
    pub namespaces: Vec<String>,
    /// It serves `Plugin` resources.
    pub plugin_resources: bool,
    /// Namespace of what it keeps for itself.
    pub system_namespace: String,
}

/// A plugin, as far as rights go.
#[derive(Clone, Debug)]
pub struct Plugin {
    /// Name that its operator gave it.
    pub name: String,
    /// Kinds that it decides for.
    pub serves: Vec<Served>,
    /// What it may do.
    pub grants: Grants,
    /// Where it is, for a `Plugin` resource.
    pub source: Option<Source>,
    /// Its definitions go when it is deleted.
    pub deletes_definitions: bool,
    /// Its resources go when it is deleted.
    pub deletes_resources: bool,
}

/// A kind that a plugin decides for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Served {
    /// API group.
    pub group: String,
    /// Plural name.
    pub plural: String,
    /// Its objects are in namespaces.
    pub namespaced: bool,
}

/// Secret that an Azure backend looks for in the namespace of each resource.
const AZURE_CREDENTIAL: &str = crate::azure::NAMESPACE_CREDENTIAL;
const EXTENSIONS: &str = "apiextensions.k8s.io";
const DEFINITIONS: &str = "customresourcedefinitions";
const LOOK: [&str; 3] = ["get", "list", "watch"];

/// The roles and bindings of a host and of the accounts that it acts as, in an order that does not change.
pub fn documents(host: &Host, plugins: &[Plugin], names: &Names) -> Vec<Value> {
    let mut sorted: Vec<&Plugin> = plugins.iter().collect();
    sorted.sort_by(|one, other| one.name.cmp(&other.name));
    let mut of_host = Rights::default();
    itself(host, &mut of_host);
    let mut of_plugins = Vec::new();
    for plugin in sorted {
        watched(host, plugin, names, &mut of_host);
        definitions(plugin, &mut of_host);
        sources(plugin, &mut of_host);
        match &plugin.grants.service_account {
            None => written(host, plugin, names, &mut of_host),
            Some(account) => {
                let place = Place::Namespace(account.namespace().into());
                of_host.add_named(&place, "", "serviceaccounts", &["impersonate"], &[account.name()]);
                let mut rights = Rights::default();
                written(host, plugin, names, &mut rights);
                of_plugins.push((format!("{}-plugin-{}", host.account.name(), plugin.name), account, rights));
            }
        }
    }
    let mut documents = of_host.documents(host.account.name(), &host.account);
    for (name, account, rights) in of_plugins {
        documents.extend(rights.documents(&name, account));
    }
    documents
}

/// What every host needs, whatever its plugins are.
fn itself(host: &Host, rights: &mut Rights) {
    rights.add(&Place::Cluster, EXTENSIONS, DEFINITIONS, &["list", "watch", "create"]);
    let system = Place::Namespace(host.system_namespace.clone());
    rights.add(&system, "", "secrets", &["create"]);
    rights.add_named(&system, "", "secrets", &["get"], &[fingerprint_key::SECRET]);
    if host.plugin_resources {
        let own = format!("{PLURAL}.{GROUP}");
        rights.add_named(&Place::Cluster, EXTENSIONS, DEFINITIONS, &["get", "patch"], &[&own]);
        rights.add(&Place::Cluster, GROUP, PLURAL, &["list", "watch", "patch"]);
        rights.add(&Place::Cluster, GROUP, &format!("{PLURAL}/status"), &["patch"]);
    }
}

/// What is seen for a plugin. The caches are shared, so the host sees it as itself.
fn watched(host: &Host, plugin: &Plugin, names: &Names, rights: &mut Rights) {
    for served in &plugin.serves {
        for place in everywhere(host, served.namespaced) {
            rights.add(&place, &served.group, &served.plural, &LOOK);
            if plugin.deletes_resources {
                rights.add(&place, &served.group, &served.plural, &["delete"]);
            }
        }
    }
    for grant in &plugin.grants.writes {
        let resource = names.of(&grant.group, &grant.kind, grant.cluster_scope);
        for place in everywhere(host, resource.namespaced) {
            rights.add(&place, &grant.group, &resource.plural, &LOOK);
        }
    }
    for grant in &plugin.grants.reads {
        let resource = names.of(&grant.group, &grant.kind, false);
        for place in everywhere(host, resource.namespaced) {
            rights.add(&place, &grant.group, &resource.plural, &["list", "watch"]);
        }
    }
}

/// The definitions of a plugin's kinds.
fn definitions(plugin: &Plugin, rights: &mut Rights) {
    for served in &plugin.serves {
        let name = format!("{}.{}", served.plural, served.group);
        rights.add_named(&Place::Cluster, EXTENSIONS, DEFINITIONS, &["get", "patch"], &[&name]);
        if plugin.deletes_definitions {
            rights.add_named(&Place::Cluster, EXTENSIONS, DEFINITIONS, &["delete"], &[&name]);
        }
    }
}

/// Where a component comes from, by name.
fn sources(plugin: &Plugin, rights: &mut Rights) {
    let Some(Source { oci, config_map, http: _, file: _ }) = &plugin.source else { return };
    if let Some(SecretName { namespace, name }) = oci.as_ref().and_then(|oci| oci.pull_secret.as_ref()) {
        rights.add_named(&Place::Namespace(namespace.clone()), "", "secrets", &["get"], &[name]);
    }
    if let Some(key) = config_map {
        rights.add_named(&Place::Namespace(key.namespace.clone()), "", "configmaps", &["get"], &[&key.name]);
    }
}

/// What is written about a plugin's resources, and what is looked at by name before it is.
fn written(host: &Host, plugin: &Plugin, names: &Names, rights: &mut Rights) {
    let Grants { writes, reads, backends, .. } = &plugin.grants;
    for served in &plugin.serves {
        let Served { group, plural, namespaced } = served;
        for place in granted(host, &plugin.grants, *namespaced) {
            rights.add(&place, group, plural, &["get", "patch"]);
            rights.add(&place, group, &format!("{plural}/status"), &["patch"]);
            // Asked for by clusters that check who may hold up the deletion of an owner.
            rights.add(&place, group, &format!("{plural}/finalizers"), &["update"]);
            // Events about what is in no namespace are in `default`.
            let place = if *namespaced { place } else { Place::Namespace("default".into()) };
            rights.add(&place, "", "events", &["create", "patch"]);
        }
    }
    for grant in writes {
        let resource = names.of(&grant.group, &grant.kind, grant.cluster_scope);
        for place in granted(host, &plugin.grants, resource.namespaced) {
            rights.add(&place, &grant.group, &resource.plural, &["get"]);
            for verb in WriteVerb::ALL.into_iter().filter(|verb| grant.allows(*verb)) {
                rights.add(&place, &grant.group, &resource.plural, &[verb.word()]);
                // What is made by server-side apply is a patch that may create.
                if verb == WriteVerb::Create {
                    rights.add(&place, &grant.group, &resource.plural, &["patch"]);
                }
            }
        }
    }
    if !(backends.mysql || backends.azure || backends.vault) {
        return;
    }
    // The values that backends log in with. Those that the plugin itself had made are covered by what it writes.
    for place in granted(host, &plugin.grants, true) {
        for grant in reads.iter().filter(|grant| grant.group.is_empty() && grant.kind == "Secret") {
            let names: Vec<&str> = grant.names.iter().map(String::as_str).collect();
            match names.as_slice() {
                [] => rights.add(&place, "", "secrets", &["get"]),
                names => rights.add_named(&place, "", "secrets", &["get"], names),
            }
        }
        if backends.azure || backends.vault {
            rights.add_named(&place, "", "secrets", &["get"], &[AZURE_CREDENTIAL]);
        }
    }
}

/// Where the host watches.
fn everywhere(host: &Host, namespaced: bool) -> Vec<Place> {
    if !namespaced || host.namespaces.is_empty() {
        return vec![Place::Cluster];
    }
    host.namespaces.iter().cloned().map(Place::Namespace).collect()
}

/// Where a plugin's resources are served, and what they are made of is.
fn granted(host: &Host, grants: &Grants, namespaced: bool) -> Vec<Place> {
    let all = grants.namespaces.is_empty() || grants.namespaces.iter().any(|namespace| namespace == "*");
    if !namespaced || all {
        return everywhere(host, namespaced);
    }
    let served = |namespace: &&String| host.namespaces.is_empty() || host.namespaces.contains(namespace);
    grants.namespaces.iter().filter(served).cloned().map(Place::Namespace).collect()
}

/// The documents as a file of YAML, with a word on what they are for.
///
/// # Errors
/// When a document cannot be written as YAML, which is a defect.
pub fn yaml(plugins: &[Plugin], documents: &[Value]) -> Result<String, serde_yaml::Error> {
    let mut names: Vec<&str> = plugins.iter().map(|plugin| plugin.name.as_str()).collect();
    names.sort_unstable();
    let mut text = format!(
        "# What the host needs for its plugins ({}) and no more, as `windlass rbac` makes it from their grants.\n",
        names.join(", ")
    );
    for (at, document) in documents.iter().enumerate() {
        text.push_str(if at == 0 { "" } else { "---\n" });
        text.push_str(&serde_yaml::to_string(document)?);
    }
    Ok(text)
}

/// The documents as one list, as `kubectl get` prints it.
pub fn list(documents: &[Value]) -> Value {
    json!({ "apiVersion": "v1", "kind": "List", "items": documents })
}

#[cfg(test)]
mod tests;

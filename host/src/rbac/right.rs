//! Single rights in, rules and roles out. What another right covers is left out, and rules that differ in their resources
//! alone are one.

use model::grant::ServiceAccount;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Where a right holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// In all namespaces, and for what is in none.
    Cluster,
    /// In one.
    Namespace(String),
}

/// One verb on one resource, maybe of one name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Right {
    place: Place,
    group: String,
    resource: String,
    verb: &'static str,
    name: Option<String>,
}

/// What one account may do.
#[derive(Clone, Debug, Default)]
pub(super) struct Rights(BTreeSet<Right>);

/// As people write them.
const ORDER: [&str; 8] = ["get", "list", "watch", "create", "patch", "update", "delete", "impersonate"];

impl Rights {
    /// Verbs on a resource, of whatever name.
    pub fn add(&mut self, place: &Place, group: &str, resource: &str, verbs: &[&'static str]) {
        for verb in verbs {
            let (place, group, resource) = (place.clone(), group.to_owned(), resource.to_owned());
            self.0.insert(Right { place, group, resource, verb, name: None });
        }
    }

    /// Verbs on objects of these names alone.
    pub fn add_named(
        &mut self,
        place: &Place,
        group: &str,
        resource: &str,
        verbs: &[&'static str],
        names: &[impl AsRef<str>],
    ) {
        for (verb, name) in verbs.iter().flat_map(|verb| names.iter().map(move |name| (*verb, name))) {
            let (place, group, resource) = (place.clone(), group.to_owned(), resource.to_owned());
            self.0.insert(Right { place, group, resource, verb, name: Some(name.as_ref().to_owned()) });
        }
    }

    /// A wider right makes a narrower one needless.
    fn is_covered(&self, right: &Right) -> bool {
        let mut wider = Vec::new();
        if right.name.is_some() {
            wider.push(Right { name: None, ..right.clone() });
        }
        if right.place != Place::Cluster {
            wider.push(Right { place: Place::Cluster, ..right.clone() });
            wider.push(Right { place: Place::Cluster, name: None, ..right.clone() });
        }
        wider.iter().any(|wider| wider != right && self.0.contains(wider))
    }

    /// Rules by place.
    fn rules(&self) -> BTreeMap<Place, Vec<Value>> {
        // Verbs by resource and name, then names by verbs, then resources by both.
        let mut verbs: BTreeMap<(&Place, &str, &str, Option<&str>), BTreeSet<usize>> = BTreeMap::new();
        for right in self.0.iter().filter(|right| !self.is_covered(right)) {
            let Right { place, group, resource, verb, name } = right;
            let at = ORDER.iter().position(|known| known == verb).unwrap_or(ORDER.len());
            verbs.entry((place, group.as_str(), resource.as_str(), name.as_deref())).or_default().insert(at);
        }
        let mut names: BTreeMap<(&Place, &str, &str, BTreeSet<usize>), BTreeSet<&str>> = BTreeMap::new();
        for ((place, group, resource, name), verbs) in verbs {
            // Rights with names and rights without never share a rule: names limit all of it.
            let resource_names = names.entry((place, group, resource, marked(verbs, name.is_some()))).or_default();
            resource_names.extend(name);
        }
        let mut rules: BTreeMap<_, BTreeSet<&str>> = BTreeMap::new();
        for ((place, group, resource, verbs), names) in names {
            rules.entry((place, group, names, verbs)).or_default().insert(resource);
        }
        let mut by_place: BTreeMap<Place, Vec<Value>> = BTreeMap::new();
        for ((place, group, names, verbs), resources) in rules {
            let verbs: Vec<&str> = verbs.iter().filter_map(|at| ORDER.get(*at).copied()).collect();
            let mut rule = json!({ "apiGroups": [group], "resources": resources, "verbs": verbs });
            if !names.is_empty() {
                rule["resourceNames"] = json!(names);
            }
            by_place.entry(place.clone()).or_default().push(rule);
        }
        by_place
    }

    /// A role and its binding for each place.
    pub fn documents(&self, name: &str, account: &ServiceAccount) -> Vec<Value> {
        let mut documents = Vec::new();
        for (place, rules) in self.rules() {
            let (role, namespace) = match &place {
                Place::Cluster => ("ClusterRole", None),
                Place::Namespace(namespace) => ("Role", Some(namespace)),
            };
            let mut metadata = json!({ "name": name, "labels": { "app.kubernetes.io/name": "windlass" } });
            if let Some(namespace) = namespace {
                metadata["namespace"] = json!(namespace);
            }
            documents.push(json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": role, "metadata": metadata, "rules": rules,
            }));
            documents.push(json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": format!("{role}Binding"), "metadata": metadata,
                "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": role, "name": name },
                "subjects": [
                    { "kind": "ServiceAccount", "name": account.name(), "namespace": account.namespace() },
                ],
            }));
        }
        documents
    }
}

/// Verbs, with a mark that tells those with names from those without.
fn marked(mut verbs: BTreeSet<usize>, named: bool) -> BTreeSet<usize> {
    if named {
        verbs.insert(usize::MAX);
    }
    verbs
}

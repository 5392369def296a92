//! How RBAC calls kinds: plural names and scopes, as definitions and the cluster tell, else as Kubernetes forms them.

use model::Kind;
use model::scope::{Scope, Scopes};
use std::collections::BTreeMap;

/// How one kind is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// Plural name.
    pub plural: String,
    /// Its objects are in namespaces.
    pub namespaced: bool,
}

/// Names of kinds, by group and kind.
#[derive(Clone, Debug, Default)]
pub struct Names(BTreeMap<(String, String), Resource>);

impl Names {
    /// A kind as the cluster or a definition has it.
    pub fn insert(&mut self, group: &str, kind: &str, plural: &str, namespaced: bool) {
        self.0.insert((group.into(), kind.into()), Resource { plural: plural.into(), namespaced });
    }

    /// A kind as a CustomResourceDefinition has it.
    pub fn insert_definition(&mut self, definition: &serde_json::Value) {
        let text = |pointer: &str| definition.pointer(pointer).and_then(serde_json::Value::as_str);
        if let (Some(group), Some(kind), Some(plural)) =
            (text("/spec/group"), text("/spec/names/kind"), text("/spec/names/plural"))
        {
            self.insert(group, kind, plural, text("/spec/scope") != Some("Cluster"));
        }
    }

    /// How a kind is served. One that nobody told of has the plural that Kubernetes would form, and is in no namespace if
    /// `cluster` says so.
    pub fn of(&self, group: &str, kind: &str, cluster: bool) -> Resource {
        let told = self.0.get(&(group.to_owned(), kind.to_owned()));
        told.cloned().unwrap_or_else(|| {
            let scope = Scopes::default().of(&Kind::new(group, "v1", kind));
            Resource { plural: plural(kind), namespaced: scope.map_or(!cluster, |scope| scope == Scope::Namespaced) }
        })
    }

    /// Nobody told of the kind, and Kubernetes has none of that name: its plural is a guess.
    pub fn is_guess(&self, group: &str, kind: &str) -> bool {
        !self.0.contains_key(&(group.to_owned(), kind.to_owned()))
            && Scopes::default().of(&Kind::new(group, "v1", kind)).is_none()
    }
}

/// As `meta.UnsafeGuessKindToResource` of k8s.io/apimachinery forms it, which is right for all kinds of Kubernetes itself.
fn plural(kind: &str) -> String {
    let lower = kind.to_lowercase();
    match lower.as_bytes().last() {
        _ if lower == "endpoints" => lower,
        Some(b's') => format!("{lower}es"),
        Some(b'y') => format!("{}ies", &lower[..lower.len() - 1]),
        _ => format!("{lower}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plurals_of_built_in_kinds_are_those_of_kubernetes() {
        for (kind, expected) in [
            ("Pod", "pods"),
            ("StatefulSet", "statefulsets"),
            ("NetworkPolicy", "networkpolicies"),
            ("Ingress", "ingresses"),
            ("StorageClass", "storageclasses"),
            ("Endpoints", "endpoints"),
        ] {
            assert_eq!(plural(kind), expected);
        }
    }

    #[test]
    fn what_a_definition_says_goes_before_what_is_formed() {
        let mut names = Names::default();
        assert!(names.is_guess("a.dev", "Datum"));
        let definition = serde_json::json!({"spec": {"group": "a.dev", "scope": "Cluster", "names": {"kind": "Datum", "plural": "data"}}});
        names.insert_definition(&definition);
        assert!(!names.is_guess("a.dev", "Datum") && !names.is_guess("", "Pod"));
        assert_eq!(names.of("a.dev", "Datum", false), Resource { plural: "data".into(), namespaced: false });
    }
}

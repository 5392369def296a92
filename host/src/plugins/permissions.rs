//! What a plugin asks for and what it is granted, in the same words, and the difference by name. Pure.
//!
//! `write apps/StatefulSet`, `read /ConfigMap`, `use mysql`: the verb, and group and kind as grants have them. A grant
//! narrower than what is asked (names, namespaces) counts as granted here; the host enforces it at each read and write.

use super::resource::status::Permissions;
use model::{Description, Grants, description::Backends};
use std::collections::BTreeSet;

/// Compares what a plugin asks for in `describe` with what its operator grants.
pub fn compare(description: &Description, grants: &Grants) -> Permissions {
    let (asked, granted) = (asked(description), granted(grants));
    Permissions {
        missing: asked.difference(&granted).cloned().collect(),
        unused: granted.difference(&asked).cloned().collect(),
        asked: asked.into_iter().collect(),
        granted: granted.into_iter().collect(),
    }
}

/// What a plugin asks for.
pub fn asked(description: &Description) -> BTreeSet<String> {
    let writes = description.writes.iter().map(|kind| word("write", &kind.group, &kind.kind));
    let reads = description.reads.iter().map(|query| word("read", &query.kind.group, &query.kind.kind));
    writes.chain(reads).chain(backends(&description.backends)).collect()
}

fn granted(grants: &Grants) -> BTreeSet<String> {
    let writes = grants.writes.iter().map(|grant| word("write", &grant.group, &grant.kind));
    let reads = grants.reads.iter().map(|grant| word("read", &grant.group, &grant.kind));
    writes.chain(reads).chain(backends(&grants.backends)).collect()
}

fn word(verb: &str, group: &str, kind: &str) -> String {
    format!("{verb} {group}/{kind}")
}

fn backends(backends: &Backends) -> impl Iterator<Item = String> {
    let Backends { mysql, azure, vault } = *backends;
    let used = [("mysql", mysql), ("azure", azure), ("vault", vault)];
    used.into_iter().filter(|(_, used)| *used).map(|(name, _)| format!("use {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Kind, grant::KindGrant};

    #[test]
    fn what_is_asked_and_not_granted_and_what_is_granted_for_nothing_are_named() {
        let description = Description {
            name: "a".into(),
            version: "1.0.0".into(),
            serves: Vec::new(),
            writes: vec![Kind::new("apps", "v1", "StatefulSet"), Kind::new("", "v1", "Secret")],
            reads: Vec::new(),
            backends: Backends { mysql: true, ..Backends::default() },
        };
        let grant = |group: &str, kind: &str| KindGrant {
            group: group.into(),
            kind: kind.into(),
            cluster_scope: false,
            verbs: Vec::new(),
        };
        let grants = Grants { writes: vec![grant("apps", "StatefulSet"), grant("batch", "Job")], ..Grants::default() };
        let permissions = compare(&description, &grants);
        assert_eq!(permissions.missing, ["use mysql", "write /Secret"]);
        assert_eq!(permissions.unused, ["write batch/Job"]);
    }
}

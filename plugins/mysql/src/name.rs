//! Names and labels of everything that belongs to one `MySQL`, derived from its name. In: the resource's name. Out: names
//! within their limits. Two resources never share a child: every name but the StatefulSet's has a suffix of its own.

use std::collections::BTreeMap;
use windlass_sdk::names::{LABEL, STATEFUL_SET, child};

/// Accounts that the cluster itself uses, each with its own Secret.
pub const ACCOUNTS: [Account; 6] = [ROOT, ADMIN, REPLICATION, DONOR, BACKUP, MONITOR];
/// The account of the image, with all rights: for people, and for the operator as long as a server has no other.
pub const ROOT: Account = Account { id: "root", user: "root" };
/// The operator's own account.
pub const ADMIN: Account = Account { id: "admin", user: "windlass_admin" };
/// What replicas log in with.
pub const REPLICATION: Account = Account { id: "replication", user: "windlass_replication" };
/// What a server that is copied into logs in with.
pub const DONOR: Account = Account { id: "donor", user: "windlass_donor" };
/// What backups are made with.
pub const BACKUP: Account = Account { id: "backup", user: "windlass_backup" };
/// What monitoring reads with.
pub const MONITOR: Account = Account { id: "monitor", user: "windlass_monitor" };

/// One account: the suffix of its Secret and the name it logs in with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// Suffix of the Secret, and of its item's id.
    pub id: &'static str,
    /// Login name.
    pub user: &'static str,
}

/// Names of the children of one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// StatefulSet; its pods are `NAME-0`, `NAME-1`, …
    pub stateful_set: String,
    /// Service that gives each pod a host name.
    pub headless: String,
    /// Service for writes.
    pub primary: String,
    /// Service for reads.
    pub replica: String,
    /// ConfigMap with my.cnf.
    pub config: String,
    /// PodDisruptionBudget.
    pub budget: String,
    /// Backup.
    pub backup: String,
    /// Value of the label `app.kubernetes.io/instance`.
    pub instance: String,
    /// The Secrets, in the order of [`ACCOUNTS`].
    secrets: [String; ACCOUNTS.len()],
}

impl Names {
    /// From the name of the resource.
    pub fn of(resource: &str) -> Self {
        let named = |suffix: &str| child(resource, suffix, LABEL);
        Names {
            stateful_set: child(resource, "", STATEFUL_SET),
            headless: named("-headless"),
            primary: named("-primary"),
            replica: named("-replica"),
            config: named("-config"),
            budget: named("-pdb"),
            // Becomes part of the names of a CronJob and a claim.
            backup: child(resource, "-backup", 48),
            instance: child(resource, "", LABEL),
            secrets: ACCOUNTS.map(|account| named(&format!("-{}", account.id))),
        }
    }

    /// The Secret of one account.
    pub fn secret(&self, account: Account) -> &str {
        let mut all = ACCOUNTS.iter().zip(&self.secrets);
        all.find(|(of, _)| **of == account).map_or("", |(_, secret)| secret)
    }

    /// The pod of an ordinal.
    pub fn pod(&self, ordinal: u32) -> String {
        format!("{}-{ordinal}", self.stateful_set)
    }

    /// The ordinal of a pod of this name; `None` where it is no pod of this cluster.
    pub fn ordinal(&self, pod: &str) -> Option<u32> {
        let digits = pod.strip_prefix(self.stateful_set.as_str())?.strip_prefix('-')?;
        let plain = !digits.is_empty()
            && digits.bytes().all(|b| b.is_ascii_digit())
            && (digits == "0" || !digits.starts_with('0'));
        plain.then(|| digits.parse().ok()).flatten()
    }

    /// The claim of the volume of an ordinal.
    pub fn claim(&self, ordinal: u32) -> String {
        format!("data-{}", self.pod(ordinal))
    }

    /// The labels that select the pods of this cluster, and no others.
    pub fn selector(&self) -> BTreeMap<&'static str, &str> {
        BTreeMap::from([("app.kubernetes.io/name", "mysql"), ("app.kubernetes.io/instance", self.instance.as_str())])
    }

    /// The selector as text, for `kubectl scale` and autoscalers.
    pub fn selector_text(&self) -> String {
        self.selector().iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_child_of_one_resource_is_a_child_of_another() {
        let of = |name: &str| {
            let names = Names::of(name);
            [names.headless, names.primary, names.replica]
        };
        for (left, right) in [("a", "a-primary"), ("a", "a-headless"), ("a.b", "a-b")] {
            assert!(of(left).iter().all(|name| !of(right).contains(name)), "{left} {right}");
        }
    }

    #[test]
    fn the_longest_resource_name_gives_pod_names_that_fit_a_host_name() {
        let names = Names::of(&format!("{}.{}", "a".repeat(200), "b".repeat(52)));
        assert!(names.pod(99).len() <= 63 && names.stateful_set.len() <= 52, "{names:?}");
    }
}

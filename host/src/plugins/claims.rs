//! Who decides for which kind. Plugins with the definitions that they want to serve in, one owner for each definition
//! out. Of two that claim one, the older has it; both are told. Pure but for the lock.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, futures::Notified};

/// How old a claim is: plugins of a folder first, then `Plugin` resources by their creation, then by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seniority {
    /// `creationTimestamp`, which sorts as text; empty for a plugin of a folder.
    pub created: String,
    /// Name of the plugin.
    pub name: String,
}

impl Seniority {
    /// Of a plugin of a folder.
    pub fn of_folder(name: &str) -> Self {
        Seniority { created: String::new(), name: name.into() }
    }

    /// Older than every plugin: what the host itself keeps.
    pub fn of_host() -> Self {
        Seniority::of_folder("")
    }
}

/// Claims on definitions, by the definition's name.
#[derive(Debug, Default)]
pub struct Claims {
    by_definition: Mutex<ByDefinition>,
    changed: Notify,
}

type ByDefinition = BTreeMap<String, BTreeSet<Seniority>>;

impl Claims {
    /// These are the definitions that a plugin wants to serve, instead of those that it wanted before.
    pub fn set(&self, by: &Seniority, definitions: impl IntoIterator<Item = String>) {
        let definitions: BTreeSet<String> = definitions.into_iter().collect();
        self.change(|claims| {
            remove(claims, by);
            for definition in definitions {
                claims.entry(definition).or_default().insert(by.clone());
            }
        });
    }

    /// A plugin that wants one definition more.
    pub fn add(&self, by: &Seniority, definition: &str) {
        self.change(|claims| {
            claims.entry(definition.to_owned()).or_default().insert(by.clone());
        });
    }

    /// A plugin wants to serve nothing any more.
    pub fn drop_all(&self, by: &Seniority) {
        self.change(|claims| remove(claims, by));
    }

    /// A plugin does not want this definition any more.
    pub fn give_up(&self, by: &Seniority, definition: &str) {
        self.change(|claims| {
            if let Some(claimants) = claims.get_mut(definition) {
                claimants.remove(by);
            }
            claims.retain(|_, claimants| !claimants.is_empty());
        });
    }

    /// Ends when somebody's claims change from now on.
    pub fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    fn change(&self, change: impl FnOnce(&mut ByDefinition)) {
        let mut claims = self.lock();
        let before = claims.clone();
        change(&mut claims);
        if *claims != before {
            self.changed.notify_waiters();
        }
    }

    /// Somebody wants to serve this definition.
    pub fn contains(&self, definition: &str) -> bool {
        self.lock().contains_key(definition)
    }

    /// The plugin that has a definition.
    pub fn holder(&self, definition: &str) -> Option<Seniority> {
        self.lock().get(definition)?.first().cloned()
    }

    /// The other plugins that claim a definition.
    pub fn rivals(&self, by: &Seniority, definition: &str) -> Vec<String> {
        let claims = self.lock();
        let others = claims.get(definition).into_iter().flatten().filter(|other| *other != by);
        others.map(|other| other.name.clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, ByDefinition> {
        self.by_definition.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn remove(claims: &mut ByDefinition, by: &Seniority) {
    claims.retain(|_, claimants| {
        claimants.remove(by);
        !claimants.is_empty()
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plugin(created: &str, name: &str) -> Seniority {
        Seniority { created: created.into(), name: name.into() }
    }

    #[test]
    fn the_older_of_two_has_the_kind_whoever_came_first() {
        let (old, young) = (plugin("2026-01-01T00:00:00Z", "z"), plugin("2026-01-02T00:00:00Z", "a"));
        let claims = Claims::default();
        claims.set(&young, ["things".into()]);
        assert_eq!(claims.holder("things"), Some(young.clone()));
        claims.set(&old, ["things".into()]);
        assert_eq!(claims.holder("things"), Some(old.clone()));
        assert_eq!(claims.rivals(&old, "things"), ["a"]);
        assert_eq!(claims.rivals(&young, "things"), ["z"]);
        claims.drop_all(&old);
        assert_eq!(claims.holder("things"), Some(young));
    }

    #[test]
    fn a_plugin_of_a_folder_is_older_than_every_resource() {
        let claims = Claims::default();
        claims.set(&plugin("2020-01-01T00:00:00Z", "a"), ["things".into()]);
        claims.set(&Seniority::of_folder("b"), ["things".into()]);
        assert_eq!(claims.holder("things"), Some(Seniority::of_folder("b")));
    }

    #[test]
    fn a_new_set_of_claims_replaces_the_old_one() {
        let (a, claims) = (plugin("1", "a"), Claims::default());
        claims.set(&a, ["x".into(), "y".into()]);
        claims.set(&a, ["y".into()]);
        assert!(!claims.contains("x") && claims.contains("y"));
        claims.give_up(&a, "y");
        assert!(!claims.contains("y"));
    }
}

//! Things in Azure that a resource is about: the items of a decision and the inventory in, what was seen of them, for the
//! plugin and for the plan, out.

use crate::azure::{Place, Seen, Sight};
use model::{
    Body, Decision, Inventory, ItemId, Observation, ObservedItem,
    azure::{ArmWanted, VaultWanted},
    decision::{SecretKey, VaultSecret},
    facts::{External, Facts, Presence},
    inventory::{Backend, Target},
    snapshot::{Instant, Unreachable},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// What was seen in this pass.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// Sights by place.
    pub sights: BTreeMap<String, Sight>,
    /// Where each item is, and how it should be, as far as that is known.
    pub items: BTreeMap<ItemId, (String, Option<Arc<Body>>)>,
    /// Places that the inventory names.
    pub listed: BTreeSet<String>,
    /// Fingerprints of the values that items are filled from.
    pub fingerprints: BTreeMap<SecretKey, String>,
    /// Uid of the resource.
    pub uid: String,
    /// When.
    pub now: Instant,
}

/// Whether an item is in Azure.
pub fn is_cloud(body: &Body) -> bool {
    matches!(body, Body::Azure(_) | Body::Vault(_))
}

/// The address of a vault's secret.
pub fn address(secret: &VaultSecret) -> String {
    format!("{}/secrets/{}", secret.vault.trim_end_matches('/'), secret.name)
}

/// Keys of Secrets that an item is filled from.
pub fn secret_keys(body: &Body) -> Vec<&SecretKey> {
    match body {
        Body::Azure(resource) => resource.secrets.iter().map(|(_, key)| key).collect(),
        Body::Vault(secret) => vec![&secret.value],
        Body::Kubernetes(_) | Body::Secret(_) | Body::Mysql(_) => Vec::new(),
    }
}

/// Where an item is.
pub fn place(body: &Body) -> Option<Place> {
    match body {
        Body::Azure(resource) => Some(Place::Arm {
            id: resource.resource_id.clone(),
            api_version: resource.api_version.clone(),
            unique: resource.unique_name && !resource.observe_only,
        }),
        Body::Vault(secret) => Some(Place::Vault(address(secret))),
        Body::Kubernetes(_) | Body::Secret(_) | Body::Mysql(_) => None,
    }
}

/// Places that an inventory names, with their items.
pub fn listed(inventory: &Inventory) -> impl Iterator<Item = (&ItemId, Place)> {
    inventory.entries.iter().filter_map(|entry| match &entry.target {
        Target::External { backend: Backend::Azure, name, api_version } => {
            let (id, api_version) = (name.clone(), api_version.clone());
            Some((&entry.id, Place::Arm { id, api_version, unique: false }))
        }
        Target::External { backend: Backend::Vault, name, .. } => Some((&entry.id, Place::Vault(name.clone()))),
        Target::External { backend: Backend::Mysql, .. } | Target::Object(_) | Target::Secret(_) => None,
    })
}

impl Asked {
    /// How an item stands for a plan.
    fn standing(&self, body: &Body, sight: &Sight) -> External {
        let unknown = External { presence: Presence::Unknown, ready: false, as_desired: false, ours: true };
        let fingerprint = |key: &SecretKey| self.fingerprints.get(key).cloned();
        match (body, &sight.seen) {
            (Body::Azure(resource), Seen::Arm(seen)) => {
                let fingerprints = resource.secrets.iter().map(|(_, key)| fingerprint(key)).collect();
                ArmWanted { resource, uid: &self.uid, fingerprints }.standing(seen, self.now)
            }
            (Body::Vault(secret), Seen::Vault(seen)) => {
                let fingerprint = fingerprint(&secret.value);
                VaultWanted { secret, uid: &self.uid, fingerprint }.standing(seen, self.now)
            }
            _ => unknown,
        }
    }

    /// The items as plugins are shown them, without what only a memory of earlier passes tells.
    pub(super) fn observed(&self) -> impl Iterator<Item = ObservedItem> {
        self.items.iter().filter_map(|(id, (key, body))| {
            let sight = self.sights.get(key)?;
            let standing = body.as_ref().map(|body| self.standing(body, sight));
            let (state, deleting) = match &sight.seen {
                Seen::Arm(seen) => {
                    (Observation::Azure(seen.facts()), seen.record.pending.as_ref().is_some_and(|one| one.deletes))
                }
                Seen::Vault(seen) => (Observation::Vault(seen.facts()), false),
                Seen::Silent(word) => {
                    let since = sight.silent_since.unwrap_or(sight.at);
                    (Observation::Unreachable(Unreachable { since, reason: (*word).into() }), false)
                }
            };
            let ready = standing.is_some_and(|standing| {
                standing.ready && standing.as_desired && standing.presence == Presence::Present
            });
            Some(ObservedItem { id: id.clone(), state, ready, ready_since: 0, last_error: None, deleting })
        })
    }

    /// Notes for the plan what was found of everything that the decision or the inventory names.
    pub(super) fn note(&self, facts: &mut Facts, decision: &Decision) {
        for item in &decision.items {
            let Some(place) = place(&item.body) else { continue };
            let Some(sight) = self.sights.get(&place.key()) else { continue };
            facts.external.insert(item.id.clone(), self.standing(&item.body, sight));
        }
        for key in &self.listed {
            let Some(sight) = self.sights.get(key) else { continue };
            let standing = match &sight.seen {
                Seen::Arm(seen) => seen.standing_unwanted(&self.uid, self.now),
                Seen::Vault(seen) => seen.standing_unwanted(&self.uid, self.now),
                Seen::Silent(_) => External { presence: Presence::Unknown, ready: false, as_desired: true, ours: true },
            };
            facts.listed.insert(key.clone(), standing);
        }
    }

    /// Something that is wanted is there and not ready, and nothing else says when to look at it again.
    pub fn unready(&self) -> bool {
        self.items.values().any(|(key, body)| {
            let (Some(body), Some(sight)) = (body, self.sights.get(key)) else { return false };
            let standing = self.standing(body, sight);
            standing.presence == Presence::Present && !standing.ready
        })
    }

    /// Places from which there was no answer, and why.
    pub fn unanswered(&self) -> impl Iterator<Item = (&str, &'static str)> {
        self.sights.iter().filter_map(|(key, sight)| match sight.seen {
            Seen::Silent(word) => Some((key.as_str(), word)),
            Seen::Arm(_) | Seen::Vault(_) => None,
        })
    }

    /// What makes two views of Azure the same: not when they were taken.
    pub(super) fn fingerprint(&self) -> String {
        let sights: Vec<_> = self.sights.iter().map(|(key, sight)| (key, &sight.seen, sight.silent_since)).collect();
        format!("{sights:?} {:?} {:?}", self.items, self.fingerprints)
    }
}

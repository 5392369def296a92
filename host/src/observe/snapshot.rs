//! The two forms of a look: a [`Snapshot`] for the plugin, and [`Facts`] for the plan. Both are of the same moment and of
//! the same objects.

use super::{Look, Seen, found, servers, sighting};
use crate::{
    context::{Memory, Served},
    watch::{Cache, Object},
};
use model::{
    Decision, Facts, ObjectKey, Observation, ObservedItem, Snapshot,
    facts::{Found, ResourceFacts, Sighting},
    names, plan,
    scope::Scopes,
    snapshot::{Instant, RelatedAnswer, SecretFacts},
};
use std::collections::BTreeMap;

impl Look {
    /// What the plugin is shown.
    pub fn snapshot(&self, served: &Served, memory: &mut Memory, now: Instant) -> Snapshot {
        let mut items = BTreeMap::<String, ObservedItem>::new();
        let mut unnamed = Vec::new();
        for object in &self.owned {
            let id = self.item_of(&object.key).or_else(|| object.annotations.get(names::ANNOTATION_ITEM).cloned());
            let observed = observed(id.clone().unwrap_or_default(), object, memory, now);
            match id {
                // The object that the inventory names for an item wins over a stray one that says it is that item.
                Some(id) if !items.contains_key(&id) || self.item_of(&object.key).is_some() => {
                    items.insert(id, observed);
                }
                _ => unnamed.push(ObservedItem { id: String::new(), ..observed }),
            }
        }
        let named = self.named.iter().filter_map(|(key, seen)| Some((self.item_of(key)?, seen)));
        let overlaid = self.overlaid.iter().map(|(id, _, seen)| (id.clone(), seen));
        for (id, seen) in named.chain(overlaid) {
            let observed = match seen {
                Seen::Found(object) => observed(id.clone(), object, memory, now),
                Seen::Absent => absent(id.clone(), Observation::Absent, memory),
                Seen::Unknown(_) => {
                    let unreachable = model::snapshot::Unreachable { since: 0, reason: "AccessDenied".into() };
                    absent(id.clone(), Observation::Unreachable(unreachable), memory)
                }
            };
            items.entry(id).or_insert(observed);
        }
        for (id, found) in &*self.servers {
            let item = servers::item(id, found);
            let ready_since = memory.ready_since(id, item.ready, now);
            let last_error = memory.errors.get(id).cloned();
            items.insert(id.clone(), ObservedItem { ready_since, last_error, ..item });
        }
        for item in self.cloud.observed() {
            let ready_since = memory.ready_since(&item.id, item.ready, now);
            let last_error = memory.errors.get(&item.id).cloned();
            items.insert(item.id.clone(), ObservedItem { ready_since, last_error, ..item });
        }
        memory.forget_others(items.len() + unnamed.len(), || {
            let overlaid = self.overlaid.iter().map(|(_, _, seen)| seen);
            let named = self.named.iter().map(|(_, seen)| seen).chain(overlaid).filter_map(|seen| match seen {
                Seen::Found(object) => Some(object),
                Seen::Absent | Seen::Unknown(_) => None,
            });
            let objects = self.owned.iter().chain(named).map(|object| object.uid.as_str());
            let servers = self.servers.keys().map(String::as_str);
            objects.chain(servers).chain(self.cloud.items.keys().map(String::as_str)).collect()
        });
        let related = self.related.iter().map(|answer| RelatedAnswer {
            name: answer.query.name.clone(),
            complete: answer.reason.is_none(),
            reason: answer.reason.clone(),
            objects: answer.objects.iter().map(|object| object.json.clone()).collect(),
        });
        Snapshot {
            resource: self.resource.json.clone(),
            deleting: self.resource.is_deleting(),
            items: items.into_values().chain(unnamed).collect(),
            related: related.collect(),
            now,
            settings: served.settings.clone(),
        }
    }

    /// What the plan is made from. `decision` names objects that nobody has looked for yet.
    pub fn facts(
        &self,
        resource: ResourceFacts,
        served: &Served,
        memory: &Memory,
        cache: &Cache,
        scopes: &Scopes,
        decision: &Decision,
    ) -> Facts {
        let mut facts = Facts::new(resource, &served.decider.description().name);
        facts.scopes = scopes.clone();
        facts.last_writes = memory.last_writes.clone();
        for object in &self.owned {
            note(&mut facts, &object.key, Seen::Found(object.clone()));
        }
        for (key, seen) in &self.named {
            note(&mut facts, key, seen.clone());
        }
        for (_, key, seen) in &self.overlaid {
            if facts.objects.get(key).is_none() {
                note(&mut facts, key, seen.clone());
            }
        }
        for key in plan::targets(decision, &facts) {
            if facts.objects.get(&key).is_none() {
                note(&mut facts, &key, sighting::of(cache, &key));
            }
        }
        servers::note(&mut facts, &self.servers, decision);
        self.cloud.note(&mut facts, decision);
        facts
    }

    /// The id under which the inventory has an object.
    fn item_of(&self, key: &ObjectKey) -> Option<String> {
        let entry = self.inventory.entries.iter().find(|entry| entry.target.object() == Some(key))?;
        Some(entry.id.clone())
    }
}

fn note(facts: &mut Facts, key: &ObjectKey, seen: Seen) {
    let sighting = match seen {
        Seen::Found(object) => match found::read(&object) {
            Some(found) => Sighting::Found(Box::new(found)),
            None => Sighting::Unknown("the object cannot be read".into()),
        },
        Seen::Absent => Sighting::Absent,
        Seen::Unknown(why) => Sighting::Unknown(why),
    };
    facts.objects.insert(key.clone(), sighting);
}

fn observed(id: String, object: &Object, memory: &mut Memory, now: Instant) -> ObservedItem {
    let found = found::read(object);
    let ready = found.as_ref().is_some_and(|found| found.readiness.ready);
    let secret = found.and_then(|found: Found| found.secret);
    ObservedItem {
        ready,
        ready_since: memory.ready_since(&object.uid, ready, now),
        last_error: memory.errors.get(&id).cloned(),
        deleting: object.is_deleting(),
        state: match secret {
            Some(SecretFacts { generation, keys }) => Observation::Secret(SecretFacts { generation, keys }),
            None => Observation::Kubernetes(object.json.clone()),
        },
        id,
    }
}

fn absent(id: String, state: Observation, memory: &Memory) -> ObservedItem {
    let last_error = memory.errors.get(&id).cloned();
    ObservedItem { id, state, ready: false, ready_since: 0, last_error, deleting: false }
}

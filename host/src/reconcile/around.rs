//! What a resource depends on besides what it owns and what its plugin reads: objects in the way of its items, objects that
//! its items are laid over, and objects of its inventory that do not carry its marks. The trigger is told, so that the resource is looked at as soon as one of
//! them changes, and not when its time comes.

use crate::{
    context::{Context, Memory, Served},
    observe::Look,
};
use model::{Decision, Facts, ItemId, ObjectKey, description::RelatedQuery, plan};

impl Context {
    /// Tells the trigger what a look was about.
    pub(super) fn depend(&self, look: &Look, served: &Served, memory: &Memory) {
        let mut reads = look.queries();
        let written = &served.decider.description().writes;
        // What the plugin writes is watched anyway. What it wrote once, or a plugin that is gone, is watched for this.
        let listed = look.inventory.keys().filter(|key| !written.contains(&key.kind));
        reads.extend(listed.chain(&memory.strangers).chain(memory.overlaid.values()).map(exactly));
        self.trigger.reads(&look.resource.key, &reads);
    }

    /// Takes in what is in the way, and what the decision is laid over. True when one of them changed since it was seen,
    /// a change that was told to nobody, and when there is one that the plugin was not shown.
    pub(super) fn note_strangers(
        &self,
        look: &Look,
        served: &Served,
        facts: &Facts,
        decision: &Decision,
        memory: &mut Memory,
    ) -> bool {
        let ours = |key: &ObjectKey| look.owned.iter().any(|owned| owned.key == *key);
        let strangers: Vec<_> =
            facts.objects.all_found().map(|found| &found.key).filter(|key| !ours(key)).cloned().collect();
        let overlaid = plan::overlaid(decision, facts);
        if strangers == memory.strangers && overlaid == memory.overlaid {
            return false;
        }
        // The plugin was not shown what is there: its answer is of a world without it.
        let unseen = |(id, key): (&ItemId, &ObjectKey)| {
            let shown = look.overlaid.iter().any(|(shown, at, _)| shown == id && at == key);
            !shown && facts.objects.found(key).is_some()
        };
        let unseen = overlaid.iter().any(unseen);
        (memory.strangers, memory.overlaid) = (strangers, overlaid);
        self.depend(look, served, memory);
        unseen
            || memory.strangers.iter().chain(memory.overlaid.values()).any(|key| {
                let seen = facts.objects.found(key).map(|found| found.resource_version.clone());
                seen != self.cache.get(key).map(|now| now.resource_version.clone())
            })
    }
}

/// The query that one object answers.
fn exactly(key: &ObjectKey) -> RelatedQuery {
    let ObjectKey { kind, namespace, name } = key.clone();
    RelatedQuery { name: String::new(), kind, namespace, label_selector: None, names: vec![name] }
}

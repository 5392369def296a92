//! MySQL servers of a resource: the items of a decision in, the servers as they were found out, for the plugin and for
//! the plan. Which servers there are only the plugin knows, so those of its last decision are asked.

use crate::mysql::{Seen, Wanted};
use model::{
    Body, Decision, Item, ItemId, Observation, ObservedItem,
    facts::{External, Facts, Presence},
};
use std::collections::BTreeMap;

/// Servers that were asked in this pass, by item.
pub type Asked = BTreeMap<ItemId, Found>;

/// One server that was asked.
#[derive(Clone, Debug)]
pub struct Found {
    /// How it should be, as far as was known when it was asked.
    pub wanted: Wanted,
    /// What it is.
    pub seen: Seen,
}

/// Whether a decision says how servers should be.
pub fn has_servers(decision: &Decision) -> bool {
    decision.items.iter().any(is_server)
}

/// Whether an item says how a server should be.
pub fn is_server(item: &Item) -> bool {
    matches!(item.body, Body::Mysql(_))
}

/// The items as plugins are shown them, without what only a memory of earlier passes tells.
pub(super) fn item(id: &ItemId, found: &Found) -> ObservedItem {
    let (state, answers) = match &found.seen.state {
        Ok(facts) => (Observation::Mysql(facts.clone()), true),
        Err(unreachable) => (Observation::Unreachable(unreachable.clone()), false),
    };
    let ready = answers && found.seen.as_desired;
    ObservedItem { id: id.clone(), state, ready, ready_since: 0, last_error: None, deleting: false }
}

/// Notes for the plan what was found of each server that the decision names. One that was not asked is left out, and its
/// item waits.
pub(super) fn note(facts: &mut Facts, asked: &Asked, decision: &Decision) {
    for item in &decision.items {
        let Body::Mysql(server) = &item.body else { continue };
        let Some(found) = asked.get(&item.id) else { continue };
        let answers = found.seen.state.is_ok();
        let as_desired = answers && found.seen.as_desired && found.wanted.server == **server;
        let presence = if answers { Presence::Present } else { Presence::Unknown };
        facts.external.insert(item.id.clone(), External { presence, ready: as_desired, as_desired, ours: true });
    }
}

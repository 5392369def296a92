//! MySQL servers of a resource: the items of a decision in, the servers as they were found out, for the plugin and for
//! the plan. Which servers there are only the plugin knows, so those of its last decision are asked.

use crate::mysql::{Seen, Wanted};
use model::{
    Body, Decision, Item, ItemId, Observation, ObservedItem,
    decision::MysqlServer,
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
    let state = match &found.seen {
        Ok(seen) => Observation::Mysql(Box::new(seen.facts.clone())),
        Err(unreachable) => Observation::Unreachable(unreachable.clone()),
    };
    let ready = standing(&found.wanted.server, &found.seen).ready;
    ObservedItem { id: id.clone(), state, ready, ready_since: 0, last_error: None, deleting: false }
}

/// Notes for the plan what was found of each server that the decision names. One that was not asked is left out, and its
/// item waits.
pub(super) fn note(facts: &mut Facts, asked: &Asked, decision: &Decision) {
    for item in &decision.items {
        let Body::Mysql(server) = &item.body else { continue };
        let Some(found) = asked.get(&item.id) else { continue };
        facts.external.insert(item.id.clone(), standing_of(server, found));
    }
}

/// As [`standing`], of a server that may be wanted otherwise than when it was asked: what was compared with the item then
/// says nothing about this one.
fn standing_of(server: &MysqlServer, found: &Found) -> External {
    let same = |server: &MysqlServer| {
        let MysqlServer { replication, accounts, .. } = server;
        (replication.clone(), accounts.clone())
    };
    let standing = standing(server, &found.seen);
    if same(server) == same(&found.wanted.server) || standing.presence == Presence::Unknown {
        return standing;
    }
    External { ready: false, as_desired: false, ..standing }
}

/// How far a server is from what is wanted. One that waits for something, with nothing to change, is as desired and not
/// ready; one whose preconditions do not hold is neither, so that the item says why.
fn standing(server: &MysqlServer, seen: &Seen) -> External {
    let (presence, ready, as_desired) = match seen.as_ref().map(|seen| model::mysql::plan(server, seen)) {
        Ok(Ok(course)) => (Presence::Present, course.settled(), course.changes.is_empty()),
        Ok(Err(_)) => (Presence::Present, false, false),
        Err(_) => (Presence::Unknown, false, false),
    };
    External { presence, ready, as_desired, ours: true }
}

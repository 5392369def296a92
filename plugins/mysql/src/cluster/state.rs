//! The state of a cluster: one word for what is the case. In: a view. Out: the first row of the table that matches. What
//! is done follows from the record and the facts; the state decides whether something new is begun, and is what people
//! are shown.

use super::facts::Seen;
use super::record::Kind;
use super::view::View;

/// The states, in the order of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The user wants no server to run.
    Offline,
    /// Data is being brought back from a backup.
    Restoring,
    /// The cluster had data and no server that answers has any. Nothing is opened without the user's consent.
    DataLost,
    /// All servers are as they should be.
    Healthy,
    /// The primary takes writes and servers are being copied from it, so that fewer acknowledge than wanted.
    Cloning,
    /// The primary takes writes, and something else is not as it should be.
    Degraded,
    /// The primary cannot take writes, and another server can take its place without loss.
    Failed,
    /// The primary cannot take writes, and no server is known to have all acknowledged writes.
    Lost,
    /// On the way to one of the others.
    Incomplete,
}

impl State {
    /// The word.
    pub fn name(self) -> &'static str {
        match self {
            State::Offline => "Offline",
            State::Restoring => "Restoring",
            State::DataLost => "DataLost",
            State::Healthy => "Healthy",
            State::Cloning => "Cloning",
            State::Degraded => "Degraded",
            State::Failed => "Failed",
            State::Lost => "Lost",
            State::Incomplete => "Incomplete",
        }
    }

    /// The primary takes writes.
    pub fn available(self) -> bool {
        matches!(self, State::Healthy | State::Cloning | State::Degraded)
    }
}

/// The state.
pub fn state(view: &View<'_>) -> State {
    let facts = view.facts;
    if facts.offline {
        return State::Offline;
    }
    if facts.restoring {
        return State::Restoring;
    }
    if data_lost(view) {
        return State::DataLost;
    }
    if healthy(view) {
        return State::Healthy;
    }
    if serving(view) {
        let copying = view.record.reseed.is_some() && view.record.durability.acks < facts.target_acks();
        return if copying { State::Cloning } else { State::Degraded };
    }
    match view.record.primary {
        Some(primary) if view.record.initialized && (view.gone(primary) || view.lost_data(primary)) => {
            if view.provable() { State::Failed } else { State::Lost }
        }
        // While nobody can take its place, one that is only stalled goes on as soon as it gets its acknowledgements.
        Some(_) if view.record.initialized && view.stalled_for_good() && view.provable() => State::Failed,
        _ => State::Incomplete,
    }
}

/// Every server answers and none has data, though the cluster had some. As long as one does not answer the data may be
/// there.
fn data_lost(view: &View<'_>) -> bool {
    let empty = |i: u32| view.empty(i);
    view.record.initialized
        && view.facts.wanted > 0
        && (0..view.facts.wanted).all(empty)
        && view.record.primary.is_none_or(empty)
}

/// The primary is open, has its data and gets its acknowledgements.
fn serving(view: &View<'_>) -> bool {
    let Some((primary, instance)) = view.primary() else { return false };
    let acks = view.record.durability.acks;
    instance.writable
        && !view.lost_data(primary)
        && !view.stalled()
        && instance.acks.unwrap_or_default() >= acks
        && view.attached() >= acks
}

/// All is as wished.
fn healthy(view: &View<'_>) -> bool {
    let facts = view.facts;
    let Some((primary, instance)) = view.primary() else { return false };
    let target = facts.target_acks();
    let durability = &view.record.durability;
    serving(view)
        && view.record.operation.is_none()
        && view.record.initialized
        && primary < facts.wanted
        && facts.servers.len() == facts.wanted as usize
        && facts.pod(primary).is_some_and(|pod| pod.ready)
        && durability.acks == target
        && durability.members.iter().copied().eq(0..facts.wanted)
        && instance.acks.unwrap_or_default() == target
        && instance.attached.iter().copied().eq((0..facts.wanted).filter(|i| *i != primary))
        && (0..facts.wanted).all(|i| i == primary || view.good_replica(i).is_some())
}

/// A server that is missing in the way of finding a primary: which, and since when (0: not known yet).
pub fn missing(view: &View<'_>) -> Vec<(u32, u64)> {
    (0..view.facts.wanted)
        .filter_map(|i| match view.facts.servers.get(&i).map(|server| &server.seen) {
            Some(Seen::Up(_)) => None,
            _ => Some((i, view.down_since(i).map_or(0, |(since, _)| since))),
        })
        .collect()
}

/// The first primary is still on its way to full strength: clients are not sent to it yet.
pub fn forming(view: &View<'_>) -> bool {
    view.record.operation.as_ref().is_some_and(|operation| operation.kind == Kind::Bootstrap)
}

//! How each server should be now. In: a view. Out: a wish for each server that has an address. It follows the record as it
//! was observed. Of a server that did not answer nothing is wished: it is only asked again.

use super::durability::wanted_acks;
use super::facts::{Copy, Instance, Receiver};
use super::record::{Kind, Operation, Phase};
use super::state::State;
use super::view::View;
use std::collections::BTreeMap;
use windlass_sdk::gtid::GtidSet;

/// What is wished of one server.
#[derive(Clone, Debug, PartialEq)]
pub enum Wish {
    /// Nothing but its facts: it did not answer.
    Look,
    /// That it is like this.
    Be(Be),
}

/// How a server should be.
#[derive(Clone, Debug, PartialEq)]
pub struct Be {
    /// The uuid that it was seen with. With another it is another data directory, and nothing is done to it.
    pub uuid: String,
    /// It takes writes of clients.
    pub writable: bool,
    /// Where it gets its data from.
    pub replicate: Replicate,
    /// Acknowledgements that its commits wait for; none for no waiting.
    pub acks: Option<u32>,
    /// Its data is replaced by the primary's, while it has no more than this.
    pub reseed: Option<GtidSet>,
    /// Nothing is done unless it has these transactions.
    pub contains: GtidSet,
}

/// Where a server gets its data from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replicate {
    /// Nowhere.
    No,
    /// Nowhere any more, but what it has received it applies.
    Fenced,
    /// From this ordinal.
    From(u32),
    /// From where it does.
    AsIs,
}

/// The wishes.
pub fn wishes(view: &View<'_>, state: State) -> BTreeMap<u32, Wish> {
    let addressed = |i: &u32| view.facts.pod(*i).is_some_and(|pod| pod.addressed);
    view.facts.servers.keys().copied().filter(addressed).map(|i| (i, wish(view, state, i))).collect()
}

fn wish(view: &View<'_>, state: State, ordinal: u32) -> Wish {
    let Some(server) = view.facts.up(ordinal) else { return Wish::Look };
    if matches!(state, State::Offline | State::Restoring) {
        return as_is(server);
    }
    match &view.record.operation {
        Some(operation) if operation.closes() => match operation.kind {
            Kind::Switchover if view.is_primary(ordinal) => frozen(server),
            Kind::Switchover => replica(view, ordinal, server),
            Kind::Failover | Kind::Recovery | Kind::Bootstrap => fenced(server),
        },
        Some(_) if view.astray() => fenced(server),
        _ if view.record.primary.is_none() => as_is(server),
        operation if view.is_primary(ordinal) => primary(view, ordinal, server, operation.as_ref()),
        _ => replica(view, ordinal, server),
    }
}

/// A server as it is, but read-only and receiving nothing. Acknowledgements stay as they are: an old primary that waited
/// for fewer would acknowledge what is lost.
fn fenced(server: &Instance) -> Wish {
    Wish::Be(Be { replicate: Replicate::Fenced, ..closed(server) })
}

/// A server that stays as it is. One that does not receive goes on not receiving.
fn as_is(server: &Instance) -> Wish {
    let replicate = match &server.channel {
        None if server.writable => Replicate::No,
        Some(channel) if channel.receiver != Receiver::Stopped => Replicate::AsIs,
        _ => Replicate::Fenced,
    };
    // A server that takes writes and replicates is none of ours, and must not go on taking them.
    let writable = server.writable && replicate == Replicate::No;
    Wish::Be(Be { writable, replicate, ..closed(server) })
}

/// A live primary that hands over.
fn frozen(server: &Instance) -> Wish {
    Wish::Be(closed(server))
}

fn closed(server: &Instance) -> Be {
    Be {
        uuid: server.uuid.clone(),
        writable: false,
        replicate: Replicate::No,
        acks: server.acks,
        reseed: None,
        contains: GtidSet::default(),
    }
}

/// The primary: open, unless that could do harm.
fn primary(view: &View<'_>, ordinal: u32, server: &Instance, operation: Option<&Operation>) -> Wish {
    let beginning = operation.is_some_and(|operation| {
        operation.kind == Kind::Bootstrap && operation.phase == Phase::Open && !view.record.initialized
    });
    let has_data = view.record.initialized && !view.lost_data(ordinal);
    let other = view.facts.all_up().any(|(i, server)| i != ordinal && server.writable);
    // What it has is in the record before it opens: see [`super::durability`].
    let noted = beginning || server.writable || view.record.durability.barrier.contains(&server.executed);
    if !(has_data || beginning) || !noted || server.torn() || (other && !server.writable) {
        return frozen(server);
    }
    Wish::Be(Be {
        writable: true,
        acks: wanted_acks(view),
        contains: view.record.durability.barrier.clone(),
        ..closed(server)
    })
}

/// Every other server.
fn replica(view: &View<'_>, ordinal: u32, server: &Instance) -> Wish {
    let Some((primary, source)) = view.primary() else {
        // Nowhere to replicate from: it stays as it is, as long as it is read-only.
        return if server.super_read_only { as_is(server) } else { fenced(server) };
    };
    // An old primary that hangs goes on waiting until its sessions are gone.
    let acks = if server.waiting > 0 { server.acks } else { None };
    let be = Be { acks, ..closed(server) };
    if let Some(reseed) = &view.record.reseed
        && reseed.target == ordinal
        && view.needs_reseed(ordinal).is_some()
        && (view.facts.now >= reseed.not_before || server.copy == Some(Copy::Running))
        && source.writable
        && !view.lost_data(primary)
    {
        return Wish::Be(Be { replicate: Replicate::Fenced, reseed: Some(reseed.contained_in.clone()), ..be });
    }
    let older = matches!((server.series, source.series), (Some(own), Some(its)) if own < its);
    let follows = !server.torn()
        && view.record.durability.members.contains(&ordinal)
        && view.needs_reseed(ordinal).is_none()
        && !view.lost_data(primary)
        && !view.leaves(ordinal)
        && !older;
    let replicate =
        if follows && !drains(server, primary, source) { Replicate::From(primary) } else { Replicate::Fenced };
    Wish::Be(Be { replicate, ..be })
}

/// It has received what it has not applied, from where the primary was before or from an earlier primary. Pointed elsewhere,
/// it would give that up; as long as the primary has it too, it is applied first.
fn drains(server: &Instance, primary: u32, source: &Instance) -> bool {
    let Some(channel) = &server.channel else { return false };
    let pending = channel.received.subtract(&server.executed);
    channel.from != Some(primary)
        && channel.apply_error == 0
        && !pending.is_empty()
        && pending.subtract(&source.executed).is_empty()
}

//! What an acknowledged commit promises, and how that promise is made stronger and weaker. In: a view. Out: the next
//! record of it, and what the primary should wait for.
//!
//! A promise must never say more than the servers keep. So what makes it weaker (more members whose acknowledgement
//! counts, fewer acknowledgements) is written down first and done to servers afterwards; what makes it stronger (fewer
//! members, more acknowledgements) is done first, and written down when it was seen, with a barrier: the transactions
//! that were there before, for which only the weaker promise holds.

use super::record::{Durability, Phase};
use super::view::View;

/// Transactions: what a primary commits between the look at a replica and the look at it.
const STEP: u128 = 100;
/// Transactions: the same for a very busy one, of a replica that applies what it receives within [`FRESH`].
const LONG_STEP: u128 = 1_000;
/// Milliseconds between a commit on the primary and on a replica that keeps up.
const FRESH: u64 = 1_000;

/// The promise as it should be written down now.
pub fn next(view: &View<'_>) -> Durability {
    let mut next = view.record.durability.clone();
    let facts = view.facts;
    let closed = view.record.operation.as_ref().is_some_and(super::record::Operation::closes);
    let Some((primary, instance)) = view.primary() else { return next };
    if closed || !view.record.initialized || view.lost_data(primary) {
        return next;
    }
    // Weaker: a primary that comes back may have another address. Replicas that follow it there give up what they have
    // received and not applied, though it was acknowledged; so until they have it again, it is asked of the next primary.
    if !instance.writable {
        next.barrier = next.barrier.union(&instance.executed);
    }
    // Weaker: a server joins once it has data, so that it is a member before it acknowledges anything.
    for ordinal in 0..facts.wanted {
        if view.sound(ordinal).is_some() && view.needs_reseed(ordinal).is_none() {
            next.members.insert(ordinal);
        }
    }
    next.members.insert(primary);
    // A primary that was chosen and is not open yet may have to be chosen anew, by what the one before it promised.
    let chosen = view.record.operation.as_ref().is_some_and(|o| o.committed && o.phase == Phase::Open);
    if chosen && !instance.writable {
        return next;
    }
    // Weaker: fewer servers are wanted. In no other case does the number of acknowledgements go down.
    if next.acks > facts.target_acks() {
        next.acks = facts.target_acks();
        next.rising = None;
        return next;
    }
    // Stronger: a server that is no longer wanted receives nothing any more, and all that it acknowledged is on the primary.
    // One that has more, other than transactions of its own, is waited for. It is wished fenced in this very pass: one that
    // only happens to receive nothing, as after its start, would be told to follow, and acknowledge as a member of nothing.
    let leaving: Vec<u32> = next.members.iter().copied().filter(|i| view.leaves(*i)).collect();
    for ordinal in leaving {
        let detached = !instance.attached.contains(&ordinal);
        let fenced = match facts.up(ordinal) {
            Some(server) => {
                let nothing_more = view.errant.contains_key(&ordinal) || instance.executed.contains(&server.has());
                server.fenced() && nothing_more
            }
            None => view.gone(ordinal) && facts.pod(ordinal).is_none(),
        };
        if detached && fenced {
            next.members.remove(&ordinal);
            next.barrier = next.barrier.union(&instance.executed);
        }
    }
    // Stronger: the primary waits for more acknowledgements than promised, and that was so a pass ago as well.
    let kept = instance.acks.unwrap_or_default().min(view.attached()).min(facts.target_acks());
    if kept > next.acks && next.rising == Some(kept) {
        next.acks = kept;
        next.rising = None;
        next.barrier = next.barrier.union(&instance.executed);
    } else {
        next.rising = (kept > next.acks).then_some(kept);
    }
    next
}

/// Acknowledgements that the primary should wait for now. More than promised as soon as as many replicas are attached and
/// in step, fewer never: a commit waits rather than be acknowledged on too few servers.
///
/// A replica acknowledges what it has received, in order: one that is attached and has much to receive yet, as after a
/// copy, would hold up every commit until it has all of it. What is in force already stays while they are attached.
pub fn wanted_acks(view: &View<'_>) -> Option<u32> {
    let promised = view.record.durability.acks;
    let in_step = u32::try_from(view.acknowledging().filter(|i| in_step(view, *i)).count()).unwrap_or(u32::MAX);
    let in_force = view.primary().and_then(|(_, primary)| primary.acks).unwrap_or_default().min(view.attached());
    let acks = promised.max(view.facts.target_acks().min(in_step.max(in_force)));
    (acks > 0).then_some(acks)
}

/// It lacks no more of what the primary has than what is written between two looks. One that still has a thousand
/// transactions to receive was seen to hold up commits for five seconds.
fn in_step(view: &View<'_>, ordinal: u32) -> bool {
    let (Some((_, primary)), Some(server)) = (view.primary(), view.facts.up(ordinal)) else { return false };
    let fresh = server.channel.as_ref().and_then(|channel| channel.lag).is_some_and(|lag| lag <= FRESH);
    primary.executed.subtract(&server.has()).transactions() <= if fresh { LONG_STEP } else { STEP }
}

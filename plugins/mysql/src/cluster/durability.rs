//! What an acknowledged commit promises, and how that promise is made stronger and weaker. In: a view. Out: the next
//! record of it, and what the primary should wait for.
//!
//! A promise must never say more than the servers keep. So what makes it weaker (more members whose acknowledgement
//! counts, fewer acknowledgements) is written down first and done to servers afterwards; what makes it stronger (fewer
//! members, more acknowledgements) is done first, and written down when it was seen, with a barrier: the transactions
//! that were there before, for which only the weaker promise holds.

use super::record::Durability;
use super::view::View;

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
    // Weaker: fewer servers are wanted. In no other case does the number of acknowledgements go down.
    if next.acks > facts.target_acks() {
        next.acks = facts.target_acks();
        next.rising = None;
        return next;
    }
    // Stronger: a server that is no longer wanted receives nothing any more. What it has received, it may have
    // acknowledged alone.
    let primary_keeps = instance.acks.unwrap_or_default() == next.acks;
    let leaving: Vec<u32> = next.members.iter().copied().filter(|i| *i >= facts.wanted && *i != primary).collect();
    for ordinal in leaving {
        let detached = !instance.attached.contains(&ordinal);
        let fenced = match facts.up(ordinal) {
            Some(server) => server.fenced(),
            None => view.gone(ordinal) && facts.pod(ordinal).is_none(),
        };
        if primary_keeps && detached && fenced {
            next.members.remove(&ordinal);
            next.barrier = next.barrier.union(&instance.executed);
            if let Some(server) = facts.up(ordinal)
                && !view.errant.contains_key(&ordinal)
            {
                next.barrier = next.barrier.union(&server.has());
            }
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

/// Acknowledgements that the primary should wait for now. More than promised as soon as as many replicas are attached,
/// fewer never: a commit waits rather than be acknowledged on too few servers.
pub fn wanted_acks(view: &View<'_>) -> Option<u32> {
    let promised = view.record.durability.acks;
    let more = view.facts.target_acks().min(view.attached());
    let acks = promised.max(more);
    (acks > 0).then_some(acks)
}

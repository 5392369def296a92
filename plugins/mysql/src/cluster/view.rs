//! What follows from facts and record together: who is down, who has lost data, who has transactions of its own, and what
//! could be promoted without losing an acknowledged commit. In: facts and record. Out: judgements. Sets only, no time but
//! that of the facts.

use super::facts::{Facts, Instance, Seen, Silence};
use super::record::Record;
use std::collections::BTreeMap;
use windlass_sdk::gtid::GtidSet;

/// Milliseconds that nobody listens on a primary before it counts as gone.
pub const REFUSED_FOR: u64 = 1_000;
/// Milliseconds without an answer before it does.
pub const SILENT_FOR: u64 = 3_000;
/// Milliseconds that commits do not get on before it does.
pub const STALLED_FOR: u64 = 5_000;
/// Milliseconds between a failover and another because of stalled commits: where disks are full everywhere, moving on
/// does not help.
pub const STALL_PAUSE: u64 = 60_000;

/// Facts and record, and what follows from both.
pub struct View<'a> {
    /// What is known.
    pub facts: &'a Facts,
    /// What the passes before have left.
    pub record: &'a Record,
    /// Transactions that only these servers have.
    pub errant: BTreeMap<u32, GtidSet>,
}

impl<'a> View<'a> {
    /// Derives.
    pub fn of(facts: &'a Facts, record: &'a Record) -> Self {
        let mut view = View { facts, record, errant: BTreeMap::new() };
        view.errant = facts.all_up().filter_map(|(i, _)| Some((i, view.errant_of(i)?))).collect();
        // A server that is away keeps what was last known of it.
        for (ordinal, set) in &record.errant {
            if facts.up(*ordinal).is_none() && facts.servers.contains_key(ordinal) {
                view.errant.insert(*ordinal, set.clone());
            }
        }
        view
    }

    /// The primary, where it answered.
    pub fn primary(&self) -> Option<(u32, &'a Instance)> {
        let ordinal = self.record.primary?;
        Some((ordinal, self.facts.up(ordinal)?))
    }

    /// Whether this is the primary of the record.
    pub fn is_primary(&self, ordinal: u32) -> bool {
        self.record.primary == Some(ordinal)
    }

    /// Transactions that this server has and the primary has not. Those that carry the primary's own uuid are left out:
    /// they are younger than the look at the primary. Without a primary that has data, what was known before holds.
    fn errant_of(&self, ordinal: u32) -> Option<GtidSet> {
        if self.is_primary(ordinal) {
            return None;
        }
        let server = self.facts.up(ordinal)?;
        let surplus = match self.primary() {
            Some((_, primary)) if !primary.executed.is_empty() => {
                server.executed.subtract(&primary.executed).without_uuid(&primary.uuid)
            }
            // A server that was made anew has nothing of what it was blamed for.
            _ => self.record.errant.get(&ordinal)?.intersect(&server.executed),
        };
        (!surplus.is_empty()).then_some(surplus)
    }

    /// Since when this server is known to be down, milliseconds since the Unix epoch. None for one that answers, of which
    /// nothing is known, or that does not let us in.
    pub fn down_since(&self, ordinal: u32) -> Option<(u64, Silence)> {
        let server = self.facts.servers.get(&ordinal);
        match server.map(|server| (&server.pod, &server.seen)) {
            Some((Some(pod), Seen::Silent { since, how })) if pod.addressed => {
                (*how != Silence::Closed).then_some((*since, *how))
            }
            Some((Some(pod), Seen::Up(_) | Seen::Unknown)) if pod.addressed => None,
            _ => Some((*self.record.missing_since.get(&ordinal)?, Silence::Refused)),
        }
    }

    /// It has been down for so long that it does not count on coming back by itself.
    pub fn gone(&self, ordinal: u32) -> bool {
        self.down_since(ordinal).is_some_and(|(since, how)| {
            let patience = if how == Silence::Refused { REFUSED_FOR } else { SILENT_FOR };
            self.facts.now.saturating_sub(since) >= patience
        })
    }

    /// The cluster has had data and this server, which answers, has none, or none that can be trusted.
    pub fn empty(&self, ordinal: u32) -> bool {
        self.record.initialized && self.facts.up(ordinal).is_some_and(|i| i.executed.is_empty() || i.torn())
    }

    /// The same for a primary, which also may have come back with an older state of its data.
    pub fn lost_data(&self, ordinal: u32) -> bool {
        let older = |i: &Instance| !i.executed.contains(&self.record.durability.barrier);
        self.empty(ordinal) || (self.record.initialized && self.facts.up(ordinal).is_some_and(older))
    }

    /// An old primary that waits for acknowledgements: it obeys nothing until its sessions are ended.
    pub fn hung(&self, ordinal: u32) -> bool {
        !self.is_primary(ordinal) && self.facts.up(ordinal).is_some_and(|i| i.waiting > 0)
    }

    /// What it says about its data can be relied on: it answers, has data, and nothing that others lack.
    pub fn sound(&self, ordinal: u32) -> Option<&'a Instance> {
        let instance = self.facts.up(ordinal)?;
        let sound = !instance.executed.is_empty()
            && !instance.torn()
            && !self.errant.contains_key(&ordinal)
            && !self.hung(ordinal);
        sound.then_some(instance)
    }

    /// The replicas whose word counts when the primary is gone.
    pub fn witnesses(&self) -> impl Iterator<Item = (u32, &'a Instance)> {
        let members = self.record.durability.members.iter().copied();
        members.filter(|i| !self.is_primary(*i)).filter_map(|i| Some((i, self.sound(i)?)))
    }

    /// How many witnesses it takes to be sure that one of them has every acknowledged commit: a commit is on `acks` of
    /// the members besides the primary, so all but `acks - 1` of them must be heard. With no acknowledgements in force
    /// no number suffices.
    pub fn quorum(&self) -> Option<usize> {
        let durability = &self.record.durability;
        let others = durability.members.iter().filter(|i| !self.is_primary(**i)).count();
        let acks = usize::try_from(durability.acks).ok().filter(|acks| *acks > 0)?;
        // More acknowledgements than members cannot be: then nothing is acknowledged, and any one of them will do.
        Some((others + 1).saturating_sub(acks).max(1))
    }

    /// Whether another server can be promoted without losing an acknowledged commit, as far as can be told before the
    /// replicas are fenced.
    pub fn provable(&self) -> bool {
        let heard: Vec<GtidSet> = self.witnesses().map(|(_, instance)| instance.has()).collect();
        self.quorum().is_some_and(|quorum| heard.len() >= quorum)
            && heard.iter().any(|set| set.contains(&self.record.durability.barrier))
    }

    /// Commits on the primary do not get on, for long enough.
    pub fn stalled(&self) -> bool {
        self.primary().is_some_and(|(_, primary)| {
            primary.writable
                && primary.stalled_since.is_some_and(|since| self.facts.now.saturating_sub(since) >= STALLED_FOR)
        })
    }

    /// A stalled primary is replaced, unless that was tried a moment ago.
    pub fn stalled_for_good(&self) -> bool {
        self.stalled() && self.facts.now.saturating_sub(self.record.last_failover) >= STALL_PAUSE
    }

    /// Replicas of the primary that count: attached to it, members, and without transactions of their own.
    pub fn attached(&self) -> u32 {
        let Some((_, primary)) = self.primary() else { return 0 };
        let counts = |i: &&u32| self.record.durability.members.contains(i) && !self.errant.contains_key(i);
        u32::try_from(primary.attached.iter().filter(counts).count()).unwrap_or(u32::MAX)
    }

    /// A replica in good order: its pod is ready and stays, it is read-only and follows the primary without error.
    pub fn good_replica(&self, ordinal: u32) -> Option<&'a Instance> {
        let primary = self.record.primary?;
        let instance = self.sound(ordinal)?;
        let pod = self.facts.pod(ordinal)?;
        let good = primary != ordinal
            && pod.ready
            && !pod.deleting
            && instance.super_read_only
            && instance.follows(primary)
            && self.record.durability.members.contains(&ordinal);
        good.then_some(instance)
    }

    /// Why this server has to be made anew from the primary, and what it may have of its own.
    pub fn needs_reseed(&self, ordinal: u32) -> Option<Need> {
        if self.is_primary(ordinal) {
            return None;
        }
        let instance = self.facts.up(ordinal)?;
        let (_, primary) = self.primary()?;
        if primary.executed.is_empty() {
            return None;
        }
        if let Some(surplus) = self.errant.get(&ordinal) {
            return Some(Need::Errant(surplus.clone()));
        }
        if instance.executed.is_empty() || instance.torn() {
            return Some(Need::Empty);
        }
        let unheard = |error: u32| PURGED_ERRORS.contains(&error);
        let cut_off =
            instance.channel.as_ref().is_some_and(|c| c.from == self.record.primary && unheard(c.receive_error));
        (cut_off || !instance.executed.contains(&primary.purged)).then_some(Need::Purged)
    }
}

/// Errors of a receiver whose source no longer has what it needs: the source's binary logs are purged
/// (`ER_SOURCE_FATAL_ERROR_READING_BINLOG`, 1236, and `ER_SERVER_SOURCE_HAS_PURGED_REQUIRED_GTIDS`, 13114).
const PURGED_ERRORS: [u32; 2] = [1236, 13114];

/// Why a server has to be made anew.
#[derive(Clone, Debug, PartialEq)]
pub enum Need {
    /// It has no data, or none that can be trusted.
    Empty,
    /// The primary no longer has the binary logs that it needs.
    Purged,
    /// It has transactions of its own: these.
    Errant(GtidSet),
}

//! What follows from facts and record together: who is down, who has lost data, who has transactions of its own, and what
//! could be promoted without losing an acknowledged commit. In: facts and record. Out: judgements. Sets only, no time but
//! that of the facts.

use super::facts::{Copy, Facts, Instance, Receiver, Seen, Silence};
use super::record::{Cause, Kind, Phase, Record, Suspect};
use std::collections::BTreeMap;
use windlass_sdk::gtid::GtidSet;

/// Milliseconds that nobody listens on a primary before it counts as gone.
pub const REFUSED_FOR: u64 = 1_000;
/// Milliseconds without an answer before it does.
pub const SILENT_FOR: u64 = 3_000;
/// Milliseconds that commits wait for acknowledgements before it does.
///
/// `stalled_since` is the first of an unbroken series of looks at which one and the same session was in its commit while
/// the server committed nothing at all. A transaction that merely runs for long is in no commit and does not count, nor
/// does a busy server, or one that is still writing a large transaction to its binary log or sending it to replicas. What
/// does count is one that replicas take longer than this to write down after they have received it, while nothing else
/// commits.
pub const STALLED_FOR: u64 = 3_000;
/// Milliseconds that commits do not get on though none waits for an acknowledgement: for its disk, for want of space. A
/// large transaction may take a while to be written.
pub const STUCK_FOR: u64 = 5_000;
/// Milliseconds between a failover because of stalled commits and another: where disks are full everywhere, moving on
/// does not help. After a failover for another reason there is no pause.
pub const STALL_PAUSE: u64 = 60_000;

/// Milliseconds for which every look must find a transaction of the primary on a replica and not on the primary, before it
/// is one that the primary has lost: on a busy machine a commit may take a moment after its last session is woken.
pub const SUSPECT_FOR: u64 = 1_500;

/// Facts and record, and what follows from both.
pub struct View<'a> {
    /// What is known.
    pub facts: &'a Facts,
    /// What the passes before have left.
    pub record: &'a Record,
    /// Transactions that only these servers have.
    pub errant: BTreeMap<u32, GtidSet>,
    /// Transactions with the primary's own uuid that these servers have and the primary does not: errant when that stays so.
    pub suspect: BTreeMap<u32, Suspect>,
}

impl<'a> View<'a> {
    /// Derives.
    pub fn of(facts: &'a Facts, record: &'a Record) -> Self {
        let mut view = View { facts, record, errant: BTreeMap::new(), suspect: BTreeMap::new() };
        view.suspect = facts.all_up().filter_map(|(i, _)| Some((i, view.suspect_of(i)?))).collect();
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

    /// Transactions that this server has and the primary has not.
    ///
    /// Those that carry the primary's own uuid may be younger than the look at the primary, so they count only when they
    /// are found at every look for a while. And what was found once stays, though the primary may have it by now: a copy keeps the uuid of the
    /// server that is made anew, which then gives the numbers that it lost a second time, to other transactions.
    fn errant_of(&self, ordinal: u32) -> Option<GtidSet> {
        if self.is_primary(ordinal) {
            return None;
        }
        let server = self.facts.up(ordinal)?;
        // A server that was made anew has nothing of what it was blamed for.
        let before = self.record.errant.get(&ordinal).filter(|_| !self.made_anew(ordinal));
        let before = before.map(|before| before.intersect(&server.executed)).unwrap_or_default();
        let found = match self.primary() {
            Some((_, primary)) if !primary.executed.is_empty() => {
                server.executed.subtract(&primary.executed).without_uuid(&primary.uuid)
            }
            _ => GtidSet::default(),
        };
        let lasting = self.suspect.get(&ordinal).filter(|it| self.facts.now.saturating_sub(it.since) >= SUSPECT_FOR);
        let all = before.union(&found).union(&lasting.map(|it| it.set.clone()).unwrap_or_default());
        (!all.is_empty()).then_some(all)
    }

    /// Transactions with the primary's uuid that this server has and the primary has not, though the primary, which is
    /// looked at last, has no session in its commit: a transaction is with the replicas before it is committed, and until
    /// then a session waits for it.
    fn suspect_of(&self, ordinal: u32) -> Option<Suspect> {
        let (primary, instance) = self.primary()?;
        let busy = instance.waiting > 0 || instance.stalled_since.is_some();
        if ordinal == primary || busy || instance.executed.is_empty() {
            return None;
        }
        let surplus = self.facts.up(ordinal)?.executed.subtract(&instance.executed);
        let own = surplus.only_uuid(&instance.uuid);
        let lasting = self.record.suspect.get(&ordinal).map(|then| Suspect { set: then.set.intersect(&own), ..*then });
        let now = Suspect { since: self.facts.now, set: own };
        let suspect = lasting.filter(|then| !then.set.is_empty()).unwrap_or(now);
        (!suspect.set.is_empty()).then_some(suspect)
    }

    /// The copy that was begun because of this server's own transactions is there: it ended after that, and what the
    /// server has of them came with it. (A copy leaves a server without the binary logs of what was copied.)
    fn made_anew(&self, ordinal: u32) -> bool {
        let reseed = self.record.reseed.as_ref().filter(|reseed| reseed.target == ordinal && reseed.errant);
        let (Some(reseed), Some(server), Some(blamed)) =
            (reseed, self.facts.up(ordinal), self.record.errant.get(&ordinal))
        else {
            return false;
        };
        server.copy == Some(Copy::Done)
            && server.booted_at > reseed.started_at
            && server.purged.contains(&blamed.intersect(&server.executed))
    }

    /// A server that was seen with transactions of its own has some that carry this one's uuid and that this one has not:
    /// as the primary it would give their numbers to others, and that server would pass over those.
    pub fn repeats_numbers(&self, ordinal: u32) -> bool {
        let Some(server) = self.facts.up(ordinal) else { return false };
        let beyond = |set: &GtidSet| set.only_uuid(&server.uuid).subtract(&server.executed);
        self.errant.iter().any(|(i, set)| *i != ordinal && !beyond(set).is_empty())
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

    /// The replicas whose word counts when the primary is gone; and the primary of the record itself, where it was chosen
    /// by the failover under way and not opened.
    pub fn witnesses(&self) -> impl Iterator<Item = (u32, &'a Instance)> {
        let operation = self.record.operation.as_ref();
        let anew = operation.is_some_and(|o| o.kind == Kind::Failover && o.closes() && o.committed);
        let closed = |server: &Instance| server.super_read_only && server.waiting == 0;
        let unopened = move |i: u32| anew && !self.lost_data(i) && self.facts.up(i).is_some_and(closed);
        let members = self.record.durability.members.iter().copied();
        members.filter(move |i| !self.is_primary(*i) || unopened(*i)).filter_map(|i| Some((i, self.sound(i)?)))
    }

    /// A primary was chosen by a failover or a recovery and is not open yet, and a server that counts receives from
    /// another one: since it was fenced, that other one may have had its acknowledgement.
    pub fn astray(&self) -> bool {
        let (Some(operation), Some(primary)) = (&self.record.operation, self.record.primary) else { return false };
        let open = self.facts.up(primary).is_some_and(|server| server.writable);
        if open || operation.phase != Phase::Open || !operation.committed || operation.cause == Cause::Unsafe {
            return false;
        }
        // An address that no server has any more may be an earlier one of the chosen server. Where that server can be
        // chosen again at once, it is not worth the doubt.
        let elsewhere = |server: &Instance, doubt: bool| {
            let receives = server.channel.as_ref().filter(|channel| channel.receiver != Receiver::Stopped);
            receives.is_some_and(|channel| channel.from.map_or(doubt, |from| from != primary))
        };
        match operation.kind {
            Kind::Failover => self.witnesses().any(|(_, server)| elsewhere(server, true)),
            Kind::Bootstrap => self.facts.all_up().any(|(i, server)| i != primary && elsewhere(server, false)),
            Kind::Recovery | Kind::Switchover => false,
        }
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
            let patience = if primary.waiting > 0 { STALLED_FOR } else { STUCK_FOR };
            primary.writable
                && primary.stalled_since.is_some_and(|since| self.facts.now.saturating_sub(since) >= patience)
        })
    }

    /// A stalled primary is replaced, unless that was tried a moment ago.
    pub fn stalled_for_good(&self) -> bool {
        self.stalled() && self.facts.now.saturating_sub(self.record.last_stall) >= STALL_PAUSE
    }

    /// Replicas of the primary that count: attached to it, members, and without transactions of their own.
    pub fn acknowledging(&self) -> impl Iterator<Item = u32> {
        let attached = self.primary().map(|(_, primary)| &primary.attached);
        let counts = |i: &u32| self.record.durability.members.contains(i) && !self.errant.contains_key(i);
        attached.into_iter().flatten().copied().filter(counts)
    }

    /// How many they are.
    pub fn attached(&self) -> u32 {
        u32::try_from(self.acknowledging().count()).unwrap_or(u32::MAX)
    }

    /// Its ordinal is no longer wanted, and the primary, which stays, can do without its acknowledgement: the others give
    /// enough. So it receives nothing any more.
    pub fn leaves(&self, ordinal: u32) -> bool {
        let promised = self.record.durability.acks;
        let Some((primary, instance)) = self.primary() else { return false };
        let staying = self.acknowledging().filter(|i| *i < self.facts.wanted).count();
        ordinal >= self.facts.wanted
            && primary < self.facts.wanted
            && promised <= self.facts.target_acks()
            && instance.acks.unwrap_or_default() == promised
            && staying >= promised as usize
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

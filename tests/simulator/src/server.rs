//! One MySQL server: its data directory and, while it runs, its process. In: statements, and what the network brings.
//! Out: what changed. It does what MySQL does, also where that is inconvenient; nothing here knows of the host.
//!
//! What it is like in the respects that matter for the safety of data:
//! - a commit is in the binary log, and with the replicas, before enough of them acknowledged it; only then does it
//!   become visible and is the client told (`AFTER_SYNC`); after a crash what is in the binary log is committed;
//! - a session that is killed while it waits, and a shutdown, commit what waits, without telling the client;
//! - whoever switches semi-synchronous replication off, or asks for fewer acknowledgements, has what waits acknowledged;
//! - it boots read-only, with replication stopped and semi-synchronous replication off;
//! - GTID numbers are given to the lowest gap, so that a number may be given twice where data was replaced.

mod channel;
mod copying;

pub use channel::{Channel, Receiver, Way, receive};
pub use copying::{CloneState, Copying};

use crate::set::{Gtid, Origin, Set};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

/// Number of a row that a client wrote.
pub type Row = u32;
/// Milliseconds since the Unix epoch.
pub type Time = u64;

/// What a transaction does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Inserts a client's row.
    Row(Row),
    /// Creates or changes an account, by the name of its Secret.
    Account(Arc<str>),
}

/// One transaction in a binary or relay log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its identity.
    pub gtid: Gtid,
    /// What it does.
    pub effect: Effect,
}

/// A transaction that is in the binary log and waits to be acknowledged by replicas.
#[derive(Clone, Debug)]
struct Pending {
    /// Its place in the binary log.
    at: usize,
    /// A client waits for it. None: the applier does, or a client that was killed.
    client: Option<Row>,
    /// Replicas that have it, by their server number.
    acked: BTreeSet<usize>,
    since: Time,
}

/// The state of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Process {
    /// Not running.
    Down,
    /// Running from this time on, before that refusing connections.
    Starting(Time),
    /// Serving.
    Up,
    /// Stopped by a signal, or waiting for a device that never answers: it neither does nor says anything.
    Hung,
}

/// Semi-synchronous replication as set on a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SemiSync {
    /// Commits wait.
    pub source: bool,
    /// The receiver acknowledges, from its next start on.
    pub replica: bool,
    /// For so many acknowledgements.
    pub wait_for: u32,
}

impl Default for SemiSync {
    fn default() -> Self {
        SemiSync { source: false, replica: false, wait_for: 1 }
    }
}

/// Why a statement did not do what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It did not end within its deadline and was given up.
    Timeout,
    /// The server does not take it in its state.
    State,
}

/// One server.
#[derive(Clone, Debug)]
pub struct Server {
    /// Its number in the simulation, which never changes.
    pub index: usize,
    /// Its state as a process.
    pub process: Process,
    /// Raised with every start: connections belong to one.
    pub incarnation: u32,
    /// Since when it serves.
    pub booted: Time,
    /// Who it is, as `auto.cnf` says.
    pub uuid: Origin,
    /// Clients cannot write.
    pub read_only: bool,
    /// Nobody can.
    pub super_read_only: bool,
    /// Semi-synchronous replication.
    pub semi: SemiSync,
    /// Where it replicates from.
    pub channel: Option<Channel>,
    /// The last clone into it.
    pub clone: Option<Copying>,
    /// The disk takes nothing more.
    pub disk_full: bool,
    /// Everything takes longer.
    pub slow: bool,
    /// `super_read_only` could not be set within a deadline, since the server started.
    pub hangs: bool,
    /// Accounts, by the names of their Secrets.
    pub accounts: BTreeSet<Arc<str>>,
    binlog: Vec<Entry>,
    logged: Set,
    executed: Set,
    purged: Set,
    pending: VecDeque<Pending>,
    /// Acknowledgements on their way to this server: from whom, and up to which place in the binary log.
    acks: VecDeque<(usize, usize)>,
    /// Clients whose commit does not even get into the binary log.
    stuck: u32,
    stuck_since: Time,
    /// The tables were dropped for a clone that did not end. The GTID sets still speak of them.
    hollow: bool,
}

/// Clients that were told that their row is committed.
pub type Acknowledged = Vec<Row>;

impl Server {
    /// A server whose data directory was just initialised, and which is not running.
    pub fn fresh(index: usize, uuid: Origin) -> Self {
        Server {
            index,
            process: Process::Down,
            incarnation: 0,
            booted: 0,
            uuid,
            read_only: true,
            super_read_only: true,
            semi: SemiSync::default(),
            channel: None,
            clone: None,
            disk_full: false,
            slow: false,
            hangs: false,
            accounts: BTreeSet::new(),
            binlog: Vec::new(),
            logged: Set::default(),
            executed: Set::default(),
            purged: Set::default(),
            pending: VecDeque::new(),
            acks: VecDeque::new(),
            stuck: 0,
            stuck_since: 0,
            hollow: false,
        }
    }

    /// Whether it serves statements.
    pub fn is_up(&self) -> bool {
        self.process == Process::Up
    }

    /// Whether its process exists and may still do something, now or when it wakes.
    pub fn is_alive(&self) -> bool {
        matches!(self.process, Process::Up | Process::Hung)
    }

    /// What is committed.
    pub fn executed(&self) -> &Set {
        &self.executed
    }

    /// What is no longer in its binary logs.
    pub fn purged(&self) -> &Set {
        &self.purged
    }

    /// What was received and what is committed.
    pub fn owned(&self) -> Set {
        let mut owned = self.logged.clone();
        if let Some(channel) = &self.channel {
            owned.extend(&channel.retrieved);
        }
        owned
    }

    /// Rows of clients that are really there: committed, in the binary log, or received.
    pub fn rows(&self) -> BTreeSet<Row> {
        if self.hollow {
            return BTreeSet::new();
        }
        let relay = self.channel.iter().flat_map(|channel| channel.relay.iter());
        self.binlog.iter().chain(relay).filter_map(|entry| row(&entry.effect)).collect()
    }

    /// Rows of clients that a reader sees.
    pub fn visible_rows(&self) -> BTreeSet<Row> {
        if self.hollow {
            return BTreeSet::new();
        }
        let seen = self.binlog.iter().filter(|entry| self.executed.contains(entry.gtid));
        seen.filter_map(|entry| row(&entry.effect)).collect()
    }

    /// Sessions that wait for an acknowledgement.
    pub fn waiting(&self) -> u32 {
        u32::try_from(self.pending.len()).unwrap_or(u32::MAX)
    }

    /// Since when the longest waiting session cannot commit, for want of acknowledgements or of room.
    pub fn stalled_since(&self) -> Option<Time> {
        let waits = self.pending.front().map(|pending| pending.since);
        let stuck = (self.stuck > 0).then_some(self.stuck_since);
        waits.into_iter().chain(stuck).min()
    }

    // ------------------------------------------------------------------------------------------------ process

    /// The process is started; it serves from `at` on.
    pub fn start(&mut self, at: Time) {
        if self.process == Process::Down {
            self.process = Process::Starting(at);
        }
    }

    /// Time passes: a start ends.
    pub fn boot(&mut self, now: Time) {
        if let Process::Starting(at) = self.process
            && at <= now
        {
            self.process = Process::Up;
            self.booted = now;
            self.incarnation += 1;
        }
    }

    /// The process ends, in whatever way: what is in the binary log is committed then, and nobody is told.
    pub fn stop(&mut self) {
        self.process = Process::Down;
        for pending in std::mem::take(&mut self.pending) {
            self.commit_at(pending.at);
        }
        self.acks.clear();
        self.stuck = 0;
        self.hangs = false;
        self.read_only = true;
        self.super_read_only = true;
        self.semi = SemiSync::default();
        self.incarnation += 1;
        if let Some(channel) = &mut self.channel {
            channel.receiver = Receiver::Stopped;
            channel.applier = false;
            channel.connected = None;
        }
        self.interrupt_clone();
    }

    // ------------------------------------------------------------------------------------------------ commits

    /// Somebody commits. Returns whether the transaction came into the binary log, and who is acknowledged by now.
    pub fn write(&mut self, effect: Effect, now: Time) -> (bool, Acknowledged) {
        if self.disk_full {
            if self.stuck == 0 {
                self.stuck_since = now;
            }
            self.stuck += 1;
            return (false, Vec::new());
        }
        let gtid = Gtid { origin: self.uuid, number: self.logged.next_of(self.uuid) };
        let client = row(&effect);
        self.log(Entry { gtid, effect });
        self.pending.push_back(Pending { at: self.binlog.len() - 1, client, acked: BTreeSet::new(), since: now });
        (true, self.settle())
    }

    /// The disk has room again: what was stuck goes on as if it came now, or was given up by its client.
    pub fn free_disk(&mut self) {
        self.disk_full = false;
        self.stuck = 0;
    }

    fn log(&mut self, entry: Entry) {
        self.logged.insert(entry.gtid);
        self.binlog.push(entry);
    }

    fn commit_at(&mut self, at: usize) {
        let Some(entry) = self.binlog.get(at) else { return };
        self.executed.insert(entry.gtid);
        if let Effect::Account(name) = &entry.effect {
            self.accounts.insert(name.clone());
        }
    }

    /// Commits what has enough acknowledgements, in order. Returns who is told.
    pub fn settle(&mut self) -> Acknowledged {
        let mut told = Vec::new();
        while let Some(first) = self.pending.front() {
            let enough = !self.semi.source || first.acked.len() >= self.semi.wait_for as usize;
            if !enough || !self.is_up() {
                break;
            }
            let Some(first) = self.pending.pop_front() else { break };
            told.extend(first.client);
            self.commit_at(first.at);
        }
        told
    }

    /// A replica's acknowledgement is on its way here.
    pub(crate) fn send_ack(&mut self, replica: usize, at: usize) {
        self.acks.push_back((replica, at));
    }

    /// Takes in the oldest acknowledgement that is on its way, or loses it. Returns who is told.
    pub fn take_ack(&mut self, lost: bool) -> Acknowledged {
        if !self.is_up() {
            return Vec::new();
        }
        if let Some((replica, at)) = self.acks.pop_front()
            && !lost
        {
            self.count(replica, at);
        }
        self.settle()
    }

    /// Whether acknowledgements are on their way here.
    pub fn has_acks(&self) -> bool {
        !self.acks.is_empty()
    }

    /// An acknowledgement is one of everything up to a place in the binary log.
    pub(crate) fn count(&mut self, replica: usize, at: usize) {
        self.pending.iter_mut().filter(|pending| pending.at <= at).for_each(|pending| {
            pending.acked.insert(replica);
        });
    }

    // ------------------------------------------------------------------------------------------------ statements

    /// `SET GLOBAL super_read_only=ON`: waits for commits, so it cannot while one waits for an acknowledgement or room.
    pub fn close(&mut self) -> Result<(), Refused> {
        if !self.pending.is_empty() || self.stuck > 0 {
            self.hangs = true;
            return Err(Refused::Timeout);
        }
        self.read_only = true;
        self.super_read_only = true;
        Ok(())
    }

    /// `SET GLOBAL read_only=OFF`.
    pub fn open(&mut self) {
        self.read_only = false;
        self.super_read_only = false;
    }

    /// `SET GLOBAL rpl_semi_sync_*`. Returns who is told because less is asked for.
    pub fn set_semi(&mut self, semi: SemiSync) -> Acknowledged {
        self.semi = semi;
        self.settle()
    }

    /// `KILL CONNECTION` of all clients: what waits is committed, and nobody is told.
    pub fn kill_clients(&mut self) {
        self.stuck = 0;
        for pending in std::mem::take(&mut self.pending) {
            if pending.client.is_none() && self.channel.as_ref().is_some_and(|channel| channel.applier) {
                self.pending.push_back(pending);
            } else {
                self.commit_at(pending.at);
            }
        }
    }

    /// `PURGE BINARY LOGS`: what is committed is no longer there for replicas that come later.
    pub fn purge(&mut self) {
        if self.pending.is_empty() {
            self.purged = self.executed.clone();
        }
    }
}

fn row(effect: &Effect) -> Option<Row> {
    match effect {
        Effect::Row(row) => Some(*row),
        Effect::Account(_) => None,
    }
}

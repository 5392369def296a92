//! Replication into one server: the receiver that fetches, the applier that executes. In: a source. Out: transactions in
//! the relay log, then in the data.

use super::{Acknowledged, Entry, Pending, Refused, Server, Time, row};
use crate::set::Set;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

/// Error number of a receiver whose source lacks binary logs, or which has more than its source.
pub const FATAL: u32 = 1236;
/// Error number of a receiver whose source cannot be reached.
pub const UNREACHABLE: u32 = 2003;
/// Error number of a receiver whose source knows no such account.
pub const DENIED: u32 = 1045;

/// The receiver's thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receiver {
    /// Not running.
    Stopped,
    /// Trying.
    Connecting,
    /// Connected, as far as it knows.
    Running,
}

/// The default channel.
#[derive(Clone, Debug)]
pub struct Channel {
    /// Address of the source.
    pub host: Arc<str>,
    /// Port of the source.
    pub port: u16,
    /// Secret of the account that it logs in with.
    pub account: Arc<str>,
    /// The source's uuid, once it was seen.
    pub source: Option<u32>,
    /// The thread that fetches.
    pub receiver: Receiver,
    /// The thread that executes runs.
    pub applier: bool,
    /// Everything that was fetched since the channel was made.
    pub retrieved: Set,
    /// Last error of the receiver.
    pub io_error: u32,
    /// It asks by GTID.
    pub auto_position: bool,
    /// What was fetched and is not executed yet.
    pub(super) relay: VecDeque<Entry>,
    /// Server number and incarnation of the source that it is connected to.
    pub(super) connected: Option<(usize, u32)>,
    /// Place in the source's binary log from which it reads on.
    cursor: usize,
    /// It acknowledges: settled when the thread starts.
    acknowledges: bool,
    /// Since when nothing comes though it is connected.
    silent: Option<Time>,
}

impl Server {
    /// `CHANGE REPLICATION SOURCE TO`, with both threads stopped: what was fetched and not executed is thrown away. With
    /// the applier running it is kept.
    pub fn change_source(&mut self, host: &str, port: u16, account: &str) -> Result<(), Refused> {
        let before = self.channel.take();
        let mut channel = Channel {
            host: host.into(),
            port,
            account: account.into(),
            source: None,
            receiver: Receiver::Stopped,
            applier: false,
            retrieved: Set::default(),
            io_error: 0,
            auto_position: true,
            relay: VecDeque::new(),
            connected: None,
            cursor: 0,
            acknowledges: false,
            silent: None,
        };
        match before {
            Some(old) if old.receiver != Receiver::Stopped => {
                self.channel = Some(old);
                return Err(Refused::State);
            }
            Some(old) if old.applier => {
                channel.applier = true;
                channel.auto_position = old.auto_position;
                channel.relay = old.relay;
                channel.retrieved = old.retrieved;
            }
            Some(_) | None => {}
        }
        self.channel = Some(channel);
        Ok(())
    }

    /// `START REPLICA IO_THREAD`.
    pub fn start_receiver(&mut self) {
        let acknowledges = self.semi.replica;
        if let Some(channel) = &mut self.channel
            && channel.receiver == Receiver::Stopped
        {
            channel.receiver = Receiver::Connecting;
            channel.acknowledges = acknowledges;
            channel.io_error = 0;
        }
    }

    /// `STOP REPLICA IO_THREAD`.
    pub fn stop_receiver(&mut self) {
        if let Some(channel) = &mut self.channel {
            channel.receiver = Receiver::Stopped;
            channel.connected = None;
        }
    }

    /// `START REPLICA SQL_THREAD`.
    pub fn start_applier(&mut self) {
        if let Some(channel) = &mut self.channel {
            channel.applier = true;
        }
    }

    /// `STOP REPLICA SQL_THREAD`: waits for the transaction that it executes.
    pub fn stop_applier(&mut self) -> Result<(), Refused> {
        if let Some(channel) = &mut self.channel {
            if channel.applier && self.pending.iter().any(|pending| pending.client.is_none()) {
                return Err(Refused::Timeout);
            }
            channel.applier = false;
        }
        Ok(())
    }

    /// `RESET REPLICA ALL`, with both threads stopped.
    pub fn forget_source(&mut self) -> Result<(), Refused> {
        let running = |channel: &Channel| channel.receiver != Receiver::Stopped || channel.applier;
        if self.channel.as_ref().is_some_and(running) {
            return Err(Refused::State);
        }
        self.channel = None;
        Ok(())
    }

    /// Whether this server, as it is now, acknowledges transactions of the server at that address, or will as soon as the
    /// network lets it.
    pub fn acknowledges(&self, host: &str) -> bool {
        self.is_alive()
            && self.channel.as_ref().is_some_and(|channel| {
                &*channel.host == host && channel.receiver != Receiver::Stopped && channel.acknowledges
            })
    }

    /// The source that the receiver believes to be connected to.
    pub fn connected_to(&self) -> Option<(usize, u32)> {
        self.channel.as_ref()?.connected
    }

    /// Transactions that were fetched and not executed yet.
    pub fn backlog(&self) -> usize {
        self.channel.as_ref().map_or(0, |channel| channel.relay.len())
    }

    /// Executes the next transaction of the relay log. Returns who is told: the applier, like a client, may wait for
    /// acknowledgements and let earlier ones through.
    pub fn apply(&mut self, now: Time) -> Acknowledged {
        // The applier does one after the other; while one waits, it waits.
        let busy = self.pending.iter().any(|pending| pending.client.is_none());
        let Some(channel) = &mut self.channel else { return Vec::new() };
        if !channel.applier || busy || self.disk_full || self.process != super::Process::Up {
            return Vec::new();
        }
        let Some(entry) = channel.relay.pop_front() else { return Vec::new() };
        if self.logged.contains(entry.gtid) {
            return Vec::new();
        }
        self.log(entry);
        let at = self.binlog.len() - 1;
        self.pending.push_back(Pending { at, client: None, acked: BTreeSet::new(), since: now });
        self.settle()
    }
}

/// What the network is like between a replica and its source.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    /// Packets pass.
    pub open: bool,
    /// How long a receiver believes in a connection on which nothing comes, in milliseconds.
    pub patience: Time,
}

/// One step of a receiver: it connects, or fetches one transaction, or notices that the connection is gone. `source` is
/// whoever has the address that it was given.
pub fn receive(replica: &mut Server, source: Option<&mut Server>, way: Way, now: Time) {
    let owned = replica.owned();
    let (index, full, account_of) = (replica.index, replica.disk_full, replica.uuid);
    if !replica.is_up() {
        return;
    }
    let Some(channel) = &mut replica.channel else { return };
    if channel.receiver == Receiver::Stopped {
        return;
    }
    let source = source.filter(|source| source.index != index);
    let gone = match (&source, channel.connected) {
        (Some(source), Some(at)) => !source.is_alive() || at != (source.index, source.incarnation),
        _ => true,
    };
    if gone {
        channel.connected = None;
        channel.receiver = Receiver::Connecting;
        channel.silent = None;
        let reached = source.filter(|source| way.open && source.is_up());
        let Some(source) = reached else {
            channel.io_error = UNREACHABLE;
            return;
        };
        if !source.accounts.contains(&channel.account) {
            channel.io_error = DENIED;
            return;
        }
        let theirs = source.logged.clone();
        let mut more = owned.minus(&theirs);
        let more_than_source = more.origins().any(|origin| origin == source.uuid);
        more.extend(&source.purged);
        if more_than_source || !source.purged.within(&owned) || source.uuid == account_of {
            channel.io_error = FATAL;
            channel.receiver = Receiver::Stopped;
            return;
        }
        channel.io_error = 0;
        channel.receiver = Receiver::Running;
        channel.connected = Some((source.index, source.incarnation));
        channel.source = Some(source.uuid);
        channel.cursor = 0;
        return;
    }
    let Some(source) = source else { return };
    if !way.open || !source.is_up() {
        let since = *channel.silent.get_or_insert(now);
        if now.saturating_sub(since) > way.patience {
            channel.connected = None;
            channel.receiver = Receiver::Connecting;
            channel.io_error = UNREACHABLE;
        }
        return;
    }
    channel.silent = None;
    if full {
        return;
    }
    // What the replica has is passed over, which counts as an acknowledgement of it.
    while let Some(entry) = source.binlog.get(channel.cursor) {
        let (at, known) = (channel.cursor, owned.contains(entry.gtid));
        channel.cursor += 1;
        if known {
            if channel.acknowledges {
                source.count(index, at);
            }
            continue;
        }
        let entry = entry.clone();
        channel.retrieved.insert(entry.gtid);
        channel.relay.push_back(entry);
        if channel.acknowledges {
            source.send_ack(index, at);
        }
        break;
    }
}

impl Entry {
    /// The row that it inserts.
    pub fn row(&self) -> Option<super::Row> {
        row(&self.effect)
    }
}

impl Channel {
    /// Address of the source.
    pub fn address(&self) -> String {
        self.host.to_string()
    }
}

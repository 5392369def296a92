//! CLONE: a server's data is replaced by a copy of another's. In: a donor. Out: the recipient with its data, stopped, as a
//! server without a supervisor is after a clone; or what an interrupted one leaves.

use super::{Process, Receiver, Refused, Server, Time};
use crate::set::Set;

/// How far a clone is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloneState {
    /// Copying.
    InProgress,
    /// Done.
    Completed,
    /// Ended early: the tables are gone, and no others came.
    Failed,
}

/// A clone into a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copying {
    /// How far it is.
    pub state: CloneState,
    /// Error number, 0 for none.
    pub error: u32,
    /// Number and incarnation of the donor.
    donor: (usize, u32),
    /// When the copy is complete.
    until: Time,
}

impl Copying {
    /// The donor, while it copies.
    pub fn donor(&self) -> Option<usize> {
        (self.state == CloneState::InProgress).then_some(self.donor.0)
    }
}

impl Server {
    /// `CLONE INSTANCE FROM`: drops the tables and begins to copy.
    pub fn begin_clone(&mut self, donor: &Server, until: Time) -> Result<(), Refused> {
        let copying = |server: &Server| server.clone.is_some_and(|clone| clone.state == CloneState::InProgress);
        if !self.is_up() || !donor.is_up() || copying(self) || copying(donor) || donor.hollow {
            return Err(Refused::State);
        }
        self.hollow = true;
        let donor = (donor.index, donor.incarnation);
        self.clone = Some(Copying { state: CloneState::InProgress, error: 0, donor, until });
        Ok(())
    }

    /// A clone goes on. True: it ended well, and the server has stopped.
    pub fn copy(&mut self, donor: &Server, open: bool, now: Time) -> bool {
        let Some(clone) = self.clone.filter(|clone| clone.state == CloneState::InProgress) else { return false };
        if self.process != Process::Up {
            return false;
        }
        if !open || !donor.is_up() || (donor.index, donor.incarnation) != clone.donor || self.disk_full {
            self.interrupt_clone();
            return false;
        }
        if now < clone.until {
            return false;
        }
        self.stop();
        self.hollow = false;
        // What waits for acknowledgements at the donor is only prepared in its data files, and rolled back in the copy.
        self.executed = donor.executed.clone();
        self.logged = donor.executed.clone();
        self.binlog = donor.binlog.iter().filter(|entry| donor.executed.contains(entry.gtid)).cloned().collect();
        self.purged = donor.executed.clone();
        self.accounts = donor.accounts.clone();
        // The channel is in a table and comes along; relay logs do not.
        self.channel = donor.channel.clone().map(|mut channel| {
            channel.receiver = Receiver::Stopped;
            channel.applier = false;
            channel.connected = None;
            channel.retrieved = Set::default();
            channel.relay.clear();
            channel
        });
        self.clone = Some(Copying { state: CloneState::Completed, ..clone });
        true
    }

    /// What an interrupted clone leaves: no tables, and GTID sets that do not know of it.
    pub(super) fn interrupt_clone(&mut self) {
        if let Some(clone) = &mut self.clone
            && clone.state == CloneState::InProgress
        {
            clone.state = CloneState::Failed;
            clone.error = 3862;
        }
    }

    /// The data directory is emptied and initialised anew: another server, with nothing.
    pub fn wipe(&mut self, uuid: u32) {
        let incarnation = self.incarnation + 1;
        *self = Server { incarnation, slow: self.slow, ..Server::fresh(self.index, uuid) };
    }
}

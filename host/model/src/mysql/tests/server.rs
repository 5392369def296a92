//! A server so small that it can be seen through: it has the facts, and does what a change says.

use super::*;
use crate::snapshot::SemiSyncFacts;

/// A server.
#[derive(Clone, Debug)]
pub struct Server {
    pub facts: MysqlFacts,
    pub ack_timeout: u64,
    pub source_as_wanted: bool,
    pub auto_position: bool,
    pub accounts: Vec<AccountSeen>,
    pub hangs: bool,
    /// Transactions that were received and never executed, because they were dropped.
    pub dropped: GtidSet,
}

fn set(text: &str) -> GtidSet {
    text.parse().unwrap()
}

impl Server {
    /// Just initialized, as its configuration starts it.
    pub fn fresh() -> Self {
        Server {
            facts: MysqlFacts {
                version: "9.7.4".into(),
                server_uuid: A.into(),
                server_id: 1,
                read_only: true,
                super_read_only: true,
                can_commit: true,
                uptime: 1000,
                ..MysqlFacts::default()
            },
            ack_timeout: 10_000,
            source_as_wanted: false,
            auto_position: false,
            accounts: Vec::new(),
            hangs: false,
            dropped: GtidSet::default(),
        }
    }

    pub fn primary(executed: &str) -> Self {
        let mut server = Server::fresh();
        server.facts.executed = executed.into();
        (server.facts.read_only, server.facts.super_read_only) = (false, false);
        server.facts.semi_sync = SemiSyncFacts { source_enabled: true, wait_for: 1, ..SemiSyncFacts::default() };
        server.ack_timeout = ACK_TIMEOUT;
        server
    }

    pub fn replica(host: &str, executed: &str, received: &str) -> Self {
        let mut server = Server::fresh();
        server.facts.executed = executed.into();
        server.facts.semi_sync.replica_enabled = true;
        (server.source_as_wanted, server.auto_position) = (true, true);
        server.facts.source = Some(SourceFacts {
            host: host.into(),
            port: 3306,
            source_uuid: B.into(),
            io: IoState::Running,
            sql_running: true,
            received: received.into(),
            io_error: 0,
            sql_error: 0,
            lag: Some(0),
        });
        server
    }

    pub fn seen(&self, wanted: &MysqlServer) -> Seen {
        let mut accounts = self.accounts.clone();
        accounts.resize(wanted.accounts.len(), AccountSeen::default());
        Seen {
            facts: self.facts.clone(),
            ack_timeout: self.ack_timeout,
            source_as_wanted: self.source_as_wanted,
            auto_position: self.auto_position,
            accounts,
            hangs: self.hangs,
        }
    }

    /// The process ends and starts again: nothing runs, nobody writes, no session is left.
    pub fn restart(&mut self) {
        (self.facts.read_only, self.facts.super_read_only) = (true, true);
        self.facts.semi_sync.waiting_sessions = 0;
        self.facts.semi_sync.source_enabled = false;
        self.facts.semi_sync.replica_enabled = self.facts.source.is_some();
        self.facts.can_commit = true;
        self.hangs = false;
        if let Some(source) = &mut self.facts.source {
            (source.io, source.sql_running) = (IoState::Stopped, false);
        }
    }

    pub fn pending(&self) -> GtidSet {
        let received = self.facts.source.as_ref().map(|source| set(&source.received)).unwrap_or_default();
        received.subtract(&set(&self.facts.executed))
    }

    /// A running applier comes to the end of what was received.
    pub fn apply_all_received(&mut self) {
        if self.facts.source.as_ref().is_some_and(|source| source.sql_running) {
            self.facts.executed = set(&self.facts.executed).union(&self.pending()).to_string();
        }
    }

    /// One round: plan, and each change as long as it is permitted and succeeds. Returns what was made.
    pub fn converge(&mut self, wanted: &MysqlServer) -> Vec<Change> {
        let Ok(course) = plan(wanted, &self.seen(wanted)) else { return Vec::new() };
        let mut made = Vec::new();
        for change in course.changes {
            if permits(&change, wanted, &self.facts).is_err() || !self.make(&change, wanted) {
                break;
            }
            made.push(change);
        }
        made
    }

    /// Makes a change. Returns whether it succeeded.
    pub fn make(&mut self, change: &Change, wanted: &MysqlServer) -> bool {
        let stuck = self.facts.semi_sync.waiting_sessions > 0;
        let pending = self.pending();
        let facts = &mut self.facts;
        match change {
            // It ends connections; a session that waits in its commit stays.
            Change::KillClients => {}
            Change::SetReadOnly => {
                facts.super_read_only = true;
                self.hangs = stuck;
                facts.read_only = !stuck;
                return !stuck;
            }
            Change::Shutdown => self.restart(),
            Change::StopReceiver => facts.source.as_mut().unwrap().io = IoState::Stopped,
            Change::StopReplica => {
                let source = facts.source.as_mut().unwrap();
                (source.io, source.sql_running) = (IoState::Stopped, false);
            }
            Change::StartApplier => {
                let source = facts.source.as_mut().unwrap();
                (source.sql_running, source.sql_error) = (true, 0);
            }
            Change::ForgetSource => {
                assert!(facts.source.as_ref().is_some_and(|s| s.io == IoState::Stopped && !s.sql_running));
                self.dropped = self.dropped.union(&pending);
                facts.source = None;
            }
            Change::Follow(source) => self.follow(source),
            Change::SetReplicaSemiSync(on) => facts.semi_sync.replica_enabled = *on,
            Change::StartReplica => {
                let source = facts.source.as_mut().unwrap();
                (source.io, source.sql_running) = (IoState::Running, true);
                (source.io_error, source.sql_error) = (0, 0);
            }
            Change::SetAcks(acks) => {
                assert!(acks.is_some() || wanted.writable || facts.semi_sync.waiting_sessions == 0);
                facts.semi_sync.source_enabled = acks.is_some();
                facts.semi_sync.wait_for = acks.unwrap_or(1);
                self.ack_timeout = ACK_TIMEOUT;
            }
            Change::Clone(_) => {
                facts.executed = format!("{B}:1-100");
                facts.source = None;
                facts.clone = Some(CloneFacts { state: CloneState::Completed, error: 0 });
                self.restart();
            }
            Change::OpenForWrites => (facts.read_only, facts.super_read_only) = (false, false),
            Change::CreateAccount(_)
            | Change::ChangePassword { .. }
            | Change::DiscardOldPassword(_)
            | Change::SetGrants(_) => self.change_account(change, wanted),
        }
        true
    }

    fn follow(&mut self, wanted: &ReplicationSource) {
        let pending = self.pending();
        let applies = self.facts.source.as_ref().is_some_and(|source| source.sql_running);
        assert!(!applies || self.auto_position, "it cannot be named while the applier runs");
        let before = self.facts.source.take();
        assert!(before.as_ref().is_none_or(|source| source.io == IoState::Stopped));
        if !applies {
            self.dropped = self.dropped.union(&pending);
        }
        self.facts.source = Some(SourceFacts {
            host: wanted.host.clone(),
            port: wanted.port,
            source_uuid: String::new(),
            io: IoState::Stopped,
            sql_running: applies,
            received: if applies { pending.to_string() } else { String::new() },
            io_error: 0,
            sql_error: 0,
            lag: None,
        });
        (self.source_as_wanted, self.auto_position) = (true, true);
    }

    fn change_account(&mut self, change: &Change, wanted: &MysqlServer) {
        self.accounts.resize(wanted.accounts.len(), AccountSeen::default());
        let at = wanted.accounts.iter().position(|one| Some(one) == change.account()).unwrap();
        let account = &mut self.accounts[at];
        match change {
            Change::CreateAccount(_) => {
                *account = AccountSeen {
                    exists: true,
                    password_as_wanted: true,
                    previous_valid: false,
                    grants_as_wanted: true,
                };
            }
            Change::ChangePassword { retain, .. } => {
                account.password_as_wanted = true;
                account.previous_valid |= *retain;
            }
            Change::DiscardOldPassword(_) => account.previous_valid = false,
            _ => account.grants_as_wanted = true,
        }
    }
}

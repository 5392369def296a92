//! One change to a MySQL server, as data.

use crate::decision::{MysqlAccount, ReplicationSource, Reseed};
use std::fmt;

/// One change to a MySQL server. None of them is written to the binary log but those of accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Ends the connections of clients: of everyone but the host, the server itself and its replicas.
    KillClients,
    /// `super_read_only`: waits for commits that run.
    SetReadOnly,
    /// Stops the process, which starts again read-only. For a server whose sessions hang in their commits.
    Shutdown,
    /// Receives nothing more from its source, and acknowledges nothing more to it.
    StopReceiver,
    /// Neither receives nor applies.
    StopReplica,
    /// Applies what it received.
    StartApplier,
    /// Forgets its source, with what it received from it.
    ForgetSource,
    /// From now on replicates from this source, by GTID. The receiver does not run. While the applier runs, what was
    /// received stays, and `SOURCE_AUTO_POSITION` cannot be named; else what was received and not applied is dropped.
    Follow(Box<ReplicationSource>),
    /// Acknowledges what it receives; in force when the receiver starts next.
    SetReplicaSemiSync(bool),
    /// Receives and applies.
    StartReplica,
    /// A commit waits for so many acknowledgements, for [`crate::mysql::ACK_TIMEOUT`]; none: for none.
    SetAcks(Option<u32>),
    /// Replaces all data by a copy of another server's. The server restarts.
    Clone(Box<Reseed>),
    /// Takes writes.
    OpenForWrites,
    /// Creates an account, with its password and grants.
    CreateAccount(MysqlAccount),
    /// Gives an account its wanted password.
    ChangePassword {
        /// Which.
        account: MysqlAccount,
        /// The password that it has now stays valid beside the new one.
        retain: bool,
    },
    /// Only the current password of an account stays valid.
    DiscardOldPassword(MysqlAccount),
    /// Gives an account the wanted privileges, and no others.
    SetGrants(MysqlAccount),
}

impl Change {
    /// A stable word, for logs, events and metrics.
    pub fn word(&self) -> &'static str {
        match self {
            Change::KillClients => "KillClients",
            Change::SetReadOnly => "SetReadOnly",
            Change::Shutdown => "Shutdown",
            Change::StopReceiver => "StopReceiver",
            Change::StopReplica => "StopReplica",
            Change::StartApplier => "StartApplier",
            Change::ForgetSource => "ForgetSource",
            Change::Follow(_) => "Follow",
            Change::SetReplicaSemiSync(_) => "SetReplicaSemiSync",
            Change::StartReplica => "StartReplica",
            Change::SetAcks(_) => "SetAcks",
            Change::Clone(_) => "Clone",
            Change::OpenForWrites => "OpenForWrites",
            Change::CreateAccount(_) => "CreateAccount",
            Change::ChangePassword { .. } => "ChangePassword",
            Change::DiscardOldPassword(_) => "DiscardOldPassword",
            Change::SetGrants(_) => "SetGrants",
        }
    }

    /// The account that it is about.
    pub fn account(&self) -> Option<&MysqlAccount> {
        match self {
            Change::CreateAccount(account)
            | Change::ChangePassword { account, .. }
            | Change::DiscardOldPassword(account)
            | Change::SetGrants(account) => Some(account),
            Change::KillClients
            | Change::SetReadOnly
            | Change::Shutdown
            | Change::StopReceiver
            | Change::StopReplica
            | Change::StartApplier
            | Change::ForgetSource
            | Change::Follow(_)
            | Change::SetReplicaSemiSync(_)
            | Change::StartReplica
            | Change::SetAcks(_)
            | Change::Clone(_)
            | Change::OpenForWrites => None,
        }
    }
}

impl fmt::Display for Change {
    /// For people; accounts are named by their Secrets: `Follow 10.0.0.7:3306`, `SetAcks 1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())?;
        match self {
            Change::Follow(source) => write!(f, " {}:{}", source.host, source.port),
            Change::Clone(reseed) => write!(f, " from {}:{}", reseed.donor_host, reseed.donor_port),
            Change::SetReplicaSemiSync(on) => write!(f, " {on}"),
            Change::SetAcks(acks) => write!(f, " {}", acks.unwrap_or_default()),
            Change::CreateAccount(account)
            | Change::ChangePassword { account, .. }
            | Change::DiscardOldPassword(account)
            | Change::SetGrants(account) => write!(f, " of secret {}", account.user.secret),
            Change::KillClients
            | Change::SetReadOnly
            | Change::Shutdown
            | Change::StopReceiver
            | Change::StopReplica
            | Change::StartApplier
            | Change::ForgetSource
            | Change::StartReplica
            | Change::OpenForWrites => Ok(()),
        }
    }
}

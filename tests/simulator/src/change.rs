//! The changes that the host makes to a server, made to a simulated one. In: a change of the host's plan. Out: the server
//! as MySQL would be after the statements that the change stands for.

use crate::fleet::Fleet;
use crate::server::{Effect, Refused, SemiSync, Server};
use model::decision::{MysqlServer, Replication};
use model::mysql::{AccountSeen, Change, Seen};
use model::snapshot::MysqlFacts;

/// Makes a change to a server that answers.
///
/// # Errors
/// When a statement does not end in time, or is refused.
pub fn make(fleet: &mut Fleet, index: usize, change: &Change) -> Result<(), Refused> {
    let (least, more) = fleet.copying;
    let (now, long) = (fleet.now, least + fleet.below(more) as u64);
    let donor = match change {
        Change::Clone(reseed) => fleet.at(&reseed.donor_host).filter(|donor| *donor != index),
        _ => None,
    };
    let way = donor.is_some_and(|donor| fleet.connected(index, donor));
    let donor = donor.and_then(|donor| fleet.servers.get(donor)).cloned();
    let Some(server) = fleet.servers.get_mut(index) else { return Err(Refused::State) };
    let told = match change {
        Change::KillClients => {
            server.kill_clients();
            Vec::new()
        }
        Change::SetReadOnly => {
            server.close()?;
            Vec::new()
        }
        Change::Shutdown => {
            server.stop();
            Vec::new()
        }
        Change::StopReceiver => {
            server.stop_receiver();
            Vec::new()
        }
        Change::StopReplica => {
            server.stop_receiver();
            server.stop_applier()?;
            Vec::new()
        }
        Change::StartApplier => {
            server.start_applier();
            Vec::new()
        }
        Change::ForgetSource => {
            server.forget_source()?;
            Vec::new()
        }
        Change::Follow(source) => {
            server.change_source(&source.host, source.port, &source.user.secret)?;
            Vec::new()
        }
        Change::SetReplicaSemiSync(on) => {
            server.semi.replica = *on;
            Vec::new()
        }
        Change::StartReplica => {
            server.start_receiver();
            server.start_applier();
            Vec::new()
        }
        Change::SetAcks(acks) => {
            let wait_for = acks.unwrap_or(server.semi.wait_for);
            server.set_semi(SemiSync { source: acks.is_some(), wait_for, ..server.semi })
        }
        Change::Clone(reseed) => {
            let allowed = |donor: &Server| way && donor.accounts.contains(reseed.user.secret.as_str());
            let donor = donor.filter(allowed).ok_or(Refused::State)?;
            server.begin_clone(&donor, now + long)?;
            Vec::new()
        }
        Change::OpenForWrites => {
            server.open();
            Vec::new()
        }
        Change::CreateAccount(account) => {
            let (logged, told) = server.write(Effect::Account(account.user.secret.as_str().into()), now);
            fleet.tell(told);
            let waits = fleet.servers.get(index).is_none_or(|server| server.waiting() > 0);
            return if logged && !waits { Ok(()) } else { Err(Refused::Timeout) };
        }
        // The simulated servers know one password for each account, and take any grant.
        Change::ChangePassword { .. } | Change::DiscardOldPassword(_) | Change::SetGrants(_) => Vec::new(),
    };
    fleet.tell(told);
    Ok(())
}

/// What the host's plan starts from, besides what the plugin is shown.
pub fn seen(server: &Server, wanted: &MysqlServer, facts: MysqlFacts) -> Seen {
    let source_as_wanted = match (&wanted.replication, &server.channel) {
        (Replication::Source(source), Some(channel)) => *channel.account == *source.user.secret,
        (Replication::Source(_) | Replication::Fenced | Replication::None, _) => true,
    };
    let exists = |secret: &str| server.accounts.contains(secret);
    let accounts = wanted.accounts.iter().map(|account| {
        let exists = exists(&account.user.secret);
        AccountSeen { exists, password_as_wanted: exists, previous_valid: false, grants_as_wanted: exists }
    });
    Seen {
        facts,
        ack_timeout: model::mysql::ACK_TIMEOUT,
        source_as_wanted,
        auto_position: server.channel.as_ref().is_none_or(|channel| channel.auto_position),
        accounts: accounts.collect(),
        hangs: server.hangs,
    }
}

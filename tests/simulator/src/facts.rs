//! What a server tells about itself: a simulated server in, the facts that the backend would read out.

use crate::fleet::Fleet;
use crate::server::{CloneState, Process, Receiver, Server};
use crate::set::uuid;
use model::snapshot::{self, CloneFacts, IoState, MysqlFacts, SemiSyncFacts, SourceFacts};

/// How long a session waits in its commit before that counts as standing still, in milliseconds.
const STILL: u64 = 1_000;
/// The `server_id` of the server of an ordinal is this with the ordinal behind it.
#[derive(Clone, Copy, Debug)]
pub struct Ids(pub u32);

impl Ids {
    /// As the StatefulSet of a resource gives them.
    pub fn of(uid: &str) -> Self {
        let metadata = windlass_sdk::Metadata { uid: uid.into(), ..Default::default() };
        Ids(mysql::build::pod::server_id_prefix(&metadata))
    }

    /// Of one ordinal.
    pub fn id(self, ordinal: usize) -> u32 {
        let digits = ordinal.checked_ilog10().unwrap_or_default() + 1;
        let ordinal = u32::try_from(ordinal).unwrap_or(u32::MAX);
        self.0.saturating_mul(10_u32.saturating_pow(digits)).saturating_add(ordinal)
    }
}

/// The version that an image of this name runs: `mysql:8.4` is the newest patch release of its series.
pub fn version(image: &str) -> String {
    let tag = image.rsplit_once(':').map_or("8.4", |(_, tag)| tag);
    if tag.matches('.').count() < 2 { format!("{tag}.6") } else { tag.to_owned() }
}

/// Why a server does not answer.
pub fn silence(fleet: &Fleet, index: Option<usize>) -> Option<&'static str> {
    // Nobody has the address: packets get lost.
    let Some(index) = index.filter(|index| !fleet.unseen.contains(index)) else { return Some("Timeout") };
    match fleet.servers.get(index).map(|server| server.process) {
        Some(Process::Up) => None,
        Some(Process::Down | Process::Starting(_)) => Some("Refused"),
        Some(Process::Hung) | None => Some("Timeout"),
    }
}

/// What it tells.
pub fn facts(fleet: &Fleet, index: usize, ids: Ids, version: &str) -> Option<MysqlFacts> {
    let server = fleet.servers.get(index)?;
    let stalled = server.stalled_since().filter(|since| !server.read_only && fleet.now.saturating_sub(*since) >= STILL);
    Some(MysqlFacts {
        version: version.into(),
        server_uuid: uuid(server.uuid),
        server_id: ids.id(index),
        read_only: server.read_only,
        super_read_only: server.super_read_only,
        executed: server.executed().to_string(),
        purged: server.purged().to_string(),
        source: source(server),
        semi_sync: SemiSyncFacts {
            source_enabled: server.semi.source,
            replica_enabled: server.semi.replica,
            wait_for: server.semi.wait_for,
            waiting_sessions: server.waiting(),
        },
        attached: fleet.attached(index).into_iter().map(|replica| ids.id(replica)).collect(),
        clone: server.clone.map(|clone| CloneFacts {
            state: match clone.state {
                CloneState::InProgress => snapshot::CloneState::InProgress,
                CloneState::Completed => snapshot::CloneState::Completed,
                CloneState::Failed => snapshot::CloneState::Failed,
            },
            error: clone.error,
        }),
        can_commit: stalled.is_none(),
        stalled_since: stalled,
        accounts: server.accounts.iter().map(|name| name.to_string()).collect(),
        uptime: fleet.now.saturating_sub(server.booted),
    })
}

fn source(server: &Server) -> Option<SourceFacts> {
    let channel = server.channel.as_ref()?;
    Some(SourceFacts {
        host: channel.host.to_string(),
        port: channel.port,
        source_uuid: channel.source.map(uuid).unwrap_or_default(),
        io: match channel.receiver {
            Receiver::Stopped => IoState::Stopped,
            Receiver::Connecting => IoState::Connecting,
            Receiver::Running => IoState::Running,
        },
        sql_running: channel.applier,
        received: channel.retrieved.to_string(),
        io_error: channel.io_error,
        sql_error: 0,
        lag: Some(server.backlog() as u64 * 500),
    })
}

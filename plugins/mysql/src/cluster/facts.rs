//! What is known about a cluster at one moment, as plain data: the input of every judgement. In: nothing. Out: the types.
//!
//! Three things are never mixed up: a server that answered, a server that was asked and did not answer, and a server
//! about which nothing is known, because nobody asked it yet. Nothing dangerous is concluded from the last.

use std::collections::{BTreeMap, BTreeSet};
use windlass_sdk::gtid::GtidSet;

/// Everything that one judgement is made from, besides the record of the passes before.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// When this was seen, milliseconds since the Unix epoch.
    pub now: u64,
    /// What pods are called before their ordinal.
    pub name: String,
    /// Wanted servers. Their ordinals are those below it.
    pub wanted: u32,
    /// The user wants no server to run.
    pub offline: bool,
    /// Data is being brought back from a backup; until that is done no server is opened.
    pub restoring: bool,
    /// What is known of each ordinal that is wanted or has a pod.
    pub servers: BTreeMap<u32, Server>,
    /// The StatefulSet, where there is one.
    pub set: Option<LiveSet>,
    /// What the user asked for by annotation.
    pub requests: Requests,
    /// What the user allows.
    pub policy: Policy,
}

/// One ordinal.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Server {
    /// Its pod, where there is one.
    pub pod: Option<Pod>,
    /// The server in it.
    pub seen: Seen,
}

/// A pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pod {
    /// It has an address.
    pub addressed: bool,
    /// Its containers are ready.
    pub ready: bool,
    /// It is being deleted.
    pub deleting: bool,
    /// It was made from the wanted template.
    pub updated: bool,
}

/// What is known of one server.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Seen {
    /// Nothing.
    #[default]
    Unknown,
    /// It was asked and did not answer.
    Silent {
        /// Since when, milliseconds since the Unix epoch.
        since: u64,
        /// How.
        how: Silence,
    },
    /// It answered.
    Up(Box<Instance>),
}

/// How a server does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// Nobody listens: the process is gone, or not there yet.
    Refused,
    /// No answer at all.
    Timeout,
    /// Something answers and does not let us in: wrong password, no TLS, too many connections. The server may be serving
    /// others, so this is no failure of it.
    Closed,
}

/// A server that answered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Instance {
    /// Place of its release series in the table of supported ones; none where it is not supported.
    pub series: Option<usize>,
    /// Its `server_uuid`. A new data directory has a new one.
    pub uuid: String,
    /// `super_read_only` is on: nobody writes but replication.
    pub super_read_only: bool,
    /// `read_only` is off: clients write.
    pub writable: bool,
    /// Transactions that it has.
    pub executed: GtidSet,
    /// Those of them that it can no longer hand on.
    pub purged: GtidSet,
    /// Where it replicates from, where that is configured.
    pub channel: Option<Channel>,
    /// Acknowledgements that its commits wait for; none while semi-synchronous replication is off on it.
    pub acks: Option<u32>,
    /// Sessions that wait for an acknowledgement.
    pub waiting: u32,
    /// Ordinals of the servers that replicate from it.
    pub attached: BTreeSet<u32>,
    /// The last copy of another server's data into this one.
    pub copy: Option<Copy>,
    /// The accounts that replicas and copies log in with exist on it, as wanted.
    pub accounts: bool,
    /// Since when commits do not get on, milliseconds since the Unix epoch; none while they do.
    pub stalled_since: Option<u64>,
    /// When its process was started, milliseconds since the Unix epoch, to a second.
    pub booted_at: u64,
}

/// Where a server replicates from.
#[derive(Clone, Debug, PartialEq)]
pub struct Channel {
    /// The ordinal whose address it is; none where it is that of no server of the cluster.
    pub from: Option<u32>,
    /// Its receiver.
    pub receiver: Receiver,
    /// Its applier runs.
    pub applying: bool,
    /// Transactions that it has received, applied or not.
    pub received: GtidSet,
    /// Error of the receiver, 0 for none.
    pub receive_error: u32,
    /// Error of the applier, 0 for none.
    pub apply_error: u32,
    /// Milliseconds by which it is behind, where that is known.
    pub lag: Option<u64>,
}

/// A receiver of replication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receiver {
    /// It receives nothing and acknowledges nothing.
    Stopped,
    /// It tries to reach its source.
    Connecting,
    /// It receives.
    Running,
}

/// A copy of another server's data (`CLONE`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copy {
    /// Under way: what was there is gone.
    Running,
    /// Done.
    Done,
    /// Ended half way: what was there may be gone.
    Failed,
}

/// The StatefulSet as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LiveSet {
    /// Pods that it keeps.
    pub replicas: u32,
    /// Ordinals from which on pods are brought to its newest template.
    pub partition: u32,
    /// Its template is the wanted one.
    pub current: bool,
}

/// What the user asked for by annotation. Each holds as long as the annotation stands, and is carried out once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// Another server should be the primary.
    pub switchover: Option<Request>,
    /// This server should be made the primary though acknowledged writes may be missing on it.
    pub unsafe_failover: Option<Request>,
    /// The server with this uuid may start empty, though the cluster had data.
    pub allow_empty: Option<String>,
}

/// A request that names a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The annotation's value: by it a request is known to have been carried out.
    pub text: String,
    /// The ordinal that it names; none where it names no server.
    pub ordinal: Option<u32>,
}

/// What the user allows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Servers with transactions of their own are made anew from the primary.
    pub reinit_errant: bool,
    /// Milliseconds that a server for reads may be behind; none for any.
    pub max_lag: Option<u64>,
    /// The wanted release series, by its place in the table of supported ones.
    pub series: usize,
}

impl Facts {
    /// The name of the pod of an ordinal.
    pub fn pod_name(&self, ordinal: u32) -> String {
        format!("{}-{ordinal}", self.name)
    }

    /// The server of this ordinal, if it answered.
    pub fn up(&self, ordinal: u32) -> Option<&Instance> {
        match &self.servers.get(&ordinal)?.seen {
            Seen::Up(instance) => Some(instance),
            Seen::Unknown | Seen::Silent { .. } => None,
        }
    }

    /// Every server that answered.
    pub fn all_up(&self) -> impl Iterator<Item = (u32, &Instance)> {
        self.servers.keys().filter_map(|ordinal| Some((*ordinal, self.up(*ordinal)?)))
    }

    /// The pod of this ordinal.
    pub fn pod(&self, ordinal: u32) -> Option<&Pod> {
        self.servers.get(&ordinal)?.pod.as_ref()
    }

    /// Replicas whose acknowledgement a commit should wait for, when all are there.
    pub fn target_acks(&self) -> u32 {
        self.wanted / 2
    }
}

impl Instance {
    /// Everything that it has, applied or only received. What was received in an earlier life of the channel may be all
    /// there is, or nothing: it takes both.
    pub fn has(&self) -> GtidSet {
        match &self.channel {
            Some(channel) => self.executed.union(&channel.received),
            None => self.executed.clone(),
        }
    }

    /// It receives nothing, so it acknowledges nothing to anybody.
    pub fn fenced(&self) -> bool {
        self.channel.as_ref().is_none_or(|channel| channel.receiver == Receiver::Stopped)
    }

    /// It receives from and applies what this server sends.
    pub fn follows(&self, ordinal: u32) -> bool {
        self.channel.as_ref().is_some_and(|channel| {
            channel.from == Some(ordinal) && channel.receiver == Receiver::Running && channel.applying
        })
    }

    /// Its data is not what its executed set says: a copy into it is under way or ended half way.
    pub fn torn(&self) -> bool {
        matches!(self.copy, Some(Copy::Running | Copy::Failed))
    }
}

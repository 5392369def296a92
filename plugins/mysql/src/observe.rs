//! From a snapshot to the facts of the core: pods, servers, the StatefulSet, what the user asked for. In: the snapshot.
//! Out: [`Facts`], and how to reach and log in to each server.

mod pod;

pub use pod::LivePod;

use crate::build::pod::server_id_prefix;
use crate::build::statefulset::live_template_hash;
use crate::cluster::facts::{
    Channel, Copy, Facts, Instance, LiveSet, Policy, Receiver, Request, Requests, Seen, Server, Silence,
};
use crate::name::{ACCOUNTS, DONOR, Names, REPLICATION, ROOT};
use crate::spec::MysqlSpec;
use crate::status::MysqlStatus;
use crate::version::{SERIES, Version};
use std::collections::{BTreeMap, BTreeSet};
use windlass_sdk::gtid::GtidSet;
use windlass_sdk::mysql::{self, CloneState, IoState, MysqlFacts};
use windlass_sdk::{Fault, Kind, Metadata, RelatedQuery, Snapshot, Value};

/// Name of the query for the pods of the cluster.
pub const PODS: &str = "pods";
/// Annotation that asks for another primary: the name of a pod, or empty for the best replica.
pub const SWITCHOVER: &str = "database.example.com/switchover";
/// Annotation that names the pod to be made the primary though acknowledged writes may be missing on it.
pub const UNSAFE_FAILOVER: &str = "database.example.com/unsafe-failover";
/// Annotation with the server uuid of a server that may start empty though the cluster had data.
pub const ALLOW_EMPTY: &str = "database.example.com/allow-empty";
/// Annotation by which a restore says that it has not ended yet: no server is opened before.
pub const RESTORING: &str = "database.example.com/restoring";

/// Addresses of pods, and on which servers the operator's own account was refused or works.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Address by ordinal.
    pub hosts: BTreeMap<u32, String>,
    /// Servers that refused the login.
    pub denied: BTreeSet<u32>,
    /// Servers on which all accounts are as they should be.
    pub admitted: BTreeSet<u32>,
    /// Servers that answered, and on which some are not.
    pub incomplete: BTreeSet<u32>,
    /// Server versions by ordinal.
    pub versions: BTreeMap<u32, String>,
}

/// The pods of the cluster, which every decision wants to see.
///
/// # Errors
/// [`Fault::Needs`] while they were not asked for, [`Fault::Retry`] when they cannot be seen or read: pods that are not
/// seen must not count as gone.
pub fn pods(names: &Names, snapshot: &Snapshot<MysqlSpec, MysqlStatus>) -> Result<Vec<LivePod>, Fault> {
    let Some(answer) = snapshot.related(PODS) else {
        let query = RelatedQuery::all(PODS, Kind::of("", "v1", "Pod")).selector(&names.selector_text());
        return Err(Fault::Needs(vec![query]));
    };
    if !answer.complete {
        let why = answer.reason.as_deref().unwrap_or("no reason was given");
        return Err(Fault::Retry(format!("the pods of the cluster cannot be seen: {why}")));
    }
    let read = |json: &String| {
        serde_json::from_str(json).map_err(|why| Fault::Retry(format!("a pod of the cluster cannot be read: {why}")))
    };
    answer.objects.iter().map(read).collect()
}

/// The facts. `template` is the hash of the wanted pods, `live` the StatefulSet as it was found.
pub fn facts(
    names: &Names,
    snapshot: &Snapshot<MysqlSpec, MysqlStatus>,
    pods: &[LivePod],
    template: &str,
    live: Option<&Value>,
) -> (Facts, Access) {
    let (spec, metadata) = (&snapshot.resource.spec, &snapshot.resource.metadata);
    let mut access = Access::default();
    let mut servers: BTreeMap<u32, Server> = (0..spec.replicas).map(|i| (i, Server::default())).collect();
    for pod in pods.iter().filter(|pod| !pod.has_ended()) {
        let Some(ordinal) = names.ordinal(pod.name()) else { continue };
        if let Some(address) = pod.address() {
            access.hosts.insert(ordinal, address.to_string());
        }
        servers.entry(ordinal).or_default().pod = Some(pod.facts(template));
    }
    let prefix = server_id_prefix(metadata).to_string();
    let reader = Reader { names, prefix, hosts: access.hosts.clone(), now: snapshot.now };
    for (ordinal, server) in &mut servers {
        if server.pod.as_ref().is_none_or(|pod| !pod.addressed) {
            continue;
        }
        server.seen = match snapshot.mysql(&server_id(*ordinal)) {
            mysql::Seen::NotAsked => Seen::Unknown,
            mysql::Seen::Silent(silent) => {
                if silent.reason == "AccessDenied" {
                    access.denied.insert(*ordinal);
                }
                let how = match silent.reason.as_str() {
                    "Refused" => Silence::Refused,
                    "Timeout" => Silence::Timeout,
                    _ => Silence::Closed,
                };
                Seen::Silent { since: silent.since, how }
            }
            mysql::Seen::Answers(facts) => {
                access.versions.insert(*ordinal, facts.version.clone());
                let all = ACCOUNTS.iter().filter(|account| **account != ROOT);
                if all.map(|account| names.secret(*account)).all(|secret| has(facts, secret)) {
                    access.admitted.insert(*ordinal);
                } else {
                    access.incomplete.insert(*ordinal);
                }
                // A server whose sets cannot be read is one about which nothing is known.
                reader.instance(facts).map_or(Seen::Unknown, |instance| Seen::Up(Box::new(instance)))
            }
        };
    }
    let number = |live: &Value, pointer: &str| {
        live.pointer(pointer).and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok()).unwrap_or_default()
    };
    let set = live.map(|live| LiveSet {
        replicas: number(live, "/spec/replicas"),
        partition: number(live, "/spec/updateStrategy/rollingUpdate/partition"),
        current: live_template_hash(live) == Some(template),
    });
    let facts = Facts {
        now: snapshot.now,
        name: names.stateful_set.clone(),
        wanted: spec.replicas,
        offline: spec.offline,
        restoring: metadata.annotations.get(RESTORING).is_some_and(|value| value == "true"),
        servers,
        set,
        requests: requests(names, metadata),
        policy: Policy {
            reinit_errant: spec.recovery.reinit_errant,
            max_lag: Some(u64::from(spec.max_replica_lag_seconds).saturating_mul(1000)).filter(|lag| *lag > 0),
            series: Version::parse(&spec.version).map_or(SERIES.len() - 1, |version| version.series),
        },
    };
    (facts, access)
}

/// Id of the item of a server.
pub fn server_id(ordinal: u32) -> String {
    format!("server/{ordinal}")
}

/// Whether a server has the account of a Secret.
fn has(facts: &MysqlFacts, secret: &str) -> bool {
    facts.accounts.iter().any(|account| account == secret)
}

fn requests(names: &Names, metadata: &Metadata) -> Requests {
    let request = |key: &str| {
        let text = metadata.annotations.get(key)?.trim().to_string();
        Some(Request { ordinal: names.ordinal(&text), text })
    };
    Requests {
        switchover: request(SWITCHOVER).filter(|request| request.text.is_empty() || request.ordinal.is_some()),
        unsafe_failover: request(UNSAFE_FAILOVER),
        allow_empty: metadata.annotations.get(ALLOW_EMPTY).map(|uuid| uuid.trim().to_string()),
    }
}

/// Reads what servers answered.
struct Reader<'a> {
    names: &'a Names,
    /// The digits before the ordinal in the id of each server.
    prefix: String,
    hosts: BTreeMap<u32, String>,
    now: u64,
}

impl Reader<'_> {
    /// `None` where a GTID set cannot be read.
    fn instance(&self, facts: &MysqlFacts) -> Option<Instance> {
        let set = |text: &str| text.parse::<GtidSet>().ok();
        let ordinal = |id: &u32| id.to_string().strip_prefix(self.prefix.as_str()).and_then(|rest| rest.parse().ok());
        let channel = match &facts.source {
            None => None,
            Some(source) => Some(Channel {
                from: self.hosts.iter().find(|(_, host)| **host == source.host).map(|(ordinal, _)| *ordinal),
                receiver: match source.io {
                    IoState::Stopped => Receiver::Stopped,
                    IoState::Connecting => Receiver::Connecting,
                    IoState::Running => Receiver::Running,
                },
                applying: source.sql_running,
                received: set(&source.received)?,
                receive_error: source.io_error,
                apply_error: source.sql_error,
                lag: source.lag,
            }),
        };
        let accounts = [REPLICATION, DONOR].iter().all(|account| has(facts, self.names.secret(*account)));
        Some(Instance {
            series: series(&facts.version),
            uuid: facts.server_uuid.clone(),
            super_read_only: facts.super_read_only,
            writable: !facts.read_only && !facts.super_read_only,
            executed: set(&facts.executed)?,
            purged: set(&facts.purged)?,
            channel,
            acks: facts.semi_sync.source_enabled.then_some(facts.semi_sync.wait_for),
            waiting: facts.semi_sync.waiting_sessions,
            attached: facts.attached.iter().filter_map(ordinal).collect(),
            copy: facts.clone.as_ref().and_then(|clone| match clone.state {
                CloneState::NotStarted => None,
                CloneState::InProgress => Some(Copy::Running),
                CloneState::Completed => Some(Copy::Done),
                CloneState::Failed => Some(Copy::Failed),
            }),
            accounts,
            stalled_since: facts.stalled_since.filter(|_| !facts.can_commit),
            booted_at: self.now.saturating_sub(facts.uptime),
        })
    }
}

/// The release series of a server's version, by its place in the table. A series that is not in the table counts as the
/// last before it: servers of an innovation release are replaced by the long-term series after them.
fn series(version: &str) -> Option<usize> {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or_default());
    let own = (parts.next()?, parts.next().unwrap_or_default());
    SERIES.iter().rposition(|series| {
        let mut parts = series.name.split('.').map(|part| part.parse::<u32>().unwrap_or_default());
        (parts.next().unwrap_or_default(), parts.next().unwrap_or_default()) <= own
    })
}

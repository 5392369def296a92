//! Clusters for tests of the policy, as facts and a record: one that is in order, to be put out of it.

use mysql::cluster::facts::{Channel, Facts, Instance, LiveSet, Pod, Policy, Receiver, Request, Seen, Server, Silence};
use mysql::cluster::record::{Cause, Durability, Kind, Operation, Phase, Record};
use mysql::cluster::wish::{Be, Replicate, Wish};
use mysql::cluster::{Verdict, judge};
use windlass_sdk::gtid::GtidSet;

/// When everything happens.
pub const NOW: u64 = 1_767_225_600_000;

/// Facts and a record.
#[derive(Clone, Debug)]
pub struct Stage {
    pub facts: Facts,
    pub record: Record,
}

/// The uuid of a server's data directory.
pub fn uuid(ordinal: u32) -> String {
    format!("{:08x}-0000-4000-8000-000000000000", ordinal + 1)
}

/// Transactions of a server, from the first to this one.
pub fn own(ordinal: u32, last: u64) -> GtidSet {
    if last == 0 { GtidSet::default() } else { format!("{}:1-{last}", uuid(ordinal)).parse().unwrap() }
}

impl Stage {
    /// `replicas` servers in order: 0 is the primary, with 100 transactions that all have.
    pub fn healthy(replicas: u32) -> Self {
        let servers = (0..replicas).map(|i| (i, Server { pod: Some(good_pod()), seen: Seen::Unknown })).collect();
        let facts = Facts {
            now: NOW,
            name: "db".into(),
            wanted: replicas,
            servers,
            set: Some(LiveSet { replicas, partition: 0, current: true }),
            policy: Policy { reinit_errant: false, max_lag: Some(60_000), series: 1 },
            ..Facts::default()
        };
        let acks = replicas / 2;
        let record = Record {
            primary: Some(0),
            initialized: true,
            durability: Durability { acks, members: (0..replicas).collect(), ..Durability::default() },
            ..Record::default()
        };
        let mut stage = Stage { facts, record };
        for i in 0..replicas {
            let instance = if i == 0 { primary(replicas) } else { replica(i, 0) };
            stage.set(i, instance);
        }
        stage
    }

    /// A server answers like this.
    pub fn set(&mut self, ordinal: u32, instance: Instance) -> &mut Self {
        let server = self.facts.servers.entry(ordinal).or_default();
        server.pod.get_or_insert_with(good_pod);
        server.seen = Seen::Up(Box::new(instance));
        self
    }

    /// What a server answered, to be changed.
    pub fn server(&mut self, ordinal: u32) -> &mut Instance {
        match &mut self.facts.servers.get_mut(&ordinal).unwrap().seen {
            Seen::Up(instance) => instance,
            other => panic!("{ordinal} is {other:?}"),
        }
    }

    /// The channel of a replica, to be changed.
    pub fn channel(&mut self, ordinal: u32) -> &mut Channel {
        self.server(ordinal).channel.as_mut().unwrap()
    }

    /// The pod of a server, to be changed.
    pub fn pod(&mut self, ordinal: u32) -> &mut Pod {
        self.facts.servers.get_mut(&ordinal).unwrap().pod.as_mut().unwrap()
    }

    /// A server has not answered for so many milliseconds.
    pub fn silent(&mut self, ordinal: u32, how: Silence, millis: u64) -> &mut Self {
        let server = self.facts.servers.get_mut(&ordinal).unwrap();
        server.seen = Seen::Silent { since: NOW - millis, how };
        server.pod.as_mut().unwrap().ready = false;
        if let Seen::Up(primary) = &mut self.facts.servers.get_mut(&0).unwrap().seen {
            primary.attached.remove(&ordinal);
        }
        self
    }

    /// A server's process is gone, for long enough.
    pub fn down(&mut self, ordinal: u32) -> &mut Self {
        self.silent(ordinal, Silence::Refused, 2_000)
    }

    /// A server has no pod, for so many milliseconds.
    pub fn missing(&mut self, ordinal: u32, millis: u64) -> &mut Self {
        self.facts.servers.insert(ordinal, Server::default());
        self.record.missing_since.insert(ordinal, NOW - millis);
        if let Some(Server { seen: Seen::Up(primary), .. }) = self.facts.servers.get_mut(&0) {
            primary.attached.remove(&ordinal);
        }
        self
    }

    /// A server lost its data directory and has a new one.
    pub fn wiped(&mut self, ordinal: u32) -> &mut Self {
        let instance = fresh(ordinal + 100);
        self.set(ordinal, instance);
        if let Some(Server { seen: Seen::Up(primary), .. }) = self.facts.servers.get_mut(&0) {
            primary.attached.remove(&ordinal);
        }
        self
    }

    /// Replicas are fenced.
    pub fn fenced(&mut self) -> &mut Self {
        for server in self.facts.servers.values_mut() {
            if let Seen::Up(instance) = &mut server.seen
                && let Some(channel) = &mut instance.channel
            {
                channel.receiver = Receiver::Stopped;
            }
        }
        self
    }

    /// The verdict.
    pub fn judge(&self) -> Verdict {
        judge(&self.facts, &self.record)
    }

    /// The verdict, whose record the next pass sees, `millis` later.
    pub fn pass(&mut self, millis: u64) -> Verdict {
        let verdict = self.judge();
        self.record = verdict.next.clone();
        self.facts.now += millis;
        verdict
    }
}

/// A pod as it should be.
pub fn good_pod() -> Pod {
    Pod { addressed: true, ready: true, deleting: false, updated: true }
}

/// A primary in order.
pub fn primary(replicas: u32) -> Instance {
    Instance {
        series: Some(1),
        uuid: uuid(0),
        writable: true,
        executed: own(0, 100),
        acks: Some(replicas / 2).filter(|acks| *acks > 0),
        attached: (1..replicas).collect(),
        accounts: true,
        ..Instance::default()
    }
}

/// A replica in order.
pub fn replica(ordinal: u32, from: u32) -> Instance {
    Instance {
        series: Some(1),
        uuid: uuid(ordinal),
        super_read_only: true,
        executed: own(0, 100),
        channel: Some(Channel {
            from: Some(from),
            receiver: Receiver::Running,
            applying: true,
            received: own(0, 100),
            receive_error: 0,
            apply_error: 0,
            lag: Some(0),
        }),
        accounts: true,
        ..Instance::default()
    }
}

/// A server with a new data directory.
pub fn fresh(ordinal: u32) -> Instance {
    Instance { series: Some(1), uuid: uuid(ordinal), super_read_only: true, ..Instance::default() }
}

/// An operation that has been under way for half a second because the primary does not answer.
pub fn operation(kind: Kind, phase: Phase, target: Option<u32>) -> Option<Operation> {
    Some(Operation {
        kind,
        phase,
        target,
        barrier: GtidSet::default(),
        started_at: NOW - 500,
        attempt: 1,
        cause: Cause::PrimaryDown,
        committed: false,
    })
}

/// A request by annotation.
pub fn request(ordinal: Option<u32>) -> Option<Request> {
    Some(Request { text: ordinal.map(|i| format!("db-{i}")).unwrap_or_default(), ordinal })
}

/// Ordinals that are to take writes.
pub fn writable(verdict: &Verdict) -> Vec<u32> {
    verdict.wishes.iter().filter(|(_, wish)| matches!(wish, Wish::Be(be) if be.writable)).map(|(i, _)| *i).collect()
}

/// What is wished of a server that answered.
pub fn be(verdict: &Verdict, ordinal: u32) -> &Be {
    match &verdict.wishes[&ordinal] {
        Wish::Be(be) => be,
        Wish::Look => panic!("{ordinal} is only looked at"),
    }
}

/// Where a server is to get its data from.
pub fn replicate(verdict: &Verdict, ordinal: u32) -> Replicate {
    be(verdict, ordinal).replicate
}

/// The name of a pod's role.
pub fn role(verdict: &Verdict, ordinal: u32) -> Option<&'static str> {
    verdict.roles.get(&ordinal).map(|role| role.name)
}

/// Reasons of what is told.
pub fn told(verdict: &Verdict) -> Vec<&'static str> {
    verdict.notes.iter().map(|note| note.reason).collect()
}

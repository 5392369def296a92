//! All servers of one cluster, the network between them, and clients that write to whoever lets them. In: the passing of
//! time. Out: what happened, and who was told that a commit is durable.

use crate::server::{Acknowledged, Channel, CloneState, Effect, Row, Server, Time, Way, receive};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use std::collections::BTreeSet;

/// How long a receiver believes in a connection on which nothing comes, in milliseconds.
const PATIENCE: Time = 20_000;
/// Sessions that may wait on one server: a client's pool of connections.
const POOL: u32 = 4;

/// Servers, network and clients.
pub struct Fleet {
    /// Chance, the same for the same seed.
    pub rng: StdRng,
    /// The clock.
    pub now: Time,
    /// Servers by their number. One that was scaled away stays: its volume may come back.
    pub servers: Vec<Server>,
    /// Address of each server, while it has a pod.
    pub addresses: Vec<Option<String>>,
    /// Pairs of servers between which nothing passes, the lower number first.
    pub cut: BTreeSet<(usize, usize)>,
    /// Servers that hosts cannot reach.
    pub unseen: BTreeSet<usize>,
    /// Of a hundred messages so many are lost or late.
    pub loss: u32,
    /// Rows whose clients were told that they are durable.
    pub acknowledged: BTreeSet<Row>,
    /// Of a hundred times that an applier could execute something it does so many times.
    pub appliers: u32,
    /// Clients write.
    pub clients: bool,
    /// How long a copy of all data takes, in milliseconds: at least, and how much more at most.
    pub copying: (Time, usize),
    next_row: Row,
    next_uuid: u32,
}

impl Fleet {
    /// No servers yet, at this time.
    pub fn new(seed: u64, now: Time) -> Self {
        Fleet {
            rng: StdRng::seed_from_u64(seed),
            now,
            servers: Vec::new(),
            addresses: Vec::new(),
            cut: BTreeSet::new(),
            unseen: BTreeSet::new(),
            loss: 0,
            acknowledged: BTreeSet::new(),
            appliers: 100,
            clients: true,
            copying: (1_500, 6_000),
            next_row: 1,
            next_uuid: 1,
        }
    }

    /// The server of a number, made with a fresh data directory where there is none yet.
    pub fn server(&mut self, index: usize) -> &mut Server {
        while self.servers.len() <= index {
            let uuid = self.uuid();
            self.servers.push(Server::fresh(self.servers.len(), uuid));
            self.addresses.push(None);
        }
        // The loop above has made it.
        #[expect(clippy::indexing_slicing, reason = "made above")]
        &mut self.servers[index]
    }

    /// A server has another address from now on, or none.
    pub fn place(&mut self, index: usize, address: Option<String>) {
        if let Some(place) = self.addresses.get_mut(index) {
            *place = address;
        }
    }

    /// A uuid that no server had before.
    pub fn uuid(&mut self) -> u32 {
        self.next_uuid += 1;
        self.next_uuid
    }

    /// Yes, `percent` times out of a hundred.
    pub fn chance(&mut self, percent: u32) -> bool {
        self.rng.random_range(0..100) < percent
    }

    /// A number below `end`, which is not zero.
    pub fn below(&mut self, end: usize) -> usize {
        self.rng.random_range(0..end.max(1))
    }

    /// Who has this address.
    pub fn at(&self, address: &str) -> Option<usize> {
        self.addresses.iter().position(|own| own.as_deref() == Some(address))
    }

    /// Whether packets pass between two servers.
    pub fn connected(&self, one: usize, two: usize) -> bool {
        !self.cut.contains(&(one.min(two), one.max(two)))
    }

    /// Replicas that a server believes to be attached to it.
    pub fn attached(&self, source: usize) -> Vec<usize> {
        let Some(at) = self.servers.get(source).map(|server| (source, server.incarnation)) else { return Vec::new() };
        self.servers.iter().filter(|server| server.connected_to() == Some(at)).map(|server| server.index).collect()
    }

    /// Whether a server could commit now or later without anything that a host does: it takes writes, and has, or may yet
    /// get, the acknowledgements that it waits for.
    pub fn could_commit(&self, index: usize) -> bool {
        let Some(server) = self.servers.get(index) else { return false };
        if server.read_only || !server.is_alive() {
            return false;
        }
        if !server.semi.source {
            return true;
        }
        let Some(Some(address)) = self.addresses.get(index) else { return false };
        let ready = self.servers.iter().filter(|replica| replica.index != index && replica.acknowledges(address));
        ready.count() >= server.semi.wait_for as usize
    }

    /// Time passes, and one thing or another happens in it.
    pub fn pass(&mut self, milliseconds: Time, events: usize) {
        self.now += milliseconds;
        let now = self.now;
        self.servers.iter_mut().for_each(|server| server.boot(now));
        for _ in 0..events {
            self.happen();
        }
        self.clones();
    }

    /// Everything happens that would happen if nothing disturbed it: replicas fetch and execute all that there is.
    pub fn catch_up(&mut self) {
        /// More rounds than any chain of replicas needs; a server that waits for good must not keep the caller.
        const MOST: usize = 10_000;
        let now = self.now;
        self.servers.iter_mut().for_each(|server| server.boot(now));
        self.clones();
        for _ in 0..MOST {
            let progress = |fleet: &Fleet| -> Vec<(u32, usize, u32, bool)> {
                let of =
                    |server: &Server| (server.executed().len(), server.backlog(), server.waiting(), server.has_acks());
                fleet.servers.iter().map(of).collect()
            };
            let before = (progress(self), self.connections());
            for index in 0..self.servers.len() {
                self.fetch(index);
                self.apply(index);
                let told = self.servers.get_mut(index).map(|server| server.take_ack(false)).unwrap_or_default();
                self.tell(told);
            }
            if before == (progress(self), self.connections()) {
                break;
            }
        }
    }

    fn connections(&self) -> Vec<Option<(usize, u32)>> {
        self.servers.iter().map(Server::connected_to).collect()
    }

    /// One thing happens somewhere.
    pub fn happen(&mut self) {
        let count = self.servers.len();
        if count == 0 {
            return;
        }
        let index = self.below(count);
        let slow = self.servers.get(index).is_some_and(|server| server.slow) && self.chance(80);
        match self.below(10) {
            0 => self.client(index),
            1 | 2 if !slow && (self.appliers >= 100 || self.chance(self.appliers)) => self.apply(index),
            3 | 4 => {
                let lost = self.lossy();
                let told = self.servers.get_mut(index).map(|server| server.take_ack(lost)).unwrap_or_default();
                self.tell(told);
            }
            5 => {
                if let Some(server) = self.servers.get_mut(index) {
                    let told = server.settle();
                    self.tell(told);
                }
            }
            _ if !slow && !self.lossy() => self.fetch(index),
            _ => {}
        }
    }

    fn lossy(&mut self) -> bool {
        self.loss > 0 && self.chance(self.loss)
    }

    /// Clients are told.
    pub fn tell(&mut self, told: Acknowledged) {
        self.acknowledged.extend(told);
    }

    /// A client writes a row, to whichever server it finds.
    fn client(&mut self, index: usize) {
        let (row, now) = (self.next_row, self.now);
        let Some(server) = self.servers.get_mut(index) else { return };
        if !self.clients || !server.is_up() || server.read_only || server.waiting() >= POOL {
            return;
        }
        let (_, told) = server.write(Effect::Row(row), now);
        self.next_row += 1;
        self.tell(told);
    }

    /// A replica executes what it fetched.
    fn apply(&mut self, index: usize) {
        let now = self.now;
        if let Some(server) = self.servers.get_mut(index) {
            let told = server.apply(now);
            self.tell(told);
        }
    }

    /// A receiver takes a step.
    fn fetch(&mut self, index: usize) {
        let Some(address) = self.servers.get(index).and_then(|server| server.channel.as_ref()).map(Channel::address)
        else {
            return;
        };
        let source = self.at(&address).filter(|source| *source != index);
        let way = Way { open: source.is_some_and(|source| self.connected(index, source)), patience: PATIENCE };
        let now = self.now;
        match source {
            Some(source) => {
                if let Ok([replica, source]) = self.servers.get_disjoint_mut([index, source]) {
                    receive(replica, Some(source), way, now);
                    let told = source.settle();
                    self.tell(told);
                }
            }
            None => {
                if let Some(replica) = self.servers.get_mut(index) {
                    receive(replica, None, way, now);
                }
            }
        }
    }

    fn clones(&mut self) {
        for index in 0..self.servers.len() {
            let copying = self.servers.get(index).and_then(|server| server.clone);
            let Some(donor) = copying.filter(|clone| clone.state == CloneState::InProgress).and_then(|c| c.donor())
            else {
                continue;
            };
            let (open, now) = (self.connected(index, donor), self.now);
            if let Ok([server, donor]) = self.servers.get_disjoint_mut([index, donor]) {
                server.copy(donor, open, now);
            }
        }
    }
}

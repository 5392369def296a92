//! Pod addresses. In: uids. Out: one loopback address each, the same for the same uid as far as it is free. Pure.

use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;

/// First and number of addresses handed out: 127.16.0.0 up to 127.255.255.255. The ones below are left to whatever else
/// listens on loopback.
const FIRST: u32 = 0x7f10_0000;
const COUNT: u32 = 0x00f0_0000;

/// The addresses in use.
#[derive(Default)]
pub(crate) struct Pool {
    by_uid: HashMap<String, Ipv4Addr>,
    taken: HashSet<Ipv4Addr>,
}

impl Pool {
    /// Whether nothing was handed out yet.
    pub(crate) fn is_fresh(&self) -> bool {
        self.by_uid.is_empty()
    }

    /// Notes that a pod has this address.
    pub(crate) fn keep(&mut self, uid: &str, ip: Ipv4Addr) -> Ipv4Addr {
        if self.by_uid.get(uid) != Some(&ip) {
            self.release(uid);
            self.by_uid.insert(uid.to_owned(), ip);
            self.taken.insert(ip);
        }
        ip
    }

    /// The pod's address, a free one if it has none. Where it starts to look depends on the uid alone, so that a
    /// second node that sees the same pods comes to the same address.
    pub(crate) fn take(&mut self, uid: &str) -> Ipv4Addr {
        if let Some(held) = self.by_uid.get(uid) {
            return *held;
        }
        let hash = uid.bytes().fold(0x811c_9dc5u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        let candidates = (0..COUNT).map(|step| Ipv4Addr::from(FIRST + (hash % COUNT + step) % COUNT));
        let mut usable = candidates.filter(|ip| !matches!(ip.octets()[3], 0 | 255));
        // With every one of fifteen million taken, two pods share one.
        let ip = usable.find(|ip| !self.taken.contains(ip)).unwrap_or(Ipv4Addr::from(FIRST + 1));
        self.keep(uid, ip)
    }

    /// Frees a pod's address.
    pub(crate) fn release(&mut self, uid: &str) {
        if let Some(ip) = self.by_uid.remove(uid) {
            self.taken.remove(&ip);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pod_has_its_own_address_and_keeps_it() {
        let mut pool = Pool::default();
        let all: HashSet<_> = (0..5_000).map(|i| pool.take(&format!("uid-{i}"))).collect();
        assert_eq!(all.len(), 5_000);
        assert!(all.iter().all(Ipv4Addr::is_loopback));
        let first = pool.take("uid-0");
        assert_eq!(Pool::default().take("uid-0"), first);
        pool.release("uid-0");
        assert_eq!(pool.take("uid-0"), first);
    }
}

//! Partitions. In: which server's packets no longer reach whom. Out: rules of the kernel's routing policy that drop them,
//! removed again on [`Network::heal`].
//!
//! Rules of routing belong to the machine, so they are made only where this program has a network of its own:
//! `cargo xtask test` starts it in a network namespace and says so in `WINDLASS_OWN_NETWORK`. Elsewhere there are no
//! partitions, and [`Network::is_own`] lets a suite say that it left them out.
//!
//! The packets of the server are dropped, those to it are not. A new connection then times out, as it does when a switch
//! dies, while a rule for the packets *to* the server would make the kernel refuse it at once.

use anyhow::{Context, Result, bail};
use std::net::Ipv4Addr;
use tokio::process::Command;

/// Where everybody but clients connects from: the kernel's choice for connections to loopback addresses.
const OTHERS: Ipv4Addr = Ipv4Addr::LOCALHOST;
/// Ports of a server.
const PORTS: [u16; 2] = [3306, 33062];
/// Rules of exceptions come before rules of partitions, and both before the rule that finds loopback addresses.
const EXCEPTION: &str = "7200";
const PARTITION: &str = "7300";
const LOCAL: &str = "32000";

/// Whom a server's packets no longer reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Its replicas; the host still reaches its port for administration.
    Replicas,
    /// The host, while connections of replicas from these local ports stay.
    Host {
        /// Ports at the replicas' end.
        replicas: Vec<u16>,
    },
    /// Replicas and host. Clients still reach it: the worst case.
    ReplicasAndHost,
}

/// The network of this program.
pub struct Network {
    own: bool,
}

impl Network {
    /// Prepares it, where it is this program's own.
    pub async fn set_up() -> Result<Network> {
        let own = fixtures::environment::variable("WINDLASS_OWN_NETWORK").is_some();
        if own {
            let rules = ip(&["rule", "show"]).await?;
            if !rules.contains(&format!("{LOCAL}:")) {
                // The kernel's first rule finds loopback addresses, and nothing comes before the first.
                ip(&["rule", "add", "pref", LOCAL, "lookup", "local"]).await?;
                ip(&["rule", "del", "pref", "0", "lookup", "local"]).await?;
            }
        }
        Ok(Network { own })
    }

    /// Whether it can be parted.
    pub fn is_own(&self) -> bool {
        self.own
    }

    /// Drops packets of `server` from now on.
    pub async fn cut(&self, server: Ipv4Addr, cut: &Cut) -> Result<()> {
        if !self.own {
            bail!("this program has no network of its own; run it by `cargo xtask test --suite mysql`");
        }
        for rule in rules(server, cut) {
            let words: Vec<&str> = ["rule", "add"].into_iter().chain(rule.iter().map(String::as_str)).collect();
            ip(&words).await?;
        }
        Ok(())
    }

    /// Everybody reaches everybody again.
    pub async fn heal(&self) -> Result<()> {
        if self.own {
            let present = ip(&["rule", "show"]).await?;
            for preference in [EXCEPTION, PARTITION] {
                let wanted = format!("{preference}:");
                for _ in present.lines().filter(|line| line.starts_with(&wanted)) {
                    ip(&["rule", "del", "pref", preference]).await?;
                }
            }
        }
        Ok(())
    }
}

/// The rules of a cut, as words of `ip rule add`.
fn rules(server: Ipv4Addr, cut: &Cut) -> Vec<Vec<String>> {
    let rule = |preference: &str, port: u16, rest: &[&str]| -> Vec<String> {
        let (from, to, port) = (server.to_string(), OTHERS.to_string(), port.to_string());
        let words = ["pref", preference, "from", &from, "to", &to, "ipproto", "tcp", "sport", &port];
        words.into_iter().chain(rest.iter().copied()).map(str::to_owned).collect()
    };
    match cut {
        Cut::Replicas => vec![rule(PARTITION, PORTS[0], &["blackhole"])],
        Cut::ReplicasAndHost => PORTS.iter().map(|port| rule(PARTITION, *port, &["blackhole"])).collect(),
        Cut::Host { replicas } => {
            let stay =
                replicas.iter().map(|port| rule(EXCEPTION, PORTS[0], &["dport", &port.to_string(), "lookup", "local"]));
            stay.chain(PORTS.iter().map(|port| rule(PARTITION, *port, &["blackhole"]))).collect()
        }
    }
}

async fn ip(words: &[&str]) -> Result<String> {
    let output = Command::new("ip").args(words).output().await.context("could not run ip of iproute2")?;
    if !output.status.success() {
        bail!("ip {}: {}", words.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::super::door::CLIENTS;
    use super::*;

    #[test]
    fn clients_are_in_no_partition() {
        let server = Ipv4Addr::new(127, 16, 0, 9);
        for cut in [Cut::Replicas, Cut::Host { replicas: vec![40_000] }, Cut::ReplicasAndHost] {
            for rule in rules(server, &cut) {
                let rule = rule.join(" ");
                assert!(rule.contains("from 127.16.0.9 to 127.0.0.1 "), "{rule}");
                assert!(!rule.contains(&CLIENTS.to_string()), "{rule}");
            }
        }
    }

    #[test]
    fn a_cut_from_the_host_leaves_the_connections_of_replicas() {
        let rules = rules(Ipv4Addr::new(127, 16, 0, 9), &Cut::Host { replicas: vec![40_000, 40_001] });
        let exceptions = rules.iter().filter(|rule| rule.iter().any(|word| word == EXCEPTION)).count();
        assert_eq!((rules.len(), exceptions), (4, 2));
    }
}

//! Which addresses sources may lead to: all but those of this machine, link-local and unspecified ones. A name or address
//! in, a judgement out.

use super::super::SourceError;
use hyper_util::client::legacy::connect::dns::Name;
use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A name that resolves to an address that sources must not lead to.
#[derive(Debug, thiserror::Error)]
#[error("{name} resolves to {address}, which is on this machine or link-local")]
struct Refused {
    name: String,
    address: IpAddr,
}

/// An address is on this machine or link-local (where clouds have their metadata services), or means nothing.
pub(super) fn is_near(address: IpAddr) -> bool {
    let near_v4 = |address: Ipv4Addr| {
        address.is_loopback()
            || address.is_link_local()
            || address.is_unspecified()
            || address.is_broadcast()
            || address.octets()[0] == 0
    };
    match address {
        IpAddr::V4(address) => near_v4(address),
        IpAddr::V6(address) => {
            let inner = address.to_ipv4_mapped().or_else(|| embedded(address));
            address.is_loopback()
                || address.is_unspecified()
                || address.is_unicast_link_local()
                || inner.is_some_and(near_v4)
                // The metadata service of one cloud.
                || address == Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)
        }
    }
}

/// The IPv4 address that a NAT64 address stands for.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let parts = address.segments();
    (parts[..6] == [0x64, 0xff9b, 0, 0, 0, 0]).then(|| {
        let [a, b] = parts[6].to_be_bytes();
        let [c, d] = parts[7].to_be_bytes();
        Ipv4Addr::new(a, b, c, d)
    })
}

/// Judges a host that is written as an address; one that is a name passes, and is judged when it is resolved.
pub(super) fn judge_literal(url: &str, host: &str) -> Result<(), SourceError> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>() {
        Ok(address) if is_near(address) => {
            Err(SourceError::Address { url: url.to_owned(), address: address.to_string() })
        }
        _ => Ok(()),
    }
}

/// Resolves a name to addresses that may be connected to. Where one of them may not, none is used.
pub(super) async fn resolve(name: Name, trusted: bool) -> Result<std::vec::IntoIter<SocketAddr>, tower::BoxError> {
    let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
    if !trusted && let Some(near) = found.iter().find(|address| is_near(address.ip())) {
        return Err(Box::new(Refused { name: name.as_str().into(), address: near.ip() }));
    }
    Ok(found.into_iter())
}

/// The refusal inside of a failed request, if that is why it failed.
pub(super) fn of_failure(url: &str, error: &(dyn Error + 'static)) -> Option<SourceError> {
    let mut cause = Some(error);
    while let Some(at) = cause {
        if let Some(refused) = at.downcast_ref::<Refused>() {
            return Some(SourceError::Address { url: url.to_owned(), address: refused.address.to_string() });
        }
        cause = at.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_this_machine_and_link_local_ones_are_near_in_every_spelling() {
        for near in [
            "127.0.0.1",
            "127.8.8.8",
            "169.254.169.254",
            "0.0.0.0",
            "0.1.2.3",
            "::1",
            "::",
            "fe80::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::169.254.169.254",
            "fd00:ec2::254",
        ] {
            assert!(is_near(near.parse().unwrap()), "{near}");
        }
        for far in ["10.0.0.1", "192.168.1.1", "1.1.1.1", "2606:4700::1", "fd12::1"] {
            assert!(!is_near(far.parse().unwrap()), "{far}");
        }
    }

    #[test]
    fn a_written_address_is_judged_and_a_name_is_left_for_later() {
        assert!(judge_literal("", "[::1]").is_err());
        assert!(judge_literal("", "169.254.169.254").is_err());
        assert!(judge_literal("", "localhost").is_ok());
    }

    #[tokio::test]
    async fn a_name_that_resolves_to_this_machine_is_refused() {
        let name: Name = "localhost".parse().unwrap();
        let error = resolve(name.clone(), false).await.unwrap_err();
        assert_eq!(of_failure("u", &*error).unwrap().reason(), "AddressRefused");
        assert!(resolve(name, true).await.is_ok());
    }
}

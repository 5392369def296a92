//! Uids of new objects: the place and the incarnation of an object in, its uid out.

use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

/// Where uids come from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Uids {
    /// Random, as on a real server.
    #[default]
    Random,
    /// From the name of an object and how often one of that name was deleted before, so that two runs that end in the
    /// same state end in the same bytes, also where names and hashes were derived from uids.
    Repeatable,
}

impl Uids {
    /// The uid of a new object at `place`, after `removals` objects of the same name.
    pub(crate) fn next(self, place: &str, removals: u64) -> String {
        let uid = match self {
            Uids::Random => Uuid::new_v4(),
            Uids::Repeatable => {
                let digest = Sha256::new().chain_update(place).chain_update(removals.to_be_bytes()).finalize();
                let mut bytes = [0; 16];
                bytes.copy_from_slice(&digest[..16]);
                Builder::from_random_bytes(bytes).into_uuid()
            }
        };
        uid.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeatable_uid_changes_with_the_name_and_the_incarnation_only() {
        let uid = |place, removals| Uids::Repeatable.next(place, removals);
        assert_eq!(uid("pods/a/b", 0), uid("pods/a/b", 0));
        assert_ne!(uid("pods/a/b", 0), uid("pods/a/b", 1));
        assert_ne!(uid("pods/a/b", 0), uid("pods/a/c", 0));
        assert!(Uuid::parse_str(&uid("pods/a/b", 0)).is_ok());
    }

    #[test]
    fn random_uids_are_never_the_same() {
        assert_ne!(Uids::Random.next("pods/a/b", 0), Uids::Random.next("pods/a/b", 0));
    }
}

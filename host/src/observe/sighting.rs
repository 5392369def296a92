//! What a cache can say about one key: there, not there, or nothing.

use super::Seen;
use crate::watch::{Cache, cache::Sync};
use model::ObjectKey;

pub(super) fn of(cache: &Cache, key: &ObjectKey) -> Seen {
    match (cache.sync(&key.kind), cache.get(key)) {
        (_, Some(object)) => Seen::Found(object),
        (Sync::Synced | Sync::Missing, None) => Seen::Absent,
        (Sync::Unwatched | Sync::Listing, None) => Seen::Unknown(format!("{} is not watched yet", key.kind)),
        (Sync::Forbidden(why), None) => Seen::Unknown(why),
    }
}

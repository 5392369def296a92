//! What makes two looks at a resource the same look: uids and resourceVersions of everything that went in, and what else
//! a plugin is shown. No document is read, and nothing is
//! allocated where there are no servers.

use super::{Look, Seen, servers::Asked};
use crate::{
    context::{Memory, Served},
    watch::Object,
};
use model::ObjectKey;
use std::hash::{DefaultHasher, Hash, Hasher};

/// 128 bits. Equal within one process for equal views; not meant to leave it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Identity(u64, u64);

impl Identity {
    pub(super) fn of(look: &Look, served: &Served, memory: &Memory) -> Self {
        // Two hashes with different beginnings, so that an accidental match is out of the question.
        let (mut one, mut two) = (DefaultHasher::new(), DefaultHasher::new());
        two.write_u8(1);
        for hasher in [&mut one, &mut two] {
            served.identity.hash(hasher);
            object(&look.resource, hasher);
            look.owned.len().hash(hasher);
            look.owned.iter().for_each(|owned| object(owned, hasher));
            look.named.len().hash(hasher);
            look.named.iter().for_each(|(key, seen)| sighting(key, seen, hasher));
            look.overlaid.len().hash(hasher);
            for (id, key, seen) in &look.overlaid {
                id.hash(hasher);
                sighting(key, seen, hasher);
            }
            for answer in &look.related {
                answer.query.hash(hasher);
                answer.reason.hash(hasher);
                answer.objects.len().hash(hasher);
                answer.objects.iter().for_each(|found| object(found, hasher));
            }
            look.unserved.hash(hasher);
            memory.errors.hash(hasher);
        }
        Identity(one.finish(), two.finish())
    }
}

impl Identity {
    /// The identity of a view that holds servers besides. How long a server runs says nothing about what it is.
    pub(super) fn with_servers(self, servers: &Asked) -> Self {
        if servers.is_empty() {
            return self;
        }
        let (mut one, mut two) = (DefaultHasher::new(), DefaultHasher::new());
        two.write_u8(1);
        for hasher in [&mut one, &mut two] {
            self.hash(hasher);
            for (id, found) in servers {
                id.hash(hasher);
                let mut seen = found.seen.clone();
                if let Ok(seen) = &mut seen {
                    seen.facts.uptime = 0;
                }
                format!("{seen:?}").hash(hasher);
            }
        }
        Identity(one.finish(), two.finish())
    }
}

impl Identity {
    /// The identity of a view that holds things in Azure besides.
    pub(super) fn with_cloud(self, cloud: &super::cloud::Asked) -> Self {
        if cloud.sights.is_empty() {
            return self;
        }
        let text = cloud.fingerprint();
        let (mut one, mut two) = (DefaultHasher::new(), DefaultHasher::new());
        two.write_u8(1);
        for hasher in [&mut one, &mut two] {
            self.hash(hasher);
            text.hash(hasher);
        }
        Identity(one.finish(), two.finish())
    }
}

fn sighting(key: &ObjectKey, seen: &Seen, hasher: &mut DefaultHasher) {
    key.hash(hasher);
    match seen {
        Seen::Found(found) => object(found, hasher),
        Seen::Absent => hasher.write_u8(2),
        Seen::Unknown(why) => why.hash(hasher),
    }
}

/// The status counts, though it is mostly the host that writes it: a plugin is shown the status of the last pass, and may
/// decide by it (what it once chose as primary, how far it came). So a write of ours costs one more question, whose
/// answer is a decision over what everybody sees now, and not over what we believe that nobody looks at.
fn object(object: &Object, hasher: &mut DefaultHasher) {
    object.uid.hash(hasher);
    object.resource_version.hash(hasher);
}

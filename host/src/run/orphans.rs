//! Kinds that a plugin of this host served once and none serves any more. In: the definitions of the cluster. Out: watches
//! of those that the host installed, so that a deleted resource of such a kind is still torn down, by its inventory (I2).
//! Resources that nobody deleted are left alone.

use super::Host;
use crate::install::definition::{ANNOTATION_DIGEST, Definition};
use crate::watch::watches::definitions;
use crate::watch::{Cause, Object};
use model::Kind;
use std::collections::BTreeMap;
use std::convert::Infallible;

/// Watches orphaned kinds as their definitions come, and forgets them as they go.
pub(super) async fn watch(host: &Host) -> Infallible {
    let mut watched: BTreeMap<String, Kind> = BTreeMap::new();
    loop {
        let (changed, claimed) = (host.watches.definitions_changed(), host.claims.changed());
        tokio::pin!(changed, claimed);
        // From here on a change is not missed, even while this looks.
        changed.as_mut().enable();
        claimed.as_mut().enable();
        let orphans = orphans(host);
        watched.retain(|name, kind| {
            let stays = orphans.get(name) == Some(kind);
            // Whoever claims it now has it served already, or soon will.
            if !stays && !host.claims.contains(name) {
                host.trigger.stop_serving(kind);
            }
            stays
        });
        for (name, kind) in orphans {
            if watched.insert(name.clone(), kind.clone()).is_some() {
                continue;
            }
            tracing::warn!(definition = name, "no plugin serves {kind}; its resources are only torn down when deleted");
            for key in host.trigger.serve(&kind, &host.cache) {
                host.queue.push(&key, Cause::Change);
            }
            host.watches.ensure(&kind);
        }
        futures::future::select(changed, claimed).await;
    }
}

fn orphans(host: &Host) -> BTreeMap<String, Kind> {
    let found = host.cache.keys(&definitions());
    let found = found.iter().filter_map(|key| host.cache.get(key));
    found
        .filter(|definition| definition.annotations.contains_key(ANNOTATION_DIGEST) && !definition.is_deleting())
        .filter(|definition| !host.claims.contains(&definition.key.name))
        .filter_map(|definition| Some((definition.key.name.clone(), kind_of(&definition)?)))
        .collect()
}

/// The kind in the version that the host would watch.
fn kind_of(definition: &Object) -> Option<Kind> {
    let document = definition.value();
    let text = |pointer: &str| document.pointer(pointer)?.as_str();
    let (group, kind) = (text("/spec/group")?, text("/spec/names/kind")?);
    let version = Definition::preferred_version(&document)?;
    Some(Kind::new(group, version, kind))
}

//! What one pass over a resource needs from the host, in one value: views, the plugin, hands to act with, and what this
//! process remembers of earlier passes. Built once; every test builds its own.

mod cloud;
mod memory;
mod missing;

pub use cloud::Cloud;
pub use memory::{Memories, Memory, Quiet};

use crate::{
    act::{
        self, Actor,
        kubernetes::{ActingAs, Denied},
    },
    azure::Azure,
    clock::Clock,
    decide::decider::Decider,
    entropy::Entropy,
    mysql::Servers,
    serve::Metrics,
    watch::{Cache, FingerprintKey, Ledger, Object, Trigger, Watches},
};
use missing::Missing;
use model::{CheckLimits, Grants, Kind, description::Backends, grant::ServiceAccount, rollout::Share, snapshot::Json};
use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};
use tokio_util::sync::CancellationToken;

/// The host, as one pass sees it. Clones share everything.
#[derive(Clone)]
pub struct Context {
    /// What was last seen of the cluster.
    pub cache: Arc<Cache>,
    /// Our own writes that the cache may not have seen.
    pub ledger: Arc<Ledger>,
    /// Watches of kinds.
    pub watches: Arc<Watches>,
    /// Knows which changes concern which resource.
    pub trigger: Arc<Trigger>,
    /// Who decides for which kind.
    pub plugins: Arc<Plugins>,
    /// Talks to MySQL servers.
    pub mysql: Arc<dyn Servers>,
    /// Talks to Azure.
    pub azure: Arc<Azure>,
    /// Changes the cluster.
    pub actor: Actor,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// Limits of what one decision may hold.
    pub limits: CheckLimits,
    /// What this process remembers, by resource. Losing it costs a few reads and calls, never a wrong write.
    pub memories: Arc<Memories>,
}

/// What a host is put together from.
pub struct Parts {
    /// Through the host's gate.
    pub client: kube::Client,
    /// What was last seen of the cluster.
    pub cache: Arc<Cache>,
    /// Our own writes.
    pub ledger: Arc<Ledger>,
    /// Watches of kinds.
    pub watches: Arc<Watches>,
    /// Which changes concern which resource.
    pub trigger: Arc<Trigger>,
    /// Who decides for which kind.
    pub plugins: Arc<Plugins>,
    /// Talks to MySQL servers.
    pub mysql: Arc<dyn Servers>,
    /// Talks to Azure.
    pub azure: Arc<Azure>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<Entropy>,
    /// Hides the values of Secrets.
    pub fingerprints: FingerprintKey,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// Cancelled when the host stops.
    pub stop: CancellationToken,
}

impl Context {
    /// A host that remembers nothing yet.
    pub fn new(parts: Parts) -> Self {
        let Parts {
            client,
            cache,
            ledger,
            watches,
            trigger,
            plugins,
            mysql,
            azure,
            clock,
            entropy,
            fingerprints,
            metrics,
            stop,
        } = parts;
        let (reader, writer) = act::kubernetes::connect(client, metrics.clone());
        let discovery = watches.discovery().clone();
        let actor = Actor { writer, reader, discovery, ledger: ledger.clone(), entropy, fingerprints, stop };
        let backends = Backends { mysql: true, azure: true, vault: true };
        let limits = CheckLimits { backends, ..CheckLimits::default() };
        Context {
            cache,
            ledger,
            watches,
            trigger,
            plugins,
            mysql,
            azure,
            actor,
            clock,
            limits,
            metrics,
            memories: Arc::default(),
        }
    }

    /// The host as it is to the API server while it works for a plugin.
    pub fn acting_as(&self, acting: &ActingAs) -> Context {
        Context { actor: self.actor.acting_as(acting), ..self.clone() }
    }
}

/// A plugin in use: what decides, and what the operator allows and sets.
pub struct Served {
    /// What decides.
    pub decider: Arc<dyn Decider>,
    /// What it may do.
    pub grants: Grants,
    /// The operator's settings for it.
    pub settings: Json,
    /// In whose name everything about its resources is written.
    acting: ActingAs,
    /// Changes whenever one of the others does: code, grants, settings.
    pub identity: u64,
}

impl Served {
    /// A plugin in use.
    pub fn new(decider: Arc<dyn Decider>, grants: Grants, settings: Json) -> Self {
        use std::hash::{DefaultHasher, Hash as _, Hasher as _};
        let mut hasher = DefaultHasher::new();
        decider.digest().hash(&mut hasher);
        settings.hash(&mut hasher);
        // Grants hold nothing that cannot be written as JSON.
        serde_json::to_string(&grants).unwrap_or_default().hash(&mut hasher);
        let acting = ActingAs::new(grants.service_account.as_ref());
        Served { decider, grants, settings, acting, identity: hasher.finish() }
    }

    /// Stands in for a plugin that is not there: it decides nothing, and is allowed nothing. What is left of its resources
    /// goes in the name of the account that it had.
    pub fn missing(account: Option<ServiceAccount>) -> Self {
        let grants = Grants { service_account: account, ..Grants::default() };
        Served::new(Arc::new(Missing::default()), grants, "{}".into())
    }

    /// In whose name everything about its resources is written.
    pub fn acting(&self) -> &ActingAs {
        &self.acting
    }

    /// What the API server does not let it do.
    pub fn denied(&self) -> &Denied {
        self.acting.denied()
    }
}

/// The plugins in use, by the kinds that they serve. Changes while the host runs; a pass keeps the plugin that it began
/// with (H1).
#[derive(Default)]
pub struct Plugins(RwLock<HashMap<Kind, Deciding>>);

/// Who decides for the resources of one kind.
#[derive(Clone)]
struct Deciding {
    stable: Arc<Served>,
    /// A version that is being brought in, and for which resources it decides already.
    next: Option<(Arc<Served>, Share)>,
}

/// A version that is being brought in beside another one.
pub struct Incoming {
    /// What decides.
    pub served: Arc<Served>,
    /// Kinds that it serves.
    pub kinds: Vec<Kind>,
    /// For which of their resources it decides already.
    pub share: Share,
}

impl Plugins {
    /// From now on this plugin decides for the kind.
    pub fn serve(&self, kind: Kind, served: Arc<Served>) {
        self.write().insert(kind, Deciding { stable: served, next: None });
    }

    /// From now on this plugin decides for all of these kinds, and for `gone` nobody does; `incoming` decides for its share
    /// of those kinds that both serve. In one step: nobody sees one kind of a plugin in its new version and another in its
    /// old one.
    pub fn swap(&self, kinds: &[Kind], gone: &[Kind], served: &Arc<Served>, incoming: Option<&Incoming>) {
        let mut plugins = self.write();
        gone.iter().for_each(|kind| drop(plugins.remove(kind)));
        plugins.extend(kinds.iter().map(|kind| {
            let next = incoming.filter(|incoming| incoming.kinds.contains(kind));
            let next = next.map(|incoming| (incoming.served.clone(), incoming.share.clone()));
            (kind.clone(), Deciding { stable: served.clone(), next })
        }));
    }

    /// This plugin does not decide for these kinds any more; for those that another one has taken over, that one does.
    pub fn stop_serving_by(&self, kinds: &[Kind], served: &Arc<Served>) {
        self.write().retain(|kind, other| !(kinds.contains(kind) && Arc::ptr_eq(&other.stable, served)));
    }

    /// Nobody decides for the kind any more.
    pub fn stop_serving(&self, kind: &Kind) {
        self.write().remove(kind);
    }

    /// The plugin that decides for a kind; while another version is brought in, the one that decides for the rest.
    pub fn serving(&self, kind: &Kind) -> Option<Arc<Served>> {
        self.read().get(kind).map(|deciding| deciding.stable.clone())
    }

    /// The version that is being brought in for a kind.
    pub fn incoming(&self, kind: &Kind) -> Option<Arc<Served>> {
        Some(self.read().get(kind)?.next.as_ref()?.0.clone())
    }

    /// The plugin that decides for one resource: one version for a whole pass, and the same one in each until the share of
    /// the new version changes.
    pub fn deciding(&self, resource: &Object) -> Option<Arc<Served>> {
        let plugins = self.read();
        let Deciding { stable, next } = plugins.get(&resource.key.kind)?;
        let next = next.as_ref().filter(|(_, share)| share.includes(&resource.uid, &resource.labels));
        Some(next.map_or(stable, |(served, _)| served).clone())
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<Kind, Deciding>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<Kind, Deciding>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn resource(uid: &str, track: &str) -> Object {
        let document = json!({
            "apiVersion": "x/v1", "kind": "X",
            "metadata": {"name": "x", "namespace": "n", "uid": uid, "resourceVersion": "1", "labels": {"track": track}},
        });
        Object::from_value(&Kind::new("x", "v1", "X"), document, &FingerprintKey::new([0; 32])).unwrap()
    }

    #[test]
    fn of_two_versions_exactly_one_decides_for_a_resource_and_always_the_same() {
        let kind = Kind::new("x", "v1", "X");
        let (old, new) = (Arc::new(Served::missing(None)), Arc::new(Served::missing(None)));
        let selector = model::related::Selector::parse("track=canary").unwrap();
        let incoming = |share| Incoming { served: new.clone(), kinds: vec![kind.clone()], share };
        let plugins = Plugins::default();
        let decides = |object: &Object| Arc::ptr_eq(&plugins.deciding(object).unwrap(), &new);
        let kinds = [kind.clone()];
        plugins.swap(&kinds, &[], &old, Some(&incoming(Share::Labelled(selector))));
        assert!(decides(&resource("a", "canary")) && !decides(&resource("a", "stable")));
        plugins.swap(&kinds, &[], &old, Some(&incoming(Share::Percent(50))));
        let first: Vec<bool> = (0..50).map(|number| decides(&resource(&number.to_string(), ""))).collect();
        let again: Vec<bool> = (0..50).map(|number| decides(&resource(&number.to_string(), ""))).collect();
        assert!(first == again && first.contains(&true) && first.contains(&false));
        plugins.swap(&kinds, &[], &old, Some(&incoming(Share::Nobody)));
        assert!(!decides(&resource("a", "canary")) && plugins.incoming(&kind).is_some());
        plugins.swap(&kinds, &[], &new, None);
        assert!(decides(&resource("a", "")) && plugins.incoming(&kind).is_none());
    }
}

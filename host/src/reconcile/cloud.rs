//! Azure in a pass: what the last decision and the inventory name is looked at before the plugin is asked, and what its
//! answer names besides before it is asked again. So nothing is decided about what nobody looked at for longer than that.

use crate::{
    act::{self, CloudHands, cloud_needed},
    azure::{Looked, Looking, Place, Seen, Sight, Silence, identity_of},
    context::{Context, Memory, Served},
    mysql::Secrets,
    observe::{
        Look,
        cloud::{Asked, is_cloud, listed, place},
    },
};
use futures::{StreamExt, stream};
use model::{
    Body, Decision,
    azure::{ArmWanted, Journal},
    check::{azure_granted, vault_granted},
    facts::ResourceFacts,
    names::ANNOTATION_AZURE,
    snapshot::Instant,
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// Milliseconds for which what was seen is not asked for again, unless we wrote to it, or looks are to come sooner.
const REUSE: u64 = 5_000;
/// Milliseconds for which a credential's Secrets are not read again.
const IDENTITY: u64 = 30_000;
/// Questions of one resource at a time.
const AT_A_TIME: usize = 4;
/// Milliseconds until what is not ready, or not to be seen yet, is looked at again.
const SOON: u64 = 5_000;

impl Context {
    /// Looks at everything in Azure that is known to be of the resource. Without such this costs nothing.
    pub(super) async fn ask_known_cloud(&self, look: &Look, served: &Served, memory: &mut Memory) -> Arc<Asked> {
        if !memory.cloud.loaded {
            let text = look.resource.annotations.get(ANNOTATION_AZURE);
            memory.cloud.journal = text.map(|text| Journal::read(text)).unwrap_or_default();
            memory.cloud.written = text.cloned();
            memory.cloud.loaded = true;
        }
        if memory.cloud.wanted.is_empty() && listed(&look.inventory).next().is_none() {
            return Arc::default();
        }
        if listed(&look.inventory).next().is_some() && !look.resource.is_deleting() {
            self.hold_credential(look, memory).await;
        }
        Arc::new(self.ask_cloud(look, served, memory).await)
    }

    /// Takes in which things a decision names, and looks at those that were not looked at. None where the decision was made
    /// in full knowledge.
    pub(super) async fn ask_new_cloud(
        &self,
        look: &Look,
        served: &Served,
        decision: &Decision,
        memory: &mut Memory,
        asked: &Asked,
    ) -> Option<Arc<Asked>> {
        let items = decision.items.iter().filter(|item| is_cloud(&item.body));
        let same = items.clone().count() == memory.cloud.wanted.len()
            && items.clone().all(|item| memory.cloud.wanted.get(&item.id).is_some_and(|known| **known == item.body));
        let unseen = |place: Place| {
            let sight = asked.sights.get(&place.key());
            sight.is_none_or(|sight| must_name(&place, sight, asked.now))
        };
        if same && !items.clone().filter_map(|item| place(&item.body)).any(unseen) {
            return None;
        }
        memory.cloud.wanted = items.map(|item| (item.id.clone(), Arc::new(item.body.clone()))).collect();
        Some(Arc::new(self.ask_cloud(look, served, memory).await))
    }

    async fn ask_cloud(&self, look: &Look, served: &Served, memory: &mut Memory) -> Asked {
        let now = self.clock.now();
        let mut places: BTreeMap<String, Place> = BTreeMap::new();
        let mut asked = Asked { uid: look.resource.uid.clone(), now, ..Asked::default() };
        for (id, place) in listed(&look.inventory) {
            asked.items.insert(id.clone(), (place.key(), None));
            asked.listed.insert(place.key());
            places.insert(place.key(), place);
        }
        for (id, body) in &memory.cloud.wanted {
            let Some(place) = place(body) else { continue };
            asked.items.insert(id.clone(), (place.key(), Some(body.clone())));
            places.insert(place.key(), place);
        }
        let mut keys = cloud_needed(&memory.cloud.wanted);
        keys.retain(|key| look.may_use(key, &served.grants));
        memory.cloud.credentials.only(&keys);
        let namespace = look.resource.key.namespace.as_deref();
        let secrets = memory.cloud.credentials.resolve(&keys, namespace, &self.cache, &self.actor).await;
        asked.fingerprints = secrets.0.iter().map(|(key, one)| (key.clone(), one.fingerprint.to_string())).collect();

        memory.cloud.sights.retain(|key, _| places.contains_key(key));
        memory.cloud.journal.0.retain(|key, _| places.contains_key(key));
        let journal = &memory.cloud.journal;
        let old = REUSE.min(jittered(self.azure.look_every(), &look.resource.uid));
        let due = |key: &String, place: &Place| match memory.cloud.sights.get(key) {
            None => true,
            Some(sight) => {
                must_name(place, sight, now)
                    || is_due(sight, journal.record(key).pending.map(|one| one.retry_at), now, old)
            }
        };
        let mut due: Vec<(String, Place)> = places.into_iter().filter(|(key, place)| due(key, place)).collect();
        if !due.is_empty() {
            // What things are in comes before them: whose they are follows from it.
            due.sort_by_key(|(key, _)| key.matches('/').count());
            let identity = self.identity(look, memory, now).await;
            self.look_at(look, served, memory, due, (identity, &secrets), now).await;
        }
        for (key, sight) in &mut memory.cloud.sights {
            let record = memory.cloud.journal.record(key);
            match &mut sight.seen {
                Seen::Arm(seen) => seen.record = record,
                Seen::Vault(seen) => seen.record = record,
                Seen::Silent(_) => {}
            }
        }
        learn(&asked, memory);
        asked.sights = memory.cloud.sights.clone();
        asked
    }

    async fn look_at(
        &self,
        look: &Look,
        served: &Served,
        memory: &mut Memory,
        due: Vec<(String, Place)>,
        (identity, secrets): (crate::azure::Scoped, &Secrets),
        now: Instant,
    ) {
        let namespace = look.resource.key.namespace.clone().unwrap_or_default();
        let fingerprint = |value: &[u8]| self.actor.fingerprints.fingerprint(&namespace, value);
        // Before the first decision it is not known which values may have been sent.
        let known_values = !memory.cloud.wanted.is_empty();
        let hide = |words: &str| {
            let values = secrets.0.values().map(|one| one.value.expose().as_slice());
            known_values.then(|| crate::azure::scrub(words, values))
        };
        let waves = due.chunk_by(|(one, _), (two, _)| one.matches('/').count() == two.matches('/').count());
        for wave in waves {
            let uid = &look.resource.uid;
            let (sights, journal) = (&memory.cloud.sights, &memory.cloud.journal);
            let known = |id: &str| match sights.get(id).map(|sight| &sight.seen) {
                Some(Seen::Arm(seen)) if seen.live.is_some() => Some(seen.ours(uid)),
                _ => None,
            };
            let looks = wave.iter().map(|(key, place)| {
                let (identity, fingerprint, known, hide) = (&identity, &fingerprint, &known, &hide);
                let free = sights.get(key).is_some_and(|sight| sight.free);
                async move {
                    let granted = match place {
                        Place::Arm { id, .. } => azure_granted(&served.grants, id),
                        Place::Vault(address) => address
                            .rsplit_once("/secrets/")
                            .is_some_and(|(vault, _)| vault_granted(&served.grants, vault)),
                    };
                    let seen = match identity {
                        // Nobody is asked about what the plugin was not granted.
                        _ if !granted => Err(Silence::Unreachable("NotGranted")),
                        Err(word) => Err(Silence::NoToken(word)),
                        Ok(identity) => {
                            let looking = Looking { identity, fingerprint, hide, uid, known, now };
                            self.azure.look(&looking, &place.asking_its_name(!free), journal).await
                        }
                    };
                    (key.clone(), place, seen)
                }
            });
            let looked: Vec<_> = stream::iter(looks.collect::<Vec<_>>()).buffered(AT_A_TIME).collect().await;
            for (key, place, seen) in looked {
                let before = memory.cloud.sights.get(&key).and_then(|sight| sight.silent_since);
                let was_free = memory.cloud.sights.get(&key).is_some_and(|sight| sight.free);
                let at = self.clock.now();
                let name_after = seen.as_ref().ok().and_then(|looked| looked.name_after);
                let named = matches!(place, Place::Arm { unique: true, .. }) && name_after.is_none();
                let free = was_free
                    || named
                        && matches!(&seen, Ok(Looked { seen: Seen::Arm(seen), .. }) if seen.live.is_none()
                            && seen.name_taken.is_none() && !seen.record.may_exist());
                let sight = match seen {
                    Ok(Looked { seen, .. }) => {
                        let record = match &seen {
                            Seen::Arm(seen) => Some(seen.record.clone()),
                            Seen::Vault(seen) => Some(seen.record.clone()),
                            Seen::Silent(_) => None,
                        };
                        if let Some(record) = record {
                            memory.cloud.journal.put(&key, record);
                        }
                        Sight {
                            seen,
                            at,
                            silent_since: None,
                            pause: name_after.map(|left| after(at, left)),
                            named,
                            free,
                        }
                    }
                    Err(silence) => {
                        let since = before.unwrap_or(at);
                        let until = match &silence {
                            Silence::Throttled(left) => after(at, *left),
                            // Longer the longer it lasts.
                            _ => at + ((at - since) / 2).clamp(SOON, 60_000),
                        };
                        let seen = Seen::Silent(silence.word());
                        Sight { seen, at, silent_since: Some(since), pause: Some(until), named, free }
                    }
                };
                memory.cloud.sights.insert(key, sight);
            }
        }
    }

    /// Sees to it that the credential outlives what is made with it. Tried again with the next look where it fails.
    async fn hold_credential(&self, look: &Look, memory: &mut Memory) {
        let Some(resource) = crate::observe::found::resource(&look.resource) else { return };
        let name = act::credential_of(&resource);
        if memory.cloud.held.as_deref() == Some(name) || !resource.has_finalizer() {
            return;
        }
        match act::hold(&self.actor, &resource).await {
            Ok(()) => memory.cloud.held = Some(name.to_owned()),
            Err(failure) => {
                tracing::debug!(resource = %resource.key, %failure, "the credential for Azure is not kept yet");
            }
        }
    }

    async fn identity(&self, look: &Look, memory: &mut Memory, now: Instant) -> crate::azure::Scoped {
        if let Some((at, known)) = &memory.cloud.identity
            && now < at.saturating_add(IDENTITY)
        {
            return known.clone();
        }
        let found = match ResourceFacts::from_object(&look.resource.value()) {
            Some(resource) => identity_of(&resource, &self.actor, self.azure.host_identity()).await,
            None => Err("CredentialMissing"),
        };
        memory.cloud.identity = Some((now, found.clone()));
        // It may come from a Secret by now that was not there before.
        memory.cloud.held = None;
        found
    }

    /// What acting on things in Azure needs. `version` is that of the resource.
    pub(super) async fn cloud_hands(
        &self,
        look: &Look,
        served: &Served,
        memory: &mut Memory,
        version: String,
    ) -> CloudHands<'_> {
        let mut keys = cloud_needed(&memory.cloud.wanted);
        keys.retain(|key| look.may_use(key, &served.grants));
        let namespace = look.resource.key.namespace.as_deref();
        let secrets = if keys.is_empty() {
            Default::default()
        } else {
            memory.cloud.credentials.resolve(&keys, namespace, &self.cache, &self.actor).await
        };
        let identity =
            memory.cloud.identity.as_ref().map_or(Err("CredentialMissing"), |(_, identity)| identity.clone());
        let book = crate::act::Book {
            journal: std::mem::take(&mut memory.cloud.journal),
            written: memory.cloud.written.take(),
            version,
        };
        CloudHands {
            azure: &self.azure,
            clock: &*self.clock,
            identity,
            asked: look.cloud.clone(),
            secrets,
            book: tokio::sync::Mutex::new(book),
            told: Default::default(),
        }
    }

    /// Takes back what was remembered while acting, writes down what is new of it, and says when to look again and what
    /// happened.
    pub(super) async fn end_cloud(
        &self,
        hands: CloudHands<'_>,
        look: &Look,
        memory: &mut Memory,
        resource: &ResourceFacts,
    ) -> (Option<Instant>, Vec<crate::report::News>) {
        let (mut book, told) =
            (hands.book.into_inner(), hands.told.into_inner().unwrap_or_else(|error| error.into_inner()));
        if let Err(failure) = book.write(&self.actor, resource, true).await {
            tracing::debug!(resource = %resource.key, %failure, "what is remembered of Azure was not written down yet");
        }
        (memory.cloud.journal, memory.cloud.written) = (book.journal, book.written);
        for key in &told.touched {
            memory.cloud.sights.remove(key);
        }
        let now = self.clock.now();
        let every = self.azure.look_every();
        let next = |(key, sight): (&String, &Sight)| {
            let record = memory.cloud.journal.record(key);
            let pending = record.pending.as_ref().map(|pending| pending.retry_at);
            let failed = record.failure.as_ref().map(|failure| failure.retry_at);
            let usual = sight.at + jittered(every, &look.resource.uid);
            let seen = match &sight.seen {
                Seen::Silent(_) => sight.pause.unwrap_or(now + SOON),
                Seen::Arm(seen) if record.invisible(now) && seen.live.is_none() => now + SOON,
                Seen::Arm(_) | Seen::Vault(_) => sight.pause.unwrap_or(usual),
            };
            pending.or(failed).unwrap_or(seen).max(sight.at + 500)
        };
        let sights = memory.cloud.sights.iter().map(next);
        let pending = told.touched.iter().filter_map(|key| {
            let record = memory.cloud.journal.record(key);
            record.pending.map(|pending| pending.retry_at).or(record.failure.map(|failure| failure.retry_at))
        });
        let wake = sights.chain(pending).chain(told.paused_until).chain(told.again).chain(not_ready(look, now)).min();
        (wake, told.news)
    }
}

/// Takes in what looks after writes showed. Of what was seen before a write nothing is left, so that all looks are such.
fn learn(asked: &Asked, memory: &mut Memory) {
    for (key, body) in asked.items.values() {
        let (Some(Body::Azure(resource)), Some(sight)) = (body.as_deref(), memory.cloud.sights.get_mut(key)) else {
            continue;
        };
        if let Seen::Arm(seen) = &mut sight.seen
            && !seen.record.sent.is_empty()
        {
            let fingerprints = resource.secrets.iter().map(|(_, key)| asked.fingerprints.get(key).cloned()).collect();
            ArmWanted { resource, uid: &asked.uid, fingerprints }.learn(seen);
            memory.cloud.journal.put(key, seen.record.clone());
        }
    }
}

/// What is there and not ready is looked at soon.
fn not_ready(look: &Look, now: Instant) -> Option<Instant> {
    let waiting = look.cloud.unready();
    waiting.then_some(now + SOON)
}

/// The end of a pause that Azure asked for.
fn after(at: Instant, left: Duration) -> Instant {
    at + u64::try_from(left.as_millis()).unwrap_or(SOON) + 1
}

/// A name has to be asked for, and was not; nor does Azure want to wait for that.
fn must_name(place: &Place, sight: &Sight, now: Instant) -> bool {
    let Place::Arm { unique: true, .. } = place else { return false };
    let paused = sight.pause.is_some_and(|pause| now < pause);
    !paused && matches!(&sight.seen, Seen::Arm(seen) if !sight.named && seen.live.is_none() && !seen.record.may_exist())
}

/// What was seen is too old to be relied on: `old` milliseconds.
fn is_due(sight: &Sight, pending: Option<Instant>, now: Instant, old: u64) -> bool {
    match (&sight.seen, pending) {
        (Seen::Silent(_), _) => sight.pause.is_none_or(|pause| pause <= now),
        (Seen::Arm(_) | Seen::Vault(_), Some(retry_at)) => retry_at <= now,
        // Its name is asked for with the next look, and not before that time.
        (Seen::Arm(_) | Seen::Vault(_), None) if sight.pause.is_some() => sight.pause <= Some(now),
        (Seen::Arm(_) | Seen::Vault(_), None) => now >= sight.at.saturating_add(old),
    }
}

/// Milliseconds, a tenth shorter or longer by the resource, so that a fleet is not looked at in one moment.
fn jittered(every: Duration, uid: &str) -> u64 {
    let every = u64::try_from(every.as_millis()).unwrap_or(u64::MAX / 4);
    let spread = (every / 5).max(1);
    let hash = uid.bytes().fold(0u64, |hash, byte| hash.wrapping_mul(31).wrapping_add(u64::from(byte)));
    every - spread / 2 + hash % spread
}

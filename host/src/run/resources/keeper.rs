//! One `Plugin` from its first sight to its end: tries what its spec asks for, swaps versions, tells what came of it.

use super::attempt::{Attempt, Loaded};
use super::rollout::Rollout;
use super::{Shared, look_at_all, seniority};
use crate::context::Served;
use crate::decide::Digest;
use crate::install::definition::Definition;
use crate::plugins::claims::Seniority;
use crate::plugins::resource::condition::{Stage, Stopped};
use crate::plugins::resource::status::RolloutStatus;
use crate::plugins::store::Serving;
use crate::plugins::watched::{Mark, Watched, mark};
use crate::watch::Object;
use model::Kind;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// How often resources are counted and claims looked at.
const TICK: Duration = Duration::from_secs(5);
/// The longest pause between two tries of what may pass by itself.
const LONGEST: Duration = Duration::from_secs(60);

/// A version that decides.
#[derive(Clone)]
pub(super) struct Running {
    pub digest: Digest,
    pub watched: Arc<Watched>,
    pub served: Arc<Served>,
    pub definitions: Vec<Definition>,
}

impl Running {
    pub fn kinds(&self) -> Vec<Kind> {
        self.definitions.iter().filter_map(|definition| definition.watched().cloned()).collect()
    }
}

/// For each definition who holds it, and who gives way.
pub(super) type Contention = Vec<(Option<Seniority>, Vec<String>)>;

/// Brings one `Plugin` into service.
pub(super) struct Keeper<'a> {
    pub shared: &'a Shared<'a>,
    pub name: String,
    pub seniority: Seniority,
    /// What decides now.
    pub running: Option<Running>,
    /// What decided before, for the case that what decides now breaks down again and again.
    pub previous: Option<Running>,
    /// A version that broke down again and again, and the generation of the spec that asked for it.
    pub refused: Option<(Digest, i64, Stopped)>,
    /// The version that was loaded last, and from what.
    pub loaded: Option<Loaded>,
    /// What the last try came to.
    pub last: Attempt,
    pub storm: Arc<Notify>,
    failures: u32,
    /// The version that is to take over.
    pub rollout: Option<Rollout>,
    /// What took over last, and how it went before.
    pub promoted: Option<RolloutStatus>,
    /// How the running version was shadowed: reason and message.
    pub shadowed: Option<(&'static str, String)>,
    /// What runs is in the host's table.
    pub published: bool,
    /// For which part what was called back decides is not known before its resources are in view.
    pub listing: bool,
    /// This process began a rollout itself: what the status says of one is its own word.
    pub begun: bool,
    /// Who else wanted its kinds when that was looked at last.
    pub contested: Option<Contention>,
}

impl<'a> Keeper<'a> {
    pub fn new(shared: &'a Shared<'a>, plugin: &Object) -> Self {
        Keeper {
            shared,
            name: plugin.key.name.clone(),
            seniority: seniority(plugin),
            running: None,
            previous: None,
            refused: None,
            loaded: None,
            last: Attempt::default(),
            storm: Arc::default(),
            failures: 0,
            rollout: None,
            promoted: None,
            shadowed: None,
            published: false,
            listing: false,
            begun: false,
            contested: None,
        }
    }

    /// Until the resource is gone.
    pub async fn run(mut self, mut plugin: watch::Receiver<Option<Arc<Object>>>) {
        let (storm, claims) = (self.storm.clone(), &self.shared.host.claims);
        loop {
            let Some(current) = plugin.borrow_and_update().clone() else { return self.retire() };
            let pause = tokio::select! {
                pause = self.look(&current) => pause,
                // What is under way is about an older wish.
                changed = plugin.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return self.retire(),
                },
            };
            let again = Instant::now() + pause;
            loop {
                // Made before the look, so that no change is missed.
                let changed_claims = claims.changed();
                if self.contested.as_ref().is_some_and(|seen| *seen != self.contention()) {
                    break;
                }
                let tick = again.min(Instant::now() + TICK);
                let rolling = self.is_rolling();
                tokio::select! {
                    changed = plugin.changed() => match changed {
                        Ok(()) => break,
                        Err(_) => return self.retire(),
                    },
                    () = changed_claims => {}
                    () = storm.notified() => {
                        self.fall_back(&current);
                        break;
                    }
                    look = self.advance(&current), if rolling => {
                        if look {
                            break;
                        }
                    }
                    () = tokio::time::sleep_until(tick) => {
                        if tick >= again {
                            break;
                        }
                        // Only what the resources look like may be new.
                        let newest = plugin.borrow().clone();
                        if let Some(newest) = newest {
                            self.tell(&newest).await;
                        }
                    }
                }
            }
        }
    }

    /// Who else wants the kinds of the version that was loaded last: their holders, and those that give way.
    pub fn contention(&self) -> Contention {
        let claims = &self.shared.host.claims;
        let definitions = self.loaded.iter().flat_map(Loaded::definitions);
        definitions.map(|name| (claims.holder(&name), claims.rivals(&self.seniority, &name))).collect()
    }

    /// One look at the spec; when to look again though nothing changed.
    async fn look(&mut self, plugin: &Object) -> Duration {
        if plugin.is_deleting() {
            return self.remove(plugin).await;
        }
        let refresh = self.shared.fetcher.options().refresh;
        self.last = self.attempt(plugin).await;
        let pause = match &self.last.stopped {
            Some(stopped) if stopped.may_pass => {
                let pause = Duration::from_millis(500).saturating_mul(1 << self.failures.min(10));
                self.failures += 1;
                self.shared.host.entropy.jitter(pause.min(LONGEST).min(refresh), 0.3)
            }
            Some(_) | None => {
                self.failures = 0;
                refresh
            }
        };
        self.tell(plugin).await;
        pause
    }

    /// From now on this version decides. Passes that run finish on the version that they began with (H1).
    pub fn swap(&mut self, next: Running) {
        let host = self.shared.host;
        let (kinds, before) = (next.kinds(), self.running.as_ref().map(Running::kinds).unwrap_or_default());
        let gone: Vec<Kind> = before.into_iter().filter(|kind| !kinds.contains(kind)).collect();
        let description = next.watched.plugin().description().clone();
        let (name, version, digest) = (&self.name, &description.version, next.digest);
        tracing::info!(plugin = name, version, %digest, "now deciding for {}", words(&kinds));
        next.watched.begin(self.sound(&kinds));
        let used = description.writes.iter().chain(description.reads.iter().map(|query| &query.kind));
        used.for_each(|kind| host.watches.ensure(kind));
        host.plugins.swap(&kinds, &gone, &next.served, None);
        self.published = true;
        let rollout = self.rollout.take().filter(|it| it.next.served.identity == next.served.identity);
        self.promoted = rollout.as_ref().map(Rollout::promoted);
        self.shadowed = rollout.as_ref().map(Rollout::shadowed);
        if let Some(store) = &self.shared.store {
            let (settings, grants) = (next.served.settings.to_string(), next.served.grants.clone());
            store.note(name, &Serving { digest: next.digest.to_string(), settings, grants });
        }
        for kind in &gone {
            host.trigger.stop_serving(kind);
        }
        for kind in &kinds {
            look_at_all(host, kind);
            host.watches.look_again(&kind.group);
            host.watches.ensure(kind);
        }
        let replaced = self.running.replace(next);
        // Other settings of one version are no version to fall back to.
        let digest = self.running.as_ref().map(|running| running.digest);
        if let Some(replaced) = replaced.filter(|replaced| Some(replaced.digest) != digest) {
            self.previous = Some(replaced).filter(|replaced| replaced.watched.storm().is_none());
        }
    }

    /// Resources that are in order: those that are there, but for those that the running version breaks down on.
    fn sound(&self, kinds: &[Kind]) -> HashSet<Mark> {
        let cache = &self.shared.host.cache;
        let keys = kinds.iter().flat_map(|kind| cache.keys(kind));
        let mut sound: HashSet<Mark> = keys.filter_map(|key| Some(mark(&cache.get(&key)?.uid))).collect();
        // Of a first version nobody knows how its resources were before.
        let Some(running) = &self.running else { return HashSet::new() };
        for broken in &running.watched.account().broken {
            sound.remove(broken);
        }
        sound
    }

    /// The running version broke down again and again: the one before decides again, where there is one.
    fn fall_back(&mut self, plugin: &Object) {
        if let Some(message) = self.storm_in_part() {
            return self.take_back(plugin, message);
        }
        let Some(running) = &self.running else { return };
        let Some(breakdown) = running.watched.storm() else { return };
        let Some(previous) = self.previous.take() else {
            tracing::error!(plugin = self.name, reason = breakdown.reason, "breaks down again and again: {breakdown}");
            return;
        };
        let message = format!(
            "sha256:{} broke down for {} resources and was taken out of service ({}: {breakdown}); mend it, or give it \
             more in spec.limits",
            running.digest,
            running.watched.account().broken.len(),
            breakdown.reason,
        );
        tracing::error!(plugin = self.name, "falling back: {message}");
        let stopped = Stopped { stage: Stage::Serving, reason: "FellBack".into(), message, may_pass: false };
        self.refused = Some((running.digest, plugin.generation, stopped));
        // It may look like what was loaded last, and is not to be swapped in again.
        self.swap(previous);
        self.previous = None;
    }

    /// Takes one's kinds out of service, as far as one still has them. Resources stay as they are.
    pub fn retire(&mut self) {
        let host = self.shared.host;
        if let Some(running) = self.running.take() {
            let kinds = running.kinds();
            tracing::info!(plugin = self.name, "not deciding any more for {}", words(&kinds));
            host.plugins.stop_serving_by(&kinds, &running.served);
            host.claims.drop_all(&self.seniority);
            // Those that are deleted from now on are torn down by their inventory.
            kinds.iter().for_each(|kind| host.watches.look_again(&kind.group));
        }
        host.claims.drop_all(&self.seniority);
        (self.previous, self.rollout, self.published) = (None, None, false);
        if let Some(store) = &self.shared.store {
            store.keep_only(&self.name, &[]);
            store.forget(&self.name);
        }
    }

    /// The plugin lost these kinds to an older one.
    pub fn give_way(&mut self, kinds: &[Kind]) {
        if let Some(running) = &self.running {
            self.shared.host.plugins.stop_serving_by(kinds, &running.served);
        }
    }
}

fn words(kinds: &[Kind]) -> String {
    kinds.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

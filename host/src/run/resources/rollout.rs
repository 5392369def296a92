//! A new version beside the one that serves: shadowed, then brought in as the spec says, or taken back. In: a candidate and
//! the spec; out: whether it decides, for which part, or what it waits for.

use super::keeper::{Keeper, Running};
use super::shadow::{Run, Versions};
use super::{failing, look_at_all};
use crate::clock::rfc3339;
use crate::context::{Incoming, Served};
use crate::decide::decider::Decider;
use crate::plugins::PluginSpec;
use crate::plugins::resource::condition::{SHADOWING, Stage, Stopped};
use crate::plugins::resource::rollout::{ANNOTATION_APPROVE, Verdict, token, verdict};
use crate::plugins::resource::status::{Phase, RolloutStatus, ShadowStatus};
use crate::plugins::resource::{Rollout as Wish, Source, Strategy};
use crate::plugins::watched::mark;
use crate::watch::Object;
use crate::watch::cache::Sync;
use model::related::Selector;
use model::rollout::{self, Health, Next, Share};
use model::shadow::{Outlook, judge};
use model::snapshot::Instant;
use model::{Kind, ObjectKey};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// How often the status tells of progress.
const TOLD: Duration = Duration::from_secs(1);
/// How often resources are counted while a part is brought in.
const COUNTED: Duration = Duration::from_secs(5);
/// How often it is looked how a part is doing.
const LOOK: Duration = Duration::from_millis(500);

/// A version that is to take over.
pub(super) struct Rollout {
    pub next: Running,
    source: Source,
    wish: Wish,
    token: String,
    approved: bool,
    run: Run,
    /// It was shadowed by an earlier process, which went on to a part.
    resumed: Option<ShadowStatus>,
    part: Option<Part>,
    /// It was taken back, under this generation of the spec.
    over: Option<(i64, Stopped)>,
    told: Option<tokio::time::Instant>,
    /// When what could not be judged is looked at again.
    again: Option<tokio::time::Instant>,
    /// When it is looked next how the part is doing.
    due: tokio::time::Instant,
}

/// The part that the new version decides for.
struct Part {
    share: Share,
    percent: u8,
    since: Instant,
    /// It is in the status and in the host's table.
    live: bool,
    /// Uids of resources that failed before they came into the part.
    failed_before: BTreeSet<String>,
}

/// How a candidate goes into service.
pub(super) enum Go {
    /// For all.
    All,
    /// For a part, beside the one that serves; the text says which.
    Part(String),
}

impl Keeper<'_> {
    /// Whether there is work on a rollout that needs no new look at the spec.
    pub fn is_rolling(&self) -> bool {
        self.rollout.as_ref().is_some_and(|it| it.over.is_none() && (!it.run.ended() || it.part.is_some()))
    }

    /// What becomes of a candidate that is not what serves.
    pub fn roll_out(&mut self, plugin: &Object, spec: &PluginSpec, next: &Running) -> Result<Go, Stopped> {
        let known = self.rollout.as_ref().is_some_and(|it| {
            let over = it.over.as_ref().is_some_and(|(generation, _)| *generation != plugin.generation);
            it.next.served.identity == next.served.identity && !over
        });
        if !known {
            self.listed(next)?;
            self.rollout = Some(self.begin(plugin, spec, next));
            self.begun = true;
            self.publish();
        }
        let (name, now) = (self.name.clone(), self.shared.clock.now());
        let Some(it) = &mut self.rollout else { return Ok(Go::All) };
        it.wish = spec.rollout.clone();
        let named = [spec.rollout.approved.as_deref(), plugin.annotations.get(ANNOTATION_APPROVE).map(String::as_str)];
        it.approved = named.into_iter().flatten().any(|named| named.trim() == it.token);
        if let Some((_, stopped)) = &it.over {
            return Err(stopped.clone());
        }
        if it.resumed.is_none() {
            if !it.run.ended() {
                return Err(stop(SHADOWING, it.progress()));
            }
            if let Verdict::Stop(reason, message) = verdict(&it.wish, it.approved, &it.token, &name, &it.run.summary) {
                if reason == "NotJudged" {
                    let due = it.again.is_some_and(|at| at <= tokio::time::Instant::now());
                    if due {
                        it.run.again();
                    }
                    if due || it.again.is_none() {
                        it.again = Some(tokio::time::Instant::now() + self.shared.fetcher.options().refresh);
                    }
                }
                return Err(stop(reason, message));
            }
        }
        let percent = it.part.as_ref().map_or(0, |part| part.percent);
        let (share, percent) = match it.wish.strategy {
            Strategy::AllAtOnce | Strategy::Manual | Strategy::Immediate => return Ok(Go::All),
            Strategy::Percentage => {
                let percent = if percent == 0 { rollout::after(0, it.wish.steps()) } else { percent };
                if percent >= 100 {
                    return Ok(Go::All);
                }
                (Share::Percent(percent), percent)
            }
            // The spec was judged: it has a selector that can be read.
            Strategy::Selector => {
                let selector = Selector::parse(it.wish.selector.as_deref().unwrap_or_default()).unwrap_or_default();
                (Share::Labelled(selector), 0)
            }
        };
        // Nothing serves beside which it could decide for a part, or it serves other kinds: then it is all or nothing.
        let kinds = next.kinds();
        if self.running.as_ref().is_none_or(|running| !running.kinds().iter().all(|kind| kinds.contains(kind))) {
            return Ok(Go::All);
        }
        if self.rollout.as_ref().is_some_and(|it| it.part.as_ref().is_none_or(|part| part.share != share)) {
            let failed_before = self.failing_in(&share).into_iter().map(|(uid, _)| uid).collect();
            if let Some(it) = &mut self.rollout {
                it.part = Some(Part { share, percent, since: now, live: false, failed_before });
            }
        }
        let text = self.rollout.as_ref().and_then(Rollout::part_in_words).unwrap_or_default();
        Ok(Go::Part(text))
    }

    /// All resources are in view: what is not seen can neither be shadowed nor told apart by whether it failed before.
    fn listed(&mut self, next: &Running) -> Result<(), Stopped> {
        let host = self.shared.host;
        let before = self.running.as_ref().map(Running::kinds).unwrap_or_default();
        let mut kinds = next.kinds();
        kinds.extend(before);
        kinds.iter().for_each(|kind| host.watches.ensure(kind));
        self.listing = kinds.iter().any(|kind| matches!(host.cache.sync(kind), Sync::Unwatched | Sync::Listing));
        match self.listing {
            true => Err(Stopped { may_pass: true, ..stop(SHADOWING, "waits for the list of its resources".into()) }),
            false => Ok(()),
        }
    }

    /// A rollout from its beginning, or from where an earlier process left it.
    fn begin(&self, plugin: &Object, spec: &PluginSpec, next: &Running) -> Rollout {
        let token = self.token(next);
        let mut it = Rollout {
            source: spec.source.clone(),
            wish: spec.rollout.clone(),
            approved: false,
            run: self.shadow_run(next),
            next: next.clone(),
            token,
            resumed: None,
            part: None,
            over: None,
            told: None,
            again: None,
            due: tokio::time::Instant::now(),
        };
        let document = plugin.value();
        let status = document.pointer("/status/rollout").cloned().unwrap_or_default();
        let Ok(status) = serde_json::from_value::<RolloutStatus>(status) else { return it };
        let observed = document.pointer("/status/observedGeneration").and_then(serde_json::Value::as_i64);
        // What this process did itself it knows better.
        if self.begun || status.approve != it.token {
            return it;
        }
        match status.phase {
            Phase::FellBack if observed == Some(plugin.generation) => {
                let message = status.message.unwrap_or_default();
                it.over = Some((plugin.generation, fell_back(message)));
                it.run = Run::new(Versions { old: None, new: next.served.clone() }, Vec::new());
                it.resumed = status.shadow;
            }
            Phase::RollingOut if self.running.is_some() => {
                let since = status.since.as_deref().and_then(instant).unwrap_or_else(|| self.shared.clock.now());
                let share = match (&status.percent, &status.selector) {
                    (Some(percent), _) => Share::Percent(*percent),
                    (None, Some(selector)) => Share::Labelled(Selector::parse(selector).unwrap_or_default()),
                    (None, None) => return it,
                };
                let failing = self.failing_in(&share).into_iter();
                let failed_before =
                    failing.filter(|(_, at)| at.is_none_or(|at| at < since)).map(|(uid, _)| uid).collect();
                it.part = Some(Part { share, percent: status.percent.unwrap_or(0), since, live: true, failed_before });
                it.run = Run::new(Versions { old: None, new: next.served.clone() }, Vec::new());
                it.resumed = Some(status.shadow.unwrap_or_default());
            }
            _ => {}
        }
        it
    }

    fn shadow_run(&self, next: &Running) -> Run {
        // Without the account of what serves: a shadow run is no reason to take a version out of service.
        let quiet = |running: &Running| {
            let Served { grants, settings, .. } = &*running.served;
            let decider = Arc::new(running.watched.plugin().clone()) as Arc<dyn Decider>;
            Arc::new(Served::new(decider, grants.clone(), settings.clone()))
        };
        let cache = &self.shared.host.cache;
        let served = next.kinds();
        let before = self.running.as_ref().map(Running::kinds).unwrap_or_default();
        let keys: Vec<ObjectKey> = served.iter().flat_map(|kind| cache.keys(kind)).collect();
        let old = self.running.as_ref().map(|running| (quiet(running), before.clone()));
        let mut run = Run::new(Versions { old, new: quiet(next) }, keys);
        for kind in before.iter().filter(|before| !served.iter().any(|kind| kind.is_same_resource(before))) {
            for key in cache.keys(kind) {
                let dropped = Outlook::undecided("KindNotServed", "the new version does not serve this kind");
                run.note(&key, &judge(&Outlook::AsIs(serde_json::Value::Null), &dropped, None));
            }
        }
        run
    }

    /// What approves a candidate.
    fn token(&self, next: &Running) -> String {
        let text = |running: &Running| {
            let grants = serde_json::to_string(&running.served.grants).unwrap_or_default();
            (running.served.settings.to_string(), grants)
        };
        let (settings, grants) = text(next);
        let same = self.running.as_ref().is_none_or(|running| text(running) == (settings.clone(), grants.clone()));
        token(&next.digest, (!same).then_some((settings.as_str(), grants.as_str())))
    }

    /// The next piece of work on a rollout. True when the spec should be looked at again. May be dropped at any time.
    pub async fn advance(&mut self, plugin: &Object) -> bool {
        let context = self.shared.host.context.clone();
        let Some(it) = &mut self.rollout else { return true };
        if it.resumed.is_none() && !it.run.ended() {
            it.run.step(&context).await;
            if it.run.ended() {
                return true;
            }
            if it.again.is_none() && it.told.is_none_or(|told| told.elapsed() >= TOLD) {
                it.told = Some(tokio::time::Instant::now());
                self.last.stopped = Some(stop(SHADOWING, it.progress()));
                self.tell(plugin).await;
            }
            return false;
        }
        // Kept over looks at the spec, which may come more often than this.
        tokio::time::sleep_until(it.due).await;
        it.due = tokio::time::Instant::now() + LOOK;
        let due = it.told.is_none_or(|told| told.elapsed() >= COUNTED);
        if due {
            it.told = Some(tokio::time::Instant::now());
            self.tell(plugin).await;
        }
        self.look_at_part(plugin)
    }

    /// How the part is doing, and what follows. True when that is for another look.
    fn look_at_part(&mut self, plugin: &Object) -> bool {
        let (health, failing) = self.health();
        let now = self.shared.clock.now();
        let Some(it) = &mut self.rollout else { return true };
        let Some(part) = &mut it.part else { return true };
        let by_percent = it.wish.strategy == Strategy::Percentage;
        let next = match by_percent {
            true => rollout::next(part.percent, part.since, it.wish.steps(), it.wish.pause(), health, now),
            false if health.failing > 0 => Next::FallBack,
            false => Next::Wait(None),
        };
        match next {
            Next::Wait(_) => false,
            Next::Widen(_) | Next::Promote => {
                let percent = if let Next::Widen(percent) = next { percent } else { 100 };
                let share = Share::Percent(percent);
                let before: BTreeSet<String> = self.failing_in(&share).into_iter().map(|(uid, _)| uid).collect();
                if let Some(it) = &mut self.rollout {
                    it.part = Some(Part { share, percent, since: now, live: false, failed_before: before });
                }
                true
            }
            Next::FallBack => {
                let message = format!(
                    "{} failed with {} of the {} resources that it decided for: {failing}; what served before decides for all \
                     again. Mend it, or the resource",
                    it.token, health.failing, health.total
                );
                self.take_back(plugin, message);
                true
            }
        }
    }

    /// The new version decides for nobody any more, and is not tried again until the spec changes.
    pub fn take_back(&mut self, plugin: &Object, message: String) {
        tracing::error!(plugin = self.name, "falling back: {message}");
        let Some(it) = &mut self.rollout else { return };
        it.part = None;
        let stopped = fell_back(message);
        it.over = Some((plugin.generation, stopped.clone()));
        self.refused = Some((it.next.digest, plugin.generation, stopped));
        self.publish();
    }

    /// Another version is wanted, or the one that serves: the one in between decides for nobody.
    pub fn abandon(&mut self) {
        if self.rollout.take().is_some() {
            self.publish();
        }
    }

    /// The rollout is of something that the spec does not ask for any more.
    pub fn abandon_unless(&mut self, spec: &PluginSpec) {
        let settings = serde_json::Value::Object(spec.settings.clone()).to_string();
        let wanted = |it: &Rollout| {
            let Served { settings: of_next, grants, .. } = &*it.next.served;
            it.source == spec.source && **of_next == *settings && *grants == spec.grants
        };
        if self.rollout.as_ref().is_some_and(|it| !wanted(it)) {
            self.abandon();
        }
    }

    /// Brings the part into force, once the status says so: a host that starts in between goes on with it.
    pub async fn widen(&mut self, plugin: &Object) {
        let live = |it: &Rollout| it.part.as_ref().is_none_or(|part| part.live);
        if self.rollout.as_ref().is_none_or(live) || !self.tell(plugin).await {
            return;
        }
        if let Some(part) = self.rollout.as_mut().and_then(|it| it.part.as_mut()) {
            part.live = true;
        }
        if let Some((it, part)) = self.rollout.as_ref().and_then(|it| Some((it, it.part.as_ref()?))) {
            // What it was asked for in the shadow is no account of how it serves.
            let kinds = it.next.kinds();
            let of_part = self.resources_of(&kinds).filter(|it| part.share.includes(&it.uid, &it.labels));
            let broken = self.running.as_ref().map(|running| running.watched.account().broken).unwrap_or_default();
            let sound = of_part.map(|object| mark(&object.uid)).filter(|mark| !broken.contains(mark)).collect();
            it.next.watched.begin(sound);
        }
        self.publish();
    }

    /// How the version that is wanted was shadowed, for its condition.
    pub fn shadowed_words(&self) -> (&'static str, String) {
        let run = self.rollout.as_ref().filter(|it| it.run.ended()).map(Rollout::shadowed);
        run.or_else(|| self.shadowed.clone()).unwrap_or_else(|| {
            ("NothingToCompare", "no other version served before, or none was asked to be compared with".into())
        })
    }

    /// A version that breaks down again and again while it decides for a part.
    pub fn storm_in_part(&self) -> Option<String> {
        let it = self.rollout.as_ref().filter(|it| it.part.is_some())?;
        let breakdown = it.next.watched.storm()?;
        Some(format!(
            "{} broke down {} times in a row ({}: {breakdown}); what served before decides for all again. Mend it, or give it \
             more in spec.limits",
            it.token,
            it.next.watched.account().in_a_row,
            breakdown.reason
        ))
    }

    /// From now on the running version decides, but for the part of the one that is brought in. In one step.
    pub fn publish(&mut self) {
        let host = self.shared.host;
        let Some(running) = &self.running else { return };
        // An older plugin may have taken a kind meanwhile.
        let claims = &host.claims;
        let ours = |name: &str| claims.holder(name).is_none_or(|holder| holder == self.seniority);
        if !running.definitions.iter().all(|definition| ours(definition.name())) {
            return;
        }
        let incoming = self.rollout.as_ref().map(|it| Incoming {
            served: it.next.served.clone(),
            kinds: it.next.kinds(),
            share: it.part.as_ref().filter(|part| part.live).map_or(Share::Nobody, |part| part.share.clone()),
        });
        for served in [Some(&running.served), incoming.as_ref().map(|it| &it.served)].into_iter().flatten() {
            let description = served.decider.description();
            let used = description.writes.iter().chain(description.reads.iter().map(|query| &query.kind));
            used.for_each(|kind| host.watches.ensure(kind));
        }
        let kinds = running.kinds();
        host.plugins.swap(&kinds, &[], &running.served, incoming.as_ref());
        self.published = true;
        for kind in &kinds {
            look_at_all(host, kind);
            host.watches.ensure(kind);
        }
    }

    /// How the part is doing, and which of it fails, in words.
    fn health(&self) -> (Health, String) {
        let mut health = Health::default();
        let mut words = Vec::new();
        let Some((it, part)) = self.rollout.as_ref().and_then(|it| Some((it, it.part.as_ref()?))) else {
            return (health, String::new());
        };
        let host = self.shared.host;
        for object in self.resources_of(&it.next.kinds()).filter(|it| part.share.includes(&it.uid, &it.labels)) {
            let paused =
                object.annotations.get(model::names::ANNOTATION_PAUSED).is_some_and(|text| text.trim() == "true");
            if paused || object.is_deleting() {
                continue;
            }
            health.total += 1;
            health.decided +=
                usize::from(host.context.memories.decided_by(&object.key) == Some(it.next.served.identity));
            if let Some(failing) = failing(&object)
                && !part.failed_before.contains(&object.uid)
            {
                health.failing += 1;
                if words.len() < 3 {
                    words.push(format!("{} ({})", object.key, failing.reason));
                }
            }
        }
        (health, words.join(", "))
    }

    /// Resources of a share that fail, by uid, with since when.
    fn failing_in(&self, share: &Share) -> Vec<(String, Option<Instant>)> {
        let kinds = self.running.as_ref().map(Running::kinds).unwrap_or_default();
        self.resources_of(&kinds)
            .filter(|object| share.includes(&object.uid, &object.labels))
            .filter_map(|object| Some((object.uid.clone(), failing(&object)?.since)))
            .collect()
    }

    fn resources_of<'k>(&'k self, kinds: &'k [Kind]) -> impl Iterator<Item = Arc<Object>> + 'k {
        let cache = &self.shared.host.cache;
        kinds.iter().flat_map(move |kind| cache.keys(kind)).filter_map(move |key| cache.get(&key))
    }

    /// What the status says of the version that is to take over.
    pub fn rollout_status(&self) -> Option<RolloutStatus> {
        let it = self.rollout.as_ref()?;
        let part = it.part.as_ref();
        let phase = match (&it.over, part) {
            (Some(_), _) => Phase::FellBack,
            (None, Some(_)) => Phase::RollingOut,
            (None, None) if it.run.ended() => Phase::Waiting,
            (None, None) => Phase::Shadowing,
        };
        Some(RolloutStatus {
            phase,
            percent: part.filter(|part| part.percent > 0).map(|part| part.percent),
            selector: part.filter(|part| part.percent == 0).and_then(|_| it.wish.selector.clone()),
            since: part.map(|part| rfc3339(part.since)),
            message: it.over.as_ref().map(|(_, stopped)| stopped.message.clone()),
            ..it.told()
        })
    }
}

impl Rollout {
    /// What there is to say when it has taken over.
    pub fn promoted(&self) -> RolloutStatus {
        RolloutStatus { phase: Phase::Promoted, ..self.told() }
    }

    fn told(&self) -> RolloutStatus {
        let shadow = match &self.resumed {
            Some(earlier) => earlier.clone(),
            None => ShadowStatus::of(&self.run.summary, self.run.total, self.run.ended() && !self.run.given_up),
        };
        RolloutStatus {
            digest: format!("sha256:{}", self.next.digest),
            version: self.next.watched.plugin().description().version.clone(),
            approve: self.token.clone(),
            shadow: Some(shadow),
            ..RolloutStatus::default()
        }
    }

    /// How it went, for the condition `Shadowed`.
    pub fn shadowed(&self) -> (&'static str, String) {
        let words = match &self.resumed {
            Some(earlier) => format!("{} of {} resources differ", earlier.different, earlier.total),
            None => self.run.summary.words(),
        };
        let differs = self.resumed.as_ref().map_or(self.run.summary.different, |earlier| earlier.different) > 0;
        match (self.approved, differs) {
            (true, _) => ("Approved", format!("{words}; approved by {}", self.token)),
            (false, true) => ("Differences", words),
            (false, false) => ("NoDifferences", words),
        }
    }

    fn progress(&self) -> String {
        let (done, total) = (self.run.done(), self.run.total);
        format!("asked about {done} of {total} resources so far, without effects: {}", self.run.summary.words())
    }

    fn part_in_words(&self) -> Option<String> {
        let part = self.part.as_ref()?;
        let which = match (part.percent, &self.wish.selector) {
            (0, Some(selector)) => format!("the resources with {selector}"),
            (percent, _) => format!("{percent} % of the resources"),
        };
        let then = match self.wish.strategy {
            Strategy::Selector => "set spec.rollout.strategy to AllAtOnce to have it decide for all".to_owned(),
            _ => match rollout::after(part.percent, self.wish.steps()) {
                100 => "all follow when these are in order".to_owned(),
                next => format!("{next} % follow when these are in order"),
            },
        };
        let version = &self.next.watched.plugin().description().version;
        Some(format!("{version}, {}, decides for {which}; {then}", self.token))
    }
}

fn stop(reason: &str, message: String) -> Stopped {
    Stopped { stage: Stage::Shadowed, reason: reason.into(), message, may_pass: false }
}

fn fell_back(message: String) -> Stopped {
    Stopped { stage: Stage::Serving, reason: "FellBack".into(), message, may_pass: false }
}

fn instant(text: &str) -> Option<Instant> {
    u64::try_from(chrono::DateTime::parse_from_rfc3339(text).ok()?.timestamp_millis()).ok()
}

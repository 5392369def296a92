//! A shadow run: every live resource of a plugin is looked at once with the new version beside the old one. Keys in, a
//! summary out. One resource at a time, with a pause after each that is as long as the look was, so that the serving version
//! has the machine to itself at least half of the time.

use crate::context::{Context, Served};
use crate::reconcile::{Known, Verdict};
use crate::serve::Metrics;
use model::shadow::{Judgement, NotJudged, Summary};
use model::{Kind, ObjectKey};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

/// Looks at a resource that is always in motion before it is left out.
const MOST_TRIES: u32 = 60;
/// The pause before a resource in motion is looked at again.
const AGAIN: Duration = Duration::from_millis(100);
/// The longest pause after a look.
const LONGEST: Duration = Duration::from_secs(1);
/// A version that fails this often, and for every resource, is not asked about the rest.
const MOST_FAILURES: u32 = 20;

/// The two versions of a run.
pub(super) struct Versions {
    /// What serves, with its kinds, which may be other versions of the same; none: nothing does.
    pub old: Option<(Arc<Served>, Vec<Kind>)>,
    /// What is to take over.
    pub new: Arc<Served>,
}

/// A run under way, or ended.
pub(super) struct Run {
    versions: Arc<Versions>,
    /// With several kinds, resources are named with theirs.
    kinds: usize,
    todo: VecDeque<(ObjectKey, u32)>,
    /// Looks that came too early since the last one that did not.
    late: usize,
    unknown: Vec<(ObjectKey, NotJudged)>,
    looking: Option<(Instant, AbortOnDropHandle<Verdict>)>,
    /// Counts of calls that are no passes.
    metrics: Arc<Metrics>,
    pub summary: Summary,
    pub total: usize,
    /// It was ended before its time, because too much failed.
    pub given_up: bool,
}

impl Run {
    /// A run over these resources.
    pub fn new(versions: Versions, keys: Vec<ObjectKey>) -> Self {
        let mut kinds: Vec<_> = keys.iter().map(|key| &key.kind).collect();
        kinds.dedup();
        Run {
            versions: Arc::new(versions),
            kinds: kinds.len(),
            total: keys.len(),
            todo: keys.into_iter().map(|key| (key, 0)).collect(),
            late: 0,
            unknown: Vec::new(),
            looking: None,
            metrics: Arc::new(Metrics::new()),
            summary: Summary::default(),
            given_up: false,
        }
    }

    /// Nothing is left to look at.
    pub fn ended(&self) -> bool {
        self.todo.is_empty() || self.given_up
    }

    /// How many resources are done with.
    pub fn done(&self) -> usize {
        self.total.saturating_sub(self.todo.len())
    }

    /// Takes in that a resource is served no more.
    pub fn note(&mut self, key: &ObjectKey, judgement: &Judgement) {
        self.total += 1;
        self.summary.add(&self.name(key), judgement);
    }

    /// Looks again at what could not be judged.
    pub fn again(&mut self) {
        for (key, why) in std::mem::take(&mut self.unknown) {
            self.summary.take_back(why);
            self.todo.push_back((key, 0));
        }
    }

    /// One look. May be dropped at any time, and goes on where it was.
    pub async fn step(&mut self, context: &Arc<Context>) {
        let Some((key, _)) = self.todo.front() else { return };
        if self.looking.is_none() {
            if self.late >= self.todo.len() {
                // All that is left is in motion.
                tokio::time::sleep(AGAIN).await;
                self.late = 0;
            }
            let (context, versions, key, metrics) =
                (context.clone(), self.versions.clone(), key.clone(), self.metrics.clone());
            let look = async move {
                let Versions { old, new } = &*versions;
                // Of a kind that was not served before there is nothing to compare with.
                let known_as = old.as_ref().and_then(|(old, kinds)| Some((key.among(kinds)?, old)));
                let old = known_as.as_ref().map(|(key, old)| (key, &***old));
                context.shadow(&key, old, new, Known::Remembered, &metrics).await
            };
            self.looking = Some((Instant::now(), AbortOnDropHandle::new(tokio::spawn(look))));
        }
        let Some((since, handle)) = &mut self.looking else { return };
        let since = *since;
        // A look that panics is a defect of the host, and says nothing about the version.
        let verdict = handle.await.unwrap_or(Verdict::Later);
        self.looking = None;
        self.take_in(verdict);
        tokio::time::sleep(since.elapsed().min(LONGEST)).await;
    }

    fn take_in(&mut self, verdict: Verdict) {
        let Some((key, tries)) = self.todo.pop_front() else { return };
        let judgement = match verdict {
            Verdict::Gone => {
                self.total = self.total.saturating_sub(1);
                return;
            }
            Verdict::Later if tries + 1 < MOST_TRIES => {
                self.late += 1;
                return self.todo.push_back((key, tries + 1));
            }
            Verdict::Later => Judgement::NotJudged(NotJudged::Moving),
            Verdict::Judged(judgement) => judgement,
        };
        self.late = 0;
        self.summary.add(&self.name(&key), &judgement);
        if let Judgement::NotJudged(why) = judgement {
            self.unknown.push((key, why));
        }
        self.given_up = self.summary.failing >= MOST_FAILURES && self.summary.failing == self.summary.judged;
    }

    fn name(&self, key: &ObjectKey) -> String {
        match (&key.namespace, self.kinds > 1) {
            (_, true) => key.to_string(),
            (Some(namespace), false) => format!("{namespace}/{}", key.name),
            (None, false) => key.name.clone(),
        }
    }
}

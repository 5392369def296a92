//! A pass that does nothing: what another version of a plugin would do with a resource, held against what the serving one
//! does. One view of the resource in, a judgement out. Nothing is written, no server is asked, and what is remembered of
//! the resource stays as it is: the answers of servers are those that the serving version was shown last.

use crate::{
    azure,
    context::{Context, Memory, Served},
    decide::question::{self, NoDecision},
    observe::{self, Look, NotYet, Seen, found},
    serve::Metrics,
    watch::Freshness,
};
use model::{
    Decision, Facts, ObjectKey, check,
    facts::ResourceFacts,
    plan,
    scope::Scopes,
    shadow::{Judgement, NotJudged, Outlook, Planned, judge},
    snapshot::Instant,
};
use std::sync::Arc;

/// How often a version is asked again because it wants to see more.
const MOST_ROUNDS: usize = 5;

/// What came of a look.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It was looked at.
    Judged(Judgement),
    /// Not now: a pass is under way, or the view is not whole yet.
    Later,
    /// There is nothing to judge: it is gone, or nothing is done for it any more.
    Gone,
}

/// What is known of a resource beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// What this host remembers of it; without that it is looked at later.
    Remembered,
    /// Nothing but what the cluster shows.
    Nothing,
}

/// One version's part: its view, and what it says.
struct Side {
    look: Look,
    memory: Memory,
    decided: Result<Arc<Decision>, NoDecision>,
    scopes: Scopes,
}

/// Why a side is not there.
enum NoSide {
    Later,
    Gone,
}

impl Context {
    /// What `new` would do otherwise than `old` with one resource; without `old`, than leaving everything as it is. `old`
    /// knows the resource by a key of its own: it may serve another version of the kind.
    pub async fn shadow(
        &self,
        key: &ObjectKey,
        old: Option<(&ObjectKey, &Served)>,
        new: &Served,
        known: Known,
        metrics: &Metrics,
    ) -> Verdict {
        let Some(object) = self.cache.get(key) else { return Verdict::Gone };
        let known_as = old.map_or(key, |(key, _)| key);
        if [key, known_as].iter().any(|key| self.ledger.fresh(key, &self.cache) != Freshness::Fresh) {
            return Verdict::Later;
        }
        let Some(resource) = found::resource(&object) else { return Verdict::Gone };
        if resource.paused() {
            return Verdict::Judged(Judgement::NotJudged(NotJudged::Paused));
        }
        if resource.deleting && (!resource.has_finalizer() || resource.abandoned()) {
            return Verdict::Gone;
        }
        let memory = || match known {
            Known::Remembered => self.memories.glimpse(known_as, &object.uid),
            Known::Nothing => Some(Memory::of(&object.uid)),
        };
        let (Some(of_old), Some(mut of_new)) = (memory(), memory()) else { return Verdict::Later };
        let now = self.clock.now();
        // It asks for itself.
        of_new.needs = Vec::new();
        let asked = match old {
            Some((key, old)) => self.side(key, old, &resource, of_old, now, metrics).await.map(Some),
            None => Ok(None),
        };
        let asked = match asked {
            Ok(old) => self.side(key, new, &resource, of_new, now, metrics).await.map(|new| (old, new)),
            Err(why) => Err(why),
        };
        let (one, two) = match asked {
            Ok(sides) => sides,
            Err(NoSide::Later) => return Verdict::Later,
            Err(NoSide::Gone) => return Verdict::Gone,
        };
        // Both were shown the same, and it is so still.
        let same = one.as_ref().is_none_or(|one| same_view(&one.look, &two.look));
        if !same || self.cache.get(key).is_none_or(|now| now.resource_version != two.look.resource.resource_version) {
            return Verdict::Later;
        }
        if let Err(NoDecision::Needs(_)) = two.decided {
            return Verdict::Judged(Judgement::NotJudged(NotJudged::NeedsUnending));
        }
        let mut blind = two.blind();
        let before = match (&one, old) {
            (Some(one), Some((_, old))) => {
                blind = blind.or(one.blind());
                self.outlook(one, old, &resource)
            }
            _ => Outlook::AsIs(object.value().get("status").cloned().unwrap_or_default()),
        };
        let after = self.outlook(&two, new, &resource);
        for outlook in [&before, &after] {
            if let Outlook::Plans(planned) = outlook
                && planned.waits_for_backend()
            {
                blind = blind.or(Some(NotJudged::BackendUnknown));
            }
        }
        Verdict::Judged(judge(&before, &after, blind))
    }

    /// observe and decide, as a pass does, on answers that are there already.
    async fn side(
        &self,
        key: &ObjectKey,
        served: &Served,
        resource: &ResourceFacts,
        mut memory: Memory,
        now: Instant,
        metrics: &Metrics,
    ) -> Result<Side, NoSide> {
        let (servers, cloud) = memory.answers.as_deref().cloned().unwrap_or_default();
        let mut round = 0;
        loop {
            let look = match observe::look(key, &self.cache, served, &mut memory, &|kind| self.watches.ensure(kind)) {
                Ok(look) => look.with_answers(servers.clone(), cloud.clone()),
                Err(NotYet::Gone) => return Err(NoSide::Gone),
                Err(NotYet::Listing(_)) => return Err(NoSide::Later),
            };
            round += 1;
            let decided = question::ask(&look, served, &mut memory, now, metrics).await;
            let last = round >= MOST_ROUNDS;
            match &decided {
                Err(NoDecision::Needs(queries)) if !last => {
                    memory.needs.clone_from(queries);
                    continue;
                }
                Ok(decision) if !last => {
                    // What it lays fields over it has to be shown first.
                    let overlaid = plan::overlaid(decision, &Facts::new(resource.clone(), ""));
                    if overlaid != memory.overlaid {
                        memory.overlaid = overlaid;
                        continue;
                    }
                }
                _ => {}
            }
            let scopes = match &decided {
                Ok(decision) => observe::scopes(decision, self.watches.discovery()).await,
                Err(_) => Scopes::default(),
            };
            return Ok(Side { look, memory, decided, scopes });
        }
    }

    /// check: what a pass of this version would go on to do.
    fn outlook(&self, side: &Side, served: &Served, resource: &ResourceFacts) -> Outlook {
        let Side { look, memory, decided, scopes } = side;
        let decision = match decided {
            Ok(decision) => decision,
            Err(why) => return Outlook::undecided(why.word(), &why.to_string()),
        };
        let facts = look.facts(resource.clone(), served, memory, &self.cache, scopes, decision);
        let proposed = plan::propose(&facts, decision);
        match check::check(proposed.clone(), &facts, &served.grants, served.decider.description(), &self.limits) {
            Ok(checked) => Outlook::Plans(Box::new(Planned::new(decision, &proposed, checked))),
            Err(refusal) => Outlook::refused(&refusal),
        }
    }
}

impl Side {
    /// Why what was seen may be less than what there is.
    fn blind(&self) -> Option<NotJudged> {
        let Look { servers, cloud, named, overlaid, .. } = &self.look;
        let silent = servers.values().any(|found| found.seen.is_err())
            || cloud.sights.values().any(|sight| matches!(sight.seen, azure::Seen::Silent(_)));
        let unseen = named.iter().map(|(_, seen)| seen).chain(overlaid.iter().map(|(_, _, seen)| seen));
        let unseen = unseen.into_iter().any(|seen| matches!(seen, Seen::Unknown(_)));
        silent.then_some(NotJudged::BackendUnknown).or(unseen.then_some(NotJudged::Unseen))
    }
}

/// The same resource with the same objects, in the same versions.
fn same_view(one: &Look, two: &Look) -> bool {
    one.resource.resource_version == two.resource.resource_version
        && one.owned.len() == two.owned.len()
        && one
            .owned
            .iter()
            .zip(&two.owned)
            .all(|(one, two)| (&one.key, &one.resource_version) == (&two.key, &two.resource_version))
}

//! One pass over one resource: watch -> observe -> decide -> check -> act -> report.
//!
//! A pass starts from what is observed and never from what an earlier one believed. It may be stopped anywhere: the next
//! one, in this process or another, ends in the same state.

mod around;
mod cloud;
mod early;
mod later;
mod servers;
mod shadow;

use crate::{
    act,
    context::{Context, Memory, Quiet, Served},
    decide::question::{self, NoDecision},
    driver::{Next, Reconciler},
    install::definition::ANNOTATION_ACCOUNT,
    observe::{self, Look, NotYet, servers::has_servers},
    report::{self, Report},
    watch::{Freshness, watches::definitions},
};
use model::{Decision, Kind, ObjectKey, check, facts::ResourceFacts, grant::ServiceAccount, plan, snapshot::Instant};
pub use shadow::{Known, Verdict};
use std::sync::Arc;

/// How often one pass asks again because the plugin wants to see more.
const MOST_ROUNDS: usize = 5;

impl Reconciler for Context {
    async fn reconcile(&self, key: &ObjectKey) -> Next {
        // watch: nothing is decided from a view that is older than what we wrote ourselves (B3).
        let Some(resource) = self.cache.get(key) else { return self.forget(key) };
        if self.ledger.fresh(key, &self.cache) != Freshness::Fresh {
            return Next::WaitForCache;
        }
        let served = match self.plugins.deciding(&resource) {
            Some(served) => served,
            // Its teardown goes on without a plugin; nothing else does.
            None if resource.is_deleting() => Arc::new(Served::missing(self.account_of(&key.kind).await)),
            None => return Next::Parked,
        };
        let (span, plugin) = (tracing::Span::current(), served.decider.description());
        span.record("plugin", plugin.name.as_str());
        span.record("version", plugin.version.as_str());
        let mut memory = self.memories.take(key, &resource.uid);
        let next = self.acting_as(served.acting()).pass(key, &served, &mut memory).await;
        self.memories.keep(key, memory);
        next
    }
}

/// A look, and what the plugin said about it.
struct Asked {
    look: Look,
    resource: ResourceFacts,
    decided: Result<Arc<Decision>, NoDecision>,
}

impl Context {
    /// The account that the plugin of a kind had when the host installed its definition.
    async fn account_of(&self, kind: &Kind) -> Option<ServiceAccount> {
        let resource = self.watches.discovery().resolve(kind).await.ok()??;
        let key =
            ObjectKey { kind: definitions(), namespace: None, name: format!("{}.{}", resource.plural, kind.group) };
        let definition = self.cache.get(&key)?;
        ServiceAccount::parse(definition.annotations.get(ANNOTATION_ACCOUNT)?).ok()
    }

    async fn pass(&self, key: &ObjectKey, served: &Served, memory: &mut Memory) -> Next {
        let now = self.clock.now();
        let Asked { look, resource, decided } = match self.ask(key, served, memory, now).await {
            Ok(asked) => asked,
            Err(next) => return next,
        };
        let (decision, teardown) = match decided {
            Ok(decision) => (decision, None),
            Err(why) => match self.teardown_without_plugin(&look, &resource, &why) {
                Some(reason) => (Arc::new(Decision::default()), Some(reason)),
                None => return self.no_decision(&look, &resource, memory, why).await,
            },
        };

        // check: as a whole, or not at all.
        let scopes = observe::scopes(&decision, self.watches.discovery()).await;
        let facts = look.facts(resource, served, memory, &self.cache, &scopes, &decision);
        if self.note_strangers(&look, served, &facts, &decision, memory) {
            return later::again();
        }
        let checked = tracing::debug_span!("check").in_scope(|| {
            if teardown.is_some() {
                return plan::teardown(&facts, &self.limits);
            }
            let proposed = plan::propose(&facts, &decision);
            check::check(proposed, &facts, &served.grants, served.decider.description(), &self.limits)
        });
        let checked = match checked {
            Ok(checked) => checked,
            Err(refusal) => return self.refused(&look, served, memory, refusal).await,
        };

        // act: what will exist is written down first.
        if checked.finished() {
            return self.let_go(&facts.resource).await;
        }
        let version = match act::record(&self.actor, &checked, &facts.resource).await {
            Ok(written) => written.unwrap_or_else(|| look.resource.resource_version.clone()),
            Err(error) => return self.not_recorded(&look, memory, error).await,
        };
        let hands = self.hands(&look, served, memory, &checked, version.clone()).await;
        let still_wanted = || self.still_wanted(&look);
        let acted = self.actor.act(checked, &facts.resource, &hands, &mut memory.past, now, still_wanted).await;
        let (cloud_wake, audit) = self.end_cloud(hands.cloud, &look, memory, &facts.resource).await;
        let mended = memory.learn(&acted.plan);

        let servers = has_servers(&decision);

        // report: only what differs from what is told already.
        let report = Report {
            resource: &look.resource,
            decision: Some(&decision).filter(|_| teardown.is_none()).map(|decision| &**decision),
            outcome: later::outcome(&acted, facts.resource.deleting, servers),
            version: servers.then_some(version),
            teardown,
            news: report::news_of(&acted.plan, &decision)
                .into_iter()
                .chain(audit)
                .chain(later::refusals(&look))
                .collect(),
        };
        let told = report::report(self, memory, report).await;
        let wake = later::wake(&look, decision.wake.into_iter().chain(cloud_wake).min(), self.clock.now());
        let quiet = Quiet { identity: look.identity, until: wake };
        memory.rest(later::is_quiet(&look, &acted, &told).then_some(quiet), &look.resource);
        match later::next(&acted, told, wake, servers, self.clock.now()) {
            Next::Done { .. } if mended => later::again(),
            next => next,
        }
    }

    /// observe and decide: again, as long as the plugin wants to see more. The error is the end of a pass that has
    /// nothing to decide.
    async fn ask(&self, key: &ObjectKey, served: &Served, memory: &mut Memory, now: Instant) -> Result<Asked, Next> {
        let mut round = 0;
        let (mut asked, mut seen) = (None, None);
        loop {
            let look = match observe::look(key, &self.cache, served, memory, &|kind| self.watches.ensure(kind)) {
                Ok(look) => look,
                Err(NotYet::Gone) => return Err(self.forget(key)),
                Err(NotYet::Listing(_)) => return Err(Next::WaitForCache),
            };
            if let Some(until) = memory.still_quiet(look.identity, now) {
                self.metrics.memo_hit(served.decider.name());
                return Err(self.rest(until));
            }
            self.depend(&look, served, memory);
            let Some(resource) = observe::found::resource(&look.resource) else { return Err(Next::Parked) };
            if let Some(next) = self.without_asking(&look, &resource, memory).await {
                return Err(next);
            }
            if let Err(refusal) = check::namespace(key, &served.grants, &served.decider.description().name) {
                return Err(self.refused(&look, served, memory, refusal).await);
            }
            let servers = match &asked {
                Some(servers) => Arc::clone(servers),
                None => self.ask_known_servers(&look, served, memory).await,
            };
            let cloud = match &seen {
                Some(cloud) => Arc::clone(cloud),
                None => self.ask_known_cloud(&look, served, memory).await,
            };
            let look = look.with_answers(servers.clone(), cloud.clone());
            let any = !servers.is_empty() || !cloud.sights.is_empty();
            memory.answers = any.then(|| Arc::new((servers.clone(), cloud.clone())));
            round += 1;
            // Servers take their time to answer.
            match question::ask(&look, served, memory, self.clock.now().max(now), &self.metrics).await {
                Err(NoDecision::Needs(queries)) if round < MOST_ROUNDS => {
                    if let Err(refusal) = check::reads(&queries, key, &served.grants) {
                        return Err(self.refused(&look, served, memory, refusal).await);
                    }
                    memory.needs = queries;
                }
                Ok(decision) if round < MOST_ROUNDS => {
                    let more = self.ask_new_servers(&look, served, &decision, memory, &servers).await;
                    let beyond = self.ask_new_cloud(&look, served, &decision, memory, &cloud).await;
                    if more.is_none() && beyond.is_none() {
                        return Ok(Asked { look, resource, decided: Ok(decision) });
                    }
                    (asked, seen) = (more.or(Some(servers)), beyond.or(Some(cloud)));
                    continue;
                }
                decided => return Ok(Asked { look, resource, decided }),
            }
            (asked, seen) = (Some(servers), Some(cloud));
        }
    }

    /// The resource is still the one that was decided for, and nobody deleted or paused it meanwhile (I1).
    fn still_wanted(&self, look: &Look) -> bool {
        self.cache.get(&look.resource.key).is_some_and(|now| {
            now.uid == look.resource.uid
                && now.is_deleting() == look.resource.is_deleting()
                && now.generation == look.resource.generation
        })
    }
}

//! One question to a plugin about one look, with everything that may stand between it and an answer. A look in; a
//! decision, or the one reason for none, out.

use super::{
    decider::Breakdown,
    flapping::{Circumstances, Flap},
};
use crate::{
    context::{Memory, Served},
    observe::Look,
    serve::Metrics,
};
use model::{Decision, Fault, FieldError, description::RelatedQuery, snapshot::Instant};
use std::{
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

/// Why there is no decision. Nothing is changed or deleted.
#[derive(Clone, Debug, PartialEq)]
pub enum NoDecision {
    /// The resource is wrong; not asked again until it changes.
    Invalid(Vec<FieldError>),
    /// The plugin asks for a pause.
    Later(String),
    /// The plugin must see these first.
    Needs(Vec<RelatedQuery>),
    /// The plugin found itself in the wrong.
    Broken(String),
    /// The call gave no answer.
    Breakdown(Breakdown),
    /// The plugin keeps changing its mind about an item (G8).
    Flapping(Flap),
}

impl NoDecision {
    /// A stable word, for metrics.
    pub fn word(&self) -> &'static str {
        match self {
            NoDecision::Invalid(_) => "Invalid",
            NoDecision::Later(_) => "PluginRetries",
            NoDecision::Needs(_) => "NeedsMore",
            NoDecision::Broken(_) => "PluginBroken",
            NoDecision::Breakdown(breakdown) => breakdown.reason,
            NoDecision::Flapping(_) => "DecisionFlapping",
        }
    }
}

impl fmt::Display for NoDecision {
    /// Bounded where it is shown; without values of secrets, which plugins never see.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoDecision::Invalid(errors) => {
                let errors: Vec<String> = errors.iter().take(5).map(ToString::to_string).collect();
                f.write_str(&errors.join("; "))
            }
            NoDecision::Later(why) | NoDecision::Broken(why) => f.write_str(why),
            NoDecision::Needs(queries) => {
                let names: Vec<&str> = queries.iter().take(5).map(|query| query.name.as_str()).collect();
                write!(f, "asks to see {}", names.join(", "))
            }
            NoDecision::Breakdown(breakdown) => breakdown.fmt(f),
            NoDecision::Flapping(item) => write!(f, "keeps changing item {item}"),
        }
    }
}

/// Asks the plugin, unless it was asked about the same before and its answer still holds.
#[tracing::instrument(name = "decide", level = "debug", skip_all)]
pub async fn ask(
    look: &Look,
    served: &Served,
    memory: &mut Memory,
    now: Instant,
    metrics: &Metrics,
) -> Result<Arc<Decision>, NoDecision> {
    let plugin = served.decider.name();
    if let Some((identity, decision)) = &memory.decided
        && *identity == look.question
        && decision.wake.is_none_or(|wake| now < wake)
    {
        metrics.memo_hit(plugin);
        return Ok(decision.clone());
    }
    memory.decided = None;
    let decided = decide(look, served, memory, now).await;
    metrics.decision(plugin, decided.as_ref().map_or_else(NoDecision::word, |_| "decided"));
    decided
}

async fn decide(look: &Look, served: &Served, memory: &mut Memory, now: Instant) -> Result<Arc<Decision>, NoDecision> {
    let fresh = validate(look, served, memory).await?;
    let snapshot = look.snapshot(served, memory, now);
    // The first decision for a new wish is asked for twice: where the answers differ, nothing is done.
    let answer =
        if fresh { served.decider.decide_twice(&snapshot).await } else { served.decider.decide(&snapshot).await };
    if answer.is_err() {
        // What gave no answer was not accepted: it is asked about with the same care again.
        memory.accepted = None;
    }
    let decision = match answer.map_err(NoDecision::Breakdown)? {
        Ok(decision) => Arc::new(decision),
        Err(Fault::Invalid(errors)) => return Err(NoDecision::Invalid(errors)),
        Err(Fault::Retry(why)) => return Err(NoDecision::Later(why)),
        Err(Fault::Needs(queries)) => return Err(NoDecision::Needs(queries)),
        Err(Fault::Broken(why)) => return Err(NoDecision::Broken(why)),
    };
    if let Some(flap) = memory.flapping.note(circumstances(look, served), &decision, |item| look.object_of(item), now) {
        return Err(NoDecision::Flapping(flap));
    }
    memory.decided = Some((look.question, decision.clone()));
    Ok(decision)
}

/// Has a resource accepted that is new or has a new generation, or a new plugin. Answers whether it was one.
async fn validate(look: &Look, served: &Served, memory: &mut Memory) -> Result<bool, NoDecision> {
    let resource = &look.resource;
    let old = memory.accepted.as_ref().map(|(_, _, old)| old);
    let known = memory.accepted.as_ref().is_some_and(|(generation, plugin, _)| {
        *generation == resource.generation && *plugin == served.identity && resource.generation != 0
    });
    // What is being deleted is not judged any more.
    if !known && !resource.is_deleting() {
        let errors = served.decider.validate(old, &resource.json).await.map_err(NoDecision::Breakdown)?;
        if !errors.is_empty() {
            return Err(NoDecision::Invalid(errors));
        }
    }
    // The newest document of an accepted generation, which the cache holds anyway.
    memory.accepted = Some((resource.generation, served.identity, resource.json.clone()));
    Ok(!known)
}

/// What may change a decision without it being the plugin's whim: everything that people can say about a resource, and
/// what of its things in Azure gave no answer.
fn circumstances(look: &Look, served: &Served) -> Circumstances {
    let mut hasher = DefaultHasher::new();
    served.identity.hash(&mut hasher);
    (&look.resource.uid, look.resource.generation, look.resource.is_deleting()).hash(&mut hasher);
    for answer in &look.related {
        answer.objects.iter().for_each(|object| (&object.uid, object.content).hash(&mut hasher));
    }
    let mut unanswered = DefaultHasher::new();
    look.cloud.unanswered().for_each(|what| what.hash(&mut unanswered));
    Circumstances { wish: hasher.finish(), unanswered: unanswered.finish() }
}

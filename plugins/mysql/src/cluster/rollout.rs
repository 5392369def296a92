//! How many pods there should be and which of them may get a new template. In: a view. Out: `replicas` and `partition` of
//! the StatefulSet, and whether the primary must move first. Pods go one at a time, from the highest ordinal down, the
//! primary's last of all, each only while all others are in order.

use super::state::State;
use super::view::View;

/// Milliseconds after which a server with an old template that does not work is not waited for any more.
const BROKEN_FOR: u64 = 60_000;

/// What the StatefulSet should be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rollout {
    /// Pods.
    pub replicas: u32,
    /// Pods with lower ordinals keep their template.
    pub partition: u32,
    /// The primary's pod is next, so another server has to be the primary first.
    pub primary_next: bool,
    /// What is going on.
    pub step: Step,
}

/// What an update of the pods waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Every pod has the wanted template.
    Done,
    /// This ordinal gets it now.
    Updating(u32),
    /// This ordinal is next, and waits for the cluster to be in order.
    Waiting(u32),
    /// The wanted release series is older than that of a server, or more than one series newer: nothing is done.
    Refused,
}

/// What the StatefulSet should be told now.
pub fn rollout(view: &View<'_>, state: State) -> Rollout {
    let replicas = replicas(view, state);
    let Some(live) = &view.facts.set else {
        return Rollout { replicas, partition: 0, primary_next: false, step: Step::Done };
    };
    let pods = live.replicas.max(view.facts.wanted);
    let hold = |partition: u32, step: Step| Rollout { replicas, partition, primary_next: false, step };
    if refused(view) {
        return hold(pods, Step::Refused);
    }
    let old = |i: &u32| view.facts.pod(*i).is_some_and(|pod| !pod.updated);
    let waiting = (0..pods).rev().find(old);
    let Some(next) = waiting else {
        // Nothing moves with a template that is not there yet.
        return hold(if live.current { 0 } else { pods }, if live.current { Step::Done } else { Step::Waiting(pods) });
    };
    if state == State::Offline || nothing_runs(view) {
        return hold(0, Step::Updating(next));
    }
    if !live.current {
        return hold(pods, Step::Waiting(next));
    }
    // What was let go already is not called back: its pod may be on the way.
    if live.partition <= next && view.facts.pod(next).is_some_and(|pod| pod.deleting) {
        return hold(next, Step::Updating(next));
    }
    let others_in_order = match view.record.primary {
        None => false,
        Some(primary) => {
            state.available()
                && view.record.operation.is_none()
                && view.record.reseed.is_none()
                && (0..view.facts.wanted)
                    .all(|i| i == next || i == primary || view.good_replica(i).is_some() || broken(view, i))
        }
    };
    if view.is_primary(next) && view.facts.wanted > 1 {
        let partition = next.saturating_add(1);
        return Rollout { replicas, partition, primary_next: others_in_order, step: Step::Waiting(next) };
    }
    // A single server, or one that does not work as it is, has nothing to wait for.
    if others_in_order || view.facts.wanted == 1 {
        hold(next, Step::Updating(next))
    } else {
        hold(next.saturating_add(1), Step::Waiting(next))
    }
}

/// It has not worked for a while with the template that it has, so a new one may be what it needs.
fn broken(view: &View<'_>, ordinal: u32) -> bool {
    let old = view.facts.pod(ordinal).is_some_and(|pod| !pod.updated && !pod.ready);
    old && view.down_since(ordinal).is_some_and(|(since, _)| view.facts.now.saturating_sub(since) >= BROKEN_FOR)
}

/// No pod is ready and no server answers: waiting for order would be waiting for ever.
fn nothing_runs(view: &View<'_>) -> bool {
    let mut pods = view.facts.servers.values().filter_map(|server| server.pod.as_ref()).peekable();
    pods.peek().is_some()
        && pods.all(|pod| !pod.ready)
        && view.facts.all_up().next().is_none()
        && view.facts.servers.keys().all(|i| view.down_since(*i).is_some())
}

/// A server's data would have to go back, or over more than one series: no server can do that.
fn refused(view: &View<'_>) -> bool {
    let wanted = view.facts.policy.series;
    view.facts.all_up().filter_map(|(_, server)| server.series).any(|series| wanted < series || wanted > series + 1)
}

/// Pods. More at once, fewer only when nothing depends on those that go.
fn replicas(view: &View<'_>, state: State) -> u32 {
    let wanted = view.facts.wanted;
    if state == State::Offline {
        return 0;
    }
    let Some(live) = &view.facts.set else { return wanted };
    if wanted >= live.replicas {
        return wanted;
    }
    let safe = match view.record.primary {
        // Nothing is known: a server that goes may be the one with the data.
        None => false,
        Some(primary) => {
            primary < wanted
                && state.available()
                && !view.record.operation.as_ref().is_some_and(|o| o.closes())
                && view.record.durability.acks <= view.facts.target_acks()
                && !view.record.durability.members.iter().any(|i| *i >= wanted)
        }
    };
    if safe { wanted } else { live.replicas }
}

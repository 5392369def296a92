//! The status of a StatefulSet. In: the set, its pods, its revisions, the time. Out: the status. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetStatus};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;

use super::identity;
use crate::controllers::pods;

/// The counts, and which revision is the current one after them; and when a pod becomes available without an event.
pub(crate) fn status(
    set: &StatefulSet,
    pods_by_ordinal: &BTreeMap<i32, Arc<Pod>>,
    current: &str,
    update: &str,
    collisions: Option<i32>,
    now: Timestamp,
) -> (StatefulSetStatus, Option<Duration>) {
    let spec = identity::spec(set);
    let (mut replicas, mut ready, mut available, mut at_current, mut at_update) = (0, 0, 0, 0, 0);
    let mut wake: Option<Duration> = None;
    for pod in pods_by_ordinal.values() {
        replicas += 1;
        if pods::is_running_and_ready(pod) {
            ready += 1;
            match pods::until_available(pod, spec.min_ready_seconds.unwrap_or(0), now) {
                Some(left) if left.is_zero() => available += 1,
                Some(left) => wake = Some(wake.map_or(left, |w| w.min(left))),
                None => {}
            }
        }
        if !pods::is_terminating(pod) {
            at_current += i32::from(identity::revision(pod) == current);
            at_update += i32::from(identity::revision(pod) == update);
        }
    }
    let wanted = spec.replicas.unwrap_or(1);
    let rolling = spec.update_strategy.as_ref().and_then(|s| s.type_.as_deref()) != Some("OnDelete");
    let complete = rolling && at_update == wanted && ready == wanted && replicas == wanted;
    let (current, at_current) = if complete { (update, at_update) } else { (current, at_current) };
    let status = StatefulSetStatus {
        available_replicas: Some(available),
        collision_count: Some(collisions.unwrap_or(0)),
        conditions: set.status.as_ref().and_then(|s| s.conditions.clone()),
        current_replicas: some_unless_zero(at_current),
        current_revision: Some(current.to_owned()),
        observed_generation: set.metadata.generation,
        ready_replicas: some_unless_zero(ready),
        replicas,
        update_revision: Some(update.to_owned()),
        updated_replicas: some_unless_zero(at_update),
    };
    (status, wake)
}

/// These counts are `omitempty` in the API: zero reads back as absent, and writing it would never settle.
fn some_unless_zero(count: i32) -> Option<i32> {
    (count != 0).then_some(count)
}

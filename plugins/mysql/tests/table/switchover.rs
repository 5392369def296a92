//! When another server takes over by plan, and which.

use crate::support::stage::{Stage, request};
use mysql::cluster::record::{Cause, Kind, Phase};

#[test]
fn a_healthy_or_degraded_cluster_switches_over_when_that_is_asked_for() {
    for down in [None, Some(4)] {
        let mut stage = Stage::healthy(5);
        if let Some(i) = down {
            stage.down(i);
        }
        stage.facts.requests.switchover = request(None);
        let verdict = stage.judge();
        let begun = verdict.next.operation.unwrap();
        assert_eq!((begun.kind, begun.phase, begun.target), (Kind::Switchover, Phase::Freeze, Some(1)));
    }
}

#[test]
fn no_switchover_onto_a_server_that_is_far_behind() {
    let mut stage = Stage::healthy(3);
    stage.facts.requests.switchover = request(None);
    stage.channel(1).lag = Some(120_000);
    stage.channel(2).lag = Some(90_000);
    let verdict = stage.judge();
    assert!(verdict.next.operation.is_none() && verdict.due.is_some());
}

#[test]
fn a_switchover_to_a_server_that_is_not_wanted_is_none_and_holds_up_no_update() {
    let mut stage = Stage::healthy(3);
    stage.facts.requests.switchover = request(Some(7));
    let verdict = stage.judge();
    assert!(verdict.due.is_none() && verdict.next.operation.is_none());
    stage.facts.requests.switchover = request(Some(2));
    stage.channel(2).lag = Some(90_000);
    stage.pod(0).updated = false;
    let begun = stage.judge().next.operation.unwrap();
    assert_eq!((begun.cause, begun.target), (Cause::Update, Some(1)));
}

#[test]
fn hole_the_replica_that_is_least_behind_takes_over_and_the_lowest_of_equals() {
    let mut stage = Stage::healthy(4);
    stage.facts.requests.switchover = request(None);
    stage.channel(1).lag = Some(800);
    assert_eq!(stage.judge().next.operation.unwrap().target, Some(2));
    stage.channel(1).lag = Some(0);
    assert_eq!(stage.judge().next.operation.unwrap().target, Some(1));
}

#[test]
fn hole_candidates_have_ready_pods() {
    let mut stage = Stage::healthy(3);
    stage.facts.requests.switchover = request(Some(1));
    stage.pod(1).ready = false;
    assert!(stage.judge().next.operation.is_none());
}

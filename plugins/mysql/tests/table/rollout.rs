//! In which order pods get a new template.

use crate::support::stage::Stage;
use mysql::cluster::facts::LiveSet;
use mysql::cluster::record::{Cause, Kind};
use mysql::cluster::rollout::Step;

#[test]
fn pods_are_updated_from_the_highest_down_and_the_primary_s_last_after_a_switchover() {
    let mut stage = Stage::healthy(3);
    stage.facts.set = Some(LiveSet { replicas: 3, partition: 0, current: false });
    for i in 0..3 {
        stage.pod(i).updated = false;
    }
    assert_eq!(stage.judge().rollout.partition, 3);
    stage.facts.set = Some(LiveSet { replicas: 3, partition: 3, current: true });
    assert_eq!(stage.judge().rollout.partition, 2);
    stage.pod(2).updated = true;
    stage.pod(2).ready = false;
    assert_eq!(stage.judge().rollout.partition, 2, "the next waits until this one is in order");
    stage.pod(2).ready = true;
    assert_eq!(stage.judge().rollout.partition, 1);
    stage.pod(1).updated = true;
    let verdict = stage.judge();
    assert_eq!(verdict.rollout.partition, 1);
    let begun = verdict.next.operation.unwrap();
    assert_eq!((begun.kind, begun.cause, begun.target), (Kind::Switchover, Cause::Update, Some(1)));
}

#[test]
fn servers_never_go_back_to_an_older_series_and_skip_none() {
    for series in [0, 3] {
        let mut stage = Stage::healthy(3);
        stage.facts.policy.series = series;
        for i in 0..3 {
            stage.pod(i).updated = false;
        }
        let rollout = stage.judge().rollout;
        assert_eq!((rollout.partition, rollout.step), (3, Step::Refused));
    }
}

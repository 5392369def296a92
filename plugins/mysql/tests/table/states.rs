//! The rows of the table: one state for each, the first that matches.

use crate::support::stage::{Stage, be, fresh, own, replicate, role, told, writable};
use mysql::cluster::record::{Cause, Kind, Phase};
use mysql::cluster::state::State;
use mysql::cluster::wish::{Replicate, Wish};

#[test]
fn row_0_a_missing_pod_counts_as_a_server_that_does_not_answer() {
    let mut stage = Stage::healthy(3);
    assert_eq!(stage.missing(2, 60_000).judge().state, State::Degraded);
    let mut stage = Stage::healthy(3);
    assert_eq!(stage.missing(0, 60_000).judge().state, State::Failed);
}

#[test]
fn row_1_offline_runs_nothing_and_changes_nothing_on_servers() {
    let mut stage = Stage::healthy(3);
    stage.facts.offline = true;
    let verdict = stage.judge();
    assert_eq!((verdict.state, verdict.rollout.replicas), (State::Offline, 0));
    assert_eq!(be(&verdict, 1).replicate, Replicate::AsIs);
    assert!(verdict.next.operation.is_none() && verdict.next.primary == Some(0));
}

#[test]
fn row_2_cloning_is_a_primary_that_takes_writes_while_acknowledging_servers_are_being_made() {
    let mut stage = Stage::healthy(1);
    stage.facts.wanted = 3;
    stage.set(1, fresh(1)).set(2, fresh(2));
    assert_eq!(stage.pass(250).state, State::Degraded);
    let verdict = stage.judge();
    assert_eq!((verdict.state, writable(&verdict)), (State::Cloning, vec![0]));
    assert!(be(&verdict, 1).reseed.is_some() && be(&verdict, 2).reseed.is_none());
}

#[test]
fn row_3_a_restore_opens_nothing() {
    let mut stage = Stage::healthy(3);
    stage.facts.restoring = true;
    stage.server(0).writable = false;
    let verdict = stage.judge();
    assert_eq!((verdict.state, writable(&verdict)), (State::Restoring, Vec::new()));
}

#[test]
fn row_4_healthy_for_any_number_of_servers_and_nothing_to_do() {
    for replicas in [1, 2, 3, 4, 5, 6, 7, 9] {
        let stage = Stage::healthy(replicas);
        let verdict = stage.judge();
        assert_eq!(verdict.state, State::Healthy, "{replicas}");
        assert_eq!((writable(&verdict), &verdict.next, told(&verdict)), (vec![0], &stage.record, vec![]), "{replicas}");
        assert_eq!(be(&verdict, 0).acks, Some(replicas / 2).filter(|acks| *acks > 0));
        for i in 1..replicas {
            assert_eq!((replicate(&verdict, i), role(&verdict, i)), (Replicate::From(0), Some("replica")));
        }
    }
}

#[test]
fn row_5_degraded_while_enough_servers_acknowledge() {
    for (replicas, down) in [(3, vec![2]), (5, vec![1]), (5, vec![3, 4]), (4, vec![1])] {
        let mut stage = Stage::healthy(replicas);
        for i in &down {
            stage.down(*i);
        }
        let verdict = stage.judge();
        assert_eq!((verdict.state, writable(&verdict)), (State::Degraded, vec![0]), "{replicas} {down:?}");
    }
}

#[test]
fn row_6_failed_when_enough_replicas_answer_to_know_every_acknowledged_write() {
    // (servers, replicas that are down as well): failed needs N - N/2 of N - 1.
    for (replicas, down) in [(2, 0), (3, 0), (4, 0), (4, 1), (5, 0), (5, 1), (7, 2)] {
        let mut stage = Stage::healthy(replicas);
        stage.down(0);
        for i in 1..=down {
            stage.down(i);
        }
        let verdict = stage.judge();
        assert_eq!(verdict.state, State::Failed, "{replicas} {down}");
        let begun = verdict.next.operation.clone().unwrap();
        assert_eq!((begun.kind, begun.phase, begun.cause), (Kind::Failover, Phase::Fence, Cause::PrimaryDown));
        assert_eq!((writable(&verdict), verdict.next.primary), (vec![], Some(0)));
    }
}

#[test]
fn row_7_lost_when_too_few_answer_and_nothing_is_done() {
    for (replicas, down) in [(1, 0), (2, 1), (3, 1), (4, 2), (5, 2), (7, 3)] {
        let mut stage = Stage::healthy(replicas);
        stage.down(0);
        for i in 1..=down {
            stage.down(i);
        }
        let verdict = stage.judge();
        assert_eq!((verdict.state, verdict.next.operation.is_none()), (State::Lost, true), "{replicas} {down}");
        assert_eq!(writable(&verdict), Vec::<u32>::new());
        assert!(verdict.wishes.values().all(|wish| !matches!(wish, Wish::Be(be) if be.reseed.is_some())));
    }
}

#[test]
fn row_8_incomplete_is_on_the_way_and_configured() {
    let mut stage = Stage::healthy(3);
    let server = stage.server(0);
    (server.writable, server.super_read_only, server.acks) = (false, true, None);
    // What it has is written down first, then it is opened.
    let verdict = stage.pass(250);
    assert_eq!((verdict.state, writable(&verdict)), (State::Incomplete, Vec::new()));
    assert_eq!(stage.record.durability.barrier, own(0, 100));
    let verdict = stage.judge();
    assert_eq!((verdict.state, writable(&verdict), be(&verdict, 0).acks), (State::Incomplete, vec![0], Some(1)));
}

//! When a primary is replaced, by whom, and what is looked at before.

use crate::support::stage::{NOW, Stage, be, operation, own, replicate, role, writable};
use mysql::cluster::facts::Receiver;
use mysql::cluster::record::{Cause, Kind, Operation, Phase};
use mysql::cluster::state::State;
use mysql::cluster::wish::Replicate;
use windlass_sdk::gtid::GtidSet;

#[test]
fn hole_a_missing_pod_does_not_stop_a_failover() {
    let mut stage = Stage::healthy(5);
    stage.down(0).missing(4, 60_000);
    assert_eq!(stage.judge().state, State::Failed);
}

#[test]
fn hole_a_primary_that_answers_and_cannot_commit_is_a_failed_one() {
    // Sessions that wait for acknowledgements are given three seconds; those that wait for the disk, five.
    for (waiting, patience) in [(2, 3_000), (0, 5_000)] {
        let mut stage = Stage::healthy(3);
        stage.server(0).waiting = waiting;
        stage.server(0).stalled_since = Some(NOW - patience + 100);
        assert_ne!(stage.judge().state, State::Failed);
        stage.server(0).stalled_since = Some(NOW - patience);
        let verdict = stage.pass(250);
        assert_eq!(verdict.state, State::Failed);
        assert_eq!(verdict.next.operation.unwrap().cause, Cause::PrimaryStalled);
        // It is fenced like the others, and goes on owing its acknowledgements.
        let verdict = stage.judge();
        assert_eq!((be(&verdict, 0).writable, be(&verdict, 0).acks), (false, Some(1)));
    }
}

#[test]
fn a_stalled_primary_is_not_replaced_at_once_where_moving_on_did_not_help() {
    let mut stage = Stage::healthy(3);
    stage.server(0).stalled_since = Some(NOW - 9_000);
    stage.record.last_stall = NOW - 10_000;
    assert_ne!(stage.judge().state, State::Failed);
    stage.record.last_stall = NOW - 60_000;
    assert_eq!(stage.judge().state, State::Failed);
}

#[test]
fn only_a_failover_for_a_stall_puts_off_the_next_one() {
    for (cause, since) in [(Cause::PrimaryStalled, NOW), (Cause::PrimaryDown, 0)] {
        let mut stage = Stage::healthy(3);
        stage.down(0).fenced();
        let under_way = operation(Kind::Failover, Phase::Drain, Some(1)).unwrap();
        stage.record.operation = Some(Operation { cause, ..under_way });
        let next = stage.judge().next;
        assert_eq!((next.primary, next.last_stall), (Some(1), since), "{cause:?}");
    }
}

#[test]
fn hole_nothing_waits_inside_of_a_pass() {
    // Draining takes as many passes as it takes.
    let mut stage = Stage::healthy(3);
    stage.down(0).fenced();
    stage.channel(1).received = own(0, 120);
    stage.record.operation = operation(Kind::Failover, Phase::Elect, None);
    stage.pass(250);
    for _ in 0..5 {
        let verdict = stage.pass(250);
        assert_eq!((verdict.next.primary, verdict.next.operation.unwrap().phase), (Some(0), Phase::Drain));
    }
    stage.server(1).executed = own(0, 120);
    assert_eq!(stage.pass(250).next.primary, Some(1));
}

#[test]
fn hole_an_old_primary_that_hangs_is_no_witness_and_has_no_readers() {
    let mut stage = Stage::healthy(3);
    stage.server(2).waiting = 3;
    stage.server(2).acks = Some(1);
    let verdict = stage.judge();
    assert_eq!((role(&verdict, 2), be(&verdict, 2).acks), (Some("none"), Some(1)));
    stage.down(0);
    assert_eq!(stage.judge().state, State::Lost);
}

#[test]
fn hole_received_sets_that_are_empty_after_an_earlier_failover_do_not_block_one() {
    let mut stage = Stage::healthy(3);
    stage.down(0).fenced();
    stage.channel(1).received = GtidSet::default();
    stage.channel(2).received = GtidSet::default();
    stage.record.operation = operation(Kind::Failover, Phase::Elect, None);
    assert_eq!(stage.judge().next.operation.unwrap().target, Some(1));
}

#[test]
fn hole_what_a_replica_received_and_acknowledged_survives_a_new_address_of_the_primary() {
    let mut stage = Stage::healthy(3);
    // The primary's pod is another, so the channel names an address of nobody; 30 acknowledged writes are not applied.
    let server = stage.server(0);
    (server.writable, server.super_read_only) = (false, true);
    stage.server(1).executed = own(0, 70);
    (stage.channel(1).from, stage.channel(1).receiver, stage.channel(1).applying) = (None, Receiver::Stopped, false);
    stage.channel(2).from = None;
    let verdict = stage.pass(250);
    assert_eq!((replicate(&verdict, 1), replicate(&verdict, 2)), (Replicate::Fenced, Replicate::From(0)));
    // Applied, it follows. And whoever is behind cannot be the next primary.
    stage.server(1).executed = own(0, 100);
    assert_eq!(replicate(&stage.judge(), 1), Replicate::From(0));
    assert_eq!(stage.record.durability.barrier, own(0, 100));
    // What the primary does not have is given up: it was acknowledged by nobody.
    stage.channel(1).received = own(0, 100).union(&own(7, 1));
    assert_eq!(replicate(&stage.judge(), 1), Replicate::From(0));
}

/// db-1 was chosen in place of db-0, and is not open yet.
fn chosen() -> Stage {
    let mut stage = Stage::healthy(3);
    stage.down(0).fenced();
    stage.record.operation = operation(Kind::Failover, Phase::Drain, Some(1));
    stage.pass(250);
    assert_eq!(stage.record.primary, Some(1));
    stage.record.durability.barrier = own(0, 100);
    stage
}

#[test]
fn a_server_that_receives_from_the_old_primary_again_is_seen_before_the_new_one_opens() {
    let mut stage = chosen();
    assert_eq!(writable(&stage.judge()), [1]);
    // Another host, which saw the status as it was, has had it follow the old primary once more.
    stage.channel(2).receiver = Receiver::Running;
    stage.channel(2).received = own(0, 105);
    let verdict = stage.pass(250);
    assert_eq!((writable(&verdict), replicate(&verdict, 2)), (vec![], Replicate::Fenced));
    let again = stage.record.operation.clone().unwrap();
    assert_eq!((again.phase, again.attempt), (Phase::Fence, 2));
    // What it was given meanwhile counts: it has more than the one that was chosen before.
    stage.channel(2).receiver = Receiver::Stopped;
    stage.pass(250);
    stage.pass(250);
    assert_eq!(stage.record.operation.clone().unwrap().target, Some(2));
    stage.server(2).executed = own(0, 105);
    stage.pass(250);
    assert_eq!((stage.record.primary, writable(&stage.judge())), (Some(2), vec![2]));
}

#[test]
fn one_that_was_chosen_and_not_opened_can_be_chosen_again() {
    let mut stage = chosen();
    stage.channel(1).received = own(0, 110);
    stage.server(1).executed = own(0, 110);
    stage.channel(2).receiver = Receiver::Connecting;
    stage.pass(250);
    stage.channel(2).receiver = Receiver::Stopped;
    for _ in 0..3 {
        assert!(writable(&stage.pass(250)).is_empty());
    }
    assert_eq!((stage.record.primary, writable(&stage.judge())), (Some(1), vec![1]));
}

#[test]
fn the_promise_is_not_lowered_before_the_new_primary_is_open() {
    let mut stage = chosen();
    stage.facts.wanted = 1;
    assert_eq!(stage.pass(250).next.durability.acks, 1);
    let primary = stage.server(1);
    (primary.writable, primary.super_read_only, primary.acks) = (true, false, Some(1));
    assert_eq!(stage.pass(250).next.durability.acks, 0);
}

#[test]
fn a_replica_of_the_new_primary_does_not_keep_it_closed() {
    let mut stage = chosen();
    stage.channel(2).receiver = Receiver::Connecting;
    stage.channel(2).from = Some(1);
    assert_eq!(writable(&stage.judge()), [1]);
}

#[test]
fn a_recovery_is_made_anew_when_a_server_follows_another_before_its_primary_is_open() {
    let mut stage = Stage::healthy(3);
    stage.fenced();
    stage.record.primary = Some(1);
    stage.server(0).writable = false;
    let recovered = operation(Kind::Bootstrap, Phase::Open, Some(1)).unwrap();
    stage.record.operation = Some(Operation { cause: Cause::PrimaryUnknown, committed: true, ..recovered });
    stage.channel(2).receiver = Receiver::Running;
    let verdict = stage.pass(250);
    assert!(writable(&verdict).is_empty());
    let again = verdict.next.operation.unwrap();
    assert_eq!((verdict.next.primary, again.kind, again.phase), (None, Kind::Recovery, Phase::Fence));
}

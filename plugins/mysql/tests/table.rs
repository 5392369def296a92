//! The table of states, one test for each row, and one for each hole that such tables are known to have. What is expected
//! of each is a state, and what is done to servers in it.

#![allow(clippy::unwrap_used, reason = "a test may stop where it is surprised")]

mod support;

use mysql::cluster::facts::{Copy, LiveSet, Receiver, Seen, Server, Silence};
use mysql::cluster::record::{Cause, Durability, Kind, Operation, Phase, Record};
use mysql::cluster::state::State;
use mysql::cluster::wish::{Replicate, Wish};
use support::stage::{Stage, be, fresh, good_pod, own, replicate, request, role, told, writable};
use windlass_sdk::gtid::GtidSet;

fn operation(kind: Kind, phase: Phase, target: Option<u32>) -> Option<Operation> {
    Some(Operation {
        kind,
        phase,
        target,
        barrier: GtidSet::default(),
        started_at: support::stage::NOW - 500,
        attempt: 1,
        cause: Cause::PrimaryDown,
    })
}

// ---------------------------------------------------------------------------------------------- rows of the table

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

// ------------------------------------------------------------------------------------------------- rows of actions

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
fn c1_roles_are_right_and_none_for_servers_that_are_not() {
    let mut stage = Stage::healthy(4);
    stage.server(2).executed = own(0, 100).union(&own(7, 1));
    stage.down(3);
    let verdict = stage.judge();
    let roles: Vec<_> = (0..4).map(|i| role(&verdict, i)).collect();
    assert_eq!(roles, [Some("primary"), Some("replica"), Some("none"), Some("none")]);
}

#[test]
fn c2_c3_a_primary_forgets_its_source_before_it_opens() {
    let mut stage = Stage::healthy(3);
    stage.server(0).channel = Some(support::stage::replica(0, 1).channel.unwrap());
    assert_eq!(replicate(&stage.judge(), 0), Replicate::No);
}

#[test]
fn c4_acknowledgements_that_drifted_are_not_healthy_and_are_set_right() {
    let mut stage = Stage::healthy(3);
    stage.server(0).acks = None;
    let verdict = stage.judge();
    assert_ne!(verdict.state, State::Healthy);
    assert_eq!(be(&verdict, 0).acks, Some(1));
}

#[test]
fn c5_an_errant_server_receives_nothing() {
    let mut stage = Stage::healthy(3);
    stage.server(2).executed = own(0, 100).union(&own(2, 1));
    assert_eq!(replicate(&stage.judge(), 2), Replicate::Fenced);
}

#[test]
fn c6_every_server_but_the_primary_is_read_only() {
    let mut stage = Stage::healthy(3);
    let server = stage.server(1);
    (server.super_read_only, server.writable) = (false, true);
    let verdict = stage.judge();
    assert_eq!(writable(&verdict), [0]);
    assert!(!be(&verdict, 1).writable);
}

#[test]
fn c7_an_empty_server_is_copied_into_and_only_while_it_is_empty() {
    let mut stage = Stage::healthy(3);
    stage.wiped(1);
    assert_eq!(told(&stage.pass(250)), ["Reseeding"]);
    let verdict = stage.judge();
    assert_eq!(be(&verdict, 1).reseed, Some(GtidSet::default()));
    // The copy is there: it is not made a second time.
    stage.set(1, support::stage::replica(1, 0));
    assert_eq!(be(&stage.judge(), 1).reseed, None);
}

#[test]
fn c7_a_copy_that_is_too_old_when_it_is_there_is_made_once_more() {
    let mut stage = Stage::healthy(3);
    stage.wiped(1);
    stage.pass(250);
    let mut copied = fresh(1);
    (copied.executed, copied.copy) = (own(0, 40), Some(Copy::Done));
    stage.set(1, copied);
    stage.server(0).purged = own(0, 60);
    stage.pass(250);
    stage.pass(250);
    assert_eq!(be(&stage.judge(), 1).reseed, Some(own(0, 100)));
}

#[test]
fn c8_a_server_that_the_primary_s_logs_no_longer_reach_is_made_anew_and_not_attached() {
    let mut stage = Stage::healthy(3);
    stage.server(0).purged = own(0, 50);
    stage.server(2).executed = own(0, 30);
    stage.channel(2).received = own(0, 30);
    assert_eq!(replicate(&stage.judge(), 2), Replicate::Fenced);
    stage.pass(250);
    assert_eq!(be(&stage.judge(), 2).reseed, Some(own(0, 100)));
}

#[test]
fn c9_a_server_that_follows_another_is_pointed_to_the_primary() {
    let mut stage = Stage::healthy(3);
    stage.channel(2).from = Some(1);
    assert_eq!(replicate(&stage.judge(), 2), Replicate::From(0));
    assert_eq!(role(&stage.judge(), 2), Some("none"));
}

#[test]
fn c11_a_primary_is_not_opened_while_another_server_takes_writes() {
    let mut stage = Stage::healthy(3);
    let server = stage.server(0);
    (server.super_read_only, server.writable) = (true, false);
    let server = stage.server(1);
    (server.super_read_only, server.writable) = (false, true);
    let verdict = stage.judge();
    assert_eq!(writable(&verdict), Vec::<u32>::new());
    assert!(!be(&verdict, 1).writable);
}

// ---------------------------------------------------------------------------------------------- holes of such tables

#[test]
fn hole_an_emptied_single_server_is_lost_data_and_never_opened() {
    let mut stage = Stage::healthy(1);
    stage.wiped(0);
    let verdict = stage.judge();
    assert_eq!((verdict.state, writable(&verdict), role(&verdict, 0)), (State::DataLost, vec![], Some("none")));
    // Only the user can give the data up, by naming this very data directory.
    stage.facts.requests.allow_empty = Some(support::stage::uuid(0));
    assert_eq!(stage.judge().next, stage.record);
    stage.facts.requests.allow_empty = Some(support::stage::uuid(100));
    let next = stage.judge().next;
    assert!(!next.initialized && next.operation.unwrap().kind == Kind::Bootstrap);
}

#[test]
fn hole_an_emptied_primary_of_several_is_replaced() {
    let mut stage = Stage::healthy(3);
    stage.wiped(0);
    let verdict = stage.judge();
    assert_eq!((verdict.state, writable(&verdict)), (State::Failed, vec![]));
    assert_eq!(verdict.next.operation.unwrap().cause, Cause::DataLost);
}

#[test]
fn hole_all_servers_emptied_is_lost_data() {
    let mut stage = Stage::healthy(3);
    stage.wiped(0).wiped(1).wiped(2);
    assert_eq!(stage.judge().state, State::DataLost);
    // One that does not answer may have the data.
    stage.down(2);
    assert_eq!(stage.judge().state, State::Lost);
}

#[test]
fn hole_a_primary_that_came_back_with_an_older_state_is_not_opened() {
    let mut stage = Stage::healthy(3);
    stage.record.durability.barrier = own(0, 90);
    let server = stage.server(0);
    (server.executed, server.writable, server.super_read_only) = (own(0, 50), false, true);
    let verdict = stage.judge();
    assert_eq!((verdict.state, writable(&verdict)), (State::Failed, vec![]));
}

#[test]
fn hole_lost_with_a_candidate_waits_for_the_user_s_word() {
    let mut stage = Stage::healthy(3);
    stage.down(0).down(1);
    assert!(stage.judge().next.operation.is_none());
    stage.facts.requests.unsafe_failover = request(Some(2));
    let verdict = stage.pass(250);
    assert_eq!(told(&verdict), ["UnsafeFailover"]);
    let begun = verdict.next.operation.unwrap();
    assert_eq!((begun.target, begun.cause), (Some(2), Cause::Unsafe));
    stage.fenced();
    for _ in 0..3 {
        assert!(writable(&stage.pass(250)).is_empty());
    }
    assert_eq!(stage.record.primary, Some(2));
    assert_eq!(writable(&stage.judge()), [2]);
    // The annotation stands, and is not carried out a second time.
    stage.record.operation = None;
    stage.down(2);
    assert!(stage.judge().next.operation.is_none());
}

#[test]
fn hole_an_errant_server_is_made_anew_only_when_allowed_one_at_a_time_and_told() {
    let mut stage = Stage::healthy(5);
    for i in [3, 4] {
        let surplus = own(0, 100).union(&own(i, 2));
        stage.server(i).executed = surplus;
        stage.server(0).attached.remove(&i);
    }
    let verdict = stage.pass(250);
    assert!(verdict.next.reseed.is_none() && verdict.errant.len() == 2);
    stage.facts.policy.reinit_errant = true;
    let verdict = stage.pass(250);
    assert_eq!(told(&verdict), ["ReseedingErrant"]);
    assert!(verdict.notes[0].warning && verdict.notes[0].message.contains(&support::stage::uuid(3)));
    let verdict = stage.judge();
    assert_eq!(be(&verdict, 3).reseed, Some(own(0, 100).union(&own(3, 2))));
    assert_eq!(be(&verdict, 4).reseed, None);
}

#[test]
fn hole_a_missing_pod_does_not_stop_a_failover() {
    let mut stage = Stage::healthy(5);
    stage.down(0).missing(4, 60_000);
    assert_eq!(stage.judge().state, State::Failed);
}

#[test]
fn hole_growing_never_waits_for_servers_that_are_not_attached() {
    let mut stage = Stage::healthy(1);
    stage.facts.wanted = 3;
    stage.facts.servers.insert(1, Server { pod: Some(good_pod()), seen: Seen::Unknown });
    stage.facts.servers.insert(2, Server { pod: Some(good_pod()), seen: Seen::Unknown });
    assert_eq!(be(&stage.judge(), 0).acks, None);
    // One has its data: it becomes a member first, then follows, and is waited for when it is attached.
    let mut copied = support::stage::replica(1, 0);
    copied.channel = None;
    stage.set(1, copied);
    let verdict = stage.pass(250);
    assert_eq!((replicate(&verdict, 1), be(&verdict, 0).acks), (Replicate::Fenced, None));
    let verdict = stage.pass(250);
    assert_eq!((replicate(&verdict, 1), be(&verdict, 0).acks), (Replicate::From(0), None));
    stage.set(1, support::stage::replica(1, 0));
    stage.server(0).attached.insert(1);
    let verdict = stage.pass(250);
    assert_eq!((be(&verdict, 0).acks, verdict.next.durability.acks), (Some(1), 0));
    // Promised only when it was seen in force, twice, and from then on.
    stage.server(0).acks = Some(1);
    assert_eq!(stage.pass(250).next.durability.acks, 0);
    let promised = stage.pass(250).next.durability;
    assert_eq!((promised.acks, promised.barrier), (1, own(0, 100)));
}

#[test]
fn hole_settings_of_acknowledgement_are_part_of_health() {
    let mut stage = Stage::healthy(5);
    stage.server(0).acks = Some(1);
    assert_ne!(stage.judge().state, State::Healthy);
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
fn hole_one_bad_replica_keeps_nobody_else_from_being_configured() {
    let mut stage = Stage::healthy(4);
    let server = stage.server(0);
    (server.super_read_only, server.writable) = (true, false);
    stage.server(3).copy = Some(Copy::Failed);
    stage.channel(2).apply_error = 1062;
    stage.channel(2).applying = false;
    stage.pass(250);
    let verdict = stage.judge();
    assert_eq!((writable(&verdict), replicate(&verdict, 1)), (vec![0], Replicate::From(0)));
}

#[test]
fn hole_a_primary_that_answers_and_cannot_commit_is_a_failed_one() {
    let mut stage = Stage::healthy(3);
    stage.server(0).stalled_since = Some(support::stage::NOW - 4_900);
    assert_ne!(stage.judge().state, State::Failed);
    stage.server(0).stalled_since = Some(support::stage::NOW - 5_000);
    let verdict = stage.pass(250);
    assert_eq!(verdict.state, State::Failed);
    assert_eq!(verdict.next.operation.unwrap().cause, Cause::PrimaryStalled);
    // It is fenced like the others, and goes on owing its acknowledgements.
    let verdict = stage.judge();
    assert_eq!((be(&verdict, 0).writable, be(&verdict, 0).acks), (false, Some(1)));
    // Where moving on did not help, it is not tried again at once.
    let mut stage = Stage::healthy(3);
    stage.server(0).stalled_since = Some(support::stage::NOW - 9_000);
    stage.record.last_failover = support::stage::NOW - 10_000;
    assert_ne!(stage.judge().state, State::Failed);
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
fn hole_fewer_servers_move_the_primary_first_then_the_promise_then_the_pods() {
    let mut stage = Stage::healthy(5);
    stage.facts.wanted = 3;
    // The primary is among those that stay: first the weaker promise is written down, then it is kept to.
    let verdict = stage.pass(250);
    assert_eq!((verdict.next.durability.acks, be(&verdict, 0).acks), (1, Some(2)));
    let verdict = stage.pass(250);
    assert_eq!((be(&verdict, 0).acks, replicate(&verdict, 3)), (Some(1), Replicate::From(0)));
    stage.server(0).acks = Some(1);
    let verdict = stage.pass(250);
    assert_eq!((replicate(&verdict, 3), replicate(&verdict, 2)), (Replicate::Fenced, Replicate::From(0)));
    assert_eq!(verdict.rollout.replicas, 5);
    for i in [3, 4] {
        stage.channel(i).receiver = Receiver::Stopped;
        stage.server(0).attached.remove(&i);
    }
    stage.channel(3).received = own(0, 101);
    let verdict = stage.pass(250);
    assert_eq!(verdict.next.durability.members, (0..3).collect());
    // What only they may have acknowledged is asked of the next primary.
    assert_eq!(verdict.next.durability.barrier, own(0, 101));
    stage.record.durability.barrier = own(0, 100);
    assert_eq!(stage.pass(250).rollout.replicas, 3);

    let mut stage = Stage::healthy(5);
    stage.facts.wanted = 3;
    stage.record.primary = Some(4);
    let four = stage.facts.servers[&0].clone();
    stage.facts.servers.get_mut(&0).unwrap().seen = Seen::Up(Box::new(support::stage::replica(0, 4)));
    stage.facts.servers.insert(4, four);
    for i in 1..4 {
        stage.channel(i).from = Some(4);
    }
    stage.server(4).attached = (0..4).collect();
    let begun = stage.pass(250).next.operation;
    assert!(begun.is_none_or(|o| o.cause == Cause::ScaleDown && o.target.is_some_and(|target| target < 3)));
    assert_eq!(stage.judge().rollout.replicas, 5);
}

#[test]
fn hole_candidates_have_ready_pods() {
    let mut stage = Stage::healthy(3);
    stage.facts.requests.switchover = request(Some(1));
    stage.pod(1).ready = false;
    assert!(stage.judge().next.operation.is_none());
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
fn hole_transactions_of_the_primary_that_a_replica_saw_first_are_not_errant() {
    let mut stage = Stage::healthy(3);
    stage.server(1).executed = own(0, 103);
    let verdict = stage.judge();
    assert!(verdict.errant.is_empty() && verdict.state == State::Healthy);
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

// ------------------------------------------------------------------------------------------- what must not be mixed up

#[test]
fn a_server_that_nobody_asked_yet_has_not_failed() {
    let mut stage = Stage::healthy(3);
    for server in stage.facts.servers.values_mut() {
        server.seen = Seen::Unknown;
    }
    let verdict = stage.judge();
    assert_eq!((verdict.state, verdict.next.operation.is_none()), (State::Incomplete, true));
    assert!(verdict.wishes.values().all(|wish| *wish == Wish::Look) && verdict.roles.is_empty());
}

#[test]
fn a_primary_that_lets_nobody_in_is_not_replaced() {
    let mut stage = Stage::healthy(3);
    stage.silent(0, Silence::Closed, 600_000);
    assert_eq!(stage.judge().state, State::Incomplete);
    assert_eq!(role(&stage.judge(), 0), None);
}

#[test]
fn a_primary_is_given_a_second_to_listen_again_and_three_to_answer() {
    for (how, millis, state) in [
        (Silence::Refused, 999, State::Incomplete),
        (Silence::Refused, 1_000, State::Failed),
        (Silence::Timeout, 2_999, State::Incomplete),
        (Silence::Timeout, 3_000, State::Failed),
    ] {
        let mut stage = Stage::healthy(3);
        assert_eq!(stage.silent(0, how, millis).judge().state, state, "{how:?} {millis}");
    }
}

#[test]
fn a_new_cluster_waits_for_all_servers_and_begins_with_the_first() {
    let mut stage = Stage::healthy(3);
    stage.record = Record::default();
    stage.set(0, fresh(0)).set(1, fresh(1));
    stage.facts.servers.get_mut(&2).unwrap().seen = Seen::Unknown;
    assert_eq!(stage.pass(250).next.primary, None);
    stage.set(2, fresh(2));
    let verdict = stage.pass(250);
    assert_eq!((verdict.next.primary, writable(&verdict)), (Some(0), vec![]));
    assert_eq!(writable(&stage.judge()), [0]);
    assert_eq!(role(&stage.judge(), 0), Some("none"));
}

#[test]
fn kept_volumes_make_the_server_that_has_all_the_primary_and_never_an_empty_one() {
    let mut stage = Stage::healthy(3);
    stage.record = Record::default();
    stage.set(0, fresh(0));
    for i in [1, 2] {
        let mut server = support::stage::replica(i, 0);
        server.executed = own(0, 90 + u64::from(i));
        server.channel = None;
        stage.set(i, server);
    }
    for _ in 0..3 {
        assert!(writable(&stage.pass(250)).is_empty());
    }
    stage.pass(250);
    assert_eq!((stage.record.primary, stage.record.initialized), (Some(2), true));
    assert_eq!(writable(&stage.judge()), [2]);
}

#[test]
fn a_status_that_was_lost_leaves_the_primary_that_takes_writes() {
    let mut stage = Stage::healthy(3);
    stage.record = Record::default();
    let verdict = stage.pass(250);
    assert_eq!((verdict.next.primary, be(&verdict, 0).writable), (Some(0), true));
    assert_eq!(stage.record.durability, Durability { members: [0].into(), ..Durability::default() });
}

#[test]
fn all_pods_back_at_once_open_the_primary_of_the_record() {
    let mut stage = Stage::healthy(3);
    let server = stage.server(0);
    (server.writable, server.super_read_only, server.acks) = (false, true, None);
    server.attached.clear();
    stage.fenced();
    stage.pass(250);
    let verdict = stage.judge();
    assert_eq!((writable(&verdict), be(&verdict, 0).acks), (vec![0], Some(1)));
    assert_eq!((replicate(&verdict, 1), replicate(&verdict, 2)), (Replicate::From(0), Replicate::From(0)));
}

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
        assert_eq!((rollout.partition, rollout.step), (3, mysql::cluster::rollout::Step::Refused));
    }
}

//! New clusters, lost statuses, and servers about which nothing is known.

use crate::support::stage::{Stage, be, fresh, own, replica, replicate, role, writable};
use mysql::cluster::facts::{Seen, Silence};
use mysql::cluster::record::{Durability, Record};
use mysql::cluster::state::State;
use mysql::cluster::wish::{Replicate, Wish};

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
        let mut server = replica(i, 0);
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

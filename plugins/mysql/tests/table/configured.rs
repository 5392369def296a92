//! What is done to servers in a cluster that is open or about to be, and how one that is not in order keeps no other from it.

use crate::support::stage::{Stage, be, fresh, own, replica, replicate, role, told, writable};
use mysql::cluster::facts::Copy;
use mysql::cluster::state::State;
use mysql::cluster::wish::Replicate;
use windlass_sdk::gtid::GtidSet;

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
    stage.server(0).channel = Some(replica(0, 1).channel.unwrap());
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
    stage.set(1, replica(1, 0));
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

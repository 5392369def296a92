//! Data that is gone: when that is seen, and that nothing is opened in its place without the user's word.

use crate::support::stage::{Stage, own, request, role, told, uuid, writable};
use mysql::cluster::record::{Cause, Kind};
use mysql::cluster::state::State;

#[test]
fn hole_an_emptied_single_server_is_lost_data_and_never_opened() {
    let mut stage = Stage::healthy(1);
    stage.wiped(0);
    let verdict = stage.judge();
    assert_eq!((verdict.state, writable(&verdict), role(&verdict, 0)), (State::DataLost, vec![], Some("none")));
    // Only the user can give the data up, by naming this very data directory.
    stage.facts.requests.allow_empty = Some(uuid(0));
    assert_eq!(stage.judge().next, stage.record);
    stage.facts.requests.allow_empty = Some(uuid(100));
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

//! Servers with transactions of their own.

use crate::support::stage::{Stage, be, operation, own, replicate, request, role, told, uuid};
use mysql::cluster::facts::Copy;
use mysql::cluster::record::{Kind, Phase};
use mysql::cluster::state::State;
use mysql::cluster::wish::Replicate;

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
    assert!(verdict.notes[0].warning && verdict.notes[0].message.contains(&uuid(3)));
    let verdict = stage.judge();
    assert_eq!(be(&verdict, 3).reseed, Some(own(0, 100).union(&own(3, 2))));
    assert_eq!(be(&verdict, 4).reseed, None);
}

#[test]
fn hole_transactions_of_the_primary_that_a_replica_saw_first_are_not_errant() {
    let mut stage = Stage::healthy(3);
    stage.server(1).executed = own(0, 103);
    let verdict = stage.judge();
    assert!(verdict.errant.is_empty() && verdict.state == State::Healthy);
}

#[test]
fn what_carries_the_primary_s_own_uuid_is_errant_when_every_look_finds_it_and_no_session_waits() {
    let mut stage = Stage::healthy(3);
    stage.server(1).executed = own(0, 103);
    stage.server(0).waiting = 1;
    for _ in 0..3 {
        assert!(stage.pass(250).errant.is_empty(), "they wait for their acknowledgement");
    }
    stage.server(0).waiting = 0;
    assert!(stage.pass(250).errant.is_empty(), "the look at the primary may be older");
    // Others each time: younger than the look, as under load.
    stage.server(0).executed = own(0, 103);
    stage.server(1).executed = own(0, 105);
    for _ in 0..6 {
        assert!(stage.pass(250).errant.is_empty());
    }
    let verdict = stage.judge();
    assert_eq!((verdict.errant.len(), role(&verdict, 1)), (1, Some("none")));
    assert_eq!(verdict.errant[&1], own(0, 105).subtract(&own(0, 103)));
}

#[test]
fn a_server_stays_errant_under_the_next_primary_though_that_one_gives_the_numbers_again() {
    let mut stage = Stage::healthy(3);
    stage.facts.policy.reinit_errant = true;
    // db-2 has what db-1 wrote once, and what db-1, which was made anew, has no more.
    let blamed = own(0, 100).union(&own(1, 2));
    stage.server(2).executed = blamed.clone();
    stage.pass(250);
    stage.record.reseed = None;
    stage.down(0).fenced();
    stage.record.operation = operation(Kind::Failover, Phase::Drain, Some(1));
    stage.pass(250);
    assert_eq!(stage.record.primary, Some(1));
    let primary = stage.server(1);
    (primary.writable, primary.super_read_only, primary.channel, primary.accounts) = (true, false, None, true);
    primary.executed = own(0, 100).union(&own(1, 5));
    let verdict = stage.pass(250);
    assert_eq!((replicate(&verdict, 2), verdict.errant.len()), (Replicate::Fenced, 1));
    // Until it was made anew.
    stage.record.operation = None;
    assert_eq!(told(&stage.pass(250)), ["ReseedingErrant"]);
    assert_eq!(be(&stage.judge(), 2).reseed, Some(blamed));
    let now = stage.facts.now;
    let all = stage.server(1).executed.clone();
    let copied = stage.server(2);
    (copied.executed, copied.purged) = (all.clone(), all);
    (copied.copy, copied.channel) = (Some(Copy::Done), None);
    assert_eq!(stage.judge().errant.len(), 1, "that copy is an earlier one");
    stage.server(2).booted_at = now + 1;
    let verdict = stage.pass(250);
    assert_eq!((verdict.errant.len(), told(&verdict)), (0, vec!["ReseedDone"]));
    assert_eq!(replicate(&stage.judge(), 2), Replicate::From(1));
}

#[test]
fn a_server_whose_numbers_are_on_an_errant_one_is_chosen_last() {
    let mut stage = Stage::healthy(4);
    stage.server(3).executed = own(0, 100).union(&own(1, 2));
    stage.facts.requests.switchover = request(None);
    assert_eq!(stage.judge().next.operation.unwrap().target, Some(2));
    stage.facts.requests.switchover = None;
    stage.pass(250);
    stage.down(0).fenced();
    stage.record.operation = operation(Kind::Failover, Phase::Elect, None);
    assert_eq!(stage.judge().next.operation.unwrap().target, Some(2));
    // Where it alone has every write, it is the one.
    stage.channel(1).received = own(0, 101);
    assert_eq!(stage.judge().next.operation.unwrap().target, Some(1));
}

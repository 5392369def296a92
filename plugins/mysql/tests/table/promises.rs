//! What an acknowledged write promises while servers come and go.

use crate::support::stage::{Stage, be, good_pod, own, replica, replicate, writable};
use mysql::cluster::facts::{Receiver, Seen, Server};
use mysql::cluster::record::Cause;
use mysql::cluster::state::State;
use mysql::cluster::wish::Replicate;

#[test]
fn hole_growing_never_waits_for_servers_that_are_not_attached() {
    let mut stage = Stage::healthy(1);
    stage.facts.wanted = 3;
    stage.facts.servers.insert(1, Server { pod: Some(good_pod()), seen: Seen::Unknown });
    stage.facts.servers.insert(2, Server { pod: Some(good_pod()), seen: Seen::Unknown });
    assert_eq!(be(&stage.judge(), 0).acks, None);
    // One has its data: it becomes a member first, then follows, and is waited for when it is attached.
    let mut copied = replica(1, 0);
    copied.channel = None;
    stage.set(1, copied);
    let verdict = stage.pass(250);
    assert_eq!((replicate(&verdict, 1), be(&verdict, 0).acks), (Replicate::Fenced, None));
    let verdict = stage.pass(250);
    assert_eq!((replicate(&verdict, 1), be(&verdict, 0).acks), (Replicate::From(0), None));
    stage.set(1, replica(1, 0));
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
    // One has more than the primary has committed: its acknowledgement may be what that is about to be committed by.
    stage.channel(3).received = own(0, 101);
    let verdict = stage.pass(250);
    assert_eq!(verdict.next.durability.members, (0..4).collect());
    stage.server(0).executed = own(0, 101);
    let verdict = stage.pass(250);
    assert_eq!(verdict.next.durability.members, (0..3).collect());
    // What only they may have acknowledged is asked of the next primary.
    assert_eq!(verdict.next.durability.barrier, own(0, 101));
    assert_eq!(stage.pass(250).rollout.replicas, 3);

    let mut stage = Stage::healthy(5);
    stage.facts.wanted = 3;
    stage.record.primary = Some(4);
    let four = stage.facts.servers[&0].clone();
    stage.facts.servers.get_mut(&0).unwrap().seen = Seen::Up(Box::new(replica(0, 4)));
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
fn a_server_that_is_not_wanted_goes_on_acknowledging_while_those_that_stay_cannot() {
    let mut stage = Stage::healthy(3);
    stage.facts.wanted = 2;
    stage.server(1).executed = own(0, 100).union(&own(1, 1));
    stage.channel(1).receiver = Receiver::Stopped;
    stage.server(0).attached.remove(&1);
    let verdict = stage.pass(250);
    assert_eq!((replicate(&verdict, 1), replicate(&verdict, 2)), (Replicate::Fenced, Replicate::From(0)));
}

#[test]
fn a_server_that_is_not_wanted_and_has_just_started_is_no_member_less_while_it_is_told_to_follow() {
    let mut stage = Stage::healthy(3);
    stage.facts.wanted = 2;
    for i in [1, 2] {
        stage.channel(i).receiver = Receiver::Stopped;
    }
    stage.server(0).attached.clear();
    let verdict = stage.pass(250);
    assert_eq!((replicate(&verdict, 2), verdict.next.durability.members.len()), (Replicate::From(0), 3));
}

#[test]
fn transactions_of_its_own_on_a_server_that_is_not_wanted_do_not_keep_the_primary_closed() {
    // They carry the primary's uuid: it was made anew and had lost them before.
    let mut stage = Stage::healthy(3);
    stage.facts.wanted = 2;
    stage.server(0).attached.remove(&2);
    stage.channel(2).receiver = Receiver::Stopped;
    stage.server(2).executed = own(0, 101);
    for _ in 0..8 {
        stage.pass(250);
    }
    assert_eq!((stage.record.durability.members.len(), writable(&stage.judge())), (2, vec![0]));
    assert!(own(0, 100).contains(&stage.record.durability.barrier));
}

#[test]
fn commits_never_wait_for_a_server_that_has_much_to_receive_yet() {
    let mut stage = Stage::healthy(3);
    stage.record.durability.acks = 0;
    stage.server(0).acks = None;
    stage.server(0).executed = own(0, 5_000);
    for i in [1, 2] {
        stage.channel(i).received = own(0, 1_500);
    }
    assert_eq!(be(&stage.judge(), 0).acks, None);
    // A few hundred are nothing for a busy primary, where the replica applies them right away.
    stage.channel(2).received = own(0, 4_500);
    stage.channel(2).lag = Some(8_000);
    assert_eq!(be(&stage.judge(), 0).acks, None);
    stage.channel(2).lag = Some(300);
    assert_eq!(be(&stage.judge(), 0).acks, Some(1));
    stage.channel(2).received = own(0, 4_950);
    stage.channel(2).lag = Some(8_000);
    assert_eq!(be(&stage.judge(), 0).acks, Some(1));
    // What is in force stays so while they are attached, and what is promised in any case.
    stage.server(0).acks = Some(1);
    stage.channel(2).received = own(0, 1_500);
    assert_eq!(be(&stage.judge(), 0).acks, Some(1));
    stage.server(0).attached.clear();
    assert_eq!(be(&stage.judge(), 0).acks, None);
    stage.record.durability.acks = 1;
    assert_eq!(be(&stage.judge(), 0).acks, Some(1));
}

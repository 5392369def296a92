//! What holds for every verdict, whatever is the case: clusters are drawn at random, in order and out of it, far beyond
//! what happens.

#![allow(clippy::unwrap_used, reason = "a test may stop where it is surprised")]

mod support;

use mysql::cluster::facts::{
    Channel, Copy, Facts, Instance, LiveSet, Pod, Policy, Receiver, Request, Requests, Seen, Server, Silence,
};
use mysql::cluster::record::{Cause, Durability, Kind, Operation, Phase, Record, Reseed, Suspect};
use mysql::cluster::state::State;
use mysql::cluster::view::View;
use mysql::cluster::wish::{Replicate, Wish};
use mysql::cluster::{Verdict, judge};
use mysql::name::Names;
use mysql::status::record;
use proptest::prelude::*;
use support::stage::{NOW, own, uuid, writable};
use windlass_sdk::gtid::GtidSet;

/// Ordinals that are drawn from.
const SERVERS: u32 = 5;

fn set() -> BoxedStrategy<GtidSet> {
    let part = (0..SERVERS, prop_oneof![3 => Just(0u64), 2 => 1u64..6]);
    prop::collection::vec(part, 0..3)
        .prop_map(|parts| parts.into_iter().fold(own(0, 3), |set, (i, last)| set.union(&own(i, last))))
        .prop_flat_map(|set| prop_oneof![6 => Just(set), 1 => Just(GtidSet::default())])
        .boxed()
}

fn channel() -> BoxedStrategy<Channel> {
    let receiver = prop_oneof![Just(Receiver::Running), Just(Receiver::Stopped), Just(Receiver::Connecting)];
    (
        prop::option::weighted(0.9, 0..SERVERS),
        receiver,
        prop::bool::weighted(0.9),
        set(),
        prop::option::of(0u64..90_000),
    )
        .prop_map(|(from, receiver, applying, received, lag)| Channel {
            from,
            receiver,
            applying,
            received,
            receive_error: 0,
            apply_error: 0,
            lag,
        })
        .boxed()
}

fn instance(ordinal: u32) -> BoxedStrategy<Instance> {
    let copy = prop_oneof![
        8 => Just(None),
        1 => Just(Some(Copy::Running)),
        1 => Just(Some(Copy::Done)),
        1 => Just(Some(Copy::Failed)),
    ];
    (
        (prop::bool::weighted(0.3), prop::bool::weighted(0.9), set(), prop::option::weighted(0.7, channel())),
        (
            prop::option::of(1u32..3),
            prop_oneof![5 => Just(0u32), 1 => Just(2)],
            prop::collection::btree_set(0..SERVERS, 0..5),
        ),
        (copy, prop::bool::weighted(0.8), prop::option::weighted(0.2, 0u64..9_000)),
    )
        .prop_map(
            move |((writable, closed, executed, channel), (acks, waiting, attached), (copy, accounts, stalled))| {
                Instance {
                    series: Some(1),
                    uuid: uuid(ordinal),
                    super_read_only: closed && !writable,
                    writable,
                    executed,
                    purged: GtidSet::default(),
                    channel,
                    acks,
                    waiting,
                    attached,
                    copy,
                    accounts,
                    stalled_since: stalled.map(|millis| NOW - millis),
                    booted_at: NOW - 60_000,
                }
            },
        )
        .boxed()
}

fn server(ordinal: u32) -> BoxedStrategy<Server> {
    let pod = (prop::bool::weighted(0.9), prop::bool::weighted(0.8), prop::bool::weighted(0.1), any::<bool>())
        .prop_map(|(addressed, ready, deleting, updated)| Pod { addressed, ready, deleting, updated });
    let how = prop_oneof![Just(Silence::Refused), Just(Silence::Timeout), Just(Silence::Closed)];
    let seen = prop_oneof![
        8 => instance(ordinal).prop_map(|instance| Seen::Up(Box::new(instance))),
        2 => (0u64..9_000, how).prop_map(|(millis, how)| Seen::Silent { since: NOW - millis, how }),
        1 => Just(Seen::Unknown),
    ];
    (prop::option::weighted(0.95, pod), seen)
        .prop_map(|(pod, seen)| {
            // Without an address nobody is asked.
            let seen = if pod.as_ref().is_some_and(|pod| pod.addressed) { seen } else { Seen::Unknown };
            Server { pod, seen }
        })
        .boxed()
}

fn request() -> BoxedStrategy<Option<Request>> {
    prop::option::weighted(0.2, 0..SERVERS)
        .prop_map(|ordinal| ordinal.map(|i| Request { text: format!("db-{i}"), ordinal: Some(i) }))
        .boxed()
}

prop_compose! {
    fn facts()(
        wanted in 1..=SERVERS,
        servers in (server(0), server(1), server(2), server(3), server(4)),
        offline in prop::bool::weighted(0.03),
        restoring in prop::bool::weighted(0.03),
        switchover in request(),
        unsafe_failover in request(),
        allow_empty in prop::option::weighted(0.1, (0..SERVERS).prop_map(uuid)),
        reinit_errant in any::<bool>(),
        kept in 1..=SERVERS,
        current in any::<bool>(),
    ) -> Facts {
        let all = [servers.0, servers.1, servers.2, servers.3, servers.4];
        let servers = (0u32..).zip(all).filter(|(i, server)| *i < wanted || server.pod.is_some()).collect();
        Facts {
            now: NOW,
            name: "db".into(),
            wanted,
            offline,
            restoring,
            servers,
            set: Some(LiveSet { replicas: kept, partition: 0, current }),
            requests: Requests { switchover, unsafe_failover, allow_empty },
            policy: Policy { reinit_errant, max_lag: Some(60_000), series: 1 },
        }
    }
}

fn operation() -> BoxedStrategy<Operation> {
    let kind = prop_oneof![Just(Kind::Bootstrap), Just(Kind::Recovery), Just(Kind::Switchover), Just(Kind::Failover)];
    let cause = prop_oneof![4 => Just(Cause::PrimaryDown), 1 => Just(Cause::Unsafe), 1 => Just(Cause::Requested)];
    (kind, 0..7usize, prop::option::weighted(0.8, 0..SERVERS), set(), 0u64..20_000, cause, any::<bool>())
        .prop_map(|(kind, phase, target, barrier, age, cause, committed)| Operation {
            kind,
            phase: [
                Phase::Freeze,
                Phase::CatchUp,
                Phase::Fence,
                Phase::Elect,
                Phase::Drain,
                Phase::Open,
                Phase::Attach,
            ][phase],
            target,
            barrier,
            started_at: NOW - age,
            attempt: 1,
            cause,
            committed,
        })
        .boxed()
}

prop_compose! {
    fn record_of()(
        primary in prop::option::weighted(0.9, 0..SERVERS),
        initialized in prop::bool::weighted(0.9),
        acks in 0u32..3,
        members in prop::collection::btree_set(0..SERVERS, 1..5),
        barrier in prop_oneof![4 => Just(GtidSet::default()), 1 => set()],
        rising in prop::option::weighted(0.2, 1u32..3),
        operation in prop::option::weighted(0.6, operation()),
        reseed in prop::option::weighted(0.3, (0..SERVERS, set(), any::<bool>())),
        missing in prop::collection::btree_map(0..SERVERS, (0u64..9_000).prop_map(|millis| NOW - millis), 0..3),
        errant in prop::collection::btree_map(0..SERVERS, set(), 0..2),
        suspect in prop::collection::btree_map(0..SERVERS, (0u64..3_000, set()), 0..2),
        last in prop::option::of(0u64..90_000),
    ) -> Record {
        let mut members = members;
        members.extend(primary);
        // A recovery is what there is without a primary, and only then.
        let fits = |operation: &Operation| !operation.closes() || primary.is_none() == (operation.kind == Kind::Recovery);
        let operation = operation.filter(|operation| fits(operation) && (primary.is_some() || operation.closes()));
        Record {
            primary,
            initialized,
            durability: Durability { acks, members, barrier, rising },
            operation,
            reseed: reseed.map(|(target, contained_in, errant)| Reseed {
                target, contained_in, started_at: NOW - 9_000, attempt: 1, not_before: NOW - 9_000, errant,
            }),
            missing_since: missing,
            errant: errant.into_iter().filter(|(_, set)| !set.is_empty()).collect(),
            suspect: suspect.into_iter().map(|(i, (millis, set))| (i, Suspect { since: NOW - millis, set })).collect(),
            last_stall: last.map_or(0, |millis| NOW - millis),
            ..Record::default()
        }
    }
}

/// The user took the responsibility.
fn consented(facts: &Facts, record: &Record, verdict: &Verdict) -> bool {
    let by = |operation: &Option<Operation>| operation.as_ref().is_some_and(|o| o.cause == Cause::Unsafe);
    by(&record.operation) || by(&verdict.next.operation) || facts.requests.allow_empty.is_some()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn at_most_one_server_is_writable_and_it_is_the_primary_that_was_observed_in_the_status(
        facts in facts(), record in record_of(),
    ) {
        let verdict = judge(&facts, &record);
        for ordinal in writable(&verdict) {
            // Before a primary is known, a server is at most left as it is.
            let left = record.primary.is_none() || facts.offline || facts.restoring;
            if left {
                prop_assert!(facts.up(ordinal).unwrap().writable);
            } else {
                prop_assert_eq!(record.primary, Some(ordinal));
                prop_assert!(!record.operation.as_ref().is_some_and(Operation::closes));
            }
        }
    }

    #[test]
    fn a_new_primary_is_written_down_while_nobody_is_writable(facts in facts(), record in record_of()) {
        let verdict = judge(&facts, &record);
        if verdict.next.primary != record.primary && record.primary.is_some() && verdict.next.initialized {
            prop_assert_eq!(writable(&verdict), Vec::<u32>::new());
        }
    }

    #[test]
    fn a_new_primary_has_applied_what_it_had_to(facts in facts(), record in record_of()) {
        let verdict = judge(&facts, &record);
        let Some(primary) = verdict.next.primary.filter(|_| verdict.next.primary != record.primary) else { return Ok(()) };
        let server = facts.up(primary).expect("a primary is never one that does not answer");
        if verdict.state == State::DataLost {
            // No server has what an operation before had asked for: only the user's word for this very one starts it empty.
            prop_assert_eq!(facts.requests.allow_empty.as_deref(), Some(server.uuid.as_str()));
            prop_assert!(server.executed.is_empty() && !server.torn());
        } else if let Some(operation) = record.operation.as_ref().filter(|operation| operation.closes()) {
            prop_assert!(server.executed.contains(&operation.barrier));
            prop_assert_eq!(operation.target, Some(primary));
        }
    }

    #[test]
    fn only_a_server_whose_data_is_sound_is_chosen(facts in facts(), record in record_of()) {
        let verdict = judge(&facts, &record);
        let chosen = |operation: &Option<Operation>| operation.as_ref().and_then(|operation| operation.target);
        let target = chosen(&verdict.next.operation).filter(|_| chosen(&verdict.next.operation) != chosen(&record.operation));
        if let Some(target) = target.filter(|_| !consented(&facts, &record, &verdict)) {
            let view = View::of(&facts, &record);
            let recovery = verdict.next.operation.as_ref().is_some_and(|o| o.kind == Kind::Recovery);
            prop_assert!(recovery || view.sound(target).is_some(), "{}", target);
            prop_assert!(facts.up(target).is_some_and(|server| !server.torn()));
        }
    }

    #[test]
    fn an_election_hears_enough_to_know_every_acknowledged_write(facts in facts(), record in record_of()) {
        let verdict = judge(&facts, &record);
        let elected = record.operation.as_ref().is_some_and(|o| o.phase == Phase::Elect && o.kind == Kind::Failover)
            && verdict.next.operation.as_ref().is_some_and(|o| o.phase == Phase::Drain);
        if elected && !consented(&facts, &record, &verdict) {
            let view = View::of(&facts, &record);
            let operation = verdict.next.operation.as_ref().unwrap();
            prop_assert!(view.witnesses().count() >= view.quorum().unwrap());
            prop_assert!(operation.barrier.contains(&record.durability.barrier));
            for (_, server) in view.witnesses() {
                prop_assert!(server.fenced() && operation.barrier.contains(&server.has()));
            }
        }
    }

    #[test]
    fn nothing_is_begun_because_of_servers_that_nobody_asked(facts in facts(), record in record_of()) {
        let mut facts = facts;
        for server in facts.servers.values_mut() {
            server.seen = Seen::Unknown;
            server.pod = Some(Pod { addressed: true, ready: true, deleting: false, updated: true });
        }
        let verdict = judge(&facts, &record);
        prop_assert!(verdict.wishes.values().all(|wish| *wish == Wish::Look));
        prop_assert_eq!(verdict.next.primary, record.primary);
        if record.operation.is_none() {
            prop_assert_eq!(verdict.next.operation, None);
        }
    }

    #[test]
    fn an_open_primary_never_waits_for_fewer_than_promised(facts in facts(), record in record_of()) {
        let verdict = judge(&facts, &record);
        for (ordinal, wish) in &verdict.wishes {
            let Wish::Be(be) = wish else { continue };
            if be.writable && record.primary == Some(*ordinal) && !facts.offline && !facts.restoring {
                prop_assert!(be.acks.unwrap_or_default() >= record.durability.acks);
            }
        }
    }

    #[test]
    fn a_promise_grows_only_with_what_was_seen_in_force(facts in facts(), record in record_of()) {
        let verdict = judge(&facts, &record);
        let (before, after) = (&record.durability, &verdict.next.durability);
        if after.acks > before.acks {
            let (_, primary) = View::of(&facts, &record).primary().unwrap();
            prop_assert!(primary.acks.unwrap_or_default() >= after.acks);
            prop_assert!(after.barrier.contains(&primary.executed) && after.barrier.contains(&before.barrier));
        }
        if after.acks < before.acks && !consented(&facts, &record, &verdict) {
            prop_assert!(after.acks == facts.target_acks() || verdict.next.primary != record.primary);
        }
    }

    #[test]
    fn a_server_whose_acknowledgement_counts_no_more_is_fenced_when_that_is_written_down(
        facts in facts(), record in record_of(),
    ) {
        let verdict = judge(&facts, &record);
        let same = verdict.next.primary == record.primary && verdict.state != State::DataLost;
        for ordinal in record.durability.members.difference(&verdict.next.durability.members).filter(|_| same) {
            match verdict.wishes.get(ordinal) {
                None | Some(Wish::Look) => prop_assert!(facts.pod(*ordinal).is_none()),
                // While data is brought back, a server that takes writes stays as it is: it has no source to tell anything.
                Some(Wish::Be(be)) if be.replicate == Replicate::No => {
                    prop_assert!(facts.restoring && facts.up(*ordinal).is_some_and(|server| server.channel.is_none()));
                }
                Some(Wish::Be(be)) => prop_assert_eq!(be.replicate, Replicate::Fenced),
            }
        }
    }

    #[test]
    fn data_is_replaced_only_on_one_read_only_server_and_only_what_was_agreed(facts in facts(), record in record_of()) {
        let verdict = judge(&facts, &record);
        let reseeds: Vec<_> = verdict.wishes.iter().filter_map(|(i, wish)| match wish {
            Wish::Be(be) => be.reseed.as_ref().map(|set| (*i, be.writable, set)),
            Wish::Look => None,
        }).collect();
        prop_assert!(reseeds.len() <= 1);
        for (ordinal, writable, set) in reseeds {
            let agreed = record.reseed.as_ref().unwrap();
            prop_assert!(!writable && record.primary != Some(ordinal) && agreed.target == ordinal && agreed.contained_in == *set);
        }
        // What is agreed to anew never includes transactions of a server's own, unless the user allows it.
        if let Some(agreed) = verdict.next.reseed.as_ref().filter(|_| record.reseed.is_none()) {
            let (_, primary) = View::of(&facts, &record).primary().unwrap();
            prop_assert!(facts.policy.reinit_errant || primary.executed.contains(&agreed.contained_in));
        }
    }

    #[test]
    fn readers_and_writers_are_sent_to_sound_servers_only(facts in facts(), record in record_of()) {
        let verdict = judge(&facts, &record);
        let view = View::of(&facts, &record);
        let primaries = verdict.roles.values().filter(|role| role.name == "primary").count();
        prop_assert!(primaries <= 1);
        for (ordinal, role) in &verdict.roles {
            if role.name == "replica" {
                prop_assert!(view.sound(*ordinal).is_some());
            }
            if role.name == "primary" {
                prop_assert!(record.primary == Some(*ordinal) && facts.up(*ordinal).unwrap().writable);
            }
        }
    }

    #[test]
    fn servers_go_only_when_nothing_depends_on_them(facts in facts(), record in record_of()) {
        let verdict = judge(&facts, &record);
        let kept = facts.set.as_ref().unwrap().replicas;
        if verdict.rollout.replicas < kept && !facts.offline {
            prop_assert!(record.primary.is_some_and(|primary| primary < verdict.rollout.replicas));
            prop_assert!(record.durability.members.iter().all(|i| *i < verdict.rollout.replicas));
        }
    }

    #[test]
    fn what_is_written_down_is_read_back(record in record_of()) {
        let names = Names::of("db");
        let written = record::write(&names, &record, 1);
        prop_assert_eq!(record::read(&names, &written), record);
    }

    #[test]
    fn the_same_is_judged_the_same(facts in facts(), record in record_of()) {
        prop_assert_eq!(judge(&facts, &record), judge(&facts, &record));
    }
}

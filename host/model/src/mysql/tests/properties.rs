//! What holds for every wish and every state of a server.

use super::*;
use crate::snapshot::SemiSyncFacts;
use proptest::prelude::*;

fn sets() -> impl Strategy<Value = String> {
    let one = |uuid: &'static str| {
        prop::collection::vec(1_u64..8, 0..3)
            .prop_map(move |numbers| numbers.iter().map(|n| format!("{uuid}:1-{n}")).collect::<Vec<_>>())
    };
    (one(A), one(B)).prop_map(|(a, b)| [a, b].concat().join(","))
}

fn io() -> impl Strategy<Value = IoState> {
    prop::sample::select(vec![IoState::Stopped, IoState::Connecting, IoState::Running])
}

fn a_source() -> impl Strategy<Value = SourceFacts> {
    let error = || prop::sample::select(vec![0_u32, 1062, 1205, 13114]);
    (prop::sample::select(vec!["one", "two"]), io(), any::<bool>(), sets(), error(), error()).prop_map(
        |(host, io, sql_running, received, io_error, sql_error)| SourceFacts {
            host: host.into(),
            port: 3306,
            source_uuid: B.into(),
            io,
            sql_running,
            received,
            io_error: if io == IoState::Stopped { io_error } else { 0 },
            sql_error: if sql_running { 0 } else { sql_error },
            lag: None,
        },
    )
}

prop_compose! {
    fn servers()(
        executed in sets(),
        source in prop::option::of(a_source()),
        (read_only, super_read_only) in any::<(bool, bool)>(),
        (source_enabled, replica_enabled) in any::<(bool, bool)>(),
        (wait_for, waiting) in (1_u32..4, 0_u32..3),
        (as_wanted, auto_position, hangs) in any::<(bool, bool, bool)>(),
        accounts in prop::collection::vec(any::<(bool, bool, bool, bool)>(), 2),
        clone in prop::option::of(prop::sample::select(vec![CloneState::Completed, CloneState::Failed])),
        timeout in prop::sample::select(vec![10_000, ACK_TIMEOUT]),
    ) -> Server {
        let mut server = Server::fresh();
        server.facts.executed = executed;
        server.facts.source = source;
        (server.facts.read_only, server.facts.super_read_only) = (read_only, super_read_only);
        // Nobody waits in a commit on a server that became read-only, or that waits for nobody.
        let waiting_sessions = if (read_only && super_read_only) || !source_enabled { 0 } else { waiting };
        server.facts.semi_sync = SemiSyncFacts { source_enabled, replica_enabled, wait_for, waiting_sessions };
        server.facts.can_commit = waiting_sessions == 0;
        server.facts.clone = clone.map(|state| CloneFacts { state, error: 0 });
        server.ack_timeout = timeout;
        (server.source_as_wanted, server.auto_position, server.hangs) = (as_wanted, auto_position, hangs);
        server.accounts = accounts
            .into_iter()
            .map(|(exists, password, previous, grants)| AccountSeen {
                exists,
                password_as_wanted: exists && password,
                previous_valid: exists && previous,
                grants_as_wanted: exists && grants,
            })
            .collect();
        server
    }
}

fn wishes() -> impl Strategy<Value = MysqlServer> {
    let replication = prop_oneof![
        Just(Replication::None),
        Just(Replication::Fenced),
        Just(Replication::Source(source("one"))),
        Just(Replication::Source(source("two"))),
    ];
    let acks = prop::option::of(0_u32..4);
    (any::<bool>(), replication, acks, any::<(bool, bool)>(), prop::option::of(sets())).prop_map(
        |(writable, replication, acks, (one, two), contained_in)| {
            let writable = writable && replication == Replication::None;
            let mut wish = wanted(writable, replication);
            wish.acks = acks;
            wish.accounts = vec![account("one", one), account("two", two)];
            wish.reseed = contained_in.map(|set| reseed(&set));
            wish
        },
    )
}

/// A stage of a course: nothing goes back to an earlier one.
fn stage(change: &Change) -> u8 {
    match change {
        Change::KillClients | Change::SetReadOnly | Change::Shutdown => 0,
        Change::StopReceiver => 1,
        Change::StopReplica
        | Change::StartApplier
        | Change::ForgetSource
        | Change::Follow(_)
        | Change::SetReplicaSemiSync(_)
        | Change::SetAcks(_) => 2,
        Change::StartReplica | Change::Clone(_) | Change::OpenForWrites => 3,
        Change::CreateAccount(_)
        | Change::ChangePassword { .. }
        | Change::DiscardOldPassword(_)
        | Change::SetGrants(_) => 4,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_server_becomes_as_wanted_in_a_few_looks_and_then_stays(mut wish in wishes(), mut server in servers()) {
        let mut rounds = 0;
        let settled = loop {
            let course = plan(&wish, &server.seen(&wish)).unwrap();
            if course.changes.is_empty() {
                break course;
            }
            rounds += 1;
            prop_assert!(rounds < 10, "{course:?}\n{server:?}");
            server.converge(&wish);
            server.apply_all_received();
            // The plugin takes its permission back once the copy is there.
            if server.facts.clone.is_some_and(|clone| clone.state == CloneState::Completed)
                && server.facts.executed == format!("{B}:1-100")
            {
                wish.reseed = None;
            }
        };
        prop_assert_eq!(plan(&wish, &server.seen(&wish)).unwrap().waits, settled.waits.clone());
        if settled.waits.is_none() && wish.reseed.is_none() {
            prop_assert_eq!(wish.writable, !server.facts.read_only);
            prop_assert_eq!(!wish.writable, takes_no_writes(&server.facts));
            match &wish.replication {
                Replication::None => prop_assert_eq!(&server.facts.source, &None),
                Replication::Fenced => {
                    prop_assert!(server.facts.source.as_ref().is_none_or(|source| source.io == IoState::Stopped));
                }
                Replication::Source(source) => {
                    let found = server.facts.source.as_ref().unwrap();
                    prop_assert_eq!(&found.host, &source.host);
                    prop_assert!(found.io != IoState::Stopped && found.sql_running);
                    prop_assert!(!server.facts.semi_sync.source_enabled);
                }
            }
            if wish.writable {
                let acks = server.facts.semi_sync.source_enabled.then_some(server.facts.semi_sync.wait_for);
                prop_assert_eq!(acks, wish.acks.filter(|acks| *acks > 0));
                prop_assert_eq!(accounts_as_wanted(&wish.accounts, &server.accounts).len(), 2);
            }
        }
    }

    #[test]
    fn every_course_goes_in_stages(wish in wishes(), server in servers()) {
        let course = plan(&wish, &server.seen(&wish)).unwrap();
        let stages: Vec<u8> = course.changes.iter().map(stage).collect();
        prop_assert!(stages.is_sorted(), "{:?}", course.changes);
        if !wish.writable && !takes_no_writes(&server.facts) {
            prop_assert_eq!(course.changes.first(), Some(&Change::KillClients));
            prop_assert!(stages.iter().all(|stage| *stage < 2), "{:?}", course.changes);
        }
        prop_assert_eq!(course.changes.contains(&Change::OpenForWrites) && course.waits.is_some(), false);
    }

    #[test]
    fn every_change_is_permitted_when_its_turn_comes(wish in wishes(), mut server in servers()) {
        let course = plan(&wish, &server.seen(&wish)).unwrap();
        for change in &course.changes {
            let permit = permits(change, &wish, &server.facts);
            prop_assert_eq!(permit, Ok(()), "{} of {:?}", change, course.changes);
            if !server.make(change, &wish) {
                break;
            }
        }
    }

    #[test]
    fn a_server_is_opened_only_without_a_source_and_with_all_that_it_received(wish in wishes(), mut server in servers()) {
        for _ in 0..6 {
            let pending = server.pending();
            let course = plan(&wish, &server.seen(&wish)).unwrap();
            if course.changes.contains(&Change::OpenForWrites) {
                prop_assert!(wish.writable && pending.is_empty());
            }
            for change in &course.changes {
                if *change == Change::OpenForWrites {
                    prop_assert!(server.facts.source.is_none());
                }
                if !server.make(change, &wish) {
                    break;
                }
            }
            server.apply_all_received();
        }
    }

    #[test]
    fn nothing_that_was_received_is_dropped_but_for_another_source(wish in wishes(), mut server in servers()) {
        let before = server.clone();
        let mut reseeded = false;
        for _ in 0..6 {
            reseeded |= server.converge(&wish).iter().any(|change| matches!(change, Change::Clone(_)));
            server.apply_all_received();
        }
        let elsewhere = match (&wish.replication, &before.facts.source) {
            (Replication::Source(wanted), Some(source)) => wanted.host != source.host,
            _ => false,
        };
        // A source of before that was not asked by GTID, or an applier that cannot go on: there is no way to keep it.
        let hopeless = !before.auto_position
            || before.facts.source.as_ref().is_some_and(|source| source.sql_error == 1062 || source.sql_error == 13114);
        if !elsewhere && !hopeless && !reseeded {
            prop_assert!(server.dropped.is_empty(), "{}", server.dropped);
        }
    }

    #[test]
    fn acknowledgements_are_never_lowered_on_a_server_that_owes_them(wish in wishes(), mut server in servers()) {
        for _ in 0..6 {
            let course = plan(&wish, &server.seen(&wish)).unwrap();
            for change in &course.changes {
                if matches!(change, Change::SetAcks(_)) && !wish.writable {
                    prop_assert!(takes_no_writes(&server.facts) && server.facts.semi_sync.waiting_sessions == 0);
                }
                if !server.make(change, &wish) {
                    break;
                }
            }
        }
    }

    #[test]
    fn data_is_replaced_only_on_a_read_only_server_and_by_permission(wish in wishes(), server in servers()) {
        let course = plan(&wish, &server.seen(&wish)).unwrap();
        if course.changes.iter().any(|change| matches!(change, Change::Clone(_))) {
            let allowed: GtidSet = wish.reseed.as_ref().unwrap().contained_in.parse().unwrap();
            let executed: GtidSet = server.facts.executed.parse().unwrap();
            prop_assert!(allowed.contains(&executed.union(&server.pending())));
            prop_assert!(takes_no_writes(&server.facts) && !wish.writable);
        }
    }

    #[test]
    fn nonsense_in_sets_is_an_error_and_never_a_panic(
        executed in ".{0,20}", received in ".{0,20}", contained_in in ".{0,20}", expected_set in ".{0,20}",
        wish in wishes(), mut server in servers(),
    ) {
        server.facts.executed = executed;
        if let Some(source) = &mut server.facts.source {
            source.received = received;
        }
        let mut wish = wish;
        wish.reseed = Some(reseed(&contained_in));
        wish.expect = vec![Precondition::ExecutedWithin(expected_set)];
        let seen = server.facts.clone();
        let _ = plan(&wish, &Server { facts: seen.clone(), ..server }.seen(&wish));
        let _ = permits(&Change::Clone(Box::new(reseed(&contained_in))), &wish, &seen);
    }
}

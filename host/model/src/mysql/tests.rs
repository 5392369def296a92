#![allow(clippy::unwrap_used)]

mod properties;
mod server;

use super::*;
use crate::decision::{MysqlAccount, Precondition, ReplicationSource, Reseed, SecretKey, Tls, TlsMode};
use crate::snapshot::{CloneFacts, IoState, SourceFacts};
use server::Server;

const A: &str = "aaaaaaaa-0000-0000-0000-000000000000";
const B: &str = "bbbbbbbb-0000-0000-0000-000000000000";

fn a(intervals: &str) -> String {
    format!("{A}:{intervals}")
}

fn key(secret: &str) -> SecretKey {
    SecretKey { secret: secret.into(), key: "k".into() }
}

fn tls() -> Tls {
    Tls { mode: TlsMode::Disabled, ca: None }
}

fn source(host: &str) -> ReplicationSource {
    ReplicationSource { host: host.into(), port: 3306, user: key("repl"), password: key("repl"), tls: tls() }
}

fn account(secret: &str, keep_previous: bool) -> MysqlAccount {
    MysqlAccount { user: key(secret), password: key(secret), keep_previous, grants: vec!["SELECT ON *.*".into()] }
}

fn wanted(writable: bool, replication: Replication) -> MysqlServer {
    MysqlServer {
        host: "10.0.0.1".into(),
        port: 3306,
        admin_port: Some(33062),
        user: key("admin"),
        password: key("admin"),
        tls: tls(),
        writable,
        replication,
        acks: writable.then_some(1),
        accounts: Vec::new(),
        reseed: None,
        expect: Vec::new(),
    }
}

fn replica_of(host: &str) -> MysqlServer {
    wanted(false, Replication::Source(source(host)))
}

fn reseed(contained_in: &str) -> Reseed {
    Reseed {
        donor_host: "10.0.0.9".into(),
        donor_port: 3306,
        user: key("donor"),
        password: key("donor"),
        tls: tls(),
        contained_in: contained_in.into(),
    }
}

/// The words of a course.
fn words(wanted: &MysqlServer, server: &Server) -> Vec<String> {
    plan(wanted, &server.seen(wanted)).unwrap().changes.iter().map(ToString::to_string).collect()
}

#[test]
fn a_fresh_server_follows_its_source() {
    let server = Server::fresh();
    let changes = words(&replica_of("10.0.0.2"), &server);
    assert_eq!(changes, ["SetReplicaSemiSync true", "Follow 10.0.0.2:3306", "StartReplica"]);
}

#[test]
fn a_fresh_server_is_opened_after_everything_else_but_its_accounts() {
    let mut wish = wanted(true, Replication::None);
    wish.accounts = vec![account("admin", false)];
    assert_eq!(words(&wish, &Server::fresh()), ["SetAcks 1", "OpenForWrites", "CreateAccount of secret admin"]);
}

#[test]
fn a_primary_that_is_demoted_loses_its_clients_and_writes_before_anything_else() {
    let mut server = Server::primary(&a("1-9"));
    let wish = replica_of("10.0.0.2");
    assert_eq!(words(&wish, &server), ["KillClients", "SetReadOnly", "KillClients"]);
    server.converge(&wish);
    assert_eq!(words(&wish, &server), ["SetAcks 0", "SetReplicaSemiSync true", "Follow 10.0.0.2:3306", "StartReplica"]);
}

#[test]
fn a_primary_that_hangs_for_acknowledgements_is_stopped_and_never_relieved_of_them() {
    let mut server = Server::primary(&a("1-9"));
    server.facts.semi_sync.waiting_sessions = 2;
    server.facts.can_commit = false;
    let wish = replica_of("10.0.0.2");
    server.converge(&wish);
    assert!(server.hangs && server.facts.super_read_only && !server.facts.read_only);
    assert_eq!(words(&wish, &server), ["KillClients", "Shutdown"]);
    let relieve = permits(&Change::SetAcks(None), &wish, &server.facts).unwrap_err();
    assert_eq!(relieve.reason(), "Unsafe");
    server.converge(&wish);
    assert!(takes_no_writes(&server.facts));
}

#[test]
fn a_server_that_hangs_for_a_long_statement_is_asked_again_and_not_stopped() {
    let mut server = Server::primary(&a("1-9"));
    server.hangs = true;
    assert_eq!(words(&replica_of("x"), &server), ["KillClients", "SetReadOnly", "KillClients"]);
}

#[test]
fn half_a_read_only_switch_is_none() {
    let mut server = Server::fresh();
    server.facts.read_only = false;
    assert!(server.facts.super_read_only);
    assert_eq!(words(&replica_of("x"), &server).first().unwrap(), "KillClients");
    let error = expected(&[Precondition::SuperReadOnly(true)], &server.facts).unwrap_err();
    assert_eq!(error, Violated::SuperReadOnly { wanted: true });
}

#[test]
fn a_fenced_replica_stops_receiving_and_goes_on_applying() {
    let mut server = Server::replica("10.0.0.2", &a("1-5"), &a("1-9"));
    let wish = wanted(false, Replication::Fenced);
    assert_eq!(words(&wish, &server), ["StopReceiver"]);
    server.converge(&wish);
    assert!(words(&wish, &server).is_empty());
    server.restart();
    assert_eq!(words(&wish, &server), ["StartApplier"]);
}

#[test]
fn an_older_view_of_the_resource_is_good_enough_only_for_what_takes_something_away() {
    assert!(!needs_newest_view(&wanted(false, Replication::None)));
    assert!(!needs_newest_view(&wanted(false, Replication::Fenced)));
    // One that is open already, too: it might be told to wait for fewer acknowledgements.
    assert!(needs_newest_view(&wanted(true, Replication::None)));
    assert!(needs_newest_view(&replica_of("10.0.0.1")));
}

#[test]
fn a_fenced_replica_that_takes_writes_is_fenced_whole() {
    let mut server = Server::replica("10.0.0.2", &a("1-9"), &a("1-9"));
    (server.facts.read_only, server.facts.super_read_only) = (false, false);
    let changes = words(&wanted(false, Replication::Fenced), &server);
    assert_eq!(changes, ["KillClients", "SetReadOnly", "KillClients", "StopReceiver"]);
}

#[test]
fn a_new_primary_applies_all_that_it_received_before_it_forgets_its_source_and_opens() {
    let mut server = Server::replica("10.0.0.2", &a("1-5"), &a("1-9"));
    let wish = wanted(true, Replication::None);
    let course = plan(&wish, &server.seen(&wish)).unwrap();
    assert_eq!(course, Course { changes: vec![Change::StopReceiver], waits: Some(Waits::Drain(4)) });
    server.converge(&wish);
    server.apply_all_received();
    assert_eq!(words(&wish, &server), ["StopReplica", "ForgetSource", "SetAcks 1", "OpenForWrites"]);
}

#[test]
fn what_arrives_between_the_look_and_the_change_is_not_forgotten() {
    let mut server = Server::replica("10.0.0.2", &a("1-5"), &a("1-5"));
    let wish = wanted(true, Replication::None);
    let course = plan(&wish, &server.seen(&wish)).unwrap();
    assert!(course.changes.contains(&Change::ForgetSource));
    server.facts.source.as_mut().unwrap().received = a("1-6");
    server.make(&Change::StopReceiver, &wish);
    server.make(&Change::StopReplica, &wish);
    let error = permits(&Change::ForgetSource, &wish, &server.facts).unwrap_err();
    assert!(error.to_string().contains("not applied all"), "{error}");
}

#[test]
fn a_replica_is_pointed_elsewhere_without_dropping_what_it_still_applies() {
    let server = Server::replica("10.0.0.2", &a("1-5"), &a("1-9"));
    assert_eq!(words(&replica_of("10.0.0.3"), &server), ["StopReceiver", "Follow 10.0.0.3:3306", "StartReplica"]);
}

#[test]
fn after_a_restart_what_came_from_the_same_server_is_kept_when_its_password_changes() {
    let mut server = Server::replica("10.0.0.2", &a("1-5"), &a("1-9"));
    server.restart();
    server.source_as_wanted = false;
    assert_eq!(words(&replica_of("10.0.0.2"), &server), ["StartApplier", "Follow 10.0.0.2:3306", "StartReplica"]);
    assert_eq!(words(&replica_of("10.0.0.3"), &server), ["Follow 10.0.0.3:3306", "StartReplica"]);
}

#[test]
fn a_replica_that_stopped_is_started_unless_it_gave_up() {
    let mut server = Server::replica("10.0.0.2", &a("1-9"), &a("1-9"));
    server.restart();
    let wish = replica_of("10.0.0.2");
    assert_eq!(words(&wish, &server), ["StartReplica"]);
    let source = server.facts.source.as_mut().unwrap();
    (source.io_error, source.sql_error) = (13114, 1062);
    let course = plan(&wish, &server.seen(&wish)).unwrap();
    assert_eq!(course, Course { changes: Vec::new(), waits: Some(Waits::Applier(1062)) });
    let source = server.facts.source.as_mut().unwrap();
    (source.sql_running, source.sql_error) = (true, 0);
    let course = plan(&wish, &server.seen(&wish)).unwrap();
    assert_eq!(course, Course { changes: Vec::new(), waits: Some(Waits::Receiver(13114)) });
}

#[test]
fn data_is_replaced_only_while_nothing_is_only_there() {
    let mut server = Server::replica("10.0.0.2", &a("1-9"), &a("1-9"));
    let mut wish = replica_of("10.0.0.9");
    wish.reseed = Some(reseed(&a("1-9")));
    assert_eq!(words(&wish, &server), ["StopReplica", "Clone from 10.0.0.9:3306"]);
    server.facts.executed = format!("{},{B}:1", a("1-9"));
    let course = plan(&wish, &server.seen(&wish)).unwrap();
    assert_eq!(course.waits, Some(Waits::Reseed(format!("{B}:1"))));
    assert!(!course.changes.iter().any(|change| matches!(change, Change::Clone(_))));
    let clone = Change::Clone(Box::new(reseed(&a("1-9"))));
    server.make(&Change::StopReplica, &wish);
    assert!(permits(&clone, &wish, &server.facts).is_err());
}

#[test]
fn what_was_received_and_not_applied_counts_as_data_too() {
    let server = Server::replica("10.0.0.2", &a("1-5"), &a("1-9"));
    let mut wish = wanted(false, Replication::Fenced);
    wish.reseed = Some(reseed(&a("1-5")));
    let course = plan(&wish, &server.seen(&wish)).unwrap();
    assert_eq!((course.changes, course.waits), (vec![Change::StopReceiver], Some(Waits::Reseed(a("6-9")))));
}

#[test]
fn nothing_is_planned_while_a_clone_runs() {
    let mut server = Server::fresh();
    server.facts.clone = Some(CloneFacts { state: CloneState::InProgress, error: 0 });
    let wish = replica_of("10.0.0.2");
    let course = plan(&wish, &server.seen(&wish)).unwrap();
    assert_eq!(course, Course { changes: Vec::new(), waits: Some(Waits::Clone) });
    // It has to drop what is there, which `super_read_only` forbids.
    server.facts.super_read_only = false;
    assert!(plan(&wish, &server.seen(&wish)).unwrap().changes.is_empty());
    server.facts.read_only = false;
    assert!(plan(&wish, &server.seen(&wish)).unwrap().changes.contains(&Change::SetReadOnly), "clients would get in");
}

#[test]
fn an_account_is_rotated_with_its_old_password_kept_until_it_is_not_wanted_any_more() {
    let mut server = Server::primary(&a("1-9"));
    let mut wish = wanted(true, Replication::None);
    wish.accounts = vec![account("app", true)];
    server.converge(&wish);
    server.accounts = vec![AccountSeen { password_as_wanted: false, ..server.accounts[0] }];
    assert_eq!(words(&wish, &server), ["ChangePassword of secret app"]);
    server.converge(&wish);
    assert!(server.accounts[0].previous_valid);
    assert_eq!(accounts_as_wanted(&wish.accounts, &server.accounts), ["app"]);
    assert!(words(&wish, &server).is_empty());
    wish.accounts = vec![account("app", false)];
    assert!(accounts_as_wanted(&wish.accounts, &server.accounts).is_empty());
    assert_eq!(words(&wish, &server), ["DiscardOldPassword of secret app"]);
    server.converge(&wish);
    assert!(words(&wish, &server).is_empty());
}

#[test]
fn accounts_of_a_replica_are_left_to_its_source() {
    let mut wish = replica_of("10.0.0.2");
    wish.accounts = vec![account("app", false)];
    let server = Server::replica("10.0.0.2", &a("1"), &a("1"));
    assert!(words(&wish, &server).is_empty());
    assert!(permits(&Change::CreateAccount(account("app", false)), &wish, &server.facts).is_err());
}

#[test]
fn acknowledgements_that_time_out_early_are_not_in_force() {
    let mut server = Server::primary(&a("1"));
    server.ack_timeout = 10_000;
    assert_eq!(words(&wanted(true, Replication::None), &server), ["SetAcks 1"]);
}

#[test]
fn a_precondition_that_does_not_hold_stops_everything_and_says_which() {
    let server = Server::primary(&a("1-9"));
    let error = |expect: Precondition| {
        let mut wish = replica_of("10.0.0.2");
        wish.expect = vec![expect];
        plan(&wish, &server.seen(&wish)).unwrap_err()
    };
    assert!(matches!(error(Precondition::ServerUuid(B.into())), Violated::ServerUuid { .. }));
    assert_eq!(error(Precondition::ExecutedContains(a("8-12"))), Violated::ExecutedLacks { missing: a("10-12") });
    assert_eq!(error(Precondition::ExecutedWithin(a("1-7"))), Violated::ExecutedBeyond { surplus: a("8-9") });
    assert_eq!(error(Precondition::SuperReadOnly(true)), Violated::SuperReadOnly { wanted: true });
    assert!(matches!(error(Precondition::ExecutedWithin("x".into())), Violated::Unreadable { what: "expect", .. }));
    let detached = [Precondition::Detached];
    let replica = Server::replica("10.0.0.7", "", "");
    assert_eq!(expected(&detached, &replica.facts), Err(Violated::Attached { source_host: "10.0.0.7".into() }));
    assert_eq!(expected(&detached, &server.facts), Ok(()));
    assert_eq!(expected(&[Precondition::ServerUuid(A.to_uppercase())], &server.facts), Ok(()));
}

#[test]
fn a_writable_replica_is_nonsense() {
    let server = Server::fresh();
    for replication in [Replication::Fenced, Replication::Source(source("x"))] {
        let wish = wanted(true, replication);
        assert_eq!(plan(&wish, &server.seen(&wish)), Err(Violated::WritableReplica));
    }
}

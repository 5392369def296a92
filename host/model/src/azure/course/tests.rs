#![allow(clippy::unwrap_used)]
use super::*;
use crate::azure::Pending;
use crate::snapshot::FailureClass;

const PASSWORD: &str = "/properties/administratorLoginPassword";

fn resource(change: ArmChange) -> ArmResource {
    ArmResource {
        resource_id: "/subscriptions/s/resourceGroups/g/providers/Microsoft.Sql/servers/x".into(),
        api_version: "2021-11-01".into(),
        body: json!({"location": "eastus", "tags": {"team": "a"}, "properties": {"minimalTlsVersion": "1.2"}}),
        secrets: vec![(PASSWORD.into(), SecretKey { secret: "c".into(), key: "password".into() })],
        observe_only: false,
        adopt: false,
        unique_name: true,
        change,
        ready_field: Some(ReadyField { pointer: "/properties/state".into(), values: vec!["Ready".into()] }),
    }
}

fn wanted(resource: &ArmResource) -> ArmWanted<'_> {
    ArmWanted { resource, uid: "u", fingerprints: vec![Some("fp1:a".into())] }
}

fn live() -> Value {
    json!({"location": "East US", "tags": {"team": "a", "theirs": "t", marks::OWNER: "u", marks::sent_tag(PASSWORD): "fp1:a"},
        "properties": {"minimalTlsVersion": "1.2", "state": "Ready", "administratorLogin": "ada"}})
}

fn seen(live: Value) -> ArmSeen {
    let record = Record { existence: Existence::Seen, ..Record::default() };
    ArmSeen { live: Some(live), record, ..ArmSeen::default() }
}

#[test]
fn what_is_as_wished_is_left_alone() {
    let resource = resource(ArmChange::Patch);
    assert_eq!(wanted(&resource).course(&seen(live()), 0), Course::Settled { ready: true });
}

#[test]
fn drift_is_mended_by_a_patch_of_what_differs_and_sends_no_secret() {
    let resource = resource(ArmChange::Patch);
    let mut live = live();
    set(&mut live, "/properties/minimalTlsVersion", "1.0".into());
    let course = wanted(&resource).course(&seen(live), 0);
    let body = json!({"properties": {"minimalTlsVersion": "1.2"}});
    assert_eq!(course, Course::Write(Write::Patch { body, secrets: Vec::new() }));
}

#[test]
fn a_new_password_is_sent_with_its_mark_and_keeps_the_tags_of_others() {
    let resource = resource(ArmChange::Patch);
    let wanted = ArmWanted { fingerprints: vec![Some("fp1:b".into())], ..wanted(&resource) };
    let Course::Write(Write::Patch { body, secrets }) = wanted.course(&seen(live()), 0) else { panic!() };
    assert_eq!((body["tags"]["theirs"].as_str(), secrets.len()), (Some("t"), 1));
    assert_eq!(body["tags"][marks::sent_tag(PASSWORD)], "fp1:b");
    assert!(body.get("properties").is_none());
}

#[test]
fn a_new_secret_of_something_without_tags_is_sent_once() {
    for change in [ArmChange::Patch, ArmChange::Put] {
        let mut rule = resource(change);
        rule.body = json!({"properties": {"a": 1}});
        let wanted = wanted(&rule);
        let mut seen = seen(json!({"properties": {"a": 1, "state": "Ready"}}));
        let (Course::Write(Write::Patch { secrets, .. }) | Course::Write(Write::Put { secrets, .. })) =
            wanted.course(&seen, 0)
        else {
            panic!()
        };
        assert_eq!(secrets.len(), 1, "nobody remembers which one was sent");
        seen.record.sent.insert(PASSWORD.into(), "fp1:a".into());
        wanted.learn(&mut seen);
        assert_eq!(wanted.course(&seen, 0), Course::Settled { ready: true });
        let other = ArmWanted { fingerprints: vec![Some("fp1:b".into())], ..wanted.clone() };
        assert!(matches!(other.course(&seen, 0), Course::Write(_)));
    }
}

#[test]
fn nothing_is_created_while_the_name_is_taken_or_the_password_is_not_there() {
    let resource = resource(ArmChange::Patch);
    let taken = ArmSeen { name_taken: Some("AlreadyExists".into()), ..ArmSeen::default() };
    assert!(matches!(wanted(&resource).course(&taken, 0), Course::Wait(_)));
    assert_eq!(wanted(&resource).standing(&taken, 0).presence, Presence::Busy);
    let unasked = ArmSeen { name_unasked: true, ..ArmSeen::default() };
    assert!(matches!(wanted(&resource).course(&unasked, 0), Course::Wait(_)), "nor before its name was asked for");
    let without = ArmWanted { fingerprints: vec![None], ..wanted(&resource) };
    assert!(matches!(without.course(&ArmSeen::default(), 0), Course::Wait(_)));
    let Course::Write(Write::Put { body, secrets }) = wanted(&resource).course(&ArmSeen::default(), 0) else {
        panic!()
    };
    assert_eq!((body["tags"][marks::OWNER].as_str(), secrets.len()), (Some("u"), 1));
    assert!(body.pointer(PASSWORD).is_none());
}

#[test]
fn what_was_accepted_is_waited_for_and_what_was_perhaps_sent_is_sent_again() {
    let resource = resource(ArmChange::Patch);
    let with = |existence| ArmSeen { record: Record { existence, ..Record::default() }, ..ArmSeen::default() };
    assert!(matches!(wanted(&resource).course(&with(Existence::Accepted(0)), 1_000), Course::Wait(_)));
    assert!(matches!(wanted(&resource).course(&with(Existence::Accepted(0)), 300_000), Course::Write(_)));
    assert!(matches!(wanted(&resource).course(&with(Existence::Sent), 0), Course::Write(_)));
    assert_eq!(with(Existence::Accepted(0)).standing_unwanted("u", 1_000).presence, Presence::Busy);
    assert_eq!(with(Existence::Sent).standing_unwanted("u", 0).presence, Presence::Present);
    assert_eq!(with(Existence::Seen).standing_unwanted("u", 0).presence, Presence::Absent);
}

#[test]
fn a_refused_wish_waits_and_another_one_does_not() {
    let resource = resource(ArmChange::Patch);
    let mut seen = ArmSeen::default();
    seen.record.failed("X", "no".into(), FailureClass::Final, &wanted(&resource).wish(), None, 0);
    assert!(matches!(wanted(&resource).course(&seen, 3_599_999), Course::Wait(_)));
    assert!(matches!(wanted(&resource).course(&seen, 3_600_000), Course::Write(_)));
    let mut other = resource.clone();
    set(&mut other.body, "/location", "westus".into());
    assert!(matches!(wanted(&other).course(&seen, 1), Course::Write(_)));
    assert_eq!(seen.facts().operation.unwrap().error_code.as_deref(), Some("X"));
}

#[test]
fn a_running_operation_is_waited_for_and_shown() {
    let resource = resource(ArmChange::Patch);
    let mut one = seen(live());
    let retry_at = 9;
    one.record.pending =
        Some(Pending { url: "x".into(), location: false, deletes: false, retry_at, wish: String::new() });
    assert!(matches!(wanted(&resource).course(&one, 0), Course::Wait(_)));
    let operation = one.facts().operation.unwrap();
    assert!(operation.running && operation.retry_at == 9);
}

#[test]
fn what_carries_the_mark_of_another_is_never_ours_and_a_rule_is_ours_where_its_server_is() {
    let mut theirs = seen(live());
    set(theirs.live.as_mut().unwrap(), &format!("/tags/{}", marks::OWNER), "v".into());
    assert!(!theirs.ours("u"), "whatever we remember");
    let rule = json!({"properties": {"startIpAddress": "1.2.3.4"}});
    let of = |parent| ArmSeen { live: Some(rule.clone()), parent_ours: Some(parent), ..ArmSeen::default() };
    assert!(of(true).ours("u") && !of(false).ours("u"));
    let untagged = ArmSeen { live: Some(json!({"location": "x"})), ..ArmSeen::default() };
    assert!(!untagged.ours("u"));
}

#[test]
fn a_put_of_what_exists_keeps_the_tags_of_others() {
    let resource = resource(ArmChange::Put);
    let mut live = live();
    set(&mut live, "/tags/team", "b".into());
    let Course::Write(Write::Put { body, secrets }) = wanted(&resource).course(&seen(live), 0) else { panic!() };
    assert_eq!(
        (body["tags"]["theirs"].as_str(), body["tags"]["team"].as_str(), secrets.len()),
        (Some("t"), Some("a"), 1)
    );
}

#[test]
fn a_version_is_written_only_where_value_or_type_differ_and_a_deleted_secret_is_recovered_first() {
    let secret = VaultSecret {
        vault: "https://v".into(),
        name: "n".into(),
        value: SecretKey { secret: "c".into(), key: "password".into() },
        content_type: Some("text/plain".into()),
        observe_only: false,
    };
    let wanted = VaultWanted { secret: &secret, uid: "u", fingerprint: Some("fp1:a".into()) };
    let live = |fingerprint: &str, tags| VaultSeen {
        live: Some(VaultLive {
            version: "1".into(),
            fingerprint: fingerprint.into(),
            content_type: Some("text/plain".into()),
            tags,
        }),
        ..VaultSeen::default()
    };
    let ours = json!({"tags": {marks::OWNER: "u"}});
    assert_eq!(wanted.course(&live("fp1:a", ours.clone()), 0), Course::Settled { ready: true });
    assert_eq!(wanted.course(&live("fp1:b", ours), 0), Course::Write(Write::SetSecret));
    assert_eq!(wanted.course(&VaultSeen::default(), 0), Course::Write(Write::SetSecret));
    let deleted = VaultSeen { soft_deleted: true, ..VaultSeen::default() };
    assert_eq!(wanted.course(&deleted, 0), Course::Write(Write::RecoverSecret));
    assert_eq!(deleted.standing_unwanted("u", 0).presence, Presence::Absent);
    assert!(!live("fp1:a", json!({})).ours("u"), "a secret of somebody else is not ours");
}

//! Fields that are laid over objects of others.

use super::world::{World, claim, config_map, decision, description, grants, item};
use crate::check::{CheckLimits, Rule, check};
use crate::decision::{Body, Item, ReadyWhen, UpdatePolicy};
use crate::names;
use crate::plan::{Action, Reason, propose};
use serde_json::{Value, json};

fn overlay(id: &str, body: Value) -> Item {
    Item { update: UpdatePolicy::Overlay, ..item(id, &[], body) }
}

fn labelled(name: &str, role: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"role": role}}})
}

/// An object that another controller owns.
fn theirs(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "default", "labels": {"app": "db"}, "ownerReferences": [
            {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "uid": "another", "controller": true},
        ]},
        "data": {"value": "theirs"},
    })
}

/// The rules that a decision of this one item breaks.
fn rules(world: &World, item: Item) -> Vec<Rule> {
    let refusal = world.plan(&decision(vec![item])).unwrap_err();
    refusal.problems().iter().map(|problem| problem.rule).collect()
}

#[test]
fn fields_are_laid_over_an_object_of_another_controller_and_nothing_else_is() {
    let mut world = World::new();
    world.put(theirs("pod"));
    let before = world.object("pod").unwrap().clone();
    let wish = decision(vec![overlay("role", labelled("pod", "primary"))]);
    let plan = world.plan(&wish).unwrap();
    assert!(matches!(plan.steps()[0].action, Action::Overlay { .. }));
    assert_eq!(plan.steps()[0].reason, Reason::Changed(vec!["metadata.labels.role".into()]));
    assert!(plan.inventory().entries.is_empty() && !plan.inventory_changed());
    assert_eq!(world.converge(&wish), 1);
    let mut after = world.object("pod").unwrap().clone();
    assert_eq!(after["metadata"]["labels"], json!({"app": "db", "role": "primary"}));
    after["metadata"]["labels"] = before["metadata"]["labels"].clone();
    after["metadata"]["resourceVersion"] = before["metadata"]["resourceVersion"].clone();
    assert_eq!(after, before, "no owner reference, annotation or label of ours");
}

#[test]
fn what_is_not_there_is_never_created_and_holds_up_only_what_comes_after_it() {
    let mut world = World::new();
    let after = item("after", &["role"], config_map("after", "x"));
    let beside = item("beside", &[], config_map("beside", "x"));
    let wish = decision(vec![overlay("role", labelled("pod", "primary")), beside.clone()]);
    assert_eq!(world.converge(&wish), 1);
    assert!(world.object("beside").is_some() && world.object("pod").is_none());
    assert!(world.plan(&wish).unwrap().settled());
    let wish = decision(vec![overlay("role", labelled("pod", "primary")), beside, after]);
    let plan = world.plan(&wish).unwrap();
    assert_eq!(plan.waiting().len(), 1);
    assert!(plan.waiting()[0].why.contains("does not exist yet"), "{:?}", plan.waiting());
    world.put(theirs("pod"));
    world.converge(&wish);
    assert!(world.object("after").is_some());
}

#[test]
fn what_only_has_to_exist_is_waited_for_too() {
    let world = World::new();
    let role = Item { ready_when: ReadyWhen::Exists, ..overlay("role", labelled("pod", "primary")) };
    let wish = decision(vec![role, item("after", &["role"], config_map("after", "x"))]);
    assert_eq!(world.plan(&wish).unwrap().waiting().len(), 1);
}

#[test]
fn dropping_it_or_the_resource_changes_nothing() {
    let mut world = World::new();
    world.put(theirs("pod"));
    let own = item("own", &[], config_map("own", "x"));
    world.converge(&decision(vec![own.clone(), overlay("role", labelled("pod", "primary"))]));
    let laid = world.object("pod").unwrap().clone();
    assert_eq!(world.converge(&decision(vec![own])), 0);
    world.delete_resource();
    world.converge(&decision(Vec::new()));
    assert_eq!(world.object("pod"), Some(&laid));
    assert_eq!(world.deleted, ["own"]);
}

#[test]
fn an_edit_of_a_laid_field_is_drift_and_one_beside_it_is_none() {
    let mut world = World::new();
    world.put(theirs("pod"));
    let wish = decision(vec![overlay("role", labelled("pod", "primary"))]);
    world.converge(&wish);
    world.edit("pod", |pod| pod["metadata"]["labels"]["app"] = json!("other"));
    assert!(world.plan(&wish).unwrap().steps().is_empty());
    world.edit("pod", |pod| pod["metadata"]["labels"]["role"] = json!("replica"));
    let plan = world.plan(&wish).unwrap();
    assert_eq!(plan.steps()[0].reason, Reason::Drifted(vec!["metadata.labels.role".into()]));
}

#[test]
fn a_value_that_the_server_writes_otherwise_is_sent_once() {
    let mut world = World::new();
    world.normalise = true;
    world.put(theirs("config"));
    let wish = decision(vec![overlay("value", config_map("config", "mine"))]);
    assert_eq!(world.converge(&wish), 1);
}

#[test]
fn a_field_that_is_not_wished_any_more_is_sent_as_a_new_wish() {
    let mut world = World::new();
    world.put(theirs("pod"));
    let both =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "pod", "labels": {"a": "1", "b": "2"}}});
    let one = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "pod", "labels": {"a": "1"}}});
    world.converge(&decision(vec![overlay("labels", both)]));
    let plan = world.plan(&decision(vec![overlay("labels", one)])).unwrap();
    assert_eq!(plan.steps()[0].reason, Reason::Changed(Vec::new()));
}

#[test]
fn an_object_that_ends_is_still_laid_over() {
    let mut world = World::new();
    let mut pod = theirs("pod");
    pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    world.put(pod);
    let plan = world.plan(&decision(vec![overlay("role", labelled("pod", "none"))])).unwrap();
    assert_eq!(plan.steps().len(), 1);
}

#[test]
fn grants_and_description_count_as_for_what_is_made() {
    let world = World::new();
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "labels": {"role": "x"}}});
    assert_eq!(rules(&world, overlay("role", pod)), [Rule::NotDescribed, Rule::NotGranted]);
    let decision = decision(vec![overlay("role", labelled("pod", "x"))]);
    let facts = world.facts(&decision);
    let mut grants = grants();
    grants.writes.retain(|grant| grant.kind != "ConfigMap");
    let refusal = check(propose(&facts, &decision), &facts, &grants, &description(), &CheckLimits::default());
    assert_eq!(refusal.unwrap_err().reason(), "NotGranted");
}

#[test]
fn only_objects_in_the_namespace_of_the_resource_are_laid_over() {
    let world = World::new();
    let mut elsewhere = labelled("pod", "x");
    elsewhere["metadata"]["namespace"] = json!("kube-system");
    assert_eq!(rules(&world, overlay("role", elsewhere)), [Rule::NamespaceNotGranted]);
    let class = json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "fast"}});
    assert_eq!(rules(&world, overlay("class", class)), [Rule::NamespaceNotGranted]);
}

#[test]
fn metadata_of_the_host_and_values_of_secrets_are_refused_here_too() {
    let world = World::new();
    let mut ours = labelled("pod", "x");
    ours["metadata"]["annotations"] = json!({names::ANNOTATION_PAUSED: "true"});
    assert_eq!(rules(&world, overlay("role", ours)), [Rule::ReservedMetadata]);
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"k": "djE="}});
    assert_eq!(rules(&world, overlay("secret", secret)), [Rule::RawSecret]);
    let own = json!({"apiVersion": "database.example.com/v1", "kind": "MySQL", "metadata": {"name": "prod-db"}});
    assert!(rules(&world, overlay("self", own)).contains(&Rule::SelfReference));
}

#[test]
fn only_objects_of_kubernetes_can_be_laid_over() {
    let Body::Secret(secret) = super::secret(&["password"], 1) else { panic!() };
    let generated = Item { body: Body::Secret(secret), ..overlay("secret", json!({})) };
    assert_eq!(rules(&World::new(), generated), [Rule::MalformedObject]);
}

#[test]
fn an_object_cannot_be_made_and_laid_over_at_once() {
    let world = World::new();
    let items = vec![item("made", &[], config_map("c", "x")), overlay("laid", labelled("c", "x"))];
    let refusal = world.plan(&decision(items)).unwrap_err();
    assert_eq!(refusal.reason(), "DuplicateTarget");
}

#[test]
fn what_was_made_once_and_is_only_laid_over_now_stays_ours_and_goes_with_the_resource() {
    let mut world = World::new();
    let other = item("other", &[], config_map("other", "x"));
    world.converge(&decision(vec![item("made", &[], config_map("c", "x")), other.clone()]));
    world.converge(&decision(vec![overlay("laid", labelled("c", "x")), other]));
    assert!(world.deleted.is_empty());
    assert_eq!(world.plan(&decision(vec![overlay("laid", labelled("c", "x"))])).unwrap().inventory().entries.len(), 2);
    world.delete_resource();
    world.converge(&decision(Vec::new()));
    assert_eq!(world.deleted.len(), 2);
}

#[test]
fn laying_over_things_does_not_make_room_for_deletions() {
    let mut world = World::new();
    let made = |count: usize| (0..count).map(|n| item(&format!("c{n}"), &[], config_map(&format!("c{n}"), "x")));
    world.converge(&decision(made(4).collect()));
    for n in 0..8 {
        world.put(theirs(&format!("pod{n}")));
    }
    let laid = || (0..8).map(|n| overlay(&format!("role{n}"), labelled(&format!("pod{n}"), "x")));
    let plan = world.plan(&decision(made(1).chain(laid()).collect())).unwrap();
    assert_eq!(plan.blocked().len(), 3);
    assert!(plan.blocked().iter().all(|blocked| blocked.rule == Rule::TooManyDeletions), "{:?}", plan.blocked());
    let plan = world.plan(&decision(laid().collect())).unwrap();
    assert!(plan.blocked().iter().all(|blocked| blocked.rule == Rule::EmptyDesiredSet), "{:?}", plan.blocked());
    assert_eq!(plan.blocked().len(), 4);
}

#[test]
fn a_claim_that_something_else_made_grows() {
    let mut world = World::new();
    let mut found = claim("data-0");
    found["metadata"]["namespace"] = json!("default");
    world.put(found);
    let mut larger = claim("data-0");
    larger["spec"]["resources"]["requests"]["storage"] = json!("2Gi");
    world.converge(&decision(vec![overlay("size", larger)]));
    assert_eq!(world.object("data-0").unwrap()["spec"]["resources"]["requests"]["storage"], "2Gi");
    world.converge(&decision(vec![item("other", &[], config_map("other", "x"))]));
    assert!(world.deleted.is_empty());
}

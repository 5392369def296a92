//! What is deleted, in which order, and above all what is not.

use super::world::{World, claim, config_map, decision, item, stateful_set};
use crate::check::Rule;
use crate::decision::{Decision, Item, RemovalPolicy};
use crate::names;
use crate::plan::Action;
use serde_json::json;

fn maps(names: &[&str]) -> Vec<Item> {
    names.iter().map(|name| item(name, &[], config_map(name, "1"))).collect()
}

fn chain() -> Decision {
    decision(vec![
        item("a", &[], config_map("a", "1")),
        item("b", &["a"], config_map("b", "1")),
        item("c", &["b"], config_map("c", "1")),
        item("d", &["a"], config_map("d", "1")),
    ])
}

fn rules(plan: &crate::Plan<crate::Checked>) -> Vec<(&str, Rule)> {
    plan.blocked().iter().map(|blocked| (blocked.item.as_str(), blocked.rule)).collect()
}

fn tear_down(world: &mut World, plan_of: impl Fn(&World) -> crate::Plan<crate::Checked>) {
    for _ in 0..20 {
        let plan = plan_of(world);
        if plan.finished() {
            return;
        }
        world.apply(&plan);
    }
    panic!("the teardown did not end");
}

#[test]
fn a_deleted_resource_is_torn_down_in_reverse_order() {
    let mut world = World::new();
    world.converge(&chain());
    world.delete_resource();
    tear_down(&mut world, |world| world.plan(&Decision::default()).unwrap());
    assert!(world.objects.is_empty());
    let at = |name: &str| world.deleted.iter().position(|deleted| deleted == name).unwrap();
    assert!(at("c") < at("b") && at("b") < at("a") && at("d") < at("a"));
}

#[test]
fn a_teardown_needs_no_plugin() {
    let mut world = World::new();
    world.converge(&chain());
    assert!(world.teardown().unwrap().steps().is_empty(), "not while the resource is not deleted");
    world.delete_resource();
    tear_down(&mut world, |world| world.teardown().unwrap());
    assert_eq!(world.deleted.last().unwrap(), "a");
    assert!(world.objects.is_empty());
}

#[test]
fn items_that_must_still_exist_while_deleting_stay() {
    let mut world = World::new();
    world.converge(&chain());
    world.delete_resource();
    let last = decision(vec![item("a", &[], config_map("a", "1"))]);
    for _ in 0..10 {
        let plan = world.plan(&last).unwrap();
        assert!(!plan.finished());
        world.apply(&plan);
    }
    assert_eq!(world.objects.len(), 1);
    tear_down(&mut world, |world| world.plan(&Decision::default()).unwrap());
    assert!(world.objects.is_empty());
}

#[test]
fn an_empty_desired_set_deletes_nothing() {
    for count in 1..5 {
        let mut world = World::new();
        world.converge(&decision(maps(&["a", "b", "c", "d"][..count])));
        let plan = world.plan(&Decision::default()).unwrap();
        assert!(plan.steps().is_empty());
        assert_eq!(plan.blocked().len(), count);
        assert!(plan.blocked().iter().all(|blocked| blocked.rule == Rule::EmptyDesiredSet));
        assert_eq!(plan.inventory().entries.len(), count);
        assert_eq!(world.converge(&Decision::default()), 0, "and it stays so");
    }
}

#[test]
fn an_empty_desired_set_lets_go_of_nothing_either() {
    let mut world = World::new();
    let mut kept = item("data", &[], claim("data"));
    kept.removal = RemovalPolicy::Keep;
    world.converge(&decision(vec![kept]));
    let plan = world.plan(&Decision::default()).unwrap();
    assert!(plan.steps().is_empty());
    assert_eq!(rules(&plan), [("data", Rule::EmptyDesiredSet)]);
    assert_eq!(plan.inventory().entries.len(), 1);
}

#[test]
fn more_than_half_is_never_deleted_at_once_nor_bit_by_bit() {
    let mut world = World::new();
    world.converge(&decision(maps(&["a", "b", "c", "d", "e"])));
    let plan = world.plan(&decision(maps(&["a", "b"]))).unwrap();
    assert!(plan.steps().is_empty());
    assert_eq!(plan.blocked().len(), 3);
    assert_eq!(world.converge(&decision(maps(&["a", "b"]))), 0);
    assert_eq!(world.objects.len(), 5);
    world.converge(&decision(maps(&["a", "b", "c"])));
    assert_eq!(world.objects.len(), 3);
}

#[test]
fn the_annotation_lifts_the_budget_for_the_items_that_it_names() {
    let mut world = World::new();
    world.converge(&decision(maps(&["a", "b", "c", "d", "e"])));
    world.annotate(names::ANNOTATION_ALLOW_DELETE, "c, d");
    world.converge(&decision(maps(&["a", "b"])));
    assert_eq!(world.objects.len(), 2, "two by the annotation, one by the budget");
    world.annotate(names::ANNOTATION_ALLOW_DELETE, "*");
    world.converge(&Decision::default());
    assert!(world.objects.is_empty());
}

#[test]
fn a_claim_is_never_deleted_by_omission() {
    let mut world = World::new();
    let mut items = maps(&["a", "b", "c"]);
    items.extend([item("data-0", &[], claim("data-0")), item("data-1", &[], claim("data-1"))]);
    world.converge(&decision(items.clone()));
    items.pop();
    let plan = world.plan(&decision(items.clone())).unwrap();
    assert!(plan.steps().is_empty());
    assert_eq!(rules(&plan), [("data-1", Rule::DataByOmission)]);
    assert!(plan.blocked()[0].message.contains("windlass.dev/allow-delete"));
    world.annotate(names::ANNOTATION_ALLOW_DELETE, "data-1");
    world.converge(&decision(items));
    assert!(world.object("data-1").is_none() && world.object("data-0").is_some());
}

#[test]
fn the_last_ready_item_of_a_stateful_kind_stays() {
    let mut world = World::new();
    let mut items = maps(&["a", "b", "c", "d"]);
    items.push(item("db", &[], stateful_set("db")));
    items.push(item("db2", &[], stateful_set("db2")));
    world.converge(&decision(items.clone()));
    items.pop();
    let plan = world.plan(&decision(items.clone())).unwrap();
    assert_eq!(rules(&plan), [("db2", Rule::AllOfStatefulKind)], "the one that would stay is not ready");
    world.make_ready("db");
    world.converge(&decision(items.clone()));
    assert!(world.object("db2").is_none());
    items.pop();
    assert_eq!(rules(&world.plan(&decision(items)).unwrap()), [("db", Rule::AllOfStatefulKind)]);
}

#[test]
fn protected_items_and_what_they_came_after_stay_until_a_human_says_so() {
    let mut world = World::new();
    let mut kept = item("db", &["config"], stateful_set("db"));
    kept.removal = RemovalPolicy::Protect;
    world.converge(&decision(vec![item("config", &[], config_map("config", "1")), kept]));
    world.delete_resource();
    world.apply(&world.plan(&Decision::default()).unwrap());
    let plan = world.plan(&Decision::default()).unwrap();
    assert!(plan.steps().is_empty() && !plan.finished());
    assert_eq!(rules(&plan), [("db", Rule::Protected)]);
    assert_eq!(plan.waiting().len(), 1, "config waits for db to be gone");
    world.annotate(names::ANNOTATION_ALLOW_DELETE, "db");
    tear_down(&mut world, |world| world.plan(&Decision::default()).unwrap());
    assert_eq!(world.deleted, ["db", "config"]);
}

#[test]
fn kept_items_are_released_and_never_had_an_owner_reference() {
    let mut world = World::new();
    let mut kept = item("data", &["config"], claim("data"));
    kept.removal = RemovalPolicy::Keep;
    world.converge(&decision(vec![item("config", &[], config_map("config", "1")), kept]));
    assert!(world.object("data").unwrap()["metadata"]["ownerReferences"].is_null());
    assert!(!world.object("config").unwrap()["metadata"]["ownerReferences"].is_null());
    world.delete_resource();
    tear_down(&mut world, |world| world.plan(&Decision::default()).unwrap());
    assert_eq!(world.deleted, ["config"]);
    let metadata = &world.object("data").unwrap()["metadata"];
    assert!(metadata["labels"].get(names::LABEL_OWNER).is_none());
}

#[test]
fn the_policy_on_the_object_holds_when_the_inventory_says_otherwise() {
    let mut world = World::new();
    let mut kept = item("data", &[], claim("data"));
    kept.removal = RemovalPolicy::Protect;
    world.converge(&decision(vec![kept]));
    let inventory = world.resource["metadata"]["annotations"][names::ANNOTATION_INVENTORY].as_str().unwrap().to_owned();
    world.annotate(names::ANNOTATION_INVENTORY, &inventory.replace("protect", "delete"));
    world.delete_resource();
    assert_eq!(rules(&world.plan(&Decision::default()).unwrap()), [("data", Rule::Protected)]);
}

#[test]
fn an_orphaning_delete_releases_instead_of_deleting() {
    let mut world = World::new();
    world.converge(&chain());
    world.resource["metadata"]["finalizers"] = json!(["orphan", names::FINALIZER]);
    world.delete_resource();
    tear_down(&mut world, |world| world.plan(&Decision::default()).unwrap());
    assert!(world.deleted.is_empty());
    assert_eq!(world.objects.len(), 4);
}

#[test]
fn an_object_whose_owner_reference_is_gone_is_left_alone() {
    let mut world = World::new();
    world.converge(&chain());
    world.edit("c", |object| object["metadata"]["ownerReferences"] = json!([]));
    world.delete_resource();
    let plan = world.plan(&Decision::default()).unwrap();
    assert_eq!(plan.forgotten()[0].item, "c");
    tear_down(&mut world, |world| world.plan(&Decision::default()).unwrap());
    assert!(world.object("c").is_some());
}

#[test]
fn an_object_of_another_uid_in_the_same_place_is_left_alone() {
    let mut world = World::new();
    world.converge(&chain());
    world.edit("c", |object| object["metadata"]["ownerReferences"][0]["uid"] = json!("another"));
    world.edit("c", |object| object["metadata"]["labels"][names::LABEL_OWNER] = json!("another"));
    world.edit("d", |object| object["metadata"] = json!({"name": "d", "namespace": "default", "uid": "u"}));
    world.delete_resource();
    tear_down(&mut world, |world| world.teardown().unwrap());
    assert_eq!(world.objects.len(), 2);
}

#[test]
fn a_damaged_inventory_deletes_nothing_and_is_refused() {
    let mut world = World::new();
    world.converge(&chain());
    for damage in ["", "{", "[]", "{\"v\":1}", "{\"v\":1,\"items\":[{}]}", "null", "{\"v\":9,\"items\":[]}"] {
        world.annotate(names::ANNOTATION_INVENTORY, damage);
        let refusal = world.plan(&chain()).unwrap_err();
        assert_eq!(refusal.reason(), "InventoryUnreadable", "{damage}");
        world.delete_resource();
        assert_eq!(world.teardown().unwrap_err().reason(), "InventoryUnreadable");
    }
}

#[test]
fn objects_that_the_inventory_has_lost_are_found_by_their_marks() {
    let mut world = World::new();
    world.converge(&chain());
    world.resource["metadata"]["annotations"].as_object_mut().unwrap().remove(names::ANNOTATION_INVENTORY);
    world.delete_resource();
    tear_down(&mut world, |world| world.plan(&Decision::default()).unwrap());
    assert!(world.objects.is_empty());
}

#[test]
fn an_item_that_moves_to_another_name_keeps_the_old_object_until_the_new_one_is_ready() {
    let mut world = World::new();
    let with = |name: &str| decision(vec![item("db", &[], stateful_set(name)), item("x", &[], config_map("x", "1"))]);
    world.converge(&with("old"));
    world.make_ready("old");
    world.converge(&with("new"));
    assert!(world.object("old").is_some() && world.object("new").is_some());
    world.make_ready("new");
    world.converge(&with("new"));
    assert!(world.object("old").is_none());
}

#[test]
fn what_is_already_being_deleted_is_waited_for() {
    let mut world = World::new();
    world.converge(&chain());
    world.edit("c", |object| {
        object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        object["metadata"]["finalizers"] = json!(["example.com/wait"]);
    });
    world.delete_resource();
    world.apply(&world.plan(&Decision::default()).unwrap());
    let plan = world.plan(&Decision::default()).unwrap();
    assert!(plan.steps().iter().all(|step| !matches!(step.action, Action::Delete { .. })));
    assert!(plan.waiting().iter().any(|waiting| waiting.why.contains("example.com/wait")));
}

#[test]
fn an_abandoned_resource_goes_at_once_and_says_what_is_left() {
    let mut world = World::new();
    let mut kept = item("data", &[], claim("data"));
    kept.removal = RemovalPolicy::Protect;
    world.converge(&decision(vec![item("config", &[], config_map("config", "1")), kept]));
    world.annotate(names::ANNOTATION_ABANDON, "true");
    world.delete_resource();
    let plan = world.plan(&Decision::default()).unwrap();
    assert_eq!(plan.forgotten()[0].item, "config");
    tear_down(&mut world, |world| world.plan(&Decision::default()).unwrap());
    assert!(world.deleted.is_empty());
}

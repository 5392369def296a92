//! What holds for every decision and every world.

use super::world::{World, claim, config_map, decision, description, grants, item, stateful_set};
use crate::check::{CheckLimits, check};
use crate::decision::{Body, Decision, Item, ReadyWhen, RemovalPolicy, UpdatePolicy};
use crate::facts::{Found, Sighting};
use crate::plan::{Action, propose, targets, teardown};
use crate::{diff, names, ready};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Any JSON, with the field names that the code looks for more often than chance would have them.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        prop_oneof![
            Just("v1"),
            Just("ConfigMap"),
            Just("Secret"),
            Just("StatefulSet"),
            Just("apps/v1"),
            Just("1Gi"),
            Just("True")
        ]
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        let key = prop_oneof![
            ".{0,6}",
            prop_oneof![
                Just("apiVersion"),
                Just("kind"),
                Just("metadata"),
                Just("name"),
                Just("namespace"),
                Just("uid"),
                Just("labels"),
                Just("annotations"),
                Just("ownerReferences"),
                Just("spec"),
                Just("status"),
                Just("conditions"),
                Just("containers"),
                Just("ports"),
                Just("limits"),
                Just("replicas"),
                Just("v"),
                Just("items"),
                Just("finalizers"),
                Just("deletionTimestamp"),
                Just("managedFields"),
                Just("data"),
            ]
            .prop_map(str::to_owned),
        ];
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            btree_map(key, inner, 0..6).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn any_item() -> impl Strategy<Value = Item> {
    let body = prop_oneof![
        any_json(),
        any_json()
            .prop_map(|spec| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": spec})),
        any_json().prop_map(|metadata| json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata})),
    ];
    (prop_oneof!["[a-c]", ".{0,4}"], vec("[a-c]", 0..3), body, any::<bool>(), 0..4_u8, 0..3_u8).prop_map(
        |(id, after, body, exists, update, removal)| Item {
            id,
            after,
            ready_when: if exists { ReadyWhen::Exists } else { ReadyWhen::Ready },
            update: update_policy(update),
            removal: removal_policy(removal),
            body: Body::Kubernetes(body),
        },
    )
}

fn update_policy(number: u8) -> UpdatePolicy {
    [UpdatePolicy::Apply, UpdatePolicy::CreateOnce, UpdatePolicy::Recreate, UpdatePolicy::Rolling]
        [usize::from(number % 4)]
}

fn removal_policy(number: u8) -> RemovalPolicy {
    [RemovalPolicy::Delete, RemovalPolicy::Keep, RemovalPolicy::Protect][usize::from(number % 3)]
}

/// A decision that nothing is wrong with: names by position, each item after some of the earlier ones.
pub(crate) fn good_decision() -> impl Strategy<Value = Decision> {
    vec((any::<u16>(), 0..3_u8, 0..4_u8, 0..3_u8, "[0-9]", any::<bool>()), 0..8).prop_map(|items| {
        let made = items.into_iter().enumerate().map(|(at, (after, kind, update, removal, value, present))| {
            let before: Vec<String> =
                (0..at).filter(|earlier| after & (1 << earlier) != 0).map(|earlier| format!("i{earlier}")).collect();
            let before: Vec<&str> = before.iter().map(String::as_str).collect();
            let name = format!("n{at}");
            let body = match kind {
                0 => config_map(&name, &value),
                1 => stateful_set(&name),
                _ => claim(&name),
            };
            let mut item = item(&format!("i{at}"), &before, body);
            item.update = update_policy(update);
            item.removal = removal_policy(removal);
            (present, item)
        });
        let mut items: Vec<(bool, Item)> = made.collect();
        let present: Vec<String> =
            items.iter().filter(|(present, _)| *present).map(|(_, item)| item.id.clone()).collect();
        items.retain(|(present, _)| *present);
        decision(
            items
                .into_iter()
                .map(|(_, mut item)| {
                    item.after.retain(|id| present.contains(id));
                    item
                })
                .collect(),
        )
    })
}

pub(crate) fn settle(world: &mut World, decision: &Decision) {
    for _ in 0..40 {
        let plan = world.plan(decision).unwrap();
        let quiet = plan.steps().is_empty() && !plan.inventory_changed();
        world.apply(&plan);
        let sets: Vec<String> =
            world.objects.keys().filter(|key| key.kind.kind == "StatefulSet").map(|key| key.name.clone()).collect();
        let unready =
            sets.iter().filter(|name| !ready::of(world.object(name).unwrap()).ready).cloned().collect::<Vec<_>>();
        unready.iter().for_each(|name| world.make_ready(name));
        if quiet && unready.is_empty() {
            return;
        }
    }
    panic!("never quiet");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_good_decision_converges_and_then_nothing_is_done(first in good_decision(), second in good_decision()) {
        let mut world = World::new();
        settle(&mut world, &first);
        let plan = world.plan(&first).unwrap();
        prop_assert!(plan.steps().is_empty() && plan.waiting().is_empty());
        world.last_writes.clear();
        prop_assert!(world.plan(&first).unwrap().steps().is_empty(), "nor after a restart");
        settle(&mut world, &second);
        for item in &second.items {
            prop_assert!(world.plan(&second).unwrap().inventory().entries.iter().any(|entry| entry.id == item.id));
        }
        // Whatever is left is written down, or was released.
        let plan = world.plan(&second).unwrap();
        for object in world.objects.values() {
            let released = object["metadata"]["labels"].get(names::LABEL_OWNER).is_none();
            prop_assert!(released || plan.inventory().keys().any(|key| Some(key.name.as_str()) == object["metadata"]["name"].as_str()));
        }
    }

    #[test]
    fn a_teardown_ends_and_deletes_in_reverse_order(first in good_decision(), without_plugin: bool) {
        let mut world = World::new();
        settle(&mut world, &first);
        world.annotate(names::ANNOTATION_ALLOW_DELETE, "*");
        world.delete_resource();
        let mut finished = false;
        for _ in 0..40 {
            let plan = if without_plugin { world.teardown() } else { world.plan(&Decision::default()) }.unwrap();
            finished = plan.finished();
            if finished { break; }
            world.apply(&plan);
        }
        prop_assert!(finished);
        let name = |id: &str| id.replace('i', "n");
        let at = |id: &str| world.deleted.iter().position(|deleted| *deleted == name(id));
        for item in &first.items {
            for earlier in &item.after {
                if let (Some(one), Some(two)) = (at(&item.id), at(earlier)) {
                    prop_assert!(one < two);
                }
            }
            let kept = item.removal == RemovalPolicy::Keep;
            prop_assert_eq!(world.object(&name(&item.id)).is_some(), kept);
        }
    }

    #[test]
    fn nothing_is_ever_deleted_that_is_not_ours(
        first in good_decision(), second in good_decision(), marks in vec(0..7_u8, 8), deleting: bool, allow: bool,
    ) {
        let mut world = World::new();
        settle(&mut world, &first);
        let names: Vec<String> = world.objects.keys().map(|key| key.name.clone()).collect();
        for (name, mark) in names.iter().zip(&marks) {
            world.edit(name, |object| mutate(object, *mark));
        }
        if deleting { world.delete_resource(); }
        if allow { world.annotate(names::ANNOTATION_ALLOW_DELETE, "*"); }
        let decision = if deleting { Decision::default() } else { second };
        if let Ok(plan) = world.plan(&decision) {
            for step in plan.steps() {
                if let Action::Delete { key, live } | Action::Recreate { key, live } | Action::Release { key, live, .. } = &step.action {
                    let metadata = &world.objects[key]["metadata"];
                    prop_assert_eq!(&metadata["uid"], &json!(live.uid));
                    prop_assert_eq!(&metadata["resourceVersion"], &json!(live.resource_version));
                    let owners = metadata["ownerReferences"].as_array().cloned().unwrap_or_default();
                    let owner_uid = |owner: &Value| owner["uid"].as_str() == Some("uid-of-resource");
                    prop_assert!(owners.iter().all(owner_uid), "another owner");
                    let label = metadata["labels"][names::LABEL_OWNER].as_str();
                    prop_assert!(label == Some("uid-of-resource") || (label.is_none() && owners.iter().any(owner_uid)));
                }
            }
            if !deleting && decision.items.is_empty() && !allow {
                prop_assert!(plan.steps().is_empty());
            }
        }
    }

    #[test]
    fn a_paused_resource_has_no_steps_whatever_is_decided(first in good_decision(), items in vec(any_item(), 0..4), deleting: bool) {
        let mut world = World::new();
        settle(&mut world, &first);
        world.annotate(names::ANNOTATION_PAUSED, "true");
        if deleting { world.delete_resource(); }
        let plan = world.plan(&decision(items)).unwrap();
        prop_assert!(plan.steps().is_empty() && !plan.inventory_changed() && !plan.finished());
    }

    #[test]
    fn arbitrary_decisions_and_facts_never_panic_and_give_the_same_answer_twice(
        items in vec(any_item(), 0..4), objects in vec(any_json(), 0..4), resource in any_json(), annotation in ".{0,40}",
    ) {
        let mut world = World::new();
        world.annotate(names::ANNOTATION_INVENTORY, &annotation);
        if annotation.len() % 2 == 0 { world.annotate(names::ANNOTATION_INVENTORY, r#"{"v":1,"items":[]}"#); }
        let decision = decision(items);
        let mut facts = world.facts(&decision);
        for object in objects {
            let readiness = ready::of(&object);
            if let Some(found) = Found::from_object(object, readiness) {
                facts.objects.insert_found(found);
            }
        }
        let _ = crate::facts::ResourceFacts::from_object(&resource);
        for key in targets(&decision, &facts) {
            if facts.objects.get(&key).is_none() {
                facts.objects.insert(key, Sighting::Absent);
            }
        }
        let once = check(propose(&facts, &decision), &facts, &grants(), &description(), &CheckLimits::default());
        let twice = check(propose(&facts, &decision), &facts, &grants(), &description(), &CheckLimits::default());
        prop_assert_eq!(once, twice);
        let _ = teardown(&facts, &CheckLimits::default());
    }

    #[test]
    fn arbitrary_json_never_panics_anywhere(one in any_json(), two in any_json()) {
        let _ = diff::differences(&one, &two);
        let _ = ready::of(&one);
        let _ = crate::digest::Digest::of(&one);
        let _ = crate::inventory::Inventory::read(&one.to_string());
        prop_assert!(diff::differences(&one, &one).is_empty());
    }
}

#[test]
fn a_thousand_levels_harm_nothing() {
    let mut deep = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}});
    let levels =
        (0..1_000).fold(json!("x"), |value, at| if at % 2 == 0 { json!([value]) } else { json!({"a": value}) });
    deep["data"] = levels.clone();
    let world = World::new();
    let wanted = decision(vec![item("a", &[], deep.clone())]);
    assert_eq!(world.plan(&wanted).unwrap_err().reason(), "Oversize");
    assert!(diff::differences(&deep, &deep).is_empty());
    let _ = ready::of(&deep);
    let _ = Found::from_object(deep, ready::of(&levels));
    assert!(crate::inventory::Inventory::read(&("[".repeat(100_000))).is_err());
}

/// What happens to marks: lost, copied from elsewhere, or edited.
fn mutate(object: &mut Value, mark: u8) {
    let metadata = &mut object["metadata"];
    match mark {
        0 => metadata["ownerReferences"] = json!([]),
        1 => metadata["labels"] = json!({}),
        2 => metadata["labels"][names::LABEL_OWNER] = json!("another"),
        3 => {
            metadata["ownerReferences"] =
                json!([{"apiVersion": "v1", "kind": "Other", "name": "o", "uid": "another", "controller": true}])
        }
        4 => metadata["annotations"] = json!({}),
        5 => {
            metadata["ownerReferences"] = json!([]);
            metadata["labels"] = json!({});
        }
        _ => {}
    }
}

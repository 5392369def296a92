//! Plans against a small world in memory: what they do, and what they never do.
#![allow(clippy::unwrap_used)]

mod deletion;
mod external;
mod overlay;
pub(crate) mod properties;
mod refusals;
mod servers;
pub(crate) mod world;

use crate::decision::{Body, GeneratedSecret, PasswordRules, RandomValue, UpdatePolicy};
use crate::plan::{Action, Reason};
use serde_json::json;
use world::{World, config_map, decision, item, stateful_set};

#[test]
fn everything_that_can_be_created_at_once_is_created_in_waves() {
    let mut world = World::new();
    let decision = decision(vec![
        item("config", &[], config_map("config", "1")),
        item("db", &["config"], stateful_set("db")),
        item("late", &["db"], config_map("late", "1")),
    ]);
    let plan = world.plan(&decision).unwrap();
    let steps: Vec<(&str, u32, Vec<String>)> =
        plan.steps().iter().map(|step| (step.item.as_str(), step.wave, step.needs.clone())).collect();
    assert_eq!(steps, [("config", 0, vec![]), ("db", 1, vec!["config".to_owned()])]);
    assert_eq!(plan.waves().count(), 2);
    assert_eq!(plan.waiting().len(), 1);
    assert_eq!(plan.waiting()[0].on, ["db"]);
    assert_eq!(plan.inventory().entries.len(), 3, "what is created later is written down before as well");
    assert!(plan.inventory_changed());
    world.apply(&plan);
    let plan = world.plan(&decision).unwrap();
    assert!(plan.steps().is_empty());
    assert!(plan.waiting()[0].why.contains("its controller has not seen it yet"), "{:?}", plan.waiting());
    world.make_ready("db");
    let plan = world.plan(&decision).unwrap();
    assert_eq!(plan.steps().len(), 1);
    world.apply(&plan);
    assert!(world.plan(&decision).unwrap().settled());
}

#[test]
fn an_unchanged_resource_causes_no_step_even_after_a_restart() {
    let mut world = World::new();
    let decision = decision(vec![item("config", &[], config_map("config", "1"))]);
    world.converge(&decision);
    assert_eq!(world.plan(&decision).unwrap().unchanged(), 1);
    world.last_writes.clear();
    let plan = world.plan(&decision).unwrap();
    assert!(plan.settled(), "{:?}", plan.steps());
    assert!(!plan.inventory_changed());
}

#[test]
fn a_field_that_is_no_longer_desired_is_found_after_a_restart() {
    let mut world = World::new();
    let mut body = config_map("config", "1");
    body["data"]["extra"] = json!("x");
    world.converge(&decision(vec![item("config", &[], body)]));
    world.last_writes.clear();
    let plan = world.plan(&decision(vec![item("config", &[], config_map("config", "1"))])).unwrap();
    assert_eq!(plan.steps().len(), 1);
    assert!(matches!(plan.steps()[0].reason, Reason::Changed(_)));
}

#[test]
fn a_server_that_normalises_in_an_unknown_way_costs_one_write_and_not_one_each_pass() {
    let mut world = World::new();
    world.normalise = true;
    let decision = decision(vec![item("config", &[], config_map("config", "1"))]);
    world.converge(&decision);
    assert!(world.plan(&decision).unwrap().settled());
    world.last_writes.clear();
    let plan = world.plan(&decision).unwrap();
    assert_eq!(plan.steps().len(), 1);
    world.apply(&plan);
    assert!(world.plan(&decision).unwrap().settled());
}

#[test]
fn what_others_changed_of_ours_is_reverted_and_what_is_theirs_is_kept() {
    let mut world = World::new();
    let decision = decision(vec![item("config", &[], config_map("config", "1"))]);
    world.converge(&decision);
    world.edit("config", |object| object["data"]["theirs"] = json!("x"));
    assert!(world.plan(&decision).unwrap().settled(), "a foreign field is no difference");
    world.edit("config", |object| object["data"]["value"] = json!("edited"));
    let plan = world.plan(&decision).unwrap();
    assert_eq!(plan.steps()[0].reason, Reason::Drifted(vec!["data.value".into()]));
    world.apply(&plan);
    assert!(world.plan(&decision).unwrap().settled());
    assert_eq!(world.object("config").unwrap()["data"]["theirs"], json!("x"));
}

#[test]
fn a_paused_resource_has_no_steps_and_keeps_its_inventory() {
    let mut world = World::new();
    world.converge(&decision(vec![item("config", &[], config_map("config", "1"))]));
    world.annotate("windlass.dev/paused", "true");
    world.delete_resource();
    let plan = world.plan(&decision(vec![])).unwrap();
    assert!(plan.paused() && plan.steps().is_empty() && !plan.inventory_changed() && !plan.finished());
    assert_eq!(plan.inventory().entries.len(), 1);
    assert!(world.teardown().unwrap().steps().is_empty());
}

#[test]
fn create_once_is_left_alone_and_recreate_deletes_first() {
    let mut world = World::new();
    let mut once = item("once", &[], config_map("once", "1"));
    once.update = UpdatePolicy::CreateOnce;
    let mut again = item("again", &[], config_map("again", "1"));
    again.update = UpdatePolicy::Recreate;
    world.converge(&decision(vec![once.clone(), again.clone()]));
    once.body = Body::Kubernetes(config_map("once", "2"));
    again.body = Body::Kubernetes(config_map("again", "2"));
    let wanted = decision(vec![once, again]);
    let plan = world.plan(&wanted).unwrap();
    assert_eq!(plan.steps().len(), 1);
    assert!(matches!(plan.steps()[0].action, Action::Recreate { .. }));
    world.apply(&plan);
    assert!(world.object("again").is_none());
    world.converge(&wanted);
    assert_eq!(world.object("again").unwrap()["data"]["value"], json!("2"));
    assert_eq!(world.object("once").unwrap()["data"]["value"], json!("1"));
}

#[test]
fn a_difference_that_others_made_never_recreates() {
    let mut world = World::new();
    let mut again = item("again", &[], config_map("again", "1"));
    again.update = UpdatePolicy::Recreate;
    let decision = decision(vec![again]);
    world.converge(&decision);
    world.last_writes.clear();
    world.edit("again", |object| object["data"]["value"] = json!("edited"));
    assert!(world.plan(&decision).unwrap().steps().is_empty());
}

#[test]
fn rolling_touches_one_at_a_time_and_waits_for_each_to_be_ready() {
    let mut world = World::new();
    let rolling = |id: &str, value: &str| {
        let mut body = stateful_set(id);
        body["spec"]["template"]["metadata"]["labels"]["value"] = json!(value);
        let mut item = item(id, &[], body);
        item.update = UpdatePolicy::Rolling;
        item
    };
    let first = decision(vec![rolling("a", "1"), rolling("b", "1")]);
    let plan = world.plan(&first).unwrap();
    assert_eq!(plan.steps().len(), 1);
    assert_eq!(plan.waiting()[0].on, ["a"]);
    world.apply(&plan);
    assert!(world.plan(&first).unwrap().steps().is_empty(), "a is not ready yet");
    world.make_ready("a");
    world.converge(&first);
    world.make_ready("b");
    let second = decision(vec![rolling("a", "2"), rolling("b", "2")]);
    let plan = world.plan(&second).unwrap();
    assert_eq!(plan.steps().iter().map(|step| step.item.as_str()).collect::<Vec<_>>(), ["a"]);
    world.apply(&plan);
    world.make_unready("a");
    assert!(world.plan(&second).unwrap().steps().is_empty());
    world.make_ready("a");
    assert_eq!(world.plan(&second).unwrap().steps()[0].item, "b");
    world.make_unready("b");
    assert_eq!(world.plan(&second).unwrap().steps()[0].item, "b", "what does not serve may be mended");
}

fn secret(keys: &[&str], generation: u32) -> Body {
    Body::Secret(GeneratedSecret {
        name: "root".into(),
        secret_type: "Opaque".into(),
        plain: vec![("user".into(), "root".into())],
        random: keys
            .iter()
            .map(|key| RandomValue {
                key: (*key).into(),
                length: 32,
                rules: PasswordRules::Alphanumeric,
                avoid: String::new(),
            })
            .collect(),
        composed: vec![],
        generation,
        labels: vec![],
    })
}

#[test]
fn a_generated_secret_is_made_once_extended_and_rotated() {
    let mut world = World::new();
    let with = |body: Body| {
        let mut item = item("secret", &[], json!({}));
        item.body = body;
        decision(vec![item])
    };
    world.converge(&with(secret(&["password"], 1)));
    world.last_writes.clear();
    assert!(world.plan(&with(secret(&["password"], 1))).unwrap().settled());
    let plan = world.plan(&with(secret(&["password", "second"], 1))).unwrap();
    let Action::AddSecretValues { random, rotate, .. } = &plan.steps()[0].action else { panic!("{:?}", plan.steps()) };
    assert_eq!(random.len(), 1);
    assert_eq!(random[0].key, "second");
    assert!(rotate.is_empty());
    world.apply(&plan);
    assert!(world.plan(&with(secret(&["password", "second"], 1))).unwrap().settled());
    let plan = world.plan(&with(secret(&["password", "second"], 2))).unwrap();
    let Action::AddSecretValues { random, rotate, .. } = &plan.steps()[0].action else { panic!("{:?}", plan.steps()) };
    assert_eq!((random.len(), rotate.len()), (0, 2));
    world.apply(&plan);
    assert!(world.plan(&with(secret(&["password", "second"], 2))).unwrap().settled());
}

#[test]
fn what_nobody_looked_at_is_neither_created_nor_deleted() {
    let mut world = World::new();
    let decision = decision(vec![item("config", &[], config_map("config", "1"))]);
    let mut facts = world.facts(&decision);
    facts.objects = Default::default();
    let plan = world.check(&facts, &decision).unwrap();
    assert!(plan.steps().is_empty());
    assert_eq!(plan.waiting().len(), 1);
    world.converge(&decision);
    world.delete_resource();
    let mut facts = world.facts(&Default::default());
    facts.objects = Default::default();
    let plan = world.check(&facts, &Default::default()).unwrap();
    assert!(plan.steps().is_empty() && !plan.finished());
    assert_eq!(plan.inventory().entries.len(), 1);
}

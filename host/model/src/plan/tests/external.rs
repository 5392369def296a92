//! Things of other backends: what is only looked at, and what stays when its item or resource goes.

use super::world::{World, item};
use crate::decision::{ArmChange, ArmResource, Body, Decision, Item, RemovalPolicy};
use crate::facts::{External, Presence};
use crate::names;
use crate::plan::{Action, Content, propose};
use serde_json::json;

fn server(observe_only: bool, removal: RemovalPolicy) -> Item {
    let mut item = item("server", &[], json!({}));
    item.removal = removal;
    item.body = Body::Azure(ArmResource {
        resource_id: "/subscriptions/s/resourceGroups/g/providers/Microsoft.Sql/servers/a".into(),
        api_version: "2021-11-01".into(),
        body: json!({}),
        secrets: Vec::new(),
        observe_only,
        adopt: false,
        unique_name: true,
        change: ArmChange::Patch,
        ready_field: None,
    });
    item
}

/// A plan for a decision, with this found in the place of the server.
fn plan(world: &World, items: Vec<Item>, presence: Presence, ours: bool) -> Content {
    let decision = Decision { items, ..super::world::decision(Vec::new()) };
    let mut facts = world.facts(&decision);
    let external = External { presence, ready: false, as_desired: false, ours };
    facts.external.insert("server".into(), external);
    propose(&facts, &decision).body
}

/// A world that has the server in its inventory.
fn listed(removal: RemovalPolicy) -> World {
    let mut world = World::new();
    let body = plan(&world, vec![server(false, removal)], Presence::Absent, false);
    assert!(matches!(body.steps[0].action, Action::Azure(_)));
    world.annotate(names::ANNOTATION_INVENTORY, &body.inventory.write());
    world
}

#[test]
fn what_is_only_looked_at_is_never_created_changed_or_refused_for_being_foreign() {
    let world = World::new();
    for presence in [Presence::Absent, Presence::Present, Presence::Unknown] {
        let body = plan(&world, vec![server(true, RemovalPolicy::Delete)], presence, false);
        assert!(body.steps.is_empty(), "{:?}", body.steps);
    }
}

#[test]
fn an_external_thing_that_is_to_stay_is_forgotten_with_its_resource_and_not_deleted() {
    let mut world = listed(RemovalPolicy::Keep);
    world.delete_resource();
    let body = plan(&world, Vec::new(), Presence::Present, true);
    assert!(body.steps.is_empty(), "{:?}", body.steps);
    assert_eq!(body.forgotten.len(), 1);
    assert!(body.finished, "nothing is waited for");
}

#[test]
fn an_external_thing_goes_with_its_resource_and_only_if_it_is_ours() {
    let mut world = listed(RemovalPolicy::Delete);
    world.delete_resource();
    let body = plan(&world, Vec::new(), Presence::Present, true);
    assert!(matches!(body.steps[0].action, Action::RemoveExternal { .. }) && !body.finished);
    let body = plan(&world, Vec::new(), Presence::Present, false);
    assert!(body.steps.is_empty() && body.forgotten.len() == 1);
    let body = plan(&world, Vec::new(), Presence::Absent, false);
    assert!(body.finished);
}

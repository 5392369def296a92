//! MySQL servers in a plan: they own nothing.

use super::world::{World, config_map, decision, description, grants, item};
use crate::check::{CheckLimits, Rule, check};
use crate::decision::{Body, Decision, GeneratedSecret, Item, MysqlServer, Replication, SecretKey, Tls, TlsMode};
use crate::description::Backends;
use crate::facts::{External, Presence};
use crate::inventory::{Backend, Entry, Inventory, Target};
use crate::names;
use crate::plan::{Action, Checked, Plan, propose};
use serde_json::json;

fn server(id: &str, host: &str) -> Item {
    let key = SecretKey { secret: "admin".into(), key: "k".into() };
    let body = Body::Mysql(Box::new(MysqlServer {
        host: host.into(),
        port: 3306,
        admin_port: None,
        user: key.clone(),
        password: key,
        tls: Tls { mode: TlsMode::Disabled, ca: None },
        writable: true,
        replication: Replication::None,
        acks: None,
        accounts: Vec::new(),
        reseed: None,
        expect: Vec::new(),
    }));
    Item { body, ..item(id, &[], json!({})) }
}

/// A checked plan, with every server of the decision found like this.
fn plan(world: &World, decision: &Decision, presence: Presence, as_desired: bool) -> Plan<Checked> {
    let mut facts = world.facts(decision);
    for item in &decision.items {
        if matches!(item.body, Body::Mysql(_)) {
            facts.external.insert(item.id.clone(), External { presence, ready: as_desired, as_desired, ours: true });
        }
    }
    let backends = Backends { mysql: true, ..Backends::default() };
    let mut grants = grants();
    grants.backends = backends;
    let description = crate::Description { backends, ..description() };
    let limits = CheckLimits { backends, ..CheckLimits::default() };
    check(propose(&facts, decision), &facts, &grants, &description, &limits).unwrap()
}

#[test]
fn a_server_is_changed_and_never_written_down() {
    let world = World::new();
    let wish = decision(vec![server("server/0", "10.0.0.1")]);
    let plan = plan(&world, &wish, Presence::Present, false);
    assert!(matches!(plan.steps()[0].action, Action::Mysql(_)));
    assert!(plan.inventory().entries.is_empty() && !plan.inventory_changed());
}

#[test]
fn a_server_that_is_dropped_is_left_as_it_is() {
    let mut world = World::new();
    let listed = Inventory {
        entries: vec![Entry {
            id: "server/1".into(),
            target: Target::External {
                backend: Backend::Mysql,
                name: "10.0.0.2:3306".into(),
                api_version: String::new(),
            },
            after: Vec::new(),
            removal: crate::decision::RemovalPolicy::Delete,
        }],
    };
    world.annotate(names::ANNOTATION_INVENTORY, &listed.write());
    let wish = decision(vec![server("server/0", "10.0.0.1")]);
    let plan = plan(&world, &wish, Presence::Present, true);
    assert!(plan.settled() && plan.inventory().entries.is_empty(), "{:?}", plan.steps());
    world.delete_resource();
    assert!(self::plan(&world, &decision(Vec::new()), Presence::Present, true).finished());
}

#[test]
fn a_server_that_does_not_answer_waits_and_holds_up_nothing_else() {
    let world = World::new();
    let wish = decision(vec![server("server/0", "10.0.0.1"), item("config", &[], config_map("config", "x"))]);
    let plan = plan(&world, &wish, Presence::Unknown, false);
    assert_eq!(plan.waiting().len(), 1);
    assert_eq!(plan.steps().len(), 1);
    assert!(!plan.settled());
}

#[test]
fn servers_do_not_make_room_for_deletions() {
    let mut world = World::new();
    let made = |count: usize| (0..count).map(|n| item(&format!("c{n}"), &[], config_map(&format!("c{n}"), "x")));
    world.converge(&decision(made(4).collect()));
    let servers = || (0..8).map(|n| server(&format!("server/{n}"), &format!("10.0.0.{n}")));
    let plan = plan(&world, &decision(made(1).chain(servers()).collect()), Presence::Present, true);
    assert_eq!(plan.blocked().len(), 3);
    let plan = self::plan(&world, &decision(servers().collect()), Presence::Present, true);
    assert!(plan.blocked().iter().all(|blocked| blocked.rule == Rule::EmptyDesiredSet), "{:?}", plan.blocked());
}

#[test]
fn the_login_of_a_server_is_a_secret_of_the_resource_or_one_that_is_granted_by_name() {
    let world = World::new();
    let backends = Backends { mysql: true, ..Backends::default() };
    let description = crate::Description { backends, ..description() };
    let limits = CheckLimits { backends, ..CheckLimits::default() };
    let refused = |decision: &Decision, names: &[&str]| {
        let mut grants = grants();
        grants.backends = backends;
        grants.reads[0].names = names.iter().map(|name| (*name).into()).collect();
        let facts = world.facts(decision);
        let checked = check(propose(&facts, decision), &facts, &grants, &description, &limits);
        checked.err().map(|refusal| refusal.problems().iter().map(|problem| problem.rule).collect::<Vec<_>>())
    };
    let alone = decision(vec![server("server/0", "db-0")]);
    // User and password are of the same Secret.
    assert_eq!(refused(&alone, &["other"]), Some(vec![Rule::SecretNotGranted; 2]));
    assert_eq!(refused(&alone, &["other", "admin"]), None);
    let made = GeneratedSecret { name: "admin".into(), ..secret_of_nothing() };
    let made = Item { body: Body::Secret(made), ..item("secret", &[], json!({})) };
    assert_eq!(refused(&decision(vec![made, server("server/0", "db-0")]), &["other"]), None);
}

fn secret_of_nothing() -> GeneratedSecret {
    GeneratedSecret {
        name: String::new(),
        secret_type: "Opaque".into(),
        plain: vec![("k".into(), "v".into())],
        random: Vec::new(),
        composed: Vec::new(),
        generation: 0,
        labels: Vec::new(),
    }
}

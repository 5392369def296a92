//! Decisions that are refused as a whole.

use super::world::{World, config_map, decision, item, stateful_set};
use crate::decision::{Body, Item, MysqlServer, Replication, SecretKey, Tls, TlsMode};
use crate::grant::WriteVerb;
use crate::names;
use proptest::prelude::*;
use serde_json::{Value, json};

/// The words of the rules that one such item breaks.
fn words(items: Vec<Item>) -> Vec<&'static str> {
    match World::new().plan(&decision(items)) {
        Ok(plan) => panic!("not refused: {:?}", plan.steps()),
        Err(refusal) => refusal.problems().iter().map(|problem| problem.rule.word()).collect(),
    }
}

fn word_of(body: Value) -> &'static str {
    words(vec![item("it", &[], body)])[0]
}

fn with(mut body: Value, pointer: &str, value: Value) -> Value {
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    body.pointer_mut(parent).unwrap()[field] = value;
    body
}

#[test]
fn each_rule_refuses_with_its_word() {
    let map = || config_map("map", "1");
    let object = |api: &str, kind: &str| json!({"apiVersion": api, "kind": kind, "metadata": {"name": "name"}});
    for (body, word) in [
        (json!(null), "MalformedObject"),
        (json!([]), "MalformedObject"),
        (json!({}), "MalformedObject"),
        (json!({"apiVersion": "v1", "kind": "ConfigMap"}), "MalformedObject"),
        (json!({"apiVersion": "v1", "kind": "", "metadata": {"name": "a"}}), "MalformedObject"),
        (json!({"apiVersion": "", "kind": "ConfigMap", "metadata": {"name": "a"}}), "MalformedObject"),
        (json!({"apiVersion": "v1", "kind": "../ConfigMap", "metadata": {"name": "a"}}), "MalformedObject"),
        (with(map(), "/metadata/labels", json!([])), "MalformedObject"),
        (with(map(), "/metadata/labels", json!({"a": 1})), "MalformedObject"),
        (with(map(), "/metadata/name", json!("Upper")), "InvalidName"),
        (with(map(), "/metadata/name", json!("a/../b")), "InvalidName"),
        (with(map(), "/metadata/name", json!("a".repeat(254))), "InvalidName"),
        (with(map(), "/metadata/name", json!("a\u{0}")), "InvalidName"),
        (with(map(), "/metadata/name", json!("раураl")), "InvalidName"),
        (with(map(), "/metadata/labels", json!({"a": "x".repeat(64)})), "InvalidName"),
        (with(map(), "/metadata/uid", json!("u")), "ReservedMetadata"),
        (with(map(), "/metadata/resourceVersion", json!("1")), "ReservedMetadata"),
        (with(map(), "/metadata/generation", json!(1)), "ReservedMetadata"),
        (with(map(), "/metadata/managedFields", json!([{}])), "ReservedMetadata"),
        (with(map(), "/metadata/ownerReferences", json!([{}])), "ReservedMetadata"),
        (with(map(), "/metadata/finalizers", json!(["a/b"])), "ReservedMetadata"),
        (with(map(), "/metadata/deletionTimestamp", json!("now")), "ReservedMetadata"),
        (with(map(), "/metadata/creationTimestamp", json!("now")), "ReservedMetadata"),
        (with(map(), "/metadata/generateName", json!("a-")), "ReservedMetadata"),
        (with(map(), "/metadata/labels", json!({"windlass.dev/owner-uid": "x"})), "ReservedMetadata"),
        (with(map(), "/metadata/annotations", json!({"Windlass.dev/paused": "true"})), "ReservedMetadata"),
        (with(map(), "/metadata/labels", json!({"app.kubernetes.io/managed-by": "Helm"})), "ReservedMetadata"),
        (with(map(), "/status", json!({"a": 1})), "ForeignStatus"),
        (with(object("v1", "Secret"), "/data", json!({"a": "YQ=="})), "RawSecret"),
        (with(object("v1", "Secret"), "/stringData", json!({"a": "a"})), "RawSecret"),
        (with(object("v1", "Secret"), "/type", json!("kubernetes.io/service-account-token")), "RawSecret"),
        (with(map(), "/metadata/namespace", json!("other")), "NamespaceNotGranted"),
        (object("v1", "Namespace"), "ClusterScope"),
        (object("rbac.authorization.k8s.io/v1", "Role"), "ClusterScope"),
        (object("v1", "Pod"), "NotDescribed"),
        (with(object("database.example.com/v1", "MySQL"), "/metadata/name", json!("prod-db")), "SelfReference"),
        (object("database.example.com/v1", "MySQL"), "Recursion"),
        (with(map(), "/data", json!({"value": "x".repeat(1 << 20)})), "Oversize"),
        (with(map(), "/metadata/annotations", json!({"a": "x".repeat(251 << 10)})), "Oversize"),
        (with(map(), "/data", deep(80)), "Oversize"),
        (with(map(), "/data", deep(1_000)), "Oversize"),
    ] {
        let short: String = body.to_string().chars().take(200).collect();
        assert_eq!(word_of(body), word, "{short}");
    }
}

fn deep(levels: usize) -> Value {
    (0..levels).fold(json!(1), |value, _| json!({ "a": value }))
}

#[test]
fn a_kind_is_only_written_in_the_ways_that_are_granted() {
    let mut world = World::new();
    let wanted = |value: &str| decision(vec![item("map", &[], config_map("map", value))]);
    let grants = |verbs: &[WriteVerb]| {
        let mut grants = super::world::grants();
        grants.writes[0].verbs = verbs.to_vec();
        grants
    };
    let plan = |world: &World, decision: &crate::decision::Decision, grants: &crate::Grants| {
        let facts = world.facts(decision);
        let (description, limits) = (super::world::description(), crate::CheckLimits::default());
        crate::check::check(crate::plan::propose(&facts, decision), &facts, grants, &description, &limits)
    };
    let refused = |world: &World, decision: &crate::decision::Decision, verbs: &[WriteVerb], word: &str| {
        let refusal = plan(world, decision, &grants(verbs)).unwrap_err();
        assert_eq!((refusal.reason(), refusal.problems()[0].item.as_str()), ("NotGranted", "map"));
        assert!(refusal.to_string().contains(&format!("to {word} ConfigMap")), "{refusal}");
    };
    refused(&world, &wanted("1"), &[WriteVerb::Patch, WriteVerb::Delete], "create");
    assert!(plan(&world, &wanted("1"), &grants(&[WriteVerb::Create])).is_ok());
    world.converge(&wanted("1"));
    refused(&world, &wanted("2"), &[WriteVerb::Create, WriteVerb::Delete], "patch");
    assert!(plan(&world, &wanted("2"), &grants(&[WriteVerb::Patch])).is_ok());
    world.delete_resource();
    refused(&world, &decision(vec![]), &[WriteVerb::Create, WriteVerb::Patch], "delete");
    assert!(plan(&world, &decision(vec![]), &grants(&[WriteVerb::Delete])).is_ok());
    // What was made under a grant that was taken back can still go.
    let mut none = super::world::grants();
    none.writes.remove(0);
    assert!(plan(&world, &decision(vec![]), &none).is_ok());
}

#[test]
fn ids_order_and_targets_are_checked() {
    let map = |id: &str, after: &[&str], name: &str| item(id, after, config_map(name, "1"));
    assert_eq!(words(vec![map("", &[], "a")])[0], "InvalidId");
    assert_eq!(words(vec![map("A b", &[], "a")])[0], "InvalidId");
    assert_eq!(words(vec![map(&"a".repeat(101), &[], "a")])[0], "InvalidId");
    assert_eq!(words(vec![map("a", &[], "a"), map("a", &[], "b")])[0], "DuplicateId");
    assert_eq!(words(vec![map("a", &[], "x"), map("b", &[], "x")])[0], "DuplicateTarget");
    assert_eq!(words(vec![map("a", &["b"], "a")])[0], "UnknownAfter");
    assert_eq!(words(vec![map("a", &["a"], "a")])[0], "Cycle");
    assert_eq!(words(vec![map("a", &["b"], "a"), map("b", &["a"], "b")])[0], "Cycle");
    let many = (0..1_001).map(|at| map(&format!("i{at}"), &[], &format!("n{at}"))).collect();
    assert_eq!(words(many)[0], "Oversize");
}

#[test]
fn a_status_without_bounds_is_refused() {
    for status in [deep(1_000), json!({"text": "x".repeat(300 << 10)})] {
        let wanted = crate::decision::Decision { status, ..Default::default() };
        assert_eq!(World::new().plan(&wanted).unwrap_err().reason(), "Oversize");
    }
}

#[test]
fn a_cluster_scoped_kind_with_its_grant_has_no_owner_reference_and_no_namespace() {
    let mut world = World::new();
    let body = json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "fast"}});
    let decision = decision(vec![item("class", &[], body)]);
    world.converge(&decision);
    let metadata = &world.object("fast").unwrap()["metadata"];
    assert!(metadata["ownerReferences"].is_null() && metadata["namespace"].is_null());
    world.delete_resource();
    for _ in 0..3 {
        let plan = world.plan(&Default::default()).unwrap();
        world.apply(&plan);
    }
    assert!(world.objects.is_empty());
}

#[test]
fn a_backend_that_this_host_does_not_have_is_refused() {
    let key = || SecretKey { secret: "s".into(), key: "k".into() };
    let mut one = item("server", &[], json!({}));
    one.body = Body::Mysql(Box::new(MysqlServer {
        host: "db-0".into(),
        port: 3306,
        admin_port: None,
        user: key(),
        password: key(),
        tls: Tls { mode: TlsMode::Required, ca: None },
        writable: true,
        replication: Replication::None,
        acks: None,
        accounts: vec![],
        reseed: None,
        expect: vec![],
    }));
    assert_eq!(words(vec![one])[0], "BackendUnavailable");
}

#[test]
fn a_foreign_object_is_a_collision_unless_the_user_lets_it_be_taken_over() {
    let mut world = World::new();
    world.put(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "map", "namespace": "default"}}));
    let wanted = decision(vec![item("map", &[], config_map("map", "1")), item("other", &[], config_map("other", "1"))]);
    let refusal = world.plan(&wanted).unwrap_err();
    assert_eq!(refusal.reason(), "NameCollision");
    assert!(refusal.to_string().contains("windlass.dev/adopt"), "{refusal}");
    world.annotate(names::ANNOTATION_ADOPT, "map");
    world.converge(&wanted);
    assert_eq!(world.object("map").unwrap()["metadata"]["labels"][names::LABEL_OWNER], json!("uid-of-resource"));
}

#[test]
fn what_another_controller_holds_is_never_taken_over() {
    let mut world = World::new();
    world.put(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "map", "namespace": "default",
        "ownerReferences": [{"apiVersion": "v1", "kind": "Other", "name": "o", "uid": "u", "controller": true}]}}));
    world.annotate(names::ANNOTATION_ADOPT, "*");
    let refusal = world.plan(&decision(vec![item("map", &[], config_map("map", "1"))])).unwrap_err();
    assert_eq!(refusal.reason(), "NameCollision");
}

#[test]
fn children_of_an_earlier_resource_of_the_same_name_are_waited_for() {
    let mut world = World::new();
    world.converge(&decision(vec![item("map", &[], config_map("map", "1"))]));
    world.resource["metadata"]["uid"] = json!("new-uid");
    world.resource["metadata"]["annotations"] = json!({});
    let wanted = decision(vec![item("map", &[], config_map("map", "1"))]);
    let plan = world.plan(&wanted).unwrap();
    assert!(plan.steps().is_empty());
    assert!(plan.waiting()[0].why.contains("earlier resource"));
}

#[test]
fn a_kind_that_the_cluster_does_not_serve_parks_only_its_item() {
    let mut world = World::new();
    let body = json!({"apiVersion": "database.example.com/v1", "kind": "Backup", "metadata": {"name": "b"}});
    let wanted = decision(vec![item("backup", &[], body), item("map", &[], config_map("map", "1"))]);
    let mut grants = super::world::grants();
    grants.writes[0].kind = "Backup".into();
    let facts = world.facts(&wanted);
    let plan = crate::plan::propose(&facts, &wanted);
    assert_eq!(plan.steps().len(), 1);
    assert!(plan.waiting()[0].why.contains("does not serve the kind Backup.database.example.com"));
    let _ = &mut world;
}

#[test]
fn markers_that_were_removed_are_put_back() {
    let mut world = World::new();
    let wanted = decision(vec![item("db", &[], stateful_set("db"))]);
    world.converge(&wanted);
    world.edit("db", |object| object["metadata"]["labels"] = json!({}));
    world.converge(&wanted);
    assert_eq!(world.object("db").unwrap()["metadata"]["labels"][names::LABEL_PLUGIN], json!("mysql"));
    world.edit("db", |object| object["metadata"]["ownerReferences"] = json!([]));
    world.converge(&wanted);
    assert_eq!(world.object("db").unwrap()["metadata"]["ownerReferences"][0]["uid"], json!("uid-of-resource"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn duplicates_and_circles_are_always_refused(count in 2_usize..12, first in 0_usize..12, second in 0_usize..12, circle: bool) {
        let (first, second) = (first % count, second % count);
        let mut items: Vec<Item> = (0..count)
            .map(|at| {
                let before: Vec<String> = (0..at).map(|id| format!("i{id}")).collect();
                let before: Vec<&str> = before.iter().map(String::as_str).collect();
                item(&format!("i{at}"), &before, config_map(&format!("n{at}"), "1"))
            })
            .collect();
        let expected = if circle {
            let (low, high) = (first.min(second), first.max(second));
            items[low].after.push(format!("i{high}"));
            "Cycle"
        } else {
            prop_assume!(first != second);
            items[first].id = items[second].id.clone();
            "DuplicateId"
        };
        prop_assert!(words(items).contains(&expected));
    }
}

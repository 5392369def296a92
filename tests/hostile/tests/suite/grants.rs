//! Decisions that a plugin was not granted, or that would do damage, come out of the sandbox whole and do not get past the
//! check (G4, G5, G6, G7).

use guests::Guest;
use hostile::{engine, limits, snapshot};
use model::{
    CheckLimits, Checked, Facts, Grants, Plan, Refusal,
    check::{Rule, check},
    facts::{Found, ResourceFacts},
    plan::propose,
    ready::Readiness,
};
use serde_json::{Value, json};

/// What the operator granted: ConfigMaps, which is also all that the plugin said it writes.
fn grants() -> Grants {
    serde_json::from_value(json!({"writes": [{"kind": "ConfigMap"}]})).unwrap()
}

fn facts(annotations: Value) -> Facts {
    let resource = json!({
        "apiVersion": "guest.example/v1", "kind": "Thing",
        "metadata": {"name": "thing", "namespace": "default", "uid": "uid-1", "annotations": annotations},
    });
    Facts::new(ResourceFacts::from_object(&resource).unwrap(), "guest")
}

/// What the check says of what a real component decided.
async fn checked(decision: Value, facts: &Facts) -> Result<Plan<Checked>, Refusal> {
    let component = Guest::answering(json!({"ok": decision})).build().unwrap();
    let plugin = engine().load("guest", component, limits()).await.unwrap();
    let decision = plugin.decide(&snapshot("{}")).await.unwrap().outcome.unwrap();
    check(propose(facts, &decision), facts, &grants(), plugin.description(), &CheckLimits::default())
}

/// The rules that a decision of these items breaks.
async fn broken(items: Value) -> Vec<Rule> {
    let refusal = checked(json!({"items": items, "status": "{}"}), &facts(json!({}))).await.unwrap_err();
    refusal.problems().iter().map(|problem| problem.rule).collect()
}

fn item(id: &str, object: Value) -> Value {
    json!({"id": id, "body": {"kubernetes": object}})
}

fn config_map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}})
}

#[tokio::test]
async fn what_was_granted_passes() {
    let items = json!([item("a", config_map("a")), item("b", config_map("b"))]);
    let plan = checked(json!({"items": items, "status": "{}"}), &facts(json!({}))).await;
    assert!(plan.is_ok(), "{plan:?}");
}

#[tokio::test]
async fn one_item_beyond_the_grant_refuses_all() {
    let role =
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "all"}});
    let elsewhere =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "kube-system"}});
    let key = json!({"secret": "s", "key": "k"});
    let server = json!({"host": "db", "port": 3306, "user": key, "password": key, "replication": "none"});
    let good = item("good", config_map("good"));
    let kinds = broken(json!([good, item("bad", role)])).await;
    assert!(kinds.contains(&Rule::NotDescribed) || kinds.contains(&Rule::NotGranted), "{kinds:?}");
    let namespaces = broken(json!([good, item("bad", elsewhere)])).await;
    assert_eq!(namespaces, [Rule::NamespaceNotGranted]);
    let backends = broken(json!([good, {"id": "bad", "body": {"mysql": server}}])).await;
    assert!(!backends.is_empty());
}

#[tokio::test]
async fn metadata_of_the_host_and_the_server_is_refused() {
    for metadata in [
        json!({"name": "a", "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}]}),
        json!({"name": "a", "finalizers": ["example.com/stay"]}),
        json!({"name": "a", "managedFields": [{"manager": "somebody"}]}),
        json!({"name": "a", "uid": "other"}),
        json!({"name": "a", "resourceVersion": "7"}),
        json!({"name": "a", "generation": 7}),
        json!({"name": "a", "labels": {"windlass.dev/owner-uid": "other"}}),
    ] {
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata});
        let rules = broken(json!([item("a", object)])).await;
        assert_eq!(rules, [Rule::ReservedMetadata], "{metadata}");
    }
}

#[tokio::test]
async fn duplicates_circles_and_objects_that_are_none_are_refused() {
    let cases = [
        (json!([item("a", config_map("a")), item("a", config_map("b"))]), Rule::DuplicateId),
        (json!([item("a", config_map("a")), item("b", config_map("a"))]), Rule::DuplicateTarget),
        (
            json!([
                {"id": "a", "after": ["b"], "body": {"kubernetes": config_map("a")}},
                {"id": "b", "after": ["a"], "body": {"kubernetes": config_map("b")}},
            ]),
            Rule::Cycle,
        ),
        (json!([{"id": "a", "after": ["nobody"], "body": {"kubernetes": config_map("a")}}]), Rule::UnknownAfter),
        (json!([item("a", json!({"apiVersion": "v1", "metadata": {"name": "a"}}))]), Rule::MalformedObject),
        (json!([item("A B", config_map("a"))]), Rule::InvalidId),
    ];
    for (items, rule) in cases {
        let rules = broken(items.clone()).await;
        assert!(rules.contains(&rule), "{rules:?} for {items}");
    }
}

#[tokio::test]
async fn an_empty_decision_deletes_nothing() {
    let names = ["a", "b", "c", "d"];
    let entries: Vec<_> = names
        .iter()
        .map(|name| json!({"id": name, "api": "v1", "kind": "ConfigMap", "ns": "default", "name": name}))
        .collect();
    let inventory = json!({"v": 1, "items": entries}).to_string();
    let mut facts = facts(json!({"windlass.dev/inventory": inventory}));
    for name in names {
        let owner = json!({"apiVersion": "guest.example/v1", "kind": "Thing", "name": "thing", "uid": "uid-1", "controller": true});
        let object = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {
                "name": name, "namespace": "default", "uid": format!("uid-{name}"), "ownerReferences": [owner],
                "labels": {"windlass.dev/owner-uid": "uid-1", "windlass.dev/plugin": "guest"},
                "annotations": {"windlass.dev/item": name},
            },
        });
        facts
            .objects
            .insert_found(Found::from_object(object, Readiness { ready: true, reason: "exists".into() }).unwrap());
    }
    let plan = checked(json!({"items": [], "status": "{}"}), &facts).await.unwrap();
    assert!(plan.steps().is_empty(), "{:?}", plan.steps());
    assert_eq!(plan.blocked().len(), names.len());
    assert!(plan.blocked().iter().all(|blocked| blocked.rule == Rule::EmptyDesiredSet), "{:?}", plan.blocked());
}

//! Creates, updates, patches, applies, deletions and dry runs beyond the recordings.

use crate::stage::{MAPS, Stage, config_map, one, version};
use serde_json::{Value, json};

const APPLY: &str = "application/apply-patch+yaml";

#[tokio::test]
async fn a_create_with_a_version_is_refused_and_generated_names_fit() {
    let stage = Stage::start().await;
    let mut object = config_map("a");
    object["metadata"]["resourceVersion"] = json!("1");
    let (code, status) = stage.post(MAPS, object).await;
    assert_eq!((code, &status["message"]), (500, &json!("resourceVersion should not be set on objects to be created")));
    let long = "p".repeat(80);
    let generated = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": long}});
    let (_, object) = stage.post(MAPS, generated).await;
    assert_eq!(object["metadata"]["name"].as_str().unwrap().len(), 63);
    stage.server.stop().await;
}

#[tokio::test]
async fn a_write_that_changes_nothing_keeps_the_version_and_causes_no_event() {
    let stage = Stage::start().await;
    let a = stage.map("a").await;
    let writes = stage.server.store().writes();
    for media in ["application/merge-patch+json", "application/strategic-merge-patch+json"] {
        let (_, same) = stage.send("PATCH", &one("a"), media, json!({"data": {"k": "v"}})).await;
        assert_eq!(version(&same), version(&a));
    }
    let (_, same) = stage.put(&one("a"), a.clone()).await;
    assert_eq!(version(&same), version(&a));
    assert_eq!(stage.server.store().writes(), writes);
    stage.server.stop().await;
}

#[tokio::test]
async fn a_patch_is_bounded_in_operations_bytes_and_media_types() {
    let stage = Stage::start().await;
    stage.map("a").await;
    let json = "application/json-patch+json";
    let many: Vec<Value> = (0..10_001).map(|_| json!({"op": "test", "path": "/data/k", "value": "v"})).collect();
    assert_eq!(stage.send("PATCH", &one("a"), json, json!(many)).await.0, 413);
    assert_eq!(stage.send("PATCH", &one("a"), json, json!([{"op": "nonsense"}])).await.0, 400);
    let failed = stage.send("PATCH", &one("a"), json, json!([{"op": "test", "path": "/data/k", "value": "x"}])).await;
    assert_eq!((failed.0, &failed.1["reason"]), (422, &json!("Invalid")));
    let huge = "x".repeat(3 * 1024 * 1024 + 1);
    assert_eq!(stage.merge(&one("a"), json!({"data": {"k": huge}})).await.0, 413);
    stage.server.stop().await;
}

#[tokio::test]
async fn an_apply_needs_a_short_manager_and_no_managed_fields() {
    let stage = Stage::start().await;
    let apply = |query: String, body: Value| {
        let stage = &stage;
        async move { stage.send("PATCH", &format!("{}{query}", one("a")), APPLY, body).await }
    };
    assert_eq!(apply(String::new(), config_map("a")).await.0, 422);
    let long = apply(format!("?fieldManager={}", "m".repeat(129)), config_map("a")).await;
    assert_eq!((long.0, &long.1["details"]["causes"][0]["field"]), (422, &json!("fieldManager")));
    let mut managed = config_map("a");
    managed["metadata"]["managedFields"] = json!([{"manager": "x"}]);
    let (code, status) = apply("?fieldManager=m".to_owned(), managed).await;
    assert_eq!((code, &status["message"]), (400, &json!("metadata.managedFields must be nil")));
    let mut stale = config_map("a");
    assert_eq!(apply("?fieldManager=m".to_owned(), stale.clone()).await.0, 201);
    stale["metadata"]["resourceVersion"] = json!("1");
    stale["data"]["k"] = json!("w");
    assert_eq!(apply("?fieldManager=m".to_owned(), stale).await.0, 409);
    stage.server.stop().await;
}

#[tokio::test]
async fn conflicts_of_an_apply_are_causes_with_field_and_manager() {
    let stage = Stage::start().await;
    let mut object = config_map("a");
    object["data"] = json!({"k": "v", "l": "v"});
    stage.send("PATCH", &format!("{}?fieldManager=one", one("a")), APPLY, object.clone()).await;
    object["data"] = json!({"k": "w", "l": "w"});
    let (code, status) = stage.send("PATCH", &format!("{}?fieldManager=two", one("a")), APPLY, object).await;
    assert_eq!((code, &status["reason"]), (409, &json!("Conflict")));
    assert_eq!(status["message"], "Apply failed with 2 conflicts: conflicts with \"one\":\n- .data.k\n- .data.l");
    let cause = json!({"reason": "FieldManagerConflict", "message": "conflict with \"one\"", "field": ".data.k"});
    assert_eq!(status["details"]["causes"][0], cause);
    stage.server.stop().await;
}

#[tokio::test]
async fn a_deletion_keeps_its_preconditions_and_is_held_by_finalizers() {
    let stage = Stage::start().await;
    let a = stage.map("a").await;
    let wrong = json!({"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"resourceVersion": "1"}});
    assert_eq!(stage.delete(&one("a"), wrong).await.0, 409);
    stage.merge(&one("a"), json!({"metadata": {"finalizers": ["example.com/f"]}})).await;
    let (_, marked) = stage.delete(&one("a"), Value::Null).await;
    assert!(marked["metadata"]["deletionTimestamp"].is_string());
    let (code, again) = stage.delete(&one("a"), Value::Null).await;
    assert_eq!((code, version(&again)), (200, version(&marked)), "a second deletion changes nothing");
    let more = json!({"metadata": {"finalizers": ["example.com/f", "example.com/g"]}});
    let (code, status) = stage.merge(&one("a"), more).await;
    assert_eq!((code, &status["details"]["causes"][0]["reason"]), (422, &json!("FieldValueForbidden")));
    assert_eq!(stage.merge(&one("a"), json!({"metadata": {"finalizers": null}})).await.0, 200);
    assert_eq!(stage.get(&one("a")).await.0, 404);
    assert_ne!(a["metadata"]["uid"], stage.map("a").await["metadata"]["uid"]);
    stage.server.stop().await;
}

#[tokio::test]
async fn a_dry_run_takes_no_version_and_stores_nothing() {
    let stage = Stage::start().await;
    stage.map("a").await;
    let before = stage.server.store().version();
    let dry = |path: String| format!("{path}?dryRun=All");
    assert_eq!(stage.post(&dry(MAPS.to_owned()), config_map("b")).await.0, 201);
    assert_eq!(stage.post(&dry(MAPS.to_owned()), config_map("a")).await.0, 409);
    let (_, shown) = stage.merge(&dry(one("a")), json!({"data": {"k": "w"}})).await;
    assert_eq!(shown["data"]["k"], "w");
    assert_eq!(stage.delete(&dry(one("a")), Value::Null).await.0, 200);
    let (code, status) = stage.post(&format!("{MAPS}?dryRun=Some"), config_map("b")).await;
    assert_eq!((code, &status["reason"]), (422, &json!("Invalid")));
    assert_eq!(stage.server.store().version(), before);
    stage.server.stop().await;
}

#[tokio::test]
async fn duplicate_owners_are_dropped_with_a_warning() {
    let stage = Stage::start().await;
    let owner = json!({"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"});
    let mut object = config_map("a");
    object["metadata"]["ownerReferences"] = json!([owner, owner]);
    let reply = stage.try_send("POST", MAPS, "application/json", &object).await.unwrap();
    assert_eq!(reply.json()["metadata"]["ownerReferences"].as_array().unwrap().len(), 1);
    let warning = reply.headers["warning"].to_str().unwrap();
    assert!(warning.starts_with("299 - \".metadata.ownerReferences contains duplicate entries;"), "{warning}");
    stage.server.stop().await;
}

#[tokio::test]
async fn a_token_of_an_account_is_the_account_and_an_unknown_token_nobody() {
    let stage = Stage::start().await;
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "bob"}});
    stage.post("/api/v1/namespaces/default/serviceaccounts", account).await;
    let (_, issued) = stage
        .post(
            "/api/v1/namespaces/default/serviceaccounts/bob/token",
            json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}),
        )
        .await;
    let address = stage.server.url().trim_start_matches("http://").to_owned();
    for (token, code) in [(issued["status"]["token"].as_str().unwrap(), 403), ("wrong", 401)] {
        let bearer = format!("Bearer {token}");
        let reply = crate::client::send(&address, "GET", MAPS, &[("authorization", &bearer)], None).await.unwrap();
        assert_eq!(reply.status, code, "{}", reply.json());
    }
    stage.server.stop().await;
}

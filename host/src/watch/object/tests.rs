#![allow(clippy::unwrap_used)]

use super::*;
use serde_json::json;

fn key() -> FingerprintKey {
    FingerprintKey::new([3; 32])
}

fn decode(kind: Kind, document: Value) -> Object {
    Object::decode(&kind, &document.to_string(), &key()).unwrap()
}

fn stateful_set() -> Value {
    json!({
        "metadata": {
            "name": "db", "namespace": "default", "uid": "u", "resourceVersion": "7", "generation": 3,
            "labels": {"app": "db", "windlass.dev/owner-uid": "W"},
            "annotations": {"windlass.dev/item": "set", "note": "x"},
            "finalizers": ["a/b"],
            "ownerReferences": [
                {"apiVersion": "v1", "kind": "ConfigMap", "name": "c", "uid": "C"},
                {"apiVersion": "example.com/v1", "kind": "Widget", "name": "w", "uid": "W", "controller": true},
            ],
            "managedFields": [{"manager": "windlass", "operation": "Apply", "time": "1", "fieldsV1": {"f:spec": {}}}],
        },
        "spec": {"replicas": 3},
        "status": {"ready": 1},
    })
}

fn sets() -> Kind {
    Kind::new("apps", "v1", "StatefulSet")
}

#[test]
fn an_object_is_kept_without_managed_fields_and_with_its_kind() {
    let object = decode(sets(), stateful_set());
    let value = object.value();
    assert_eq!((&value["apiVersion"], &value["kind"]), (&json!("apps/v1"), &json!("StatefulSet")));
    assert!(value["metadata"].get("managedFields").is_none());
    assert_eq!(value["metadata"]["resourceVersion"], "7");
    assert_eq!(value["metadata"]["generation"], 3);
    assert_eq!(value["status"], json!({"ready": 1}));
    assert_eq!((object.generation, object.version(), object.uid.as_str()), (3, Some(7), "u"));
    assert_eq!(object.key.to_string(), "StatefulSet.apps default/db");
    assert_eq!(object.annotations.len(), 1, "foreign annotations stay in the document alone");
    assert_eq!(object.owner_uids, ["C", "W"]);
    assert_eq!(object.controller.unwrap().name, "w");
    assert_eq!(object.finalizers, ["a/b"]);
}

#[test]
fn the_hashes_tell_content_status_and_ownership_apart() {
    let before = decode(sets(), stateful_set());
    let changed = |pointer: &str, value: Value| {
        let mut document = stateful_set();
        *document.pointer_mut(pointer).unwrap() = value;
        let after = decode(sets(), document);
        (after.content != before.content, after.status != before.status, after.owned_fields != before.owned_fields)
    };
    assert_eq!(changed("/metadata/resourceVersion", json!("8")), (false, false, false));
    assert_eq!(changed("/metadata/generation", json!(4)), (false, false, false));
    assert_eq!(changed("/spec/replicas", json!(4)), (true, false, false));
    assert_eq!(changed("/metadata/finalizers", json!([])), (true, false, false));
    assert_eq!(changed("/status/ready", json!(2)), (false, true, false));
    assert_eq!(changed("/metadata/managedFields/0/time", json!("2")), (false, false, false));
    assert_eq!(changed("/metadata/managedFields/0/fieldsV1", json!({})), (false, false, true));
    assert_eq!(changed("/metadata/managedFields", json!(null)), (false, false, true));
}

#[test]
fn l1_no_value_of_a_secret_enters_the_cache() {
    let encoded = base64::engine::general_purpose::STANDARD.encode("canary-one");
    let copy = json!({"data": {"password": encoded}, "stringData": {"other": "canary-two"}}).to_string();
    let object = decode(
        Kind::new("", "v1", "Secret"),
        json!({
            "metadata": {
                "name": "s", "namespace": "d", "uid": "u", "resourceVersion": "1",
                "annotations": {"kubectl.kubernetes.io/last-applied-configuration": copy, "some/tool": copy,
                                "windlass.dev/item": "root"},
            },
            "data": {"password": encoded, "broken": "canary-three!"},
            "stringData": {"other": "canary-two"},
            "type": "Opaque",
        }),
    );
    assert!(!object.json.contains("canary") && !object.json.contains(&encoded), "{}", object.json);
    let value = object.value();
    assert_eq!(value["data"]["password"], key().fingerprint("d", b"canary-one").as_str());
    assert_eq!(value["metadata"]["annotations"]["windlass.dev/item"], "root");
    assert_eq!(value["type"], "Opaque");
}

#[test]
fn a_changed_secret_value_changes_the_content() {
    let secret = |value: &str| json!({"metadata": {"name": "s", "namespace": "d", "uid": "u", "resourceVersion": "1"}, "data": {"k": value}});
    let kind = Kind::new("", "v1", "Secret");
    assert_ne!(decode(kind.clone(), secret("YQ==")).content, decode(kind, secret("Yg==")).content);
}

#[test]
fn c8_what_is_no_object_is_refused_by_name() {
    let error = |text: &str| Object::decode(&sets(), text, &key()).unwrap_err().to_string();
    assert_eq!(error("[]"), "an object of kind StatefulSet.apps has no fields: it is not a JSON object");
    assert_eq!(error(r#"{"metadata":null}"#), "an object of kind StatefulSet.apps has no metadata");
    assert_eq!(error(r#"{"metadata":{"uid":"u"}}"#), "an object of kind StatefulSet.apps has no metadata.name");
    let wrong = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","uid":"u","resourceVersion":"1"}}"#;
    assert_eq!(error(wrong), "expected an object of kind StatefulSet.apps, got Pod");
    assert!(error(&"[".repeat(1000)).contains("recursion limit"), "F1: depth is bounded");
}

#[test]
fn f1_wrong_types_in_metadata_are_passed_over() {
    let object = decode(
        sets(),
        json!({"metadata": {
            "name": "a", "uid": "u", "resourceVersion": "x", "labels": [1], "annotations": "no", "generation": "3",
            "finalizers": {"a": 1}, "ownerReferences": [7, {"kind": "X"}], "deletionTimestamp": 5, "managedFields": {},
        }}),
    );
    assert_eq!((object.version(), object.generation, object.labels.len()), (None, 0, 0));
    assert!(object.finalizers.is_empty() && object.owner_uids.is_empty() && !object.is_deleting());
}

proptest::proptest! {
    #[test]
    fn f1_no_document_makes_the_decoder_panic(text in r#"[\[\]{}":,a-z0-9 ]{0,200}"#) {
        let _ = Object::decode(&sets(), &text, &key());
        let _ = Object::decode(&Kind::new("", "v1", "Secret"), &format!(r#"{{"metadata":{text},"data":{text}}}"#), &key());
    }
}

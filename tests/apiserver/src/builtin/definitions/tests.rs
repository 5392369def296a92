#![allow(clippy::unwrap_used)]
use super::*;

fn pruned(name: &str, mut value: Value) -> Value {
    let schema = schema(name).unwrap();
    assert_eq!(schema.decode_error(&value), None);
    schema.prune(&mut value);
    value
}

#[test]
fn empty_optional_values_vanish_and_required_ones_appear() {
    let got =
        pruned("io.k8s.api.core.v1.ConfigMap", json!({"metadata": {"name": "a", "labels": {}}, "data": {}, "x": 1}));
    assert_eq!(got, json!({"metadata": {"name": "a"}}));
    let got =
        pruned("io.k8s.api.core.v1.Container", json!({"name": "a", "tty": false, "env": [], "securityContext": {}}));
    assert_eq!(got, json!({"name": "a", "resources": {}, "securityContext": {}}));
}

#[test]
fn quantities_become_canonical() {
    let got =
        pruned("io.k8s.api.core.v1.ResourceRequirements", json!({"requests": {"cpu": "1000m", "memory": "1024Mi"}}));
    assert_eq!(got, json!({"requests": {"cpu": "1", "memory": "1Gi"}}));
}

#[test]
fn pointers_keep_their_zero() {
    let got =
        pruned("io.k8s.api.apps.v1.DeploymentSpec", json!({"replicas": 0, "minReadySeconds": 0, "paused": false}));
    assert_eq!(got["replicas"], json!(0));
    assert!(got.get("minReadySeconds").is_none());
    assert!(got.get("paused").is_none());
}

#[test]
fn lists_know_their_keys() {
    let pod = schema("io.k8s.api.core.v1.PodSpec").unwrap();
    let container = pod.properties["containers"].items.clone().unwrap();
    assert_eq!(pod.properties["containers"].map_keys().unwrap(), ["name"]);
    assert_eq!(pod.properties["containers"].patch.as_ref().unwrap().merge_key.as_deref(), Some("name"));
    assert_eq!(container.properties["ports"].map_keys().unwrap(), ["containerPort", "protocol"]);
    assert_eq!(pod.properties["tolerations"].list_type, ListType::Atomic);
    assert!(pod.properties["volumes"].patch.as_ref().unwrap().retain_keys);
    let meta = object_meta();
    assert_eq!(meta.properties["finalizers"].list_type, ListType::Set);
    assert_eq!(meta.properties["finalizers"].patch, Some(PatchMerge::default()));
    let deployment = schema("io.k8s.api.apps.v1.DeploymentSpec").unwrap();
    assert_eq!(deployment.properties["selector"].map_type, MapType::Atomic);
}

#[test]
fn the_decoder_speaks_like_go() {
    let schema = schema("io.k8s.api.apps.v1.Deployment").unwrap();
    let told = schema.decode_error(&json!({"spec": {"replicas": "three"}})).unwrap();
    assert_eq!(told, "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32");
    let told = schema.decode_error(&json!({"metadata": {"labels": {"a": 1}}})).unwrap();
    assert_eq!(told, "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string");
}

#[test]
fn unknown_fields_are_told_by_path() {
    let schema = schema("io.k8s.api.core.v1.Pod").unwrap();
    let found = schema.unknown_fields(&json!({"spec": {"containers": [{"name": "a", "imag": "x"}]}, "dat": {}}));
    assert_eq!(found, ["dat", "spec.containers[0].imag"]);
}

#[test]
fn every_fact_names_a_field_that_exists() {
    let known: HashMap<&str, &Value> = DEFINITIONS.iter().map(|(name, value)| (short(name), value)).collect();
    let mut wrong = Vec::new();
    for (name, facts) in FACTS.iter() {
        let Some(definition) = known.get(name) else {
            wrong.push((*name).to_owned());
            continue;
        };
        let missing = facts.fields.keys().filter(|field| definition["properties"].get(**field).is_none());
        wrong.extend(missing.map(|field| format!("{name}.{field}")));
    }
    wrong.sort();
    assert!(wrong.is_empty(), "{wrong:?}");
}

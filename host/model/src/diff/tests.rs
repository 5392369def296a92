#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;
use serde_json::json;

fn stateful_set() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": {"name": "db", "namespace": "default", "labels": {"app.kubernetes.io/name": "db"}},
        "spec": {
            "replicas": 3, "serviceName": "db", "selector": {"matchLabels": {"app": "db"}},
            "template": {
                "metadata": {"labels": {"app": "db"}},
                "spec": {
                    "hostNetwork": false,
                    "containers": [{
                        "name": "mysqld", "image": "mysql:8.0", "args": ["--a", "--b"],
                        "env": [{"name": "EMPTY", "value": ""}, {"name": "X", "value": "1"}],
                        "ports": [{"containerPort": 3306, "name": "mysql"}],
                        "resources": {"requests": {"cpu": "1000m", "memory": "1024Mi"}, "limits": {"cpu": 2}},
                        "volumeMounts": [{"name": "data", "mountPath": "/var/lib/mysql"}],
                        "readinessProbe": {"tcpSocket": {"port": 3306}},
                    }],
                    "volumes": [{"name": "tmp", "emptyDir": {}}],
                    "tolerations": [],
                },
            },
            "volumeClaimTemplates": [{
                "metadata": {"name": "data"},
                "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1024Mi"}}},
            }],
        },
    })
}

/// As a real API server answers it: defaults, canonical quantities, dropped empties, other people's additions.
fn as_stored() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": {"name": "db", "namespace": "default", "uid": "u", "labels": {"app.kubernetes.io/name": "db", "x": "y"}},
        "spec": {
            "replicas": 3, "serviceName": "db", "selector": {"matchLabels": {"app": "db"}},
            "podManagementPolicy": "OrderedReady", "revisionHistoryLimit": 10,
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
            "template": {
                "metadata": {"labels": {"app": "db"}, "creationTimestamp": null},
                "spec": {
                    "containers": [
                        {"name": "injected", "image": "sidecar"},
                        {
                            "name": "mysqld", "image": "mysql:8.0", "args": ["--a", "--b"], "imagePullPolicy": "Always",
                            "env": [{"name": "EMPTY"}, {"name": "X", "value": "1"}, {"name": "THEIRS", "value": "2"}],
                            "ports": [{"containerPort": 3306, "name": "mysql", "protocol": "TCP"}],
                            "resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "2"}},
                            "volumeMounts": [{"name": "data", "mountPath": "/var/lib/mysql"}, {"name": "t", "mountPath": "/t"}],
                            "readinessProbe": {"tcpSocket": {"port": 3306}, "periodSeconds": 10},
                        },
                    ],
                    "volumes": [{"name": "tmp", "emptyDir": {}}, {"name": "t"}],
                    "restartPolicy": "Always",
                },
            },
            "volumeClaimTemplates": [{
                "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data", "creationTimestamp": null},
                "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "volumeMode": "Filesystem"},
                "status": {"phase": "Pending"},
            }],
        },
        "status": {"replicas": 3},
    })
}

/// A scalar of a manifest that can be changed to something that means something else.
fn leaves(value: &Value, path: String, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| {
            leaves(value, format!("{path}/{}", key.replace('~', "~0").replace('/', "~1")), found);
        }),
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(at, value)| leaves(value, format!("{path}/{at}"), found));
        }
        _ => found.push(path),
    }
}

#[test]
fn what_the_server_and_others_add_is_no_difference() {
    assert_eq!(differences(&stateful_set(), &stateful_set()), Vec::<String>::new());
    assert_eq!(differences(&stateful_set(), &as_stored()), Vec::<String>::new());
}

#[test]
fn every_owned_leaf_that_changes_is_found() {
    let mut paths = Vec::new();
    leaves(&stateful_set(), String::new(), &mut paths);
    assert!(paths.len() > 25);
    for path in paths.iter().filter(|path| *path != "/apiVersion") {
        let mut desired = stateful_set();
        let leaf = desired.pointer_mut(path).unwrap();
        *leaf = match &*leaf {
            Value::String(_) => json!("changed"),
            Value::Number(_) => json!(777),
            Value::Bool(value) => json!(!*value),
            other => panic!("{other}"),
        };
        assert!(!differences(&desired, &as_stored()).is_empty(), "{path}");
    }
}

#[test]
fn differences_are_named_by_their_paths() {
    let mut desired = stateful_set();
    desired["spec"]["template"]["spec"]["containers"][0]["image"] = json!("mysql:8.4");
    desired["metadata"]["labels"]["app.kubernetes.io/name"] = json!("other");
    assert_eq!(
        differences(&desired, &as_stored()),
        ["metadata.labels['app.kubernetes.io/name']", "spec.template.spec.containers[0].image"]
    );
}

#[test]
fn custom_resources_are_compared_as_they_were_sent() {
    let custom = |spec: Value| json!({"apiVersion": "example.com/v1", "kind": "Thing", "spec": spec});
    let differ = |one: Value, two: Value| !differences(&custom(one), &custom(two)).is_empty();
    assert!(differ(json!({"limits": {"cpu": "1000m"}}), json!({"limits": {"cpu": "1"}})));
    assert!(differ(json!({"enabled": false}), json!({})));
    assert!(differ(json!({"env": [{"name": "a"}]}), json!({"env": [{"name": "a"}, {"name": "b"}]})));
    assert!(!differ(json!({"a": null, "b": {}, "c": {"d": null}}), json!({})));
    assert!(!differ(json!({"a": 1}), json!({"a": 1.0, "defaulted": true})));
    assert!(differ(json!({"a": 9_007_199_254_740_993_i64}), json!({"a": 9_007_199_254_740_992_i64})));
}

#[test]
fn order_and_length_count_where_they_mean_something() {
    let map = |list: Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "list": list});
    let differ = |one: Value, two: Value| !differences(&map(one), &map(two)).is_empty();
    assert!(differ(json!(["a", "b"]), json!(["b", "a"])));
    assert!(differ(json!(["a"]), json!(["a", "b"])));
    assert!(differ(json!([]), json!(["a"])));
    assert!(!differ(json!([]), json!([])));
    let pod = |names: &[&str]| {
        let containers: Vec<Value> = names.iter().map(|name| json!({"name": name})).collect();
        json!({"apiVersion": "v1", "kind": "Pod", "spec": {"initContainers": containers}})
    };
    assert!(!differences(&pod(&["a", "b"]), &pod(&["b", "a"])).is_empty());
    assert!(differences(&pod(&["a", "b"]), &pod(&["a", "x", "b"])).is_empty());
}

#[test]
fn ports_of_services_are_told_apart_by_port_and_protocol() {
    let service = |ports: Value| json!({"apiVersion": "v1", "kind": "Service", "spec": {"ports": ports}});
    let desired = service(json!([{"port": 53, "protocol": "UDP"}, {"port": 53, "targetPort": 53}]));
    let live = service(json!([
        {"port": 53, "protocol": "UDP", "targetPort": 53}, {"port": 53, "protocol": "TCP", "targetPort": "53", "nodePort": 30000}
    ]));
    assert_eq!(differences(&desired, &live), Vec::<String>::new());
}

proptest! {
    #[test]
    fn additions_to_a_map_are_no_difference_and_changes_are(
        keys in prop::collection::btree_map("[a-z]{1,5}", "[a-z0-9]{1,5}", 1..8),
        more in prop::collection::btree_map("[A-Z]{1,5}", ".{0,5}", 0..8),
        which in any::<prop::sample::Index>(),
    ) {
        let desired = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": keys});
        let mut live = desired.clone();
        for (key, value) in more {
            live["data"][key] = json!(value);
        }
        prop_assert!(differences(&desired, &live).is_empty());
        let key = keys.keys().nth(which.index(keys.len())).unwrap();
        live["data"][key] = json!("CHANGED");
        prop_assert_eq!(differences(&desired, &live), vec![format!("data.{key}")]);
    }
}

#![allow(clippy::unwrap_used)]
use serde_json::{Value, json};

use crate::field_error::join;
use crate::resource::Resource;

fn resource(kind: &str) -> Resource {
    super::resources().into_iter().find(|resource| resource.kind == kind).unwrap()
}

/// What a server stores for a new object.
fn created(kind: &str, mut object: Value) -> Value {
    let resource = resource(kind);
    object["apiVersion"] = json!(resource.api_version());
    object["kind"] = json!(kind);
    if object.get("metadata").is_none() {
        object["metadata"] = json!({"name": "a", "namespace": "n", "uid": "7f0e2a52-1111-4222-8333-123456789abc"});
    }
    resource.strategy.decode(&mut object).unwrap();
    resource.strategy.default(&mut object, None);
    resource.strategy.prepare_create(&mut object);
    let mut again = object.clone();
    resource.strategy.default(&mut again, None);
    assert_eq!(again, object, "defaulting {kind} twice");
    object
}

fn refusal(kind: &str, object: Value) -> String {
    let object = created(kind, object);
    join(&resource(kind).strategy.validate_create(&object))
}

/// What a server says to a change of a stored object.
fn change(kind: &str, object: Value, pointer: &str, value: Value) -> String {
    let old = created(kind, object);
    let mut new = old.clone();
    *new.pointer_mut(pointer).unwrap() = value;
    let resource = resource(kind);
    resource.strategy.decode(&mut new).unwrap();
    resource.strategy.default(&mut new, Some(&old));
    resource.strategy.prepare_update(&mut new, &old);
    join(&resource.strategy.validate_update(&new, &old, None))
}

fn template(labels: Value) -> Value {
    json!({"metadata": {"labels": labels}, "spec": {"containers": [{"name": "m", "image": "m:1"}]}})
}

fn workload() -> Value {
    json!({"spec": {"serviceName": "s", "selector": {"matchLabels": {"app": "s"}}, "template": template(json!({"app": "s"}))}})
}

#[test]
fn a_stateful_set_is_filled_in_as_on_a_real_server() {
    let mut given = workload();
    given["spec"]["volumeClaimTemplates"] = json!([{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1024Mi"}}}}]);
    let got = created("StatefulSet", given);
    let want = json!({
        "replicas": 1, "selector": {"matchLabels": {"app": "s"}}, "serviceName": "s",
        "template": {"metadata": {"labels": {"app": "s"}}, "spec": {
            "containers": [{"name": "m", "image": "m:1", "resources": {}, "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File", "imagePullPolicy": "IfNotPresent"}],
            "restartPolicy": "Always", "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst",
            "securityContext": {}, "schedulerName": "default-scheduler"}},
        "volumeClaimTemplates": [{"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "volumeMode": "Filesystem"},
            "status": {"phase": "Pending"}}],
        "podManagementPolicy": "OrderedReady", "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
        "revisionHistoryLimit": 10, "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
    });
    assert_eq!(got["spec"], want);
    assert_eq!(resource("StatefulSet").strategy.validate_create(&got), []);
}

#[test]
fn a_service_is_filled_in_as_on_a_real_server() {
    let got = created("Service", json!({"spec": {"selector": {"app": "s"}, "ports": [{"name": "a", "port": 3306}]}}));
    let address = got["spec"]["clusterIP"].clone();
    let want = json!({
        "ports": [{"name": "a", "protocol": "TCP", "port": 3306, "targetPort": 3306}], "selector": {"app": "s"},
        "clusterIP": address, "clusterIPs": [address], "type": "ClusterIP", "sessionAffinity": "None",
        "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack", "internalTrafficPolicy": "Cluster",
    });
    assert_eq!(got["spec"], want);
    assert_eq!(got["status"], json!({"loadBalancer": {}}));
    let headless = created(
        "Service",
        json!({"spec": {"clusterIP": "None", "publishNotReadyAddresses": true, "ports": [{"port": 1}]}}),
    );
    assert_eq!(headless["spec"]["clusterIPs"], json!(["None"]));
}

#[test]
fn a_service_keeps_its_address() {
    let given = json!({"spec": {"ports": [{"port": 80}]}});
    assert_eq!(change("Service", given.clone(), "/spec/ports/0/port", json!(81)), "[]");
    let told = change("Service", given, "/spec/clusterIP", json!("10.0.0.9"));
    assert!(told.starts_with("spec.clusterIPs[0]: Invalid value: ["), "{told}");
}

#[test]
fn a_node_port_service_gets_ports_and_keeps_them() {
    let got = created("Service", json!({"spec": {"type": "NodePort", "ports": [{"port": 80}]}}));
    let port = got["spec"]["ports"][0]["nodePort"].as_i64().unwrap();
    assert!((30_000..32_768).contains(&port));
    assert_eq!(got["spec"]["externalTrafficPolicy"], "Cluster");
    let mut new = got.clone();
    new["spec"]["ports"][0].as_object_mut().unwrap().remove("nodePort");
    resource("Service").strategy.prepare_update(&mut new, &got);
    assert_eq!(new["spec"]["ports"][0]["nodePort"], json!(port));
}

#[test]
fn a_cron_job_is_filled_in_as_on_a_real_server() {
    let pod = json!({"spec": {"restartPolicy": "OnFailure", "containers": [{"name": "b", "image": "b"}]}});
    let got =
        created("CronJob", json!({"spec": {"schedule": "0 2 * * *", "jobTemplate": {"spec": {"template": pod}}}}));
    assert_eq!(got["spec"]["jobTemplate"]["metadata"], json!({}));
    assert_eq!(got["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"], "Always");
    assert_eq!(got["spec"]["successfulJobsHistoryLimit"], 3);
    assert!(got["spec"]["jobTemplate"]["spec"].get("backoffLimit").is_none());
    assert_eq!(got["status"], json!({}));
    assert_eq!(resource("CronJob").strategy.validate_create(&got), []);
}

#[test]
fn schedules_are_checked() {
    let pod = json!({"spec": {"restartPolicy": "Never", "containers": [{"name": "b", "image": "b:1"}]}});
    for (schedule, want) in [
        ("nonsense", "spec.schedule: Invalid value: \"nonsense\": expected exactly 5 fields, found 1: [nonsense]"),
        ("61 * * * *", "spec.schedule: Invalid value: \"61 * * * *\": end of range (61) above maximum (59): 61"),
        ("@daily", "[]"),
        ("*/5 0-6 1,15 jan mon-fri", "[]"),
    ] {
        let given = json!({"spec": {"schedule": schedule, "jobTemplate": {"spec": {"template": pod}}}});
        assert_eq!(refusal("CronJob", given), want);
    }
}

#[test]
fn a_job_is_tied_to_its_pods() {
    let got = created(
        "Job",
        json!({"spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "c:1"}]}}}}),
    );
    let uid = "7f0e2a52-1111-4222-8333-123456789abc";
    assert_eq!(got["spec"]["selector"], json!({"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}));
    assert_eq!(got["spec"]["template"]["metadata"]["labels"]["job-name"], "a");
    assert_eq!(got["spec"]["completions"], 1);
    assert_eq!(got["spec"]["backoffLimit"], 6);
    assert_eq!(resource("Job").strategy.validate_create(&got), []);
    let always = json!({"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "c:1"}]}}}});
    assert_eq!(
        refusal("Job", always),
        "spec.template.spec.restartPolicy: Required value: valid values: \"OnFailure\", \"Never\""
    );
}

#[test]
fn what_may_not_change_is_refused() {
    let told = change("StatefulSet", workload(), "/spec/serviceName", json!("other"));
    assert!(
        told.starts_with("spec: Forbidden: updates to statefulset spec for fields other than 'replicas', "),
        "{told}"
    );
    let mut deployment = workload();
    deployment["spec"].as_object_mut().unwrap().remove("serviceName");
    let told = change("Deployment", deployment, "/spec/selector/matchLabels", json!({"app": "t"}));
    assert!(
        told.contains("spec.selector: Invalid value: {\"matchLabels\":{\"app\":\"t\"}}: field is immutable"),
        "{told}"
    );
    let claim = json!({"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}});
    let told = change("PersistentVolumeClaim", claim, "/spec/accessModes", json!(["ReadOnlyMany"]));
    assert!(told.starts_with("spec: Forbidden: spec is immutable after creation except resources.requests"), "{told}");
    let told = change("ConfigMap", json!({"immutable": true, "data": {"k": "1"}}), "/data/k", json!("2"));
    assert_eq!(told, "data: Forbidden: field is immutable when `immutable` is set");
    let role = json!({"apiGroup": "", "kind": "Role", "name": "r"});
    let told = change("RoleBinding", json!({"roleRef": role}), "/roleRef/name", json!("s"));
    assert!(told.ends_with("cannot change roleRef"), "{told}");
}

#[test]
fn a_bound_claim_may_grow_and_not_shrink() {
    let resource = resource("PersistentVolumeClaim");
    let mut old = created(
        "PersistentVolumeClaim",
        json!({"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "2Gi"}}}}),
    );
    old["status"] = json!({"phase": "Bound", "capacity": {"storage": "2Gi"}});
    let with = |size: &str| {
        let mut new = old.clone();
        new["spec"]["resources"]["requests"]["storage"] = json!(size);
        join(&resource.strategy.validate_update(&new, &old, None))
    };
    assert_eq!(with("3Gi"), "[]");
    assert_eq!(with("1Gi"), "spec.resources.requests.storage: Forbidden: field can not be less than status.capacity");
}

#[test]
fn a_secret_of_a_type_has_its_keys() {
    let old = created("Secret", json!({"stringData": {"password": "hunter2"}, "data": {"user": "cm9vdA=="}}));
    assert_eq!(old["data"], json!({"password": "aHVudGVyMg==", "user": "cm9vdA=="}));
    assert!(old.get("stringData").is_none());
    let told = change("Secret", json!({"data": {}}), "/type", json!("kubernetes.io/tls"));
    assert_eq!(
        told,
        "[type: Invalid value: \"kubernetes.io/tls\": field is immutable, data[tls.crt]: Required value, data[tls.key]: Required value]"
    );
}

#[test]
fn pods_are_checked_and_completed() {
    let got = created(
        "Pod",
        json!({"spec": {"containers": [{"name": "c", "image": "c:1", "resources": {"limits": {"cpu": "1000m"}}}]}}),
    );
    assert_eq!(got["spec"]["containers"][0]["resources"]["requests"], json!({"cpu": "1"}));
    assert_eq!(got["spec"]["serviceAccountName"], "default");
    assert_eq!(got["spec"]["tolerations"].as_array().unwrap().len(), 2);
    assert_eq!(got["status"], json!({"phase": "Pending", "qosClass": "Burstable"}));
    assert_eq!(resource("Pod").strategy.validate_create(&got), []);
    for (spec, want) in [
        (json!({}), "spec.containers: Required value"),
        (json!({"containers": [{"name": "c"}]}), "spec.containers[0].image: Required value"),
        (
            json!({"containers": [{"name": "c", "image": "c"}, {"name": "c", "image": "c"}]}),
            "spec.containers[1].name: Duplicate value: \"c\"",
        ),
        (
            json!({"containers": [{"name": "c", "image": "c", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}]}),
            "spec.containers[0].volumeMounts[0].name: Not found: \"v\"",
        ),
        (
            json!({"containers": [{"name": "c", "image": "c", "resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}}]}),
            "spec.containers[0].resources.requests: Invalid value: \"2\": must be less than or equal to cpu limit of 1",
        ),
        (
            json!({"containers": [{"name": "c", "image": "c"}], "restartPolicy": "Maybe"}),
            "spec.restartPolicy: Unsupported value: \"Maybe\": supported values: \"Always\", \"OnFailure\", \"Never\"",
        ),
    ] {
        assert_eq!(refusal("Pod", json!({"spec": spec})), want);
    }
}

#[test]
fn deployments_are_checked() {
    let mut given = workload();
    given["spec"].as_object_mut().unwrap().remove("serviceName");
    assert_eq!(refusal("Deployment", given.clone()), "[]");
    given["spec"]["replicas"] = json!(-1);
    assert_eq!(
        refusal("Deployment", given.clone()),
        "spec.replicas: Invalid value: -1: must be greater than or equal to 0"
    );
    given["spec"]["replicas"] = json!(1);
    given["spec"]["template"] = template(json!({"app": "other"}));
    assert_eq!(
        refusal("Deployment", given),
        "spec.template.metadata.labels: Invalid value: {\"app\":\"other\"}: `selector` does not match template `labels`"
    );
}

#[test]
fn budgets_and_roles_are_checked() {
    let both = json!({"spec": {"minAvailable": 1, "maxUnavailable": 1}});
    assert!(refusal("PodDisruptionBudget", both).ends_with("minAvailable and maxUnavailable cannot be both set"));
    let rule = json!({"rules": [{"apiGroups": [""], "resources": ["pods"]}]});
    assert_eq!(refusal("Role", rule), "rules[0].verbs: Required value: verbs must contain at least one value");
    let subject =
        json!({"roleRef": {"kind": "Role", "name": "r"}, "subjects": [{"kind": "ServiceAccount", "name": "s"}]});
    assert_eq!(refusal("RoleBinding", subject), "subjects[0].namespace: Required value");
}

#[test]
fn events_lie_where_their_objects_lie() {
    let event =
        json!({"metadata": {"name": "e", "namespace": "n"}, "involvedObject": {"namespace": "m", "kind": "Pod"}});
    assert_eq!(
        refusal("Event", event),
        "involvedObject.namespace: Invalid value: \"m\": does not match event.namespace"
    );
}

#[test]
fn pull_policy_follows_the_tag() {
    for (image, want) in [
        ("m", "Always"),
        ("m:latest", "Always"),
        ("m:1", "IfNotPresent"),
        ("host:5000/m", "Always"),
        ("host:5000/m:2", "IfNotPresent"),
        ("m@sha256:abc", "IfNotPresent"),
    ] {
        let got = created("Pod", json!({"spec": {"containers": [{"name": "c", "image": image}]}}));
        assert_eq!(got["spec"]["containers"][0]["imagePullPolicy"], want, "{image}");
    }
}

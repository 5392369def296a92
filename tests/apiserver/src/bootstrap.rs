//! What every cluster has from the start: system namespaces, the `kubernetes` Service, the ClusterRoles that users and
//! tools rely on.

use crate::api::Api;
use crate::clock::rfc3339;
use crate::storage::TableKey;
use anyhow::Context;
use serde_json::{Value, json};

fn roles() -> Vec<(&'static str, Value, Option<Value>)> {
    let read = json!(["get", "list", "watch"]);
    let write = json!(["create", "delete", "deletecollection", "patch", "update"]);
    let workloads = |verbs: &Value| {
        vec![
            json!({ "apiGroups": [""], "resources": ["configmaps", "endpoints", "persistentvolumeclaims", "pods", "replicationcontrollers", "replicationcontrollers/scale", "serviceaccounts", "services"], "verbs": verbs }),
            json!({ "apiGroups": ["apps"], "resources": ["controllerrevisions", "daemonsets", "deployments", "deployments/scale", "replicasets", "replicasets/scale", "statefulsets", "statefulsets/scale"], "verbs": verbs }),
            json!({ "apiGroups": ["batch"], "resources": ["cronjobs", "jobs"], "verbs": verbs }),
            json!({ "apiGroups": ["policy"], "resources": ["poddisruptionbudgets"], "verbs": verbs }),
            json!({ "apiGroups": ["networking.k8s.io"], "resources": ["ingresses", "networkpolicies"], "verbs": verbs }),
        ]
    };
    let mut view = workloads(&read);
    view.push(json!({ "apiGroups": [""], "resources": ["events", "limitranges", "namespaces", "namespaces/status", "pods/log", "pods/status", "resourcequotas"], "verbs": read }));
    let mut edit = view.clone();
    edit.extend(workloads(&write));
    edit.push(json!({ "apiGroups": [""], "resources": ["secrets"], "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"] }));
    edit.push(json!({ "apiGroups": [""], "resources": ["pods/eviction"], "verbs": ["create"] }));
    let mut admin = edit.clone();
    admin.push(json!({ "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["rolebindings", "roles"], "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"] }));
    admin.push(json!({ "apiGroups": ["authorization.k8s.io"], "resources": ["localsubjectaccessreviews"], "verbs": ["create"] }));
    let paths = [
        "/api",
        "/api/*",
        "/apis",
        "/apis/*",
        "/healthz",
        "/livez",
        "/openapi",
        "/openapi/*",
        "/readyz",
        "/version",
        "/version/",
    ];
    let aggregate = |name: &str| {
        let label = format!("rbac.authorization.k8s.io/aggregate-to-{name}");
        Some(json!({ "clusterRoleSelectors": [{ "matchLabels": { (label): "true" } }] }))
    };
    vec![
        (
            "cluster-admin",
            json!([{ "apiGroups": ["*"], "resources": ["*"], "verbs": ["*"] }, { "nonResourceURLs": ["*"], "verbs": ["*"] }]),
            None,
        ),
        ("admin", json!(admin), aggregate("admin")),
        ("edit", json!(edit), aggregate("edit")),
        ("view", json!(view), aggregate("view")),
        ("system:discovery", json!([{ "nonResourceURLs": paths, "verbs": ["get"] }]), None),
        (
            "system:public-info-viewer",
            json!([{ "nonResourceURLs": ["/healthz", "/livez", "/readyz", "/version", "/version/"], "verbs": ["get"] }]),
            None,
        ),
        (
            "system:basic-user",
            json!([
                { "apiGroups": ["authorization.k8s.io"], "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"], "verbs": ["create"] },
                { "apiGroups": ["authentication.k8s.io"], "resources": ["selfsubjectreviews"], "verbs": ["create"] },
            ]),
            None,
        ),
    ]
}

const BINDINGS: [(&str, &str); 4] = [
    ("cluster-admin", "system:masters"),
    ("system:discovery", "system:authenticated"),
    ("system:basic-user", "system:authenticated"),
    ("system:public-info-viewer", "system:authenticated"),
];

/// Store it all.
pub(crate) fn fill(api: &Api) -> anyhow::Result<()> {
    for name in ["default", "kube-system", "kube-public", "kube-node-lease"] {
        let body = json!({
            "kind": "Namespace", "apiVersion": "v1",
            "metadata": { "labels": { "kubernetes.io/metadata.name": name } },
            "spec": { "finalizers": ["kubernetes"] },
            "status": { "phase": "Active" },
        });
        put(api, "", "namespaces", "", name, body)?;
    }
    let port = api.address.rsplit_once(':').and_then(|(_, p)| p.parse::<u16>().ok()).unwrap_or(443);
    let service = json!({
        "kind": "Service", "apiVersion": "v1",
        "metadata": { "labels": { "component": "apiserver", "provider": "kubernetes" } },
        "spec": {
            "ports": [{ "name": "https", "protocol": "TCP", "port": 443, "targetPort": port }],
            "clusterIP": "10.96.0.1", "clusterIPs": ["10.96.0.1"], "type": "ClusterIP", "sessionAffinity": "None",
            "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack", "internalTrafficPolicy": "Cluster",
        },
        "status": { "loadBalancer": {} },
    });
    put(api, "", "services", "default", "kubernetes", service)?;
    let labels = json!({ "kubernetes.io/bootstrapping": "rbac-defaults" });
    for (name, rules, aggregation) in roles() {
        let mut role = json!({
            "kind": "ClusterRole", "apiVersion": "rbac.authorization.k8s.io/v1", "metadata": { "labels": labels }, "rules": rules,
        });
        if let Some(aggregation) = aggregation {
            role["aggregationRule"] = aggregation;
        }
        put(api, "rbac.authorization.k8s.io", "clusterroles", "", name, role)?;
    }
    for (name, group) in BINDINGS {
        let binding = json!({
            "kind": "ClusterRoleBinding", "apiVersion": "rbac.authorization.k8s.io/v1", "metadata": { "labels": labels },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name },
            "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": group }],
        });
        put(api, "rbac.authorization.k8s.io", "clusterrolebindings", "", name, binding)?;
    }
    api.store.reset_counts();
    Ok(())
}

fn put(api: &Api, group: &str, plural: &str, namespace: &str, name: &str, mut object: Value) -> anyhow::Result<()> {
    let metadata = &mut object["metadata"];
    metadata["name"] = json!(name);
    if !namespace.is_empty() {
        metadata["namespace"] = json!(namespace);
    }
    let key = (namespace.to_owned(), name.to_owned());
    let (place, removals) = api.store.place(&TableKey::new(group, plural), &key);
    metadata["uid"] = json!(api.uids.next(&place, removals));
    metadata["creationTimestamp"] = json!(rfc3339(api.clock.now()));
    api.store
        .create(&TableKey::new(group, plural), key, object, 0)
        .with_context(|| format!("cannot store the built-in {plural} {name}"))?;
    Ok(())
}

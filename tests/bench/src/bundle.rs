//! The kind `Bundle`: six ConfigMaps, decided for by native code. What a figure about it measures is the host's work
//! around a decision, and nothing of the sandbox.

use futures::future::{BoxFuture, FutureExt};
use model::{
    Body, Decision, Description, Fault, FieldError, Item, Observation, Snapshot,
    decision::{Condition, ReadyWhen, RemovalPolicy, Truth, UpdatePolicy},
    description::Backends,
    grant::{Grants, KindGrant},
    kind::Kind,
    snapshot::Json,
};
use serde_json::{Value, json};
use windlass::decide::decider::{Breakdown, Decider};

pub(crate) const KIND: &str = "Bundle";
pub(crate) const GROUP: &str = "bench.windlass.dev";
pub(crate) const VERSION: &str = "v1";
/// Children of each.
pub(crate) const CHILDREN: usize = 6;

/// Decides for `Bundle`.
pub(crate) struct Bundles(Description);

impl Default for Bundles {
    fn default() -> Self {
        Bundles(Description {
            name: "bundle".into(),
            version: "1.0.0".into(),
            serves: vec![definition()],
            writes: vec![Kind::new("", "v1", "ConfigMap")],
            reads: Vec::new(),
            backends: Backends::default(),
        })
    }
}

/// What it may do.
pub(crate) fn grants() -> Grants {
    let config_maps =
        KindGrant { group: String::new(), kind: "ConfigMap".into(), cluster_scope: false, verbs: Vec::new() };
    Grants { writes: vec![config_maps], ..Grants::default() }
}

fn definition() -> Value {
    let open = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let condition = json!({
        "type": "object", "required": ["type", "status"],
        "properties": {
            "type": {"type": "string"}, "status": {"type": "string"}, "reason": {"type": "string"},
            "message": {"type": "string"}, "lastTransitionTime": {"type": "string"},
            "observedGeneration": {"type": "integer"},
        },
    });
    let status = json!({
        "type": "object",
        "properties": {
            "observedGeneration": {"type": "integer"},
            "children": {"type": "integer"},
            "conditions": {
                "type": "array", "items": condition,
                "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"],
            },
        },
    });
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("bundles.{GROUP}")},
        "spec": {
            "group": GROUP, "scope": "Namespaced",
            "names": {"kind": KIND, "plural": "bundles", "singular": "bundle", "listKind": "BundleList"},
            "versions": [{
                "name": VERSION, "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": open, "status": status}}},
            }],
        },
    })
}

impl Decider for Bundles {
    fn digest(&self) -> String {
        "bundle".into()
    }

    fn description(&self) -> &Description {
        &self.0
    }

    fn validate<'a>(&'a self, _: Option<&'a Json>, _: &'a Json) -> BoxFuture<'a, Result<Vec<FieldError>, Breakdown>> {
        async { Ok(Vec::new()) }.boxed()
    }

    fn decide<'a>(&'a self, snapshot: &'a Snapshot) -> BoxFuture<'a, Result<Result<Decision, Fault>, Breakdown>> {
        async { Ok(decide(snapshot)) }.boxed()
    }
}

fn decide(snapshot: &Snapshot) -> Result<Decision, Fault> {
    if snapshot.deleting {
        return Ok(Decision::default());
    }
    let resource: Value = serde_json::from_str(&snapshot.resource).map_err(|error| Fault::Broken(error.to_string()))?;
    let name = resource["metadata"]["name"].as_str().unwrap_or_default();
    let there = |item: &&model::ObservedItem| matches!(item.state, Observation::Kubernetes(_));
    let there = snapshot.items.iter().filter(there).count();
    Ok(Decision {
        items: (0..CHILDREN).map(|number| child(name, number, &resource["spec"]["text"])).collect(),
        status: json!({"children": there}),
        conditions: vec![Condition {
            type_: "Ready".into(),
            status: if there == CHILDREN { Truth::Yes } else { Truth::No },
            reason: "Counted".into(),
            message: format!("{there} of {CHILDREN} children exist"),
        }],
        events: Vec::new(),
        wake: None,
    })
}

fn child(name: &str, number: usize, text: &Value) -> Item {
    Item {
        id: format!("child-{number}"),
        after: Vec::new(),
        ready_when: ReadyWhen::Ready,
        update: UpdatePolicy::Apply,
        removal: RemovalPolicy::Delete,
        body: Body::Kubernetes(json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": format!("{name}-{number}"), "labels": {"bundle": name}},
            "data": {"text": text, "number": number.to_string()},
        })),
    }
}

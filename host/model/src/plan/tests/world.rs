//! A tiny cluster: objects with uids and versions, an apply that owns fields, and deletes with preconditions.

use crate::check::{CheckLimits, Refusal, check};
use crate::decision::{Body, Decision, Item, ReadyWhen, RemovalPolicy, UpdatePolicy};
use crate::description::Description;
use crate::facts::{Facts, Found, LastWrite, ResourceFacts, Sighting, key_of};
use crate::grant::{Grants, KindGrant, ReadGrant};
use crate::kind::{Kind, ObjectKey};
use crate::plan::{Action, Applied, Checked, Plan, StepResult, propose, targets, teardown};
use crate::{names, ready};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

pub struct World {
    pub objects: BTreeMap<ObjectKey, Value>,
    pub resource: Value,
    pub last_writes: BTreeMap<String, LastWrite>,
    /// Every value under `data` is changed by the server as it is stored.
    pub normalise: bool,
    /// What was deleted, in order.
    pub deleted: Vec<String>,
    clock: u64,
}

impl World {
    pub fn new() -> Self {
        World {
            objects: BTreeMap::new(),
            resource: json!({
                "apiVersion": "database.example.com/v1", "kind": "MySQL",
                "metadata": {"name": "prod-db", "namespace": "default", "uid": "uid-of-resource", "resourceVersion": "1",
                             "generation": 1, "annotations": {}, "labels": {}, "finalizers": []},
            }),
            last_writes: BTreeMap::new(),
            normalise: false,
            deleted: Vec::new(),
            clock: 1,
        }
    }

    pub fn annotate(&mut self, key: &str, value: &str) {
        self.resource["metadata"]["annotations"][key] = json!(value);
    }

    pub fn delete_resource(&mut self) {
        self.resource["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    }

    pub fn key(&self, name: &str) -> Option<ObjectKey> {
        self.objects.keys().find(|key| key.name == name).cloned()
    }

    pub fn object(&self, name: &str) -> Option<&Value> {
        self.objects.get(&self.key(name)?)
    }

    pub fn edit(&mut self, name: &str, change: impl FnOnce(&mut Value)) {
        let key = self.key(name).unwrap();
        self.clock += 1;
        let object = self.objects.get_mut(&key).unwrap();
        change(object);
        object["metadata"]["resourceVersion"] = json!(self.clock.to_string());
    }

    pub fn put(&mut self, mut object: Value) {
        self.clock += 1;
        object["metadata"]["uid"] = json!(format!("uid-{}", self.clock));
        object["metadata"]["resourceVersion"] = json!(self.clock.to_string());
        self.objects.insert(key_of(&object).unwrap(), object);
    }

    pub fn make_ready(&mut self, name: &str) {
        self.edit(name, |object| {
            let replicas = object["spec"]["replicas"].clone();
            object["status"] = json!({"observedGeneration": 1, "replicas": replicas, "readyReplicas": replicas, "updatedReplicas": replicas});
        });
    }

    pub fn make_unready(&mut self, name: &str) {
        self.edit(name, |object| object["status"]["readyReplicas"] = json!(0));
    }

    pub fn facts(&self, decision: &Decision) -> Facts {
        let resource = ResourceFacts::from_object(&self.resource).unwrap();
        let mut facts = Facts::new(resource, "mysql");
        let mut keys = targets(decision, &facts);
        if let Ok(inventory) = &facts.inventory {
            keys.extend(inventory.keys().cloned());
        }
        for key in keys {
            facts.objects.insert(key, Sighting::Absent);
        }
        for object in self.objects.values() {
            facts.objects.insert_found(Found::from_object(object.clone(), ready::of(object)).unwrap());
        }
        facts.last_writes = self.last_writes.clone();
        facts
    }

    pub fn check(&self, facts: &Facts, decision: &Decision) -> Result<Plan<Checked>, Refusal> {
        check(propose(facts, decision), facts, &grants(), &description(), &CheckLimits::default())
    }

    pub fn plan(&self, decision: &Decision) -> Result<Plan<Checked>, Refusal> {
        self.check(&self.facts(decision), decision)
    }

    pub fn teardown(&self) -> Result<Plan<Checked>, Refusal> {
        teardown(&self.facts(&Decision::default()), &CheckLimits::default())
    }

    /// Plans and applies until a plan has no steps; returns how many passes wrote something.
    pub fn converge(&mut self, decision: &Decision) -> usize {
        for pass in 0..50 {
            let plan = self.plan(decision).unwrap();
            if plan.steps().is_empty() && !plan.inventory_changed() {
                return pass;
            }
            self.apply(&plan);
        }
        panic!("no end after 50 passes");
    }

    pub fn apply(&mut self, plan: &Plan<Checked>) -> Plan<Applied> {
        if plan.inventory_changed() {
            self.annotate(names::ANNOTATION_INVENTORY, &plan.inventory().write());
        }
        let mut results = Vec::new();
        for step in plan.steps() {
            let result = self.act(&step.action);
            if let StepResult::Done(Some(write)) = &result {
                self.last_writes.insert(step.item.clone(), write.clone());
            }
            results.push(result);
        }
        plan.clone().applied(results)
    }

    fn act(&mut self, action: &Action) -> StepResult {
        self.clock += 1;
        if let (Some(key), Some(live)) = (action.key(), action.live()) {
            let there = &self.objects[key]["metadata"];
            assert_eq!(there["uid"], json!(live.uid), "a write hits the object that was seen");
        }
        match action {
            Action::Apply { key, object, desired, .. }
            | Action::Adopt { key, object, desired, .. }
            | Action::Overlay { key, object, desired, .. } => self.store(key, object, *desired),
            Action::CreateSecret { key, object, plain, random, composed, desired } => {
                let mut object = object.clone();
                let keys = plain.iter().map(|(key, _)| key).chain(random.iter().map(|value| &value.key));
                let keys = keys.chain(composed.iter().map(|value| &value.key));
                object["data"] = keys.map(|key| (key.clone(), json!("fingerprint"))).collect::<Map<_, _>>().into();
                self.store(key, &object, *desired)
            }
            Action::AddSecretValues { key, object, plain, random, rotate, composed, desired, .. } => {
                let mut object = object.clone();
                let mut data = self.objects[key]["data"].as_object().cloned().unwrap_or_default();
                let names = plain.iter().map(|(key, _)| key).chain(random.iter().map(|value| &value.key));
                for name in names.chain(composed.iter().map(|value| &value.key)) {
                    data.insert(name.clone(), json!("fingerprint"));
                }
                for value in rotate {
                    let old = data.insert(value.key.clone(), json!("new")).unwrap();
                    data.insert(format!("{}.previous", value.key), old);
                }
                object["data"] = data.into();
                self.store(key, &object, *desired)
            }
            Action::Delete { key, .. } | Action::Recreate { key, .. } => {
                self.objects.remove(key).unwrap();
                self.deleted.push(key.name.clone());
                StepResult::Done(None)
            }
            Action::Release { key, owner_uid, .. } => {
                let metadata = &mut self.objects.get_mut(key).unwrap()["metadata"];
                if let Some(owners) = metadata["ownerReferences"].as_array_mut() {
                    owners.retain(|owner| owner["uid"] != json!(owner_uid));
                }
                for field in ["labels", "annotations"] {
                    metadata[field].as_object_mut().unwrap().retain(|key, _| !key.starts_with("windlass.dev/"));
                }
                StepResult::Done(None)
            }
            Action::Mysql(_) | Action::Azure(_) | Action::Vault(_) | Action::RemoveExternal { .. } => {
                panic!("no backend here")
            }
        }
    }

    fn store(&mut self, key: &ObjectKey, object: &Value, desired: crate::digest::Digest) -> StepResult {
        let uid = format!("uid-{}", self.clock);
        let stored = self.objects.entry(key.clone()).or_insert_with(|| json!({"metadata": {"uid": uid}}));
        merge(stored, object);
        stored["metadata"]["resourceVersion"] = json!(self.clock.to_string());
        if self.normalise
            && let Some(value) = stored.pointer_mut("/data/value")
        {
            *value = json!(format!("{}-normalised", object["data"]["value"].as_str().unwrap()));
        }
        let found = Found::from_object(stored.clone(), ready::of(stored)).unwrap();
        StepResult::Done(Some(LastWrite::new(desired, &found)))
    }
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}

pub fn grants() -> Grants {
    let grant = |group: &str, kind: &str, cluster_scope| KindGrant {
        group: group.into(),
        kind: kind.into(),
        cluster_scope,
        verbs: Vec::new(),
    };
    Grants {
        writes: vec![
            grant("", "ConfigMap", false),
            grant("", "Secret", false),
            grant("", "Service", false),
            grant("", "PersistentVolumeClaim", false),
            grant("apps", "StatefulSet", false),
            grant("", "Namespace", false),
            grant("rbac.authorization.k8s.io", "Role", false),
            grant("storage.k8s.io", "StorageClass", true),
            grant("database.example.com", "MySQL", false),
        ],
        // The logins of servers are Secrets that other tests are about.
        reads: vec![ReadGrant {
            group: String::new(),
            kind: "Secret".into(),
            namespaces: Vec::new(),
            names: vec!["s".into(), "admin".into()],
        }],
        ..Grants::default()
    }
}

pub fn description() -> Description {
    Description {
        name: "mysql".into(),
        version: "1.0.0".into(),
        serves: vec![json!({"spec": {"group": "database.example.com", "names": {"kind": "MySQL"}}})],
        writes: grants().writes.iter().map(|grant| Kind::new(&grant.group, "v1", &grant.kind)).collect(),
        reads: vec![],
        backends: Default::default(),
    }
}

pub fn decision(items: Vec<Item>) -> Decision {
    Decision { items, ..Decision::default() }
}

pub fn item(id: &str, after: &[&str], body: Value) -> Item {
    Item {
        id: id.into(),
        after: after.iter().map(|id| (*id).into()).collect(),
        ready_when: ReadyWhen::Ready,
        update: UpdatePolicy::Apply,
        removal: RemovalPolicy::Delete,
        body: Body::Kubernetes(body),
    }
}

pub fn config_map(name: &str, value: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"value": value}})
}

pub fn stateful_set(name: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": name},
        "spec": {"replicas": 3, "template": {"metadata": {"labels": {"app": name}}}},
    })
}

pub fn claim(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name},
           "spec": {"resources": {"requests": {"storage": "1Gi"}}}})
}

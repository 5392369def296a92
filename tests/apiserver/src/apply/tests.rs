//! The merge rules of server-side apply, each on a custom kind that has every type of list and map.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::registry::Served;
use crate::schema::crd;
use crate::storage::TableKey;

/// The kind `Gadget` whose spec has these properties.
fn served(spec: &Value) -> Served {
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "gadgets.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": {"plural": "gadgets", "kind": "Gadget"},
            "versions": [{"name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                    "spec": {"type": "object", "properties": spec},
                    "status": {"type": "object", "properties": {"ready": {"type": "integer"}, "note": {"type": "string"}}}}}}}]},
    });
    let resource = crd::compile(&definition).unwrap().remove(0);
    let table = TableKey::new("example.com", "gadgets");
    Served { resource, table, epoch: 0, stored_as: "example.com/v1".to_owned(), terminating: false }
}

fn every_type() -> Value {
    let item = json!({"type": "object", "required": ["name"], "properties": {
        "name": {"type": "string"}, "v": {"type": "integer"}, "w": {"type": "integer"},
        "in": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}}}});
    let port = json!({"type": "object", "required": ["port"], "properties": {
        "port": {"type": "integer"}, "protocol": {"type": "string", "default": "TCP"}, "name": {"type": "string"}}});
    json!({
        "a": {"type": "integer"}, "b": {"type": "integer"},
        "map": {"type": "object", "properties": {"x": {"type": "integer"}, "y": {"type": "integer"},
            "deep": {"type": "object", "properties": {"z": {"type": "integer"}}}}},
        "free": {"type": "object", "additionalProperties": {"type": "string"}},
        "whole": {"type": "object", "x-kubernetes-map-type": "atomic", "properties": {"x": {"type": "integer"}, "y": {"type": "integer"}}},
        "list": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"], "items": item},
        "ports": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["port", "protocol"], "items": port},
        "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "plain": {"type": "array", "items": {"type": "integer"}},
    })
}

/// An object that is applied to and updated, one second after the other.
struct Live {
    served: Served,
    object: Option<Value>,
    second: u32,
}

impl Live {
    fn new() -> Self {
        Self::with(&every_type())
    }

    fn with(spec: &Value) -> Self {
        Self { served: served(spec), object: None, second: 0 }
    }

    fn who(&mut self, manager: &str, operation: Operation, subresource: &str) -> Identity {
        self.second += 1;
        Identity {
            manager: manager.to_owned(),
            operation,
            api_version: "example.com/v1".to_owned(),
            subresource: subresource.to_owned(),
            time: format!("2030-01-01T00:{:02}:{:02}Z", self.second / 60, self.second % 60),
        }
    }

    fn attempt(&mut self, manager: &str, config: &Value, force: bool) -> Result<(), ApplyError> {
        let who = self.who(manager, Operation::Apply, "");
        let applied = apply(self.object.as_ref(), config, &self.served, &who, force)?;
        self.object = Some(applied.object);
        Ok(())
    }

    /// Apply a spec; conflicts are the answer.
    fn try_apply(&mut self, manager: &str, spec: Value) -> Result<(), ApplyError> {
        self.attempt(manager, &config(spec), false)
    }

    fn apply(&mut self, manager: &str, spec: Value) -> &mut Self {
        self.try_apply(manager, spec).unwrap();
        self
    }

    fn force(&mut self, manager: &str, spec: Value) -> &mut Self {
        self.attempt(manager, &config(spec), true).unwrap();
        self
    }

    /// Replace the spec as an updater.
    fn update(&mut self, manager: &str, spec: Value) -> &mut Self {
        let mut new = self.object.clone().unwrap_or_else(|| config(json!({})));
        new["spec"] = spec;
        self.write(manager, new, "")
    }

    fn write(&mut self, manager: &str, mut new: Value, subresource: &str) -> &mut Self {
        let who = self.who(manager, Operation::Update, subresource);
        track_update(self.object.as_ref(), &mut new, &self.served, &who);
        self.object = Some(new);
        self
    }

    fn spec(&self) -> Value {
        self.object.as_ref().unwrap()["spec"].clone()
    }

    fn managers(&self) -> Vec<Value> {
        self.object.as_ref().unwrap()["metadata"]["managedFields"].as_array().cloned().unwrap_or_default()
    }

    fn names(&self) -> Vec<String> {
        self.managers().iter().map(|m| m["manager"].as_str().unwrap().to_owned()).collect()
    }

    /// What a manager owns of the spec, null for nothing.
    fn owned(&self, manager: &str) -> Value {
        let entry = self.managers().into_iter().find(|m| m["manager"] == manager);
        entry.map_or(Value::Null, |e| e["fieldsV1"]["f:spec"].clone())
    }
}

fn config(spec: Value) -> Value {
    json!({"apiVersion": "example.com/v1", "kind": "Gadget", "metadata": {"name": "g"}, "spec": spec})
}

/// The fields of the conflicts of a refused apply.
#[track_caller]
fn conflicts(result: Result<(), ApplyError>) -> Vec<String> {
    match result.unwrap_err() {
        ApplyError::Conflicts(conflicts) => conflicts.into_iter().map(|c| c.field).collect(),
        other => panic!("{other}"),
    }
}

#[test]
fn an_apply_that_creates_owns_what_it_sets_and_nothing_of_identity() {
    let mut live = Live::new();
    live.apply("one", json!({"a": 1, "map": {"x": 1}}));
    assert_eq!(live.owned("one"), json!({"f:a": {}, "f:map": {"f:x": {}}}));
    let entry = &live.managers()[0];
    assert_eq!((entry["operation"].as_str(), entry["fieldsType"].as_str()), (Some("Apply"), Some("FieldsV1")));
    assert!(entry["fieldsV1"].get("f:metadata").is_none(), "{entry}");
}

#[test]
fn an_unchanged_apply_changes_nothing_but_the_times() {
    let mut live = Live::new();
    live.apply("one", json!({"a": 1, "set": ["s"]}));
    let before = live.object.clone().unwrap();
    live.apply("one", json!({"a": 1, "set": ["s"]}));
    assert!(equal_but_for_times(&before, live.object.as_ref().unwrap()));
    assert_eq!(before["metadata"]["managedFields"], live.object.unwrap()["metadata"]["managedFields"]);
}

#[test]
fn a_field_of_another_applier_is_a_conflict_that_names_it() {
    let mut live = Live::new();
    live.apply("one", json!({"a": 1, "map": {"deep": {"z": 1}}}));
    let refused = live.try_apply("two", json!({"a": 2, "map": {"deep": {"z": 2}}}));
    let ApplyError::Conflicts(found) = refused.unwrap_err() else { panic!("no conflict") };
    assert_eq!(found.iter().map(|c| c.field.as_str()).collect::<Vec<_>>(), [".spec.a", ".spec.map.deep.z"]);
    assert!(found.iter().all(|c| c.manager == "\"one\""));
    assert_eq!(live.spec(), json!({"a": 1, "map": {"deep": {"z": 1}}}));
}

#[test]
fn a_field_of_an_updater_is_a_conflict_that_names_its_version() {
    let mut live = Live::new();
    live.update("edit", json!({"a": 1}));
    let ApplyError::Conflicts(found) = live.try_apply("one", json!({"a": 2})).unwrap_err() else { panic!() };
    assert_eq!(found[0].manager, "\"edit\" using example.com/v1");
}

#[test]
fn the_same_value_is_co_owned_without_a_conflict() {
    let mut live = Live::new();
    live.apply("one", json!({"a": 1})).apply("two", json!({"a": 1}));
    assert_eq!((live.owned("one"), live.owned("two")), (json!({"f:a": {}}), json!({"f:a": {}})));
    assert_eq!(conflicts(live.try_apply("one", json!({"a": 2}))), [".spec.a"]);
}

#[test]
fn force_takes_the_field_and_drops_an_owner_of_nothing() {
    let mut live = Live::new();
    live.apply("one", json!({"a": 1, "b": 1})).force("two", json!({"a": 2}));
    assert_eq!((live.spec(), live.owned("one")), (json!({"a": 2, "b": 1}), json!({"f:b": {}})));
    live.force("two", json!({"a": 2, "b": 2}));
    assert_eq!(live.names(), ["two"]);
}

#[test]
fn a_field_that_its_only_owner_leaves_out_is_removed() {
    let mut live = Live::new();
    live.apply("one", json!({"a": 1, "b": 1, "map": {"x": 1, "y": 1}})).apply("one", json!({"a": 1, "map": {"y": 1}}));
    assert_eq!(live.spec(), json!({"a": 1, "map": {"y": 1}}));
}

#[test]
fn a_field_that_one_of_two_owners_leaves_out_stays_with_the_other() {
    let mut live = Live::new();
    live.apply("one", json!({"a": 1, "b": 1})).apply("two", json!({"a": 1})).apply("one", json!({"b": 1}));
    assert_eq!((live.spec(), live.owned("one")), (json!({"a": 1, "b": 1}), json!({"f:b": {}})));
    live.apply("two", json!({}));
    assert_eq!(live.spec(), json!({"b": 1}));
}

#[test]
fn a_nested_map_goes_with_its_last_field() {
    let mut live = Live::new();
    live.apply("one", json!({"a": 1, "map": {"deep": {"z": 1}}})).apply("one", json!({"a": 1}));
    assert_eq!(live.spec(), json!({"a": 1}));
}

#[test]
fn keys_of_an_open_map_are_owned_one_by_one() {
    let mut live = Live::new();
    live.apply("one", json!({"free": {"k": "1"}})).apply("two", json!({"free": {"l": "2"}}));
    assert_eq!(live.spec()["free"], json!({"k": "1", "l": "2"}));
    live.apply("one", json!({}));
    assert_eq!(live.spec()["free"], json!({"l": "2"}));
}

#[test]
fn an_atomic_map_is_owned_and_replaced_whole() {
    let mut live = Live::new();
    live.apply("one", json!({"whole": {"x": 1, "y": 1}}));
    assert_eq!(live.owned("one"), json!({"f:whole": {}}));
    assert_eq!(conflicts(live.try_apply("two", json!({"whole": {"x": 1}}))), [".spec.whole"]);
    live.force("two", json!({"whole": {"x": 2}}));
    assert_eq!((live.spec(), live.names()), (json!({"whole": {"x": 2}}), vec!["two".to_owned()]));
}

#[test]
fn a_list_without_a_type_is_owned_and_replaced_whole() {
    let mut live = Live::new();
    live.apply("one", json!({"plain": [1, 2]}));
    assert_eq!(live.owned("one"), json!({"f:plain": {}}));
    assert_eq!(conflicts(live.try_apply("two", json!({"plain": [1, 2, 3]}))), [".spec.plain"]);
    live.force("two", json!({"plain": [3]}));
    assert_eq!(live.spec(), json!({"plain": [3]}));
}

#[test]
fn a_set_is_owned_by_value_and_merged() {
    let mut live = Live::new();
    live.apply("one", json!({"set": ["a", "b"]})).apply("two", json!({"set": ["c", "b"]}));
    assert_eq!(live.owned("two"), json!({"f:set": {"v:\"b\"": {}, "v:\"c\"": {}}}));
    let mut all: Vec<_> =
        live.spec()["set"].as_array().unwrap().iter().map(|v| v.as_str().unwrap().to_owned()).collect();
    all.sort();
    assert_eq!(all, ["a", "b", "c"]);
    live.apply("one", json!({}));
    let mut left: Vec<_> = live.spec()["set"].as_array().unwrap().clone();
    left.sort_by_key(Value::to_string);
    assert_eq!(left, [json!("b"), json!("c")]);
}

#[test]
fn items_of_a_list_map_are_owned_by_key_and_merged_field_by_field() {
    let mut live = Live::new();
    live.apply("one", json!({"list": [{"name": "x", "v": 1}]}));
    live.apply("two", json!({"list": [{"name": "x", "w": 2}, {"name": "y", "v": 3}]}));
    assert_eq!(live.spec()["list"], json!([{"name": "x", "v": 1, "w": 2}, {"name": "y", "v": 3}]));
    assert_eq!(live.owned("one"), json!({"f:list": {"k:{\"name\":\"x\"}": {".": {}, "f:name": {}, "f:v": {}}}}));
    assert_eq!(
        conflicts(live.try_apply("two", json!({"list": [{"name": "x", "v": 5}]}))),
        [".spec.list[name=\"x\"].v"]
    );
    live.apply("one", json!({}));
    assert_eq!(live.spec()["list"], json!([{"name": "x", "w": 2}, {"name": "y", "v": 3}]));
    live.apply("two", json!({"list": [{"name": "y", "v": 3}]}));
    assert_eq!(live.spec()["list"], json!([{"name": "y", "v": 3}]));
}

#[test]
fn an_absent_key_of_a_list_map_counts_as_its_default() {
    let mut live = Live::new();
    live.apply("one", json!({"ports": [{"port": 80, "name": "a"}]}));
    live.apply(
        "one",
        json!({"ports": [{"port": 80, "protocol": "TCP", "name": "b"}, {"port": 80, "protocol": "UDP"}]}),
    );
    let ports = live.spec()["ports"].as_array().unwrap().clone();
    assert_eq!(ports.len(), 2, "{ports:?}");
    assert_eq!(ports[0]["name"], "b");
    assert!(live.owned("one")["f:ports"].get("k:{\"port\":80,\"protocol\":\"UDP\"}").is_some());
}

#[test]
fn a_list_map_item_without_any_key_or_twice_is_no_configuration() {
    for spec in
        [json!({"list": [{"v": 1}]}), json!({"list": [{"name": "x"}, {"name": "x"}]}), json!({"set": ["a", "a"]})]
    {
        let refused = Live::new().try_apply("one", spec.clone()).unwrap_err();
        assert!(matches!(refused, ApplyError::Untyped(_)), "{spec}: {refused}");
    }
}

#[test]
fn a_field_that_the_schema_does_not_know_is_no_configuration() {
    let refused = Live::new().try_apply("one", json!({"nope": 1})).unwrap_err();
    assert_eq!(refused, ApplyError::Untyped(".spec.nope: field not declared in schema".to_owned()));
}

#[test]
fn applied_items_keep_their_order_and_items_of_others_stay_where_they_were() {
    let mut live = Live::new();
    let named = |names: &[&str]| json!({"list": names.iter().map(|n| json!({"name": n})).collect::<Vec<_>>()});
    let order = |live: &Live| -> String {
        live.spec()["list"].as_array().unwrap().iter().map(|i| i["name"].as_str().unwrap()).collect()
    };
    live.apply("one", named(&["a", "b", "c"])).apply("two", named(&["c", "a"]));
    assert_eq!(order(&live), "bca");
    live.apply("two", named(&["x", "c", "a"]));
    assert!(order(&live).find('x') < order(&live).find('c'), "{}", order(&live));
}

#[test]
fn an_updater_owns_what_it_changed_and_the_former_owner_loses_it() {
    let mut live = Live::new();
    live.apply("one", json!({"a": 1, "b": 1})).update("edit", json!({"a": 2, "b": 1}));
    assert_eq!((live.owned("one"), live.owned("edit")), (json!({"f:b": {}}), json!({"f:a": {}})));
    assert_eq!(conflicts(live.try_apply("one", json!({"a": 1, "b": 1}))), [".spec.a"]);
}

#[test]
fn an_updater_that_removes_a_field_leaves_nobody_owning_it() {
    let mut live = Live::new();
    live.apply("one", json!({"a": 1, "b": 1})).update("edit", json!({"b": 1}));
    assert_eq!((live.owned("one"), live.owned("edit")), (json!({"f:b": {}}), Value::Null));
    live.apply("one", json!({"a": 1, "b": 1}));
    assert_eq!(live.spec(), json!({"a": 1, "b": 1}), "an applier sets it again");
}

#[test]
fn an_update_that_changes_nothing_owns_nothing() {
    let mut live = Live::new();
    live.apply("one", json!({"a": 1})).update("edit", json!({"a": 1}));
    assert_eq!(live.names(), ["one"]);
}

#[test]
fn what_existed_before_the_first_apply_belongs_to_an_updater_of_that_name() {
    let mut live = Live::new();
    live.object = Some(config(json!({"a": 1, "b": 1})));
    assert_eq!(conflicts(live.try_apply("one", json!({"a": 2}))), [".spec.a"]);
    live.force("one", json!({"a": 2}));
    assert_eq!(live.names(), ["one", "before-first-apply"]);
    assert_eq!(live.owned("before-first-apply"), json!({".": {}, "f:b": {}}));
}

#[test]
fn an_object_that_nobody_tracks_stays_untracked_under_updates() {
    let mut live = Live::new();
    live.object = Some(config(json!({"a": 1})));
    live.update("edit", json!({"a": 2}));
    assert_eq!(live.managers(), Vec::<Value>::new());
}

#[test]
fn an_empty_list_or_one_empty_entry_resets_the_managers() {
    for reset in [json!([]), json!([{}])] {
        let mut live = Live::new();
        live.apply("one", json!({"a": 1}));
        let mut new = live.object.clone().unwrap();
        new["metadata"]["managedFields"] = reset;
        live.write("edit", new, "");
        assert_eq!(live.managers(), Vec::<Value>::new());
    }
}

#[test]
fn a_write_without_managed_fields_keeps_those_that_are_there() {
    let mut live = Live::new();
    live.apply("one", json!({"a": 1}));
    let mut new = live.object.clone().unwrap();
    new["metadata"].as_object_mut().unwrap().remove("managedFields");
    new["spec"]["b"] = json!(2);
    live.write("edit", new, "");
    assert_eq!(live.names(), ["one", "edit"]);
}

#[test]
fn the_same_manager_through_the_status_is_another_manager() {
    let mut live = Live::new();
    live.update("host", json!({"a": 1}));
    let mut new = live.object.clone().unwrap();
    new["status"] = json!({"ready": 1});
    live.write("host", new, "status");
    assert_eq!(live.names(), ["host", "host"]);
    let status = live.managers().into_iter().find(|m| m["subresource"] == "status").unwrap();
    assert_eq!(status["fieldsV1"], json!({"f:status": {".": {}, "f:ready": {}}}));
}

#[test]
fn the_main_endpoint_owns_nothing_of_the_status() {
    let mut live = Live::new();
    let mut with_status = config(json!({"a": 1}));
    with_status["status"] = json!({"ready": 1});
    live.attempt("one", &with_status, false).unwrap();
    assert_eq!(live.managers()[0]["fieldsV1"], json!({"f:spec": {"f:a": {}}}));
}

#[test]
fn an_applier_and_an_updater_of_one_name_are_two_managers() {
    let mut live = Live::new();
    live.apply("one", json!({"a": 1})).update("one", json!({"a": 2}));
    assert_eq!(live.managers().len(), 1, "the applier lost its only field");
    assert_eq!(live.managers()[0]["operation"], "Update");
    assert_eq!(conflicts(live.try_apply("one", json!({"a": 3}))), [".spec.a"]);
}

#[test]
fn the_oldest_of_more_than_ten_updaters_are_folded_into_one() {
    let mut live = Live::with(&json!({"free": {"type": "object", "additionalProperties": {"type": "string"}}}));
    let mut keys = serde_json::Map::new();
    for i in 0..12 {
        keys.insert(format!("k{i:02}"), json!("v"));
        live.update(&format!("m{i:02}"), json!({"free": keys}));
    }
    let names = live.names();
    assert_eq!(names.len(), 10, "{names:?}");
    assert_eq!(names[0], "ancient-changes");
    assert!(!names.contains(&"m02".to_owned()) && names.contains(&"m03".to_owned()), "{names:?}");
    let folded = live.owned("ancient-changes");
    assert!(folded["f:free"].get("f:k00").is_some() && folded["f:free"].get("f:k02").is_some(), "{folded}");
}

#[test]
fn appliers_come_before_updaters_and_older_before_newer() {
    let mut live = Live::new();
    live.update("u1", json!({"a": 1})).apply("a1", json!({"b": 1})).apply("a2", json!({"map": {"x": 1}}));
    assert_eq!(live.names(), ["a1", "a2", "u1"]);
}

#[test]
fn what_becomes_atomic_is_owned_whole_by_whoever_owned_a_part() {
    let granular = json!({"m": {"type": "object", "properties": {"x": {"type": "integer"}, "y": {"type": "integer"}}}});
    let mut atomic = granular.clone();
    atomic["m"]["x-kubernetes-map-type"] = json!("atomic");
    let mut live = Live::with(&granular);
    live.apply("one", json!({"m": {"x": 1}}));
    live.served = served(&atomic);
    assert_eq!(conflicts(live.try_apply("two", json!({"m": {"x": 2}}))), [".spec.m"]);
    live.apply("one", json!({"m": {"y": 2}}));
    assert_eq!((live.spec(), live.owned("one")), (json!({"m": {"y": 2}}), json!({"f:m": {}})));
}

#[test]
fn what_becomes_granular_is_owned_by_its_name_alone_so_that_parts_change_without_a_conflict() {
    let granular = json!({"m": {"type": "object", "properties": {"x": {"type": "integer"}, "y": {"type": "integer"}}}});
    let mut atomic = granular.clone();
    atomic["m"]["x-kubernetes-map-type"] = json!("atomic");
    let mut live = Live::with(&atomic);
    live.apply("one", json!({"m": {"x": 1, "y": 1}}));
    live.served = served(&granular);
    live.apply("two", json!({"m": {"x": 2}}));
    assert_eq!(live.spec(), json!({"m": {"x": 2, "y": 1}}));
    assert_eq!((live.owned("one"), live.owned("two")), (json!({"f:m": {}}), json!({"f:m": {"f:x": {}}})));
}

#[test]
fn broken_managed_fields_count_as_none() {
    let mut live = Live::new();
    live.apply("one", json!({"a": 1}));
    live.object.as_mut().unwrap()["metadata"]["managedFields"][0]["fieldsV1"] = json!({"odd": {}});
    assert_eq!(conflicts(live.try_apply("two", json!({"a": 2}))), [".spec.a"]);
}

#[test]
fn labels_and_annotations_are_owned_one_by_one_and_removed_by_omission() {
    let mut live = Live::new();
    let mut first = config(json!({"a": 1}));
    first["metadata"]["labels"] = json!({"l": "1", "m": "1"});
    live.attempt("one", &first, false).unwrap();
    let mut second = config(json!({}));
    second["metadata"]["labels"] = json!({"n": "2"});
    live.attempt("two", &second, false).unwrap();
    first["metadata"]["labels"] = json!({"l": "1"});
    live.attempt("one", &first, false).unwrap();
    let metadata = &live.object.as_ref().unwrap()["metadata"];
    assert_eq!((&metadata["labels"], &metadata["name"]), (&json!({"l": "1", "n": "2"}), &json!("g")));
}

#[test]
fn finalizers_are_a_set_and_owner_references_go_by_uid() {
    let mut live = Live::new();
    let with = |finalizer: &str, uid: &str| {
        let mut object = config(json!({}));
        object["metadata"]["finalizers"] = json!([finalizer]);
        object["metadata"]["ownerReferences"] = json!([{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": uid}]);
        object
    };
    live.attempt("one", &with("f/one", "1"), false).unwrap();
    live.attempt("two", &with("f/two", "2"), false).unwrap();
    let metadata = live.object.as_ref().unwrap()["metadata"].clone();
    assert_eq!(metadata["finalizers"].as_array().unwrap().len(), 2);
    assert_eq!(metadata["ownerReferences"].as_array().unwrap().len(), 2);
    live.attempt("one", &config(json!({})), false).unwrap();
    assert_eq!(live.object.unwrap()["metadata"]["finalizers"], json!(["f/two"]));
}

/// As `kubectl apply` leaves it.
fn applied_by_kubectl(spec: &Value) -> Live {
    let mut live = Live::new();
    let mut object = config(spec.clone());
    let text = object.to_string();
    object["metadata"]["annotations"] = json!({"kubectl.kubernetes.io/last-applied-configuration": text});
    live.write("kubectl-client-side-apply", object, "");
    live
}

#[test]
fn kubectl_takes_over_what_client_side_apply_set_and_others_do_not() {
    let mut live = applied_by_kubectl(&json!({"a": 1, "b": 1}));
    assert_eq!(conflicts(live.try_apply("other", json!({"a": 2}))), [".spec.a"]);
    live.apply("kubectl", json!({"a": 2}));
    assert_eq!(live.spec()["a"], 2);
    let annotations = &live.object.as_ref().unwrap()["metadata"]["annotations"];
    let text = annotations["kubectl.kubernetes.io/last-applied-configuration"].as_str().unwrap();
    let wanted =
        "{\"apiVersion\":\"example.com/v1\",\"kind\":\"Gadget\",\"metadata\":{\"name\":\"g\"},\"spec\":{\"a\":2}}\n";
    assert_eq!(text, wanted);
}

#[test]
fn kubectl_does_not_take_over_what_somebody_changed_since() {
    let mut live = applied_by_kubectl(&json!({"a": 1, "b": 1}));
    let mut changed = live.object.clone().unwrap();
    changed["spec"]["b"] = json!(5);
    live.write("edit", changed, "");
    assert_eq!(conflicts(live.try_apply("kubectl", json!({"a": 2, "b": 2}))), [".spec.b"]);
}

//! What comes in: the JSON schemas of the Kubernetes API types and the table of facts that these do not state. What goes
//! out: definitions by name as OpenAPI shows them, and [`Schema`] trees. Both are built once, at first use. Pure.
//!
//! `facts.txt` has one line a type: its short name (`@atomic` when the type merges as a whole), then fields with
//! `!` always written, `*` a pointer to a scalar, `?` a pointer that is written as null, `=set`, `=map(keys)`, `=atomic`
//! how it merges in server-side apply, `~key` how it merges in a strategic merge patch, `^` retain keys, `%` replace.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock};

use k8s_openapi::api::{
    admissionregistration::v1 as admission, apps::v1 as apps, authentication::v1 as authentication,
    authorization::v1 as authorization, autoscaling::v1 as autoscaling_v1, autoscaling::v2 as autoscaling,
    batch::v1 as batch, coordination::v1 as coordination, core::v1 as core, discovery::v1 as discovery,
    events::v1 as events, networking::v1 as networking, policy::v1 as policy, rbac::v1 as rbac,
    scheduling::v1 as scheduling, storage::v1 as storage,
};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1 as apiextensions;
use k8s_openapi::apimachinery::pkg::apis::meta::v1 as meta;
use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};

use crate::schema::{Kind, ListType, MapType, PatchMerge, Presence, Schema};

/// The prefix of a reference between definitions in the source.
const REFERENCE: &str = "#/$defs/";

/// All definitions by full name, such as `io.k8s.api.core.v1.Pod`; references read `#/$defs/NAME`.
pub static DEFINITIONS: LazyLock<Map<String, Value>> = LazyLock::new(generate);

static FACTS: LazyLock<HashMap<&'static str, TypeFacts>> = LazyLock::new(read_facts);

static SCHEMAS: LazyLock<BTreeMap<String, Arc<Schema>>> = LazyLock::new(|| {
    let mut build = Build::default();
    for name in DEFINITIONS.keys() {
        build.definition(name);
    }
    build.done
});

macro_rules! generate_all {
    ($generator:ident: $($type:ty),+ $(,)?) => { $( $generator.subschema_for::<$type>(); )+ };
}

fn generate() -> Map<String, Value> {
    let mut generator = SchemaGenerator::default();
    generate_all!(generator:
        core::Namespace, core::ConfigMap, core::Secret, core::Service, core::ServiceAccount, core::Pod, core::Event,
        core::PersistentVolumeClaim, core::PersistentVolume, core::Node, core::Endpoints, core::ResourceQuota,
        core::LimitRange, core::PodTemplate, core::ReplicationController, core::Binding,
        apps::Deployment, apps::ReplicaSet, apps::StatefulSet, apps::DaemonSet, apps::ControllerRevision,
        batch::Job, batch::CronJob, policy::PodDisruptionBudget, policy::Eviction, autoscaling_v1::Scale,
        rbac::Role, rbac::RoleBinding, rbac::ClusterRole, rbac::ClusterRoleBinding,
        networking::NetworkPolicy, networking::Ingress, networking::IngressClass,
        storage::StorageClass, storage::CSIDriver, storage::VolumeAttachment,
        coordination::Lease, scheduling::PriorityClass, events::Event, discovery::EndpointSlice,
        autoscaling::HorizontalPodAutoscaler,
        admission::ValidatingWebhookConfiguration, admission::MutatingWebhookConfiguration,
        apiextensions::CustomResourceDefinition,
        authorization::SelfSubjectAccessReview, authorization::SubjectAccessReview, authorization::SelfSubjectRulesReview,
        authorization::LocalSubjectAccessReview,
        authentication::TokenReview, authentication::TokenRequest, authentication::SelfSubjectReview,
        meta::ObjectMeta, meta::DeleteOptions, meta::ListMeta, meta::Status,
    );
    let mut definitions = generator.take_definitions(false);
    for definition in definitions.values_mut() {
        // The source's types always have metadata; in the published schemas no kind requires it.
        if let Some(required) = definition.get_mut("required").and_then(Value::as_array_mut) {
            required.retain(|name| name != "metadata");
            if required.is_empty()
                && let Some(definition) = definition.as_object_mut()
            {
                definition.remove("required");
            }
        }
    }
    definitions
}

/// The schema of a definition by its full name.
#[must_use]
pub fn schema(name: &str) -> Option<Arc<Schema>> {
    SCHEMAS.get(name).cloned()
}

/// The schema of `metadata`, which custom resources share.
#[must_use]
pub fn object_meta() -> Arc<Schema> {
    schema("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta").unwrap_or_default()
}

#[derive(Default)]
struct TypeFacts {
    atomic: bool,
    fields: HashMap<&'static str, FieldFacts>,
}

#[derive(Default, Clone)]
struct FieldFacts {
    always: bool,
    pointer: bool,
    null: bool,
    list_type: Option<ListType>,
    atomic: bool,
    patch: Option<PatchMerge>,
}

fn read_facts() -> HashMap<&'static str, TypeFacts> {
    let lines = include_str!("facts.txt").lines();
    lines
        .filter_map(|line| {
            let mut words = line.split_ascii_whitespace();
            let head = words.next()?;
            let (name, atomic) = head.strip_suffix("@atomic").map_or((head, false), |name| (name, true));
            Some((name, TypeFacts { atomic, fields: words.map(read_field).collect() }))
        })
        .collect()
}

fn read_field(word: &'static str) -> (&'static str, FieldFacts) {
    let end = word.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(word.len());
    let (name, mut rest) = word.split_at(end);
    let mut facts = FieldFacts::default();
    while let Some(mark) = rest.chars().next() {
        rest = &rest[mark.len_utf8()..];
        match mark {
            '!' => facts.always = true,
            '*' => facts.pointer = true,
            '?' => facts.null = true,
            '%' => facts.patch.get_or_insert_default().replace = true,
            '^' => facts.patch.get_or_insert_default().retain_keys = true,
            '~' => {
                let patch = facts.patch.get_or_insert_default();
                patch.merge_key = (!rest.is_empty()).then(|| rest.to_owned());
                rest = "";
            }
            '=' => {
                let end = rest.find(['~', '^']).unwrap_or(rest.len());
                let (how, more) = rest.split_at(end);
                rest = more;
                match how.strip_prefix("map(").and_then(|keys| keys.strip_suffix(')')) {
                    Some(keys) => facts.list_type = Some(ListType::Map(keys.split(',').map(str::to_owned).collect())),
                    None if how == "set" => facts.list_type = Some(ListType::Set),
                    None => facts.atomic = true,
                }
            }
            _ => {}
        }
    }
    (name, facts)
}

/// The name of a definition as the table of facts writes it.
fn short(name: &str) -> &str {
    ["io.k8s.api.", "io.k8s.apimachinery.pkg.apis.", "io.k8s.apiextensions-apiserver.pkg.apis."]
        .iter()
        .find_map(|prefix| name.strip_prefix(prefix))
        .unwrap_or(name)
}

#[derive(Default)]
struct Build {
    done: BTreeMap<String, Arc<Schema>>,
}

impl Build {
    fn definition(&mut self, name: &str) -> Arc<Schema> {
        if let Some(done) = self.done.get(name) {
            return done.clone();
        }
        let built = match DEFINITIONS.get(name) {
            // Schemas of schemas are endless, and RawExtension, FieldsV1 and JSON hold what they are given.
            Some(source) if !name.contains(".JSON") => self.node(source, name),
            _ => Schema::any(),
        };
        let built = Arc::new(built);
        self.done.insert(name.to_owned(), built.clone());
        built
    }

    fn node(&mut self, source: &Value, type_name: &str) -> Schema {
        let mut node = Schema { typed: true, ..Schema::default() };
        node.format = source.get("format").and_then(Value::as_str).map(str::to_owned);
        if source.get("x-kubernetes-int-or-string").is_some() {
            node.kind = Kind::IntOrString;
            if type_name.ends_with(".Quantity") {
                node.format = Some("quantity".to_owned());
            }
            return node;
        }
        match source.get("type").and_then(Value::as_str) {
            Some("object") => self.object(&mut node, source, type_name),
            Some("array") => {
                node.kind = Kind::Array;
                node.items = source.get("items").map(|items| self.child(items));
            }
            Some("string") => node.kind = Kind::String,
            Some("integer") => node.kind = Kind::Integer,
            Some("number") => node.kind = Kind::Number,
            Some("boolean") => node.kind = Kind::Boolean,
            _ => node.preserve_unknown = true,
        }
        node
    }

    fn object(&mut self, node: &mut Schema, source: &Value, type_name: &str) {
        node.kind = Kind::Object;
        node.additional = source.get("additionalProperties").map(|value| self.child(value));
        let Some(properties) = source.get("properties").and_then(Value::as_object) else {
            if node.additional.is_none() {
                node.kind = Kind::Any;
                node.preserve_unknown = true;
            }
            return;
        };
        node.type_name = type_name.rsplit('.').next().unwrap_or_default().to_owned();
        let facts = FACTS.get(short(type_name));
        if facts.is_some_and(|facts| facts.atomic) {
            node.map_type = MapType::Atomic;
        }
        for (name, property) in properties {
            let child = self.child(property);
            let field = facts.and_then(|facts| facts.fields.get(name.as_str())).cloned().unwrap_or_default();
            let mut child = with_facts(child, field);
            // A key of a merged list that may be left out: server-side apply must know what it then is.
            if name == "protocol" && matches!(node.type_name.as_str(), "ContainerPort" | "ServicePort") {
                Arc::make_mut(&mut child).default = Some(json!("TCP"));
            }
            node.properties.insert(name.clone(), child);
        }
    }

    /// A node in place: a reference is shared, anything else is built.
    fn child(&mut self, source: &Value) -> Arc<Schema> {
        match source.get("$ref").and_then(Value::as_str).and_then(|name| name.strip_prefix(REFERENCE)) {
            Some(name) => self.definition(name),
            None => Arc::new(self.node(source, "")),
        }
    }
}

fn with_facts(child: Arc<Schema>, facts: FieldFacts) -> Arc<Schema> {
    let FieldFacts { always, pointer, null, list_type, atomic, patch } = facts;
    let mut node = Schema::clone(&child);
    node.presence = if null {
        Presence::Always(Value::Null)
    } else if always {
        Presence::Always(zero(&node))
    } else if pointer || by_reference(&node) {
        Presence::Given
    } else {
        Presence::NonZero
    };
    if let Some(list_type) = list_type {
        node.list_type = list_type;
    }
    if atomic {
        node.map_type = MapType::Atomic;
    }
    node.patch = patch;
    Arc::new(node)
}

/// Whether the Go field is a pointer unless the facts say otherwise: structs, times, quantities and ints-or-strings.
fn by_reference(node: &Schema) -> bool {
    match node.kind {
        Kind::Object => node.additional.is_none() || !node.properties.is_empty(),
        Kind::IntOrString | Kind::Any => true,
        Kind::String => node.format.as_deref() == Some("date-time"),
        Kind::Array | Kind::Integer | Kind::Number | Kind::Boolean => false,
    }
}

/// The zero value of a field without `omitempty`, as Go writes it.
fn zero(node: &Schema) -> Value {
    match node.kind {
        Kind::Object if node.additional.is_none() || !node.properties.is_empty() => json!({}),
        Kind::Object | Kind::Array | Kind::Any => Value::Null,
        Kind::String if node.format.as_deref() == Some("date-time") => Value::Null,
        Kind::String => json!(""),
        Kind::IntOrString if node.format.as_deref() == Some("quantity") => json!("0"),
        Kind::Integer | Kind::Number | Kind::IntOrString => json!(0),
        Kind::Boolean => json!(false),
    }
}

#[cfg(test)]
mod tests;

//! CustomResourceDefinitions from Rust types. In: the types of spec and status (through schemars) and the names of the
//! kind. Out: a manifest of apiextensions.k8s.io/v1 with a structural schema, as a real API server accepts it.
//!
//! Constraints are written where the type is: `#[schemars(length(max = 63), regex(pattern = "…"), range(min = 1))]`, and
//! what schemars has no word for with `#[schemars(extend("x-kubernetes-validations" = [rule("…", "…")]))]`.

mod problem;
mod structural;
#[cfg(test)]
mod tests;

pub use problem::problems;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

/// A CustomResourceDefinition being described, with one version that is served and stored, and a status subresource.
#[derive(Clone, Debug)]
pub struct Crd {
    group: String,
    version: String,
    kind: String,
    plural: String,
    scope: &'static str,
    short_names: Vec<String>,
    categories: Vec<String>,
    columns: Vec<Column>,
    scale: Option<Value>,
    rules: Vec<Value>,
    spec: Value,
    status: Value,
}

/// A column of `kubectl get`.
#[derive(Clone, Debug)]
pub struct Column {
    name: String,
    type_: &'static str,
    path: String,
    priority: u8,
    description: Option<String>,
}

impl Column {
    /// Text at a path: `.status.currentPrimary`.
    pub fn text(name: &str, path: &str) -> Self {
        Column { name: name.into(), type_: "string", path: path.into(), priority: 0, description: None }
    }

    /// A whole number.
    pub fn integer(name: &str, path: &str) -> Self {
        Column { type_: "integer", ..Column::text(name, path) }
    }

    /// A time, shown as the age.
    pub fn date(name: &str, path: &str) -> Self {
        Column { type_: "date", ..Column::text(name, path) }
    }

    /// The status of a condition.
    pub fn condition(name: &str, type_: &str) -> Self {
        Column::text(name, &format!(".status.conditions[?(@.type==\"{type_}\")].status"))
    }

    /// Shown only with `-o wide`.
    pub fn wide(mut self) -> Self {
        self.priority = 1;
        self
    }

    /// What the column means.
    pub fn described(mut self, text: &str) -> Self {
        self.description = Some(text.into());
        self
    }
}

impl Crd {
    /// A namespaced kind. The plural is the lower-case kind with `s`.
    pub fn of<Spec: JsonSchema, Status: JsonSchema>(group: &str, version: &str, kind: &str) -> Self {
        Crd {
            group: group.into(),
            version: version.into(),
            kind: kind.into(),
            plural: format!("{}s", kind.to_lowercase()),
            scope: "Namespaced",
            short_names: Vec::new(),
            categories: Vec::new(),
            columns: Vec::new(),
            scale: None,
            rules: Vec::new(),
            spec: structural::bounded(schema_of::<Spec>()),
            // Not bounded: no rule reads the status, and a bound could only make a report of the host fail.
            status: structural::with_conditions(schema_of::<Status>()),
        }
    }

    /// Another plural.
    pub fn plural(mut self, plural: &str) -> Self {
        self.plural = plural.into();
        self
    }

    /// Objects are in no namespace.
    pub fn cluster_scoped(mut self) -> Self {
        self.scope = "Cluster";
        self
    }

    /// A short name for kubectl.
    pub fn short_name(mut self, name: &str) -> Self {
        self.short_names.push(name.into());
        self
    }

    /// A group of kinds that kubectl lists together: `all`.
    pub fn category(mut self, category: &str) -> Self {
        self.categories.push(category.into());
        self
    }

    /// A column of `kubectl get`. Where there are none, kubectl shows the age.
    pub fn column(mut self, column: Column) -> Self {
        self.columns.push(column);
        self
    }

    /// `kubectl scale` and autoscalers: where the replicas are wished, where they are counted, and where the label
    /// selector of the pods is. Paths start with a dot.
    pub fn scale(mut self, wished: &str, counted: &str, selector: &str) -> Self {
        self.scale = Some(json!({
            "specReplicasPath": wished, "statusReplicasPath": counted, "labelSelectorPath": selector,
        }));
        self
    }

    /// A validation rule over the whole object, for what depends on the status: what cannot change once something exists.
    /// See [`rule`].
    pub fn rule(mut self, rule: Value) -> Self {
        self.rules.push(rule);
        self
    }

    /// The name of the CustomResourceDefinition: `mysqls.database.example.com`.
    pub fn name(&self) -> String {
        format!("{}.{}", self.plural, self.group)
    }

    /// The manifest.
    pub fn manifest(&self) -> Value {
        let mut names = json!({
            "kind": self.kind,
            "listKind": format!("{}List", self.kind),
            "plural": self.plural,
            "singular": self.kind.to_lowercase(),
        });
        if !self.short_names.is_empty() {
            names["shortNames"] = json!(self.short_names);
        }
        if !self.categories.is_empty() {
            names["categories"] = json!(self.categories);
        }
        let mut subresources = json!({ "status": {} });
        if let Some(scale) = &self.scale {
            subresources["scale"] = scale.clone();
        }
        let mut version = json!({
            "name": self.version,
            "served": true,
            "storage": true,
            "subresources": subresources,
            "schema": { "openAPIV3Schema": {
                "type": "object",
                "description": self.spec.get("description").cloned().unwrap_or_else(|| json!(self.kind)),
                "required": ["spec"],
                "properties": {
                    "apiVersion": { "type": "string" },
                    "kind": { "type": "string" },
                    "metadata": { "type": "object" },
                    "spec": self.spec,
                    "status": self.status,
                },
            } },
        });
        if !self.rules.is_empty() {
            version["schema"]["openAPIV3Schema"]["x-kubernetes-validations"] = json!(self.rules);
        }
        if !self.columns.is_empty() {
            version["additionalPrinterColumns"] = self.columns.iter().map(column_manifest).collect();
        }
        json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": { "name": self.name() },
            "spec": { "group": self.group, "scope": self.scope, "names": names, "versions": [version] },
        })
    }
}

/// A column as the CRD spells it.
fn column_manifest(column: &Column) -> Value {
    let mut manifest = json!({ "name": column.name, "type": column.type_, "jsonPath": column.path });
    if column.priority > 0 {
        manifest["priority"] = json!(column.priority);
    }
    if let Some(description) = &column.description {
        manifest["description"] = json!(description);
    }
    manifest
}

/// The structural schema of a type.
fn schema_of<T: JsonSchema>() -> Value {
    let generator = SchemaSettings::draft2020_12()
        .with(|settings| {
            settings.inline_subschemas = true;
            settings.meta_schema = None;
        })
        .into_generator();
    structural::structural(generator.into_root_schema_for::<T>().to_value())
}

/// A validation rule in CEL, for `x-kubernetes-validations`. A rule that reads `oldSelf` holds for changes only.
pub fn rule(rule: &str, message: &str) -> Value {
    json!({ "rule": rule, "message": message })
}

/// A schema for an object of Kubernetes that is passed on as it is: `#[schemars(schema_with = "crd::any_object")]`.
pub fn any_object(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
}

/// A list of such objects, at most 64.
pub fn any_objects(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "array", "maxItems": structural::MAX_ITEMS,
        "items": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
    })
}

//! One served resource at one version: its names, schema, columns, and what the kind does beside storing.
//! Built-in kinds and compiled CustomResourceDefinitions both end up as this; the core treats them alike.

use crate::field_error::FieldError;
use crate::schema::Schema;
use serde_json::Value;
use std::sync::Arc;

/// A resource that the server serves at one version.
#[derive(Clone)]
pub struct Resource {
    /// API group, empty for the core group.
    pub group: String,
    /// Version within the group, for example `v1`.
    pub version: String,
    /// Kind of one object, for example `ConfigMap`.
    pub kind: String,
    /// Kind of a list, for example `ConfigMapList`.
    pub list_kind: String,
    /// Plural name, the path segment.
    pub plural: String,
    /// Singular name.
    pub singular: String,
    /// Short names for kubectl.
    pub short_names: Vec<String>,
    /// Categories, for example `all`.
    pub categories: Vec<String>,
    /// Whether objects live in namespaces.
    pub namespaced: bool,
    /// Verbs served, in the order in which discovery lists them.
    pub verbs: Vec<String>,
    /// Whether `/status` is served.
    pub status: bool,
    /// Where `/scale` reads and writes, when it is served.
    pub scale: Option<ScalePaths>,
    /// Shape of the objects.
    pub schema: Arc<Schema>,
    /// Columns of the table beyond `Name`, in order.
    pub columns: Vec<Column>,
    /// Field selectors beyond `metadata.name` and `metadata.namespace`, as paths without leading dot.
    pub selectable_fields: Vec<String>,
    /// What the kind does beside storing.
    pub strategy: Arc<dyn Strategy>,
    /// Whether it comes from a CustomResourceDefinition.
    pub custom: bool,
    /// Whether objects are stored at this version.
    pub storage_version: bool,
    /// Name of its definition in the OpenAPI documents.
    pub openapi_name: String,
}

/// One column of the table form that `kubectl get` shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Heading.
    pub name: String,
    /// OpenAPI type.
    pub type_: String,
    /// OpenAPI format, may be empty.
    pub format: String,
    /// What the column shows.
    pub description: String,
    /// 0 is always shown, more only with `-o wide`.
    pub priority: i32,
    /// Where the cell's value comes from; built-in kinds compute theirs.
    pub json_path: Option<String>,
}

/// Where the scale subresource reads and writes: simple JSON paths like `.spec.replicas`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScalePaths {
    /// Desired number.
    pub spec_replicas: String,
    /// Observed number.
    pub status_replicas: String,
    /// Selector: text for custom resources, a label selector object for built-in kinds.
    pub label_selector: Option<String>,
}

impl Resource {
    /// `group/version`, or the version alone for the core group.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// `plural.group`, or the plural name alone for the core group, as error messages name a resource.
    pub fn qualified(&self) -> String {
        if self.group.is_empty() { self.plural.clone() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// `Kind.group`, or the kind alone for the core group, as validation errors name a kind.
    pub fn qualified_kind(&self) -> String {
        if self.group.is_empty() { self.kind.clone() } else { format!("{}.{}", self.kind, self.group) }
    }
}

/// What a kind does beside storing. All of it is pure: values in, values out.
///
/// The order of calls: on create `decode`, `default`, uid and time filled in by the core, `prepare_create`, the rest of
/// the metadata filled in, `validate_create`; on update `decode`, `default`, `prepare_update` (or
/// `prepare_status_update`), `validate_update`.
pub trait Strategy: Send + Sync {
    /// Bring a request's object to the form that a real server's decoder makes of it (drop nulls and empty optional
    /// fields, order nothing). The error is the decoder's message, for example
    /// `json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32`, and becomes 400.
    fn decode(&self, object: &mut Value) -> Result<(), String> {
        let _ = object;
        Ok(())
    }

    /// Fill in server defaults, fold write-only fields, allocate deterministic ones. `old` is the stored object on
    /// updates. Must be idempotent.
    fn default(&self, object: &mut Value, old: Option<&Value>) {
        let _ = (object, old);
    }

    /// Before create: drop what a creator may not set (the status).
    fn prepare_create(&self, object: &mut Value) {
        let _ = object;
    }

    /// Before an update through the main endpoint: copy from `old` what may not be changed there.
    fn prepare_update(&self, new: &mut Value, old: &Value) {
        let _ = (new, old);
    }

    /// Before an update through `/status`: copy from `old` all but the status.
    fn prepare_status_update(&self, new: &mut Value, old: &Value) {
        let status = new.get("status").cloned();
        let mut kept = old.clone();
        if let (Some(target), Some(metadata)) = (kept.as_object_mut(), new.get("metadata")) {
            target.insert("metadata".to_owned(), metadata.clone());
            match status {
                Some(status) => target.insert("status".to_owned(), status),
                None => target.remove("status"),
            };
        }
        *new = kept;
    }

    /// Whether an update changed what `metadata.generation` counts.
    fn spec_changed(&self, new: &Value, old: &Value) -> bool {
        new.get("spec") != old.get("spec")
    }

    /// Complaints about an object to be created; metadata is checked by the core.
    fn validate_create(&self, object: &Value) -> Vec<FieldError> {
        let _ = object;
        Vec::new()
    }

    /// Complaints about an update; metadata is checked by the core.
    fn validate_update(&self, new: &Value, old: &Value, subresource: Option<&str>) -> Vec<FieldError> {
        let _ = (new, old, subresource);
        Vec::new()
    }

    /// Whether `metadata.generation` is kept for this kind.
    fn has_generation(&self) -> bool {
        false
    }

    /// Seconds between the request to delete and the removal; 0 removes at once.
    fn graceful_seconds(&self, object: &Value, requested: Option<i64>) -> i64 {
        let _ = (object, requested);
        0
    }

    /// What is wrong with a name, if anything. The default is the rule for DNS subdomains.
    fn name_error(&self, name: &str) -> Option<String> {
        crate::resource::names::dns_subdomain(name)
    }

    /// Whether an update without resourceVersion is allowed.
    fn allow_unconditional_update(&self) -> bool {
        true
    }

    /// Whether a PUT to a missing name creates.
    fn allow_create_on_update(&self) -> bool {
        false
    }
}

/// The rules for names, worded as a real server words them.
pub mod names {
    use std::sync::LazyLock;

    fn matches(regex: &LazyLock<Option<regex::Regex>>, text: &str) -> bool {
        regex.as_ref().is_some_and(|r| r.is_match(text))
    }

    static LABEL: LazyLock<Option<regex::Regex>> =
        LazyLock::new(|| regex::Regex::new("^[a-z0-9]([-a-z0-9]*[a-z0-9])?$").ok());
    static LABEL_1035: LazyLock<Option<regex::Regex>> =
        LazyLock::new(|| regex::Regex::new("^[a-z]([-a-z0-9]*[a-z0-9])?$").ok());
    static SUBDOMAIN: LazyLock<Option<regex::Regex>> =
        LazyLock::new(|| regex::Regex::new(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$").ok());
    static QUALIFIED: LazyLock<Option<regex::Regex>> =
        LazyLock::new(|| regex::Regex::new("^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$").ok());
    static LABEL_VALUE: LazyLock<Option<regex::Regex>> =
        LazyLock::new(|| regex::Regex::new("^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$").ok());

    const SUBDOMAIN_MESSAGE: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

    /// RFC 1123 subdomain, up to 253 bytes: the rule for most names.
    pub fn dns_subdomain(name: &str) -> Option<String> {
        if name.len() > 253 {
            return Some("must be no more than 253 characters".to_owned());
        }
        (!matches(&SUBDOMAIN, name)).then(|| SUBDOMAIN_MESSAGE.to_owned())
    }

    /// RFC 1123 label, up to 63 bytes: namespaces, containers.
    pub fn dns_label(name: &str) -> Option<String> {
        if name.len() > 63 {
            return Some("must be no more than 63 characters".to_owned());
        }
        (!matches(&LABEL, name)).then(|| "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')".to_owned())
    }

    /// RFC 1035 label, up to 63 bytes: Services.
    pub fn dns_1035_label(name: &str) -> Option<String> {
        if name.len() > 63 {
            return Some("must be no more than 63 characters".to_owned());
        }
        (!matches(&LABEL_1035, name)).then(|| "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')".to_owned())
    }

    /// A name that is only a path segment (RBAC kinds).
    pub fn path_segment(name: &str) -> Option<String> {
        if name == "." || name == ".." {
            return Some(format!("may not be '{name}'"));
        }
        ["/", "%"].iter().find(|bad| name.contains(**bad)).map(|bad| format!("may not contain '{bad}'"))
    }

    /// Key of a label or annotation: optional DNS prefix, `/`, name part. Several complaints are possible.
    pub fn qualified(key: &str) -> Vec<String> {
        let mut errors = Vec::new();
        let name = match key.split('/').collect::<Vec<_>>().as_slice() {
            [name] => *name,
            [prefix, name] => {
                if prefix.is_empty() {
                    errors.push("prefix part must be non-empty".to_owned());
                } else if let Some(error) = dns_subdomain(prefix) {
                    errors.push(format!("prefix part {error}"));
                }
                *name
            }
            _ => {
                return vec!["a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')".to_owned()];
            }
        };
        if name.is_empty() {
            errors.push("name part must be non-empty".to_owned());
        } else if name.len() > 63 {
            errors.push("name part must be no more than 63 bytes".to_owned());
        }
        if !matches(&QUALIFIED, name) {
            errors.push("name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')".to_owned());
        }
        errors
    }

    /// Value of a label.
    pub fn label_value(value: &str) -> Vec<String> {
        let mut errors = Vec::new();
        if value.len() > 63 {
            errors.push("must be no more than 63 bytes".to_owned());
        }
        if !matches(&LABEL_VALUE, value) {
            errors.push("a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')".to_owned());
        }
        errors
    }
}

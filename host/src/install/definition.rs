//! One definition: JSON of a plugin and of the cluster come in, what to do goes out. Pure.

use model::Kind;
use model::grant::ServiceAccount;
use model::names::{FIELD_MANAGER, LABEL_MANAGED_BY, MANAGED_BY};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Annotation on definitions: digest of what the host applied last, so that a field that is no longer asked for is
/// noticed.
pub const ANNOTATION_DIGEST: &str = "windlass.dev/definition-digest";

/// Annotation on definitions: `NAMESPACE/NAME` of the ServiceAccount that the resources of the kind are written as, so that
/// what is left of them goes in the same name when their plugin is gone.
pub const ANNOTATION_ACCOUNT: &str = "windlass.dev/service-account";

/// Why a definition cannot be installed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DefinitionError {
    /// A field is missing or wrong.
    #[error("definition {name}: {field} {problem}")]
    Invalid {
        /// Name of the definition; empty where it has none.
        name: String,
        /// Path of the field.
        field: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// A definition of this name is there, differs, and is not the host's.
    #[error(
        "definition {name} is there, differs from what the plugin serves, and belongs to {managers}; \
         delete it or make it equal"
    )]
    Foreign {
        /// Name of the definition.
        name: String,
        /// Its field managers.
        managers: String,
    },
    /// The definition that is there is of another kind or scope.
    #[error("definition {name} is there with {field} {found}, and the plugin serves {wanted}; one of them must go")]
    Clash {
        /// Name of the definition.
        name: String,
        /// The field that cannot be changed.
        field: &'static str,
        /// What is there.
        found: String,
        /// What the plugin serves.
        wanted: String,
    },
    /// Objects may be stored in a version that would go.
    #[error(
        "definition {name}: objects may be stored in version {version}, which the plugin does not serve any more; \
         migrate them and remove the version from status.storedVersions first"
    )]
    DropsStoredVersion {
        /// Name of the definition.
        name: String,
        /// The version.
        version: String,
    },
}

/// A definition that is whole enough to be installed.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    name: String,
    manifest: Value,
    digest: String,
    served: Vec<Kind>,
    namespaced: bool,
}

/// What to do about a definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is there as it should be.
    Nothing,
    /// It is not there.
    Create,
    /// It is there, is the host's, and differs.
    Update,
}

impl Definition {
    /// Checks what a plugin gave.
    ///
    /// # Errors
    /// When a field is missing that the API server or the host needs.
    pub fn new(given: &Value) -> Result<Definition, DefinitionError> {
        let name = given.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let invalid = |field: &str, problem: String| DefinitionError::Invalid {
            name: name.clone(),
            field: field.into(),
            problem,
        };
        let text = |pointer: &str| given.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
        let needed =
            |pointer: &str| text(pointer).ok_or_else(|| invalid(&pointer[1..].replace('/', "."), "is missing".into()));
        if text("/apiVersion") != Some("apiextensions.k8s.io/v1") || text("/kind") != Some("CustomResourceDefinition") {
            let problem = "must be apiextensions.k8s.io/v1, CustomResourceDefinition".to_owned();
            return Err(invalid("apiVersion and kind", problem));
        }
        let (group, plural, kind) =
            (needed("/spec/group")?, needed("/spec/names/plural")?, needed("/spec/names/kind")?);
        if name != format!("{plural}.{group}") {
            return Err(invalid("metadata.name", format!("must be {plural}.{group}")));
        }
        let scope = needed("/spec/scope")?;
        let versions = given.pointer("/spec/versions").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let mut served = Vec::new();
        for (at, version) in versions.iter().enumerate() {
            let field = |path: &str| format!("spec.versions[{at}]{path}");
            let Some(version_name) = version.get("name").and_then(Value::as_str) else {
                return Err(invalid(&field(".name"), "is missing".into()));
            };
            if version.get("served") != Some(&Value::Bool(true)) {
                continue;
            }
            for (pointer, path, why) in REQUIRED {
                if version.pointer(pointer).is_none() {
                    return Err(invalid(&field(path), format!("is missing; the host {why}")));
                }
            }
            served.push(Kind::new(group, version_name, kind));
        }
        if served.is_empty() {
            return Err(invalid("spec.versions", "has no version that is served".into()));
        }
        let digest = digest(given);
        let namespaced = scope == "Namespaced";
        let manifest = manifest(given, &digest);
        Ok(Definition { name, manifest, digest, served, namespaced })
    }

    /// The same definition of a plugin whose resources are written as this account.
    #[must_use]
    pub fn acting_as(mut self, account: Option<&ServiceAccount>) -> Definition {
        let Some(account) = account else { return self };
        self.manifest["metadata"]["annotations"][ANNOTATION_ACCOUNT] = account.to_string().into();
        // Another account is another definition.
        self.digest = digest(&json!([self.digest, account]));
        self.manifest["metadata"]["annotations"][ANNOTATION_DIGEST] = self.digest.as_str().into();
        self
    }

    /// `PLURAL.GROUP`
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is applied.
    pub fn manifest(&self) -> &Value {
        &self.manifest
    }

    /// The kind in each version that is served, in the order of the definition.
    pub fn served(&self) -> &[Kind] {
        &self.served
    }

    /// The kind in the version that the host watches: the one that is stored, else the first that is served.
    pub fn watched(&self) -> Option<&Kind> {
        let preferred = Definition::preferred_version(&self.manifest)?;
        self.served.iter().find(|kind| kind.version == preferred)
    }

    /// Of the versions that a definition serves the one that is stored, else the first.
    pub fn preferred_version(definition: &Value) -> Option<&str> {
        let is = |version: &&Value, field: &str| version.get(field) == Some(&Value::Bool(true));
        let versions = definition.pointer("/spec/versions").and_then(Value::as_array)?;
        let served = || versions.iter().filter(|version| is(version, "served"));
        served().find(|version| is(version, "storage")).or_else(|| served().next())?.get("name")?.as_str()
    }

    /// Its objects are in namespaces.
    pub fn namespaced(&self) -> bool {
        self.namespaced
    }

    /// What to do, given what is there.
    ///
    /// # Errors
    /// When what is there must not be replaced.
    pub fn compare(&self, live: Option<&Value>) -> Result<Step, DefinitionError> {
        let Some(live) = live else { return Ok(Step::Create) };
        let name = || self.name.clone();
        for (pointer, field) in [("/spec/names/kind", "spec.names.kind"), ("/spec/scope", "spec.scope")] {
            let text = |value: &Value| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
            let (found, wanted) = (text(live), text(&self.manifest));
            if found != wanted {
                return Err(DefinitionError::Clash { name: name(), field, found, wanted });
            }
        }
        let managers = managers(live);
        let ours = managers.iter().any(|manager| manager == FIELD_MANAGER);
        let equal = contains(live.get("spec"), self.manifest.get("spec"));
        let last = live.pointer("/metadata/annotations").and_then(|annotations| annotations.get(ANNOTATION_DIGEST));
        let same_digest = last.and_then(Value::as_str) == Some(&self.digest);
        match (ours, equal) {
            (true, true) if same_digest => return Ok(Step::Nothing),
            // Whoever installs equal definitions by other means may go on doing so.
            (false, true) => return Ok(Step::Nothing),
            (false, false) => {
                return Err(DefinitionError::Foreign { name: name(), managers: managers.join(", ") });
            }
            (true, _) => {}
        }
        let stored = live.pointer("/status/storedVersions").and_then(Value::as_array);
        for version in stored.into_iter().flatten().filter_map(Value::as_str) {
            let kept = self.manifest.pointer("/spec/versions").and_then(Value::as_array);
            if !kept.into_iter().flatten().any(|kept| kept.get("name").and_then(Value::as_str) == Some(version)) {
                return Err(DefinitionError::DropsStoredVersion { name: name(), version: version.to_owned() });
            }
        }
        Ok(Step::Update)
    }
}

/// What each served version needs for the host to report in.
const REQUIRED: [(&str, &str, &str); 3] = [
    ("/subresources/status", ".subresources.status", "writes the status by it"),
    (
        "/schema/openAPIV3Schema/properties/status/properties/conditions",
        ".schema.openAPIV3Schema.properties.status.properties.conditions",
        "reports there",
    ),
    (
        "/schema/openAPIV3Schema/properties/status/properties/observedGeneration",
        ".schema.openAPIV3Schema.properties.status.properties.observedGeneration",
        "reports there what it acted on",
    ),
];

/// Whether the API server serves a definition; why it never will.
pub(super) fn established(live: &Value) -> Result<bool, String> {
    let conditions = live.pointer("/status/conditions").and_then(Value::as_array);
    let condition = |type_: &str| {
        let mut conditions = conditions.into_iter().flatten();
        conditions.find(|condition| condition.get("type").and_then(Value::as_str) == Some(type_))
    };
    let text =
        |condition: &Value, field: &str| condition.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    if let Some(names) = condition("NamesAccepted").filter(|names| text(names, "status") == "False") {
        return Err(format!("its names are taken: {}", text(names, "message")));
    }
    if let Some(schema) = condition("NonStructuralSchema").filter(|schema| text(schema, "status") == "True") {
        return Err(format!("its schema is not structural: {}", text(schema, "message")));
    }
    Ok(condition("Established").is_some_and(|established| text(established, "status") == "True"))
}

fn digest(given: &Value) -> String {
    // Maps are sorted by key, so that equal definitions have equal texts.
    Sha256::digest(given.to_string()).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Metadata is the host's but for what the plugin says about the API.
fn manifest(given: &Value, digest: &str) -> Value {
    let texts = |pointer: &str| given.pointer(pointer).and_then(Value::as_object).cloned().unwrap_or_default();
    let (mut annotations, mut labels) = (texts("/metadata/annotations"), texts("/metadata/labels"));
    // Whose name a kind is worked on in is not for its plugin to say.
    annotations.remove(ANNOTATION_ACCOUNT);
    annotations.insert(ANNOTATION_DIGEST.into(), digest.into());
    labels.insert(LABEL_MANAGED_BY.into(), MANAGED_BY.into());
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": given.pointer("/metadata/name"),
            "annotations": annotations,
            "labels": labels,
        },
        "spec": given.get("spec"),
    })
}

fn managers(live: &Value) -> Vec<String> {
    let entries = live.pointer("/metadata/managedFields").and_then(Value::as_array);
    let names = entries.into_iter().flatten().filter_map(|entry| {
        let main = entry.get("subresource").and_then(Value::as_str).unwrap_or_default().is_empty();
        entry.get("manager")?.as_str().filter(|_| main).map(str::to_owned)
    });
    let mut names: Vec<_> = names.collect();
    names.sort();
    names.dedup();
    names
}

/// Everything that is wanted is there; the API server's defaults may be there as well.
fn contains(live: Option<&Value>, wanted: Option<&Value>) -> bool {
    match (live, wanted) {
        (_, None | Some(Value::Null)) => true,
        (Some(Value::Object(live)), Some(Value::Object(wanted))) => {
            wanted.iter().all(|(name, wanted)| contains(live.get(name), Some(wanted)))
        }
        (Some(Value::Array(live)), Some(Value::Array(wanted))) => {
            live.len() == wanted.len()
                && live.iter().zip(wanted).all(|(live, wanted)| contains(Some(live), Some(wanted)))
        }
        // Empty maps and lists may be left out by the API server.
        (None, Some(Value::Object(wanted))) => wanted.is_empty(),
        (None, Some(Value::Array(wanted))) => wanted.is_empty(),
        // `served: false` and its like may be left out as well.
        (None, Some(wanted)) => *wanted == Value::Bool(false),
        (Some(Value::Number(live)), Some(Value::Number(wanted))) => live.as_f64() == wanted.as_f64(),
        (Some(live), Some(wanted)) => live == wanted,
    }
}

#[cfg(test)]
mod tests;

//! What a user sees: manifests go in through a real kubectl, and the scenarios look at what kubectl shows. They run on the
//! embedded cluster, and unchanged on the one that `WINDLASS_TEST_KUBECONFIG` names.

use serde_json::Value;
use std::sync::LazyLock;

/// The manifest that the project began with, with the version of the servers that run it.
pub static VERBATIM: LazyLock<String> =
    LazyLock::new(|| include_str!("../../../crds/examples/mysql.yaml").replace("8.0", &fixtures::servers::series()));

/// Whether a condition of an object holds for the generation that the user wrote.
pub fn holds(object: &Value, condition: &str) -> bool {
    let generation = &object["metadata"]["generation"];
    let status = &object["status"];
    conditions(object).any(|found| found["type"] == condition && found["status"] == "True")
        && (status["observedGeneration"] == *generation || status["observedGeneration"].is_null())
}

/// The message and reason of a condition.
pub fn condition<'a>(object: &'a Value, name: &str) -> Option<(&'a str, &'a str, &'a str)> {
    let found = conditions(object).find(|found| found["type"] == name)?;
    Some((found["status"].as_str()?, found["reason"].as_str()?, found["message"].as_str()?))
}

fn conditions(object: &Value) -> impl Iterator<Item = &Value> {
    object["status"]["conditions"].as_array().into_iter().flatten()
}

//! The smallest useful plugin: a `Greeting` becomes a ConfigMap with a text.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use windlass_sdk::{Column, Condition, Crd, Decision, Description, Fault, Item, Reconciler, Snapshot, json, names};

/// What users write.
#[derive(Deserialize, JsonSchema)]
pub struct Spec {
    /// Who is greeted.
    #[schemars(length(min = 1, max = 100))]
    pub name: String,
}

/// What is reported.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Status {
    /// The text that the ConfigMap holds.
    pub text: String,
}

/// The plugin.
pub struct Greeter;

impl Reconciler for Greeter {
    type Spec = Spec;
    type Status = Status;

    fn describe() -> Description {
        let crd = Crd::of::<Spec, Status>("examples.windlass.dev", "v1", "Greeting");
        Description::new("greeting", env!("CARGO_PKG_VERSION"))
            .serves(crd.column(Column::text("Text", ".status.text")))
            .writes("", "v1", "ConfigMap")
    }

    fn decide(snapshot: Snapshot<Spec, Status>) -> Result<Decision, Fault> {
        let text = format!("Hello, {}!", snapshot.resource.spec.name);
        let name = names::child(&snapshot.resource.metadata.name, "-greeting", names::LABEL);
        let config =
            json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": { "text": text } });
        let decision = Decision::new(&Status { text }).condition(match snapshot.is_ready("config") {
            true => Condition::yes("Ready", "Greeted", "the ConfigMap holds the text"),
            false => Condition::no("Ready", "Greeting", "the ConfigMap is being made"),
        });
        // While the resource is deleted nothing needs to stay.
        Ok(if snapshot.deleting { decision } else { decision.item(Item::kubernetes("config", config)) })
    }
}

windlass_sdk::export!(Greeter);

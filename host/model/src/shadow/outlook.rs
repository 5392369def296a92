//! What one version would do with one resource, in the form that is compared. A decision and the plans made of it in.

use crate::check::Refusal;
use crate::decision::{Body, Decision, ItemId, ReadyWhen, RemovalPolicy, UpdatePolicy};
use crate::inventory::Target;
use crate::plan::{Checked, Desired, Plan, Proposed};
use crate::snapshot::Instant;
use crate::text::bounded;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What one version would do with one resource.
#[derive(Clone, Debug, PartialEq)]
pub enum Outlook {
    /// Nobody decides: what exists stays as it is. With the status that the resource has.
    AsIs(Value),
    /// It decides, and the check lets it.
    Plans(Box<Planned>),
    /// It decides, and the check refuses.
    Refused {
        /// CamelCase and stable.
        reason: String,
        /// For people.
        message: String,
    },
    /// It does not decide.
    Undecided {
        /// CamelCase and stable.
        reason: String,
        /// For people.
        message: String,
    },
}

impl Outlook {
    /// A refusal.
    pub fn refused(refusal: &Refusal) -> Self {
        Outlook::Refused { reason: refusal.reason().into(), message: bounded(&refusal.to_string(), 512) }
    }

    /// No decision.
    pub fn undecided(reason: &str, message: &str) -> Self {
        Outlook::Undecided { reason: reason.into(), message: bounded(message, 512) }
    }
}

/// What a version wants, and what it would do next.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    pub(super) wishes: BTreeMap<ItemId, Wish>,
    pub(super) plan: Plan<Checked>,
    /// What is there of what is listed or wanted.
    pub(super) existing: Vec<Target>,
    pub(super) status: Value,
    pub(super) conditions: BTreeMap<String, String>,
    pub(super) wake: Option<Instant>,
}

/// One item that a version wants.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wish {
    pub target: Target,
    pub body: Value,
    /// Its values are not shown.
    pub secret: bool,
    /// It makes something, which goes when it is no longer wanted.
    pub owns: bool,
    pub update: UpdatePolicy,
    pub removal: RemovalPolicy,
    /// How it is ordered, in the form in which that is compared.
    pub order: (ReadyWhen, Vec<ItemId>),
}

impl Planned {
    /// `proposed` is the plan before the check, of which `checked` was made.
    pub fn new(decision: &Decision, proposed: &Plan<Proposed>, checked: Plan<Checked>) -> Self {
        let wishes = proposed.state.desired.iter().map(|one| (one.entry.id.clone(), Wish::of(one))).collect();
        let conditions = decision
            .conditions
            .iter()
            .map(|condition| (condition.type_.clone(), format!("{} {}", condition.status.as_str(), condition.reason)));
        Planned {
            wishes,
            existing: proposed.state.existing.iter().map(|one| one.target.clone()).collect(),
            plan: checked,
            status: decision.status.clone(),
            conditions: conditions.collect(),
            wake: decision.wake,
        }
    }

    /// What an item is about exists already.
    pub(super) fn has(&self, wish: &Wish) -> bool {
        self.existing.iter().any(|target| target.same_place(&wish.target))
    }

    /// An item waits because nothing is known of what is in its place.
    pub fn waits_for_backend(&self) -> bool {
        let blind = |waiting: &crate::plan::Waiting| waiting.on.is_empty() && !waiting.removal;
        let external =
            |id: &str| self.wishes.get(id).is_some_and(|wish| matches!(wish.target, Target::External { .. }));
        self.plan.waiting().iter().any(|waiting| blind(waiting) && external(&waiting.item))
    }
}

impl Wish {
    fn of(one: &Desired) -> Self {
        let (body, secret) = body(&one.body);
        Wish {
            target: one.entry.target.clone(),
            body,
            secret,
            owns: one.owns(),
            update: one.update,
            removal: one.entry.removal,
            order: (one.ready_when, one.entry.after.clone()),
        }
    }

    /// What it is, for people.
    pub fn what(&self) -> String {
        self.target.to_string()
    }
}

/// The content of an item, and whether its values are for nobody's eyes.
fn body(body: &Body) -> (Value, bool) {
    match body {
        Body::Kubernetes(object) => (object.clone(), is_secret(object)),
        // The values that the host makes are in none of them; what a plugin calls plain is still in a Secret.
        Body::Secret(secret) => (json(secret), true),
        Body::Mysql(server) => (json(server), false),
        Body::Azure(resource) => (json(resource), false),
        Body::Vault(secret) => (json(secret), false),
    }
}

fn is_secret(object: &Value) -> bool {
    object.get("kind").and_then(Value::as_str) == Some("Secret")
}

fn json(body: impl serde::Serialize) -> Value {
    // Nothing in the model refuses to be serialised.
    serde_json::to_value(body).unwrap_or_else(|_| Value::Object(Map::new()))
}

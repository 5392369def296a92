//! The form of a generated Secret. In: what the plugin asked for. Out: what is wrong with it.

use super::object::is_ours;
use super::{Problem, Rule};
use crate::decision::GeneratedSecret;
use crate::kind::Kind;
use crate::names::syntax;
use crate::template;
use std::collections::BTreeSet;

/// Characters of a random value, as the contract has it.
const LENGTH: std::ops::RangeInclusive<u32> = 16..=128;

/// Types of Secrets that a controller of Kubernetes fills with a credential, which no plugin asked the operator for.
pub(crate) fn is_token(type_: &str) -> bool {
    matches!(type_, "kubernetes.io/service-account-token" | "bootstrap.kubernetes.io/token")
}

/// Everything that is wrong with a generated Secret.
pub(crate) fn problems(id: &str, secret: &GeneratedSecret) -> Result<(), Vec<Problem>> {
    let GeneratedSecret { name, secret_type, plain, random, composed, generation: _, labels } = secret;
    let mut problems = Vec::new();
    let mut add = |rule, message: &str| problems.push(Problem::new(rule, id, message));
    if let Err(why) = syntax::object_name(&Kind::new("", "v1", "Secret"), name) {
        add(Rule::InvalidName, &format!("the name {name:?} {why}"));
    }
    if is_token(secret_type) {
        add(Rule::RawSecret, "a Secret of this type would be filled with a token of a ServiceAccount");
    }
    if secret_type.len() > 253 || secret_type.chars().any(char::is_control) {
        add(Rule::MalformedObject, "its type is no short text");
    }
    let mut keys = BTreeSet::new();
    let values: BTreeSet<&String> =
        plain.iter().map(|(key, _)| key).chain(random.iter().map(|value| &value.key)).collect();
    let all = plain.iter().map(|(key, _)| key).chain(random.iter().map(|value| &value.key));
    for key in all.chain(composed.iter().map(|value| &value.key)) {
        if let Err(why) = syntax::data_key(key) {
            add(Rule::InvalidName, &format!("the key {key:?} {why}"));
        }
        if key.ends_with(".previous") {
            add(Rule::InvalidName, &format!("the key {key:?} is where the host keeps the value before the last one"));
        }
        if !keys.insert(key) {
            add(Rule::DuplicateTarget, &format!("the key {key:?} is there twice"));
        }
    }
    for value in composed {
        match template::keys(&value.template) {
            Err(why) => add(Rule::MalformedObject, &format!("the template of {:?} has {why}", value.key)),
            Ok(keys) => {
                for key in keys.into_iter().filter(|key| !values.contains(&(*key).to_owned())) {
                    let why =
                        format!("the template of {:?} names {key:?}, which is no plain or random value", value.key);
                    add(Rule::MalformedObject, &why);
                }
            }
        }
    }
    for value in random.iter().filter(|value| !LENGTH.contains(&value.length)) {
        let why = format!(
            "{:?} has {} characters, a value has {} to {}",
            value.key,
            value.length,
            LENGTH.start(),
            LENGTH.end()
        );
        add(Rule::MalformedObject, &why);
    }
    for (key, value) in labels {
        if is_ours(key) || key == crate::names::LABEL_MANAGED_BY {
            add(Rule::ReservedMetadata, &format!("label {key} is the host's; leave it out"));
        }
        if let Err(why) = syntax::qualified_name(key) {
            add(Rule::InvalidName, &format!("the key of label {key:?} {why}"));
        }
        if let Err(why) = syntax::label_value(value) {
            add(Rule::InvalidName, &format!("the value of label {key:?} {why}"));
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

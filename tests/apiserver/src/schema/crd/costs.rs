//! What comes in: the schema of a CustomResourceDefinition that is otherwise sound. What goes out: complaints about rules
//! that do not compile, and about those that could cost more than a server grants. Pure.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::field_error::FieldError;
use crate::schema::cel::Rule;
use crate::schema::cel::cost::{Unknown, estimate};
use crate::schema::cel::types::{REQUEST, Shape, Type, declare};
use crate::schema::structural;

use super::{list, text};

/// The most that one rule may cost.
const RULE: u64 = 10_000_000;
/// The most that all rules of a definition may cost.
const ALL: u64 = 100_000_000;
const HINT: &str = "(try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)";

/// How much all rules cost so far, and which cost most.
#[derive(Default)]
struct Total {
    sum: u64,
    expensive: Vec<(u64, String)>,
}

impl Total {
    fn add(&mut self, cost: u64, path: String) {
        self.sum = self.sum.saturating_add(cost);
        if cost >= ALL / 100 {
            self.expensive.push((cost, path));
            self.expensive.sort_by_key(|(cost, _)| std::cmp::Reverse(*cost));
            self.expensive.truncate(4);
        }
    }
}

/// Complaints about the rules of a schema. What did not change may cost what it always did.
pub(super) fn errors(source: &Value, path: &str, unchanged: bool) -> Vec<FieldError> {
    let mut found = Vec::new();
    let mut total = Total::default();
    let place = Place { root: true, often: Some(1), uncorrelated: None };
    walk(source, path, &place, unchanged, &mut total, &mut found);
    if total.sum > ALL {
        for (_, path) in &total.expensive {
            let detail = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema";
            found.push(FieldError::forbidden(path.clone(), detail));
        }
        let what = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema";
        found.push(FieldError::forbidden(path, exceeded(what, total.sum, ALL)));
    }
    found
}

fn exceeded(what: &str, cost: u64, limit: u64) -> String {
    #[allow(clippy::cast_precision_loss)]
    let factor = cost as f64 / limit as f64;
    let factor = if factor > 100.0 {
        "more than 100x".to_owned()
    } else if factor < 1.5 {
        format!("{factor:.6}x")
    } else {
        format!("{factor:.1}x")
    };
    format!("{what} exceeds budget by factor of {factor} {HINT}")
}

#[derive(Clone)]
struct Place {
    root: bool,
    /// How often the value may occur in one object, when lists and maps around it are bounded.
    often: Option<u64>,
    /// The nearest schema around it whose items cannot be told in the old object.
    uncorrelated: Option<String>,
}

fn walk(source: &Value, path: &str, place: &Place, unchanged: bool, total: &mut Total, found: &mut Vec<FieldError>) {
    let bound = match text(source, "type") {
        "object" if source.get("additionalProperties").is_some() => source.get("maxProperties").and_then(Value::as_u64),
        "array" => source.get("maxItems").and_then(Value::as_u64),
        _ => Some(1),
    };
    let often = place.often.and_then(|often| bound.map(|bound| often.saturating_mul(bound)));
    let inner = |lost: bool| {
        let uncorrelated = place.uncorrelated.clone().or_else(|| lost.then(|| path.to_owned()));
        Place { root: false, often, uncorrelated }
    };
    if let Some(additional) = source.get("additionalProperties").filter(|schema| schema.is_object()) {
        walk(additional, &format!("{path}.additionalProperties"), &inner(false), unchanged, total, found);
    }
    let atomic = text(source, "x-kubernetes-map-type") == "atomic";
    for (name, property) in source.get("properties").and_then(Value::as_object).into_iter().flat_map(Map::iter) {
        walk(property, &format!("{path}.properties[{name}]"), &inner(atomic), unchanged, total, found);
    }
    if let Some(items) = source.get("items").filter(|items| items.is_object()) {
        let lost = text(source, "x-kubernetes-list-type") != "map";
        walk(items, &format!("{path}.items"), &inner(lost), unchanged, total, found);
    }
    let rules = list(source, "x-kubernetes-validations");
    if rules.is_empty() {
        return;
    }
    let schema = if place.root { structural::root(source) } else { structural::node(source) };
    let Some(kind) = declare(&schema, place.root) else { return };
    for (index, given) in rules.iter().enumerate() {
        let path = format!("{path}.x-kubernetes-validations[{index}]");
        check(given, &path, place, &kind, unchanged, total, found);
    }
}

/// A rule as messages show it: by the names of the fields in the server's own type.
fn shown(rule: &Value) -> Value {
    let given = |key: &str| rule.get(key).cloned();
    let words = |key: &str| given(key).unwrap_or_else(|| json!(""));
    json!({
        "Rule": words("rule"),
        "Message": words("message"),
        "MessageExpression": words("messageExpression"),
        "Reason": given("reason"),
        "FieldPath": words("fieldPath"),
        "OptionalOldSelf": given("optionalOldSelf"),
    })
}

/// The compiler's message about a name.
fn undefined(unknown: &Unknown, rule: &str) -> String {
    let (place, what) = match unknown {
        Unknown::Field(name) => (rule.find(&format!(".{name}")), format!("undefined field '{name}'")),
        Unknown::Variable(name) => {
            (rule.find(name.as_str()), format!("undeclared reference to '{name}' (in container '')"))
        }
    };
    let at = place.unwrap_or(0);
    format!("ERROR: <input>:1:{}: {what}\n | {rule}\n | {}^", at + 1, ".".repeat(at))
}

fn check(
    given: &Value,
    path: &str,
    place: &Place,
    kind: &Arc<Type>,
    unchanged: bool,
    total: &mut Total,
    found: &mut Vec<FieldError>,
) {
    let rule = Rule::read(given);
    let field = format!("{path}.rule");
    let optional = rule.optional_old_self == Some(true);
    let program = match rule.program() {
        Ok(program) => program,
        Err(problem) => {
            found.push(FieldError::invalid(field, &shown(given), format!("compilation failed: {problem}")));
            return;
        }
    };
    let often = place.often.unwrap_or(REQUEST / (kind.min_size + 1));
    match estimate(program, kind, optional) {
        Err(unknown) => {
            let detail = format!("compilation failed: {}", undefined(&unknown, &rule.rule));
            found.push(FieldError::invalid(field, &shown(given), detail));
            return;
        }
        Ok(estimate) => {
            let cost = estimate.cost.saturating_mul(often);
            if !unchanged && cost > RULE {
                found.push(FieldError::forbidden(field.clone(), exceeded("estimated rule cost", cost, RULE)));
            }
            total.add(cost, field.clone());
            if !matches!(estimate.yields, Shape::Bool | Shape::Dyn) {
                found.push(FieldError::invalid(field.clone(), &shown(given), "cel expression must evaluate to a bool"));
            }
        }
    }
    message(&rule, given, path, kind, optional, unchanged, total, found);
    if rule.uses_old_self {
        if let Some(around) = &place.uncorrelated {
            let detail = format!("oldSelf cannot be used on the uncorrelatable portion of the schema within {around}");
            found.push(FieldError::invalid(field, &json!(rule.rule), detail));
        }
    } else if let Some(flag) = rule.optional_old_self {
        let detail = "may not be set if oldSelf is not used in rule";
        found.push(FieldError::invalid(format!("{path}.optionalOldSelf"), &json!(flag), detail));
    }
}

#[allow(clippy::too_many_arguments)]
fn message(
    rule: &Rule,
    given: &Value,
    path: &str,
    kind: &Arc<Type>,
    optional: bool,
    unchanged: bool,
    total: &mut Total,
    found: &mut Vec<FieldError>,
) {
    if rule.message_expression.trim().is_empty() {
        return;
    }
    let field = format!("{path}.messageExpression");
    let Some(program) = rule.message_program() else {
        found.push(FieldError::invalid(field, &shown(given), "messageExpression compilation failed: syntax error"));
        return;
    };
    match estimate(program, kind, optional) {
        Err(unknown) => {
            let detail =
                format!("messageExpression compilation failed: {}", undefined(&unknown, &rule.message_expression));
            found.push(FieldError::invalid(field, &shown(given), detail));
        }
        Ok(estimate) if !matches!(estimate.yields, Shape::String | Shape::Dyn) => {
            found.push(FieldError::invalid(field, &shown(given), "messageExpression must evaluate to a string"));
        }
        Ok(estimate) => {
            if !unchanged && estimate.cost > RULE {
                let detail = exceeded("estimated messageExpression cost", estimate.cost, RULE);
                found.push(FieldError::forbidden(field.clone(), detail));
            }
            total.add(estimate.cost, field);
        }
    }
}

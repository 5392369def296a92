//! What comes in: a schema with `x-kubernetes-validations`, an object, and on updates the stored one. What goes out: the
//! complaints of the rules that do not hold. Pure.
//!
//! The language comes from `cel`, the Kubernetes functions from `kube-cel`; which rule runs when, on which old value, and
//! what its failure says follows the API server.

use std::sync::Arc;

use kube_cel::KubeCelExt as _;
use kube_cel::cel::objects::OptionalValue;
use kube_cel::cel::{Context, ExecutionError, Program, Value as CelValue};
use serde_json::{Value, json};

use super::{Kind, MapType, Schema, validation};
use crate::field_error::FieldError;

pub mod cost;
pub mod types;
pub mod values;

/// One validation rule.
#[derive(Clone, Debug, Default)]
pub struct Rule {
    /// The expression, as written.
    pub rule: String,
    /// What a failure says.
    pub message: String,
    /// An expression for what a failure says.
    pub message_expression: String,
    /// The reason of the failure's cause.
    pub reason: Option<String>,
    /// Where the failure points, below the rule's place.
    pub field_path: String,
    /// Whether `oldSelf` is an optional, so that the rule also runs without an old value.
    pub optional_old_self: Option<bool>,
    /// Whether the expression reads `oldSelf`.
    pub uses_old_self: bool,
    program: Option<Arc<Program>>,
    message_program: Option<Arc<Program>>,
    problem: Option<String>,
}

impl Rule {
    /// Reads one entry of `x-kubernetes-validations`.
    #[must_use]
    pub fn read(source: &Value) -> Self {
        let text = |key: &str| source.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let rule = text("rule");
        let (program, problem) = match compile(&rule) {
            Ok(program) => (Some(Arc::new(program)), None),
            Err(problem) => (None, Some(problem)),
        };
        let message_expression = text("messageExpression");
        Self {
            uses_old_self: program.as_ref().is_some_and(|program| program.references().has_variable("oldSelf")),
            message_program: compile(&message_expression).ok().map(Arc::new),
            message: text("message"),
            reason: source.get("reason").and_then(Value::as_str).map(str::to_owned),
            field_path: text("fieldPath"),
            optional_old_self: source.get("optionalOldSelf").and_then(Value::as_bool),
            rule,
            message_expression,
            program,
            problem,
        }
    }

    /// The parsed expression, or what is wrong with it.
    ///
    /// # Errors
    /// The parser's message.
    pub fn program(&self) -> Result<&Program, &str> {
        self.program.as_deref().ok_or_else(|| self.problem.as_deref().unwrap_or_default())
    }

    /// The parsed expression for messages, if there is one that parses.
    #[must_use]
    pub fn message_program(&self) -> Option<&Program> {
        self.message_program.as_deref()
    }

    /// How errors of evaluation name the rule.
    fn name(&self) -> &str {
        if self.message.is_empty() { self.rule.trim() } else { self.message.trim() }
    }
}

fn compile(text: &str) -> Result<Program, String> {
    Program::compile(text).map_err(|errors| errors.to_string())
}

/// Where a value stands in the object, with what is known of its past.
struct Place<'a> {
    schema: &'a Schema,
    value: &'a Value,
    /// The value that rules see as `oldSelf`.
    old: Option<&'a Value>,
    /// Whether the value, or the nearest value around it that can be told in the old object, did not change.
    unchanged: bool,
    /// Whether the value can itself be told in the old object.
    told: bool,
    path: String,
}

/// Complaints of all rules below a schema. `old` is the stored object on updates.
#[must_use]
pub fn errors(schema: &Schema, value: &Value, old: Option<&Value>) -> Vec<FieldError> {
    if !has_rules(schema) {
        return Vec::new();
    }
    let mut found = Vec::new();
    let unchanged = old == Some(value);
    visit(&Place { schema, value, old, unchanged, told: old.is_some(), path: String::new() }, &mut found);
    found
}

/// Whether any rule is at or below a schema.
fn has_rules(schema: &Schema) -> bool {
    !schema.rules.is_empty()
        || schema.properties.values().any(|child| has_rules(child))
        || schema.items.as_deref().is_some_and(has_rules)
        || schema.additional.as_deref().is_some_and(has_rules)
        || schema.constraints.as_ref().is_some_and(|constraints| constraints.all_of.iter().any(has_rules))
}

fn visit(place: &Place<'_>, found: &mut Vec<FieldError>) {
    if place.value.is_null() || (place.schema.typed && place.schema.rules.is_empty()) {
        return;
    }
    run(place, place.schema, found);
    if let Some(constraints) = &place.schema.constraints {
        for nested in &constraints.all_of {
            let Place { value, old, path, .. } = place;
            // What stands in `allOf` has no types of its own: rules there see the value by the outer schema.
            run(
                &Place { schema: place.schema, value, old: *old, unchanged: false, told: false, path: path.clone() },
                nested,
                found,
            );
        }
    }
    match place.value {
        Value::Object(map) => {
            let old = place.old.filter(|_| place.schema.map_type == MapType::Granular);
            for (key, value) in map {
                let (child, path) = match (place.schema.properties.get(key), &place.schema.additional) {
                    (Some(child), _) if place.path.is_empty() => (child, key.clone()),
                    (Some(child), _) => (child, format!("{}.{key}", place.path)),
                    (None, Some(child)) => (child, format!("{}[{key}]", place.path)),
                    (None, None) => continue,
                };
                visit(&below(place, child, value, old.and_then(|old| old.get(key)), path), found);
            }
        }
        Value::Array(items) => {
            let Some(child) = &place.schema.items else { return };
            for (index, value) in items.iter().enumerate() {
                let old = place.old.and_then(|old| validation::counterpart(place.schema, value, old));
                visit(&below(place, child, value, old, format!("{}[{index}]", place.path)), found);
            }
        }
        _ => {}
    }
}

fn below<'a>(
    place: &Place<'a>,
    schema: &'a Schema,
    value: &'a Value,
    old: Option<&'a Value>,
    path: String,
) -> Place<'a> {
    let told = place.told && old.is_some();
    let unchanged = if told { old == Some(value) } else { place.unchanged };
    Place { schema, value, old, unchanged, told, path }
}

fn run(place: &Place<'_>, source: &Schema, found: &mut Vec<FieldError>) {
    if source.rules.is_empty() {
        return;
    }
    let current = values::to_cel(place.schema, place.value);
    let before = place.old.filter(|old| !old.is_null()).map(|old| values::to_cel(place.schema, old));
    for rule in &source.rules {
        let optional = rule.optional_old_self == Some(true);
        if rule.uses_old_self && before.is_none() && !optional {
            continue;
        }
        let word = json!(type_word(place.schema));
        let Some(program) = &rule.program else {
            let problem = rule.problem.as_deref().unwrap_or_default();
            found.push(FieldError::invalid(
                &place.path,
                &word,
                format!("rule compile error: compilation failed: {problem}"),
            ));
            continue;
        };
        let context = context(&current, before.as_ref(), optional);
        match program.execute(&context) {
            Ok(CelValue::Bool(true)) => {}
            Ok(_) => {
                // A part that did not change may break a rule that looks at the present alone.
                if rule.uses_old_self || !place.unchanged {
                    found.push(failure(place, rule, &context));
                }
            }
            Err(error) => found.push(FieldError::invalid(&place.path, &word, broken(&error, rule))),
        }
    }
}

fn context(current: &CelValue, before: Option<&CelValue>, optional: bool) -> Context<'static> {
    let mut context = Context::default().with_all();
    // The library has no `type`: types are their names here, which compares as rules expect.
    context.add_function("type", |value: CelValue| type_name(&value).to_owned());
    for name in TYPES {
        context.add_variable_from_value(name, CelValue::String(Arc::new(name.to_owned())));
    }
    context.add_variable_from_value("self", current.clone());
    if optional {
        let wrapped = before.map_or_else(OptionalValue::none, |old| OptionalValue::of(old.clone()));
        context.add_variable_from_value("oldSelf", CelValue::Opaque(Arc::new(wrapped)));
    } else if let Some(old) = before {
        context.add_variable_from_value("oldSelf", old.clone());
    }
    context
}

/// The types that rules may name.
const TYPES: [&str; 9] = ["bool", "int", "uint", "double", "string", "bytes", "list", "map", "null_type"];

fn type_name(value: &CelValue) -> &'static str {
    match value {
        CelValue::Bool(_) => "bool",
        CelValue::Int(_) => "int",
        CelValue::UInt(_) => "uint",
        CelValue::Float(_) => "double",
        CelValue::String(_) => "string",
        CelValue::Bytes(_) => "bytes",
        CelValue::List(_) => "list",
        CelValue::Map(_) => "map",
        CelValue::Null => "null_type",
        CelValue::Duration(_) => "google.protobuf.Duration",
        CelValue::Timestamp(_) => "google.protobuf.Timestamp",
        CelValue::Function(..) | CelValue::Opaque(_) => "dyn",
    }
}

fn broken(error: &ExecutionError, rule: &Rule) -> String {
    let name = rule.name();
    match error {
        ExecutionError::NoSuchKey(key) => format!("no such key: {key} evaluating rule: {name}"),
        ExecutionError::DivisionByZero(_) => format!("division by zero evaluating rule: {name}"),
        ExecutionError::RemainderByZero(_) => format!("modulus by zero evaluating rule: {name}"),
        ExecutionError::Overflow(..) => format!("integer overflow evaluating rule: {name}"),
        ExecutionError::IndexOutOfBounds(CelValue::Int(index)) => {
            format!("index out of bounds: {index} evaluating rule: {name}")
        }
        ExecutionError::NoSuchOverload
        | ExecutionError::UnsupportedBinaryOperator(..)
        | ExecutionError::ValuesNotComparable(..) => {
            format!(
                "'no such overload': call arguments did not match a supported operator, function or macro signature for rule: {name}"
            )
        }
        other => format!("{other} evaluating rule: {name}"),
    }
}

fn failure(place: &Place<'_>, rule: &Rule, context: &Context<'_>) -> FieldError {
    let said = rule.message_program.as_ref().and_then(|program| match program.execute(context) {
        Ok(CelValue::String(text)) if usable(&text) => Some(text.trim().to_owned()),
        _ => None,
    });
    let detail = said.unwrap_or_else(|| {
        if rule.message.is_empty() {
            format!("failed rule: {}", rule.rule.trim())
        } else {
            rule.message.trim().to_owned()
        }
    });
    let field = match rule.field_path.as_str() {
        "" => place.path.clone(),
        path if place.path.is_empty() => path.trim_start_matches('.').to_owned(),
        path if path.starts_with('[') => format!("{}{path}", place.path),
        path => format!("{}.{}", place.path, path.trim_start_matches('.')),
    };
    let field = if field.is_empty() { "<nil>".to_owned() } else { field };
    let valued = !matches!(place.schema.kind, Kind::Object | Kind::Array);
    match rule.reason.as_deref() {
        Some("FieldValueForbidden") => FieldError::forbidden(field, detail),
        Some("FieldValueRequired") => FieldError::required(field, detail),
        Some("FieldValueDuplicate") if valued => FieldError::duplicate(field, place.value),
        Some("FieldValueDuplicate") => FieldError::new("FieldValueDuplicate", field, "Duplicate value"),
        _ if valued => FieldError::invalid(field, place.value, detail),
        _ => FieldError::invalid_without_value(field, detail),
    }
}

/// Whether a computed message may be shown: not empty, one line, at most 5 KiB.
fn usable(text: &str) -> bool {
    let text = text.trim();
    !text.is_empty() && !text.contains('\n') && text.len() <= 5 * 1024
}

/// The `type` that messages about rules show; ints-or-strings have none.
fn type_word(schema: &Schema) -> &'static str {
    match schema.kind {
        Kind::Object => "object",
        Kind::Array => "array",
        Kind::String => "string",
        Kind::Integer => "integer",
        Kind::Number => "number",
        Kind::Boolean => "boolean",
        Kind::IntOrString | Kind::Any => "",
    }
}

#[cfg(test)]
mod tests;

//! What comes in: the schema of a custom resource, an object, and on updates the stored one. What goes out: complaints in
//! the words and the order of a real server. Pure.
//!
//! On updates, complaints about parts that did not change are dropped ("ratcheting"), where the old part can be told: by
//! property, and by key in lists of type `map`.

use regex::Regex;
use serde_json::{Value, json};

use super::{Kind, ListType, MapType, Schema, formats};
use crate::field_error::{FieldError, render};

mod lists;

pub use lists::list_errors;

/// A pattern as it was written, compiled when this build's expressions know its syntax.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// As written.
    pub text: String,
    /// `None` when it cannot be compiled; then it is not checked.
    pub regex: Option<Regex>,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

/// Value validations of a node, named as in OpenAPI.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs)]
pub struct Constraints {
    pub required: Vec<String>,
    pub allowed: Option<Vec<Value>>,
    pub pattern: Option<Pattern>,
    pub minimum: Option<f64>,
    pub exclusive_minimum: bool,
    pub maximum: Option<f64>,
    pub exclusive_maximum: bool,
    pub multiple_of: Option<f64>,
    pub min_length: Option<u64>,
    pub max_length: Option<u64>,
    pub min_items: Option<u64>,
    pub max_items: Option<u64>,
    pub unique_items: bool,
    pub min_properties: Option<u64>,
    pub max_properties: Option<u64>,
    pub all_of: Vec<Schema>,
    pub any_of: Vec<Schema>,
    pub one_of: Vec<Schema>,
    pub not: Option<Schema>,
    /// `additionalProperties: false`.
    pub closed: bool,
}

impl PartialEq for Schema {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
            && self.properties == other.properties
            && self.items == other.items
            && self.constraints == other.constraints
            && self.format == other.format
    }
}

/// Where one complaint comes from, as far as choosing among alternatives needs it.
#[derive(Default)]
struct Findings {
    errors: Vec<FieldError>,
    /// How many checks ran: the alternative that got furthest is shown.
    matched: usize,
}

impl Findings {
    fn merge(&mut self, other: Self) {
        for error in other.errors {
            self.add(error);
        }
        self.matched += other.matched;
    }

    fn add(&mut self, error: FieldError) {
        if !self.errors.contains(&error) {
            self.errors.push(error);
        }
    }
}

/// Complaints about a value. `prefix` is set before the paths (the status is checked by itself, below `status`), `old` is
/// the stored value.
#[must_use]
pub fn errors(schema: &Schema, value: &Value, old: Option<&Value>, prefix: &str) -> Vec<FieldError> {
    let mut found = check(schema, value, old, "").errors;
    if !prefix.is_empty() {
        found =
            found.into_iter().map(|error| if error.field == "<nil>" { error } else { error.below(prefix) }).collect();
    }
    found
}

/// The name of a JSON type as the server's validator says it.
fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn check(schema: &Schema, value: &Value, old: Option<&Value>, path: &str) -> Findings {
    if schema.typed
        && schema.constraints.is_none()
        && !schema.properties.values().any(|child| child.constraints.is_some())
    {
        return Findings::default();
    }
    let mut found = Findings::default();
    let shown = path.trim_start_matches('.');
    check_type(schema, value, shown, &mut found);
    if value.is_null() {
        if found.errors.is_empty() && !schema.nullable {
            check_enum(schema, value, shown, &mut found);
        }
    } else {
        if let Some(constraints) = &schema.constraints {
            check_composites(constraints, value, shown, path, &mut found);
        }
        check_scalar(schema, value, shown, &mut found);
        if let Value::Array(items) = value {
            check_array(schema, items, old, path, &mut found);
        }
        check_enum(schema, value, shown, &mut found);
        if let Value::Object(_) = value {
            check_object(schema, value, old, path, &mut found);
        }
    }
    if !found.errors.is_empty() && old == Some(value) {
        return Findings { errors: Vec::new(), matched: found.matched };
    }
    found
}

fn check_type(schema: &Schema, value: &Value, shown: &str, found: &mut Findings) {
    let wanted = match schema.kind {
        Kind::Any => return,
        Kind::Object => "object",
        Kind::Array => "array",
        Kind::String => "string",
        Kind::Integer => "integer",
        Kind::Number => "number",
        Kind::Boolean => "boolean",
        Kind::IntOrString => "integer,string",
    };
    let fits = match (schema.kind, value) {
        (_, Value::Null) => schema.nullable,
        (Kind::Object, Value::Object(_))
        | (Kind::Array, Value::Array(_))
        | (Kind::String | Kind::IntOrString, Value::String(_))
        | (Kind::Boolean, Value::Bool(_))
        | (Kind::Number, Value::Number(_)) => true,
        (Kind::Integer | Kind::IntOrString, Value::Number(number)) => {
            !number.is_f64() || number.as_f64().is_some_and(|n| n.fract() == 0.0)
        }
        _ => false,
    };
    if fits {
        found.matched += 1;
    } else {
        let name = type_name(value);
        let detail = format!("{shown} in body must be of type {wanted}: \"{name}\"");
        found.add(FieldError::type_invalid(shown, &json!(name), detail));
    }
}

fn check_composites(constraints: &Constraints, value: &Value, shown: &str, path: &str, found: &mut Findings) {
    let composite = |text: String| FieldError::invalid("<nil>", &json!(""), text);
    if !constraints.any_of.is_empty() {
        let mut best: Option<Findings> = None;
        let mut succeeded = false;
        for schema in &constraints.any_of {
            let tried = check(schema, value, None, path);
            succeeded = tried.errors.is_empty();
            if succeeded {
                break;
            }
            if best.as_ref().is_none_or(|best| tried.matched > best.matched) {
                best = Some(tried);
            }
        }
        if !succeeded {
            found.add(composite(format!("\"{shown}\" must validate at least one schema (anyOf)")));
            if let Some(best) = best {
                found.merge(best);
            }
        }
    }
    if !constraints.one_of.is_empty() {
        let mut best: Option<Findings> = None;
        let mut valid = 0;
        for schema in &constraints.one_of {
            let tried = check(schema, value, None, path);
            if tried.errors.is_empty() {
                valid += 1;
                best = None;
            } else if valid == 0 && best.as_ref().is_none_or(|best| tried.matched > best.matched) {
                best = Some(tried);
            }
        }
        if valid != 1 {
            let what =
                if valid == 0 { "Found none valid".to_owned() } else { format!("Found {valid} valid alternatives") };
            found.add(composite(format!("\"{shown}\" must validate one and only one schema (oneOf). {what}")));
            if let Some(best) = best {
                found.merge(best);
            }
        }
    }
    if !constraints.all_of.is_empty() {
        let mut valid = 0;
        for schema in &constraints.all_of {
            let tried = check(schema, value, None, path);
            valid += usize::from(tried.errors.is_empty());
            found.merge(tried);
        }
        if valid != constraints.all_of.len() {
            let what = if valid == 0 { ". None validated" } else { "" };
            found.add(composite(format!("\"{shown}\" must validate all the schemas (allOf){what}")));
        }
    }
    if let Some(not) = &constraints.not
        && check(not, value, None, path).errors.is_empty()
    {
        found.add(composite(format!("\"{shown}\" must not validate the schema (not)")));
    }
    found.matched += 1;
}

fn check_scalar(schema: &Schema, value: &Value, shown: &str, found: &mut Findings) {
    let invalid = |detail: String| FieldError::invalid(shown, value, detail);
    if let (Value::String(text), Some(constraints)) = (value, &schema.constraints) {
        let length = text.chars().count() as u64;
        if let Some(max) = constraints.max_length
            && length > max
        {
            found.add(FieldError::too_long(shown, usize::try_from(max).unwrap_or(usize::MAX)));
        }
        if let Some(min) = constraints.min_length
            && length < min
        {
            found.add(invalid(format!("{shown} in body should be at least {min} chars long")));
        }
        if let Some(Pattern { text: pattern, regex: Some(regex) }) = &constraints.pattern
            && !regex.is_match(text)
        {
            found.add(invalid(format!("{shown} in body should match '{pattern}'")));
        }
    }
    if let (Value::String(text), Some(format)) = (value, &schema.format)
        && !formats::check(format, text)
    {
        let detail = format!("{shown} in body must be of type {format}: {}", render(value));
        found.add(FieldError::type_invalid(shown, value, detail));
    }
    if let (Value::Number(number), Some(constraints)) = (value, &schema.constraints)
        && let Some(number) = number.as_f64()
    {
        if let Some(factor) = constraints.multiple_of
            && factor > 0.0
        {
            let times = number / factor;
            if (times - times.round()).abs() > 1e-9 {
                found.add(invalid(format!("{shown} in body should be a multiple of {factor}")));
            }
        }
        if let Some(max) = constraints.maximum {
            if constraints.exclusive_maximum && number >= max {
                found.add(invalid(format!("{shown} in body should be less than {max}")));
            } else if number > max {
                found.add(invalid(format!("{shown} in body should be less than or equal to {max}")));
            }
        }
        if let Some(min) = constraints.minimum {
            if constraints.exclusive_minimum && number <= min {
                found.add(invalid(format!("{shown} in body should be greater than {min}")));
            } else if number < min {
                found.add(invalid(format!("{shown} in body should be greater than or equal to {min}")));
            }
        }
    }
    if let (Value::Number(number), Kind::Integer) = (value, schema.kind)
        && schema.format.as_deref() == Some("int32")
        && number.as_i64().is_some_and(|n| i32::try_from(n).is_err())
    {
        found.add(FieldError::invalid(
            "<nil>",
            &json!(""),
            format!("Checked value must be of type integer with format int32 in {shown}"),
        ));
    }
}

fn check_array(schema: &Schema, items: &[Value], old: Option<&Value>, path: &str, found: &mut Findings) {
    let shown = path.trim_start_matches('.');
    if let Some(child) = &schema.items {
        for (index, item) in items.iter().enumerate() {
            let before = old.and_then(|old| counterpart(schema, item, old));
            found.merge(check(child, item, before, &format!("{path}[{index}]")));
        }
    }
    let Some(constraints) = &schema.constraints else { return };
    let size = items.len() as u64;
    if let Some(min) = constraints.min_items
        && size < min
    {
        found.add(FieldError::invalid(
            shown,
            &json!(size),
            format!("{shown} in body should have at least {min} items"),
        ));
    }
    if let Some(max) = constraints.max_items
        && size > max
    {
        found.add(FieldError::too_many(shown, items.len(), usize::try_from(max).unwrap_or(usize::MAX)));
    }
    if constraints.unique_items && items.iter().enumerate().any(|(index, item)| items[..index].contains(item)) {
        found.add(FieldError::invalid(shown, &json!(""), format!("{shown} in body shouldn't contain duplicates")));
    }
    found.matched += 1;
}

/// The old item of a list of type `map` with the keys of a new one.
#[must_use]
pub fn counterpart<'a>(schema: &Schema, item: &Value, old: &'a Value) -> Option<&'a Value> {
    let ListType::Map(keys) = &schema.list_type else { return None };
    let same = |other: &&Value| keys.iter().all(|key| other.get(key) == item.get(key));
    old.as_array()?.iter().find(same)
}

fn check_enum(schema: &Schema, value: &Value, shown: &str, found: &mut Findings) {
    let Some(allowed) = schema.constraints.as_ref().and_then(|constraints| constraints.allowed.as_ref()) else {
        return;
    };
    let same = |other: &Value| match (other, value) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (a, b) => a == b,
    };
    if allowed.iter().any(same) {
        found.matched += 1;
        return;
    }
    let texts: Vec<String> =
        allowed.iter().map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    found.add(FieldError::not_supported(shown, value, &texts));
}

fn check_object(schema: &Schema, value: &Value, old: Option<&Value>, path: &str, found: &mut Findings) {
    let Value::Object(map) = value else { return };
    let shown = path.trim_start_matches('.');
    let constraints = schema.constraints.as_deref();
    let size = map.len() as u64;
    if let Some(min) = constraints.and_then(|constraints| constraints.min_properties)
        && size < min
    {
        found.add(FieldError::invalid(
            shown,
            &json!(size),
            format!("{shown} in body should have at least {min} properties"),
        ));
    }
    if let Some(max) = constraints.and_then(|constraints| constraints.max_properties)
        && size > max
    {
        found.add(FieldError::too_many(shown, map.len(), usize::try_from(max).unwrap_or(usize::MAX)));
    }
    let old = old.filter(|_| schema.map_type == MapType::Granular);
    let before = |key: &str| old.and_then(|old| old.get(key));
    for (key, child) in map {
        let here = format!("{path}.{key}");
        match (schema.properties.get(key), &schema.additional) {
            (Some(_), _) => {}
            (None, Some(additional)) => found.merge(check(additional, child, before(key), &here)),
            (None, None) if constraints.is_some_and(|constraints| constraints.closed) => {
                found.add(FieldError::invalid(
                    shown,
                    &json!(""),
                    format!("{shown}.{key} in body is a forbidden property"),
                ));
            }
            (None, None) => {}
        }
    }
    for (name, schema) in &schema.properties {
        if let Some(child) = map.get(name) {
            found.merge(check(schema, child, before(name), &format!("{path}.{name}")));
        }
    }
    for name in constraints.map_or(&[][..], |constraints| &constraints.required) {
        if !map.contains_key(name) {
            found.add(FieldError::required(format!("{path}.{name}").trim_start_matches('.'), ""));
        }
    }
    found.matched += 1;
}

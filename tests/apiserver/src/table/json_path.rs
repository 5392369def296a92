//! What comes in: a simple JSON path as printer columns use it, and an object. What goes out: the first value that it
//! names. Pure.
//!
//! Understood: `.field`, `['field']`, `[0]`, `[-1]`, `[*]`, `..` never, and filters such as `[?(@.type=="Ready")]`.

use serde_json::Value;

/// One step of a path.
#[derive(Debug, PartialEq)]
enum Step {
    Field(String),
    Index(i64),
    Every,
    /// Items whose member at the path compares so with the text.
    Filter(Vec<Step>, Comparison, String),
    /// Items that have a value at the path.
    Present(Vec<Step>),
}

#[derive(Debug, PartialEq, Clone, Copy)]
enum Comparison {
    Equal,
    Unequal,
}

/// The first value at a path.
pub(super) fn first<'a>(path: &str, object: &'a Value) -> Option<&'a Value> {
    let steps = parse(path)?;
    walk(&steps, object).into_iter().next()
}

fn walk<'a>(steps: &[Step], value: &'a Value) -> Vec<&'a Value> {
    let Some((step, rest)) = steps.split_first() else { return vec![value] };
    let next: Vec<&Value> = match (step, value) {
        (Step::Field(name), Value::Object(map)) => map.get(name).into_iter().collect(),
        (Step::Index(index), Value::Array(items)) => {
            let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
            let index = if *index < 0 { length + index } else { *index };
            usize::try_from(index).ok().and_then(|index| items.get(index)).into_iter().collect()
        }
        (Step::Every, Value::Array(items)) => items.iter().collect(),
        (Step::Every, Value::Object(map)) => map.values().collect(),
        (Step::Filter(path, comparison, wanted), Value::Array(items)) => items
            .iter()
            .filter(|item| {
                let found = walk(path, item);
                let same = found.first().is_some_and(|value| match value {
                    Value::String(text) => text == wanted,
                    other => other.to_string() == *wanted,
                });
                match comparison {
                    Comparison::Equal => same,
                    Comparison::Unequal => !found.is_empty() && !same,
                }
            })
            .collect(),
        (Step::Present(path), Value::Array(items)) => {
            items.iter().filter(|item| !walk(path, item).is_empty()).collect()
        }
        _ => Vec::new(),
    };
    next.into_iter().flat_map(|value| walk(rest, value)).collect()
}

fn parse(path: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut rest = path.trim().trim_start_matches('$');
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix("[?(") {
            let (filter, more) = inner.split_once(")]")?;
            steps.push(filter_step(filter)?);
            rest = more;
        } else if let Some(inner) = rest.strip_prefix('[') {
            let (inside, more) = inner.split_once(']')?;
            steps.push(match inside {
                "*" => Step::Every,
                quoted if quoted.starts_with(['\'', '"']) => Step::Field(quoted.trim_matches(['\'', '"']).to_owned()),
                number => Step::Index(number.parse().ok()?),
            });
            rest = more;
        } else {
            let (name, more) = field(rest.strip_prefix('.').unwrap_or(rest));
            match name.as_str() {
                "" => {}
                "*" => steps.push(Step::Every),
                _ => steps.push(Step::Field(name)),
            }
            rest = more;
        }
    }
    Some(steps)
}

/// The name at the start of a path, up to a dot or bracket that is not escaped, and the rest.
fn field(path: &str) -> (String, &str) {
    let mut name = String::new();
    let mut escaped = false;
    for (at, c) in path.char_indices() {
        match c {
            '\\' if !escaped => escaped = true,
            '.' | '[' if !escaped => return (name, &path[at..]),
            c => {
                name.push(c);
                escaped = false;
            }
        }
    }
    (name, "")
}

fn filter_step(filter: &str) -> Option<Step> {
    let inner = filter.trim().strip_prefix('@')?;
    for (operator, comparison) in [("==", Comparison::Equal), ("!=", Comparison::Unequal)] {
        if let Some((path, wanted)) = inner.split_once(operator) {
            let wanted = wanted.trim().trim_matches(['\'', '"']).to_owned();
            return Some(Step::Filter(parse(path.trim())?, comparison, wanted));
        }
    }
    Some(Step::Present(parse(inner.trim())?))
}

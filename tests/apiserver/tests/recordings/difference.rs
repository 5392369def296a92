//! Where two JSON values differ.

use serde_json::Value;
use std::collections::BTreeSet;

/// One line for each place at which `got` is not what is wanted.
pub fn between(want: &Value, got: &Value) -> Vec<String> {
    let mut out = Vec::new();
    walk(want, got, String::new(), &mut out);
    out
}

fn walk(want: &Value, got: &Value, at: String, out: &mut Vec<String>) {
    let absent = Value::String("<ABSENT>".to_owned());
    match (want, got) {
        (Value::Object(w), Value::Object(g)) => {
            for name in w.keys().chain(g.keys()).collect::<BTreeSet<_>>() {
                walk(w.get(name).unwrap_or(&absent), g.get(name).unwrap_or(&absent), format!("{at}.{name}"), out);
            }
        }
        (Value::Array(w), Value::Array(g)) if w.len() == g.len() => {
            for (i, (w, g)) in w.iter().zip(g).enumerate() {
                walk(w, g, format!("{at}[{i}]"), out);
            }
        }
        _ if want != got => {
            let short = |value: &Value| value.to_string().chars().take(400).collect::<String>();
            out.push(format!("{}: want {} got {}", if at.is_empty() { "." } else { &at }, short(want), short(got)));
        }
        _ => {}
    }
}

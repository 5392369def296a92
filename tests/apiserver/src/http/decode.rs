//! Bodies: bytes in, a JSON value and the duplicate fields met on the way out.

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::cell::RefCell;
use std::fmt;

/// A body as read.
pub(crate) struct Document {
    pub(crate) value: Value,
    /// Paths of fields that occur twice; the last one won.
    pub(crate) duplicates: Vec<String>,
}

/// Read JSON.
pub(crate) fn json(bytes: &[u8]) -> Result<Document, String> {
    let duplicates = RefCell::new(Vec::new());
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value =
        Seed { path: String::new(), duplicates: &duplicates }.deserialize(&mut reader).map_err(|e| e.to_string())?;
    reader.end().map_err(|e| e.to_string())?;
    Ok(Document { value, duplicates: duplicates.into_inner() })
}

/// Read YAML (of which JSON is a part).
pub(crate) fn yaml(bytes: &[u8]) -> Result<Document, String> {
    if let Ok(document) = json(bytes) {
        return Ok(document);
    }
    let value: Value =
        serde_yaml::from_slice(bytes).map_err(|e| format!("error converting YAML to JSON: yaml: {e}"))?;
    Ok(Document { value, duplicates: Vec::new() })
}

struct Seed<'a> {
    path: String,
    duplicates: &'a RefCell<Vec<String>>,
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E: Error>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Bool(v))
    }

    fn visit_i64<E: Error>(self, v: i64) -> Result<Value, E> {
        Ok(Value::from(v))
    }

    fn visit_u64<E: Error>(self, v: u64) -> Result<Value, E> {
        Ok(Value::from(v))
    }

    fn visit_f64<E: Error>(self, v: f64) -> Result<Value, E> {
        Ok(Number::from_f64(v).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, v: &str) -> Result<Value, E> {
        Ok(Value::String(v.to_owned()))
    }

    fn visit_string<E: Error>(self, v: String) -> Result<Value, E> {
        Ok(Value::String(v))
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut out = Vec::new();
        loop {
            let seed = Seed { path: format!("{}[{}]", self.path, out.len()), duplicates: self.duplicates };
            match items.next_element_seed(seed)? {
                Some(item) => out.push(item),
                None => return Ok(Value::Array(out)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut out = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            let path = if self.path.is_empty() { name.clone() } else { format!("{}.{name}", self.path) };
            let value = fields.next_value_seed(Seed { path: path.clone(), duplicates: self.duplicates })?;
            if out.insert(name, value).is_some() {
                let mut duplicates = self.duplicates.borrow_mut();
                if !duplicates.contains(&path) {
                    duplicates.push(path);
                }
            }
        }
        Ok(Value::Object(out))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn duplicate_fields_are_told_with_their_path() {
        let got = json(br#"{"a":{"b":1,"b":2},"c":[{"d":1,"d":1}]}"#).unwrap();
        assert_eq!(got.duplicates, ["a.b", "c[0].d"]);
        assert_eq!(got.value["a"]["b"], 2);
    }

    #[test]
    fn yaml_is_read_as_well_as_json() {
        assert_eq!(yaml(b"a: {b: 1}\n").unwrap().value["a"]["b"], 1);
        assert!(yaml(b"a: [").is_err());
    }
}

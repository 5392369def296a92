//! JSON that a guest wrote, read with limits: depth, number of values, and no key twice.
//!
//! The size is bounded before: nothing longer than the output limit leaves a guest. The other limits are enforced while
//! reading, value by value, so that no document allocates beyond them.

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::{cell::Cell, fmt};

/// What is left for the documents of one answer.
pub(super) struct Budget {
    depth: usize,
    values: Cell<usize>,
}

impl Budget {
    pub(super) fn new(depth: usize, values: usize) -> Self {
        Budget { depth, values: Cell::new(values) }
    }

    /// Reads one document. The message says what is wrong and where, by line and column, and quotes nothing.
    pub(super) fn parse(&self, text: &str) -> Result<Value, String> {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let value =
            Bounded { budget: self, depth: 0 }.deserialize(&mut deserializer).map_err(|error| error.to_string())?;
        deserializer.end().map_err(|error| error.to_string())?;
        Ok(value)
    }
}

/// One value at one depth.
#[derive(Clone, Copy)]
struct Bounded<'a> {
    budget: &'a Budget,
    depth: usize,
}

impl Bounded<'_> {
    /// The reader of the values inside of this one.
    fn inner<E: Error>(self) -> Result<Self, E> {
        if self.depth >= self.budget.depth {
            return Err(E::custom(format_args!("nested deeper than {} levels", self.budget.depth)));
        }
        Ok(Bounded { depth: self.depth + 1, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Bounded<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        match self.budget.values.get().checked_sub(1) {
            Some(left) => self.budget.values.set(left),
            None => return Err(D::Error::custom("the answer holds too many JSON values")),
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bounded<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut values = Vec::new();
        while let Some(value) = access.next_element_seed(inner)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut map = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            let value = access.next_value_seed(inner)?;
            // Readers differ in which of two they take, so what was checked might not be what is applied.
            if map.insert(key, value).is_some() {
                return Err(A::Error::custom("an object has a key twice"));
            }
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ordinary_json_is_read_as_it_is() {
        let text = r#"{"a":[1,-2,2.5,true,null,"x"],"b":{"c":18446744073709551615}}"#;
        assert_eq!(Budget::new(8, 100).parse(text).unwrap(), serde_json::from_str::<Value>(text).unwrap());
    }

    #[test]
    fn nesting_beyond_the_depth_is_refused() {
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert!(Budget::new(4, 100).parse(&nested(4)).is_ok());
        let error = Budget::new(4, 100).parse(&nested(5)).unwrap_err();
        assert!(error.starts_with("nested deeper than 4 levels"), "{error}");
        assert!(Budget::new(64, 1_000_000).parse(&nested(500_000)).is_err());
    }

    #[test]
    fn values_are_counted_over_all_documents_of_an_answer() {
        let budget = Budget::new(4, 6);
        assert!(budget.parse("[1,2,3]").is_ok());
        assert!(budget.parse("[1,2]").unwrap_err().contains("too many JSON values"));
    }

    #[test]
    fn a_key_that_occurs_twice_is_refused() {
        let error = Budget::new(4, 6).parse(r#"{"a":1,"a":2}"#).unwrap_err();
        assert!(error.starts_with("an object has a key twice"), "{error}");
    }

    #[test]
    fn text_after_the_document_is_refused() {
        assert!(Budget::new(4, 6).parse("{} {}").is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "[\\[\\]{}\",:0-9a-z\\\\ue+.-]{0,200}") {
            let _ = Budget::new(8, 50).parse(&text);
        }
    }
}

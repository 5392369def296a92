//! Messages of the table: bytes in, JSON objects out, within bounds of depth and number. Pure.

use serde_json::{Map, Value};

use super::table::{Field, Shape, TABLE, Type};
use super::values;
use super::wire::{Broken, Reader, Wire};

/// Messages in each other; no kind comes near.
pub(super) const DEPTH: usize = 32;

/// Values of one body. Two bytes can be a value, so that the limit of a body's bytes alone would let it grow fiftyfold.
pub(super) const VALUES: usize = 1 << 19;

/// What is wrong, and where.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed {
    /// The path of the field, empty for the object itself.
    pub(super) path: String,
    pub(super) why: Broken,
}

impl From<Broken> for Malformed {
    fn from(why: Broken) -> Self {
        Self { path: String::new(), why }
    }
}

impl Malformed {
    /// The same, seen from the message around it.
    fn under(mut self, step: &str) -> Self {
        let dot = if self.path.is_empty() || self.path.starts_with('[') || step.is_empty() { "" } else { "." };
        self.path = format!("{step}{dot}{}", self.path);
        self
    }
}

/// Decodes one body.
#[derive(Default)]
pub(super) struct Decoder {
    depth: usize,
    values: usize,
}

impl Decoder {
    /// Reads the fields of a message into an object. A message that comes in parts is put together.
    pub(super) fn message(
        &mut self,
        message: usize,
        bytes: &[u8],
        into: &mut Map<String, Value>,
    ) -> Result<(), Malformed> {
        if self.depth == DEPTH {
            return Err(Broken::Depth(DEPTH).into());
        }
        self.depth += 1;
        let mut fields = Reader::new(bytes);
        while let Some((number, wire)) = fields.next()? {
            if let Some(field) = TABLE.field(message, number) {
                self.field(field, wire, into).map_err(|malformed| malformed.under(field.name))?;
            }
        }
        self.depth -= 1;
        Ok(())
    }

    fn field(&mut self, field: Field, wire: Wire<'_>, into: &mut Map<String, Value>) -> Result<(), Malformed> {
        match field.shape {
            Shape::One => self.one(field, wire, into),
            Shape::List => {
                let list = into.entry(field.name).or_insert_with(|| Value::Array(Vec::new()));
                let Value::Array(items) = list else { return Ok(()) };
                let place = format!("[{}]", items.len());
                self.list(field, wire, items).map_err(|malformed| malformed.under(&place))
            }
            Shape::Map => {
                let map = into.entry(field.name).or_insert_with(|| Value::Object(Map::new()));
                let Value::Object(entries) = map else { return Ok(()) };
                let (key, value) = self.entry(field, wire)?;
                entries.insert(key, value);
                Ok(())
            }
        }
    }

    fn one(&mut self, field: Field, wire: Wire<'_>, into: &mut Map<String, Value>) -> Result<(), Malformed> {
        match (field.value, wire) {
            (Type::Message(message), Wire::Bytes(bytes)) if field.name.is_empty() => self.message(message, bytes, into),
            (Type::Message(message), Wire::Bytes(bytes)) => {
                self.count()?;
                let object = into.entry(field.name).or_insert_with(|| Value::Object(Map::new()));
                let Value::Object(object) = object else { return Ok(()) };
                self.message(message, bytes, object)
            }
            (kind, wire) => {
                match self.value(kind, wire)? {
                    // An unset time: JSON clients send null, which says the same as nothing.
                    Value::Null => drop(into.remove(field.name)),
                    value => drop(into.insert(field.name.to_owned(), value)),
                }
                Ok(())
            }
        }
    }

    fn list(&mut self, field: Field, wire: Wire<'_>, items: &mut Vec<Value>) -> Result<(), Malformed> {
        match (field.value, wire) {
            // Readers take lists of numbers in both forms, one by one and packed.
            (Type::Int32 | Type::Int64 | Type::Bool, Wire::Bytes(bytes)) => {
                let mut packed = Reader::new(bytes);
                while !packed.is_empty() {
                    self.count()?;
                    items.push(values::scalar(field.value, packed.varint()?));
                }
            }
            (kind, wire) => items.push(self.value(kind, wire)?),
        }
        Ok(())
    }

    /// 1 the key, 2 the value of an entry of a map.
    fn entry(&mut self, field: Field, wire: Wire<'_>) -> Result<(String, Value), Malformed> {
        let Wire::Bytes(bytes) = wire else { return Err(Broken::Type(wire.code()).into()) };
        let mut key = String::new();
        let mut value = values::absent(field.value);
        let mut fields = Reader::new(bytes);
        while let Some((number, wire)) = fields.next()? {
            match (number, wire) {
                (1, Wire::Bytes(bytes)) => key = values::text(bytes)?,
                (1, wire) => return Err(Broken::Type(wire.code()).into()),
                (2, wire) => value = self.value(field.value, wire)?,
                _ => {}
            }
        }
        self.count()?;
        Ok((key, value))
    }

    fn value(&mut self, kind: Type, wire: Wire<'_>) -> Result<Value, Malformed> {
        self.count()?;
        match (kind, wire) {
            (Type::Message(message), Wire::Bytes(bytes)) => {
                let mut object = Map::new();
                self.message(message, bytes, &mut object)?;
                Ok(Value::Object(object))
            }
            (kind, wire) => Ok(values::value(kind, wire)?),
        }
    }

    fn count(&mut self) -> Result<(), Broken> {
        self.values += 1;
        if self.values > VALUES { Err(Broken::Values(VALUES)) } else { Ok(()) }
    }
}

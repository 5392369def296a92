//! Values that are no messages in JSON: the wire's value in, a JSON value out. Pure.

use base64::Engine as _;
use chrono::{DateTime, Datelike as _, Utc};
use serde_json::Value;

use super::table::Type;
use super::wire::{Broken, Reader, Wire};

/// Seconds at which Go's zero time lies, year 1: JSON writes it as null.
const ZERO_TIME: i64 = -62_135_596_800;

/// A value, other than a message of the table; null when JSON has none.
pub(super) fn value(kind: Type, wire: Wire<'_>) -> Result<Value, Broken> {
    match (kind, wire) {
        (Type::Int32 | Type::Int64 | Type::Bool, Wire::Varint(number)) => Ok(scalar(kind, number)),
        (Type::Text, Wire::Bytes(bytes)) => text(bytes).map(Value::String),
        (Type::Bytes, Wire::Bytes(bytes)) => Ok(Value::String(base64::engine::general_purpose::STANDARD.encode(bytes))),
        (Type::Strings, Wire::Bytes(bytes)) => strings(bytes),
        (Type::Time, Wire::Bytes(bytes)) => time(bytes, false),
        (Type::MicroTime, Wire::Bytes(bytes)) => time(bytes, true),
        (Type::Quantity, Wire::Bytes(bytes)) => quantity(bytes),
        (Type::IntOrString, Wire::Bytes(bytes)) => int_or_string(bytes),
        (Type::Json, Wire::Bytes(bytes)) => json(bytes),
        (_, wire) => Err(Broken::Type(wire.code())),
    }
}

/// A number or a truth value. A smaller number takes the lower bits, as in every implementation of protobuf.
pub(super) fn scalar(kind: Type, number: u64) -> Value {
    match kind {
        Type::Bool => Value::Bool(number != 0),
        Type::Int32 => Value::from(lower(number)),
        _ => Value::from(number.cast_signed()),
    }
}

/// What an entry of a map holds that has a key only.
pub(super) fn absent(kind: Type) -> Value {
    match kind {
        Type::Int32 | Type::Int64 | Type::IntOrString => Value::from(0),
        Type::Bool => Value::Bool(false),
        Type::Text | Type::Bytes => Value::String(String::new()),
        Type::Quantity => Value::String("0".to_owned()),
        Type::Strings => Value::Array(Vec::new()),
        Type::Message(_) => Value::Object(serde_json::Map::new()),
        Type::Time | Type::MicroTime | Type::Json => Value::Null,
    }
}

/// A string.
pub(super) fn text(bytes: &[u8]) -> Result<String, Broken> {
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| Broken::Text)
}

fn lower(number: u64) -> i32 {
    u32::try_from(number & u64::from(u32::MAX)).unwrap_or_default().cast_signed()
}

fn strings(bytes: &[u8]) -> Result<Value, Broken> {
    let mut items = Vec::new();
    let mut fields = Reader::new(bytes);
    while let Some((number, wire)) = fields.next()? {
        if number == 1 {
            items.push(value(Type::Text, wire)?);
        }
    }
    Ok(Value::Array(items))
}

/// 1 seconds, 2 nanoseconds. No bytes are the zero time. `Time` has whole seconds only, as its JSON.
fn time(bytes: &[u8], micro: bool) -> Result<Value, Broken> {
    let (mut seconds, mut nanos) = (0, 0);
    let mut fields = Reader::new(bytes);
    while let Some((number, wire)) = fields.next()? {
        match (number, wire) {
            (1, Wire::Varint(number)) => seconds = number.cast_signed(),
            (2, Wire::Varint(number)) => nanos = lower(number),
            (1 | 2, wire) => return Err(Broken::Type(wire.code())),
            _ => {}
        }
    }
    if bytes.is_empty() || (seconds == ZERO_TIME && nanos == 0) {
        return Ok(Value::Null);
    }
    let nanos = if micro { u32::try_from(nanos).ok() } else { Some(0) };
    let moment = nanos.and_then(|nanos| DateTime::<Utc>::from_timestamp(seconds, nanos));
    let moment = moment.filter(|moment| (0..=9999).contains(&moment.year())).ok_or(Broken::Time(seconds))?;
    let format = if micro { "%Y-%m-%dT%H:%M:%S%.6fZ" } else { "%Y-%m-%dT%H:%M:%SZ" };
    Ok(Value::String(moment.format(format).to_string()))
}

/// 1 the text. Whether it is a quantity the schema's decoder checks, as for JSON.
fn quantity(bytes: &[u8]) -> Result<Value, Broken> {
    let mut fields = Reader::new(bytes);
    let mut found = absent(Type::Quantity);
    while let Some((number, wire)) = fields.next()? {
        if number == 1 {
            found = value(Type::Text, wire)?;
        }
    }
    Ok(found)
}

/// 1 which of the two, 2 the number, 3 the string.
fn int_or_string(bytes: &[u8]) -> Result<Value, Broken> {
    let (mut which, mut number_given, mut string_given) = (0, 0, String::new());
    let mut fields = Reader::new(bytes);
    while let Some((number, wire)) = fields.next()? {
        match (number, wire) {
            (1, Wire::Varint(number)) => which = number,
            (2, Wire::Varint(number)) => number_given = lower(number),
            (3, Wire::Bytes(bytes)) => string_given = text(bytes)?,
            (1..=3, wire) => return Err(Broken::Type(wire.code())),
            _ => {}
        }
    }
    match which {
        0 => Ok(Value::from(number_given)),
        1 => Ok(Value::String(string_given)),
        other => Err(Broken::IntOrString(other)),
    }
}

/// 1 the JSON, of which the parser bounds the depth.
fn json(bytes: &[u8]) -> Result<Value, Broken> {
    let mut raw: &[u8] = &[];
    let mut fields = Reader::new(bytes);
    while let Some((number, wire)) = fields.next()? {
        match (number, wire) {
            (1, Wire::Bytes(bytes)) => raw = bytes,
            (1, wire) => return Err(Broken::Type(wire.code())),
            _ => {}
        }
    }
    if raw.is_empty() { Ok(Value::Null) } else { serde_json::from_slice(raw).map_err(|_| Broken::Json) }
}

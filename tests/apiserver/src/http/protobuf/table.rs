//! What comes in: `builtin/wire.txt`. What goes out: the messages of the Kubernetes API and their fields. Built once, at
//! first use. Pure.
//!
//! The file has one line a message: its short name (`@APIVERSION` when it is a kind of that version, `@*` of any), then
//! its fields as `NUMBER:NAME`, where `[]` marks a list and `{}` a map whose keys are strings. What a value is follows:
//! nothing for a string, `>MESSAGE` for a message (of the same package when it has no dot), else `#` and a word. A field
//! without a name is a message whose fields belong to the JSON object around it. The numbers are those that the API's
//! release 1.36 publishes; they never change.

use std::collections::HashMap;
use std::sync::LazyLock;

/// What a value is, in protobuf and in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Text,
    Int32,
    Int64,
    Bool,
    /// Base64 in JSON.
    Bytes,
    /// A message that stands for a list of strings.
    Strings,
    /// A time in whole seconds.
    Time,
    /// A time in microseconds.
    MicroTime,
    Quantity,
    IntOrString,
    /// A message that holds JSON.
    Json,
    /// The message of this place in the table.
    Message(usize),
}

/// How often a value occurs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    One,
    List,
    Map,
}

/// A field of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field {
    /// The name in JSON; empty when the message's fields belong to the object around it.
    pub(super) name: &'static str,
    pub(super) shape: Shape,
    pub(super) value: Type,
}

/// The messages.
#[derive(Debug, Default)]
pub(super) struct Table {
    fields: Vec<HashMap<u32, Field>>,
    kinds: HashMap<(&'static str, &'static str), usize>,
}

/// What a kind of any version is listed under.
const ANY: &str = "*";

/// The table of this server.
pub(super) static TABLE: LazyLock<Table> = LazyLock::new(|| read(include_str!("../../builtin/wire.txt")));

impl Table {
    /// The message of a kind.
    pub(super) fn kind(&self, api_version: &str, kind: &str) -> Option<usize> {
        self.kinds.get(&(api_version, kind)).or_else(|| self.kinds.get(&(ANY, kind))).copied()
    }

    /// A field of a message.
    pub(super) fn field(&self, message: usize, number: u32) -> Option<Field> {
        self.fields.get(message)?.get(&number).copied()
    }

    /// All fields of a message.
    #[cfg(test)]
    pub(super) fn fields(&self, message: usize) -> impl Iterator<Item = &Field> {
        self.fields[message].values()
    }
}

/// The name of a message with its package, and the version that it is a kind of.
pub(super) fn head(line: &'static str) -> (&'static str, Option<&'static str>) {
    let head = line.split(' ').next().unwrap_or_default();
    head.split_once('@').map_or((head, None), |(name, version)| (name, Some(version)))
}

/// Reads the table. What it does not understand it leaves out; a test sees to it that this is nothing.
pub(super) fn read(text: &'static str) -> Table {
    let places: HashMap<&str, usize> = text.lines().enumerate().map(|(place, line)| (head(line).0, place)).collect();
    let mut table = Table::default();
    for (place, line) in text.lines().enumerate() {
        let (name, version) = head(line);
        let (package, kind) = name.rsplit_once('.').unwrap_or(("", name));
        if let Some(version) = version {
            table.kinds.insert((version, kind), place);
        }
        table.fields.push(line.split(' ').skip(1).filter_map(|word| field(word, package, &places)).collect());
    }
    table
}

fn field(word: &'static str, package: &str, places: &HashMap<&str, usize>) -> Option<(u32, Field)> {
    let (number, rest) = word.split_once(':')?;
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
    let (name, rest) = rest.split_at(end);
    let (shape, rest) = if let Some(rest) = rest.strip_prefix("[]") {
        (Shape::List, rest)
    } else if let Some(rest) = rest.strip_prefix("{}") {
        (Shape::Map, rest)
    } else {
        (Shape::One, rest)
    };
    let value = match rest.strip_prefix('>') {
        Some(message) if message.contains('.') => Type::Message(*places.get(message)?),
        Some(message) => Type::Message(*places.get(format!("{package}.{message}").as_str())?),
        None => plain(rest)?,
    };
    Some((number.parse().ok()?, Field { name, shape, value }))
}

fn plain(word: &str) -> Option<Type> {
    Some(match word {
        "" => Type::Text,
        "#int32" => Type::Int32,
        "#int64" => Type::Int64,
        "#bool" => Type::Bool,
        "#bytes" => Type::Bytes,
        "#strings" => Type::Strings,
        "#time" => Type::Time,
        "#microtime" => Type::MicroTime,
        "#quantity" => Type::Quantity,
        "#intOrString" => Type::IntOrString,
        "#json" => Type::Json,
        _ => return None,
    })
}

#[cfg(test)]
mod tests;

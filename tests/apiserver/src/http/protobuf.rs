//! Bodies in the Kubernetes protobuf format, which typed clients such as kubectl send for built-in kinds: bytes in, the
//! JSON that a JSON client would have sent out. Answers are never written in this format. Pure.
//!
//! A body is the bytes `k8s\0` and an envelope (`runtime.Unknown`): 1 the type (1 apiVersion, 2 kind), 2 the object, 3
//! the content encoding, 4 the content type. What the messages of the object look like is in `builtin/wire.txt`.

use serde_json::{Map, Value};

use super::decode::Document;
use message::Decoder;
use wire::{Broken, Reader, Wire};

mod message;
mod table;
mod values;
mod wire;

/// The media type.
pub(crate) const MEDIA_TYPE: &str = "application/vnd.kubernetes.protobuf";

/// What every body starts with.
const MAGIC: &[u8] = b"k8s\0";

/// Why a body cannot be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum Error {
    /// The magic bytes are not there.
    #[error("the body is not in the Kubernetes protobuf format, expected it to start with the bytes [6b 38 73 00]")]
    Magic,
    /// The envelope is not protobuf.
    #[error("the envelope of the protobuf body cannot be decoded: {0}")]
    Envelope(Broken),
    /// The object is packed in a way that nobody uses.
    #[error("the object in the protobuf body has the content encoding {0:?}; send it without one")]
    Encoding(String),
    /// The envelope does not say what is in it.
    #[error("Object 'Kind' is missing in the envelope of the protobuf body")]
    NoKind,
    /// No protobuf form of this kind is known here.
    #[error("{kind} in version {api_version:?} is not served in the protobuf format; send JSON")]
    UnknownKind {
        /// `apiVersion` of the envelope.
        api_version: String,
        /// `kind` of the envelope.
        kind: String,
    },
    /// The object is not what its kind says.
    #[error("{kind} in version {api_version:?} cannot be decoded from protobuf: {at}: {why}")]
    Object {
        /// `apiVersion` of the envelope.
        api_version: String,
        /// `kind` of the envelope.
        kind: String,
        /// The path of the field; `.` is the object itself.
        at: String,
        /// What is wrong with it.
        why: Broken,
    },
}

/// Read a body. Fields that the table does not know are skipped, as by any reader of protobuf.
pub(crate) fn document(bytes: &[u8]) -> Result<Document, Error> {
    let envelope = Envelope::read(bytes.strip_prefix(MAGIC).ok_or(Error::Magic)?)?;
    let Envelope { api_version, kind, object, encoding } = envelope;
    if !encoding.is_empty() {
        return Err(Error::Encoding(encoding));
    }
    if kind.is_empty() {
        return Err(Error::NoKind);
    }
    let Some(message) = table::TABLE.kind(&api_version, &kind) else {
        return Err(Error::UnknownKind { api_version, kind });
    };
    let mut value = Map::new();
    if let Err(malformed) = Decoder::default().message(message, object, &mut value) {
        let at = if malformed.path.is_empty() { ".".to_owned() } else { malformed.path };
        return Err(Error::Object { api_version, kind, at, why: malformed.why });
    }
    value.insert("apiVersion".to_owned(), Value::String(api_version));
    value.insert("kind".to_owned(), Value::String(kind));
    Ok(Document { value: Value::Object(value), duplicates: Vec::new() })
}

/// What the envelope holds.
#[derive(Default)]
struct Envelope<'a> {
    api_version: String,
    kind: String,
    object: &'a [u8],
    encoding: String,
}

impl<'a> Envelope<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut envelope = Self::default();
        let mut fields = Reader::new(bytes);
        while let Some((number, field)) = fields.next().map_err(Error::Envelope)? {
            match (number, field) {
                (1, Wire::Bytes(bytes)) => envelope.read_type(bytes).map_err(Error::Envelope)?,
                (2, Wire::Bytes(bytes)) => envelope.object = bytes,
                (3, Wire::Bytes(bytes)) => envelope.encoding = values::text(bytes).map_err(Error::Envelope)?,
                (1..=4, field @ (Wire::Varint(_) | Wire::Other(_))) => {
                    return Err(Error::Envelope(Broken::Type(field.code())));
                }
                _ => {}
            }
        }
        Ok(envelope)
    }

    fn read_type(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        let mut fields = Reader::new(bytes);
        while let Some((number, field)) = fields.next()? {
            match (number, field) {
                (1, Wire::Bytes(bytes)) => self.api_version = values::text(bytes)?,
                (2, Wire::Bytes(bytes)) => self.kind = values::text(bytes)?,
                (1 | 2, field) => return Err(Broken::Type(field.code())),
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

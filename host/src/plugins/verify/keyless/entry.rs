//! Entries of the log Rekor: that it noted a signature, when, and its promise to show that to everybody. Read from what cosign
//! stores beside a signature, or from a bundle.

use super::certificate::of_pem;
use crate::decide::Digest;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use rustls::pki_types::CertificateDer;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// An entry that a log promises to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    body: Vec<u8>,
    /// When it was noted, in seconds since 1970.
    pub time: i64,
    index: i64,
    /// The log: SHA-256 of its public key.
    pub log: Vec<u8>,
    /// The log's signature of all of the above.
    pub promise: Vec<u8>,
}

/// What a log notes of what was signed.
pub enum Record<'a> {
    /// The digest of the signed bytes (`hashedrekord`).
    Message(&'a [u8]),
    /// The digest of the payload of an envelope (`dsse`).
    Envelope(&'a [u8]),
}

/// What cosign stores in an annotation.
#[derive(Deserialize)]
struct Annotation {
    #[serde(rename = "SignedEntryTimestamp")]
    promise: String,
    #[serde(rename = "Payload")]
    payload: Payload,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    body: String,
    integrated_time: i64,
    log_index: i64,
    #[serde(rename = "logID")]
    log_id: String,
}

/// What a bundle has of a log.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bundled {
    #[serde(default, deserialize_with = "number")]
    log_index: i64,
    log_id: Option<LogId>,
    #[serde(default, deserialize_with = "number")]
    integrated_time: i64,
    inclusion_promise: Option<Promise>,
    #[serde(default)]
    canonicalized_body: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogId {
    key_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Promise {
    signed_entry_timestamp: String,
}

/// Numbers of 64 bits are texts in the JSON of protobuf.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let read = value.as_i64().or_else(|| value.as_str()?.parse().ok());
    read.ok_or_else(|| serde::de::Error::custom("no whole number"))
}

const UNREAD: &str = "its entry of the log cannot be read";

fn decoded(text: &str) -> Result<Vec<u8>, String> {
    STANDARD.decode(text).map_err(|_| UNREAD.to_owned())
}

fn of_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pair = |pair: &[u8]| match pair {
        [high, low] => u8::try_from(digit(*high)? * 16 + digit(*low)?).ok(),
        _ => None,
    };
    text.as_bytes().chunks(2).map(pair).collect()
}

impl Entry {
    /// Reads the annotation `dev.sigstore.cosign/bundle`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of_annotation(text: &str) -> Result<Entry, String> {
        let Annotation { promise, payload } = serde_json::from_str(text).map_err(|_| UNREAD)?;
        let Payload { body, integrated_time, log_index, log_id } = payload;
        let log = of_hex(&log_id).ok_or(UNREAD)?;
        Ok(Entry { body: decoded(&body)?, time: integrated_time, index: log_index, log, promise: decoded(&promise)? })
    }

    /// Reads what a bundle has; none where the log promises nothing, as the second version of Rekor.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of_bundled(bundled: &Bundled) -> Result<Option<Entry>, String> {
        let Bundled { log_index, log_id, integrated_time, inclusion_promise, canonicalized_body } = bundled;
        let (Some(LogId { key_id }), Some(Promise { signed_entry_timestamp })) = (log_id, inclusion_promise) else {
            return Ok(None);
        };
        let (body, log, promise) = (decoded(canonicalized_body)?, decoded(key_id)?, decoded(signed_entry_timestamp)?);
        Ok(Some(Entry { body, time: *integrated_time, index: *log_index, log, promise }))
    }

    /// What the log signed as its promise: JSON in the canonical form (RFC 8785).
    pub(super) fn promised(&self) -> Vec<u8> {
        let Entry { body, time, index, log, promise: _ } = self;
        let log: String = log.iter().map(|byte| format!("{byte:02x}")).collect();
        let body = STANDARD.encode(body);
        format!(r#"{{"body":"{body}","integratedTime":{time},"logID":"{log}","logIndex":{index}}}"#).into_bytes()
    }

    /// Whether it notes this signature, by this certificate, of this.
    pub(super) fn is_about(
        &self,
        record: &Record<'_>,
        signature: &[u8],
        certificate: &CertificateDer<'_>,
    ) -> Result<(), &'static str> {
        let body: Value = serde_json::from_slice(&self.body).map_err(|_| "what the log noted is no JSON")?;
        let text = |value: &Value, pointer: &str| value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let bytes = |value: &Value, pointer: &str| STANDARD.decode(text(value, pointer)?).ok();
        let by = |value: &Value, pointer: &str| {
            let pem = String::from_utf8(bytes(value, pointer)?).ok()?;
            of_pem(&pem).ok()?.into_iter().next()
        };
        let digest = |pointer: &str, of: &[u8]| {
            text(&body, &format!("{pointer}/algorithm")).as_deref() == Some("sha256")
                && text(&body, &format!("{pointer}/value")) == Some(Digest::of(of).to_string())
        };
        let (same_content, same_signature, same_certificate) = match (text(&body, "/kind").as_deref(), record) {
            (Some("hashedrekord"), Record::Message(message)) => (
                digest("/spec/data/hash", message),
                bytes(&body, "/spec/signature/content").as_deref() == Some(signature),
                by(&body, "/spec/signature/publicKey/content").as_ref() == Some(certificate),
            ),
            (Some("dsse"), Record::Envelope(payload)) => {
                let signatures = body.pointer("/spec/signatures").and_then(Value::as_array);
                let mut signatures = signatures.map_or(&[][..], Vec::as_slice).iter();
                let noted = signatures.find(|noted| bytes(noted, "/signature").as_deref() == Some(signature));
                let certified = noted.and_then(|noted| by(noted, "/verifier"));
                (digest("/spec/payloadHash", payload), noted.is_some(), certified.as_ref() == Some(certificate))
            }
            _ => return Err("what the log noted is of another sort than the signature"),
        };
        if !same_content {
            return Err("the log noted a signature of something else");
        }
        if !same_signature {
            return Err("the log noted another signature");
        }
        match same_certificate {
            true => Ok(()),
            false => Err("the log noted a signature by another certificate"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn annotation(log: &str, body: &str) -> String {
        let payload = json!({"body": body, "integratedTime": 1_700_000_000, "logIndex": 7, "logID": log});
        json!({"SignedEntryTimestamp": "AQI=", "Payload": payload}).to_string()
    }

    #[test]
    fn what_a_log_promised_is_json_in_its_canonical_form() {
        let entry = Entry::of_annotation(&annotation("0aff", "e30=")).unwrap();
        let promised = r#"{"body":"e30=","integratedTime":1700000000,"logID":"0aff","logIndex":7}"#;
        assert_eq!(String::from_utf8(entry.promised()).unwrap(), promised);
        assert_eq!((entry.log, entry.promise, entry.time), (vec![0x0a, 0xff], vec![1, 2], 1_700_000_000));
    }

    #[test]
    fn the_same_entry_is_read_from_a_bundle_where_numbers_are_texts() {
        let bundled = json!({
            "logIndex": "7", "logId": {"keyId": "Cv8="}, "integratedTime": "1700000000",
            "inclusionPromise": {"signedEntryTimestamp": "AQI="}, "canonicalizedBody": "e30=",
        });
        let read = |value: Value| Entry::of_bundled(&serde_json::from_value(value).unwrap());
        assert_eq!(read(bundled.clone()), Entry::of_annotation(&annotation("0aff", "e30=")).map(Some));
        let mut bare = bundled;
        bare.as_object_mut().unwrap().remove("inclusionPromise");
        assert_eq!(read(bare), Ok(None));
    }

    #[test]
    fn an_entry_that_cannot_be_read_is_none() {
        for text in ["", "{}", &annotation("0af", "e30="), &annotation("xy", "e30="), &annotation("0aff", "?")] {
            assert_eq!(Entry::of_annotation(text).unwrap_err(), UNREAD, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_body_of_a_strangers_entry_is_about_a_signature_it_does_not_name(body in any::<Vec<u8>>(), message in any::<Vec<u8>>()) {
            let entry = Entry { body, time: 0, index: 0, log: Vec::new(), promise: Vec::new() };
            let certificate = CertificateDer::from(vec![1]);
            for record in [Record::Message(&message), Record::Envelope(&message)] {
                prop_assert!(entry.is_about(&record, b"signature", &certificate).is_err());
            }
        }
    }
}

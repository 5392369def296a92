#![allow(clippy::unwrap_used)]
use super::message::VALUES;
use super::*;
use crate::builtin;
use base64::Engine as _;
use proptest::prelude::*;
use serde_json::json;

const BODIES: &str = include_str!("../../../fixtures/protobuf/bodies.json");

/// What a real kubectl sent: command, body, object.
fn recorded() -> Vec<(String, Vec<u8>, Value)> {
    let bodies: Vec<Value> = serde_json::from_str(BODIES).unwrap();
    let decode = |text: &Value| base64::engine::general_purpose::STANDARD.decode(text.as_str().unwrap()).unwrap();
    bodies
        .iter()
        .map(|b| (b["command"].as_str().unwrap().to_owned(), decode(&b["body"]), b["object"].clone()))
        .collect()
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let byte = u8::try_from(number & 0x7f).unwrap();
        number >>= 7;
        if number == 0 {
            out.push(byte);
            return out;
        }
        out.push(byte | 0x80);
    }
}

fn number(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
}

fn bytes(field: u64, value: impl AsRef<[u8]>) -> Vec<u8> {
    let value = value.as_ref();
    [varint(field << 3 | 2), varint(u64::try_from(value.len()).unwrap()), value.to_vec()].concat()
}

fn body(api_version: &str, kind: &str, object: &[u8]) -> Vec<u8> {
    let type_meta = [bytes(1, api_version), bytes(2, kind)].concat();
    [MAGIC.to_vec(), bytes(1, type_meta), bytes(2, object), bytes(3, ""), bytes(4, "")].concat()
}

fn read(api_version: &str, kind: &str, object: &[u8]) -> Result<Value, Error> {
    document(&body(api_version, kind, object)).map(|document| document.value)
}

/// A Pod with these bytes as its spec.
fn pod_spec(spec: &[u8]) -> Result<Value, Error> {
    read("v1", "Pod", &bytes(2, spec)).map(|pod| pod["spec"].clone())
}

fn pruned(mut value: Value) -> Value {
    let (version, kind) = (value["apiVersion"].as_str().unwrap(), value["kind"].as_str().unwrap());
    let group = version.split_once('/').map_or("core", |(group, _)| group.split('.').next().unwrap());
    let name = match kind {
        "DeleteOptions" => "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions".to_owned(),
        kind => format!("io.k8s.api.{group}.v1.{kind}"),
    };
    let schema = builtin::schema(&name).unwrap();
    assert_eq!(schema.unknown_fields(&value), Vec::<String>::new());
    assert_eq!(schema.decode_error(&value), None);
    schema.prune(&mut value);
    value
}

#[test]
fn what_a_real_kubectl_sends_is_what_it_says_in_json() {
    let recorded = recorded();
    assert!(recorded.len() >= 20);
    for (command, body, object) in recorded {
        let got = document(&body).unwrap_or_else(|e| panic!("{command}: {e}"));
        assert_eq!(pruned(got.value), pruned(object), "{command}");
    }
}

#[test]
fn times_are_written_as_in_json() {
    let timestamp = |seconds: u64, nanos: u64| [number(1, seconds), number(2, nanos)].concat();
    let spec = |time: Vec<u8>| bytes(2, bytes(4, time));
    let lease = |time| read("coordination.k8s.io/v1", "Lease", &spec(time)).map(|l| l["spec"]["renewTime"].clone());
    // Field 4 of a Lease's spec, renewTime, is a MicroTime.
    assert_eq!(lease(timestamp(1_700_000_000, 123_456_789)).unwrap(), "2023-11-14T22:13:20.123456Z");
    assert_eq!(lease(timestamp(0, 0)).unwrap(), "1970-01-01T00:00:00.000000Z");
    let meta = |time: Vec<u8>| read("v1", "Pod", &bytes(1, bytes(8, time))).map(|pod| pod["metadata"].clone());
    assert_eq!(meta(timestamp(1_700_000_000, 5)).unwrap(), json!({"creationTimestamp": "2023-11-14T22:13:20Z"}));
    assert_eq!(meta(Vec::new()).unwrap(), json!({}));
    assert_eq!(meta(timestamp((-62_135_596_800_i64).cast_unsigned(), 0)).unwrap(), json!({}));
    let error = meta(timestamp(u64::MAX >> 1, 0)).unwrap_err();
    assert!(matches!(&error, Error::Object { at, why: Broken::Time(_), .. } if at == "metadata.creationTimestamp"));
    assert!(lease(timestamp(1, u64::MAX)).is_err(), "negative fractions are no time");
}

#[test]
fn ints_or_strings_are_either() {
    let port = |value: Vec<u8>| {
        read("v1", "Service", &bytes(2, bytes(1, bytes(4, value)))).map(|s| s["spec"]["ports"][0]["targetPort"].clone())
    };
    assert_eq!(port([number(1, 0), number(2, 8080), bytes(3, "")].concat()).unwrap(), 8080);
    assert_eq!(port([number(1, 1), number(2, 0), bytes(3, "http")].concat()).unwrap(), "http");
    let error = port(number(1, 2)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Service in version \"v1\" cannot be decoded from protobuf: spec.ports[0].targetPort: impossible type 2 of an int-or-string"
    );
}

#[test]
fn numbers_keep_their_sign_and_width() {
    let minus_one = u64::MAX;
    assert_eq!(pod_spec(&number(25, minus_one)).unwrap(), json!({"priority": -1}));
    assert_eq!(pod_spec(&number(4, minus_one)).unwrap(), json!({"terminationGracePeriodSeconds": -1}));
    assert_eq!(pod_spec(&number(25, (1 << 32) | 7)).unwrap(), json!({"priority": 7}));
}

#[test]
fn lists_of_numbers_come_one_by_one_or_packed() {
    let one_by_one = [number(4, 1), number(4, 300)].concat();
    let packed = bytes(4, [varint(1), varint(300)].concat());
    for groups in [one_by_one, packed] {
        let want = json!({"securityContext": {"supplementalGroups": [1, 300]}});
        assert_eq!(pod_spec(&bytes(14, groups)).unwrap(), want);
    }
}

#[test]
fn messages_in_parts_are_put_together() {
    let parts = [bytes(2, bytes(10, "n1")), bytes(2, number(11, 1))].concat();
    assert_eq!(read("v1", "Pod", &parts).unwrap()["spec"], json!({"nodeName": "n1", "hostNetwork": true}));
}

#[test]
fn unknown_fields_are_skipped_whatever_their_wire_type() {
    let group = [varint(900 << 3 | 3), number(1, 5), bytes(2, "x"), varint(900 << 3 | 4)].concat();
    let fixed = [varint(901 << 3 | 1), vec![0; 8], varint(902 << 3 | 5), vec![0; 4]].concat();
    let spec = [group, fixed, number(903, 1), bytes(904, "x"), bytes(10, "n1")].concat();
    assert_eq!(pod_spec(&spec).unwrap(), json!({"nodeName": "n1"}));
}

#[test]
fn broken_bytes_are_told_with_the_field() {
    let at = |result: Result<Value, Error>| match result.unwrap_err() {
        Error::Object { at, why, .. } => (at, why),
        other => panic!("{other}"),
    };
    assert_eq!(at(pod_spec(&bytes(2, bytes(1, [0xff])))), ("spec.containers[0].name".to_owned(), Broken::Text));
    assert_eq!(at(pod_spec(&number(10, 1))), ("spec.nodeName".to_owned(), Broken::Type(0)));
    assert_eq!(at(pod_spec(&[0x52, 9])), ("spec".to_owned(), Broken::Truncated));
    assert_eq!(at(pod_spec(&[0])), ("spec".to_owned(), Broken::Field(0)));
    assert_eq!(at(pod_spec(&[0xff; 11])), ("spec".to_owned(), Broken::Number));
    assert_eq!(at(pod_spec(&[0x56])), ("spec".to_owned(), Broken::Type(6)));
    assert_eq!(at(pod_spec(&[0x54])), ("spec".to_owned(), Broken::Group));
    assert_eq!(at(read("v1", "Pod", &[0x80])), (".".to_owned(), Broken::Truncated));
    assert_eq!(at(pod_spec(&varint(900 << 3 | 3).repeat(101))), ("spec".to_owned(), Broken::Depth(100)));
}

#[test]
fn a_small_body_cannot_grow_without_bound() {
    let empty_containers = bytes(2, "").repeat(VALUES + 1);
    assert!(matches!(pod_spec(&empty_containers), Err(Error::Object { why: Broken::Values(VALUES), .. })));
    let bomb = bytes(1, "[".repeat(100_000));
    let managed = bytes(1, bytes(17, bytes(7, bomb)));
    let error = read("v1", "Pod", &managed).unwrap_err();
    assert!(matches!(error, Error::Object { why: Broken::Json, .. }), "{error}");
}

#[test]
fn envelopes_must_name_a_kind_that_is_known() {
    assert_eq!(document(b"{\"kind\":\"Pod\"}").err(), Some(Error::Magic));
    assert_eq!(document(b"").err(), Some(Error::Magic));
    assert_eq!(document(MAGIC).err(), Some(Error::NoKind));
    assert_eq!(document(&[MAGIC, &[0x0a, 9]].concat()).err(), Some(Error::Envelope(Broken::Truncated)));
    assert!(matches!(read("example.com/v1", "Pod", b""), Err(Error::UnknownKind { .. })));
    let mut packed = body("v1", "Pod", b"");
    packed.extend(bytes(3, "gzip"));
    assert_eq!(document(&packed).err(), Some(Error::Encoding("gzip".to_owned())));
    assert_eq!(read("v1", "Pod", b"").unwrap(), json!({"apiVersion": "v1", "kind": "Pod"}));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let told = document(&bytes).err().map(|e| e.to_string());
        prop_assert_ne!(told, Some(String::new()));
        for kind in ["Pod", "DeleteOptions", "Node", "Event"] {
            let told = read("v1", kind, &bytes).err().map(|e| e.to_string());
            prop_assert_ne!(told, Some(String::new()));
        }
    }

    #[test]
    fn damaged_bodies_are_read_or_refused(
        which in any::<prop::sample::Index>(),
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        end in any::<prop::sample::Index>(),
    ) {
        let recorded = recorded();
        let mut body = recorded[which.index(recorded.len())].1.clone();
        for (place, byte) in flips {
            let place = place.index(body.len());
            body[place] ^= byte;
        }
        for body in [&body[..], &body[..end.index(body.len())]] {
            match document(body) {
                Ok(document) => prop_assert!(document.value.is_object()),
                Err(error) => prop_assert!(!error.to_string().is_empty()),
            }
        }
    }
}

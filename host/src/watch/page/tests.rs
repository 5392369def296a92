#![allow(clippy::unwrap_used)]

use super::*;

fn kind() -> Kind {
    Kind::new("", "v1", "Pod")
}

fn key() -> FingerprintKey {
    FingerprintKey::new([0; 32])
}

fn read_line(text: &str) -> Result<Line, Failure> {
    line(&kind(), text.as_bytes(), &key())
}

#[test]
fn c8_an_object_that_cannot_be_read_does_not_spoil_a_page() {
    let text = r#"{"kind":"PodList","metadata":{"resourceVersion":"9","continue":"token"},"items":[
        {"metadata":{"name":"a","namespace":"d","uid":"u","resourceVersion":"3"}},
        {"metadata":null}, 7, null, [[]],
        {"metadata":{"name":"b","namespace":"d"}},
        {"kind":"Secret","apiVersion":"v1","metadata":{"name":"c","uid":"v","resourceVersion":"4"}},
        {"metadata":{"name":"e","uid":"w","resourceVersion":"5"}}]}"#;
    let page = page(&kind(), text, &key()).unwrap_or_else(|failure| panic!("{failure:?}"));
    let names: Vec<_> = page.objects.iter().map(|object| object.key.name.as_str()).collect();
    assert_eq!((names.as_slice(), page.version.as_str(), page.next.as_deref()), (&["a", "e"][..], "9", Some("token")));
    let named: Vec<_> = page.unreadable.iter().filter_map(|unreadable| unreadable.key.clone()).collect();
    assert_eq!(page.unreadable.len(), 6);
    assert_eq!(named, [ObjectKey { kind: kind(), namespace: Some("d".into()), name: "b".into() }]);
}

#[test]
fn a_page_without_items_is_empty_and_one_without_version_is_none() {
    let empty = page(&kind(), r#"{"metadata":{"resourceVersion":"9","continue":""},"items":null}"#, &key());
    assert!(empty.is_ok_and(|page| page.objects.is_empty() && page.next.is_none()));
    for text in [r#"{"metadata":{},"items":[]}"#, "<html>", "", r#"{"metadata":{"resourceVersion":"9"},"items":[{"#] {
        assert!(matches!(page(&kind(), text, &key()), Err(Failure::Failed(_))), "D5: {text}");
    }
}

#[test]
fn lines_of_a_watch_are_read_whatever_the_order_of_their_fields() {
    let object = r#"{"metadata":{"name":"a","uid":"u","resourceVersion":"3"}}"#;
    for text in
        [format!(r#"{{"type":"ADDED","object":{object}}}"#), format!(r#"{{"object":{object},"type":"MODIFIED"}}"#)]
    {
        assert!(matches!(read_line(&text), Ok(Line::Apply(_))), "{text}");
    }
    let deleted = read_line(&format!(r#"{{"type":"DELETED","object":{object}}}"#));
    assert!(matches!(deleted, Ok(Line::Delete(key, version)) if key.name == "a" && version == "3"));
    let bookmark = r#"{"type":"BOOKMARK","object":{"kind":"Pod","metadata":{"resourceVersion":"12"}}}"#;
    assert!(matches!(read_line(bookmark), Ok(Line::Bookmark(version)) if version == "12"));
}

#[test]
fn c8_an_event_about_an_object_that_cannot_be_read_still_tells_its_version() {
    let text = r#"{"type":"MODIFIED","object":{"metadata":{"resourceVersion":"12"}}}"#;
    let Ok(Line::Unreadable(unreadable)) = read_line(text) else { panic!("{text}") };
    assert_eq!(unreadable.version.as_deref(), Some("12"));
    assert!(matches!(read_line(r#"{"type":"ADDED","object":{"metadata":null}}"#), Ok(Line::Unreadable(_))));
    assert!(matches!(read_line(r#"{"type":"NEW","object":{}}"#), Ok(Line::Unknown(kind)) if kind == "NEW"));
}

#[test]
fn c4_an_error_event_says_whether_to_list_again() {
    let error = |status: &str| match read_line(&format!(r#"{{"type":"ERROR","object":{status}}}"#)) {
        Ok(Line::Failed(failure)) => failure,
        _ => panic!("{status}"),
    };
    assert_eq!(error(r#"{"code":410,"message":"too old"}"#), Failure::Gone);
    assert_eq!(error(r#"{"reason":"Expired"}"#), Failure::Gone);
    let throttled = error(r#"{"code":429,"details":{"retryAfterSeconds":7}}"#);
    assert_eq!(throttled, Failure::Throttled(Duration::from_secs(7)));
    assert!(matches!(error(r#"{"code":500,"message":"x"}"#), Failure::Failed(_)));
    assert!(matches!(error("7"), Failure::Failed(_)));
    assert!(matches!(read_line(r#"{"type":"ADDED","obj"#), Err(Failure::Failed(_))), "D5: cut off");
}

proptest::proptest! {
    #[test]
    fn f1_no_text_makes_the_reader_panic(text in r#"[\[\]{}":,a-zA-Z0-9 ]{0,200}"#) {
        let _ = page(&kind(), &text, &key());
        let _ = read_line(&text);
        let _ = read_line(&format!(r#"{{"type":"ADDED","object":{text}}}"#));
    }
}

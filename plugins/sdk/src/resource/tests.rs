use super::*;
use proptest::prelude::*;

#[derive(Debug, PartialEq, Deserialize)]
struct Spec {
    name: String,
    #[serde(default)]
    parts: Vec<Part>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Part {
    count: u32,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
struct Status {
    #[serde(default)]
    phase: String,
}

fn parse(text: &str) -> Result<Resource<Spec, Status>, Vec<FieldError>> {
    Resource::parse(text)
}

/// The path and the message of the one error.
fn error(text: &str) -> (String, String) {
    let errors = parse(text).unwrap_err();
    assert_eq!(errors.len(), 1, "{errors:?}");
    (errors[0].path.clone(), errors[0].message.clone())
}

#[test]
fn a_resource_is_read_with_its_metadata() {
    let resource = parse(
        r#"{"metadata":{"name":"a","namespace":"b","uid":"c","generation":4,"labels":{"x":"y"}},"spec":{"name":"n"},"status":{"phase":"p"}}"#,
    )
    .unwrap();
    assert_eq!((resource.metadata.name.as_str(), resource.metadata.generation), ("a", 4));
    assert_eq!((resource.spec.name.as_str(), resource.status.phase.as_str()), ("n", "p"));
}

#[test]
fn an_error_says_where_it_is() {
    let spec = |spec: &str| error(&format!(r#"{{"metadata":{{"name":"a"}},"spec":{spec}}}"#)).0;
    assert_eq!(spec(r#"{"name":1}"#), "spec.name");
    assert_eq!(spec(r#"{"name":"a","parts":[{"count":1},{"count":-1}]}"#), "spec.parts[1].count");
    assert_eq!(spec("{}"), "spec");
    assert_eq!(spec("7"), "spec");
    assert_eq!(error(r#"{"spec":{"name":"a"}}"#).0, "metadata.name");
    assert_eq!(error("[]").0, "");
    assert_eq!(error("{").0, "");
}

#[test]
fn a_number_where_text_belongs_asks_for_quotes() {
    assert!(error(r#"{"metadata":{"name":"a"},"spec":{"name":8.0}}"#).1.ends_with("put the value in quotes"));
}

#[test]
fn null_fields_count_as_absent_at_every_depth() {
    let resource = parse(r#"{"metadata":{"name":"a","labels":null},"spec":{"name":"n","parts":null},"status":null}"#);
    assert_eq!(resource.unwrap().spec.parts, Vec::new());
}

#[test]
fn a_status_of_another_form_counts_as_none() {
    let resource = parse(r#"{"metadata":{"name":"a"},"spec":{"name":"n"},"status":{"phase":[1]}}"#);
    assert_eq!(resource.unwrap().status, Status::default());
}

proptest! {
    #[test]
    fn any_text_is_answered(text in "\\PC{0,100}") {
        let _ = parse(&text);
    }
}

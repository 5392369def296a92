//! One sentence per situation.
#![allow(clippy::unwrap_used)]

use super::*;
use serde_json::json;

fn status(code: u16, reason: &str, message: &str, details: serde_json::Value) -> Vec<u8> {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message,
        "details": details})
    .to_string()
    .into_bytes()
}

#[test]
fn a_conflict_of_resource_versions_asks_for_a_new_look() {
    let body = status(409, "Conflict", "the object has been modified", json!({"name": "a"}));
    let failure = classify(409, None, &body);
    assert_eq!(failure.class(), Class::Observe);
    assert_eq!(failure.reason(), "Changed");
}

#[test]
fn an_apply_conflict_names_field_and_manager() {
    let body = status(
        409,
        "Conflict",
        "Apply failed with 1 conflict",
        json!({"name": "a", "causes": [{"reason": "FieldManagerConflict", "field": ".spec.replicas",
            "message": "conflict with \"kubectl-edit\" using apps/v1"}]}),
    );
    let failure = classify(409, None, &body);
    assert_eq!(
        failure,
        Failure::FieldConflict(vec![FieldOwner {
            field: ".spec.replicas".into(),
            manager: "kubectl-edit".into(),
            edited: true
        }])
    );
    assert_eq!(failure.to_string(), "fields belong to other managers: .spec.replicas is owned by kubectl-edit");
    assert_eq!(failure.class(), Class::Parked);
}

#[test]
fn who_edits_is_told_from_who_declares() {
    let edited = |message: &str| owner_of(".spec.replicas", message);
    for (message, manager, is_edit) in [
        (r#"conflict with "kubectl-edit" using apps/v1"#, "kubectl-edit", true),
        (r#"conflict with "kubectl" with subresource "scale" using apps/v1"#, "kubectl", true),
        (r#"conflict with "kubectl" using apps/v1 at 2026-01-01T00:00:00Z"#, "kubectl", true),
        (r#"conflict with "argo""#, "argo", false),
        (r#"conflict with "argo" with subresource "scale""#, "argo", false),
    ] {
        let FieldOwner { manager: found, edited, .. } = edited(message);
        assert_eq!((found.as_str(), edited), (manager, is_edit), "{message}");
    }
}

#[test]
fn an_existing_object_is_told_from_a_conflict() {
    let body = status(409, "AlreadyExists", "exists", json!({"name": "a"}));
    assert_eq!(classify(409, None, &body), Failure::AlreadyExists);
}

#[test]
fn a_rejected_body_is_never_sent_again() {
    for code in [400, 413, 415, 422] {
        let body = status(code, "Invalid", "spec.x: Invalid value", json!({"name": "a"}));
        assert_eq!(classify(code, None, &body).class(), Class::Terminal);
    }
}

#[test]
fn an_apply_that_does_not_fit_the_schema_is_rejected_although_the_server_says_500() {
    let message =
        "failed to create typed patch object (/s; apps/v1, Kind=StatefulSet): .bogus: field not declared in schema";
    assert_eq!(classify(500, None, &status(500, "", message, json!({}))).class(), Class::Terminal);
}

#[test]
fn the_three_kinds_of_forbidden_are_told_apart() {
    let terminating = status(
        403,
        "Forbidden",
        "because it is being terminated",
        json!({"name": "a", "causes": [{"reason": "NamespaceTerminating"}]}),
    );
    assert_eq!(classify(403, None, &terminating), Failure::NamespaceTerminating);
    let quota = status(403, "Forbidden", "exceeded quota: compute", json!({"name": "a"}));
    assert_eq!(classify(403, None, &quota).reason(), "QuotaExceeded");
    let denied = status(403, "Forbidden", "cannot create", json!({"name": "a"}));
    assert_eq!(classify(403, None, &denied).reason(), "Forbidden");
}

#[test]
fn an_unserved_kind_is_told_from_an_absent_object() {
    assert_eq!(classify(404, None, b"404 page not found\n"), Failure::NotServed);
    let absent = status(404, "NotFound", "pods \"a\" not found", json!({"name": "a", "kind": "pods"}));
    assert_eq!(classify(404, None, &absent), Failure::NotFound);
    let page = status(404, "NotFound", "the server could not find the requested resource", json!({}));
    assert_eq!(classify(404, None, &page), Failure::NotServed);
}

#[test]
fn retry_after_is_read_from_the_header_and_else_from_the_details() {
    let body = status(429, "TooManyRequests", "slow down", json!({"retryAfterSeconds": 7}));
    assert_eq!(classify(429, Some(3), &body), Failure::Throttled(Duration::from_secs(3)));
    assert_eq!(classify(429, None, &body), Failure::Throttled(Duration::from_secs(7)));
    assert_eq!(classify(429, None, b""), Failure::Throttled(DEFAULT_PAUSE));
    assert_eq!(classify(429, Some(u64::MAX), b""), Failure::Throttled(LONGEST_PAUSE));
}

#[test]
fn html_an_empty_body_and_every_server_error_are_an_unknown_outcome() {
    for (code, body) in [(502, &b"<html>bad gateway</html>"[..]), (500, b""), (504, b"{"), (503, b"")] {
        let failure = classify(code, None, body);
        assert_eq!(failure.reason(), "OutcomeUnknown", "{code}");
        assert_eq!(failure.class(), Class::Observe);
    }
}

#[test]
fn words_of_the_server_can_be_withheld() {
    let body = status(422, "Invalid", "data[password]: Invalid value: \"hunter2\"", json!({"name": "a"}));
    assert!(!classify(422, None, &body).without_text().to_string().contains("hunter2"));
}

#[test]
fn long_and_multi_line_messages_are_cut_and_flattened() {
    let body = status(422, "Invalid", &format!("a\nb{}", "é".repeat(2000)), json!({"name": "a"}));
    let text = classify(422, None, &body).to_string();
    assert!(text.len() < MESSAGE_LIMIT + 60);
    assert!(!text.contains('\n'));
}

#[test]
fn a_missing_right_is_told_also_where_the_body_holds_secrets_and_nothing_else_is() {
    let right = r#"secrets is forbidden: User "system:serviceaccount:a:b" cannot create resource "secrets" in API group "" in the namespace "shop""#;
    let cluster = r#"clusterroles "x" is forbidden: User "u" cannot patch resource "clusterroles" in API group "rbac" at the cluster scope"#;
    for text in [right, cluster] {
        assert_eq!(missing_right(text), Some(text));
        assert_eq!(missing_right(&format!("{text}: RBAC: role \"r\" not found")), Some(text));
        let failure = Failure::Forbidden(format!("{text}: hunter2"));
        assert_eq!(failure.without_text(), Failure::Forbidden(text.to_owned()));
    }
    for text in [
        r#"admission webhook "w" denied the request: password hunter2 is too short"#,
        r#"secrets "a" is forbidden: exceeded quota: hunter2"#,
        r#"pods "a" is forbidden: violates PodSecurity "restricted:latest""#,
        r#"a is forbidden: User "u" cannot see hunter2"#,
        "",
    ] {
        assert_eq!(missing_right(text), None);
        assert!(!Failure::Forbidden(text.into()).without_text().to_string().contains("hunter2"));
    }
}

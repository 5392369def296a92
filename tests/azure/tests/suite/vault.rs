//! Key Vault's data plane.

use super::*;

fn asker() -> Asker {
    Asker::new(Config::default().with_vault("kv"))
}

fn send(azure: &Asker, method: &str, path: &str, body: Value) -> Reply {
    let request = Request::new(method, &format!("{path}?api-version=7.4"));
    azure.send(&Site::Vault("kv".into()), if body.is_null() { request } else { request.json(&body) })
}

fn inner(reply: &Reply) -> &str {
    reply.body.as_ref().unwrap()["error"]["innererror"]["code"].as_str().unwrap_or_default()
}

#[test]
fn every_put_makes_a_version_and_get_returns_the_last() {
    let azure = asker();
    let first =
        send(&azure, "PUT", "/secrets/a", json!({ "value": "1", "contentType": "text/plain", "tags": { "t": "1" } }));
    let id = first.body.as_ref().unwrap()["id"].as_str().unwrap().to_owned();
    send(&azure, "PUT", "/secrets/a", json!({ "value": "2" }));
    assert_eq!(send(&azure, "GET", "/secrets/a", Value::Null).body.unwrap()["value"], "2");
    let version = id.rsplit('/').next().unwrap();
    let old = send(&azure, "GET", &format!("/secrets/a/{version}"), Value::Null).body.unwrap();
    assert_eq!((&old["value"], &old["tags"]["t"]), (&json!("1"), &json!("1")));
    let all = send(&azure, "GET", "/secrets/a/versions", Value::Null).body.unwrap();
    assert_eq!(all["value"].as_array().unwrap().len(), 2);
    assert!(!all.to_string().contains("\"value\":\"1\""), "lists have no values");
    assert_eq!((azure.cloud.vault_versions("kv", "a"), azure.cloud.vault_value("kv", "a")), (2, Some("2".into())));
}

#[test]
fn names_and_values_are_checked() {
    let azure = asker();
    assert_eq!(code(&send(&azure, "PUT", "/secrets/a_b", json!({ "value": "1" }))), (400, "BadParameter"));
    assert_eq!(code(&send(&azure, "PUT", "/secrets/a", json!({}))), (400, "BadParameter"));
    assert_eq!(code(&send(&azure, "PUT", "/secrets/a", json!({ "value": "x".repeat(25_001) }))), (400, "BadParameter"));
    assert_eq!(code(&send(&azure, "GET", "/secrets/a", Value::Null)), (404, "SecretNotFound"));
}

#[test]
fn a_deleted_secret_keeps_its_name_until_it_is_recovered() {
    let azure = asker();
    send(&azure, "PUT", "/secrets/a", json!({ "value": "1" }));
    let deleted = send(&azure, "DELETE", "/secrets/a", Value::Null);
    assert!(deleted.body.unwrap()["recoveryId"].as_str().unwrap().ends_with("/deletedsecrets/a"));
    let put = || send(&azure, "PUT", "/secrets/a", json!({ "value": "2" }));
    let busy = put();
    assert_eq!((busy.status, inner(&busy)), (409, "ObjectIsBeingDeleted"));
    assert_eq!(send(&azure, "GET", "/deletedsecrets/a", Value::Null).status, 404, "not yet");
    azure.wait(4);
    assert_eq!(send(&azure, "GET", "/secrets/a", Value::Null).status, 404);
    assert_eq!(send(&azure, "GET", "/deletedsecrets/a", Value::Null).status, 200);
    let kept = put();
    assert_eq!((code(&kept), inner(&kept)), ((409, "Conflict"), "ObjectIsDeletedButRecoverable"));
    assert_eq!(send(&azure, "POST", "/deletedsecrets/a/recover", Value::Null).status, 200);
    assert_eq!(send(&azure, "GET", "/secrets/a", Value::Null).status, 404, "it takes a while");
    assert_eq!(inner(&put()), "ObjectIsBeingRecovered");
    azure.wait(4);
    assert_eq!(send(&azure, "GET", "/secrets/a", Value::Null).body.unwrap()["value"], "1");
    assert_eq!(put().status, 200);
}

#[test]
fn only_a_purge_takes_a_secret_away_for_good() {
    let azure = asker();
    send(&azure, "PUT", "/secrets/a", json!({ "value": "1" }));
    assert_eq!(send(&azure, "DELETE", "/deletedsecrets/a", Value::Null).status, 404, "it is not deleted");
    send(&azure, "DELETE", "/secrets/a", Value::Null);
    azure.wait(4);
    assert_eq!(send(&azure, "DELETE", "/deletedsecrets/a", Value::Null).status, 204);
    assert_eq!(send(&azure, "POST", "/deletedsecrets/a/recover", Value::Null).status, 404);
    assert_eq!(azure.cloud.vault_versions("kv", "a"), 0);
}

#[test]
fn a_disabled_secret_cannot_be_read() {
    let azure = asker();
    let put = send(&azure, "PUT", "/secrets/a", json!({ "value": "1" })).body.unwrap();
    let version = put["id"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let change = json!({ "attributes": { "enabled": false } });
    assert_eq!(send(&azure, "PATCH", &format!("/secrets/a/{version}"), change).status, 200);
    let reply = send(&azure, "GET", "/secrets/a", Value::Null);
    assert_eq!((reply.status, inner(&reply)), (403, "SecretDisabled"));
}

#[test]
fn a_principal_without_a_role_on_the_vault_is_refused() {
    let mut config = Config::default().with_vault("kv");
    config.principals[0].vaults = vec!["another".into()];
    let reply = send(&Asker::new(config), "GET", "/secrets/a", Value::Null);
    assert_eq!((reply.status, inner(&reply)), (403, "ForbiddenByRbac"));
}

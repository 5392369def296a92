//! Requests in the name of somebody else: who may make them, and whose rights count then.

use crate::client;
use crate::stage::{MAPS, Stage, config_map};
use serde_json::{Value, json};

const CALLER: &str = "system:serviceaccount:default:caller";

/// A server with an account, and its token.
async fn caller() -> (Stage, String) {
    let stage = Stage::start().await;
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "caller"}});
    assert_eq!(stage.post("/api/v1/namespaces/default/serviceaccounts", account).await.0, 201);
    let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
    let (code, answer) = stage.post("/api/v1/namespaces/default/serviceaccounts/caller/token", request).await;
    assert_eq!(code, 201, "{answer}");
    let token = answer["status"]["token"].as_str().unwrap().to_owned();
    (stage, token)
}

/// Lets a subject do something everywhere.
async fn allow(stage: &Stage, name: &str, rule: Value, subject: Value) {
    let rbac = "/apis/rbac.authorization.k8s.io/v1";
    let metadata = json!({ "name": name });
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": metadata, "rules": [rule]});
    assert_eq!(stage.post(&format!("{rbac}/clusterroles"), role).await.0, 201);
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": metadata,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}, "subjects": [subject],
    });
    assert_eq!(stage.post(&format!("{rbac}/clusterrolebindings"), binding).await.0, 201);
}

fn account() -> Value {
    json!({"kind": "ServiceAccount", "namespace": "default", "name": "caller"})
}

fn impersonation(resource: &str, group: &str, name: &str) -> Value {
    json!({"apiGroups": [group], "resources": [resource], "verbs": ["impersonate"], "resourceNames": [name]})
}

/// A request with more headers.
async fn send(
    stage: &Stage,
    method: &str,
    path: &str,
    token: &str,
    more: &[(&str, &str)],
    body: Value,
) -> (u16, Value) {
    let address = stage.server.url().trim_start_matches("http://").to_owned();
    let bearer = format!("Bearer {token}");
    let mut headers =
        vec![("content-type", "application/json"), ("accept", "application/json"), ("authorization", &bearer)];
    headers.extend(more);
    let body = (!body.is_null()).then(|| body.to_string().into_bytes());
    let reply = client::send(&address, method, path, &headers, body).await.unwrap();
    (reply.status, reply.json())
}

/// Who the server takes a request to be from.
async fn who(stage: &Stage, token: &str, more: &[(&str, &str)]) -> (u16, Value) {
    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    send(stage, "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", token, more, review).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_is_impersonated_by_name_and_has_its_own_groups_then() {
    let (stage, token) = caller().await;
    let app = [("impersonate-user", "system:serviceaccount:shop:app")];
    let (code, refusal) = who(&stage, &token, &app).await;
    assert_eq!((code, refusal["reason"].as_str().unwrap()), (403, "Forbidden"));
    assert_eq!(
        refusal["message"],
        format!(
            "serviceaccounts \"app\" is forbidden: User \"{CALLER}\" cannot impersonate resource \"serviceaccounts\" in API \
             group \"\" in the namespace \"shop\""
        )
    );
    allow(&stage, "as-app", impersonation("serviceaccounts", "", "app"), account()).await;
    let (code, review) = who(&stage, &token, &app).await;
    assert_eq!(code, 201, "{review}");
    let user = &review["status"]["userInfo"];
    assert_eq!(user["username"], "system:serviceaccount:shop:app");
    assert_eq!(
        user["groups"],
        json!(["system:serviceaccounts", "system:serviceaccounts:shop", "system:authenticated"])
    );
    // No other account, and no user of that name.
    for other in ["system:serviceaccount:shop:other", "app", "system:admin"] {
        assert_eq!(who(&stage, &token, &[("impersonate-user", other)]).await.0, 403, "{other}");
    }
    stage.server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rights_that_count_are_those_of_whom_is_impersonated() {
    let (stage, token) = caller().await;
    allow(&stage, "as-app", impersonation("serviceaccounts", "", "app"), account()).await;
    let app = [("impersonate-user", "system:serviceaccount:shop:app")];
    let (code, refusal) = send(&stage, "POST", MAPS, &token, &app, config_map("a")).await;
    assert_eq!(code, 403);
    assert_eq!(
        refusal["message"],
        "configmaps is forbidden: User \"system:serviceaccount:shop:app\" cannot create resource \"configmaps\" in API group \
         \"\" in the namespace \"default\""
    );
    let rule = json!({"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create"]});
    allow(&stage, "app", rule, json!({"kind": "ServiceAccount", "namespace": "shop", "name": "app"})).await;
    assert_eq!(send(&stage, "POST", MAPS, &token, &app, config_map("a")).await.0, 201);
    assert_eq!(send(&stage, "POST", MAPS, &token, &[], config_map("b")).await.0, 403, "the caller itself may not");
    stage.server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_and_extra_fields_need_rights_of_their_own() {
    let (stage, token) = caller().await;
    allow(&stage, "as-eve", impersonation("users", "", "eve"), account()).await;
    let refused = async |more: &[(&str, &str)], words: &str| {
        let headers = [&[("impersonate-user", "eve")], more].concat();
        let (code, refusal) = who(&stage, &token, &headers).await;
        assert_eq!(code, 403, "{refusal}");
        assert_eq!(refusal["message"], format!("{words} at the cluster scope"));
    };
    let cannot = |what: &str, resource: &str, group: &str| {
        format!(
            "{what} is forbidden: User \"{CALLER}\" cannot impersonate resource \"{resource}\" in API group \"{group}\""
        )
    };
    refused(&[("impersonate-group", "dev")], &cannot("groups \"dev\"", "groups", "")).await;
    let extra = cannot("userextras.authentication.k8s.io \"view\"", "userextras/scopes", "authentication.k8s.io");
    refused(&[("impersonate-extra-scopes", "view")], &extra).await;
    let uid = cannot("uids.authentication.k8s.io \"1\"", "uids", "authentication.k8s.io");
    refused(&[("impersonate-uid", "1")], &uid).await;
    allow(&stage, "as-dev", impersonation("groups", "", "dev"), account()).await;
    allow(&stage, "as-view", impersonation("userextras/scopes", "authentication.k8s.io", "view"), account()).await;
    let headers = [("impersonate-user", "eve"), ("impersonate-group", "dev"), ("impersonate-extra-scopes", "view")];
    let (code, review) = who(&stage, &token, &headers).await;
    assert_eq!(code, 201, "{review}");
    let user = &review["status"]["userInfo"];
    assert_eq!((&user["username"], &user["groups"]), (&json!("eve"), &json!(["dev", "system:authenticated"])));
    assert_eq!(user["extra"], json!({"scopes": ["view"]}));
    stage.server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_impersonates_a_group_without_a_user() {
    let (stage, token) = caller().await;
    let (code, status) = who(&stage, &token, &[("impersonate-group", "system:masters")]).await;
    assert_eq!((code, status["reason"].as_str().unwrap()), (500, "InternalError"));
    assert!(status["message"].as_str().unwrap().contains("without impersonating a user"), "{status}");
    stage.server.stop().await;
}

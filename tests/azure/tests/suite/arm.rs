//! Resources of ARM.

use super::*;
use azure::{ReservedLogin, Timing};

fn instant() -> Asker {
    Asker::new(Config::default().timed(Timing::instant()))
}

#[test]
fn a_server_has_the_recorded_shape_and_never_returns_its_password() {
    let azure = instant();
    assert_eq!(azure.put(&server("s1"), server_body()).status, 202);
    let reply = azure.get(&server("s1"));
    let body = reply.body.unwrap();
    assert_eq!(body["id"], server("s1"));
    assert_eq!(body["type"], "Microsoft.Sql/servers");
    assert_eq!(body["properties"]["state"], "Ready");
    assert_eq!(body["properties"]["fullyQualifiedDomainName"], "s1.database.windows.net");
    assert_eq!(body["properties"]["minimalTlsVersion"], "1.2");
    assert!(body["properties"].get("provisioningState").is_none());
    assert!(!body.to_string().contains("Correct-Horse-9"));
    assert!(azure.cloud.can_log_in(&server("s1"), "dbadmin", "Correct-Horse-9"));
    assert!(!azure.cloud.can_log_in(&server("s1"), "dbadmin", "another"));
    assert!(reply.headers.contains_key("x-ms-request-id") && reply.headers.contains_key("x-ms-correlation-request-id"));
}

#[test]
fn ids_are_compared_without_regard_to_case_and_regions_without_blanks() {
    let azure = instant();
    let mut body = server_body();
    body["location"] = json!("East US");
    azure.put(&server("s1"), body);
    let reply = azure.get(&server("s1").replace("Microsoft.Sql", "microsoft.sql").replace("customers", "CUSTOMERS"));
    assert_eq!(reply.body.unwrap()["location"], "eastus");
}

#[test]
fn what_does_not_exist_is_said_with_the_recorded_codes() {
    let azure = instant();
    assert_eq!(code(&azure.get(&server("s1"))), (404, "ResourceNotFound"));
    assert_eq!(code(&azure.get(&server("s1").replace("customers", "nobody"))), (404, "ResourceGroupNotFound"));
    let other = server("s1").replace("a2e0", "a2e1");
    assert_eq!(code(&azure.get(&other)), (404, "SubscriptionNotFound"));
    let rule = format!("{}/firewallRules/r", server("s1"));
    assert_eq!(code(&azure.put(&rule, json!({ "properties": {} }))), (404, "ParentResourceNotFound"));
    let reply = azure.get(&server("s1"));
    assert_eq!(reply.headers["x-ms-failure-cause"], "gateway");
    let message = reply.body.unwrap()["error"]["message"].to_string();
    assert!(message.contains("was not found"), "{message}");
}

#[test]
fn every_request_needs_an_api_version_that_the_type_has() {
    let azure = instant();
    let send = |target: String| azure.send(&Site::Arm, Request::new("GET", &target));
    assert_eq!(code(&send(server("s1"))), (400, "MissingApiVersionParameter"));
    let reply = send(format!("{}?api-version=1999-01-01", server("s1")));
    assert_eq!(code(&reply), (400, "NoRegisteredProviderFound"));
    let unknown = format!("{GROUP}/providers/Microsoft.Nothing/things/t?api-version=2021-11-01");
    assert_eq!(code(&send(unknown)), (404, "InvalidResourceType"));
}

#[test]
fn a_provider_that_is_not_registered_and_a_role_that_is_missing_are_refused() {
    let mut config = Config::default();
    config.subscriptions[0].providers.clear();
    assert_eq!(code(&Asker::new(config).get(&server("s1"))), (409, "MissingSubscriptionRegistration"));
    let mut config = Config::default();
    config.principals[0].scopes = vec![format!("{SUBSCRIPTION}/resourceGroups/other")];
    assert_eq!(code(&Asker::new(config).get(&server("s1"))), (403, "AuthorizationFailed"));
}

#[test]
fn a_body_that_is_not_in_order_is_refused_with_its_code() {
    let azure = instant();
    let refused = |change: &dyn Fn(&mut Value)| {
        let mut body = server_body();
        change(&mut body);
        code(&azure.put(&server("s1"), body)).1.to_owned()
    };
    assert_eq!(refused(&|body| body["properties"]["administratorLogim"] = json!("x")), "InvalidRequestContent");
    assert_eq!(refused(&|body| body["propertys"] = json!({})), "InvalidRequestContent");
    assert_eq!(refused(&|body| body["properties"]["version"] = json!(12)), "InvalidRequestContent");
    assert_eq!(refused(&|body| body["properties"]["version"] = json!("2.0")), "InvalidParameterValue");
    assert_eq!(refused(&|body| body["properties"]["minimalTlsVersion"] = json!("9")), "InvalidMinimalTlsVersion");
    assert_eq!(refused(&|body| drop(body.as_object_mut().unwrap().remove("location"))), "LocationRequired");
    assert_eq!(refused(&|body| body["location"] = json!("moon")), "LocationNotAvailableForResourceType");
    let password = |text: &str| refused(&|body| body["properties"]["administratorLoginPassword"] = json!(text));
    assert_eq!(password("Ab1-"), "PasswordTooShort");
    assert_eq!(password(&"Ab1-".repeat(40)), "PasswordTooLong");
    assert_eq!(password("alllowercase"), "PasswordNotComplex");
    assert_eq!(password("My-DbAdmin-99"), "PasswordNotComplex", "it has the login in it");
    assert_eq!(code(&azure.put(&server("-bad"), server_body())), (400, "InvalidServerName"));
    assert!(azure.cloud.resources_of("Microsoft.Sql/servers").is_empty());
}

#[test]
fn what_cannot_change_is_refused_and_everything_else_is_patched_or_replaced() {
    let azure = instant();
    azure.put(&server("s1"), server_body());
    let mut body = server_body();
    body["properties"]["administratorLogin"] = json!("another");
    assert_eq!(code(&azure.put(&server("s1"), body)), (409, "PropertyChangeNotAllowed"));
    let mut body = server_body();
    body["location"] = json!("westus2");
    assert_eq!(code(&azure.put(&server("s1"), body)), (409, "InvalidResourceLocation"));
    azure.patch(&server("s1"), json!({ "properties": { "publicNetworkAccess": "Disabled" } }));
    let body = azure.get(&server("s1")).body.unwrap();
    assert_eq!((&body["properties"]["publicNetworkAccess"], &body["tags"]["team"]), (&json!("Disabled"), &json!("a")));
    azure.put(&server("s1"), server_body());
    let body = azure.get(&server("s1")).body.unwrap();
    assert_eq!(body["properties"]["publicNetworkAccess"], "Enabled", "PUT brings back what is not sent");
    azure.patch(&server("s1"), json!({ "properties": { "administratorLoginPassword": "Another-Horse-8" } }));
    assert!(azure.cloud.can_log_in(&server("s1"), "dbadmin", "Another-Horse-8"));
    azure.patch(&server("s1"), json!({ "tags": { "cost": "1" } }));
    assert_eq!(azure.get(&server("s1")).body.unwrap()["tags"], json!({ "cost": "1" }), "tags are replaced as one");
}

#[test]
fn firewall_rules_are_made_at_once_listed_and_checked() {
    let azure = instant();
    azure.put(&server("s1"), server_body());
    let rule = |name: &str| format!("{}/firewallRules/{name}", server("s1"));
    let range = |start: &str, end: &str| json!({ "properties": { "startIpAddress": start, "endIpAddress": end } });
    assert_eq!(azure.put(&rule("a"), range("10.0.0.1", "10.0.0.9")).status, 201);
    assert_eq!(azure.put(&rule("a"), range("10.0.0.1", "10.0.0.8")).status, 200);
    assert_eq!(azure.get(&rule("a")).body.unwrap()["properties"]["endIpAddress"], "10.0.0.8");
    assert_eq!(code(&azure.put(&rule("b"), range("10.0.0.9", "10.0.0.1"))), (400, "FirewallRuleInvalidRange"));
    assert_eq!(code(&azure.put(&rule("b"), range("fe80::1", "fe80::1"))), (400, "FirewallRuleNotIPv4Address"));
    let list = azure.get(&format!("{}/firewallRules", server("s1"))).body.unwrap();
    assert_eq!(list["value"].as_array().unwrap().len(), 1);
    assert_eq!(azure.delete(&rule("a")).status, 200);
    assert_eq!(azure.delete(&rule("a")).status, 204);
    azure.patch(&server("s1"), json!({ "properties": { "publicNetworkAccess": "Disabled" } }));
    assert_eq!(code(&azure.put(&rule("a"), range("10.0.0.1", "10.0.0.1"))), (400, "DenyPublicEndpointEnabled"));
}

#[test]
fn databases_pools_and_administrators_live_in_a_server_and_go_with_it() {
    let azure = instant();
    azure.put(&server("s1"), server_body());
    let inside = |path: &str| format!("{}/{path}", server("s1"));
    let pool = inside("elasticPools/p");
    assert_eq!(azure.put(&pool, json!({ "location": "eastus", "properties": {} })).status, 202);
    let database = json!({ "location": "eastus", "properties": { "elasticPoolId": pool } });
    assert_eq!(azure.put(&inside("databases/d"), database).status, 202);
    assert_eq!(azure.get(&inside("databases/d")).body.unwrap()["properties"]["status"], "Online");
    let nowhere = json!({ "location": "eastus", "properties": { "elasticPoolId": inside("elasticPools/q") } });
    assert_eq!(code(&azure.put(&inside("databases/e"), nowhere)).0, 404);
    let entra_only = json!({ "properties": { "azureADOnlyAuthentication": true } });
    let only = inside("azureADOnlyAuthentications/Default");
    assert_eq!(code(&azure.put(&only, entra_only.clone())), (400, "AADAdminNotConfigured"));
    let administrator = json!({ "properties": {
        "administratorType": "ActiveDirectory", "login": "dba", "sid": "s", "tenantId": "t",
    } });
    assert_eq!(azure.put(&inside("administrators/ActiveDirectory"), administrator).status, 201);
    assert_eq!(azure.put(&only, entra_only).status, 201);
    assert_eq!(azure.delete(&server("s1")).status, 202);
    assert!(azure.cloud.resources_of("Microsoft.Sql/servers/databases").is_empty());
}

#[test]
fn a_name_is_taken_for_all_of_azure() {
    let mut config = Config::default().timed(Timing::instant());
    config.names_of_others = vec!["theirs".into()];
    let mut second = config.subscriptions[0].clone();
    second.id = "00000000-0000-4000-8000-00000000a2e9".into();
    config.principals[0].scopes.push(format!("/subscriptions/{}", second.id));
    config.subscriptions.push(second);
    let azure = Asker::new(config);
    azure.put(&server("ours"), server_body());
    let ask = |name: &str| {
        let target = format!("{SUBSCRIPTION}/providers/Microsoft.Sql/checkNameAvailability?api-version=2021-11-01");
        let body = json!({ "name": name, "type": "Microsoft.Sql/servers" });
        azure.send(&Site::Arm, Request::new("POST", &target).json(&body)).body.unwrap()
    };
    assert_eq!(ask("free")["available"], true);
    for (name, reason) in [("ours", "AlreadyExists"), ("theirs", "AlreadyExists"), ("Not-A-Name", "Invalid")] {
        assert_eq!((ask(name)["available"].clone(), ask(name)["reason"].clone()), (json!(false), json!(reason)));
    }
    for name in ["theirs", "ours"] {
        let path = server(name).replace("a2e0", "a2e9");
        let reply = azure.put(&path, server_body());
        let state = azure.poll(&reply.headers["azure-asyncoperation"]).body.unwrap();
        assert_eq!(state["error"]["code"], "NameAlreadyExists", "{state}");
        assert_eq!(code(&azure.get(&path)), (404, "ResourceNotFound"));
    }
}

#[test]
fn a_reserved_login_is_refused_by_the_operation_or_at_once() {
    for login in ["admin", "SA", "root", "guest"] {
        let azure = instant();
        let mut body = server_body();
        body["properties"]["administratorLogin"] = json!(login);
        let reply = azure.put(&server("s1"), body.clone());
        let state = azure.poll(&reply.headers["azure-asyncoperation"]).body.unwrap();
        assert_eq!((&state["status"], &state["error"]["code"]), (&json!("Failed"), &json!("InvalidLoginName")));
        azure.cloud.configure(|config| {
            config.reserved_login = ReservedLogin { code: "InvalidParameterValue".into(), late: false };
        });
        assert_eq!(code(&azure.put(&server("s1"), body)), (400, "InvalidParameterValue"));
    }
}

#[test]
fn a_lock_holds_a_deletion_back_until_it_is_taken_away() {
    let azure = instant();
    azure.put(&server("s1"), server_body());
    azure.cloud.lock(GROUP);
    assert_eq!(code(&azure.delete(&server("s1"))), (409, "ScopeLocked"));
    azure.cloud.unlock(GROUP);
    assert_eq!(azure.delete(&server("s1")).status, 202);
}

#[test]
fn another_type_says_in_its_body_how_far_it_is() {
    let azure = Asker::new(Config::default());
    let path = format!("{GROUP}/providers/Microsoft.Cache/redis/cache");
    let body =
        json!({ "location": "eastus", "properties": { "sku": { "name": "Basic", "family": "C", "capacity": 0 } } });
    let reply = azure.put(&path, body.clone());
    assert_eq!((reply.status, &reply.body.unwrap()["properties"]["provisioningState"]), (201, &json!("Creating")));
    assert_eq!(azure.get(&path).body.unwrap()["properties"]["provisioningState"], "Creating");
    assert_eq!(code(&azure.put(&path, body)), (409, "AnotherOperationInProgress"));
    azure.wait(60);
    let body = azure.get(&path).body.unwrap();
    assert_eq!(body["properties"]["provisioningState"], "Succeeded");
    assert_eq!(body["properties"]["hostName"], "cache.redis.cache.windows.net");
}

#[test]
fn a_type_with_etags_holds_to_conditions() {
    let azure = instant();
    let path = format!("{GROUP}/providers/Microsoft.Network/privateDnsZones/a.example");
    let send = |header: &str, value: &str| {
        let request = Request::new("PUT", &format!("{path}?api-version=2024-06-01"));
        let body = json!({ "location": "global", "properties": {} });
        azure.send(&Site::Arm, request.json(&body).header(header, value))
    };
    assert_eq!(code(&send("If-Match", "*")), (412, "PreconditionFailed"));
    let first = send("If-None-Match", "*");
    assert_eq!(first.status, 201);
    assert_eq!(code(&send("If-None-Match", "*")), (412, "PreconditionFailed"));
    let etag = first.headers["etag"].clone();
    assert_eq!(send("If-Match", &etag).status, 200);
    assert_eq!(code(&send("If-Match", &etag)), (412, "PreconditionFailed"), "it changed since");
}

#[test]
fn groups_are_made_and_go_with_all_that_is_in_them() {
    let azure = instant();
    let group = format!("{SUBSCRIPTION}/resourceGroups/new");
    assert_eq!(code(&azure.get(&group)), (404, "ResourceGroupNotFound"));
    assert_eq!(azure.put(&group, json!({ "location": "eastus" })).status, 201);
    azure.put(&server("s1").replace("customers", "new"), server_body());
    assert_eq!(azure.delete(&group).status, 200);
    assert!(azure.cloud.resources_of("Microsoft.Sql/servers").is_empty());
}

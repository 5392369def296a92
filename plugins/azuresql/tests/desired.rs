//! What is decided besides the table: the reserved login, names, settings, protection, and what users are told.

#![allow(clippy::unwrap_used, reason = "a test may stop where it is surprised")]

mod support;

use azuresql::AzureSqlPlugin;
use proptest::prelude::*;
use support::*;
use windlass_sdk::bindings::windlass::plugin::types::Body;
use windlass_sdk::{RemovalPolicy, Truth, Value, entry, json};

#[test]
fn a_reserved_login_is_replaced_and_the_user_is_told_before_anything_is_created() {
    let decision = decide(first(&short()));
    let condition = condition(&decision, "LoginAsWritten");
    assert_eq!((condition.status, condition.reason.as_str()), (Truth::No, "ReservedLogin"));
    assert!(condition.message.contains("sqladmin") && condition.message.contains("customer-123-db-credentials"));
    assert_eq!(decision.events[0].reason, "ReservedLogin");
    assert_eq!(status(&decision)["administratorLogin"], "sqladmin");
    let decision = decide(with_secret(first(&short()).arm("server", &nothing(), false)));
    assert_eq!(body(&decision, "server")["properties"]["administratorLogin"], "sqladmin");
    // Writing what the server got is no change, and what the user then reads is quiet.
    let mut named = with(json!({ "administratorLogin": "sqladmin" }));
    named["status"] = json!({ "id": ID, "administratorLogin": "sqladmin" });
    assert_eq!(support::condition(&decide(settled(&named)), "LoginAsWritten").status, Truth::Yes);
    let mut old = short();
    old["status"] = named["status"].clone();
    assert!(entry::validate::<AzureSqlPlugin>(Some(&old.to_string()), &named.to_string()).is_ok());
}

#[test]
fn an_operator_may_have_reserved_logins_refused() {
    let mut settings = settings();
    settings["reservedLogins"] = json!("Refuse");
    let fault = fault(first(&short()).settings(&settings));
    assert!(format!("{fault:?}").contains("spec.administratorLogin"), "{fault:?}");
}

#[test]
fn the_secret_has_what_applications_use_and_no_value_that_the_plugin_knows() {
    let resource = with(json!({ "databases": [{ "name": "orders" }] }));
    let decision = decide(first(&resource).arm("server", &nothing(), false));
    let Body::Secret(secret) = &item(&decision, "credentials").unwrap().body else { panic!("no Secret") };
    assert_eq!(
        (secret.random.len(), secret.random[0].key.as_str(), secret.random[0].avoid.as_str()),
        (1, "password", "sqladmin")
    );
    let plain = |key: &str| secret.plain.iter().find(|value| value.key == key).map(|value| value.value.as_str());
    assert_eq!(plain("host"), Some("customer-123-db.database.windows.net"));
    assert_eq!((plain("port"), plain("username")), (Some("1433"), Some("sqladmin")));
    assert_eq!(plain("fullyQualifiedUsername"), Some("sqladmin@customer-123-db"));
    let template = |key: &str| secret.composed.iter().find(|value| value.key == key).unwrap().template.clone();
    assert!(template("adoConnectionString").starts_with("Server=tcp:{host},{port};Initial Catalog=orders;"));
    assert!(template("jdbcConnectionString").starts_with("jdbc:sqlserver://{host}:{port};database=orders;"));
    assert!(template("odbcConnectionString").starts_with("Driver={{ODBC Driver 18 for SQL Server}};"));
    assert_eq!(template("url"), "sqlserver://{username:url}:{password:url}@{host}:{port}?database=orders&encrypt=true");
}

#[test]
fn hosts_follow_the_cloud_until_azure_says_them_itself() {
    let mut settings = settings_with_vault();
    settings["cloud"] = json!("china");
    let decision = decide(first(&short()).settings(&settings).arm("server", &nothing(), false));
    assert_eq!(status(&decision)["fullyQualifiedDomainName"], "customer-123-db.database.chinacloudapi.cn");
    assert_eq!(status(&decision)["keyVault"], "https://customers-vault.vault.azure.cn");
    let mut named = live();
    named["properties"]["fullyQualifiedDomainName"] = json!("customer-123-db.zone.database.windows.net");
    let decision = decide(with_secret(first(&short()).arm("server", &found(&named), true)));
    assert_eq!(status(&decision)["fullyQualifiedDomainName"], "customer-123-db.zone.database.windows.net");
}

#[test]
fn without_a_subscription_or_group_the_resource_says_what_is_missing() {
    let error = |settings: Value| format!("{:?}", fault(first(&short()).settings(&settings)));
    assert!(error(json!({})).contains("spec.owner") && error(json!({})).contains("subscription"));
    let subscription = json!({ "subscription": "00000000-0000-4000-8000-00000000a2e0" });
    assert!(error(subscription.clone()).contains("resource group"));
    let named = with(json!({ "owner": { "name": "mine" } }));
    let decision = decide(first(&named).settings(&subscription));
    assert!(item(&decision, "server").unwrap().arm_resource().unwrap().resource_id.contains("/resourceGroups/mine/"));
}

#[test]
fn settings_are_checked_with_their_path() {
    let check = |settings: Value| match entry::validate_settings::<AzureSqlPlugin>(&settings.to_string()) {
        Ok(()) => String::new(),
        Err(errors) => errors.iter().map(|e| format!("{}: {}", e.path, e.message)).collect::<Vec<_>>().join("\n"),
    };
    assert_eq!(check(settings_with_vault()), "");
    assert!(check(json!({ "subscripton": "x" })).contains("unknown field"));
    assert!(check(json!({ "subscription": "x" })).contains("settings.subscription"));
    let rule = json!({ "firewallRules": [{ "name": "a", "startIpAddress": "10.0.0.9", "endIpAddress": "10.0.0.1" }] });
    assert!(check(rule).contains("settings.firewallRules[0].endIpAddress"));
}

#[test]
fn the_operators_rules_and_tags_are_added_and_the_users_win() {
    let mut settings = settings();
    settings["firewallRules"] = json!([
        { "name": "cluster", "startIpAddress": "203.0.113.5" }, { "name": "office", "startIpAddress": "203.0.113.6" },
    ]);
    settings["tags"] = json!({ "cost": "1", "team": "none" });
    let resource = with(json!({
        "tags": { "team": "a" }, "firewallRules": [{ "name": "Office", "startIpAddress": "192.0.2.1" }],
    }));
    let decision = decide(with_secret(first(&resource).settings(&settings).arm("server", &nothing(), false)));
    assert_eq!(ids(&decision)[2..], ["rule/cluster", "rule/office"]);
    assert_eq!(body(&decision, "rule/office")["properties"]["startIpAddress"], "192.0.2.1");
    assert_eq!(body(&decision, "server")["tags"], json!({ "cost": "1", "team": "a" }));
    let private = with(json!({ "publicNetworkAccess": "Disabled" }));
    let decision = decide(with_secret(first(&private).settings(&settings).arm("server", &nothing(), false)));
    assert_eq!(ids(&decision), ["credentials", "server"], "Azure would refuse the operator's rules");
}

#[test]
fn protection_holds_the_server_its_pools_and_its_databases() {
    let full = resource("azuresql-full.yaml");
    let decision = decide(with_secret(first(&full).arm("server", &nothing(), false)));
    for id in ["server", "pool/shared", "database/orders", "database/invoices"] {
        assert_eq!(item(&decision, id).unwrap().removal, RemovalPolicy::Protect, "{id}");
    }
    assert_eq!(item(&decision, "rule/office").unwrap().removal, RemovalPolicy::Delete);
    assert_eq!(item(&decision, "database/invoices").unwrap().after, ["server", "pool/shared"]);
}

#[test]
fn an_entra_administrator_is_named_at_creation_and_kept_afterwards() {
    let full = resource("azuresql-full.yaml");
    let decision = decide(with_secret(first(&full).arm("server", &nothing(), false)));
    let created = &body(&decision, "server")["properties"]["administrators"];
    assert_eq!((&created["principalType"], &created["azureADOnlyAuthentication"]), (&json!("Group"), &json!(true)));
    assert_eq!(body(&decision, "administrator")["properties"]["administratorType"], "ActiveDirectory");
    assert_eq!(item(&decision, "entra-only").unwrap().after, ["server", "administrator"]);
    let decision = decide(with_secret(first(&full).arm("server", &found(&live()), true)));
    assert_eq!(body(&decision, "server")["properties"].get("administrators"), None, "it is taken at creation alone");
}

#[test]
fn a_server_without_rules_says_that_nobody_can_connect() {
    let reachable = |spec: Value| condition(&decide(settled(&with(spec))), "Reachable").reason.clone();
    assert_eq!(reachable(json!({})), "NoFirewallRule");
    assert_eq!(reachable(json!({ "allowAzureServices": true })), "RulesDeclared");
    assert_eq!(reachable(json!({ "publicNetworkAccess": "Disabled" })), "PublicAccessDisabled");
    let all = json!([{ "name": "all", "startIpAddress": "0.0.0.0", "endIpAddress": "255.255.255.255" }]);
    assert_eq!(reachable(json!({ "firewallRules": all })), "OpenToEverybody");
}

#[test]
fn what_was_true_stays_in_the_status_while_nobody_can_look() {
    let before = reported(&short(), &decide(settled(&short())));
    let decision = decide(with_secret(first(&before)).silent("server", NOW, "Timeout"));
    let now = status(&decision);
    for field in ["id", "state", "location", "version", "administratorLogin", "fullyQualifiedDomainName"] {
        assert_eq!(now[field], before["status"][field], "{field}");
    }
    let gone = decide(with_secret(first(&before).arm("server", &nothing(), false)));
    assert_eq!((&status(&gone)["id"], status(&gone).get("state")), (&json!(ID), None), "its place stays fixed");
}

#[test]
fn wrong_fields_are_reported_with_their_path() {
    let rule = |name: &str, start: &str, end: &str| json!({ "firewallRules": [{ "name": name, "startIpAddress": start, "endIpAddress": end }] });
    for (spec, path) in [
        (json!({ "location": "" }), "spec.location"),
        (json!({ "location": 1 }), "spec.location"),
        (json!({ "azureName": "Not-A-Name" }), "spec.azureName"),
        (json!({ "owner": {} }), "spec.owner"),
        (json!({ "administratorLogin": "a b" }), "spec.administratorLogin"),
        (json!({ "version": "11.0" }), "spec.version"),
        (json!({ "minimalTlsVersion": "1.0" }), "spec.minimalTlsVersion"),
        (rule("a", "300.0.0.1", "300.0.0.1"), "spec.firewallRules[0].startIpAddress"),
        (rule("a", "10.0.0.9", "10.0.0.1"), "spec.firewallRules[0].endIpAddress"),
        (rule("a", "0.0.0.0", "10.0.0.1"), "spec.firewallRules[0].startIpAddress"),
        (rule("a/b", "10.0.0.1", "10.0.0.1"), "spec.firewallRules[0].name"),
        (json!({ "publicNetworkAccess": "Disabled", "allowAzureServices": true }), "spec.firewallRules"),
        (json!({ "databases": [{ "name": "a" }, { "name": "A" }] }), "spec.databases[1].name"),
        (json!({ "databases": [{ "name": "master" }] }), "spec.databases[0].name"),
        (json!({ "databases": [{ "name": "a", "elasticPool": "p" }] }), "spec.databases[0].elasticPool"),
    ] {
        let found = errors(&with(spec.clone()));
        assert!(found.iter().any(|error| error.starts_with(path)), "{spec}: {found:?}");
    }
    assert!(errors(&policy(short(), "sometimes"))[0].contains("reconcile-policy"));
    assert_eq!(errors(&resource("azuresql-full.yaml")), Vec::<String>::new());
}

#[test]
fn what_cannot_change_can_be_corrected_until_azure_has_accepted_the_server() {
    let change =
        |old: &Value, new: Value| match entry::validate::<AzureSqlPlugin>(Some(&old.to_string()), &new.to_string()) {
            Ok(()) => String::new(),
            Err(errors) => errors.iter().map(|e| e.path.as_str()).collect::<Vec<_>>().join(","),
        };
    let fixed =
        json!({ "location": "westeurope", "azureName": "x", "owner": { "name": "y" }, "administratorLogin": "z" });
    assert_eq!(change(&short(), with(fixed.clone())), "");
    let mut accepted = short();
    accepted["status"] = json!({ "id": ID, "administratorLogin": "sqladmin" });
    let all = "spec.location,spec.azureName,spec.owner,spec.administratorLogin";
    assert_eq!(change(&accepted, with(fixed)), all);
    let higher = with(json!({ "credentials": { "generation": 2 } }));
    assert_eq!(change(&higher, short()), "spec.credentials.generation");
}

#[test]
fn every_field_of_the_schema_changes_what_should_exist() {
    let full = resource("azuresql-full.yaml");
    let items = |resource: &Value| decide(with_secret(first(resource).arm("server", &nothing(), false))).items;
    let before = items(&full);
    let schema = azuresql::crd().manifest();
    let spec = schema.pointer("/spec/versions/0/schema/openAPIV3Schema/properties/spec").unwrap();
    let mut paths = Vec::new();
    leaves(spec, "/spec", &mut paths);
    assert!(paths.len() > 40, "{paths:?}");
    for path in paths {
        let mut changed = full.clone();
        match path.as_str() {
            // What is required, or has but one value, is changed and not taken away.
            "/spec/location" => changed["spec"]["location"] = json!("eastus"),
            "/spec/version" => continue,
            "/spec/publicNetworkAccess" => {
                for field in ["firewallRules", "allowAzureServices"] {
                    changed["spec"].as_object_mut().unwrap().remove(field);
                }
                let open = items(&changed);
                changed["spec"]["publicNetworkAccess"] = json!("Disabled");
                assert_ne!(open, items(&changed));
                continue;
            }
            "/spec/owner/name" => changed["spec"]["owner"] = json!({ "name": "customers" }),
            "/spec/owner/armId" => drop(changed["spec"].as_object_mut().unwrap().remove("owner")),
            path if path.ends_with("/name") && changed.pointer(path).is_some() => {
                let place = changed.pointer_mut(path).unwrap();
                *place = json!(format!("{}x", place.as_str().unwrap()));
                if path == "/spec/elasticPools/0/name" {
                    changed["spec"]["databases"][1]["elasticPool"] = json!("sharedx");
                }
            }
            path if path.ends_with("startIpAddress") => *changed.pointer_mut(path).unwrap() = json!("192.0.2.9"),
            path if path.ends_with("/login") || path.ends_with("/sid") => {
                *changed.pointer_mut(path).unwrap() = json!("x")
            }
            path => {
                // A field of the second database of the example.
                let path = path.replace("databases/0/elasticPool", "databases/1/elasticPool");
                let (parent, key) = path.rsplit_once('/').unwrap();
                let removed = changed.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(key);
                assert!(removed.is_some(), "the example has no {path}");
            }
        }
        assert_ne!(before, items(&changed), "{path} has no effect");
    }
}

#[test]
fn an_api_server_has_nothing_to_say_against_the_definition() {
    assert_eq!(windlass_sdk::crd::problems(&azuresql::crd().manifest()), Vec::<String>::new());
}

/// JSON pointers of all fields without fields of their own; the first of each list stands for all.
fn leaves(schema: &Value, path: &str, found: &mut Vec<String>) {
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        properties.iter().for_each(|(name, inner)| leaves(inner, &format!("{path}/{name}"), found));
    } else if let Some(items) = schema.get("items") {
        leaves(items, &format!("{path}/0"), found);
    } else {
        found.push(path.to_owned());
    }
}

#[test]
fn everything_that_is_desired_was_asked_for_and_granted() {
    let grants: Value = serde_yaml::from_str(include_str!("../grants.yaml")).unwrap();
    let description = entry::describe::<AzureSqlPlugin>();
    assert!(description.backends.azure && description.backends.vault && !description.backends.mysql);
    assert_eq!(
        (&grants["grants"]["backends"]["azure"], &grants["grants"]["backends"]["vault"]),
        (&json!(true), &json!(true))
    );
    assert!(entry::validate_settings::<AzureSqlPlugin>(&grants["settings"].to_string()).is_ok());
    let decision = decide(first(&short()).settings(&grants["settings"]).arm("server", &nothing(), false));
    let scope = &grants["grants"]["azureScopes"][0];
    let server = &item(&decision, "server").unwrap().arm_resource().unwrap().resource_id;
    assert!(
        server.contains(scope["subscription"].as_str().unwrap())
            && server.contains(scope["resourceGroup"].as_str().unwrap())
    );
    let vault = &item(&decision, "vault/password").unwrap().vault_secret().unwrap().vault;
    assert_eq!(&json!(vault), &grants["grants"]["vaults"][0]);
}

/// Any JSON, a few levels deep.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,20}".prop_map(Value::from),
        Just(Value::from(ID)),
    ];
    leaf.prop_recursive(4, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map("[a-zA-Z]{1,12}", inner, 0..4).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn any_json_anywhere_is_answered(value in any_json(), pick in 0_usize..6, deleting: bool) {
        let mut changed = short();
        match pick {
            0 => changed = value.clone(),
            1 => changed["spec"] = value.clone(),
            2 => changed["status"] = value.clone(),
            3 => changed["metadata"]["annotations"] = value.clone(),
            _ => {}
        }
        let mut snapshot = settled(&changed);
        if pick == 4 {
            snapshot = snapshot.arm("server", &found(&value), true).arm("rule/x", &found(&value), true);
        }
        if pick == 5 {
            snapshot = snapshot.settings(&value);
        }
        if deleting {
            snapshot = snapshot.deleting();
        }
        let _ = entry::decide::<AzureSqlPlugin>(snapshot.build());
        let _ = entry::validate::<AzureSqlPlugin>(None, &changed.to_string());
    }

    #[test]
    fn no_situation_makes_the_plugin_drop_the_secret_of_a_server_that_exists(
        situation in 0_usize..8, policy_of in 0_usize..3, accepted: bool,
    ) {
        let resource = [short(), policy(short(), "skip"), policy(short(), "detach-on-delete")][policy_of].clone();
        let mut body = live();
        let facts = match situation {
            0 => nothing(),
            1 => running(found(&body), NOW),
            2 => failed(found(&body), "X", windlass_sdk::azure::FailureClass::Final),
            3 => windlass_sdk::azure::ArmFacts { name_taken: Some("x".into()), ..nothing() },
            4 => {
                body["properties"]["state"] = json!("Disabled");
                found(&body)
            }
            _ => found(&body),
        };
        let facts = windlass_sdk::azure::ArmFacts { accepted: accepted || facts.accepted, ..facts };
        let snapshot = with_secret(first(&resource));
        let snapshot = match situation {
            5 => snapshot,
            6 => snapshot.silent("server", NOW, "Timeout"),
            _ => snapshot.arm("server", &facts, true),
        };
        prop_assert!(item(&decide(snapshot), "credentials").is_some());
    }
}

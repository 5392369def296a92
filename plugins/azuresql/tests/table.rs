//! The decision table, a test for each of its rows.

#![allow(clippy::unwrap_used, reason = "a test may stop where it is surprised")]

mod support;

use support::*;
use windlass_sdk::azure::{ArmFacts, FailureClass};
use windlass_sdk::{Fault, RemovalPolicy, Truth, UpdatePolicy, json};

fn pair(reason: &str, severity: &str) -> (String, String) {
    (reason.to_owned(), severity.to_owned())
}

#[test]
fn row_1_a_skipped_server_is_only_looked_at_and_its_readiness_is_that_of_azure() {
    let resource = policy(with(json!({ "allowAzureServices": true })), "skip");
    let decision = decide(settled(&resource).arm("rule/old", &found(&json!({ "id": "/x/firewallRules/old" })), true));
    assert_eq!(ready(&decision), pair("Observed", ""));
    assert!(watched(&decision, "server") && watched(&decision, "rule/allowallwindowsazureips"));
    assert!(watched(&decision, "rule/old"), "what is not declared any more is not deleted either");
    assert!(!sends_password(&decision));
    assert_eq!(item(&decision, "credentials").unwrap().update, UpdatePolicy::CreateOnce);
    assert!(decision.items.iter().all(|item| item.removal == RemovalPolicy::Keep));
    let absent = decide(first(&resource).arm("server", &nothing(), false));
    assert_eq!(ready(&absent), pair("NotFound", "Warning"));
    assert!(item(&absent, "credentials").is_none(), "no Secret is made");
    let without = decide(first(&resource).arm("server", &found(&live()), true).absent("credentials"));
    assert_eq!(ready(&without), pair("Observed", ""), "whoever only looks needs no password");
}

#[test]
fn row_2_a_server_that_never_was_lets_its_resource_go() {
    let decision = decide(first(&short()).arm("server", &nothing(), false).deleting());
    assert!(decision.items.is_empty());
    assert!(condition(&decision, "Ready").message.contains("there is no server"));
}

#[test]
fn row_2_detaching_first_writes_down_that_everything_stays_and_then_lets_go() {
    let resource =
        policy(with(json!({ "firewallRules": [{ "name": "a", "startIpAddress": "192.0.2.1" }] })), "detach-on-delete");
    let alive = decide(settled(&resource));
    assert!(alive.items.iter().all(|item| item.removal == RemovalPolicy::Delete), "a rule can still be taken away");
    let mut gone = resource.clone();
    gone["status"] = status(&alive);
    let first_step = decide(settled(&gone).deleting());
    assert!(!first_step.items.is_empty() && first_step.wake.is_some());
    assert!(first_step.items.iter().all(|item| item.removal == RemovalPolicy::Keep));
    assert!(watched(&first_step, "server") && watched(&first_step, "rule/a"));
    assert!(item(&first_step, "credentials").is_some(), "the only copy of the password stays too");
    let second_step = decide(settled(&reported(&gone, &first_step)).deleting());
    assert!(second_step.items.is_empty());
}

#[test]
fn row_3_a_deleted_server_is_taken_away_before_its_secret() {
    let alive = decide(settled(&short()));
    assert_eq!(item(&alive, "server").unwrap().after, ["credentials"], "deletion goes the other way");
    let gone = reported(&short(), &alive);
    let decision = decide(settled(&gone).deleting());
    assert!(decision.items.is_empty());
    assert_eq!(ready(&decision), pair("Deleting", "Info"));
    let locked = failed(found(&live()), "ScopeLocked", FailureClass::Blocked);
    let decision = decide(with_secret(first(&gone).arm("server", &locked, true)).deleting());
    assert_eq!(ready(&decision), pair("ScopeLocked", "Warning"));
    let message = &condition(&decision, "Ready").message;
    assert!(message.contains("lock") && message.contains("detach-on-delete"), "{message}");
}

#[test]
fn row_4_without_a_credential_for_azure_nothing_changes_and_nothing_is_let_go() {
    let snapshot = || {
        with_secret(first(&with(json!({ "allowAzureServices": true })))).silent(
            "server",
            NOW - 90_000,
            "CredentialMissing",
        )
    };
    let decision = decide(snapshot());
    assert_eq!(ready(&decision), pair("CredentialMissing", "Warning"));
    assert!(condition(&decision, "Ready").message.contains("90 s"));
    assert_eq!(ids(&decision), ["credentials", "server", "rule/allowallwindowsazureips"]);
    assert!(watched(&decision, "server") && watched(&decision, "rule/allowallwindowsazureips"));
    let decision = decide(snapshot().deleting());
    assert_eq!(ready(&decision), pair("CredentialMissing", "Warning"));
}

#[test]
fn row_5_a_free_name_gets_a_secret_first_and_then_its_server() {
    let looking = decide(first(&short()));
    assert_eq!(ids(&looking), ["server"], "not even a Secret is made before somebody looked");
    assert!(watched(&looking, "server") && looking.wake.is_some());
    assert_eq!(ready(&looking), pair("Looking", "Info"));
    let decision = decide(first(&short()).arm("server", &nothing(), false));
    assert_eq!(ids(&decision), ["credentials", "server"]);
    assert_eq!(item(&decision, "server").unwrap().after, ["credentials"]);
    assert!(sends_password(&decision) && !watched(&decision, "server"));
    assert_eq!(ready(&decision), pair("CreatingCredentials", "Info"));
    assert_eq!(status(&decision).get("id"), None, "nothing is fixed yet");
}

#[test]
fn row_6_a_lost_password_is_never_replaced_unasked() {
    let lost =
        |resource: &windlass_sdk::Value| first(resource).arm("server", &found(&live()), true).absent("credentials");
    let decision = decide(lost(&short()));
    assert_eq!(ready(&decision), pair("PasswordUnknown", "Error"));
    assert!(condition(&decision, "Ready").message.contains("spec.credentials.generation to 1"));
    assert!(item(&decision, "credentials").is_none() && !sends_password(&decision));
    assert_eq!(condition(&decision, "CredentialsCurrent").status, Truth::No);
    // Raising the generation is the consent.
    let mut consent = with(json!({ "credentials": { "generation": 1 } }));
    consent["status"] = status(&decision);
    let decision = decide(lost(&consent));
    assert!(item(&decision, "credentials").is_some() && sends_password(&decision));
    assert_eq!(ready(&decision), pair("RotatingPassword", "Info"));
}

#[test]
fn row_6_a_secret_that_comes_back_is_found_by_its_name() {
    let snapshot = || first(&short()).arm("server", &found(&live()), true);
    let Fault::Needs(queries) = fault(snapshot()) else { panic!("it must be asked for") };
    assert_eq!(
        (queries[0].kind.kind.as_str(), &queries[0].names[..]),
        ("Secret", &["customer-123-db-credentials".to_owned()][..])
    );
    let secret = json!({ "metadata": { "name": "customer-123-db-credentials" }, "data": { "password": "p1" } });
    let decision = decide(snapshot().related("credentials", &[secret]));
    assert!(item(&decision, "credentials").is_some());
    assert_eq!(ready(&decide(snapshot().related("credentials", &[]))).0, "PasswordUnknown");
    assert!(matches!(fault(snapshot().unanswered("credentials", "forbidden")), Fault::Retry(_)));
}

#[test]
fn row_6_a_server_that_azure_accepted_is_not_made_again_without_its_password() {
    let accepted = ArmFacts { accepted: true, ..nothing() };
    let decision = decide(first(&short()).arm("server", &accepted, false).absent("credentials"));
    assert_eq!(ready(&decision), pair("PasswordUnknown", "Error"));
    assert!(watched(&decision, "server"));
}

#[test]
fn row_7_a_name_that_somebody_has_is_an_error_and_nothing_is_sent() {
    let taken = ArmFacts { name_taken: Some("already used".into()), ..nothing() };
    let decision = decide(first(&short()).arm("server", &taken, false));
    assert_eq!(ready(&decision), pair("NameTaken", "Error"));
    assert!(condition(&decision, "Ready").message.contains("spec.azureName"));
    assert_eq!(ids(&decision), ["server"]);
    assert!(watched(&decision, "server"));
    assert_eq!(decision.wake, None);
}

#[test]
fn row_8_with_its_secret_the_server_is_put_with_the_password_by_reference() {
    let decision = decide(with_secret(first(&short()).arm("server", &nothing(), false)));
    let server = item(&decision, "server").unwrap().arm_resource().unwrap();
    assert_eq!(server.resource_id, ID);
    assert!(server.unique_name && !server.adopt);
    assert_eq!(server.secrets[0].pointer, "/properties/administratorLoginPassword");
    assert_eq!(server.secrets[0].value.secret, "customer-123-db-credentials");
    let body = body(&decision, "server");
    assert_eq!((&body["location"], &body["properties"]["version"]), (&json!("eastus"), &json!("12.0")));
    assert_eq!(ready(&decision), pair("Creating", "Info"));
}

#[test]
fn row_9_while_an_operation_runs_it_is_only_asked_after_when_its_time_has_come() {
    let facts = running(nothing(), NOW + 15_000);
    let decision = decide(with_secret(first(&short()).arm("server", &facts, false)));
    assert_eq!(ready(&decision), pair("Creating", "Info"));
    assert_eq!(decision.wake, Some(NOW + 15_000));
    assert_eq!(status(&decision)["id"], ID, "from here on location and name are fixed");
    let changing = running(found(&live()), NOW + 5_000);
    assert_eq!(ready(&decide(with_secret(first(&short()).arm("server", &changing, true)))).0, "Updating");
}

#[test]
fn row_9_an_accepted_server_that_is_not_to_be_seen_is_waited_for() {
    let facts = ArmFacts { accepted: true, ..nothing() };
    let decision = decide(with_secret(first(&short()).arm("server", &facts, false)));
    assert_eq!(ready(&decision), pair("Creating", "Info"));
    assert_eq!(status(&decision)["id"], ID);
}

#[test]
fn row_10_a_failed_operation_is_classed_and_says_what_helps() {
    let after = |code: &str, class| {
        let facts = failed(nothing(), code, class);
        decide(with_secret(first(&short()).arm("server", &facts, false)))
    };
    let decision = after("InvalidLoginName", FailureClass::Final);
    assert_eq!(ready(&decision), pair("InvalidLoginName", "Error"));
    let message = &condition(&decision, "Ready").message;
    assert!(message.contains("spec.administratorLogin") && message.contains("not sent again"), "{message}");
    let decision = after("OperationTimedOut", FailureClass::Transient);
    assert_eq!(ready(&decision), pair("OperationTimedOut", "Warning"));
    assert!(condition(&decision, "Ready").message.contains("tried again in 60 s"));
    assert_eq!(ready(&after("ScopeLocked", FailureClass::Blocked)).1, "Warning");
    assert_eq!(ready(&after("not-a-word", FailureClass::Final)).0, "Notaword");
    assert_eq!(decision.events.iter().map(|event| event.reason.as_str()).next_back(), Some("OperationTimedOut"));
    let again = reported(&short(), &decision);
    let facts = failed(nothing(), "OperationTimedOut", FailureClass::Transient);
    let decision = decide(with_secret(first(&again).arm("server", &facts, false)));
    assert!(decision.events.is_empty(), "told once: {:?}", decision.events);
}

#[test]
fn row_11_a_server_that_is_there_and_not_ready_is_waited_for() {
    let mut body = live();
    body["properties"]["state"] = json!("Creating");
    let decision = decide(with_secret(first(&short()).arm("server", &found(&body), false)));
    assert_eq!(ready(&decision), pair("WaitingForAzure", "Info"));
}

#[test]
fn row_12_what_can_change_is_patched_and_the_tags_of_others_stay() {
    let mut body_found = live();
    body_found["properties"]["minimalTlsVersion"] = json!("1.0");
    let resource = with(json!({ "tags": { "team": "a" } }));
    let decision = decide(with_secret(first(&resource).arm("server", &found(&body_found), false)));
    assert_eq!(ready(&decision), pair("Updating", "Info"));
    let message = &condition(&decision, "Ready").message;
    assert!(message.contains("minimalTlsVersion, tags"), "{message}");
    let server = item(&decision, "server").unwrap().arm_resource().unwrap();
    assert_eq!(server.change, windlass_sdk::azure::ArmChange::Patch);
    assert_eq!(body(&decision, "server")["tags"], json!({ "team": "a" }), "only what is ours is asked for");
    assert_eq!(ready(&decide(settled(&short()))), pair("AsWished", ""), "a foreign tag is no drift");
}

#[test]
fn row_12_what_azure_takes_and_does_not_show_is_no_drift_once_the_host_has_sent_it() {
    let mut without = live();
    without["properties"].as_object_mut().unwrap().remove("restrictOutboundNetworkAccess");
    let seen = |ready| decide(with_secret(first(&short()).arm("server", &found(&without), ready)));
    assert_eq!(ready(&seen(false)), pair("Updating", "Info"));
    let decision = seen(true);
    assert_eq!(ready(&decision), pair("AsWished", ""));
    let message = &condition(&decision, "Ready").message;
    assert!(message.contains("restrictOutboundNetworkAccess"), "{message}");
}

#[test]
fn row_12_what_cannot_change_is_an_error_and_everything_else_goes_on() {
    for (spec, field) in [
        (json!({ "location": "westeurope" }), "location"),
        (json!({ "administratorLogin": "another" }), "administratorLogin"),
        (json!({ "azureName": "another" }), "azureName"),
    ] {
        let mut resource = with(spec);
        resource["status"] = json!({ "id": ID });
        let decision = decide(settled(&resource));
        assert_eq!(ready(&decision), pair("ImmutableChanged", "Error"), "{field}");
        assert!(condition(&decision, "Ready").message.contains(field));
        let server = item(&decision, "server").unwrap().arm_resource().unwrap();
        assert_eq!(server.resource_id, ID, "no second server is made");
        let body = body(&decision, "server");
        assert_eq!(
            (&body["location"], &body["properties"]["administratorLogin"]),
            (&json!("eastus"), &json!("sqladmin"))
        );
    }
    assert_eq!(ready(&decide(settled(&with(json!({ "location": "East US" }))))).0, "AsWished");
}

#[test]
fn row_13_a_password_that_the_server_does_not_have_is_sent() {
    let rotated = first(&short()).arm("server", &found(&live()), true).secret("credentials", 0, &[("password", "p2")]);
    let decision = decide(rotated);
    assert_eq!(ready(&decision), pair("RotatingPassword", "Info"));
    assert_eq!(condition(&decision, "CredentialsCurrent").reason, "Pending");
    assert!(sends_password(&decision));
    let asked = with(json!({ "credentials": { "generation": 1 } }));
    let decision = decide(settled(&asked));
    assert_eq!(ready(&decision).0, "RotatingPassword", "the Secret is still of the generation before");
}

#[test]
fn row_14_declared_rules_are_items_of_their_own_and_no_other_rule_is() {
    let rules = json!([
        { "name": "Office", "startIpAddress": "192.0.2.1", "endIpAddress": "192.0.2.62" },
        { "name": "build", "startIpAddress": "198.51.100.7" },
    ]);
    let resource = with(json!({ "firewallRules": rules, "allowAzureServices": true }));
    let decision = decide(settled(&resource));
    assert_eq!(ids(&decision)[2..], ["rule/office", "rule/build", "rule/allowallwindowsazureips"]);
    let office = item(&decision, "rule/office").unwrap();
    assert_eq!((office.after.as_slice(), office.removal), (&["server".to_owned()][..], RemovalPolicy::Delete));
    let resource_of = office.arm_resource().unwrap();
    assert_eq!(resource_of.resource_id, format!("{ID}/firewallRules/Office"));
    assert!(resource_of.adopt, "rules cannot carry a mark: what is declared is ours");
    assert_eq!(
        body(&decision, "rule/build"),
        json!({ "properties": { "startIpAddress": "198.51.100.7", "endIpAddress": "198.51.100.7" } })
    );
    assert_eq!(body(&decision, "rule/allowallwindowsazureips")["properties"]["endIpAddress"], "0.0.0.0");
    assert_eq!(ready(&decision), pair("WaitingForItems", "Info"));
    let refused = failed(nothing(), "FirewallRuleInvalidRange", FailureClass::Final);
    let decision = decide(settled(&resource).arm("rule/build", &refused, false));
    assert_eq!(ready(&decision), pair("FirewallRuleInvalidRange", "Error"));
    let done = ["rule/office", "rule/build", "rule/allowallwindowsazureips"]
        .iter()
        .fold(settled(&resource), |snapshot, id| snapshot.arm(id, &found(&json!({})), true));
    assert_eq!(ready(&decide(done)), pair("AsWished", ""));
}

#[test]
fn row_15_ready_only_when_the_key_vault_has_what_the_secret_has() {
    let snapshot = || settled(&short()).settings(&settings_with_vault());
    let decision = decide(snapshot());
    assert_eq!(ids(&decision)[2..], ["vault/host", "vault/login", "vault/password", "vault/connection-string"]);
    let password = item(&decision, "vault/password").unwrap();
    assert_eq!(password.after, ["server"], "never a password that the server does not have");
    let secret = password.vault_secret().unwrap();
    assert_eq!(
        (secret.vault.as_str(), secret.name.as_str()),
        ("https://customers-vault.vault.azure.net", "customer-123-db-password")
    );
    assert_eq!((secret.value.secret.as_str(), secret.value.key.as_str()), ("customer-123-db-credentials", "password"));
    assert_eq!(ready(&decision), pair("WaitingForKeyVault", "Info"));
    let deleted = decide(snapshot().vault("vault/password", &vault(None, true), false));
    assert_eq!(condition(&deleted, "KeyVaultSynced").reason, "Recovering");
    let all = ["host", "login", "password", "connection-string"]
        .iter()
        .fold(snapshot(), |snapshot, part| snapshot.vault(&format!("vault/{part}"), &vault(Some("p1"), false), true));
    let decision = decide(all);
    assert_eq!((ready(&decision), condition(&decision, "KeyVaultSynced").status), (pair("AsWished", ""), Truth::Yes));
    let lost =
        first(&short()).settings(&settings_with_vault()).arm("server", &found(&live()), true).absent("credentials");
    assert!(watched(&decide(lost), "vault/password"), "what the vault has is the last copy");
}

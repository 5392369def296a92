//! Long-running operations, eventual consistency and conflicts, on a clock that only the test moves.

use super::*;
use azure::{Outcome, Timing};

#[test]
fn a_create_takes_46_seconds_and_the_server_is_not_found_at_first() {
    let azure = Asker::new(Config::default());
    let reply = azure.put(&server("s1"), server_body());
    assert_eq!(reply.status, 202);
    assert_eq!(reply.body.as_ref().unwrap()["operation"], "UpsertLogicalServer");
    assert_eq!(reply.headers["retry-after"], "1");
    let (state, result) = (&reply.headers["azure-asyncoperation"], &reply.headers["location"]);
    assert!(state.len() > 4096 && result.len() > 4096, "{} {}", state.len(), result.len());
    assert!(state.contains("/serverAzureAsyncOperation/") && result.contains("/serverOperationResults/"));
    azure.wait(39);
    assert_eq!(azure.poll(state).body.unwrap()["status"], "InProgress");
    assert_eq!(azure.poll(state).headers["retry-after"], "1");
    assert_eq!(azure.poll(result).status, 202);
    assert_eq!(code(&azure.get(&server("s1"))), (404, "ResourceNotFound"));
    azure.wait(2);
    assert_eq!(azure.get(&server("s1")).body.unwrap()["properties"]["state"], "Creating");
    azure.wait(6);
    assert_eq!(azure.poll(state).body.unwrap()["status"], "Succeeded");
    assert_eq!(azure.poll(result).body.unwrap()["name"], "s1");
    assert_eq!(azure.get(&server("s1")).body.unwrap()["properties"]["state"], "Ready");
}

#[test]
fn a_server_may_stay_invisible_after_its_operation_succeeded() {
    let timing = Timing { invisible: 60_000, ..Timing::default() };
    let azure = Asker::new(Config::default().timed(timing));
    let reply = azure.put(&server("s1"), server_body());
    azure.wait(50);
    assert_eq!(azure.poll(&reply.headers["azure-asyncoperation"]).body.unwrap()["status"], "Succeeded");
    assert_eq!(azure.get(&server("s1")).status, 404);
    azure.wait(11);
    assert_eq!(azure.get(&server("s1")).status, 200);
}

#[test]
fn an_operation_that_fails_or_is_cancelled_leaves_things_as_they_were() {
    let azure = Asker::new(Config::default());
    let begin = |method: &str, outcome: Outcome, body: Value| {
        let token = azure.cloud.token(CLIENT, ARM);
        let request = Request::new(method, &format!("{}?api-version=2021-11-01", server("s1")));
        let reply = azure.cloud.handle(&Site::Arm, &request.json(&body).bearer(&token), Some(outcome));
        azure.wait(60);
        (azure.poll(&reply.headers["azure-asyncoperation"]).body.unwrap(), azure.poll(&reply.headers["location"]))
    };
    let failure = Outcome::failed("ProvisioningDisabled", "this region is full");
    let (state, result) = begin("PUT", failure, server_body());
    assert_eq!((&state["status"], &state["error"]["code"]), (&json!("Failed"), &json!("ProvisioningDisabled")));
    assert_eq!(code(&result), (409, "ProvisioningDisabled"));
    assert_eq!(azure.get(&server("s1")).status, 404);
    azure.ready_server("s1");
    let change = json!({ "properties": { "publicNetworkAccess": "Disabled" } });
    let (state, result) = begin("PATCH", Outcome::Canceled, change);
    assert_eq!((&state["status"], code(&result)), (&json!("Canceled"), (409, "OperationCancelled")));
    assert_eq!(azure.get(&server("s1")).body.unwrap()["properties"]["publicNetworkAccess"], "Enabled");
    let (state, _) = begin("DELETE", Outcome::failed("OperationTimedOut", "slow"), Value::Null);
    assert_eq!(state["status"], "Failed");
    assert_eq!(azure.get(&server("s1")).status, 200);
}

#[test]
fn a_write_during_another_is_a_conflict_with_the_code_of_what_is_under_way() {
    let azure = Asker::new(Config::default());
    azure.put(&server("s1"), server_body());
    let conflict = "UpsertLogicalServerRequestAlreadyInProgress";
    assert_eq!(code(&azure.put(&server("s1"), server_body())), (409, conflict));
    assert_eq!(code(&azure.delete(&server("s1"))), (409, conflict));
    azure.wait(60);
    azure.patch(&server("s1"), json!({ "tags": {} }));
    assert_eq!(code(&azure.patch(&server("s1"), json!({ "tags": {} }))), (409, "ConflictingServerOperation"));
    azure.wait(60);
    assert_eq!(azure.delete(&server("s1")).status, 202);
    assert_eq!(code(&azure.put(&server("s1"), server_body())), (409, "DropLogicalServerAlreadyInProgress"));
    assert_eq!(azure.get(&server("s1")).status, 200, "it is there until it is gone");
    azure.wait(13);
    assert_eq!(azure.get(&server("s1")).status, 404);
    assert_eq!(azure.delete(&server("s1")).status, 204);
}

#[test]
fn children_wait_for_their_server() {
    let azure = Asker::new(Config::default());
    azure.put(&server("s1"), server_body());
    let rule = format!("{}/firewallRules/r", server("s1"));
    let body = || json!({ "properties": { "startIpAddress": "0.0.0.0", "endIpAddress": "0.0.0.0" } });
    assert_eq!(code(&azure.put(&rule, body())), (404, "ParentResourceNotFound"));
    azure.wait(42);
    assert_eq!(code(&azure.put(&rule, body())), (409, "ConflictingServerOperation"));
    azure.wait(5);
    assert_eq!(azure.put(&rule, body()).status, 201);
}

#[test]
fn an_address_of_an_operation_works_as_it_was_given_and_not_otherwise() {
    let azure = Asker::new(Config::default());
    let reply = azure.put(&server("s1"), server_body());
    let address = &reply.headers["azure-asyncoperation"];
    let cut = address.split("&s=").next().unwrap();
    assert_eq!(azure.poll(cut).status, 403);
    let unknown = address.replace("/serverAzureAsyncOperation/", "/serverAzureAsyncOperation/0");
    assert_eq!(code(&azure.poll(&unknown)), (404, "OperationIdNotFound"));
    assert_eq!(azure.poll(address).status, 200);
}

#[test]
fn a_name_is_taken_from_the_moment_of_acceptance() {
    let azure = Asker::new(Config::default());
    azure.put(&server("s1"), server_body());
    let target = format!("{SUBSCRIPTION}/providers/Microsoft.Sql/checkNameAvailability?api-version=2021-11-01");
    let body = json!({ "name": "s1", "type": "Microsoft.Sql/servers" });
    let reply = azure.send(&Site::Arm, Request::new("POST", &target).json(&body));
    assert_eq!(reply.body.unwrap()["reason"], "AlreadyExists");
}

#![allow(clippy::unwrap_used)]
use super::*;
use crate::plan::Failure;
use proptest::prelude::*;

const NOW: &str = "2026-01-01T00:00:00Z";
const LATER: &str = "2026-01-02T00:00:00Z";

fn decision(status: Value, conditions: &[(&str, Truth)]) -> Decision {
    let conditions = conditions
        .iter()
        .map(|(type_, status)| Condition {
            type_: (*type_).into(),
            status: *status,
            reason: "Because".into(),
            message: "it is so".into(),
        })
        .collect();
    Decision { status, conditions, ..Decision::default() }
}

fn condition<'a>(status: &'a Value, type_: &str) -> Option<&'a Value> {
    Before::of(status).get(type_)
}

fn merged(
    previous: &Value,
    decision: Option<&Decision>,
    outcome: &Outcome,
    generation: i64,
    now: &str,
    last: Option<&StatusWrite>,
) -> Option<Status> {
    merge(previous, Said { decision, outcome, teardown: None, generation }, now, last)
}

fn held_back() -> Outcome {
    Outcome::Held { rule: crate::check::Rule::DataByOmission, message: "x stays".into() }
}

#[test]
fn the_same_status_is_not_written_again_whatever_the_time() {
    let decision = decision(json!({"ready": 3, "gone": null}), &[("Ready", Truth::Yes)]);
    let first = merged(&Value::Null, Some(&decision), &Outcome::Settled, 4, NOW, None).unwrap().value;
    assert_eq!(first["observedGeneration"], json!(4));
    assert_eq!(first["ready"], json!(3));
    assert_eq!(condition(&first, "Ready").unwrap()["reason"], "Because");
    assert_eq!(condition(&first, RECONCILED).unwrap()["status"], "True");
    assert_eq!(merged(&first, Some(&decision), &Outcome::Settled, 4, LATER, None), None);
}

#[test]
fn the_transition_time_changes_with_the_status_and_not_with_the_message() {
    let one = merged(&Value::Null, Some(&decision(json!({}), &[])), &Outcome::Progressing("a".into()), 1, NOW, None);
    let one = one.unwrap().value;
    let two = merged(&one, Some(&decision(json!({}), &[])), &Outcome::Progressing("b".into()), 1, LATER, None);
    let two = two.unwrap().value;
    assert_eq!(condition(&two, RECONCILED).unwrap()["lastTransitionTime"], NOW);
    assert_eq!(condition(&two, RECONCILED).unwrap()["message"], "b");
    let three = merged(&two, Some(&decision(json!({}), &[])), &Outcome::Settled, 1, LATER, None).unwrap().value;
    assert_eq!(condition(&three, RECONCILED).unwrap()["lastTransitionTime"], LATER);
    assert_eq!(condition(&three, READY).unwrap()["status"], "True", "the host's summary where the plugin gave none");
}

#[test]
fn a_pass_without_a_decision_keeps_what_the_plugin_said() {
    let said = decision(json!({"primary": "db-0"}), &[("Ready", Truth::Yes), ("Healthy", Truth::No)]);
    let before = merged(&Value::Null, Some(&said), &Outcome::Settled, 1, NOW, None).unwrap().value;
    let after = merged(&before, None, &Outcome::PluginMissing, 2, LATER, None).unwrap().value;
    assert_eq!(after["primary"], "db-0");
    assert_eq!(after["observedGeneration"], 1, "the new generation was not looked at");
    assert_eq!(condition(&after, "Healthy"), condition(&before, "Healthy"));
    assert_eq!(condition(&after, "Ready"), condition(&before, "Ready"));
    assert_eq!(condition(&after, RECONCILED).unwrap()["reason"], "PluginMissing");
}

#[test]
fn the_hosts_own_summary_follows_the_outcome_without_a_decision() {
    let before = merged(&Value::Null, Some(&decision(json!({}), &[])), &Outcome::Settled, 1, NOW, None).unwrap().value;
    let after = merged(&before, None, &Outcome::PluginBroken("x".into()), 1, LATER, None).unwrap().value;
    assert_eq!(condition(&after, READY).unwrap()["status"], "False");
    assert_eq!(after["conditions"].as_array().unwrap().len(), 2);
}

#[test]
fn paused_and_blocked_are_there_only_while_they_hold() {
    let nothing = decision(json!({}), &[]);
    let paused = merged(&Value::Null, None, &Outcome::Paused, 1, NOW, None).unwrap().value;
    assert!(condition(&paused, PAUSED).is_some());
    let held = merged(&paused, Some(&nothing), &held_back(), 1, NOW, None).unwrap().value;
    assert!(condition(&held, PAUSED).is_none() && condition(&held, BLOCKED).is_some());
    let done = merged(&held, Some(&nothing), &Outcome::Settled, 1, NOW, None).unwrap().value;
    assert!(condition(&done, BLOCKED).is_none());
}

#[test]
fn a_server_that_stores_something_else_costs_one_write() {
    let decision = decision(json!({"unknown": 1, "ready": 3}), &[]);
    let sent = merged(&Value::Null, Some(&decision), &Outcome::Settled, 1, NOW, None).unwrap();
    let mut answer = sent.value.clone();
    answer.as_object_mut().unwrap().remove("unknown");
    let record = StatusWrite::new(&sent, &answer);
    assert_eq!(merged(&answer, Some(&decision), &Outcome::Settled, 1, LATER, Some(&record)), None);
    assert!(merged(&answer, Some(&decision), &Outcome::Settled, 2, LATER, Some(&record)).is_some());
}

#[test]
fn a_server_that_drops_conditions_costs_one_write() {
    let decision = decision(json!({"ready": 3}), &[]);
    let sent = merged(&Value::Null, Some(&decision), &Outcome::Settled, 1, NOW, None).unwrap();
    let mut answer = sent.value.clone();
    answer.as_object_mut().unwrap().remove("conditions");
    let record = StatusWrite::new(&sent, &answer);
    assert_eq!(merged(&answer, Some(&decision), &Outcome::Settled, 1, LATER, Some(&record)), None);
    assert!(merged(&answer, Some(&decision), &Outcome::Paused, 1, LATER, Some(&record)).is_some());
}

#[test]
fn conditions_in_another_order_cause_no_write() {
    let one = decision(json!({}), &[("A", Truth::Yes), ("B", Truth::No)]);
    let two = decision(json!({}), &[("B", Truth::No), ("A", Truth::Yes)]);
    let first = merged(&Value::Null, Some(&one), &Outcome::Settled, 1, NOW, None).unwrap().value;
    assert_eq!(merged(&first, Some(&two), &Outcome::Settled, 1, LATER, None), None);
}

#[test]
fn a_teardown_without_the_plugin_is_told_with_its_beginning() {
    let outcome = Outcome::PluginMissing;
    let said = Said { decision: None, outcome: &outcome, teardown: Some(("PluginMissing", "soon")), generation: 1 };
    let first = merge(&Value::Null, said, NOW, None).unwrap().value;
    assert_eq!(holds_since(&first, TEARDOWN_BY_INVENTORY), Some(NOW));
    assert_eq!(merge(&first, said, LATER, None), None);
    let without = merged(&first, None, &outcome, 1, LATER, None).unwrap().value;
    assert_eq!(holds_since(&without, TEARDOWN_BY_INVENTORY), None);
}

#[test]
fn a_plugin_cannot_speak_for_the_host_nor_without_bounds() {
    let mut conditions: Vec<(String, Truth)> = (0..100).map(|at| (format!("C{at}"), Truth::Yes)).collect();
    conditions.insert(0, (RECONCILED.into(), Truth::Yes));
    conditions.insert(0, ("not a type".into(), Truth::Yes));
    let named: Vec<(&str, Truth)> = conditions.iter().map(|(type_, truth)| (type_.as_str(), *truth)).collect();
    let mut decision = decision(json!("not an object"), &named);
    decision.conditions[3].message = "a\n\u{1b}[31m".repeat(10_000);
    decision.conditions[3].reason = "no reason!".into();
    let failed = Outcome::Failed(Failure {
        reason: "Forbidden".into(),
        message: "may not".into(),
        class: crate::outcome::Class::Retry,
    });
    let status = merged(&Value::Null, Some(&decision), &failed, 1, NOW, None).unwrap().value;
    assert_eq!(status["conditions"].as_array().unwrap().len(), MOST_CONDITIONS + 2);
    assert_eq!(condition(&status, RECONCILED).unwrap()["status"], "False");
    let odd = condition(&status, "C1").unwrap();
    assert_eq!(odd["reason"], "Unspecified");
    let message = odd["message"].as_str().unwrap();
    assert!(message.len() <= MESSAGE_BYTES && !message.chars().any(char::is_control));
}

proptest! {
    #[test]
    fn any_previous_status_leads_to_a_stable_one(field in ".{0,5}", number: i64, wrong in 0..5_u8) {
        let previous = match wrong {
            0 => json!(number),
            1 => json!({"conditions": number, "observedGeneration": field}),
            2 => json!({"conditions": [number, {"type": field}, {"type": "Ready", "status": number}]}),
            3 => json!({ field.clone(): [null] }),
            _ => Value::Null,
        };
        let said = decision(json!({ field: number }), &[("Ready", Truth::Unknown)]);
        let first = merged(&previous, Some(&said), &Outcome::Settled, 1, NOW, None);
        let first = first.map_or(previous, |status| status.value);
        prop_assert_eq!(merged(&first, Some(&said), &Outcome::Settled, 1, LATER, None), None);
        let second = merged(&first, None, &Outcome::PluginMissing, 1, LATER, None).map_or(first, |status| status.value);
        prop_assert_eq!(merged(&second, None, &Outcome::PluginMissing, 1, LATER, None), None);
    }
}

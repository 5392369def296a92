//! Conditions of a `Plugin`: one for each stage of its way into service. How far it came goes in, what the status says
//! goes out; the time of a transition is kept while the status of a condition stays. Pure.

use model::grant::ServiceAccount;
use serde_json::{Value, json};

/// Reason of a stop that ends by itself: the shadow run.
pub const SHADOWING: &str = "Shadowing";

/// A stage, in the order in which a plugin passes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// The bytes are there.
    Fetched,
    /// They are the ones that are wanted, from whom they are wanted.
    Verified,
    /// They are machine code.
    Compiled,
    /// They fit this host, and their kinds fit the cluster.
    Compatible,
    /// What they would do otherwise than the version that serves is known, and nothing in it stands in their way.
    Shadowed,
    /// They decide.
    Serving,
}

impl Stage {
    /// All of them.
    pub const ALL: [Stage; 6] =
        [Stage::Fetched, Stage::Verified, Stage::Compiled, Stage::Compatible, Stage::Shadowed, Stage::Serving];

    /// The type of the condition.
    pub fn word(self) -> &'static str {
        match self {
            Stage::Fetched => "Fetched",
            Stage::Verified => "Verified",
            Stage::Compiled => "Compiled",
            Stage::Compatible => "Compatible",
            Stage::Shadowed => "Shadowed",
            Stage::Serving => "Serving",
        }
    }
}

/// One condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Which.
    pub stage: Stage,
    /// `True`, `False`, `Unknown`.
    pub status: &'static str,
    /// CamelCase.
    pub reason: String,
    /// What is the case and what to do.
    pub message: String,
}

/// Where a plugin stopped on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// At this stage.
    pub stage: Stage,
    /// CamelCase.
    pub reason: String,
    /// What is wrong and what to do.
    pub message: String,
    /// Another try may go otherwise though nobody changes anything.
    pub may_pass: bool,
}

/// What was found on the way to a stage that was passed: reason and message by stage.
pub type Passed = Vec<(Stage, &'static str, String)>;

/// All conditions. `passed` are the stages that the wanted version passed, `stopped` where it did not; `serving` is what
/// decides now, in words, or why nothing does.
pub fn conditions(
    passed: &Passed,
    stopped: Option<&Stopped>,
    serving: Result<(&str, String), String>,
) -> Vec<Condition> {
    Stage::ALL
        .into_iter()
        .map(|stage| {
            let condition = |status, reason: &str, message: &str| Condition {
                stage,
                status,
                reason: reason.into(),
                message: message.into(),
            };
            if stage == Stage::Serving {
                return match (&serving, stopped) {
                    (Ok((reason, message)), _) => condition("True", reason, message),
                    (Err(message), Some(stopped)) => condition("False", &stopped.reason, message),
                    (Err(message), None) => condition("False", "NotServing", message),
                };
            }
            if let Some((_, reason, message)) = passed.iter().find(|(at, _, _)| *at == stage) {
                return condition("True", reason, message);
            }
            match stopped {
                // A run that goes on has no outcome yet.
                Some(stopped) if stopped.stage == stage && stopped.reason == SHADOWING => {
                    condition("Unknown", SHADOWING, &stopped.message)
                }
                Some(stopped) if stopped.stage == stage => condition("False", &stopped.reason, &stopped.message),
                _ => condition("Unknown", "NotReached", "an earlier stage is not passed"),
            }
        })
        .collect()
}

/// The conditions as the status has them. `previous` is the status as it is, `now` RFC 3339.
pub fn rendered(conditions: &[Condition], previous: &Value, generation: i64, now: &str) -> Value {
    let render = |condition: &Condition| {
        let Condition { stage, status, reason, message } = condition;
        one(stage.word(), status, (reason.as_str(), message.as_str()), previous, generation, now)
    };
    conditions.iter().map(render).collect()
}

/// One condition as the status has it.
fn one(
    type_: &str,
    status: &str,
    (reason, message): (&str, &str),
    previous: &Value,
    generation: i64,
    now: &str,
) -> Value {
    let before = previous.get("conditions").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let since = before
        .iter()
        .find(|before| before["type"] == type_ && before["status"] == status)
        .and_then(|before| before["lastTransitionTime"].as_str());
    json!({
        "type": type_, "status": status, "reason": reason,
        "message": model::text::bounded(message, 4096),
        "lastTransitionTime": since.unwrap_or(now), "observedGeneration": generation,
    })
}

/// Type of the condition that says whether the API server lets the plugin's account do what its grants allow.
pub const PERMITTED: &str = "Permitted";

/// The condition [`PERMITTED`]. `account` is whose name is used; none: the host's own. `denied` is what is refused now, with
/// the words of the API server.
pub fn permitted(
    account: Option<&ServiceAccount>,
    denied: &[(String, String)],
    previous: &Value,
    generation: i64,
    now: &str,
) -> Value {
    let who = account.map_or_else(|| "the host".to_owned(), |account| format!("ServiceAccount {account}"));
    if denied.is_empty() {
        let message = format!("the API server refuses nothing that is done as {who}");
        return one(PERMITTED, "True", ("NothingRefused", message.as_str()), previous, generation, now);
    }
    let list: Vec<String> = denied.iter().map(|(what, message)| format!("{what} ({message})")).collect();
    let message = format!(
        "the API server does not let {who} do what the plugin is granted: {}; apply the roles that `windlass rbac` prints, \
         it is tried again by itself",
        list.join("; ")
    );
    one(PERMITTED, "False", ("Forbidden", message.as_str()), previous, generation, now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stopped() -> Stopped {
        Stopped {
            stage: Stage::Compiled,
            reason: "CompileTimeLimit".into(),
            message: "too slow".into(),
            may_pass: false,
        }
    }

    #[test]
    fn a_stage_that_stops_a_plugin_says_why_and_later_ones_are_unknown() {
        let passed =
            vec![(Stage::Fetched, "Fetched", "from a file".into()), (Stage::Verified, "NotAsked", String::new())];
        let all = conditions(&passed, Some(&stopped()), Err("nothing serves".into()));
        let shown: Vec<_> = all.iter().map(|it| (it.stage.word(), it.status, it.reason.as_str())).collect();
        assert_eq!(
            shown,
            [
                ("Fetched", "True", "Fetched"),
                ("Verified", "True", "NotAsked"),
                ("Compiled", "False", "CompileTimeLimit"),
                ("Compatible", "Unknown", "NotReached"),
                ("Shadowed", "Unknown", "NotReached"),
                ("Serving", "False", "CompileTimeLimit"),
            ]
        );
    }

    #[test]
    fn the_time_of_a_transition_stays_while_the_status_does() {
        let all = conditions(&Vec::new(), Some(&stopped()), Ok(("PreviousVersion", "1.0.0".into())));
        let first = json!({"conditions": rendered(&all, &Value::Null, 1, "2026-01-01T00:00:00Z")});
        let second = rendered(&all, &first, 2, "2026-01-02T00:00:00Z");
        assert!(second.as_array().unwrap().iter().all(|it| it["lastTransitionTime"] == "2026-01-01T00:00:00Z"));
        assert!(second.as_array().unwrap().iter().all(|it| it["observedGeneration"] == 2));
    }
}

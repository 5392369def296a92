//! Deletion of the resource. In: a snapshot of a resource that is being deleted. Out: nothing that should still exist, so
//! that the host takes everything away in reverse order, the Secret last; or, where the policy is to detach, first every
//! item as one that stays, and nothing only when that is written down.

use crate::build::{self, Design, SERVER};
use crate::place::Place;
use crate::policy::Policy;
use crate::settings::Settings;
use crate::situation::{Case, Situation};
use crate::spec::ServerSpec;
use crate::status::{ServerStatus, condition};
use windlass_sdk::azure::Sight;
use windlass_sdk::{Condition, Decision, Fault, Snapshot};

/// Milliseconds until the second step of a detachment.
const SOON: u64 = 1_000;

/// Decides for a resource that is being deleted.
pub fn decide(
    snapshot: &Snapshot<ServerSpec, ServerStatus>,
    settings: &Settings,
    policy: Policy,
) -> Result<Decision, Fault> {
    let mut status = snapshot.resource.status.clone();
    if !policy.detaches() {
        let (reason, severity, message) = teardown(snapshot);
        status.severity = Some(severity.to_string());
        return Ok(Decision::new(&status).condition(Condition::no("Ready", &reason, &message)));
    }
    let message = "everything in Azure, the Secret and the Key Vault stay as they are";
    let condition = Condition::no("Ready", "Detaching", message);
    if status.detached {
        return Ok(Decision::new(&status).condition(condition));
    }
    let place = Place::of(&snapshot.resource, settings).map_err(Fault::Invalid)?;
    // Without a look: what stays is not touched, whatever it is like.
    let situation = Situation::Looking;
    let case = Case { situation, live: None, exists: true, may_have_secret: false, unshown: Vec::new() };
    let design = Design { snapshot, place: &place, settings, case: &case, policy: Policy::Skip };
    status.detached = true;
    status.severity = Some("Info".to_string());
    Ok(Decision::new(&status).items(build::items(&design)).condition(condition).wake(snapshot.now + SOON))
}

/// Reason, severity and message while the server is being taken away.
fn teardown(snapshot: &Snapshot<ServerSpec, ServerStatus>) -> (String, &'static str, String) {
    let detach = format!(
        "to leave everything in Azure as it is, set annotation {} to detach-on-delete",
        crate::policy::ANNOTATION
    );
    match snapshot.arm(SERVER) {
        Sight::Silent(silence) => {
            let message = format!(
                "whether the server is gone cannot be seen ({}): {}; {detach}",
                silence.reason,
                condition::remedy_of_silence(&silence.reason)
            );
            (condition::word(&silence.reason), "Warning", message)
        }
        Sight::Answers(facts) => match facts.failed() {
            Some(operation) => {
                let code = operation.error_code.clone().unwrap_or_default();
                let text = operation.error_message.clone().unwrap_or_default();
                let message =
                    format!("the server cannot be deleted: {code}: {text}; {}; {detach}", condition::remedy(&code));
                (condition::word(&code), "Warning", message)
            }
            None if facts.found || facts.accepted => {
                let message = "the server is being deleted with all that is in it; the Secret stays until it is gone";
                ("Deleting".to_string(), "Info", message.to_string())
            }
            None => ("Deleting".to_string(), "Info", "there is no server; the rest is being removed".to_string()),
        },
        Sight::NotAsked => ("Deleting".to_string(), "Info", "the server is being looked for".to_string()),
    }
}

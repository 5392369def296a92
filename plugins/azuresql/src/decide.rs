//! The decision: from one snapshot to everything that should exist and be said. Pure.

use crate::build::{self, Design, server};
use crate::leave;
use crate::login;
use crate::place::Place;
use crate::policy::Policy;
use crate::settings::Settings;
use crate::situation::{self, Situation};
use crate::spec::ServerSpec;
use crate::status::{self, ServerStatus, condition};
use crate::validate;
use windlass_sdk::{Decision, Event, Fault, Snapshot};

/// Milliseconds after which the host is asked to look again at what it has not looked at yet.
const SOON: u64 = 1_000;

/// Decides.
pub fn decide(snapshot: &Snapshot<ServerSpec, ServerStatus>) -> Result<Decision, Fault> {
    let resource = &snapshot.resource;
    let settings = Settings::parse(&snapshot.settings).map_err(Fault::Invalid)?;
    let policy = Policy::of(&resource.metadata).map_err(|error| Fault::Invalid(vec![error]))?;
    if snapshot.deleting {
        return leave::decide(snapshot, &settings, policy);
    }
    let errors = validate::spec(&resource.spec, &settings);
    if !errors.is_empty() {
        return Err(Fault::Invalid(errors));
    }
    let place = Place::of(resource, &settings).map_err(Fault::Invalid)?;
    let case = situation::of(snapshot, &place, &server::wanted(&resource.spec, &settings), policy)?;
    let design = Design { snapshot, place: &place, settings: &settings, case: &case, policy };
    let items = build::items(&design);
    let ready = condition::ready(&design, &items);
    let status = status::build(&design, &ready);
    let mut decision = Decision::new(&status)
        .conditions(condition::all(&design, &ready, &items))
        .events(events(&design, &status))
        .items(items);
    match &case.situation {
        Situation::Looking => decision = decision.wake(snapshot.now + SOON),
        Situation::Running { retry_at } => decision = decision.wake((*retry_at).max(snapshot.now + SOON)),
        _ => {}
    }
    Ok(decision)
}

/// What changed since the last status, for people who watch.
fn events(design: &Design<'_>, new: &ServerStatus) -> Vec<Event> {
    let (spec, old) = (design.spec(), &design.snapshot.resource.status);
    let mut events = Vec::new();
    let written = spec.administrator_login.as_str();
    if login::is_reserved(written) && old.administrator_login.is_none() {
        let message = format!(
            "Azure reserves the login {written}; the server is created with {} instead",
            login::effective(written)
        );
        events.push(Event::warning("ReservedLogin", &message));
    }
    if new.id.is_some() && old.id.is_none() {
        let message = format!("Azure has server {} in {}", design.place.name, spec.location);
        events.push(Event::normal("ServerAccepted", &message));
    }
    if new.state.as_deref() == Some("Ready") && old.state.as_deref() != Some("Ready") {
        events.push(Event::normal("ServerReady", &format!("clients connect to {}", design.place.host)));
    }
    match &design.case.situation {
        Situation::Failed(failure) if old.last_error.as_deref() != Some(failure.code.as_str()) => {
            events.push(Event::warning(&condition::word(&failure.code), &failure.message));
        }
        Situation::PasswordUnknown if old.last_error.as_deref() != Some("PasswordUnknown") => {
            let message = format!("Secret {} is gone and the server exists", design.place.secret);
            events.push(Event::warning("PasswordUnknown", &message));
        }
        _ => {}
    }
    events
}

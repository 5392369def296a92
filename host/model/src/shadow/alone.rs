//! What a version would do where no other one decides: the steps of its plan, what its guards hold back, and what comes
//! later because it waits.

use super::compare::change;
use super::outlook::Planned;
use super::{Change, Field, Happens, Severity};
use crate::check::holds_state;
use crate::inventory::{Inventory, Target};
use crate::names;
use crate::plan::{Action, Reason, Step};
use crate::text::bounded;

pub(super) fn changes(new: &Planned, changes: &mut Vec<Change>) {
    changes.extend(new.plan.steps().iter().map(|step| of_step(new, step)));
    for blocked in new.plan.blocked() {
        // What a guard holds back is what the version wants.
        changes.push(Change {
            severity: Severity::Destroys,
            happens: Happens::Deleted,
            item: bounded(&blocked.item, 100),
            target: bounded(&blocked.target, 300),
            fields: Vec::new(),
            note: bounded(&format!("held back: {}", blocked.message), 512),
        });
    }
    for waiting in new.plan.waiting() {
        let Some(wish) = new.wishes.get(&waiting.item) else { continue };
        let note = bounded(&waiting.why, 300);
        if waiting.removal {
            changes.push(Change { note, ..change(Severity::Takes, Happens::Deleted, &waiting.item, wish) });
        } else if !new.has(wish) {
            changes.push(Change { note, ..change(Severity::Changes, Happens::Created, &waiting.item, wish) });
        }
    }
}

fn of_step(new: &Planned, step: &Step) -> Change {
    let target = target(step, new.plan.inventory());
    let takes = match &target {
        Some(target) if holds_state(target) => Severity::Destroys,
        _ => Severity::Takes,
    };
    let missing = step.reason == Reason::Missing;
    let (severity, happens) = match &step.action {
        Action::Apply { live: None, .. } | Action::CreateSecret { .. } => (Severity::Changes, Happens::Created),
        Action::Apply { live: Some(_), .. }
        | Action::Adopt { .. }
        | Action::Overlay { .. }
        | Action::AddSecretValues { .. } => (Severity::Changes, Happens::Changed),
        Action::Recreate { .. } => (takes, Happens::Recreated),
        Action::Delete { .. } | Action::RemoveExternal { .. } => (takes, Happens::Deleted),
        Action::Release { .. } => (Severity::Changes, Happens::Released),
        Action::Mysql(_) | Action::Azure(_) | Action::Vault(_) if missing => (Severity::Changes, Happens::Created),
        Action::Mysql(server) if server.reseed.is_some() => (Severity::Destroys, Happens::Recreated),
        Action::Mysql(_) | Action::Azure(_) | Action::Vault(_) => (Severity::Changes, Happens::Changed),
    };
    Change {
        severity,
        happens,
        item: bounded(&step.item, 100),
        target: target.map(|target| bounded(&target.to_string(), 300)).unwrap_or_default(),
        // The host's own note of what was wanted differs with every wish.
        fields: step
            .reason
            .paths()
            .iter()
            .filter(|path| !path.contains(names::ANNOTATION_DESIRED))
            .map(|path| Field::named(path))
            .collect(),
        note: String::new(),
    }
}

fn target(step: &Step, inventory: &Inventory) -> Option<Target> {
    if let Some(key) = step.action.key() {
        return Some(match &step.action {
            Action::CreateSecret { .. } | Action::AddSecretValues { .. } => Target::Secret(key.clone()),
            _ => Target::Object(key.clone()),
        });
    }
    match &step.action {
        Action::RemoveExternal { backend, name, api_version } => {
            Some(Target::External { backend: *backend, name: name.clone(), api_version: api_version.clone() })
        }
        _ => inventory.entries.iter().find(|entry| entry.id == step.item).map(|entry| entry.target.clone()),
    }
}

//! One step of a plan, done: the call or calls that it takes, each with its precondition.

use super::{Actor, Done, Failure, guard, kubernetes::Target, secret};
use crate::observe::found;
use model::{
    ObjectKey,
    digest::Digest,
    facts::{LastWrite, ResourceFacts},
    names,
    plan::{Action, Live, Reason, Step},
};
use serde_json::{Value, json};

impl Actor {
    pub(super) async fn run(&self, step: &Step, resource: &ResourceFacts) -> Result<Done, Failure> {
        let Some(key) = step.action.key() else {
            // The check refuses items of backends that this host does not have.
            return Err(Failure::Rejected("this host cannot act on the backend of this item".into()));
        };
        let served = self.served_as(key).await?;
        let target = Target { key, resource: &served };
        match &step.action {
            Action::Apply { key, object, live: None, desired } => {
                let answer = self.writer.create(target, object).await?;
                self.remember(resource, key, answer, *desired, None)
            }
            Action::Apply { key, object, live: Some(live), desired } => {
                let (answer, editors) = self.apply(step, target, live, object).await?;
                let done = self.remember(resource, key, answer, *desired, Some(live))?;
                Ok(Done { editors, ..done })
            }
            Action::Adopt { key, object, live, desired } => {
                // The uid alone would not tell that it became somebody else's since.
                guard::confirm(self, target, live).await?;
                let answer = self.writer.apply_forced(target, &live.uid, object).await?;
                self.remember(resource, key, answer, *desired, Some(live))
            }
            Action::Overlay { key, object, live, desired } => {
                let answer = self.writer.apply_forced(target, &live.uid, object).await?;
                self.remember(resource, key, answer, *desired, Some(live))
            }
            Action::CreateSecret { key, object, plain, random, composed, desired } => {
                let body = secret::create(object, plain, random, composed, &self.entropy)?;
                let answer = self.writer.create_secret(target, &body).await?;
                self.remember(resource, key, answer, *desired, None)
            }
            Action::AddSecretValues { key, object, live, plain, random, rotate, composed, desired } => {
                let alone = rotate.is_empty() && composed.is_empty();
                let stored = if alone { None } else { Some(guard::confirm(self, target, live).await?) };
                let stored = stored.as_ref().and_then(|secret| secret.as_ref());
                let new = secret::New { plain, random, rotate, composed };
                let patch = secret::change(object, new, stored, &self.entropy)?;
                let Live { uid, resource_version } = live;
                let answer = self.writer.merge_secret(target, uid, resource_version, &patch).await?;
                self.remember(resource, key, answer, *desired, Some(live))
            }
            Action::Recreate { key, live } | Action::Delete { key, live } => {
                if guard::confirm(self, target, live).await?.is_none() {
                    return Ok(Done::without_answer(false));
                }
                self.writer.delete(target, &live.uid, &live.resource_version).await?;
                self.ledger.deleted(&resource.key, key, &live.uid);
                Ok(Done::without_answer(true))
            }
            Action::Release { key, live, owner_uid } => {
                let Some(stored) = guard::confirm(self, target, live).await? else {
                    return Ok(Done::without_answer(false));
                };
                let patch = release(&stored, owner_uid);
                let answer = self.writer.merge(target, &live.uid, &live.resource_version, &patch).await?;
                self.wrote(&resource.key, key, answer)?;
                Ok(Done::without_answer(true))
            }
            Action::Mysql(_) | Action::Azure(_) | Action::Vault(_) | Action::RemoveExternal { .. } => {
                Err(Failure::Rejected("this host cannot act on the backend of this item".into()))
            }
        }
    }

    /// An edit in a field of ours is taken back, and that needs force: the edit made the field theirs. Returns whose they
    /// were. What another program declares as its own is never taken (D3, F8).
    async fn apply(
        &self,
        step: &Step,
        target: Target<'_>,
        live: &Live,
        object: &Value,
    ) -> Result<(Value, Vec<String>), Failure> {
        match self.writer.apply(target, &live.uid, object).await {
            Err(Failure::FieldConflict(owners))
                if matches!(step.reason, Reason::Drifted(_)) && owners.iter().all(|owner| owner.edited) =>
            {
                let answer = self.writer.apply_forced(target, &live.uid, object).await?;
                let mut editors: Vec<String> = owners.into_iter().map(|owner| owner.manager).collect();
                editors.sort_unstable();
                editors.dedup();
                Ok((answer, editors))
            }
            other => other.map(|answer| (answer, Vec::new())),
        }
    }

    fn remember(
        &self,
        resource: &ResourceFacts,
        key: &ObjectKey,
        answer: Value,
        desired: Digest,
        before: Option<&Live>,
    ) -> Result<Done, Failure> {
        let object = self.wrote(&resource.key, key, answer)?;
        let changed = before.is_none_or(|live| live.resource_version != object.resource_version);
        let remember = found::read(&object).map(|found| LastWrite::new(desired, &found));
        Ok(Done { changed, remember, editors: Vec::new() })
    }
}

impl Done {
    fn without_answer(changed: bool) -> Self {
        Done { changed, remember: None, editors: Vec::new() }
    }
}

/// A merge patch that takes our marks off an object.
fn release(stored: &Value, owner_uid: &str) -> Value {
    let owners = stored.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    let kept: Vec<&Value> = owners
        .into_iter()
        .flatten()
        .filter(|owner| owner.get("uid").and_then(Value::as_str) != Some(owner_uid))
        .collect();
    json!({"metadata": {
        "ownerReferences": kept,
        "labels": { names::LABEL_OWNER: null, names::LABEL_PLUGIN: null, names::LABEL_MANAGED_BY: null },
        "annotations": { names::ANNOTATION_ITEM: null, names::ANNOTATION_DESIRED: null },
    }})
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn releasing_takes_our_owner_reference_and_keeps_those_of_others() {
        let stored = json!({"metadata": {"ownerReferences": [{"uid": "ours"}, {"uid": "theirs"}]}});
        let patch = release(&stored, "ours");
        assert_eq!(patch.pointer("/metadata/ownerReferences").unwrap(), &json!([{"uid": "theirs"}]));
        assert!(patch.pointer("/metadata/labels/windlass.dev~1owner-uid").unwrap().is_null());
    }
}

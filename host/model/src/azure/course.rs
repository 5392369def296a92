//! What to do about one thing in Azure. In: how it should be, what was seen and what is remembered of it, and the time.
//! Out: nothing, waiting, or one write; and the two views of it, for the plugin and for the plan.

use super::compare::{merged_tags, patch, remove, set};
use super::journal::{Existence, Record};
use super::marks::{self, Mark};
use super::readings;
use crate::decision::{ArmChange, ArmResource, ReadyField, SecretKey, VaultSecret};
use crate::digest::Digest;
use crate::facts::{External, Presence};
use crate::snapshot::{ArmFacts, Instant, OperationFacts, VaultFacts};
use serde_json::{Value, json};

/// Wish of a deletion, in [`super::Attempt::wish`].
pub const DELETION: &str = "delete";

/// How an ARM resource should be.
#[derive(Clone, Debug)]
pub struct ArmWanted<'a> {
    /// As the plugin says.
    pub resource: &'a ArmResource,
    /// Uid of the Kubernetes resource that it is for.
    pub uid: &'a str,
    /// For each of [`ArmResource::secrets`] the fingerprint of the value that is to be sent; none where there is none.
    pub fingerprints: Vec<Option<String>>,
}

/// What was seen of an ARM resource, and what is remembered of our writes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ArmSeen {
    /// As ARM returned it; none where it was not found.
    pub live: Option<Value>,
    /// Its ETag.
    pub etag: Option<String>,
    /// What is remembered.
    pub record: Record,
    /// Whether the resource that it is in is ours; none where it is in none, or that is not known.
    pub parent_ours: Option<bool>,
    /// Why its name cannot be had.
    pub name_taken: Option<String>,
    /// Whether its name is free was to be asked, and Azure asked for a pause first.
    pub name_unasked: bool,
}

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Course {
    /// It is as it should be.
    Settled {
        /// And ready.
        ready: bool,
    },
    /// Nothing can be done now; for people.
    Wait(&'static str),
    /// One write.
    Write(Write),
}

/// One write.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// The whole body.
    Put {
        /// Without the values of Secrets.
        body: Value,
        /// Where they go.
        secrets: Vec<(String, SecretKey)>,
    },
    /// What differs.
    Patch {
        /// Without the values of Secrets.
        body: Value,
        /// Where they go.
        secrets: Vec<(String, SecretKey)>,
    },
    /// A new version of a vault's secret.
    SetSecret,
    /// The recovery of a deleted one.
    RecoverSecret,
}

impl ArmWanted<'_> {
    /// Digest of all that is asked for. A failure is of one wish.
    pub fn wish(&self) -> String {
        let fingerprints = self.fingerprints.iter().map(|one| one.as_deref().unwrap_or_default());
        let body = Digest::of(&self.resource.body).to_string();
        let parts: Vec<&str> = [body.as_str(), &self.resource.api_version].into_iter().chain(fingerprints).collect();
        Digest::of_texts(&parts).to_string()
    }

    /// The body with our marks and without the places of secrets.
    fn marked(&self) -> Value {
        let mut body = self.resource.body.clone();
        for (pointer, _) in &self.resource.secrets {
            remove(&mut body, pointer);
        }
        if marks::has_tags(&body) {
            set(&mut body, &format!("/tags/{}", marks::OWNER), self.uid.into());
            for ((pointer, _), fingerprint) in self.resource.secrets.iter().zip(&self.fingerprints) {
                if let (Some(fingerprint), Some(tags)) =
                    (fingerprint, body.get_mut("tags").and_then(Value::as_object_mut))
                {
                    tags.insert(marks::sent_tag(pointer), json!(fingerprint));
                }
            }
        }
        body
    }

    /// What to do now.
    pub fn course(&self, seen: &ArmSeen, now: Instant) -> Course {
        if seen.record.pending.is_some() {
            return Course::Wait("an operation is under way");
        }
        if seen.record.held_back(&self.wish(), now).is_some() {
            return Course::Wait("its last write was refused");
        }
        if self.fingerprints.iter().any(Option::is_none) {
            return Course::Wait("a Secret that it is filled from has no such key yet");
        }
        let body = self.marked();
        let Some(live) = &seen.live else {
            if seen.name_taken.is_some() {
                return Course::Wait("its name is taken");
            }
            if seen.name_unasked {
                return Course::Wait("whether its name is free was not asked yet: azure asked for a pause");
            }
            if seen.record.invisible(now) {
                return Course::Wait("it was accepted and is not to be seen yet");
            }
            return Course::Write(Write::Put { body, secrets: self.resource.secrets.clone() });
        };
        let places = readings::mendable(&seen.record, &body, live);
        let unsent = self.unsent(&seen.record);
        if places.is_empty() && unsent.is_empty() {
            return Course::Settled { ready: ready(self.resource.ready_field.as_ref(), live) };
        }
        if is_moving(self.resource.ready_field.as_ref(), live) {
            return Course::Wait("it is being changed already");
        }
        let secrets = self.resource.secrets.iter();
        match self.resource.change {
            ArmChange::Put => {
                let mut body = body;
                if body.get("tags").is_some() {
                    let tags = merged_tags(&body, live);
                    set(&mut body, "/tags", tags);
                }
                Course::Write(Write::Put { body, secrets: secrets.cloned().collect() })
            }
            ArmChange::Patch => {
                let sent = marks::sent(live);
                let known = |pointer: &str| sent.iter().find(|(place, _)| place == pointer).map(|(_, value)| value);
                let new = secrets.zip(&self.fingerprints);
                let new = new.filter(|((pointer, _), fingerprint)| known(pointer) != fingerprint.as_ref());
                let new: Vec<_> = match marks::has_tags(&body) {
                    true => new.map(|(secret, _)| secret.clone()).collect(),
                    false => unsent,
                };
                Course::Write(Write::Patch { body: patch(&body, live, &places), secrets: new })
            }
        }
    }

    /// Takes in what was seen after a write: which values ARM does not show as they were sent.
    pub fn learn(&self, seen: &mut ArmSeen) {
        if let Some(live) = &seen.live
            && seen.record.pending.is_none()
            && !is_moving(self.resource.ready_field.as_ref(), live)
        {
            readings::learn(&mut seen.record, &self.marked(), &self.untold(), live);
        }
    }

    /// Places of values of Secrets that no tag tells of, with their fingerprints.
    fn untold(&self) -> Vec<(&str, &str)> {
        if marks::has_tags(&self.resource.body) {
            return Vec::new();
        }
        let all = self.resource.secrets.iter().zip(&self.fingerprints);
        all.filter_map(|((place, _), print)| Some((place.as_str(), print.as_deref()?))).collect()
    }

    /// Those of them whose value was not sent yet, as far as that is remembered.
    fn unsent(&self, record: &Record) -> Vec<(String, SecretKey)> {
        let untold = self.untold();
        let new = |place: &str| untold.iter().any(|(at, print)| *at == place && !readings::was_sent(record, at, print));
        self.resource.secrets.iter().filter(|(place, _)| new(place)).cloned().collect()
    }

    /// How it stands, for a plan in which it is desired.
    pub fn standing(&self, seen: &ArmSeen, now: Instant) -> External {
        let ours = seen.ours(self.uid);
        let is_ready = seen.live.as_ref().is_some_and(|live| ready(self.resource.ready_field.as_ref(), live));
        let presence = if seen.live.is_some() { Presence::Present } else { Presence::Absent };
        if self.resource.observe_only {
            return External { presence, ready: is_ready, as_desired: true, ours };
        }
        match self.course(seen, now) {
            Course::Settled { ready } => External { presence, ready, as_desired: true, ours },
            // What is somebody else's is said before anything else.
            Course::Wait(_) if seen.live.is_some() && !ours => {
                External { presence, ready: false, as_desired: true, ours }
            }
            Course::Wait(_) => External { presence: Presence::Busy, ready: false, as_desired: false, ours: true },
            Course::Write(_) => External { presence, ready: is_ready, as_desired: false, ours },
        }
    }
}

impl ArmSeen {
    /// Whether it is this resource's: its tag says so; or it has none, and we remember that we made it, or it cannot have
    /// any and what it is in is ours.
    pub fn ours(&self, uid: &str) -> bool {
        let Some(live) = &self.live else { return self.record.may_exist() };
        match marks::mark(live, uid) {
            Mark::Ours => true,
            Mark::Others => false,
            Mark::None if live.get("location").is_none() && self.parent_ours.is_some() => {
                self.parent_ours == Some(true)
            }
            Mark::None => self.record.may_exist(),
        }
    }

    /// How it stands, for a plan in which it is not desired.
    pub fn standing_unwanted(&self, uid: &str, now: Instant) -> External {
        let there = self.live.is_some();
        let presence = if self.record.pending.is_some() || self.record.held_back(DELETION, now).is_some() {
            Presence::Busy
        } else if there || self.record.existence == Existence::Sent {
            // What was sent and never answered may be on its way: a deletion finds out.
            Presence::Present
        } else if self.record.invisible(now) {
            Presence::Busy
        } else {
            Presence::Absent
        };
        External { presence, ready: there, as_desired: true, ours: self.ours(uid) }
    }

    /// What the plugin is shown.
    pub fn facts(&self) -> ArmFacts {
        let running =
            |retry_at| OperationFacts { running: true, error_code: None, error_message: None, failure: None, retry_at };
        let operation = match (&self.record.pending, &self.record.failure) {
            (Some(pending), _) => Some(running(pending.retry_at)),
            // Nothing was refused: it is looked at and sent again.
            (None, Some(failure)) if failure.is_outdated() => Some(running(failure.retry_at)),
            (None, Some(failure)) => Some(OperationFacts {
                running: false,
                error_code: Some(failure.code.clone()),
                error_message: Some(failure.message.clone()),
                failure: Some(failure.class),
                retry_at: failure.retry_at,
            }),
            (None, None) => None,
        };
        ArmFacts {
            found: self.live.is_some(),
            body: self.live.as_ref().map_or_else(|| "null".into(), |live| live.to_string()).into(),
            operation,
            etag: self.etag.clone(),
            accepted: self.record.may_exist(),
            name_taken: self.name_taken.clone(),
            sent_secrets: self.live.as_ref().map(marks::sent).unwrap_or_default(),
        }
    }
}

/// Whether a resource is ready.
fn ready(field: Option<&ReadyField>, live: &Value) -> bool {
    let text = |pointer: &str| live.pointer(pointer).and_then(Value::as_str);
    match field {
        Some(field) => text(&field.pointer).is_some_and(|found| field.values.iter().any(|value| value == found)),
        None => text("/properties/provisioningState").is_none_or(|state| state.eq_ignore_ascii_case("Succeeded")),
    }
}

/// Whether Azure is at work on it, so that a write would be refused.
fn is_moving(field: Option<&ReadyField>, live: &Value) -> bool {
    const MOVING: [&str; 7] = ["Accepted", "Creating", "Deleting", "InProgress", "Provisioning", "Running", "Updating"];
    let text = |pointer: &str| live.pointer(pointer).and_then(Value::as_str);
    let states = [text("/properties/provisioningState"), field.and_then(|field| text(&field.pointer))];
    states.into_iter().flatten().any(|state| MOVING.iter().any(|moving| moving.eq_ignore_ascii_case(state)))
}

/// How a vault's secret should be.
#[derive(Clone, Debug)]
pub struct VaultWanted<'a> {
    /// As the plugin says.
    pub secret: &'a VaultSecret,
    /// Uid of the Kubernetes resource that it is for.
    pub uid: &'a str,
    /// Fingerprint of the value; none where there is none.
    pub fingerprint: Option<String>,
}

/// What was seen of a vault's secret.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VaultSeen {
    /// Its current version.
    pub live: Option<VaultLive>,
    /// It is deleted and can be recovered.
    pub soft_deleted: bool,
    /// What is remembered.
    pub record: Record,
}

/// The current version of a vault's secret.
#[derive(Clone, Debug, PartialEq)]
pub struct VaultLive {
    /// Id of the version.
    pub version: String,
    /// Fingerprint of the value.
    pub fingerprint: String,
    /// What kind of value it is.
    pub content_type: Option<String>,
    /// An object with `tags`.
    pub tags: Value,
}

impl VaultWanted<'_> {
    /// As [`ArmWanted::wish`].
    pub fn wish(&self) -> String {
        let VaultSecret { content_type, .. } = self.secret;
        let parts = [self.fingerprint.as_deref(), content_type.as_deref()];
        Digest::of_texts(&parts.map(Option::unwrap_or_default)).to_string()
    }

    /// What to do now.
    pub fn course(&self, seen: &VaultSeen, now: Instant) -> Course {
        if seen.record.pending.as_ref().is_some_and(|pending| now < pending.retry_at) {
            return Course::Wait("it is being recovered");
        }
        if seen.record.held_back(&self.wish(), now).is_some() {
            return Course::Wait("its last write was refused");
        }
        if self.fingerprint.is_none() {
            return Course::Wait("the Secret has no such key yet");
        }
        match &seen.live {
            Some(live)
                if Some(&live.fingerprint) == self.fingerprint.as_ref()
                    && self
                        .secret
                        .content_type
                        .as_ref()
                        .is_none_or(|wanted| live.content_type.as_ref() == Some(wanted)) =>
            {
                Course::Settled { ready: true }
            }
            None if seen.soft_deleted => Course::Write(Write::RecoverSecret),
            Some(_) | None => Course::Write(Write::SetSecret),
        }
    }

    /// As [`ArmWanted::standing`].
    pub fn standing(&self, seen: &VaultSeen, now: Instant) -> External {
        let ours = seen.ours(self.uid);
        let presence = if seen.live.is_some() { Presence::Present } else { Presence::Absent };
        if self.secret.observe_only {
            return External { presence, ready: seen.live.is_some(), as_desired: true, ours };
        }
        match self.course(seen, now) {
            Course::Settled { ready } => External { presence, ready, as_desired: true, ours },
            Course::Wait(_) if seen.live.is_some() && !ours => {
                External { presence, ready: false, as_desired: true, ours }
            }
            Course::Wait(_) => External { presence: Presence::Busy, ready: false, as_desired: false, ours: true },
            Course::Write(_) => External { presence, ready: false, as_desired: false, ours },
        }
    }
}

impl VaultSeen {
    /// Whether it is this resource's. What was recovered still has the marks of an earlier resource: that we were about to
    /// write it is remembered.
    pub fn ours(&self, uid: &str) -> bool {
        let marked = self.live.as_ref().is_some_and(|live| marks::mark(&live.tags, uid) == Mark::Ours);
        marked || self.record.may_exist()
    }

    /// As [`ArmSeen::standing_unwanted`]. What is deleted softly is gone: nothing is ever purged.
    pub fn standing_unwanted(&self, uid: &str, now: Instant) -> External {
        let presence = match (&self.live, self.record.held_back(DELETION, now)) {
            (Some(_), Some(_)) => Presence::Busy,
            (Some(_), None) => Presence::Present,
            (None, _) => Presence::Absent,
        };
        External { presence, ready: self.live.is_some(), as_desired: true, ours: self.ours(uid) }
    }

    /// What the plugin is shown.
    pub fn facts(&self) -> VaultFacts {
        VaultFacts {
            found: self.live.is_some(),
            soft_deleted: self.soft_deleted,
            version: self.live.as_ref().map(|live| live.version.clone()),
            fingerprint: self.live.as_ref().map(|live| live.fingerprint.clone()),
        }
    }
}

#[cfg(test)]
mod tests;

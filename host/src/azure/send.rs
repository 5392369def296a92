//! One write to one place in Azure: what to send and what is remembered in, what is remembered after it out. What an answer
//! means for the record is the same for every type of resource.

use super::arm::{Answer, subscription_of};
use super::credential::Identity;
use super::gate::{Class, Closed};
use super::vault::{Verb, vault_of};
use super::{Azure, Silence, scrub};
use http::Method;
use model::azure::failure::pause;
use model::azure::{Existence, Pending, Record, class_of, is_in_progress, operation};
use model::snapshot::{FailureClass, Instant};
use model::text::bounded;
use serde_json::Value;
use std::collections::BTreeMap;

/// Bytes of Azure's words that are kept.
const MESSAGE: usize = 600;
/// Milliseconds until a vault is asked again after a recovery was begun.
const RECOVERY: u64 = 2_000;

/// What is sent.
pub enum Order<'a> {
    /// PUT of a resource of ARM.
    Put {
        /// Its id.
        id: &'a str,
        /// Version of the API.
        api_version: &'a str,
        /// With the values of Secrets.
        body: &'a Value,
        /// ETag of what was looked at, where it has one.
        etag: Option<&'a str>,
    },
    /// PATCH of one.
    Patch {
        /// Its id.
        id: &'a str,
        /// Version of the API.
        api_version: &'a str,
        /// With the values of Secrets.
        body: &'a Value,
        /// ETag of what was looked at, where it has one.
        etag: Option<&'a str>,
    },
    /// DELETE of one.
    Delete {
        /// Its id.
        id: &'a str,
        /// Version of the API.
        api_version: &'a str,
        /// ETag of what was looked at, where it has one.
        etag: Option<&'a str>,
    },
    /// A new version of a vault's secret.
    SetSecret {
        /// Its address.
        address: &'a str,
        /// Its value.
        value: &'a str,
        /// What kind of value it is.
        content_type: Option<&'a str>,
        /// Uid for its mark.
        uid: &'a str,
    },
    /// Recovery of a deleted one.
    RecoverSecret {
        /// Its address.
        address: &'a str,
    },
    /// Deletion of one.
    DeleteSecret {
        /// Its address.
        address: &'a str,
    },
}

/// What a write is sent with besides.
pub struct Around<'a> {
    /// Digest of what is wanted.
    pub wish: &'a str,
    /// What was known of its existence before it was noted as sent.
    pub before: Existence,
    /// Values that must not come back in words.
    pub secrets: &'a [&'a [u8]],
    /// Fingerprints of the values of its body, by JSON pointer.
    pub prints: &'a BTreeMap<String, String>,
    /// Now.
    pub now: Instant,
}

/// What came of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It was taken.
    Taken {
        /// Azure's id of the request.
        request_id: String,
    },
    /// Something else is being done; it is asked again.
    Busy,
    /// It is not what was looked at any more; it is looked at again.
    Outdated,
    /// It was refused.
    Refused {
        /// Azure's code.
        code: String,
        /// Azure's words, bounded, without secrets.
        message: String,
        /// What becomes of it.
        class: FailureClass,
        /// Azure's id of the request.
        request_id: String,
    },
}

impl Order<'_> {
    /// As in audit events.
    pub fn verb(&self) -> &'static str {
        match self {
            Order::Put { .. } | Order::SetSecret { .. } => "PUT",
            Order::Patch { .. } => "PATCH",
            Order::RecoverSecret { .. } => "POST recover",
            Order::Delete { .. } | Order::DeleteSecret { .. } => "DELETE",
        }
    }

    /// Whose gate it goes through, and as what.
    fn gate(&self) -> (&str, Class) {
        match self {
            Order::Put { id, .. } | Order::Patch { id, .. } => (subscription_of(id), Class::Write),
            Order::Delete { id, .. } => (subscription_of(id), Class::Delete),
            Order::SetSecret { address, .. } | Order::RecoverSecret { address } => (vault_of(address), Class::Write),
            Order::DeleteSecret { address } => (vault_of(address), Class::Delete),
        }
    }

    fn deletes(&self) -> bool {
        matches!(self, Order::Delete { .. } | Order::DeleteSecret { .. })
    }
}

impl Azure {
    /// Whether a write would be sent now, and not wait for the end of a pause that Azure asked for.
    ///
    /// # Errors
    /// When there is a pause.
    pub fn open_for(&self, order: &Order<'_>) -> Result<(), Silence> {
        let (scope, class) = order.gate();
        self.gates.passable(scope, class).map_err(|Closed(left)| Silence::Throttled(left))
    }

    /// Sends one write and notes in `record` what came of it.
    ///
    /// # Errors
    /// When there was no answer: whether the write arrived is not known, but for a pause, when it was not sent or not taken.
    pub async fn write(
        &self,
        identity: &Identity,
        order: &Order<'_>,
        around: &Around<'_>,
        record: &mut Record,
    ) -> Result<Sent, Silence> {
        let Around { wish, before, secrets, prints, now } = *around;
        let answer = match self.order(identity, order).await {
            Ok(answer) => answer,
            Err(silence) => {
                if matches!(silence, Silence::Throttled(_) | Silence::NoToken(_)) {
                    record.existence = before;
                }
                return Err(silence);
            }
        };
        let request_id = answer.request_id.clone();
        let (code, message) = answer.error();
        if order.deletes() && answer.status == 404 {
            record.gone();
            return Ok(Sent::Taken { request_id });
        }
        if answer.status == 412 {
            record.outdated(wish, now);
            return Ok(Sent::Outdated);
        }
        if answer.is_success() {
            taken(order, &answer, wish, record, now);
            record.sent.extend(prints.clone());
            return Ok(Sent::Taken { request_id });
        }
        let inner = operation::inner_code(&answer.body);
        let vault_busy =
            matches!(inner, "ObjectIsBeingDeleted" | "ObjectIsBeingRecovered" | "ObjectIsDeletedButRecoverable");
        if is_in_progress(&code) || vault_busy {
            let retry_at = now + answer.wait(5).clamp(1_000, 60_000);
            record.pending =
                Some(Pending { url: String::new(), location: false, deletes: false, retry_at, wish: wish.into() });
            return Ok(Sent::Busy);
        }
        // A definite no; after anything else it may have arrived.
        if (400..500).contains(&answer.status) && answer.status != 408 && record.existence == Existence::Sent {
            record.existence = before;
        }
        let message = bounded(&scrub(&message, secrets.iter().copied()), MESSAGE);
        let class = class_of(Some(answer.status), &code);
        let wait = answer.retry_after.is_some().then(|| answer.wait(0));
        record.failed(&code, message.clone(), class, wish, wait, now);
        Ok(Sent::Refused { code, message, class, request_id })
    }

    async fn order(&self, identity: &Identity, order: &Order<'_>) -> Result<Answer, Silence> {
        match *order {
            Order::Put { id, api_version, body, etag } => {
                self.arm(identity, Method::PUT, id, api_version, Some(body), etag).await
            }
            Order::Patch { id, api_version, body, etag } => {
                self.arm(identity, Method::PATCH, id, api_version, Some(body), etag).await
            }
            Order::Delete { id, api_version, etag } => {
                self.arm(identity, Method::DELETE, id, api_version, None, etag).await
            }
            Order::SetSecret { address, value, content_type, uid } => {
                self.secret(identity, address, Verb::Set { value, content_type, uid }).await
            }
            Order::RecoverSecret { address } => self.secret(identity, address, Verb::Recover).await,
            Order::DeleteSecret { address } => self.secret(identity, address, Verb::Delete).await,
        }
    }

    /// A look of its own before something is deleted: none where it is not there, else whether it is still ours, and its
    /// ETag.
    ///
    /// # Errors
    /// When there was no answer.
    pub async fn still_ours(
        &self,
        looking: &super::Looking<'_>,
        place: &super::Place,
        record: &Record,
    ) -> Result<Option<(bool, Option<String>)>, Silence> {
        let mut journal = model::azure::Journal::default();
        journal.put(&place.key(), record.clone());
        Ok(match self.look(looking, place, &journal).await?.seen {
            super::Seen::Arm(seen) => seen.live.is_some().then(|| (seen.ours(looking.uid), seen.etag)),
            super::Seen::Vault(seen) => seen.live.is_some().then(|| (seen.ours(looking.uid), None)),
            super::Seen::Silent(word) => return Err(Silence::Unreachable(word)),
        })
    }
}

fn taken(order: &Order<'_>, answer: &Answer, wish: &str, record: &mut Record, now: Instant) {
    record.failure = None;
    record.pending = None;
    let deletes = order.deletes();
    match order {
        Order::Delete { .. } | Order::DeleteSecret { .. } if answer.status != 202 => record.gone(),
        Order::Delete { .. } | Order::DeleteSecret { .. } => {}
        Order::RecoverSecret { .. } => {
            let retry_at = now + RECOVERY;
            record.pending =
                Some(Pending { url: String::new(), location: false, deletes, retry_at, wish: wish.into() });
        }
        Order::SetSecret { .. } => record.existence = Existence::Seen,
        Order::Put { .. } | Order::Patch { .. } => {
            if record.existence != Existence::Seen {
                record.existence = Existence::Accepted(now);
            }
        }
    }
    if let Some((url, location)) = &answer.operation {
        let retry_at = now + answer.wait(1).max(500);
        record.pending = Some(Pending { url: url.clone(), location: *location, deletes, retry_at, wish: wish.into() });
    } else if answer.status == 202 && record.pending.is_none() {
        let retry_at = now + answer.wait(5).max(pause(FailureClass::Transient, 1));
        record.pending = Some(Pending { url: String::new(), location: false, deletes, retry_at, wish: wish.into() });
    }
}

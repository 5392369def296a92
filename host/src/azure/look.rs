//! One look at one place in Azure: what is remembered of it in, what it is now out. An operation that runs is asked when
//! its time has come, and nothing else is asked meanwhile.

use super::arm::Answer;
use super::credential::Identity;
use super::vault::Verb;
use super::{Azure, Silence};
use http::Method;
use model::azure::course::VaultLive;
use model::azure::marks::{Mark, mark};
use model::azure::operation::{self, Progress};
use model::azure::{ArmSeen, Existence, Journal, Record, ResourceId, VaultSeen, class_of};
use model::snapshot::Instant;
use model::text::bounded;
use serde_json::{Value, json};
use std::time::Duration;

/// Bytes of Azure's words that are kept.
const MESSAGE: usize = 600;

/// In place of words of Azure that may have a secret in them.
const LEFT_OUT: &str = "(Azure's words are left out: the secrets that it was sent are not known to this host)";

/// A place in Azure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A resource of ARM.
    Arm {
        /// Its id.
        id: String,
        /// Version of the API.
        api_version: String,
        /// Whether its name is free is asked where it is not there.
        unique: bool,
    },
    /// A secret of a vault, by its address.
    Vault(String),
}

/// What was seen of a place.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// A resource of ARM.
    Arm(Box<ArmSeen>),
    /// A secret of a vault.
    Vault(Box<VaultSeen>),
    /// There was no answer; the word is as plugins see it.
    Silent(&'static str),
}

/// What a look showed.
#[derive(Clone, Debug, PartialEq)]
pub struct Looked {
    /// What was seen.
    pub seen: Seen,
    /// The pause that Azure asked for before it says whether the name is free. What was seen before holds nevertheless.
    pub name_after: Option<Duration>,
}

/// What was seen, and when.
#[derive(Clone, Debug, PartialEq)]
pub struct Sight {
    /// What.
    pub seen: Seen,
    /// When.
    pub at: Instant,
    /// Since when there is no answer.
    pub silent_since: Option<Instant>,
    /// When Azure wants to be asked again at the earliest, where there was no answer, or none about the name.
    pub pause: Option<Instant>,
    /// The name was asked for.
    pub named: bool,
    /// And it was free then. That is asked once: a creation finds out by itself what becomes of it.
    pub free: bool,
}

impl Place {
    /// What distinguishes it.
    pub fn key(&self) -> String {
        match self {
            Place::Arm { id, .. } => id.to_ascii_lowercase(),
            Place::Vault(address) => address.to_ascii_lowercase(),
        }
    }

    /// The same place; whether its name is free is asked only where that is wished too.
    #[must_use]
    pub fn asking_its_name(&self, wished: bool) -> Self {
        match self.clone() {
            Place::Arm { id, api_version, unique } => Place::Arm { id, api_version, unique: unique && wished },
            vault @ Place::Vault(_) => vault,
        }
    }
}

/// Who looks, and with what.
pub struct Looking<'a> {
    /// With whose tokens.
    pub identity: &'a Identity,
    /// Fingerprint of a value.
    pub fingerprint: &'a (dyn Fn(&[u8]) -> String + Sync),
    /// Takes secret values out of Azure's words; none where it does not know them all.
    pub hide: &'a (dyn Fn(&str) -> Option<String> + Sync),
    /// Uid of the Kubernetes resource.
    pub uid: &'a str,
    /// Whether a resource is ours, by its id in lower case, where that is known from this round of looks.
    pub known: &'a (dyn Fn(&str) -> Option<bool> + Sync),
    /// Now.
    pub now: Instant,
}

impl Azure {
    /// Looks at one place. The record in `journal` is of before; what the look taught of it is in the answer.
    pub async fn look(&self, looking: &Looking<'_>, place: &Place, journal: &Journal) -> Result<Looked, Silence> {
        let record = journal.record(&place.key());
        match place {
            Place::Arm { id, api_version, unique } => {
                self.look_at_resource(looking, id, api_version, *unique, record).await
            }
            Place::Vault(address) => {
                let seen = self.look_at_secret(looking, address, record).await?;
                Ok(Looked { seen, name_after: None })
            }
        }
    }

    async fn look_at_resource(
        &self,
        looking: &Looking<'_>,
        id: &str,
        api_version: &str,
        unique: bool,
        mut record: Record,
    ) -> Result<Looked, Silence> {
        let parsed = ResourceId::parse(id).ok_or(Silence::Unreachable("NotResolved"))?;
        self.settle(looking, &mut record).await?;
        let answer = self.arm(looking.identity, Method::GET, id, api_version, None, None).await?;
        let live = found(&answer)?;
        if live.is_some() {
            record.existence = match record.existence {
                // What is there without a write of ours is not ours by that.
                Existence::Unknown => Existence::Unknown,
                Existence::Sent | Existence::Accepted(_) | Existence::Seen => Existence::Seen,
            };
        }
        // Some types have it in the body alone.
        let inside = live.as_ref().and_then(|live| live.get("etag")).and_then(Value::as_str).map(str::to_owned);
        let etag = answer.etag.or(inside).filter(|etag| etag.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        let mut seen = ArmSeen { live, etag, record, ..ArmSeen::default() };
        if let (Some(live), Some(parent)) = (&seen.live, &parsed.parent)
            && live.get("location").is_none()
        {
            seen.parent_ours = match (looking.known)(&parent.to_ascii_lowercase()) {
                Some(known) => Some(known),
                None => {
                    let answer = self.arm(looking.identity, Method::GET, parent, api_version, None, None).await?;
                    Some(found(&answer)?.is_some_and(|outer| mark(&outer, looking.uid) == Mark::Ours))
                }
            };
        }
        let mut name_after = None;
        if unique && seen.live.is_none() && !seen.record.may_exist() {
            match self.name_taken(looking, &parsed, api_version).await {
                Ok(taken) => seen.name_taken = taken,
                // A question about a name counts as a write: there may be a pause for it and none for looks.
                Err(Silence::Throttled(left)) => (seen.name_unasked, name_after) = (true, Some(left)),
                Err(other) => return Err(other),
            }
        }
        Ok(Looked { seen: Seen::Arm(Box::new(seen)), name_after })
    }

    /// Asks about the operation that runs, where its time has come, and notes what became of it.
    async fn settle(&self, looking: &Looking<'_>, record: &mut Record) -> Result<(), Silence> {
        let Some(mut pending) = record.pending.clone().filter(|pending| pending.retry_at <= looking.now) else {
            return Ok(());
        };
        let asked = if pending.url.is_empty() { None } else { self.poll(looking.identity, &pending.url).await };
        let Some(answer) = asked else {
            // Nobody says where to ask: the resource itself tells.
            record.pending = None;
            return Ok(());
        };
        let answer = answer?;
        match operation::progress(pending.location, answer.status, &answer.body) {
            Progress::Running | Progress::Unknown => {
                pending.retry_at = looking.now + answer.wait(operation::DEFAULT_WAIT).max(500);
                record.pending = Some(pending);
            }
            Progress::Succeeded if pending.deletes => record.gone(),
            Progress::Succeeded => (record.failure, record.pending) = (None, None),
            Progress::Forgotten => record.pending = None,
            Progress::Failed { code, message } => {
                if matches!(record.existence, Existence::Sent | Existence::Accepted(_)) {
                    record.existence = Existence::Unknown;
                }
                let class = class_of(None, &code);
                // A deletion carried no secret that Azure could say.
                let words = if pending.deletes { Some(message) } else { (looking.hide)(&message) };
                let words = bounded(words.as_deref().unwrap_or(LEFT_OUT), MESSAGE);
                record.failed(&code, words, class, &pending.wish, None, looking.now);
            }
        }
        Ok(())
    }

    async fn name_taken(
        &self,
        looking: &Looking<'_>,
        id: &ResourceId,
        api_version: &str,
    ) -> Result<Option<String>, Silence> {
        let path = format!("/subscriptions/{}/providers/{}/checkNameAvailability", id.subscription, id.provider);
        let body = json!({ "name": id.name(), "type": id.type_name() });
        let answer = self.arm(looking.identity, Method::POST, &path, api_version, Some(&body), None).await?;
        if !answer.is_success() {
            // Providers without that question, and roles without that right: the creation itself will tell.
            return Ok(None);
        }
        let text = |key: &str| answer.body.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let free = answer.body.get("available").or_else(|| answer.body.get("nameAvailable")).and_then(Value::as_bool);
        Ok((free == Some(false)).then(|| {
            let (reason, message) = (text("reason"), text("message"));
            bounded(if message.is_empty() { &reason } else { &message }, MESSAGE)
        }))
    }

    async fn look_at_secret(&self, looking: &Looking<'_>, address: &str, mut record: Record) -> Result<Seen, Silence> {
        if record.pending.as_ref().is_some_and(|pending| pending.retry_at <= looking.now) {
            record.pending = None;
        }
        let answer = self.secret(looking.identity, address, Verb::Get).await?;
        let live = found(&answer)?.map(|body| {
            let text = |key: &str| body.get(key).and_then(Value::as_str);
            VaultLive {
                version: text("id").and_then(|id| id.rsplit('/').next()).unwrap_or_default().to_owned(),
                fingerprint: (looking.fingerprint)(text("value").unwrap_or_default().as_bytes()),
                content_type: text("contentType").map(str::to_owned),
                tags: json!({ "tags": body.get("tags").cloned().unwrap_or_default() }),
            }
        });
        let mut soft_deleted = false;
        if live.is_some() {
            record.pending = None;
            if record.may_exist() {
                record.existence = Existence::Seen;
            }
        } else {
            let answer = self.secret(looking.identity, address, Verb::GetDeleted).await?;
            soft_deleted = found(&answer)?.is_some();
        }
        Ok(Seen::Vault(Box::new(VaultSeen { live, soft_deleted, record })))
    }
}

/// The body of what was found; none where it is not there.
fn found(answer: &Answer) -> Result<Option<Value>, Silence> {
    match answer.status {
        200 => Ok(Some(answer.body.clone())),
        403 => Err(Silence::Unreachable("Forbidden")),
        404 => Ok(None),
        _ => Err(Silence::Unreachable("Timeout")),
    }
}

//! Things in Azure in a plan: one step in, the write that it takes sent, and what came of it written down, out. That a
//! creation is about to be sent is written on the resource before it is: whatever happens then, the next pass knows that
//! the thing may exist, and that it is ours.

use super::{Actor, Done, Failure, Trouble, record};
use crate::{
    azure::{Around, Azure, Looking, Order, Place, Scoped, Seen, Sent, Sight, Silence},
    clock::Clock,
    mysql::{Credential, Secrets},
    observe::cloud::{Asked, secret_keys},
    report::News,
};
use model::{
    Body, Class, ItemId,
    azure::{ArmWanted, Course, Existence, Journal, VaultWanted, Write, compare, course::DELETION, readings},
    decision::{ArmResource, VaultSecret},
    facts::ResourceFacts,
    inventory::Backend,
    names::ANNOTATION_AZURE,
    plan::{Action, Failure as StepFailure, Step},
    snapshot::{FailureClass, Instant},
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Milliseconds until a place is looked at again from which there was no answer.
const AGAIN: u64 = 2_000;
/// How often a write-down is tried again because the resource changed meanwhile.
const ATTEMPTS: usize = 5;

/// What acting on the things of one resource in Azure needs.
pub struct CloudHands<'a> {
    /// Talks to Azure.
    pub azure: &'a Azure,
    /// The time of day.
    pub clock: &'a dyn Clock,
    /// Whose tokens.
    pub identity: Scoped,
    /// What was seen in this pass.
    pub asked: Arc<Asked>,
    /// Values of the Secrets that items are filled from.
    pub secrets: Secrets,
    /// What is remembered.
    pub book: tokio::sync::Mutex<Book>,
    /// What happened.
    pub told: Mutex<Told>,
}

/// The journal and the annotation that holds it.
#[derive(Debug, Default)]
pub struct Book {
    /// What is remembered.
    pub journal: Journal,
    /// The annotation, as it was last seen or written.
    pub written: Option<String>,
    /// Version of the resource.
    pub version: String,
}

/// What happened.
#[derive(Debug, Default)]
pub struct Told {
    /// An audit event for each write.
    pub news: Vec<News>,
    /// Places that have to be looked at again.
    pub touched: BTreeSet<String>,
    /// When Azure's pause ends.
    pub paused_until: Option<Instant>,
    /// When to look again because there was no answer.
    pub again: Option<Instant>,
}

impl CloudHands<'_> {
    /// What happened so far.
    pub fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn converge(&self, actor: &Actor, step: &Step, resource: &ResourceFacts) -> Result<Done, Trouble> {
        match &step.action {
            Action::Azure(wanted) => self.resource(actor, &step.item, wanted, resource).await,
            Action::Vault(wanted) => self.secret(actor, &step.item, wanted, resource).await,
            Action::RemoveExternal { backend, name, api_version } => {
                self.removal(actor, *backend, name, api_version, resource).await
            }
            _ => Err(Trouble::Skipped("it is not of Azure".into())),
        }
    }

    fn seen(&self, key: &str) -> Result<&Sight, Trouble> {
        self.asked.sights.get(key).ok_or_else(|| Trouble::Skipped("it was not looked at in this pass".into()))
    }

    async fn resource(
        &self,
        actor: &Actor,
        item: &ItemId,
        wanted: &ArmResource,
        resource: &ResourceFacts,
    ) -> Result<Done, Trouble> {
        let key = wanted.resource_id.to_ascii_lowercase();
        let Seen::Arm(seen) = &self.seen(&key)?.seen else { return Err(silent("NotAsked")) };
        let fingerprints = wanted.secrets.iter().map(|(_, key)| self.secrets.fingerprint(key).map(str::to_owned));
        let judged = ArmWanted { resource: wanted, uid: &resource.uid, fingerprints: fingerprints.collect() };
        let write = match judged.course(seen, self.clock.now()) {
            Course::Write(write) => write,
            Course::Settled { .. } => return Ok(Done { changed: false, remember: None, editors: Vec::new() }),
            Course::Wait(why) => return Err(Trouble::Skipped(why.into())),
        };
        let (mut body, filled, patches) = match write {
            Write::Put { body, secrets } => (body, secrets, false),
            Write::Patch { body, secrets } => (body, secrets, true),
            Write::SetSecret | Write::RecoverSecret => return Err(Trouble::Skipped("it is no secret".into())),
        };
        // Of the body as it is without the values of Secrets.
        let mut prints = readings::fingerprints(&body);
        let mut values: Vec<&[u8]> = Vec::new();
        for (pointer, secret) in &filled {
            let Some(Credential { value, .. }) = self.secrets.get(secret) else {
                return Err(Trouble::Skipped(format!("Secret {} has no key {} yet", secret.secret, secret.key)));
            };
            values.push(value.expose());
            prints.extend(self.secrets.fingerprint(secret).map(|print| (pointer.clone(), print.to_owned())));
            compare::set(&mut body, pointer, Value::from(String::from_utf8_lossy(value.expose()).into_owned()));
        }
        let (id, api_version, body, etag) = (&wanted.resource_id, &wanted.api_version, &body, seen.etag.as_deref());
        let order = match patches {
            true => Order::Patch { id, api_version, body, etag },
            false => Order::Put { id, api_version, body, etag },
        };
        let creates = seen.live.is_none();
        let (wish, now) = (judged.wish(), self.clock.now());
        let around = Around { wish: &wish, before: Existence::Unknown, secrets: &values, prints: &prints, now };
        self.send(actor, resource, item, &key, &order, around, creates).await
    }

    async fn secret(
        &self,
        actor: &Actor,
        item: &ItemId,
        wanted: &VaultSecret,
        resource: &ResourceFacts,
    ) -> Result<Done, Trouble> {
        let address = crate::observe::cloud::address(wanted);
        let key = address.to_ascii_lowercase();
        let Seen::Vault(seen) = &self.seen(&key)?.seen else { return Err(silent("NotAsked")) };
        let credential = self.secrets.get(&wanted.value);
        let fingerprint = credential.map(|credential| credential.fingerprint.to_string());
        let judged = VaultWanted { secret: wanted, uid: &resource.uid, fingerprint };
        let Course::Write(write) = judged.course(seen, self.clock.now()) else {
            return Ok(Done { changed: false, remember: None, editors: Vec::new() });
        };
        let Some(credential) = credential else {
            return Err(Trouble::Skipped("the Secret has no such key yet".into()));
        };
        let value = String::from_utf8_lossy(credential.value.expose()).into_owned();
        let order = match write {
            Write::RecoverSecret => Order::RecoverSecret { address: &address },
            Write::SetSecret | Write::Put { .. } | Write::Patch { .. } => Order::SetSecret {
                address: &address,
                value: &value,
                content_type: wanted.content_type.as_deref(),
                uid: &resource.uid,
            },
        };
        let values = [credential.value.expose().as_slice()];
        let (wish, now) = (judged.wish(), self.clock.now());
        let around = Around { secrets: &values, ..plain(&wish, now) };
        self.send(actor, resource, item, &key, &order, around, seen.live.is_none()).await
    }

    async fn removal(
        &self,
        actor: &Actor,
        backend: Backend,
        name: &str,
        api_version: &str,
        resource: &ResourceFacts,
    ) -> Result<Done, Trouble> {
        let (id, api) = (name.to_owned(), api_version.to_owned());
        let place = match backend {
            Backend::Azure => Place::Arm { id, api_version: api, unique: false },
            Backend::Vault => Place::Vault(id),
            Backend::Mysql => return Err(Trouble::Skipped("it is not of Azure".into())),
        };
        let key = place.key();
        let record = self.book.lock().await.journal.record(&key);
        // What was seen may be old by now, and a deletion cannot be taken back (B5).
        let looking = Looking {
            identity: self.identity()?,
            fingerprint: &|_| String::new(),
            hide: &|_| None,
            uid: &resource.uid,
            known: &|_| None,
            now: self.clock.now(),
        };
        let sent = record.existence == Existence::Sent;
        let found = self.azure.still_ours(&looking, &place, &record).await.map_err(|silence| {
            self.told().touched.insert(key.clone());
            self.silence(&silence)
        })?;
        let etag = match found {
            Some((true, etag)) => etag,
            None if sent => None,
            Some((false, _)) => {
                return Err(trouble("NotOurs", "it does not carry the mark of this resource any more".into()));
            }
            None => {
                self.told().touched.insert(key);
                return Ok(Done { changed: true, remember: None, editors: Vec::new() });
            }
        };
        let order = match &place {
            Place::Arm { id, api_version, .. } => Order::Delete { id, api_version, etag: etag.as_deref() },
            Place::Vault(address) => Order::DeleteSecret { address },
        };
        self.send(actor, resource, name, &key, &order, plain(DELETION, self.clock.now()), false).await
    }

    #[expect(clippy::too_many_arguments, reason = "three call sites; a struct for it would only repeat the names")]
    async fn send(
        &self,
        actor: &Actor,
        resource: &ResourceFacts,
        item: &str,
        key: &str,
        order: &Order<'_>,
        around: Around<'_>,
        creates: bool,
    ) -> Result<Done, Trouble> {
        let identity = self.identity()?;
        // Nothing is written down for a write that is not sent.
        self.azure.open_for(order).map_err(|silence| self.silence(&silence))?;
        let (mut noted, before) = {
            let mut book = self.book.lock().await;
            let mut noted = book.journal.record(key);
            let before = noted.existence;
            if creates && !noted.may_exist() {
                noted.existence = Existence::Sent;
                book.journal.put(key, noted.clone());
                book.write(actor, resource, false).await.map_err(Trouble::Failed)?;
            } else if creates {
                // What was there is gone: perhaps another host deletes it, because the resource is deleted.
                still_wanted(actor, resource).await.map_err(Trouble::Failed)?;
            }
            (noted, before)
        };
        let around = Around { before, ..around };
        let outcome = self.azure.write(identity, order, &around, &mut noted).await;
        // What a pause kept from being sent changed nothing of what was seen.
        if !matches!(outcome, Err(Silence::Throttled(_))) {
            self.told().touched.insert(key.to_owned());
        }
        let durable = noted.pending.is_some() || noted.failure.is_some();
        {
            let mut book = self.book.lock().await;
            book.journal.put(key, noted);
            if durable && let Err(failure) = book.write(actor, resource, true).await {
                // This process remembers, and the resource itself tells every other.
                tracing::warn!(resource = %resource.key, %failure, "what was sent to Azure could not be written down");
            }
        }
        let verb = order.verb();
        match outcome {
            Ok(Sent::Taken { request_id }) => {
                tracing::info!(target: "windlass::audit", resource = %resource.key, verb, place = key, request_id, "sent");
                self.tell(false, "AzureWrite", format!("{verb} {key} was accepted (request {request_id})"));
                Ok(Done { changed: true, remember: None, editors: Vec::new() })
            }
            Ok(Sent::Busy) => Err(Trouble::Skipped("Azure is at work on it already".into())),
            Ok(Sent::Outdated) => {
                tracing::info!(target: "windlass::audit", resource = %resource.key, verb, place = key, "changed meanwhile");
                Err(Trouble::Skipped("it was changed since it was looked at; it is looked at again".into()))
            }
            Ok(Sent::Refused { code, message, class, request_id }) => {
                tracing::info!(target: "windlass::audit", resource = %resource.key, verb, place = key, request_id, code, "refused");
                self.tell(
                    true,
                    "AzureWriteRefused",
                    format!("{verb} {key} was refused: {code} (request {request_id})"),
                );
                let class = match class {
                    FailureClass::Transient => Class::Retry,
                    FailureClass::Blocked => Class::Blocked,
                    FailureClass::Final => Class::WaitForChange,
                };
                let message = format!("azure refused {verb} for {item}: {code}: {message}");
                Err(Trouble::Cloud(StepFailure { reason: code, message, class }))
            }
            Err(silence) => {
                let word = silence.word();
                if !matches!(silence, Silence::Throttled(_)) {
                    tracing::info!(target: "windlass::audit", resource = %resource.key, verb, place = key, word, "no answer");
                }
                Err(self.silence(&silence))
            }
        }
    }

    fn identity(&self) -> Result<&crate::azure::Identity, Trouble> {
        self.identity.as_ref().map_err(|word| silent(word))
    }

    fn tell(&self, warning: bool, reason: &str, message: String) {
        self.told().news.push(News::occurrence(warning, reason, message));
    }

    /// A pause is no failure of this item: it is left to a later pass.
    fn silence(&self, silence: &Silence) -> Trouble {
        match silence {
            Silence::Throttled(left) => {
                let until = self.clock.now() + u64::try_from(left.as_millis()).unwrap_or(u64::MAX / 2) + 1;
                let mut told = self.told();
                told.paused_until = Some(told.paused_until.map_or(until, |before| before.max(until)));
                Trouble::Skipped("azure asked for a pause".into())
            }
            Silence::Unreachable(word) | Silence::NoToken(word) => {
                self.told().again = Some(self.clock.now() + AGAIN);
                silent(word)
            }
        }
    }
}

/// What a write without values is sent with.
fn plain(wish: &str, now: Instant) -> Around<'_> {
    const NOTHING: &BTreeMap<String, String> = &BTreeMap::new();
    Around { wish, before: Existence::Unknown, secrets: &[], prints: NOTHING, now }
}

fn silent(word: &str) -> Trouble {
    trouble(word, format!("azure did not answer ({word}); what became of it is looked at"))
}

fn trouble(reason: &str, message: String) -> Trouble {
    Trouble::Cloud(StepFailure { reason: reason.into(), message, class: Class::Retry })
}

impl Book {
    /// Writes the journal onto the resource, if it differs from what is there. `again`: also onto a newer version of it.
    pub async fn write(&mut self, actor: &Actor, resource: &ResourceFacts, again: bool) -> Result<(), Failure> {
        let text = self.journal.write();
        if text == self.written {
            return Ok(());
        }
        for _ in 0..ATTEMPTS {
            match record::annotate(actor, resource, &self.version, ANNOTATION_AZURE, text.as_deref()).await {
                Ok(version) => {
                    (self.version, self.written) = (version, text);
                    return Ok(());
                }
                Err(Failure::Changed(_)) if again => {
                    let served = actor.served_as(&resource.key).await?;
                    let target = super::kubernetes::Target { key: &resource.key, resource: &served };
                    let stored = actor.reader.get(target).await?.as_ref().and_then(ResourceFacts::from_object);
                    match stored.filter(|stored| stored.uid == resource.uid) {
                        Some(stored) => self.version = stored.resource_version,
                        None => return Err(Failure::NotFound),
                    }
                }
                Err(failure) => return Err(failure),
            }
        }
        Err(Failure::Changed("the resource changes all the time".into()))
    }
}

/// Before something is made again that was there: the resource is still the one that was decided for, and nobody deleted it.
async fn still_wanted(actor: &Actor, resource: &ResourceFacts) -> Result<(), Failure> {
    let served = actor.served_as(&resource.key).await?;
    let target = super::kubernetes::Target { key: &resource.key, resource: &served };
    let stored = actor.reader.get(target).await?.as_ref().and_then(ResourceFacts::from_object);
    let same = stored.is_some_and(|stored| stored.uid == resource.uid && stored.deleting == resource.deleting);
    if same { Ok(()) } else { Err(Failure::Changed("the resource was deleted meanwhile".into())) }
}

/// The values that the items of a plan are filled from.
pub fn needed(items: &BTreeMap<ItemId, Arc<Body>>) -> BTreeSet<&model::decision::SecretKey> {
    items.values().flat_map(|body| secret_keys(body)).collect()
}

//! A look at a cluster with two versions of a plugin, from outside of any host and without an effect: the versions and a
//! client in, a judgement for every live resource out. No request but reads leaves from here.

use super::{StopOnDrop, fingerprint_key};
use crate::azure::Azure;
use crate::client::{self, Gate, ShutOnDrop};
use crate::clock::SystemClock;
use crate::context::{Context, Parts, Plugins, Served};
use crate::entropy::Entropy;
use crate::mysql::SqlServers;
use crate::reconcile::{Known, Verdict};
use crate::serve::Metrics;
use crate::watch::cache::Sync;
use crate::watch::watches::{self, Watches};
use crate::watch::{Cache, FingerprintKey, Ledger, Trigger};
use http::HeaderValue;
use kube::client::{Body, ClientBuilder};
use model::shadow::{Judgement, NotJudged};
use model::{Kind, ObjectKey};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long the first lists may take.
const LISTS: Duration = Duration::from_secs(120);
/// How often lists are asked for.
const POLL: Duration = Duration::from_millis(50);
/// Looks at a resource whose surroundings are not listed yet.
const MOST_TRIES: usize = 100;
/// Requests in a second: this is no host, and others have work to do.
const REQUESTS: u32 = 50;

/// What is to be looked at.
pub struct Question {
    /// What serves; none: the difference is to what exists.
    pub old: Option<Arc<Served>>,
    /// What is to take over.
    pub new: Arc<Served>,
    /// Kinds whose resources are looked at, as what serves knows them.
    pub kinds: Vec<Kind>,
    /// The kinds of what is to take over, which may be other versions of the same.
    pub new_kinds: Vec<Kind>,
    /// Namespaces; empty: all.
    pub namespaces: Vec<String>,
    /// Namespace of what a host keeps for itself.
    pub system_namespace: String,
}

/// How far it is.
#[derive(Debug, Default)]
pub struct Counted {
    /// Resources that were looked at.
    pub done: AtomicUsize,
    /// Resources that there are.
    pub total: AtomicUsize,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum PreviewError {
    /// The lists did not come.
    #[error("the API server did not list {kind} within 120 s; is it reachable, and may you list it?")]
    NotListed {
        /// The kind.
        kind: Kind,
    },
    /// A kind may not be seen.
    #[error("you may not list and watch {kind}: {message}")]
    Forbidden {
        /// The kind.
        kind: Kind,
        /// What the API server said.
        message: String,
    },
    /// No randomness.
    #[error("the operating system gives no randomness")]
    Entropy(#[source] rand::rand_core::OsError),
}

/// A request that is no read did not leave.
#[derive(Debug, thiserror::Error)]
#[error("{method} {path} is no read, and was not sent; this is a defect of the host")]
struct NotARead {
    method: http::Method,
    path: String,
}

/// What the new version would do otherwise with every live resource, in the order of their names.
///
/// # Errors
/// When the resources cannot be seen.
pub async fn preview(
    client: kube::Client,
    question: &Question,
    counted: &Counted,
) -> Result<Vec<(ObjectKey, Judgement)>, PreviewError> {
    let gate = Arc::new(Gate::new(REQUESTS));
    let _shut = ShutOnDrop(gate.clone());
    let agent = HeaderValue::from_static(concat!("windlass-plan/", env!("CARGO_PKG_VERSION")));
    let client = reads_only(client::guarded(client, gate, &agent));
    let entropy = Arc::new(Entropy::from_system().map_err(PreviewError::Entropy)?);
    // Without it values of Secrets have other fingerprints than in the host, in both versions the same.
    let key = match fingerprint_key::look(&client, &question.system_namespace).await {
        Some(key) => key,
        None => {
            let mut key = [0; 32];
            entropy.fill(&mut key);
            FingerprintKey::new(key)
        }
    };
    let context = Arc::new(context(client, question, key, entropy));
    let _ended = StopOnDrop(context.watches.clone());
    let Question { old, new, kinds, new_kinds, .. } = question;
    context.watches.ensure(&watches::definitions());
    for served in old.iter().chain([new]) {
        let description = served.decider.description();
        let used = description.writes.iter().chain(description.reads.iter().map(|query| &query.kind));
        used.for_each(|kind| context.watches.ensure(kind));
    }
    let limit = Instant::now() + LISTS;
    for kind in kinds.iter().chain(new_kinds) {
        context.watches.ensure(kind);
        listed(&context.cache, kind, limit).await?;
    }
    let keys: Vec<ObjectKey> = kinds.iter().flat_map(|kind| context.cache.keys(kind)).collect();
    counted.total.store(keys.len(), Ordering::Relaxed);
    let (metrics, mut judged) = (Metrics::new(), Vec::new());
    for key in keys {
        let verdict = one(&context, &key, question, &metrics, limit).await;
        counted.done.fetch_add(1, Ordering::Relaxed);
        judged.extend(verdict.map(|judgement| (key, judgement)));
    }
    judged.sort_by(|(one, _), (two, _)| one.cmp(two));
    Ok(judged)
}

async fn one(
    context: &Context,
    key: &ObjectKey,
    question: &Question,
    metrics: &Metrics,
    lists: Instant,
) -> Option<Judgement> {
    let Question { old, new, new_kinds, .. } = question;
    let old = old.as_deref().map(|old| (key, old));
    // A kind that is dropped is one that the new version fails to decide for.
    let new_key = key.among(new_kinds).unwrap_or_else(|| key.clone());
    if context.cache.sync(&new_key.kind) == Sync::Missing {
        // The definition has no such version yet, and nothing can be read in it.
        return Some(Judgement::NotJudged(NotJudged::Unseen));
    }
    let mut tries = 0;
    loop {
        match context.shadow(&new_key, old, new, Known::Nothing, metrics).await {
            Verdict::Judged(judgement) => return Some(judgement),
            Verdict::Gone => return None,
            Verdict::Later => {}
        }
        // Lists that are under way are waited for; what is in motion is not, for ever.
        tries += 1;
        if tries >= MOST_TRIES && Instant::now() > lists {
            return Some(Judgement::NotJudged(NotJudged::Unseen));
        }
        if tries >= MOST_TRIES * 10 {
            return Some(Judgement::NotJudged(NotJudged::Moving));
        }
        tokio::time::sleep(POLL).await;
    }
}

async fn listed(cache: &Cache, kind: &Kind, limit: Instant) -> Result<(), PreviewError> {
    loop {
        match cache.sync(kind) {
            // A kind that is not served has no resources.
            Sync::Synced | Sync::Missing => return Ok(()),
            Sync::Forbidden(message) => return Err(PreviewError::Forbidden { kind: kind.clone(), message }),
            Sync::Unwatched | Sync::Listing if Instant::now() > limit => {
                return Err(PreviewError::NotListed { kind: kind.clone() });
            }
            Sync::Unwatched | Sync::Listing => tokio::time::sleep(POLL).await,
        }
    }
}

fn context(client: kube::Client, question: &Question, key: FingerprintKey, entropy: Arc<Entropy>) -> Context {
    let (cache, metrics) = (Arc::new(Cache::new()), Arc::new(Metrics::new()));
    let options = watches::Options {
        namespaces: question.namespaces.clone(),
        resync: Duration::from_secs(24 * 3600),
        key: key.clone(),
    };
    let sink = Arc::new(|_: &crate::watch::Change| {});
    let watches = Watches::new(client.clone(), cache.clone(), options, entropy.clone(), metrics.clone(), sink);
    Context::new(Parts {
        client,
        cache,
        ledger: Arc::new(Ledger::new()),
        watches: Arc::new(watches),
        trigger: Arc::new(Trigger::new()),
        plugins: Arc::new(Plugins::default()),
        mysql: Arc::new(SqlServers::new()),
        azure: Arc::new(Azure::public()),
        clock: Arc::new(SystemClock),
        entropy,
        fingerprints: key,
        metrics,
        stop: CancellationToken::new(),
    })
}

/// The same client, through which only reads leave.
fn reads_only(client: kube::Client) -> kube::Client {
    let namespace = client.default_namespace().to_owned();
    let service = tower::service_fn(move |request: http::Request<Body>| {
        let client = client.clone();
        async move {
            if request.method() != http::Method::GET {
                let (method, path) = (request.method().clone(), request.uri().path().to_owned());
                return Err(tower::BoxError::from(NotARead { method, path }));
            }
            Ok::<_, tower::BoxError>(client.send(request).await?)
        }
    });
    ClientBuilder::new(service, namespace).build()
}

//! A loaded plugin: questions in, answers of fresh instances out. Holds no state of the guest.

use super::{
    answer::Answer,
    call::{Cost, Decided, Guest},
    compile::artifact::{page_out, size},
    determinism,
    engine::Shared,
    error::DecideError,
    limits::Limits,
    threads::Owner,
    v1::{Failure, Linked},
};
use model::{Description, FieldError, Snapshot};
use sha2::{Digest as _, Sha256};
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};
use tokio::time::Instant;
use wasmtime::{Store, component::Component};

/// SHA-256 of a component: what a plugin is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Digest(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A plugin that was inspected, compiled, linked and described. Cheap to clone; a clone that runs keeps what it needs, so
/// a plugin may be replaced at any time (H1).
#[derive(Clone)]
pub struct Plugin {
    inner: Arc<Inner>,
    description: Arc<Description>,
}

pub(super) struct Inner {
    engine: Arc<Shared>,
    owner: Owner,
    name: Arc<str>,
    digest: Digest,
    linked: Linked,
    limits: Limits,
    /// The machine code.
    component: Component,
    /// When it was called last; none while its code is not in memory.
    used: Mutex<Option<Instant>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if self.used.get_mut().unwrap_or_else(PoisonError::into_inner).is_some() {
            self.engine.slept(size(&self.component));
        }
    }
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin").field("name", &self.inner.name).field("digest", &self.inner.digest).finish()
    }
}

impl Plugin {
    pub(super) fn new(
        engine: Arc<Shared>,
        owner: Owner,
        name: Arc<str>,
        digest: Digest,
        (component, linked): (Component, Linked),
        limits: Limits,
    ) -> Self {
        let description = Description {
            name: name.to_string(),
            version: String::new(),
            serves: Vec::new(),
            writes: Vec::new(),
            reads: Vec::new(),
            backends: model::description::Backends::default(),
        };
        // Its first call, for the description, wakes it.
        let used = Mutex::new(None);
        let inner = Inner { engine, owner, name, digest, linked, limits, component, used };
        Plugin { inner: Arc::new(inner), description: Arc::new(description) }
    }

    /// What the engine knows it by while it lives.
    pub(super) fn weak(&self) -> Weak<Inner> {
        Arc::downgrade(&self.inner)
    }

    pub(super) fn described(self, description: Description) -> Self {
        Plugin { description: Arc::new(description), ..self }
    }

    /// The operator's name for it.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// SHA-256 of the component.
    pub fn digest(&self) -> &Digest {
        &self.inner.digest
    }

    /// What it said when it was loaded.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// What each call may use.
    pub fn limits(&self) -> &Limits {
        &self.inner.limits
    }

    /// Asks what should be. Waits for a thread first; dropping the future before the call began takes it back.
    pub async fn decide(&self, snapshot: &Snapshot) -> Result<Decided, DecideError> {
        // The texts of a snapshot are shared, so this copies pointers.
        let snapshot = snapshot.clone();
        let (outcome, cost) =
            self.call(move |linked, store, answer: &Answer| linked.decide(store, answer, &snapshot)).await?;
        Ok(Decided { outcome, cost })
    }

    /// Asks twice, and compares: the same snapshot must give the same decision (G8).
    pub async fn decide_twice(&self, snapshot: &Snapshot) -> Result<Decided, DecideError> {
        let first = self.decide(snapshot).await?;
        let second = self.decide(snapshot).await?;
        match determinism::first_difference(&first.outcome, &second.outcome) {
            None => Ok(first),
            Some(difference) => Err(difference),
        }
    }

    /// Asks whether a resource is acceptable. `old` is the resource as it was last accepted.
    pub async fn validate(&self, old: Option<&str>, new: &str) -> Result<Result<(), Vec<FieldError>>, DecideError> {
        let (old, new) = (old.map(str::to_owned), new.to_owned());
        let judged =
            self.call(move |linked, store, answer: &Answer| linked.validate(store, answer, old.as_deref(), &new));
        Ok(judged.await?.0)
    }

    /// Asks whether the operator's settings are acceptable.
    pub async fn validate_settings(&self, settings: &str) -> Result<Result<(), Vec<FieldError>>, DecideError> {
        let settings = settings.to_owned();
        let judged =
            self.call(move |linked, store, answer: &Answer| linked.validate_settings(store, answer, &settings));
        Ok(judged.await?.0)
    }

    /// Queues one call, with the caller's span around it.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Linked, &mut Store<Guest>, &Answer) -> Result<T, Failure> + Send + 'static,
    ) -> Result<(T, Cost), DecideError> {
        let inner = self.inner.clone();
        let span = tracing::Span::current();
        let answer = self.inner.engine.threads.submit(self.inner.owner, move || {
            span.in_scope(|| {
                let (answer, cost) = inner.run(ask);
                inner.engine.meter.called(&inner.name, &cost, answer.as_ref().err());
                Ok((answer?, cost))
            })
        });
        answer.await.unwrap_or_else(|_| {
            Err(DecideError::Sandbox { message: "the call was lost; this is a fault of the host".into() })
        })
    }
}

impl Inner {
    /// Takes its machine code out of memory, unless it was called within `idle`. True where that was done.
    pub(super) fn rest(&self, idle: Duration) -> bool {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.is_none_or(|at| at.elapsed() < idle) {
            return false;
        }
        // Where the kernel does not know how, the code stays.
        *used = None;
        self.engine.slept(size(&self.component));
        page_out(&self.component).is_ok()
    }

    /// When it was called last; none while its code is not in memory.
    pub(super) fn used(&self) -> Option<Instant> {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a call. Where it brings the code back into memory, others may have to leave.
    fn wake(&self) {
        let before = self.used.lock().unwrap_or_else(PoisonError::into_inner).replace(Instant::now());
        if before.is_none() {
            self.engine.woke(size(&self.component));
        }
    }

    /// Makes an instance, asks it, and drops it, on the thread that this runs on. A call without an answer costs, too.
    fn run<T>(
        &self,
        ask: impl FnOnce(&Linked, &mut Store<Guest>, &Answer) -> Result<T, Failure>,
    ) -> (Result<T, DecideError>, Cost) {
        let Inner { engine, name, linked, limits, .. } = self;
        self.wake();
        let mut store = match Guest::store(&engine.wasm, name, &engine.logs, limits) {
            Ok(store) => store,
            Err(error) => return (Err(error), Cost::default()),
        };
        let answer = Answer::new(limits);
        let begun = Instant::now();
        let asked = {
            let _running = engine.ticker.run();
            ask(linked, &mut store, &answer)
        };
        let cost = Cost { wall: begun.elapsed(), output_bytes: answer.bytes(), ..Guest::cost(&store) };
        let answer = asked.map_err(|failure| match failure {
            Failure::Call(error) => store.data().explain(&error, engine.stack),
            Failure::Answer(error) => error,
        });
        (answer, cost)
    }
}

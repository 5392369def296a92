//! The engine: components in, plugins out. One for a process.

use super::{
    answer::Answer,
    compile::{Compiler, artifact::OwnCode, cache::Cache},
    config,
    error::{EngineError, LoadError},
    inspect::{self, Contract, Depth},
    limits::Limits,
    logs::{LogSink, Traced},
    meter::{Meter, Unmetered},
    plugin::{Digest, Inner, Plugin},
    text,
    threads::Threads,
    ticker::Ticker,
    v1,
};
use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::Semaphore;
use wasmtime::component::{Component, Linker};

mod description;

/// How an engine is laid out.
#[derive(Clone)]
pub struct EngineOptions {
    /// Threads that run calls. One plugin gets at most all but one of them.
    pub threads: usize,
    /// Instances that room is reserved for. Fewer than `threads` are made `threads`.
    pub slots: usize,
    /// Folder for compiled plugins; none: compiled again at each start.
    pub cache_dir: Option<PathBuf>,
    /// Where components are compiled.
    pub compiler: Compiler,
    /// Bytes of stack that a call may use. The same for all plugins, because it is compiled in.
    pub stack: usize,
    /// Bytes of machine code that are in memory at the same time, about. What was called longest ago leaves first.
    pub code: usize,
    /// Where log lines of plugins go.
    pub logs: Arc<dyn LogSink>,
    /// Where the cost of calls goes.
    pub meter: Arc<dyn Meter>,
}

impl EngineOptions {
    /// For production: a thread for each processor and one more, compiled in a child process.
    pub fn new(compiler: Compiler) -> Self {
        let processors = std::thread::available_parallelism().map_or(2, usize::from);
        EngineOptions {
            threads: processors + 1,
            slots: processors + 1,
            cache_dir: None,
            compiler,
            stack: 512 << 10,
            code: 48 << 20,
            logs: Arc::new(Traced),
            meter: Arc::new(Unmetered),
        }
    }
}

/// Compiles, checks and runs plugins. Cheap to clone; the threads end with the last clone and the last plugin.
#[derive(Clone)]
pub struct Engine {
    pub(super) shared: Arc<Shared>,
}

/// What all plugins of an engine share.
pub(super) struct Shared {
    pub(super) wasm: wasmtime::Engine,
    pub(super) threads: Threads,
    pub(super) ticker: Ticker,
    pub(super) logs: Arc<dyn LogSink>,
    pub(super) meter: Arc<dyn Meter>,
    pub(super) stack: usize,
    linker: Linker<super::call::Guest>,
    cache: Option<Cache>,
    compiler: Compiler,
    owners: AtomicU64,
    /// Bytes of machine code that may be in memory.
    code: usize,
    /// Those that are, counted as if all of a plugin were.
    awake: AtomicUsize,
    /// Compilers that may run at a time: each may take much memory and a processor for its whole time.
    compiling: Semaphore,
    /// Plugins that live.
    plugins: Mutex<Vec<Weak<Inner>>>,
}

impl Shared {
    /// The code of a plugin comes into memory. Where that is too much, that of others leaves: somewhat more than needed, so
    /// that this is not done again at once.
    pub(super) fn woke(&self, code: usize) {
        let awake = self.awake.fetch_add(code, Ordering::Relaxed).saturating_add(code);
        if awake <= self.code {
            return;
        }
        let plugins: Vec<_> = {
            let plugins = self.plugins.lock().unwrap_or_else(PoisonError::into_inner);
            plugins.iter().filter_map(Weak::upgrade).collect()
        };
        let mut plugins: Vec<_> = plugins.iter().filter_map(|plugin| Some((plugin.used()?, plugin))).collect();
        plugins.sort_by_key(|(used, _)| *used);
        // The last is the one that is called now.
        plugins.pop();
        for (_, plugin) in plugins {
            if self.awake.load(Ordering::Relaxed) <= self.code / 4 * 3 {
                break;
            }
            plugin.rest(Duration::ZERO);
        }
    }

    /// The code of a plugin leaves memory.
    pub(super) fn slept(&self, code: usize) {
        self.awake.fetch_sub(code, Ordering::Relaxed);
    }
}

impl Engine {
    /// Starts the threads and reserves the room for instances. Where the address space is too small for that, instances
    /// are made one by one, which costs some microseconds for each call and nothing else.
    pub fn new(options: EngineOptions) -> Result<Self, EngineError> {
        let EngineOptions { threads, slots, cache_dir, compiler, stack, code, logs, meter } = options;
        let threads = threads.max(1);
        let slots = u32::try_from(slots.max(threads)).unwrap_or(u32::MAX).min(1_024);
        let sandbox = |error: wasmtime::Error| EngineError::Sandbox(format!("{error:#}"));
        let wasm = match wasmtime::Engine::new(&config::pooled(stack, slots)) {
            Ok(engine) => engine,
            Err(error) => {
                tracing::warn!(%error, "no room for a pool of instances; plugins run a little slower");
                wasmtime::Engine::new(&config::config(stack)).map_err(sandbox)?
            }
        };
        let shared = Shared {
            linker: v1::linker(&wasm).map_err(sandbox)?,
            ticker: Ticker::start(&wasm).map_err(EngineError::Threads)?,
            threads: Threads::start(threads, stack).map_err(EngineError::Threads)?,
            cache: cache_dir.map(|folder| Cache::open(&folder, &wasm)).transpose()?,
            logs,
            meter,
            stack,
            compiler,
            owners: AtomicU64::new(0),
            code,
            awake: AtomicUsize::new(0),
            compiling: Semaphore::new(threads.saturating_sub(1).max(2)),
            plugins: Mutex::default(),
            wasm,
        };
        Ok(Engine { shared: Arc::new(shared) })
    }

    /// Makes a plugin of a component: inspects, compiles, links, and asks it to describe itself. `name` is the operator's
    /// name for it, in logs.
    pub async fn load(&self, name: &str, bytes: Vec<u8>, limits: Limits) -> Result<Plugin, LoadError> {
        if let Some((field, most)) = limits.out_of_range() {
            return Err(LoadError::LimitTooHigh { field, most });
        }
        if bytes.len() > limits.component_size {
            return Err(LoadError::TooLarge { size: bytes.len(), limit: limits.component_size });
        }
        let (contract, digest, component) = self.compiled(bytes).await?;
        check_start(&component, &limits)?;
        let wrong_type = |error: wasmtime::Error| LoadError::WrongType {
            message: text::clean(&format!("{error:#}"), text::MESSAGE),
        };
        let linked = match contract {
            Contract::V1 => v1::Linked::new(&self.shared.linker, &component).map_err(wrong_type)?,
        };
        let owner = self.shared.owners.fetch_add(1, Ordering::Relaxed);
        let plugin = Plugin::new(self.shared.clone(), owner, name.into(), digest, (component, linked), limits);
        self.shared.plugins.lock().unwrap_or_else(PoisonError::into_inner).push(plugin.weak());
        let (description, _) = plugin
            .call(move |linked, store, answer: &Answer| linked.describe(store, answer))
            .await
            .map_err(LoadError::Describe)?;
        description::check(&description).map_err(LoadError::Description)?;
        Ok(plugin.described(description))
    }

    /// Takes the machine code of plugins that were not called within `idle` out of memory; how many those are. They can be
    /// called as before. A fleet of many plugins, most of which have nothing to do, so takes little memory.
    pub fn rest(&self, idle: Duration) -> usize {
        let mut plugins = self.shared.plugins.lock().unwrap_or_else(PoisonError::into_inner);
        plugins.retain(|plugin| plugin.strong_count() > 0);
        plugins.iter().filter_map(Weak::upgrade).filter(|plugin| plugin.rest(idle)).count()
    }

    /// What a component speaks, its digest, and the component compiled: from the cache where it is there.
    async fn compiled(&self, bytes: Vec<u8>) -> Result<(Contract, Digest, Component), LoadError> {
        let shared = self.shared.clone();
        let (digest, found, bytes) = blocking(move || {
            let digest = Digest::of(&bytes);
            let Some(component) = shared.cached(&digest) else { return Ok((digest, None, bytes)) };
            Ok((digest, Some((inspect::inspect(&bytes, Depth::Surface)?, component)), Vec::new()))
        })
        .await?;
        if let Some((contract, component)) = found {
            return Ok((contract, digest, component));
        }
        let inspected = blocking(move || Ok((inspect::inspect(&bytes, Depth::Whole)?, bytes)));
        let (contract, bytes) = inspected.await?;
        Ok((contract, digest, self.compile(&digest, bytes).await?))
    }

    async fn compile(&self, digest: &Digest, bytes: Vec<u8>) -> Result<Component, LoadError> {
        let Shared { wasm, cache, compiler, stack, compiling, .. } = &*self.shared;
        let refused =
            |error: wasmtime::Error| LoadError::Refused { message: text::clean(&format!("{error:#}"), text::MESSAGE) };
        let code = {
            // Never closed, so there always is a permit in the end.
            let _permit = compiling.acquire().await;
            compiler.compile(wasm, bytes, *stack).await?
        };
        let kept = cache.as_ref().map(|cache| cache.put(digest, &code));
        match kept {
            Some(Ok(path)) => OwnCode::File(&path).load(wasm).map_err(refused),
            Some(Err(error)) => {
                tracing::warn!(%error, "a compiled plugin could not be kept and is compiled again at the next start");
                OwnCode::Bytes(&code).load(wasm).map_err(refused)
            }
            None => OwnCode::Bytes(&code).load(wasm).map_err(refused),
        }
    }
}

impl Shared {
    /// A component that was compiled before, if it is in the cache and whole.
    fn cached(&self, digest: &Digest) -> Option<Component> {
        let cache = self.cache.as_ref()?;
        let path = cache.get(digest)?;
        match OwnCode::File(&path).load(&self.wasm) {
            Ok(component) => Some(component),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a compiled plugin does not load and is compiled anew");
                cache.remove(digest);
                None
            }
        }
    }
}

/// Work that no task of the loop should do.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LoadError> + Send + 'static,
) -> Result<T, LoadError> {
    let failed = |error| LoadError::Malformed { message: format!("the parser failed: {error}"), offset: 0 };
    tokio::task::spawn_blocking(work).await.map_err(failed)?
}

/// The component starts within its limits: a better message than the failure of each call.
fn check_start(component: &Component, limits: &Limits) -> Result<(), LoadError> {
    /// Bytes of a page of linear memory.
    const PAGE: u64 = 64 << 10;
    let Some(required) = component.resources_required() else {
        return Err(LoadError::WrongType { message: "it imports core modules".into() });
    };
    let memory = required.max_initial_memory_size.unwrap_or(0).saturating_mul(PAGE);
    if memory > limits.memory as u64 {
        let limit = limits.memory as u64;
        return Err(LoadError::StartsTooLarge { what: "bytes of memory", field: "memory", wanted: memory, limit });
    }
    let elements = required.max_initial_table_size.unwrap_or(0);
    if elements > limits.table_elements as u64 {
        let limit = limits.table_elements as u64;
        return Err(LoadError::StartsTooLarge {
            what: "table elements",
            field: "tableElements",
            wanted: elements,
            limit,
        });
    }
    Ok(())
}

//! What a spec asks for, tried: fetched, verified, compiled, held against the cluster, and swapped in. A spec comes in; how
//! far it came, and why no further, goes out. What served before goes on serving until the very end.

use super::keeper::{Keeper, Running};
use super::rollout::Go;
use crate::context::Served;
use crate::decide::decider::Decider;
use crate::decide::{Digest, Limits, LoadError};
use crate::install::definition::{Definition, DefinitionError};
use crate::install::{self, InstallError};
use crate::plugins::PluginSpec;
use crate::plugins::resource::condition::{Passed, Stage, Stopped};
use crate::plugins::resource::{Source, Strategy, Verify};
use crate::plugins::source::Fetched;
use crate::plugins::store::Serving;
use crate::plugins::verify;
use crate::plugins::watched::Watched;
use crate::watch::Object;
use crate::watch::page::chain;
use serde_json::Value;
use std::sync::Arc;

/// What one try came to.
#[derive(Clone, Debug, Default)]
pub(super) struct Attempt {
    pub passed: Passed,
    pub stopped: Option<Stopped>,
    /// Digest of what was fetched.
    pub wanted: Option<Digest>,
}

/// A version that was loaded, and from what.
pub(super) struct Loaded {
    source: Source,
    verify: Verify,
    limits: Limits,
    /// What the source said of itself then.
    marker: Option<String>,
    digest: Digest,
    passed: Passed,
    watched: Arc<Watched>,
}

impl Loaded {
    /// Names of the definitions that it serves.
    pub fn definitions(&self) -> Vec<String> {
        let serves = &self.watched.plugin().description().serves;
        let names = serves.iter().filter_map(|definition| definition.pointer("/metadata/name")?.as_str());
        names.map(str::to_owned).collect()
    }
}

/// Stopped at a stage.
fn stop(stage: Stage, reason: &str, message: impl ToString, may_pass: bool) -> Stopped {
    Stopped { stage, reason: reason.into(), message: message.to_string(), may_pass }
}

impl Keeper<'_> {
    /// Tries what the spec asks for.
    pub async fn attempt(&mut self, plugin: &Object) -> Attempt {
        let mut attempt = Attempt::default();
        self.listing = false;
        let document = plugin.value();
        let tried = match PluginSpec::read(&document) {
            Ok(spec) => self.try_spec(plugin, &spec, &mut attempt).await.map_err(|stopped| (stopped, Some(spec))),
            Err(message) => Err((stop(Stage::Fetched, "InvalidSpec", message, false), None)),
        };
        if let Err((stopped, spec)) = tried {
            if self.running.is_none()
                && let Some(spec) = spec
            {
                self.restore(&document, &spec).await;
            }
            attempt.stopped = Some(stopped);
        }
        if !self.published && !self.listing {
            // What was called back, whatever became of what is wanted.
            self.publish();
        }
        attempt
    }

    async fn try_spec(&mut self, plugin: &Object, spec: &PluginSpec, attempt: &mut Attempt) -> Result<(), Stopped> {
        self.finalize(plugin, spec).await?;
        self.abandon_unless(spec);
        self.load(spec, attempt).await?;
        let Some(Loaded { digest, watched, passed, .. }) = &self.loaded else { return Ok(()) };
        let (digest, watched) = (*digest, watched.clone());
        attempt.passed.clone_from(passed);
        attempt.wanted = Some(digest);
        if let Some((refused, generation, stopped)) = &self.refused
            && *refused == digest
            && *generation == plugin.generation
        {
            attempt.passed.push((Stage::Compatible, "Compatible", "its kinds fit the cluster".into()));
            let (reason, message) = self.shadowed_words();
            attempt.passed.push((Stage::Shadowed, reason, message));
            return Err(stopped.clone());
        }
        self.settings(&watched, spec).await?;
        let next = self.candidate(digest, watched, spec)?;
        let is_new = match self.running {
            Some(_) => true,
            None => self.call_back(plugin, &next, spec).await,
        };
        let same = self.is_running(&next);
        if same {
            // Back to what serves, at whatever point.
            self.abandon();
        }
        let (reason, message) = self.compatible(&next, spec).await?;
        attempt.passed.push((Stage::Compatible, reason, message));
        if same && self.has_its_kinds() {
            let (reason, message) = self.shadowed_words();
            attempt.passed.push((Stage::Shadowed, reason, message));
            return self.install(&next).await;
        }
        let shadowed = is_new && !same && spec.rollout.strategy != Strategy::Immediate;
        let go = if shadowed { self.roll_out(plugin, spec, &next)? } else { Go::All };
        self.install(&next).await?;
        let (reason, message) = self.shadowed_words();
        attempt.passed.push((Stage::Shadowed, reason, message));
        match go {
            Go::All => self.swap(next),
            Go::Part(which) => {
                let stopped = stop(Stage::Serving, "RollingOut", which, false);
                // As it will be told.
                self.last = Attempt { stopped: Some(stopped.clone()), ..attempt.clone() };
                self.widen(plugin).await;
                return Err(stopped);
            }
        }
        if let (Some(store), Some(running)) = (&self.shared.store, &self.running) {
            let previous = self.previous.as_ref().map(|previous| previous.digest);
            store.keep_only(&self.name, &[Some(running.digest), previous].into_iter().flatten().collect::<Vec<_>>());
        }
        Ok(())
    }

    fn is_running(&self, next: &Running) -> bool {
        self.running.as_ref().is_some_and(|running| running.served.identity == next.served.identity)
    }

    /// After a start in the middle of a rollout: what served last serves beside what is wanted. Nothing is in the host's
    /// table before it is known for which part. False where what is wanted is what served, or nothing served before.
    async fn call_back(&mut self, plugin: &Object, next: &Running, spec: &PluginSpec) -> bool {
        // The status of this Plugin, and not of an earlier one of its name.
        let status = plugin.value().pointer("/status/digest").and_then(Value::as_str).map(str::to_owned);
        let Some(named) = status else { return false };
        let wanted = format!("sha256:{}", next.digest);
        let noted = self.shared.store.as_ref().and_then(|store| store.noted(&self.name));
        let Some(serving) = noted else { return named != wanted };
        let Served { settings, grants, .. } = &*next.served;
        let same = (serving.settings.as_str(), &serving.grants) == (&**settings, grants);
        if same && serving.digest == next.digest.to_string() {
            return false;
        }
        if let Some(running) = self.noted(&serving, spec).await {
            let digest = running.digest;
            tracing::info!(plugin = self.name, %digest, "called back what served before the new version is in service");
            (self.running, self.published) = (Some(running), false);
        }
        true
    }

    /// A version that is in the store, with the settings and grants that it served with.
    async fn noted(&self, serving: &Serving, spec: &PluginSpec) -> Option<Running> {
        let (digest, bytes) = self.shared.store.as_ref()?.get(&self.name, &serving.digest)?;
        let fetched = Fetched { bytes, from: "the version that served last".into(), artifact: None };
        let watched = self.compile(digest, fetched, &spec.limits, &mut Attempt::default()).await.ok()?;
        let settings = serde_json::from_str(&serving.settings).ok()?;
        let spec = PluginSpec { settings, grants: serving.grants.clone(), ..spec.clone() };
        self.candidate(digest, watched, &spec).ok()
    }

    /// Fetches, verifies and compiles, unless that was done with the same outcome before.
    async fn load(&mut self, spec: &PluginSpec, attempt: &mut Attempt) -> Result<(), Stopped> {
        let unfetched =
            |error: crate::plugins::source::SourceError| stop(Stage::Fetched, error.reason(), &error, error.may_pass());
        let fetcher = &self.shared.fetcher;
        let marker = fetcher.marker(&spec.source).await.map_err(unfetched)?;
        if let Some(loaded) = &self.loaded
            && loaded.source == spec.source
            && loaded.verify == spec.verify
            && loaded.limits == spec.limits
            && loaded.marker == marker
        {
            return Ok(());
        }
        let fetched = fetcher.fetch(&spec.source, spec.limits.component_size).await.map_err(unfetched)?;
        let digest = Digest::of(&fetched.bytes);
        attempt.wanted = Some(digest);
        let message = format!("{} bytes from {}", fetched.bytes.len(), fetched.from);
        attempt.passed.push((Stage::Fetched, "Fetched", message));
        let (reason, message) = verify::verify(&fetched, &spec.verify)
            .map_err(|error| stop(Stage::Verified, error.reason(), &error, true))?;
        attempt.passed.push((Stage::Verified, reason, message));
        let watched = self.compile(digest, fetched, &spec.limits, attempt).await?;
        let (source, verify, limits) = (spec.source.clone(), spec.verify.clone(), spec.limits.clone());
        let passed = attempt.passed.clone();
        self.loaded = Some(Loaded { source, verify, limits, marker, digest, passed, watched });
        Ok(())
    }

    async fn compile(
        &self,
        digest: Digest,
        fetched: Fetched,
        limits: &Limits,
        attempt: &mut Attempt,
    ) -> Result<Arc<Watched>, Stopped> {
        let bytes = fetched.bytes;
        if let Some(store) = &self.shared.store {
            store.put(&self.name, &digest, &bytes);
        }
        let loaded = self.shared.engine.load(&self.name, bytes, limits.clone()).await;
        let plugin = loaded.map_err(|error| {
            let stage = stage_of(&error);
            if stage == Stage::Compatible && matches!(error, LoadError::Describe(_) | LoadError::Description(_)) {
                attempt.passed.push((Stage::Compiled, "Compiled", "compiled".into()));
            }
            stop(stage, error.reason(), &error, matches!(error, LoadError::NoCompiler { .. }))
        })?;
        let description = plugin.description();
        let message = format!("{} {}, compiled", description.name, description.version);
        attempt.passed.push((Stage::Compiled, "Compiled", message));
        Ok(Arc::new(Watched::new(plugin, self.storm.clone())))
    }

    async fn settings(&self, watched: &Watched, spec: &PluginSpec) -> Result<(), Stopped> {
        let settings = Value::Object(spec.settings.clone()).to_string();
        let wrong = |reason: &str, message: String| stop(Stage::Compatible, reason, message, false);
        match watched.plugin().validate_settings(&settings).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(errors)) => {
                let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
                Err(wrong("InvalidSettings", format!("the plugin refuses spec.settings: {}", errors.join("; "))))
            }
            Err(error) => Err(wrong(error.reason(), format!("the plugin does not judge its settings: {error}"))),
        }
    }

    /// A version with what its operator grants and sets, ready to decide.
    fn candidate(&self, digest: Digest, watched: Arc<Watched>, spec: &PluginSpec) -> Result<Running, Stopped> {
        let wrong = |error: DefinitionError| stop(Stage::Compatible, "InvalidDefinition", &error, false);
        let serves = &watched.plugin().description().serves;
        let account = spec.grants.service_account.as_ref();
        let definition = |given| Definition::new(given).map(|definition| definition.acting_as(account));
        let definitions = serves.iter().map(definition).collect::<Result<Vec<_>, _>>().map_err(wrong)?;
        let settings = Value::Object(spec.settings.clone()).to_string();
        let served = Served::new(watched.clone() as Arc<dyn Decider>, spec.grants.clone(), settings.into());
        Ok(Running { digest, watched, served: Arc::new(served), definitions })
    }

    /// Its kinds are its own, and their definitions can take the place of those that are there.
    async fn compatible(&mut self, next: &Running, spec: &PluginSpec) -> Result<(&'static str, String), Stopped> {
        let host = self.shared.host;
        host.claims.set(&self.seniority, next.definitions.iter().map(|definition| definition.name().to_owned()));
        self.contested = Some(self.contention());
        let (mut contested, mut wider) = (Vec::new(), false);
        for definition in &next.definitions {
            let name = definition.name();
            if let Some(holder) = host.claims.holder(name).filter(|holder| *holder != self.seniority) {
                let kinds: Vec<_> = definition.watched().cloned().into_iter().collect();
                self.give_way(&kinds);
                let message = format!(
                    "{name} is served by plugin {} already, which is older; delete one of the two, or let it serve \
                     another kind",
                    holder.name
                );
                return Err(stop(Stage::Compatible, "KindTaken", message, false));
            }
            let rivals = host.claims.rivals(&self.seniority, name);
            if !rivals.is_empty() {
                contested.push(format!("{name} is claimed by {} as well, which gives way", rivals.join(", ")));
            }
        }
        for definition in &next.definitions {
            match install::judge(&host.client, definition, spec.allow_narrowing).await {
                // The definition of the version that was tried meanwhile takes all that this one needs.
                Err(InstallError::Narrowed { .. }) if self.served_before(next) => wider = true,
                judged => drop(judged.map_err(|error| not_installed(&error))?),
            }
        }
        Ok(match (contested.is_empty(), wider) {
            (true, false) => ("Compatible", "its kinds fit the cluster".into()),
            (true, true) => ("DefinitionKept", "the definition of a later version, which takes more, stays".into()),
            (false, _) => ("KindContested", contested.join("; ")),
        })
    }

    /// This version serves, or served before what serves: to go back to it needs no consent.
    fn served_before(&self, next: &Running) -> bool {
        let versions = [&self.running, &self.previous];
        versions.into_iter().flatten().any(|version| version.digest == next.digest)
    }

    async fn install(&self, next: &Running) -> Result<(), Stopped> {
        let client = &self.shared.host.client;
        for definition in &next.definitions {
            if self.served_before(next)
                && let Err(InstallError::Narrowed { .. }) = install::judge(client, definition, false).await
            {
                continue;
            }
            let installed = install::install(client, definition).await;
            installed.map_err(|error| not_installed(&error))?;
        }
        Ok(())
    }

    /// The kinds of the running version are its own: no older plugin has taken one meanwhile.
    pub fn has_its_kinds(&self) -> bool {
        let plugins = &self.shared.host.plugins;
        self.running.as_ref().is_some_and(|running| {
            let ours = |served: Arc<Served>| Arc::ptr_eq(&served, &running.served);
            running.kinds().iter().all(|kind| plugins.serving(kind).is_some_and(ours))
        })
    }

    /// After a restart with a spec that leads to nothing: the version that served last serves again.
    async fn restore(&mut self, plugin: &Value, spec: &PluginSpec) {
        let Some(store) = &self.shared.store else { return };
        let digest =
            plugin.pointer("/status/digest").and_then(Value::as_str).and_then(|text| text.strip_prefix("sha256:"));
        let Some(digest) = digest else { return };
        let settings = Value::Object(spec.settings.clone()).to_string();
        let serving = store.noted(&self.name).filter(|serving| serving.digest == digest).unwrap_or_else(|| Serving {
            digest: digest.into(),
            settings,
            grants: spec.grants.clone(),
        });
        let Some(next) = self.noted(&serving, spec).await else { return };
        if self.settings(&next.watched, spec).await.is_ok() && self.compatible(&next, spec).await.is_ok() {
            self.swap(next);
        }
    }
}

fn not_installed(error: &InstallError) -> Stopped {
    let reason = match error {
        InstallError::Refused(DefinitionError::DropsStoredVersion { .. }) => "DropsStoredVersion",
        InstallError::Refused(DefinitionError::Foreign { .. } | DefinitionError::Clash { .. }) => "KindTaken",
        InstallError::Refused(DefinitionError::Invalid { .. }) => "InvalidDefinition",
        InstallError::Narrowed { .. } => "NarrowsSchema",
        InstallError::Forbidden { .. } => "DefinitionForbidden",
        InstallError::Conflict { .. } => "DefinitionConflict",
        InstallError::NotAccepted { .. } => "DefinitionRefused",
        InstallError::NotEstablished { .. } => "NotEstablished",
        InstallError::Unknown { .. } => "DefinitionUnknown",
    };
    // What is there may be changed by others: it is looked at again.
    stop(Stage::Compatible, reason, chain(error), error.may_pass())
}

/// The stage that a component failed at.
fn stage_of(error: &LoadError) -> Stage {
    match error {
        LoadError::TooLarge { .. } => Stage::Fetched,
        LoadError::LimitTooHigh { .. }
        | LoadError::NotAComponent { .. }
        | LoadError::Malformed { .. }
        | LoadError::StartsTooLarge { .. }
        | LoadError::Refused { .. }
        | LoadError::CompileTime { .. }
        | LoadError::CompileMemory { .. }
        | LoadError::CompilerDied { .. }
        | LoadError::NoCompiler { .. } => Stage::Compiled,
        LoadError::UnknownVersion { .. }
        | LoadError::UndeclaredImport { .. }
        | LoadError::MissingExport { .. }
        | LoadError::WrongType { .. }
        | LoadError::Describe(_)
        | LoadError::Description(_) => Stage::Compatible,
    }
}

//! What a spec asks for, tried: fetched, verified, compiled, held against the cluster, and swapped in. A spec comes in; how
//! far it came, and why no further, goes out. What served before goes on serving until the very end.

use super::keeper::{Keeper, Running};
use crate::context::Served;
use crate::decide::decider::Decider;
use crate::decide::{Digest, Limits, LoadError};
use crate::install::definition::{Definition, DefinitionError};
use crate::install::{self, InstallError};
use crate::plugins::PluginSpec;
use crate::plugins::resource::condition::{Passed, Stage, Stopped};
use crate::plugins::resource::{Source, Verify};
use crate::plugins::source::Fetched;
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
        attempt
    }

    async fn try_spec(&mut self, plugin: &Object, spec: &PluginSpec, attempt: &mut Attempt) -> Result<(), Stopped> {
        self.finalize(plugin, spec).await?;
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
            return Err(stopped.clone());
        }
        self.settings(&watched, spec).await?;
        let next = self.candidate(digest, watched, spec)?;
        let said = self.compatible(&next, spec).await?;
        attempt.passed.push((Stage::Compatible, said.0, said.1));
        self.install(&next).await?;
        let same = self.running.as_ref().is_some_and(|running| running.served.identity == next.served.identity);
        if !same || !self.has_its_kinds() {
            self.swap(next);
        }
        if let (Some(store), Some(running)) = (&self.shared.store, &self.running) {
            let previous = self.previous.as_ref().map(|previous| previous.digest);
            store.keep_only(&self.name, &[Some(running.digest), previous].into_iter().flatten().collect::<Vec<_>>());
        }
        Ok(())
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
        let mut contested = Vec::new();
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
            let judged = install::judge(&host.client, definition, spec.allow_narrowing).await;
            judged.map_err(|error| not_installed(&error))?;
        }
        Ok(match contested.is_empty() {
            true => ("Compatible", "its kinds fit the cluster".into()),
            false => ("KindContested", contested.join("; ")),
        })
    }

    async fn install(&self, next: &Running) -> Result<(), Stopped> {
        for definition in &next.definitions {
            let installed = install::install(&self.shared.host.client, definition).await;
            installed.map_err(|error| not_installed(&error))?;
        }
        Ok(())
    }

    /// The kinds of the running version are its own: no older plugin has taken one meanwhile.
    fn has_its_kinds(&self) -> bool {
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
        let Some((digest, bytes)) = digest.and_then(|digest| store.get(&self.name, digest)) else { return };
        let fetched = Fetched { bytes, from: "the last good version".into(), artifact: None };
        let mut attempt = Attempt::default();
        let Ok(watched) = self.compile(digest, fetched, &spec.limits, &mut attempt).await else { return };
        if self.settings(&watched, spec).await.is_err() {
            return;
        }
        let Ok(next) = self.candidate(digest, watched, spec) else { return };
        if self.compatible(&next, spec).await.is_ok() {
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

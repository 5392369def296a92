//! The adapter for `wit/v1`: the model's values in and out of a component that speaks version 1 of the contract.

use super::{answer::Answer, call::Guest, error::DecideError, logs::LogLevel};
use bindings::{PluginPre, windlass::plugin::log};
use model::{Decision, Description, Fault, FieldError, Snapshot};
use wasmtime::{
    Store,
    component::{Component, HasSelf, Linker},
};

mod lift;
mod lower;

#[allow(missing_docs, clippy::all)]
mod bindings {
    wasmtime::component::bindgen!({
        path: "../wit/v1",
        world: "plugin",
        imports: { default: trappable },
        ownership: Borrowing { duplicate_if_necessary: true },
    });
}

/// Why an answer did not come about.
pub(super) enum Failure {
    /// The guest did not get to answer, or its answer could not be lifted.
    Call(wasmtime::Error),
    /// The answer is wrong or over a limit.
    Answer(DecideError),
}

impl From<wasmtime::Error> for Failure {
    fn from(error: wasmtime::Error) -> Self {
        Failure::Call(error)
    }
}

impl From<DecideError> for Failure {
    fn from(error: DecideError) -> Self {
        Failure::Answer(error)
    }
}

/// A component, linked and ready to be instantiated.
#[derive(Clone)]
pub(super) struct Linked(PluginPre<Guest>);

/// All that the host offers to components of this version: the log.
pub(super) fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<Guest>> {
    let mut linker = Linker::new(engine);
    bindings::Plugin::add_to_linker::<_, HasSelf<Guest>>(&mut linker, |guest| guest)?;
    Ok(linker)
}

impl log::Host for Guest {
    fn emit(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        let level = match level {
            log::Level::Debug => LogLevel::Debug,
            log::Level::Info => LogLevel::Info,
            log::Level::Warn => LogLevel::Warn,
        };
        self.log(level, &message)
    }
}

impl bindings::windlass::plugin::types::Host for Guest {}

impl Linked {
    /// Fails when an import or an export is missing or of another type.
    pub(super) fn new(linker: &Linker<Guest>, component: &Component) -> wasmtime::Result<Self> {
        Ok(Linked(PluginPre::new(linker.instantiate_pre(component)?)?))
    }

    pub(super) fn describe(&self, store: &mut Store<Guest>, answer: &Answer) -> Result<Description, Failure> {
        let plugin = self.0.instantiate(&mut *store)?;
        let description = plugin.windlass_plugin_reconciler().call_describe(store)?;
        Ok(lift::description(answer, description)?)
    }

    pub(super) fn validate_settings(
        &self,
        store: &mut Store<Guest>,
        answer: &Answer,
        settings: &str,
    ) -> Result<Result<(), Vec<FieldError>>, Failure> {
        let plugin = self.0.instantiate(&mut *store)?;
        let judgement = plugin.windlass_plugin_reconciler().call_validate_settings(store, settings)?;
        Ok(lift::judgement(answer, judgement)?)
    }

    pub(super) fn validate(
        &self,
        store: &mut Store<Guest>,
        answer: &Answer,
        old: Option<&str>,
        new: &str,
    ) -> Result<Result<(), Vec<FieldError>>, Failure> {
        let plugin = self.0.instantiate(&mut *store)?;
        let judgement = plugin.windlass_plugin_reconciler().call_validate(store, old, new)?;
        Ok(lift::judgement(answer, judgement)?)
    }

    pub(super) fn decide(
        &self,
        store: &mut Store<Guest>,
        answer: &Answer,
        snapshot: &Snapshot,
    ) -> Result<Result<Decision, Fault>, Failure> {
        let plugin = self.0.instantiate(&mut *store)?;
        let reconciler = plugin.windlass_plugin_reconciler();
        let outcome = lower::with_snapshot(snapshot, |snapshot| reconciler.call_decide(store, snapshot))?;
        Ok(lift::outcome(answer, outcome)?)
    }
}

//! Why there is no engine, no plugin, or no decision: one variant for each situation.

use model::FieldError;
use std::{path::PathBuf, time::Duration};
use thiserror::Error;

/// Why the engine did not start.
#[derive(Debug, Error)]
pub enum EngineError {
    /// The machine does not offer what the sandbox needs.
    #[error("the sandbox for plugins cannot be set up on this machine: {0}")]
    Sandbox(String),
    /// The folder for compiled plugins cannot be used.
    #[error("cannot use {path} for compiled plugins: {message}; name a folder that only this user can write")]
    Cache {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// The threads for calls could not be started.
    #[error("cannot start the threads that run plugins: {0}")]
    Threads(#[source] std::io::Error),
}

/// Why a component does not become a plugin. Only this plugin is affected.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum LoadError {
    /// The component is larger than allowed.
    #[error(
        "the component has {size} bytes and its limit `componentSize` is {limit}; build it smaller or raise the limit"
    )]
    TooLarge {
        /// Bytes.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// A limit is beyond what the engine is laid out for.
    #[error("the limit `{field}` is beyond {most}, the most that this host allows")]
    LimitTooHigh {
        /// Name of the limit.
        field: &'static str,
        /// Largest value.
        most: usize,
    },
    /// The bytes are something else.
    #[error("this is {what}, and a plugin is a WebAssembly component; {hint}")]
    NotAComponent {
        /// What it is.
        what: &'static str,
        /// What to do.
        hint: &'static str,
    },
    /// The bytes are no valid component.
    #[error("the component is malformed at byte {offset}: {message}")]
    Malformed {
        /// What is wrong.
        message: String,
        /// Where.
        offset: usize,
    },
    /// The component is made for a contract that this host does not speak.
    #[error("the plugin speaks {found} and this host speaks {supported}; rebuild the plugin or upgrade the host")]
    UnknownVersion {
        /// Package and version.
        found: String,
        /// Range of versions.
        supported: &'static str,
    },
    /// The component wants what plugins do not get.
    #[error("the plugin imports {}, and plugins get nothing but `windlass:plugin/log`; build it without", .names.join(", "))]
    UndeclaredImport {
        /// Names of the imports.
        names: Vec<String>,
    },
    /// The component does not offer what plugins offer.
    #[error("the plugin does not export `{name}`; build it against the world `windlass:plugin/plugin`")]
    MissingExport {
        /// Name of the interface, or interface and function.
        name: String,
    },
    /// Names are right, types are not.
    #[error("the plugin does not fit the contract: {message}")]
    WrongType {
        /// What differs.
        message: String,
    },
    /// The component needs more memory or tables, before it does anything, than its limits allow.
    #[error(
        "the plugin starts with {wanted} {what} and its limit `{field}` is {limit}; raise the limit or build it smaller"
    )]
    StartsTooLarge {
        /// Unit.
        what: &'static str,
        /// Name of the limit.
        field: &'static str,
        /// How many it starts with.
        wanted: u64,
        /// How many are allowed.
        limit: u64,
    },
    /// The compiler or the runtime refuses it.
    #[error("the plugin cannot be compiled: {message}")]
    Refused {
        /// What the compiler says.
        message: String,
    },
    /// Compiling took too long.
    #[error("compiling the plugin took longer than {} s and was stopped; build it smaller", .limit.as_secs())]
    CompileTime {
        /// Time allowed.
        limit: Duration,
    },
    /// Compiling needed too much memory.
    #[error("compiling the plugin needed more than {limit} bytes of memory and was stopped; build it smaller")]
    CompileMemory {
        /// Bytes allowed.
        limit: u64,
    },
    /// The compiler died.
    #[error("the compiler died on this plugin ({status}): {message}")]
    CompilerDied {
        /// Exit status or signal.
        status: String,
        /// The end of what it said.
        message: String,
    },
    /// The compiler could not be started, or its result not read.
    #[error("cannot run the compiler for plugins: {message}")]
    NoCompiler {
        /// What is wrong.
        message: String,
    },
    /// `describe` failed.
    #[error("the plugin does not describe itself: {0}")]
    Describe(#[source] DecideError),
    /// `describe` returned what cannot be.
    #[error("the plugin's description is wrong: {0}")]
    Description(FieldError),
}

impl LoadError {
    /// A stable word for conditions, events and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            LoadError::TooLarge { .. } => "ComponentTooLarge",
            LoadError::LimitTooHigh { .. } => "LimitTooHigh",
            LoadError::NotAComponent { .. } => "NotAComponent",
            LoadError::Malformed { .. } => "MalformedComponent",
            LoadError::UnknownVersion { .. } => "UnknownContractVersion",
            LoadError::UndeclaredImport { .. } => "UndeclaredImport",
            LoadError::MissingExport { .. } => "MissingExport",
            LoadError::WrongType { .. } => "WrongType",
            LoadError::StartsTooLarge { .. } => "StartsTooLarge",
            LoadError::Refused { .. } => "CompilerRefused",
            LoadError::CompileTime { .. } => "CompileTimeLimit",
            LoadError::CompileMemory { .. } => "CompileMemoryLimit",
            LoadError::CompilerDied { .. } => "CompilerDied",
            LoadError::NoCompiler { .. } => "NoCompiler",
            LoadError::Describe(_) => "DescribeFailed",
            LoadError::Description(_) => "InvalidDescription",
        }
    }
}

/// Why a call of a plugin gave no answer. Only this call is affected.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum DecideError {
    /// Too much work.
    #[error("the plugin used up its limit `fuel` of {limit} units; raise the limit or let it do less per call")]
    OutOfFuel {
        /// Units allowed.
        limit: u64,
    },
    /// Too long.
    #[error("the plugin ran longer than its limit `wall` of {} ms and was stopped", .limit.as_millis())]
    TimeLimit {
        /// Time allowed.
        limit: Duration,
    },
    /// Too much memory.
    #[error("the plugin wanted more memory than its limit `memory` of {limit} bytes")]
    MemoryLimit {
        /// Bytes allowed.
        limit: usize,
    },
    /// Too large tables.
    #[error("the plugin wanted more table elements than its limit `tableElements` of {limit}")]
    TableLimit {
        /// Elements allowed.
        limit: usize,
    },
    /// Too deep recursion.
    #[error("the plugin's calls are nested deeper than its stack of {limit} bytes allows; look for endless recursion")]
    StackLimit {
        /// Bytes allowed.
        limit: usize,
    },
    /// Too large an answer.
    #[error("the plugin's answer is larger than its limit `output` of {limit} bytes")]
    OutputLimit {
        /// Bytes allowed.
        limit: usize,
    },
    /// Too long a list in the answer.
    #[error("the plugin's answer has {found} entries in `{list}` and its limit `items` is {limit}")]
    ItemLimit {
        /// Which list.
        list: &'static str,
        /// Entries found.
        found: usize,
        /// Entries allowed.
        limit: usize,
    },
    /// Too many log lines.
    #[error("the plugin logged more than its limit `log` of {limit} bytes in one call")]
    LogLimit {
        /// Bytes allowed.
        limit: usize,
    },
    /// It crashed.
    #[error("the plugin crashed: {message}")]
    Trap {
        /// Kind of crash and innermost functions.
        message: String,
    },
    /// The answer is no answer.
    #[error("the plugin's answer is wrong at `{at}`: {message}")]
    InvalidOutput {
        /// Path in the answer.
        at: String,
        /// What is wrong.
        message: String,
    },
    /// The same snapshot gave two different answers.
    #[error("the plugin decides differently on the same snapshot, first at `{path}`: {first} and {second}")]
    Nondeterministic {
        /// Path in the decision.
        path: String,
        /// Value of the first decision there.
        first: String,
        /// Value of the second decision there.
        second: String,
    },
    /// The host failed, not the plugin.
    #[error("the sandbox failed: {message}")]
    Sandbox {
        /// What is wrong.
        message: String,
    },
}

impl DecideError {
    /// A stable word for conditions, events and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            DecideError::OutOfFuel { .. } => "PluginOutOfFuel",
            DecideError::TimeLimit { .. } => "PluginTimeLimit",
            DecideError::MemoryLimit { .. } => "PluginMemoryLimit",
            DecideError::TableLimit { .. } => "PluginTableLimit",
            DecideError::StackLimit { .. } => "PluginStackLimit",
            DecideError::OutputLimit { .. } => "PluginOutputLimit",
            DecideError::ItemLimit { .. } => "PluginItemLimit",
            DecideError::LogLimit { .. } => "PluginLogLimit",
            DecideError::Trap { .. } => "PluginCrashed",
            DecideError::InvalidOutput { .. } => "PluginInvalidOutput",
            DecideError::Nondeterministic { .. } => "PluginNondeterministic",
            DecideError::Sandbox { .. } => "SandboxFailed",
        }
    }

    /// The limit that ended the call, by its name in a plugin's grants file; none where it was no limit.
    pub fn limit(&self) -> Option<&'static str> {
        match self {
            DecideError::OutOfFuel { .. } => Some("fuel"),
            DecideError::TimeLimit { .. } => Some("wall"),
            DecideError::MemoryLimit { .. } => Some("memory"),
            DecideError::TableLimit { .. } => Some("tableElements"),
            DecideError::StackLimit { .. } => Some("stack"),
            DecideError::OutputLimit { .. } => Some("output"),
            DecideError::ItemLimit { .. } => Some("items"),
            DecideError::LogLimit { .. } => Some("log"),
            DecideError::Trap { .. }
            | DecideError::InvalidOutput { .. }
            | DecideError::Nondeterministic { .. }
            | DecideError::Sandbox { .. } => None,
        }
    }

    /// Whether another try with the same snapshot may go otherwise. Everything but time and the host itself is
    /// determined by the plugin, its limits and the snapshot.
    pub fn may_pass_by_itself(&self) -> bool {
        match self {
            DecideError::TimeLimit { .. } | DecideError::Sandbox { .. } => true,
            DecideError::OutOfFuel { .. }
            | DecideError::MemoryLimit { .. }
            | DecideError::TableLimit { .. }
            | DecideError::StackLimit { .. }
            | DecideError::OutputLimit { .. }
            | DecideError::ItemLimit { .. }
            | DecideError::LogLimit { .. }
            | DecideError::Trap { .. }
            | DecideError::InvalidOutput { .. }
            | DecideError::Nondeterministic { .. } => false,
        }
    }
}

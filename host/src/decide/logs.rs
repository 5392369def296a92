//! Log lines of guests: bounded and cleaned text in, lines in the host's log out.

/// How important a line is, by the guest's own judgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// For the author of the plugin.
    Debug,
    /// For the operator.
    Info,
    /// For the operator, soon.
    Warn,
}

/// Where log lines of guests go. Called on the thread of the call, within the span of the caller.
pub trait LogSink: Send + Sync {
    /// One line, already bounded and without control characters.
    fn line(&self, plugin: &str, level: LogLevel, message: &str);
}

/// Lines go to `tracing`, target `plugin`, with the plugin's name. The caller's span names the resource.
pub struct Traced;

impl LogSink for Traced {
    fn line(&self, plugin: &str, level: LogLevel, message: &str) {
        match level {
            LogLevel::Debug => tracing::debug!(target: "plugin", plugin, "{message}"),
            LogLevel::Info => tracing::info!(target: "plugin", plugin, "{message}"),
            LogLevel::Warn => tracing::warn!(target: "plugin", plugin, "{message}"),
        }
    }
}

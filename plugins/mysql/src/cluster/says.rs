//! What is told once: a note becomes an event. In: a reason for programs and a text for people.

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Someone should look at it.
    pub warning: bool,
    /// CamelCase, stable.
    pub reason: &'static str,
    /// For people.
    pub message: String,
}

impl Note {
    /// Something happened as intended.
    pub fn normal(reason: &'static str, message: &str) -> Self {
        Note { warning: false, reason, message: message.to_string() }
    }

    /// Something that a person should look at.
    pub fn warning(reason: &'static str, message: &str) -> Self {
        Note { warning: true, reason, message: message.to_string() }
    }
}

//! Why one signature is not taken.

use std::fmt;

/// What a signature failed at, in the order in which it is looked at: the later, the closer it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// It cannot be read.
    Form,
    /// It is by none of the keys, and has no certificate.
    Key,
    /// It has a certificate, and no log noted it.
    Unlogged,
    /// What is said to be the note of a log is none, or is about something else.
    Log,
    /// The time of the note is not within that of the certificate.
    Expired,
    /// Nobody who is trusted vouches for the certificate.
    Certificate,
    /// The key of the certificate did not make it.
    Signature,
    /// Somebody else made it.
    Identity,
    /// It is about something else.
    Content,
}

/// Why a signature is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// At which stage.
    pub stage: Stage,
    /// What is wrong.
    pub message: String,
}

impl Refusal {
    /// Of these two.
    pub fn new(stage: Stage, message: impl Into<String>) -> Refusal {
        Refusal { stage, message: message.into() }
    }

    /// It cannot be read.
    pub(super) fn form(message: impl Into<String>) -> Refusal {
        Refusal::new(Stage::Form, message)
    }

    /// It is about something else.
    pub(super) fn content(message: impl Into<String>) -> Refusal {
        Refusal::new(Stage::Content, message)
    }

    /// A stable word for the condition.
    pub fn reason(&self) -> &'static str {
        match self.stage {
            Stage::Form | Stage::Key | Stage::Signature | Stage::Content => "SignatureMismatch",
            Stage::Unlogged => "LogEntryMissing",
            Stage::Log => "LogEntryInvalid",
            Stage::Expired => "CertificateExpired",
            Stage::Certificate => "CertificateUntrusted",
            Stage::Identity => "IdentityMismatch",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

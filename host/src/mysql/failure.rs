//! Why something could not be done on a MySQL server: what the protocol said in, one variant per situation out. No variant
//! holds the text of a statement, because statements hold passwords.

use model::Class;

/// Why one server is not as it should be. It holds back the item of that server and nothing else.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// No connection, or it broke. The word is one of [`crate::mysql::UNREACHABLE`].
    #[error("{server} does not answer ({word}); it is asked again")]
    Unreachable {
        /// `host:port`.
        server: String,
        /// Stable word for the class.
        word: &'static str,
    },
    /// A statement was not answered in time. Whether it had an effect is not known; the next look tells.
    #[error("{server} did not answer within its deadline to: {what}; it is looked at again")]
    Deadline {
        /// `host:port`.
        server: String,
        /// What was asked, in words.
        what: &'static str,
    },
    /// The server refused a statement.
    #[error("{server} refused to {what}: error {code} ({state})")]
    Refused {
        /// `host:port`.
        server: String,
        /// What was asked, in words.
        what: &'static str,
        /// MySQL's error number.
        code: u16,
        /// SQLSTATE.
        state: String,
    },
    /// A precondition does not hold. Nothing was changed since it was seen not to.
    #[error("{server} is not what was decided for: {why}; nothing was changed, and the next decision sees it")]
    Unexpected {
        /// `host:port`.
        server: String,
        /// Which precondition, and what was found.
        why: String,
    },
    /// The server is not one that this host can make as it should be.
    #[error("{server}: {why}")]
    Unfit {
        /// `host:port`.
        server: String,
        /// What is wrong and what to do.
        why: String,
    },
    /// A key of a Secret that is needed is not there.
    #[error("Secret {secret} has no key {key}, which {server} needs; create it, or wait until it is made")]
    NoSecret {
        /// `host:port`.
        server: String,
        /// Name of the Secret.
        secret: String,
        /// Key in it.
        key: String,
    },
    /// This host has no backend for MySQL.
    #[error("this host cannot talk to MySQL servers")]
    Unavailable,
}

impl Failure {
    /// A stable word for conditions, events and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Failure::Unreachable { word, .. } => word,
            Failure::Deadline { .. } => "ServerTimeout",
            Failure::Refused { .. } => "ServerRefused",
            Failure::Unexpected { .. } => "ServerChanged",
            Failure::Unfit { .. } => "ServerUnfit",
            Failure::NoSecret { .. } => "SecretMissing",
            Failure::Unavailable => "BackendUnavailable",
        }
    }

    /// Whether, and when, trying again may help. The next look decides in any case.
    pub fn class(&self) -> Class {
        match self {
            Failure::Unreachable { .. }
            | Failure::Deadline { .. }
            | Failure::Refused { .. }
            | Failure::Unexpected { .. }
            | Failure::NoSecret { .. } => Class::Retry,
            Failure::Unfit { .. } | Failure::Unavailable => Class::WaitForChange,
        }
    }
}

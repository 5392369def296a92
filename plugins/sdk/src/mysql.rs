//! MySQL servers as a plugin sees and describes them: the records of the contract, and what was found of one server.

pub use crate::bindings::windlass::plugin::types::{
    CloneFacts, CloneState, IoState, MysqlAccount, MysqlFacts, MysqlServer, Precondition, Replication,
    ReplicationSource, Reseed, SemiSyncFacts, SourceFacts, Tls, TlsMode, Unreachable,
};

/// The reason of a server that the host has not asked yet.
pub const NOT_ASKED: &str = "NotAsked";

/// What is known of one server. Three cases and not two: a server that nobody has asked yet has not failed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Seen<'a> {
    /// Nothing is known. The host asks before long; nothing may be concluded.
    NotAsked,
    /// It was asked and did not answer, since when and why.
    Silent(&'a Unreachable),
    /// What it answered.
    Answers(&'a MysqlFacts),
}

impl<'a> Seen<'a> {
    /// What it answered, where it did.
    pub fn facts(self) -> Option<&'a MysqlFacts> {
        match self {
            Seen::Answers(facts) => Some(facts),
            Seen::NotAsked | Seen::Silent(_) => None,
        }
    }
}

impl Tls {
    /// Plain text.
    pub fn disabled() -> Self {
        Tls { mode: TlsMode::Disabled, ca: None }
    }
}

//! MySQL servers: which servers to look at and how they should be comes in; what they are, and that they were made so,
//! comes out. Everything that the host says to a MySQL server goes through one [`Servers`].
//!
//! A pass of a resource asks [`Servers::look`] for all its servers at once, the plugin decides over the answers, and
//! [`Servers::converge`] brings single servers to what was decided. Nothing is kept between the two that a correct result
//! depends on: `converge` looks again, and checks the item's preconditions immediately before each change.

mod failure;
mod lease;
mod secrets;
mod sql;
mod unavailable;

pub use failure::Failure;
pub use lease::Lease;
pub use secrets::{Credential, Secrets, named};
pub use sql::SqlServers;
pub use unavailable::Unavailable;

use crate::clock::Clock;
use futures::future::BoxFuture;
use model::{
    ItemId, ObjectKey,
    decision::MysqlServer,
    snapshot::{NOT_ASKED, Unreachable},
};
use std::collections::BTreeMap;

/// The reasons for which a server can be unreachable, as plugins see them.
pub const UNREACHABLE: [&str; 6] =
    ["Refused", "Timeout", "AccessDenied", "TlsFailed", "TooManyConnections", "NotResolved"];

/// Talks to MySQL servers. One value may serve many resources, and several hosts of one process.
pub trait Servers: Send + Sync + 'static {
    /// What each server is, by item: one round, in which the servers that take writes are read after all others, so that
    /// what they executed is the later view. There is an answer for every server, and it comes within a few seconds
    /// whatever the servers do: one that hangs is [`Unreachable`] with reason `Timeout`.
    fn look<'a>(
        &'a self,
        owner: &'a Owner,
        servers: &'a [Wanted],
        clock: &'a dyn Clock,
    ) -> BoxFuture<'a, BTreeMap<ItemId, Seen>>;

    /// Brings one server to what its item says, as far as that goes now. Returns whether something was changed on it.
    /// Longer work (a clone) is begun, and later looks show how far it is.
    ///
    /// # Errors
    /// As [`Failure`] tells. What was changed before stays changed; every change leaves the server in a state from which
    /// the next look goes on.
    fn converge<'a>(
        &'a self,
        owner: &'a Owner,
        server: &'a Wanted,
        clock: &'a dyn Clock,
    ) -> BoxFuture<'a, Result<bool, Failure>>;

    /// A resource is gone, or its host stops: connections are closed and background work that can be stopped is. It may
    /// be asked for again later.
    fn forget(&self, owner: &Owner);
}

/// The resource that servers are looked at for. Connections and what is remembered of servers are kept by it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Owner {
    /// Kind, namespace and name.
    pub key: ObjectKey,
    /// A later resource of the same name has another.
    pub uid: String,
}

/// How one server should be, with what is needed to talk to it.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The item.
    pub item: ItemId,
    /// How the server should be.
    pub server: MysqlServer,
    /// Values of the Secrets that it names.
    pub secrets: Secrets,
}

/// What was seen of one server: what [`model::mysql::plan`] is made from, or why nothing is known.
///
/// Accounts and the source are told as compared with the item that the server was looked at with.
pub type Seen = Result<Box<model::mysql::Seen>, Unreachable>;

/// What there is of a server that nobody asked yet. No failure: nothing is known of it.
pub fn not_asked() -> Seen {
    Err(Unreachable { since: 0, reason: NOT_ASKED.into() })
}

impl Wanted {
    /// `host:port`, for messages.
    pub fn address(&self) -> String {
        format!("{}:{}", self.server.host, self.server.port)
    }

    /// Whether looking at one is looking at the other: same address, same login, same way to check the certificate.
    pub fn same_login(&self, other: &Wanted) -> bool {
        let login = |wanted: &Wanted| {
            let MysqlServer { host, port, admin_port, user, password, tls, .. } = &wanted.server;
            let keys = [Some(user), Some(password), tls.ca.as_ref()];
            let values = keys.map(|key| key.and_then(|key| wanted.secrets.fingerprint(key)).map(str::to_owned));
            (host.clone(), *port, *admin_port, tls.mode, values)
        };
        self.item == other.item && login(self) == login(other)
    }
}

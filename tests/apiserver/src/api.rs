//! The server's parts in one place, handed to every handler.

use crate::auth::Tokens;
use crate::clock::Clock;
use crate::faults::Faults;
use crate::identity::Uids;
use crate::registry::Registry;
use crate::storage::Store;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Limits and intervals of a server.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// Bytes of a request body.
    pub(crate) body: usize,
    /// Time between bookmarks.
    pub(crate) bookmark: Duration,
    /// How long a watch without `timeoutSeconds` lives.
    pub(crate) watch: Duration,
}

/// Everything that handlers use.
pub(crate) struct Api {
    pub(crate) store: Store,
    pub(crate) registry: Registry,
    pub(crate) faults: Faults,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) uids: Uids,
    pub(crate) tokens: Tokens,
    pub(crate) limits: Limits,
    pub(crate) stop: CancellationToken,
    /// `host:port` under which the server is reached.
    pub(crate) address: String,
}

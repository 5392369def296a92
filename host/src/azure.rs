//! Azure: which resources and vault secrets to look at and how they should be comes in; what they are, and that they were
//! made so, comes out. Everything that the host says to Azure goes through one [`Azure`].
//!
//! What follows from an answer is decided in [`model::azure`]; here it is asked and sent. ARM is spoken to by plain REST, a
//! Key Vault by the official client, tokens come from the official `azure_identity`: all over the host's own HTTP client.

mod arm;
mod credential;
mod endpoints;
mod gate;
mod http;
mod look;
mod scrub;
mod send;
mod tokens;
mod vault;

pub use arm::Answer;
pub use credential::{CREDENTIAL_FROM, Identity, NAMESPACE_CREDENTIAL, Scoped, of as identity_of};
pub use endpoints::Endpoints;
pub use gate::{Class, Closed, Gates, Permit};
pub use http::{Http, HttpError, Wire};
pub use look::{Looked, Looking, Place, Seen, Sight};
pub use scrub::scrub;
pub use send::{Around, Order, Sent};

use std::sync::Arc;
use std::time::Duration;
use tokens::Tokens;

/// How often things that are as they should be are looked at, for changes that others made.
pub const LOOK_EVERY: Duration = Duration::from_secs(600);

/// Talks to Azure. One value may serve many resources.
pub struct Azure {
    endpoints: Endpoints,
    http: Arc<dyn Http>,
    gates: Gates,
    tokens: Tokens,
    vaults: vault::Vaults,
    host: Option<Identity>,
    look_every: Duration,
}

impl Azure {
    /// With these endpoints over this client. `host` is the identity of resources that have none of their own.
    pub fn new(endpoints: Endpoints, http: Arc<dyn Http>, host: Option<Identity>) -> Self {
        let tokens = Tokens::new(&endpoints, http.clone());
        let (gates, vaults) = Default::default();
        Azure { endpoints, http, gates, tokens, vaults, host, look_every: LOOK_EVERY }
    }

    /// The public cloud over the network, without an identity of the host.
    pub fn public() -> Self {
        let endpoints = Endpoints::public();
        let http = Arc::new(Wire::new(endpoints.instead.clone()));
        Azure::new(endpoints, http, None)
    }

    /// The same, looking at what is as it should be this often.
    #[must_use]
    pub fn looking_every(mut self, every: Duration) -> Self {
        self.look_every = every;
        self
    }

    /// How often things that are as they should be are looked at.
    pub fn look_every(&self) -> Duration {
        self.look_every
    }

    /// The identity of resources that have none of their own.
    pub fn host_identity(&self) -> Option<&Identity> {
        self.host.as_ref()
    }
}

/// Why there was no answer. Nothing is known then of what was asked, nor whether what was sent arrived.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Silence {
    /// Azure asked for a pause; nothing was sent, or what was sent was not taken.
    #[error("azure throttles requests; nothing is sent for {} s", .0.as_secs_f32().ceil())]
    Throttled(Duration),
    /// The answer did not come, or was none. The word is as plugins see it.
    #[error("azure does not answer ({0})")]
    Unreachable(&'static str),
    /// No token. The word is as plugins see it.
    #[error("there is no token for azure ({0})")]
    NoToken(&'static str),
}

impl Silence {
    /// A stable word, as plugins see it.
    pub fn word(&self) -> &'static str {
        match self {
            Silence::Throttled(_) => "Throttled",
            Silence::Unreachable(word) | Silence::NoToken(word) => word,
        }
    }
}

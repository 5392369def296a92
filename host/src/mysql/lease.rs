//! Holds what a resource has with its servers: when it is dropped, connections end.

use super::{Owner, Servers};
use std::{fmt, sync::Arc};

/// The use of [`Servers`] by one resource of one host.
pub struct Lease {
    servers: Arc<dyn Servers>,
    owner: Owner,
}

impl Lease {
    /// From now on the resource uses servers.
    pub fn new(servers: Arc<dyn Servers>, owner: Owner) -> Self {
        Lease { servers, owner }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.servers.forget(&self.owner);
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lease").field(&self.owner).finish()
    }
}

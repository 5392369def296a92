//! A host without a way to MySQL servers: nothing is known of any, and nothing can be changed.

use super::{Failure, Owner, Seen, Servers, Wanted};
use crate::clock::Clock;
use futures::future::{BoxFuture, FutureExt};
use model::{ItemId, snapshot::Unreachable};
use std::collections::BTreeMap;

/// Answers that nothing was asked, and refuses to act.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unavailable;

impl Servers for Unavailable {
    fn look<'a>(
        &'a self,
        _: &'a Owner,
        servers: &'a [Wanted],
        _: &'a dyn Clock,
    ) -> BoxFuture<'a, BTreeMap<ItemId, Seen>> {
        async move { servers.iter().map(|server| (server.item.clone(), Seen::not_asked())).collect() }.boxed()
    }

    fn converge<'a>(&'a self, _: &'a Owner, _: &'a Wanted, _: &'a dyn Clock) -> BoxFuture<'a, Result<bool, Failure>> {
        async { Err(Failure::Unavailable) }.boxed()
    }

    fn forget(&self, _: &Owner) {}
}

impl Seen {
    /// Nobody asked the server yet: nothing is known of it.
    pub fn not_asked() -> Self {
        Seen { state: Err(Unreachable { since: 0, reason: "NotAsked".into() }), as_desired: false }
    }
}

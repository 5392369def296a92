//! A host without a way to MySQL servers: nothing is known of any, and nothing can be changed.

use super::{Failure, Owner, Seen, Servers, Wanted, not_asked};
use crate::clock::Clock;
use futures::future::{BoxFuture, FutureExt};
use model::ItemId;
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
        async move { servers.iter().map(|server| (server.item.clone(), not_asked())).collect() }.boxed()
    }

    fn converge<'a>(&'a self, _: &'a Owner, _: &'a Wanted, _: &'a dyn Clock) -> BoxFuture<'a, Result<bool, Failure>> {
        async { Err(Failure::Unavailable) }.boxed()
    }

    fn forget(&self, _: &Owner) {}
}

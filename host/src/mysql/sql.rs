//! MySQL servers over their own protocol: 8.0.26 and later, 8.4 and 9.x. One line to each server of each resource, one
//! statement at a time on it, each with a deadline.

mod accounts;
mod apply;
mod clone;
mod connect;
mod converge;
mod errors;
mod grants;
mod line;
mod read;
mod stall;
mod statement;

use super::{Failure, Owner, Seen, Servers, Wanted, not_asked};
use crate::clock::Clock;
use connect::Login;
use futures::future::{BoxFuture, FutureExt, join_all};
use line::Line;
use model::ItemId;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Real servers.
#[derive(Default)]
pub struct SqlServers {
    lines: Mutex<HashMap<Owner, BTreeMap<ItemId, Arc<Line>>>>,
}

impl SqlServers {
    /// Without a connection to any server.
    pub fn new() -> Self {
        SqlServers::default()
    }

    /// The line to the server of an item; none where its Secrets are not there.
    fn line(&self, owner: &Owner, wanted: &Wanted) -> Option<Arc<Line>> {
        let login = Login::of(wanted)?;
        let mut lines = self.lines();
        let slot = lines.entry(owner.clone()).or_default().entry(wanted.item.clone());
        let line = slot.or_insert_with(|| Arc::new(Line::new(login.clone(), None)));
        if line.login != login {
            line.close();
            *line = Arc::new(Line::new(login, Some(line)));
        }
        Some(line.clone())
    }

    fn lines(&self) -> MutexGuard<'_, HashMap<Owner, BTreeMap<ItemId, Arc<Line>>>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn look_at(&self, owner: &Owner, wanted: &Wanted, clock: &dyn Clock) -> (ItemId, Seen) {
        let seen = match self.line(owner, wanted) {
            Some(line) => line.look(wanted, clock.now()).await,
            None => not_asked(),
        };
        (wanted.item.clone(), seen)
    }
}

impl Servers for SqlServers {
    fn look<'a>(
        &'a self,
        owner: &'a Owner,
        servers: &'a [Wanted],
        clock: &'a dyn Clock,
    ) -> BoxFuture<'a, BTreeMap<ItemId, Seen>> {
        async move {
            let looks = servers.iter().map(|wanted| self.look_at(owner, wanted, clock));
            let mut seen: BTreeMap<ItemId, Seen> = join_all(looks).await.into_iter().collect();
            // What takes writes is read again after all others: what they received is then in what it executed.
            let takes_writes = |seen: &Seen| seen.as_ref().is_ok_and(|seen| !seen.facts.read_only);
            let writable = servers.iter().filter(|wanted| seen.get(&wanted.item).is_some_and(takes_writes));
            let again: Vec<_> = join_all(writable.map(|wanted| self.look_at(owner, wanted, clock))).await;
            seen.extend(again);
            seen
        }
        .boxed()
    }

    fn converge<'a>(
        &'a self,
        owner: &'a Owner,
        server: &'a Wanted,
        clock: &'a dyn Clock,
    ) -> BoxFuture<'a, Result<bool, Failure>> {
        async move {
            let Some(line) = self.line(owner, server) else {
                let key = &server.server.password;
                let (secret, key) = (key.secret.clone(), key.key.clone());
                return Err(Failure::NoSecret { server: server.address(), secret, key });
            };
            converge::converge(&line, server, clock).await
        }
        .boxed()
    }

    fn forget(&self, owner: &Owner) {
        for line in self.lines().remove(owner).unwrap_or_default().into_values() {
            line.close();
        }
    }
}

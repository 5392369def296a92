//! One ListWatch: the API server's lists and events of a kind go into the cache, changes go out to a sink.
//!
//! The loop is our own and not that of `kube::runtime`, which (version 5.0) keeps three things to itself that the host
//! needs: bookmarks, which tell that our own writes were told (B3, C7); the version of a list, without which an older
//! API server would move the view backwards (B4); and deadlines on lists (C6). It also asks again forever with a version
//! that was refused with 410 when the watch was opened (C4), and lists everything again because of one event without
//! metadata (C8).
//!
//! ```text
//!         +--- 410, resync, too many failures ----+
//!         v                                       |
//!       List --- all pages read, cache replaced -> Watch --- ends, fails --+
//!         ^                                         ^                      |
//!         +-- fails: pause, again                   +-- from where it was -+
//! ```

use super::cache::{Cache, Change, Feed, Sync};
use super::discovery::Resource;
use super::fingerprint::FingerprintKey;
use super::page::{self, Failure, Line, Unreadable};
use crate::client::DEADLINE;
use crate::entropy::Entropy;
use crate::serve::Metrics;
use futures::AsyncBufReadExt as _;
use http::Request;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Objects on a page of a list (K5).
const PAGE: usize = 500;
/// Watches end after about this time; load balancers drop what is silent for 240 s (C6).
const WATCH_SECONDS: u64 = 200;
/// A watch that the server did not end by itself is given up after this much more.
const WATCH_GRACE: Duration = Duration::from_secs(5);
/// No line of a watch is longer: an object has at most 3 MiB, and its text may be escaped.
const LONGEST_LINE: usize = 16 << 20;
/// After this many failed watches in a row everything is listed again.
const WATCH_FAILURES: u32 = 5;
/// After this many lists in a row that are older than the view, the cluster was put back from a backup.
const OLDER_LISTS: u32 = 8;
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What hears of each change.
pub type Sink = Arc<dyn Fn(&Change) + Send + std::marker::Sync>;

/// What all feeds of a host have in common.
#[derive(Clone)]
pub(super) struct Shared {
    pub client: kube::Client,
    pub cache: Arc<Cache>,
    pub key: FingerprintKey,
    pub entropy: Arc<Entropy>,
    pub metrics: Arc<Metrics>,
    pub resync: Duration,
    pub sink: Sink,
}

/// Why a feed ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// The kind is not served any more, or was not at all.
    NotServed,
}

/// One ListWatch of one kind, in one namespace or in all.
pub(super) struct ListWatch {
    pub shared: Shared,
    pub feed: Feed,
    pub resource: Resource,
}

impl ListWatch {
    /// Lists and watches until the kind is not served.
    pub async fn run(&self) -> Ended {
        let (mut failures, mut older) = (0, 0);
        loop {
            let listed = self.list(&mut older).await;
            let failure = match listed {
                Ok(version) => {
                    failures = 0;
                    match self.watch(version).await {
                        Failure::Gone => continue,
                        failure => failure,
                    }
                }
                Err(failure) => failure,
            };
            failures += 1;
            match &failure {
                Failure::Missing => return Ended::NotServed,
                Failure::Forbidden(message) => self.forbidden(message),
                Failure::Gone | Failure::Throttled(_) | Failure::Failed(_) => {}
            }
            self.pause(&failure, failures).await;
        }
    }

    /// Reads all pages, then replaces the view at once. A page that fails leaves the view as it was (C5).
    async fn list(&self, older: &mut u32) -> Result<String, Failure> {
        let (mut objects, mut unreadable, mut next) = (Vec::new(), Vec::new(), None::<String>);
        let version = loop {
            let page = page::page(&self.feed.kind, &self.read_page(next.as_deref()).await?, &self.shared.key)?;
            objects.extend(page.objects);
            unreadable.extend(page.unreadable);
            match page.next {
                Some(token) => next = Some(token),
                None => break page.version,
            }
        };
        let listed = version.parse::<u64>().ok();
        let seen = self.shared.cache.seen(&self.feed.kind, self.feed.namespace.as_deref());
        if listed.is_some_and(|listed| listed < seen) && *older < OLDER_LISTS {
            *older += 1;
            return Err(Failure::Failed(format!("the list is of version {version}, and {seen} was seen before")));
        }
        if *older >= OLDER_LISTS {
            tracing::warn!(kind = %self.feed.kind, version, seen, "the cluster went back in time, taking it as it is");
        }
        *older = 0;
        self.report(&unreadable);
        let keep: Vec<_> = unreadable.into_iter().filter_map(|unreadable| unreadable.key).collect();
        for change in self.shared.cache.replace(&self.feed, objects, &keep, listed) {
            (self.shared.sink)(&change);
        }
        Ok(version)
    }

    async fn read_page(&self, next: Option<&str>) -> Result<String, Failure> {
        let mut query = format!("limit={PAGE}");
        if let Some(next) = next {
            query.push_str("&continue=");
            query.push_str(&escape(next));
        }
        let read = self.shared.client.request_text(self.request(&query)?);
        match tokio::time::timeout(DEADLINE, read).await {
            Ok(text) => Ok(text?),
            Err(_) => Err(Failure::Failed(format!("no page of the list within {} s", DEADLINE.as_secs()))),
        }
    }

    /// Watches from a version on, again and again, until there is reason to list. Never returns for a mere end of one
    /// watch.
    async fn watch(&self, mut version: String) -> Failure {
        let relist_at = Instant::now() + self.shared.entropy.jitter(self.shared.resync, 0.1);
        let mut failures = 0;
        loop {
            let before = version.clone();
            let began = Instant::now();
            let end = tokio::time::timeout_at(relist_at, self.watch_once(&mut version)).await;
            let Ok(end) = end else {
                self.shared.metrics.watch_restart(&self.feed.kind, "Resync");
                return Failure::Gone;
            };
            let progress = version != before || began.elapsed() > Duration::from_secs(60);
            failures = if progress { 0 } else { failures + 1 };
            match end {
                // A server that ends each watch at once must not be asked in a tight loop.
                Ok(()) if progress => self.shared.metrics.watch_restart(&self.feed.kind, "Ended"),
                Ok(()) => self.pause(&Failure::Failed("the watch ended at once".into()), failures).await,
                Err(Failure::Gone) => {
                    self.shared.metrics.watch_restart(&self.feed.kind, "Gone");
                    // A server that forgets at once must not be listed in a tight loop either.
                    if !progress {
                        tokio::time::sleep(self.shared.entropy.jitter(FIRST_PAUSE, 0.5)).await;
                    }
                    return Failure::Gone;
                }
                Err(failure @ (Failure::Missing | Failure::Forbidden(_))) => return failure,
                Err(failure) if failures >= WATCH_FAILURES => return failure,
                Err(failure) => self.pause(&failure, failures.max(1)).await,
            }
        }
    }

    /// One watch. Ends well when the server ended it or fell silent.
    async fn watch_once(&self, version: &mut String) -> Result<(), Failure> {
        let spread = self.shared.entropy.below(30);
        let seconds = WATCH_SECONDS + spread;
        let query =
            format!("watch=true&allowWatchBookmarks=true&timeoutSeconds={seconds}&resourceVersion={}", escape(version));
        let give_up = Instant::now() + Duration::from_secs(seconds) + WATCH_GRACE;
        let opening = self.shared.client.request_stream(self.request(&query)?);
        let opened = tokio::time::timeout(DEADLINE, opening).await;
        let stream = opened.map_err(|_| Failure::Failed("the watch did not open in time".into()))??;
        let mut stream = std::pin::pin!(stream);
        let mut text = Vec::new();
        loop {
            text.clear();
            match tokio::time::timeout_at(give_up, read_line(&mut stream, &mut text)).await {
                Err(_) | Ok(Ok(false)) => return Ok(()),
                Ok(Ok(true)) => {}
                Ok(Err(error)) => return Err(Failure::Failed(page::chain(&error))),
            }
            if !text.iter().all(u8::is_ascii_whitespace) {
                self.take(page::line(&self.feed.kind, &text, &self.shared.key)?, version)?;
            }
        }
    }

    fn take(&self, line: Line, version: &mut String) -> Result<(), Failure> {
        let cache = &self.shared.cache;
        let change = match line {
            Line::Apply(object) => {
                move_on(version, &object.resource_version);
                cache.apply(&self.feed, *object)
            }
            Line::Delete(key, deleted) => {
                move_on(version, &deleted);
                cache.delete(&self.feed, &key, deleted.parse().ok())
            }
            Line::Bookmark(reached) => {
                move_on(version, &reached);
                if let Ok(reached) = reached.parse() {
                    cache.bookmark(&self.feed, reached);
                }
                None
            }
            Line::Unreadable(unreadable) => {
                if let Some(reached) = &unreadable.version {
                    move_on(version, reached);
                }
                self.report(std::slice::from_ref(&*unreadable));
                None
            }
            Line::Failed(failure) => return Err(failure),
            Line::Unknown(event) => {
                tracing::warn!(kind = %self.feed.kind, event, "passed over a watch event of an unknown type");
                None
            }
        };
        if let Some(change) = change {
            (self.shared.sink)(&change);
        }
        Ok(())
    }

    fn request(&self, query: &str) -> Result<Request<Vec<u8>>, Failure> {
        let path = self.resource.path(self.feed.namespace.as_deref(), None);
        Request::get(format!("{path}?{query}"))
            .header(http::header::ACCEPT, "application/json")
            // Compressed watches of newer servers come in members of which the client reads the first alone.
            .header(
                http::header::ACCEPT_ENCODING,
                if query.starts_with("watch") { "identity" } else { "gzip, identity" },
            )
            .body(Vec::new())
            .map_err(|error| Failure::Failed(error.to_string()))
    }

    fn forbidden(&self, message: &str) {
        let verbs = "list,watch";
        let resource = self.resource.rbac_name();
        let grant = format!("{message}; grant the host's account the verbs {verbs} on {resource}");
        tracing::error!(kind = %self.feed.kind, "{grant}");
        self.shared.cache.set_sync(&self.feed, Sync::Forbidden(grant));
    }

    fn report(&self, unreadable: &[Unreadable]) {
        let mut told = HashSet::new();
        for Unreadable { error, key, version } in unreadable {
            self.shared.metrics.unreadable_object(&self.feed.kind);
            let name = key.as_ref().map(ToString::to_string).unwrap_or_default();
            if told.len() < 10 && told.insert((name.clone(), error.to_string())) {
                tracing::warn!(kind = %self.feed.kind, object = name, version, "passed over an object: {error}");
            }
        }
    }

    /// Waits longer with each failure, by chance, so that many feeds do not come back at one time (K3).
    async fn pause(&self, failure: &Failure, failures: u32) {
        self.shared.metrics.watch_restart(&self.feed.kind, failure.reason());
        let doubled = FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(LONGEST_PAUSE);
        let pause = self.shared.entropy.jitter(doubled, 0.5);
        let pause = if let Failure::Throttled(asked) = failure { pause.max(*asked) } else { pause };
        if let Failure::Failed(message) = failure {
            tracing::debug!(kind = %self.feed.kind, failures, ?pause, "watch interrupted: {message}");
        }
        tokio::time::sleep(pause).await;
    }
}

/// Moves the version forward, never back; versions that are no numbers have no order.
fn move_on(version: &mut String, reached: &str) {
    let back = version.parse::<u64>().ok().zip(reached.parse::<u64>().ok()).is_some_and(|(from, to)| to < from);
    if !back {
        reached.clone_into(version);
    }
}

/// Reads up to and with the next newline. False at the end of the stream: a line that was cut off is none.
async fn read_line<S: futures::AsyncBufRead + Unpin>(stream: &mut S, text: &mut Vec<u8>) -> std::io::Result<bool> {
    loop {
        let available = stream.fill_buf().await?;
        if available.is_empty() {
            return Ok(false);
        }
        let end = available.iter().position(|byte| *byte == b'\n');
        let taken = end.map_or(available.len(), |end| end + 1);
        if text.len() + taken > LONGEST_LINE {
            return Err(std::io::Error::other("a watch line is longer than 16 MiB"));
        }
        text.extend_from_slice(&available[..taken]);
        stream.consume_unpin(taken);
        if end.is_some() {
            return Ok(true);
        }
    }
}

/// A value of a query.
fn escape(value: &str) -> String {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    value.bytes().map(|byte| if safe(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests;

//! The stream of one watch. It reads the log from its own position, so it never misses and never blocks a writer.

use super::{Start, Watch};
use crate::api_error::ApiError;
use crate::faults::{EventFate, Interruption};
use crate::http::accept::Form;
use crate::http::reply::Cut;
use crate::rest::event_object;
use crate::storage::{Event, EventKind, Stored};
use futures::Stream;
use hyper::body::{Bytes, Frame};
use serde_json::json;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior};

/// Events that are read from the log at a time.
const BATCH: usize = 512;

struct State {
    watch: Watch,
    log: watch::Receiver<u64>,
    rules: watch::Receiver<u64>,
    position: u64,
    begun: bool,
    ended: bool,
    sent_any: bool,
    deadline: Instant,
    bookmark: Interval,
    out: Vec<u8>,
}

/// The frames of a watch's body.
pub(crate) fn frames(watch: Watch) -> impl Stream<Item = Result<Frame<Bytes>, Cut>> + Send {
    let log = watch.api.store.changes(&watch.served.table);
    let rules = watch.api.faults.changes();
    let deadline = Instant::now() + watch.lifetime;
    let period = watch.api.limits.bookmark;
    let mut bookmark = tokio::time::interval_at(Instant::now() + period, period);
    bookmark.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let state = State {
        watch,
        log,
        rules,
        position: 0,
        begun: false,
        ended: false,
        sent_any: false,
        deadline,
        bookmark,
        out: Vec::new(),
    };
    futures::stream::unfold(state, |mut state| async move {
        let item = state.next().await?;
        Some((item, state))
    })
}

impl State {
    async fn next(&mut self) -> Option<Result<Frame<Bytes>, Cut>> {
        loop {
            if !self.out.is_empty() {
                let bytes = Bytes::from(std::mem::take(&mut self.out));
                return Some(Ok(Frame::data(bytes)));
            }
            if self.ended {
                return None;
            }
            match self.watch.api.faults.interrupted(&self.watch.subject) {
                Some(Interruption::Cut) => return Some(Err(Cut)),
                Some(Interruption::Gone) => {
                    self.fail(&ApiError::expired("The resourceVersion for the provided watch is too old."));
                    continue;
                }
                None => {}
            }
            self.log.borrow_and_update();
            self.rules.borrow_and_update();
            if !self.begun {
                self.begun = true;
                if self.begin() {
                    return Some(Err(Cut));
                }
                continue;
            }
            if self.is_outdated() {
                self.ended = true;
                continue;
            }
            if self.read() {
                continue;
            }
            tokio::select! {
                _ = self.log.changed() => {}
                _ = self.rules.changed() => {}
                _ = self.bookmark.tick() => self.remind(),
                () = tokio::time::sleep_until(self.deadline) => self.ended = true,
                () = self.watch.api.stop.cancelled() => self.ended = true,
            }
        }
    }

    /// The resource is no longer served as it was: the client has to start again.
    fn is_outdated(&self) -> bool {
        let served = &self.watch.served;
        served.custom
            && self
                .watch
                .api
                .registry
                .snapshot()
                .find(&served.group, &served.version, &served.plural)
                .is_none_or(|now| now.epoch != served.epoch)
    }

    /// Send what is there already. Answers whether a rule cuts the stream before the end of that.
    fn begin(&mut self) -> bool {
        let marked = match self.watch.start {
            Start::After(version) => {
                self.position = version;
                return false;
            }
            Start::Initial { marked } => marked,
        };
        let watch = &self.watch;
        let namespace = (!watch.call.target.namespace.is_empty()).then_some(watch.call.target.namespace.as_str());
        let frozen = watch.api.faults.frozen_after(&watch.subject);
        let now = watch.api.store.list(
            &watch.served.table,
            namespace,
            frozen.map(|f| f.min(watch.api.store.version())),
            None,
        );
        let Ok(page) = now else {
            self.fail(&ApiError::expired("too old resource version"));
            return false;
        };
        self.position = page.version;
        for object in &page.items {
            if self.watch.filter.matches(&self.watch.served, object) {
                self.send("ADDED", object);
            }
        }
        if marked {
            if self.watch.api.faults.cut_before_initial_end(&self.watch.subject) {
                return true;
            }
            if self.watch.bookmarks {
                self.mark(page.version, true);
            }
        }
        false
    }

    /// Send the next events of the log. Answers whether there may be more at once.
    fn read(&mut self) -> bool {
        let (events, complete) = match self.watch.api.store.events(&self.watch.served.table, self.position, BATCH) {
            Ok(found) => found,
            Err(gone) => {
                self.fail(&ApiError::expired(format!("too old resource version: {} ({})", gone.asked, gone.oldest)));
                return true;
            }
        };
        let frozen = self.watch.api.faults.frozen_after(&self.watch.subject);
        let full = events.len() == BATCH;
        for event in events {
            if frozen.is_some_and(|after| event.version > after) {
                return false;
            }
            self.position = event.version;
            self.tell(&event);
        }
        self.position = self.position.max(frozen.map_or(complete, |after| complete.min(after)));
        full || !self.out.is_empty()
    }

    fn tell(&mut self, event: &Event) {
        let watch = &self.watch;
        if watch.served.namespaced
            && !watch.call.target.namespace.is_empty()
            && event.key.0 != watch.call.target.namespace
        {
            return;
        }
        let selected = |object: &Stored| watch.filter.matches(&watch.served, object);
        let before = event.previous.as_ref().is_some_and(|p| watch.filter.is_everything() || selected(p));
        let now = event.kind != EventKind::Deleted && selected(&event.object);
        let (kind, object) = match (before, now) {
            (false, true) => ("ADDED", event.object.clone()),
            (true, true) => ("MODIFIED", event.object.clone()),
            (true, false) if event.kind == EventKind::Deleted => ("DELETED", event.object.clone()),
            (true, false) => match left(event) {
                Some(object) => ("DELETED", object),
                None => return,
            },
            (false, false) => return,
        };
        match watch.api.faults.fate(&watch.subject, &event.key.0, &event.key.1) {
            EventFate::Drop => {}
            EventFate::Send => self.send(kind, &object),
            EventFate::Twice => {
                self.send(kind, &object);
                self.send(kind, &object);
            }
        }
    }

    fn send(&mut self, kind: &str, object: &Stored) {
        let bytes = event_object(&self.watch.api, &self.watch.call, &self.watch.served, object, !self.sent_any);
        self.sent_any = true;
        self.out.extend_from_slice(b"{\"type\":\"");
        self.out.extend_from_slice(kind.as_bytes());
        self.out.extend_from_slice(b"\",\"object\":");
        self.out.extend_from_slice(&bytes);
        self.out.extend_from_slice(b"}\n");
    }

    fn remind(&mut self) {
        if self.watch.bookmarks && self.position > 0 {
            self.mark(self.position, false);
        }
    }

    fn mark(&mut self, version: u64, end_of_initial: bool) {
        let mut metadata = json!({ "resourceVersion": version.to_string() });
        if end_of_initial {
            metadata["annotations"] = json!({ "k8s.io/initial-events-end": "true" });
        }
        let (kind, api_version) = match self.watch.call.form {
            Form::Object => (self.watch.served.kind.clone(), self.watch.served.api_version()),
            Form::Metadata => ("PartialObjectMetadata".to_owned(), "meta.k8s.io/v1".to_owned()),
            Form::Table => ("Table".to_owned(), "meta.k8s.io/v1".to_owned()),
        };
        let mut object = json!({ "kind": kind, "apiVersion": api_version, "metadata": metadata });
        if self.watch.call.form == Form::Table {
            object["columnDefinitions"] = serde_json::Value::Null;
            object["rows"] = json!([]);
        }
        self.out.extend_from_slice(json!({ "type": "BOOKMARK", "object": object }).to_string().as_bytes());
        self.out.push(b'\n');
    }

    fn fail(&mut self, error: &ApiError) {
        self.out.extend_from_slice(json!({ "type": "ERROR", "object": error.status() }).to_string().as_bytes());
        self.out.push(b'\n');
        self.ended = true;
    }
}

/// The last state that was selected, under the version of the write that took it out of the selection.
fn left(event: &Event) -> Option<Arc<Stored>> {
    let previous = event.previous.as_ref()?;
    let mut value = (*previous.value).clone();
    value["metadata"]["resourceVersion"] = json!(event.version.to_string());
    Some(Arc::new(Stored::new(value, event.version, previous.epoch)))
}

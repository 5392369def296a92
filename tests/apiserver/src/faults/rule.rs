//! Rules: which requests, which of them, and what goes wrong.

use super::Subject;
use std::time::Duration;

/// Names a rule, to remove it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RuleId(pub(super) u64);

/// Which requests a rule is about; what is absent matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Match {
    /// Verbs; none matches every verb.
    pub verbs: Vec<String>,
    /// API group.
    pub group: Option<String>,
    /// Plural name of the resource.
    pub resource: Option<String>,
    /// Subresource.
    pub subresource: Option<String>,
    /// Namespace.
    pub namespace: Option<String>,
    /// Name of the object. For events of watches: of the event's object.
    pub name: Option<String>,
    /// A part of the user agent.
    pub user_agent: Option<String>,
    /// Only requests that write.
    pub writes: bool,
}

impl Match {
    /// Requests with one verb to one resource.
    pub fn verb(verb: &str, resource: &str) -> Self {
        Self { verbs: vec![verb.to_owned()], resource: Some(resource.to_owned()), ..Self::default() }
    }

    /// All requests that write.
    pub fn writes() -> Self {
        Self { writes: true, ..Self::default() }
    }

    /// The same, for one name only.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// The same, for one namespace only.
    #[must_use]
    pub fn namespace(mut self, namespace: &str) -> Self {
        self.namespace = Some(namespace.to_owned());
        self
    }

    /// The same, for clients whose user agent contains a text.
    #[must_use]
    pub fn from(mut self, user_agent: &str) -> Self {
        self.user_agent = Some(user_agent.to_owned());
        self
    }

    pub(super) fn holds(&self, subject: &Subject) -> bool {
        let is = |want: &Option<String>, have: &str| want.as_deref().is_none_or(|w| w == have);
        (self.verbs.is_empty() || self.verbs.contains(&subject.verb))
            && is(&self.group, &subject.target.group)
            && is(&self.resource, &subject.target.resource)
            && is(&self.subresource, &subject.target.subresource)
            && is(&self.namespace, &subject.target.namespace)
            && is(&self.name, &subject.target.name)
            && self.user_agent.as_deref().is_none_or(|part| subject.user_agent.contains(part))
            && (!self.writes || subject.is_write())
    }
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Nothing happens, and this status is the answer.
    FailBefore {
        /// HTTP status code.
        status: u16,
        /// Seconds of the `Retry-After` header.
        retry_after: Option<u64>,
    },
    /// The request is carried out, and this status is the answer nevertheless.
    FailAfter {
        /// HTTP status code.
        status: u16,
    },
    /// Nothing happens and the connection is cut.
    CutBefore,
    /// The request is carried out and the connection is cut before the answer.
    CutAfter,
    /// The request waits before it is carried out.
    Delay(Duration),
    /// The request is never carried out and never answered.
    Hang,
    /// Watches hold every event after this version until the rule is removed.
    Freeze {
        /// The last version that passes.
        after: u64,
    },
    /// Watches leave out events that match.
    DropEvents,
    /// Watches send events that match twice.
    DuplicateEvents,
    /// Open watches are cut now, new ones as soon as they start (limit with `times`).
    CutStream,
    /// A watch is answered 410 instead of a stream.
    Gone,
    /// Watches send an ERROR event with code 410 and end.
    GoneEvent,
    /// A watch with initial events is cut before the bookmark that ends them.
    CutBeforeInitialEnd,
}

impl Effect {
    pub(super) fn is_for_requests(&self) -> bool {
        match self {
            Self::FailBefore { .. }
            | Self::FailAfter { .. }
            | Self::CutBefore
            | Self::CutAfter
            | Self::Delay(_)
            | Self::Hang
            | Self::Gone => true,
            Self::Freeze { .. }
            | Self::DropEvents
            | Self::DuplicateEvents
            | Self::CutStream
            | Self::GoneEvent
            | Self::CutBeforeInitialEnd => false,
        }
    }
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Which requests.
    pub matches: Match,
    /// What goes wrong.
    pub effect: Effect,
    /// How many matches pass unharmed first.
    pub skip: u64,
    /// How many matches are harmed, all when absent.
    pub times: Option<u64>,
}

impl Rule {
    /// Every match is harmed.
    pub fn new(matches: Match, effect: Effect) -> Self {
        Self { matches, effect, skip: 0, times: None }
    }

    /// Only the `n`th match is harmed, counted from 1.
    #[must_use]
    pub fn nth(mut self, n: u64) -> Self {
        self.skip = n.saturating_sub(1);
        self.times = Some(1);
        self
    }

    /// Only the first `n` matches are harmed.
    #[must_use]
    pub fn times(mut self, n: u64) -> Self {
        self.times = Some(n);
        self
    }
}

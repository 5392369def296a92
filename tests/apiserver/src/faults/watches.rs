//! What rules do to open watches.

use super::{Effect, Faults, Subject};

/// What becomes of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventFate {
    Send,
    Drop,
    Twice,
}

/// What becomes of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interruption {
    Cut,
    Gone,
}

impl Faults {
    /// The last version that a watch may send, if a rule holds it there.
    pub(crate) fn frozen_after(&self, watch: &Subject) -> Option<u64> {
        self.state()
            .rules
            .iter()
            .filter(|a| a.rule.matches.holds(watch))
            .filter_map(|a| match a.rule.effect {
                Effect::Freeze { after } => Some(after),
                _ => None,
            })
            .min()
    }

    /// Whether a watch ends now.
    pub(crate) fn interrupted(&self, watch: &Subject) -> Option<Interruption> {
        let mut state = self.state();
        for active in &mut state.rules {
            let interruption = match active.rule.effect {
                Effect::CutStream => Interruption::Cut,
                Effect::GoneEvent => Interruption::Gone,
                _ => continue,
            };
            if active.matches(watch) {
                return Some(interruption);
            }
        }
        None
    }

    /// Whether a watch is cut before the end of its initial events.
    pub(crate) fn cut_before_initial_end(&self, watch: &Subject) -> bool {
        let mut state = self.state();
        state.rules.iter_mut().filter(|a| a.rule.effect == Effect::CutBeforeInitialEnd).any(|a| a.matches(watch))
    }

    /// What becomes of an event about `name` in `namespace`.
    pub(crate) fn fate(&self, watch: &Subject, namespace: &str, name: &str) -> EventFate {
        let mut state = self.state();
        if state.rules.is_empty() {
            return EventFate::Send;
        }
        let mut subject = watch.clone();
        namespace.clone_into(&mut subject.target.namespace);
        name.clone_into(&mut subject.target.name);
        let mut fate = EventFate::Send;
        for active in &mut state.rules {
            let wanted = match active.rule.effect {
                Effect::DropEvents => EventFate::Drop,
                Effect::DuplicateEvents => EventFate::Twice,
                _ => continue,
            };
            if active.matches(&subject) {
                fate = wanted;
            }
            if fate == EventFate::Drop {
                return fate;
            }
        }
        fate
    }
}

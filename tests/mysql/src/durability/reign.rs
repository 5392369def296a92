//! Who was the primary when. In: what the status of the resource said, as the API server stored it, and acknowledged
//! writes. Out: the writes that a server acknowledged though another, or none, was the primary all the while.
//!
//! An old primary that is cut off still says `read_only = 0`; it does no harm as long as nobody gets an acknowledgement
//! from it. So the question is asked of acknowledgements: each must overlap a time in which the status named its server.
//! Clients that stick to one server each, whatever it is, ask all servers all the time.

use super::record::Acknowledged;
use apiserver::Server;
use apiserver::faults::{Phase, Verdict};
use apiserver::storage::TableKey;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;

/// One entry for each change of the primary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reign {
    /// Since when.
    pub since: Instant,
    /// The pod.
    pub pod: String,
}

/// Hears of every write of a status and notes the primary in it.
#[derive(Default)]
pub struct Chronicle {
    reigns: Mutex<Vec<Reign>>,
}

impl Chronicle {
    /// Follows one `MySQL` from now on. The note is made before the writer has its answer, so nobody can act on a choice
    /// before it is noted.
    pub fn of(server: &Server, namespace: &str, name: &str) -> Arc<Chronicle> {
        let chronicle = Arc::new(Chronicle::default());
        let (noted, store) = (chronicle.clone(), server.store().clone());
        let key = (namespace.to_owned(), name.to_owned());
        server.faults().on_write("", move |write| {
            let target = &write.target;
            if write.phase == Phase::After && target.resource == "mysqls" && target.name == key.1 {
                let stored = store.get(&TableKey::new("database.example.com", "mysqls"), &key);
                let primary = stored.as_ref().and_then(|stored| stored.value["status"]["currentPrimary"].as_str());
                // None is named while a resource goes away, and the last one serves to the end.
                if let Some(primary) = primary {
                    noted.note(primary, Instant::now());
                }
            }
            Verdict::Continue
        });
        chronicle
    }

    fn note(&self, pod: &str, now: Instant) {
        let mut reigns = self.lock();
        if reigns.last().is_none_or(|last| last.pod != pod) {
            reigns.push(Reign { since: now, pod: pod.to_owned() });
        }
    }

    /// All so far.
    pub fn reigns(&self) -> Vec<Reign> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Reign>> {
        self.reigns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a write was acknowledged by who was the primary at some moment between question and answer.
pub fn is_lawful(reigns: &[Reign], write: &Acknowledged) -> bool {
    reigns.iter().enumerate().any(|(index, reign)| {
        let until = reigns.get(index + 1).map(|next| next.since);
        reign.pod == write.pod && write.ended >= reign.since && until.is_none_or(|until| write.began <= until)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn only_an_answer_of_who_is_the_primary_is_lawful() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let write = |pod: &str, began, ended| Acknowledged { pod: pod.into(), began: at(began), ended: at(ended) };
        let chronicle = Chronicle::default();
        for (second, pod) in [(1, "a"), (5, "b"), (6, "b"), (9, "a")] {
            chronicle.note(pod, at(second));
        }
        let reigns = chronicle.reigns();
        assert_eq!(reigns.len(), 3, "an unchanged name is no change: {reigns:?}");
        for lawful in [write("a", 0, 2), write("a", 2, 3), write("a", 4, 7), write("b", 5, 6), write("a", 10, 11)] {
            assert!(is_lawful(&reigns, &lawful), "{lawful:?}");
        }
        for unlawful in [write("a", 0, 0), write("b", 2, 3), write("a", 6, 8), write("b", 10, 11), write("c", 2, 3)] {
            assert!(!is_lawful(&reigns, &unlawful), "{unlawful:?}");
        }
    }
}

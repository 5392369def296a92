//! Whether a live object is ready by the rules of its kind, and if not, why. In: the object. Out: yes or no and a text.

/// The host's judgement of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// It is ready.
    pub ready: bool,
    /// What there is to say, for people: `2 of 3 replicas ready`. Bounded and without control characters.
    pub reason: String,
}

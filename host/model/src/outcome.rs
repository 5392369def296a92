//! What a pass over a resource ended with, and what that means for the next one. In: what happened. Out: a class and a
//! stable reason.

/// Whether, and when, trying again may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// After a growing pause.
    Retry,
    /// When the resource, an object of it, the plugin or its grants change.
    WaitForChange,
    /// When a human allows something that the host does not do of itself.
    Blocked,
    /// Not in this process.
    Fatal,
}

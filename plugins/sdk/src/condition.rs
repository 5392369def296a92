//! Builders for conditions and events. The reason is for programs and stable; the message is for people and says what
//! will happen or what to do.

use crate::{Condition, Event, Truth};

impl Condition {
    /// The condition holds.
    pub fn yes(type_: &str, reason: &str, message: &str) -> Self {
        Condition::of(type_, Truth::Yes, reason, message)
    }

    /// The condition does not hold.
    pub fn no(type_: &str, reason: &str, message: &str) -> Self {
        Condition::of(type_, Truth::No, reason, message)
    }

    /// It cannot be told.
    pub fn unknown(type_: &str, reason: &str, message: &str) -> Self {
        Condition::of(type_, Truth::Unknown, reason, message)
    }

    /// From its parts.
    pub fn of(type_: &str, status: Truth, reason: &str, message: &str) -> Self {
        Condition { type_: type_.to_string(), status, reason: reason.to_string(), message: message.to_string() }
    }
}

impl Event {
    /// Something happened as intended.
    pub fn normal(reason: &str, message: &str) -> Self {
        Event { warning: false, reason: reason.to_string(), message: message.to_string() }
    }

    /// Something that a person should look at.
    pub fn warning(reason: &str, message: &str) -> Self {
        Event { warning: true, reason: reason.to_string(), message: message.to_string() }
    }
}

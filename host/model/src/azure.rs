//! Azure as plain values: how a resource should be and what was seen of it in, what to do about it out. No I/O and no
//! clock: the backend in the host asks, sends and remembers; what follows from the answers is decided here.

pub mod compare;
pub mod course;
pub mod failure;
pub mod id;
pub mod journal;
pub mod marks;
pub mod operation;
pub mod readings;

pub use course::{ArmSeen, ArmWanted, Course, VaultLive, VaultSeen, VaultWanted, Write};
pub use failure::{class_of, is_in_progress};
pub use id::ResourceId;
pub use journal::{Attempt, Existence, Journal, Pending, Record};

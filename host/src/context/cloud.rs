//! What this process remembers of one resource's things in Azure. The journal is also written on the resource; the rest
//! saves questions.

use crate::{
    azure::{Scoped, Sight},
    observe::Credentials,
};
use model::{Body, ItemId, azure::Journal, snapshot::Instant};
use std::{collections::BTreeMap, sync::Arc};

/// What is remembered.
#[derive(Debug, Default)]
pub struct Cloud {
    /// What was sent and what became of it.
    pub journal: Journal,
    /// The annotation that holds it, as it was last seen or written.
    pub written: Option<String>,
    /// The annotation was read.
    pub loaded: bool,
    /// The items of the last decision.
    pub wanted: BTreeMap<ItemId, Arc<Body>>,
    /// What was seen, by place.
    pub sights: BTreeMap<String, Sight>,
    /// Values of the Secrets that items are filled from.
    pub credentials: Credentials,
    /// Whose tokens, and when that was found out.
    pub identity: Option<(Instant, Scoped)>,
    /// The Secret that is kept because the credential comes from it; also where there is none of that name.
    pub held: Option<String>,
}

impl Cloud {
    /// Nothing was ever asked or sent.
    pub fn is_unused(&self) -> bool {
        self.wanted.is_empty() && self.sights.is_empty() && self.journal.0.is_empty() && self.written.is_none()
    }
}

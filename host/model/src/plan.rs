//! What a pass is going to do, as data. In: facts and a decision. Out: steps, what waits and why, what is held back, and
//! the inventory to write down first.
//!
//! The state is in the type: [`propose`] makes a `Plan<Proposed>`, only [`crate::check::check`] and [`teardown`] make a `Plan<Checked>` of
//! it, only that can be acted on, and what was done is a `Plan<Applied>`. A plan cannot be changed from outside.
//!
//! A pass goes: read what [`crate::Inventory`] names and what belongs to the resource by owner reference or label; decide;
//! look at what [`targets`] names besides; [`propose`]; [`crate::check::check`]; write
//! [`Plan::inventory`] to the resource if [`Plan::inventory_changed`]; run [`Plan::waves`]; [`Plan::applied`].

mod applied;
mod change;
mod desired;
mod overlay;
mod ownership;
mod propose;
mod removal;
mod rolling;
mod step;
mod teardown;

pub use applied::{Applied, Failure, StepResult};
pub use desired::{overlaid, targets};
pub use propose::propose;
pub use step::{Action, Live, Reason, Step};
pub use teardown::teardown;

pub(crate) use overlay::in_reach;
pub(crate) use ownership::{Belongs, may_delete, of as belongs};
pub(crate) use removal::{Existing, Place};

use crate::check::{Problem, Rule};
use crate::decision::{Body, ItemId, ReadyWhen, UpdatePolicy};
use crate::digest::Digest;
use crate::inventory::{Backend, Entry, Inventory, Target};

/// A plan that nobody has checked. It cannot be acted on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Proposed {
    /// What is wrong with the decision, found on the way.
    pub(crate) problems: Vec<Problem>,
    /// Every item that the decision wants, in its order.
    pub(crate) desired: Vec<Desired>,
    /// What would be deleted because the decision left it out, in this pass or a later one.
    pub(crate) omitted: Vec<Entry>,
    /// What exists on behalf of the resource.
    pub(crate) existing: Vec<Existing>,
}

/// A plan that the check let through. The field is private to this crate: nothing else can make one.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked(pub(crate) ());

/// A desired item in the form that a plan needs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Desired {
    /// Its entry in the inventory: id, target, order, removal policy.
    pub entry: Entry,
    /// The final object of a Kubernetes item, the metadata of a Secret; `None` for other backends.
    pub object: Option<serde_json::Value>,
    /// Digest of what is wanted, by which a new wish is told from an old one.
    pub digest: Option<Digest>,
    /// How a difference is mended.
    pub update: UpdatePolicy,
    /// What counts as ready for those that come after.
    pub ready_when: ReadyWhen,
    /// As the plugin gave it.
    pub body: Body,
}

impl Desired {
    /// It makes something, which is written down and goes when it is no longer desired. The others say how things of
    /// others should be: nothing of them is created, counted or removed.
    pub fn owns(&self) -> bool {
        self.update != UpdatePolicy::Overlay
            && !matches!(self.entry.target, Target::External { backend: Backend::Mysql, .. })
    }
}

/// Steps and everything that there is to say about them.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan<S> {
    pub(crate) body: Content,
    pub(crate) state: S,
}

/// What a plan holds, whatever its state.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Content {
    pub steps: Vec<Step>,
    pub waiting: Vec<Waiting>,
    pub blocked: Vec<Blocked>,
    pub forgotten: Vec<Forgotten>,
    pub inventory: Inventory,
    pub inventory_changed: bool,
    pub overlaid: Vec<ItemId>,
    pub unchanged: usize,
    pub paused: bool,
    pub finished: bool,
}

/// An item that is not touched in this pass, and what for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The item.
    pub item: ItemId,
    /// Items that have to be ready, or gone, first. Empty where it waits for something else.
    pub on: Vec<ItemId>,
    /// For people: `waits for secret/root to be ready: …`.
    pub why: String,
    /// It is the removal that waits, not a creation or change.
    pub removal: bool,
}

/// A removal, or a change as destructive, that the guard holds back. What is held back stays as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// The item.
    pub item: ItemId,
    /// What stays, for people: `PersistentVolumeClaim default/data-0`.
    pub target: String,
    /// Which rule holds it back.
    pub rule: Rule,
    /// Why, and how a human allows it.
    pub message: String,
}

/// Something that the inventory listed and that is left alone from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forgotten {
    /// The item.
    pub item: ItemId,
    /// What it is, for people.
    pub target: String,
    /// Why, for people.
    pub why: String,
}

impl<S> Plan<S> {
    /// The steps, in order. Steps of one [`Step::wave`] may run at the same time.
    pub fn steps(&self) -> &[Step] {
        &self.body.steps
    }

    /// The steps by waves: all of a wave may run at the same time, and a wave begins when the one before has ended. A
    /// step whose [`Step::needs`] name a step that failed must be skipped.
    pub fn waves(&self) -> impl Iterator<Item = &[Step]> {
        self.body.steps.chunk_by(|one, two| one.wave == two.wave)
    }

    /// Items that are not touched in this pass though they are not yet as desired.
    pub fn waiting(&self) -> &[Waiting] {
        &self.body.waiting
    }

    /// Removals that the guard holds back.
    pub fn blocked(&self) -> &[Blocked] {
        &self.body.blocked
    }

    /// What was listed, is there, and is let go of, because it is not ours any more or because a user says so. Told once:
    /// it is not in the inventory of this plan.
    pub fn forgotten(&self) -> &[Forgotten] {
        &self.body.forgotten
    }

    /// What exists or will exist on behalf of the resource once the steps have run.
    pub fn inventory(&self) -> &Inventory {
        &self.body.inventory
    }

    /// The inventory must be written to the resource before the first step runs (crash safety: what is created is
    /// always written down already).
    pub fn inventory_changed(&self) -> bool {
        self.body.inventory_changed
    }

    /// Whether an item of this name is desired, or what was made for it is still there.
    pub fn knows(&self, item: &str) -> bool {
        let listed = self.body.inventory.entries.iter().any(|entry| entry.id == item);
        listed || self.body.overlaid.iter().any(|id| id == item)
    }

    /// Items that are as desired already.
    pub fn unchanged(&self) -> usize {
        self.body.unchanged
    }

    /// The resource is paused: there are no steps, and nothing may be written on its behalf but its status.
    pub fn paused(&self) -> bool {
        self.body.paused
    }

    /// The resource is being deleted and nothing is left: the finalizer may go.
    pub fn finished(&self) -> bool {
        self.body.finished
    }

    /// Nothing to do, nothing waits, nothing is held back.
    pub fn settled(&self) -> bool {
        self.body.steps.is_empty() && self.body.waiting.is_empty() && self.body.blocked.is_empty()
    }
}

#[cfg(test)]
pub(crate) mod tests;

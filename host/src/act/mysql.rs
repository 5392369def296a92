//! MySQL servers in a plan: one step in, the server brought to what its item says out, by way of [`Servers`].

use super::{
    Actor, Done, Trouble,
    kubernetes::{Failure, Target},
};
use crate::{
    clock::Clock,
    mysql::{Owner, Servers, Wanted},
};
use model::{ItemId, facts::ResourceFacts, plan::Step};
use std::collections::BTreeSet;

/// What acting on the servers of one resource needs.
pub struct Hands<'a> {
    /// Talks to them.
    pub servers: &'a dyn Servers,
    /// The time of day.
    pub clock: &'a dyn Clock,
    /// The resource.
    pub owner: Owner,
    /// How they should be, with the values of the Secrets that this takes.
    pub wanted: Vec<Wanted>,
    /// Those to which an older view of the resource could do harm.
    pub confirmed: BTreeSet<ItemId>,
    /// Version of the resource that was decided for, or of our own last write to it in this pass.
    pub version: String,
    /// What acting on things in Azure needs.
    pub cloud: super::CloudHands<'a>,
}

impl Hands<'_> {
    pub(super) async fn converge(&self, actor: &Actor, step: &Step, resource: &ResourceFacts) -> Result<Done, Trouble> {
        let Some(wanted) = self.wanted.iter().find(|wanted| wanted.item == step.item) else {
            return Err(Trouble::Skipped("its server is not in the decision any more".into()));
        };
        if self.confirmed.contains(&step.item) {
            self.confirm(actor, resource).await.map_err(Trouble::Failed)?;
        }
        let changed = self.servers.converge(&self.owner, wanted, self.clock).await.map_err(Trouble::Server)?;
        Ok(Done { changed, remember: None, editors: Vec::new() })
    }

    /// Who may take writes, and what they wait for, is written in the resource. Before a server is opened, waits for fewer
    /// acknowledgements, or follows another one, the resource must be the very version that says so: another host, or an
    /// older view, cannot open a second one, nor give acknowledgements back to one that was fenced (E2).
    async fn confirm(&self, actor: &Actor, resource: &ResourceFacts) -> Result<(), Failure> {
        let served = actor.served_as(&resource.key).await?;
        let stored = actor.reader.get(Target { key: &resource.key, resource: &served }).await?;
        let now = stored.as_ref().and_then(ResourceFacts::from_object);
        let same = now.is_some_and(|now| now.uid == resource.uid && now.resource_version == self.version);
        if same { Ok(()) } else { Err(Failure::Changed("the resource is not what was decided for any more".into())) }
    }
}

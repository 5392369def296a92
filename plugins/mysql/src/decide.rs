//! The decision: from one snapshot to everything that should exist and be said. Pure.

use crate::build::statefulset::Pods;
use crate::build::{self, Cluster, mycnf};
use crate::name::Names;
use crate::spec::MysqlSpec;
use crate::status::{self, MysqlStatus, Progress, condition};
use crate::validate;
use windlass_sdk::{Condition, Decision, Fault, Snapshot};

/// Decides.
pub fn decide(snapshot: &Snapshot<MysqlSpec, MysqlStatus>) -> Result<Decision, Fault> {
    let resource = &snapshot.resource;
    if snapshot.deleting {
        return Ok(leave(&resource.status));
    }
    let errors = validate::spec(&resource.spec);
    if !errors.is_empty() {
        return Err(Fault::Invalid(errors));
    }
    let names = Names::of(&resource.metadata.name);
    let mycnf = mycnf::build(&resource.spec);
    let cluster = Cluster { metadata: &resource.metadata, spec: &resource.spec, names: &names, mycnf: &mycnf };
    let (live, judged_ready) = status::live_stateful_set(snapshot);
    let pods = Pods::of(&cluster);
    let progress = Progress::of(&cluster, &pods, live.as_ref(), judged_ready);
    Ok(Decision::new(&status::build(&cluster, &progress, snapshot))
        .items(build::items(&cluster, pods, live.as_ref()))
        .conditions(condition::conditions(&cluster, &progress, live.as_ref(), snapshot))
        .events(condition::events(&cluster, &progress, &resource.status)))
}

/// While the resource is deleted nothing needs to stay: the host takes the objects away in reverse order, the Backup and
/// the budget first, then the StatefulSet, then what its pods use.
fn leave(status: &MysqlStatus) -> Decision {
    let message = "the servers are being removed; volumes follow spec.storage.whenDeleted";
    Decision::new(status).condition(Condition::no("Ready", "Deleting", message)).condition(Condition::yes(
        "Progressing",
        "Deleting",
        message,
    ))
}

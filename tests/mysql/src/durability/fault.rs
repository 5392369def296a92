//! What goes wrong. In: a cluster and randomness. Out: the fault, from its beginning to its end; what it leaves behind is
//! for the host to mend.

use super::network::Cut;
use super::session::{Outcome, PORT, Session};
use super::surroundings::Pod;
use super::world::RealWorld;
use anyhow::{Context, Result};
use apiserver::faults::Phase;
use kube::api::DeleteParams;
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde_json::json;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Annotation that asks for another primary.
pub const SWITCHOVER: &str = "database.example.com/switchover";
/// More connections than a server takes, which is 151 unless its settings say otherwise.
const CROWD: usize = 400;

/// How long something that was asked for may take before it is left to itself.
const GRACE: Duration = Duration::from_secs(15);

/// One thing that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// SIGKILL of the primary.
    KillPrimary,
    /// SIGKILL of a replica.
    KillReplica,
    /// SIGSTOP of the primary, SIGCONT later.
    HangPrimary,
    /// SIGSTOP of a replica, SIGCONT later.
    HangReplica,
    /// The primary's pod is deleted.
    RestartPrimary,
    /// A replica's pod is deleted.
    RestartReplica,
    /// All pods are deleted at once.
    RestartAll,
    /// The primary is killed and its data is gone.
    WipePrimary,
    /// A replica is killed and its data is gone.
    WipeReplica,
    /// A user asks for another primary.
    Switchover,
    /// The primary's packets no longer reach its replicas.
    CutFromReplicas,
    /// The primary's packets no longer reach the host.
    CutFromHost,
    /// The primary's packets reach neither replicas nor host; clients still reach it.
    CutFromBoth,
    /// The host is killed, at some write of its own or at any time, and another starts.
    CrashHost,
    /// All connections of the primary are taken.
    TakeConnections,
}

/// All of them.
pub const ALL: [Fault; 15] = [
    Fault::KillPrimary,
    Fault::KillReplica,
    Fault::HangPrimary,
    Fault::HangReplica,
    Fault::RestartPrimary,
    Fault::RestartReplica,
    Fault::RestartAll,
    Fault::WipePrimary,
    Fault::WipeReplica,
    Fault::Switchover,
    Fault::CutFromReplicas,
    Fault::CutFromHost,
    Fault::CutFromBoth,
    Fault::CrashHost,
    Fault::TakeConnections,
];

impl Fault {
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Fault::KillPrimary => "kill the primary",
            Fault::KillReplica => "kill a replica",
            Fault::HangPrimary => "hang the primary",
            Fault::HangReplica => "hang a replica",
            Fault::RestartPrimary => "delete the primary's pod",
            Fault::RestartReplica => "delete a replica's pod",
            Fault::RestartAll => "delete all pods",
            Fault::WipePrimary => "wipe the primary",
            Fault::WipeReplica => "wipe a replica",
            Fault::Switchover => "switch over",
            Fault::CutFromReplicas => "cut the primary from replicas",
            Fault::CutFromHost => "cut the primary from the host",
            Fault::CutFromBoth => "cut the primary from both",
            Fault::CrashHost => "crash the host",
            Fault::TakeConnections => "take all connections",
        }
    }

    /// Needs a network that can be parted.
    pub fn is_partition(self) -> bool {
        matches!(self, Fault::CutFromReplicas | Fault::CutFromHost | Fault::CutFromBoth)
    }

    /// Takes data away for good.
    pub fn destroys_data(self) -> bool {
        matches!(self, Fault::WipePrimary | Fault::WipeReplica)
    }

    /// Has it happen, and ends it where it does not end by itself.
    pub async fn happen(self, world: &RealWorld, random: &mut StdRng) -> Result<()> {
        match self {
            Fault::KillPrimary => process(world, &target(world, random, true).await?, |server| server.kill()),
            Fault::KillReplica => process(world, &target(world, random, false).await?, |server| server.kill()),
            Fault::WipePrimary => process(world, &target(world, random, true).await?, |server| server.wipe()),
            Fault::WipeReplica => process(world, &target(world, random, false).await?, |server| server.wipe()),
            Fault::HangPrimary => {
                hang(world, &target(world, random, true).await?, random.random_range(500..9_000)).await
            }
            Fault::HangReplica => {
                hang(world, &target(world, random, false).await?, random.random_range(500..6_000)).await
            }
            Fault::RestartPrimary => restart(world, &[target(world, random, true).await?]).await,
            Fault::RestartReplica => restart(world, &[target(world, random, false).await?]).await,
            Fault::RestartAll => restart(world, &world.pods().await?).await,
            Fault::Switchover => switch_over(world, &target(world, random, false).await?).await,
            Fault::CutFromReplicas | Fault::CutFromHost | Fault::CutFromBoth => {
                let primary = target(world, random, true).await?;
                part(world, self, &primary, Duration::from_millis(random.random_range(4_000..10_000))).await
            }
            Fault::CrashHost => crash_host(world, random).await,
            Fault::TakeConnections => {
                take_connections(world, &target(world, random, true).await?, Duration::from_secs(5)).await
            }
        }
    }
}

/// The primary, or another server; any of them while nobody can say which is which.
async fn target(world: &RealWorld, random: &mut StdRng, primary: bool) -> Result<Pod> {
    let known = world.primary().await.ok();
    let mut pods = world.pods().await?;
    if let Some(known) = known {
        if primary {
            return Ok(known);
        }
        pods.retain(|pod| pod.name != known.name);
    }
    pods.choose(random).cloned().context("there are no pods")
}

/// A server that is down already cannot be harmed more.
fn process(world: &RealWorld, pod: &Pod, harm: impl Fn(&super::process::Mysqld) -> Result<()>) -> Result<()> {
    match world.process(&pod.name) {
        Ok(server) => harm(&server),
        Err(_) => Ok(()),
    }
}

/// Has a server hang for that many milliseconds.
pub async fn hang(world: &RealWorld, pod: &Pod, milliseconds: u64) -> Result<()> {
    let Ok(server) = world.process(&pod.name) else { return Ok(()) };
    server.stop()?;
    sleep(Duration::from_millis(milliseconds)).await;
    // It may have been killed meanwhile, by its liveness probe or by another fault.
    let _ = server.go_on();
    Ok(())
}

/// Deletes pods as `kubectl delete pod` does.
pub async fn restart(world: &RealWorld, pods: &[Pod]) -> Result<()> {
    let api = world.api("", "v1", "Pod");
    for pod in pods {
        match api.delete(&pod.name, &DeleteParams::default()).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.is_not_found() => {}
            Err(error) => return Err(error).context("the pod is not deleted"),
        }
    }
    Ok(())
}

/// Asks for that server to be the primary, and gives it time to become it: something else may come between.
pub async fn switch_over(world: &RealWorld, to: &Pod) -> Result<()> {
    // A request is carried out once. The one before must be seen gone, in case it was for the same server.
    world.annotate(json!({SWITCHOVER: null})).await?;
    let limit = Instant::now() + GRACE;
    while Instant::now() < limit && world.object().await?.data["status"].to_string().contains("switchoverHandled") {
        sleep(Duration::from_millis(50)).await;
    }
    world.annotate(json!({SWITCHOVER: to.name})).await?;
    let limit = Instant::now() + GRACE;
    while Instant::now() < limit && world.object().await?.data["status"]["currentPrimary"] != to.name {
        sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// Parts the primary from others for a while.
pub async fn part(world: &RealWorld, fault: Fault, primary: &Pod, time: Duration) -> Result<()> {
    let Some(address) = primary.address else { return Ok(()) };
    let cut = match fault {
        Fault::CutFromReplicas => Cut::Replicas,
        Fault::CutFromHost => Cut::Host { replicas: ports_of_replicas(world, primary).await.unwrap_or_default() },
        _ => Cut::ReplicasAndHost,
    };
    world.network.cut(address, &cut).await?;
    sleep(time).await;
    world.network.heal().await
}

/// The ports that replicas connected from.
async fn ports_of_replicas(world: &RealWorld, primary: &Pod) -> Result<Vec<u16>> {
    let mut session = world.session(primary).await?;
    let query =
        "SELECT SUBSTRING_INDEX(host, ':', -1) FROM performance_schema.processlist WHERE command LIKE 'Binlog Dump%'";
    let ports: Vec<String> = session.rows(query).await?;
    Ok(ports.iter().filter_map(|port| port.parse().ok()).collect())
}

/// Kills the host at one of its next writes, or after a while where it does not write, and starts another.
pub async fn crash_host(world: &RealWorld, random: &mut StdRng) -> Result<()> {
    let phase = if random.random_bool(0.5) { Phase::Before } else { Phase::After };
    world.kill_host_at_write(random.random_range(1..6), phase);
    let limit = Instant::now() + Duration::from_millis(random.random_range(100..2_000));
    while world.host_runs() && Instant::now() < limit {
        sleep(Duration::from_millis(10)).await;
    }
    world.kill_host().await;
    sleep(Duration::from_millis(random.random_range(0..1_500))).await;
    world.start_host().await
}

/// Takes every connection of a server and keeps them for a while.
pub async fn take_connections(world: &RealWorld, pod: &Pod, time: Duration) -> Result<()> {
    let (Some(address), Some(account)) = (pod.address, world.around.account()) else { return Ok(()) };
    let mut taken = Vec::new();
    let mut refused = false;
    for _ in 0..CROWD {
        match Session::open(&world.around.doors, (address, PORT), &account, Duration::from_secs(5)).await {
            Ok(session) => taken.push(session),
            Err(_) => {
                refused = true;
                break;
            }
        }
    }
    tracing::debug!(taken = taken.len(), refused, "connections are taken");
    let end = Instant::now() + time;
    while Instant::now() < end {
        // Places that others left are taken as well.
        if let Ok(session) = Session::open(&world.around.doors, (address, PORT), &account, Duration::from_secs(5)).await
        {
            taken.push(session);
        }
        sleep(Duration::from_millis(200)).await;
    }
    // The crowd was there to the end, unless the server was not.
    if let Some(session) = taken.first_mut()
        && let Outcome::Unknown(error) = session.execute("DO 1").await
    {
        tracing::debug!("the crowd was sent away: {error:#}");
    }
    Ok(())
}

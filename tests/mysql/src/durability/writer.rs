//! Clients that write. In: a cluster. Out: rows in it, and the record of what the clients were told.
//!
//! Followers go where the Service for writes points, as applications do. Stubborn ones stick to one server each, whatever
//! it is: they would get a second server to acknowledge, if there were one that can.

use super::record::Acknowledged;
use super::session::{Outcome, PORT, Session};
use super::surroundings::{Pod, Surroundings};
use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// Between two rows of one connection.
const PAUSE: Duration = Duration::from_millis(8);
/// Between two rows of a stubborn client.
const STUBBORN_PAUSE: Duration = Duration::from_millis(200);
/// Between two tries where there is nobody to write to.
const RETRY: Duration = Duration::from_millis(30);
/// How long a client waits for an answer before it gives the connection up.
const LIMIT: Duration = Duration::from_secs(2);

/// Running clients. Dropping them ends them; what they had sent and not heard of is unknown.
pub struct Writers {
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Writers {
    /// `followers` connections that follow the Service, and a stubborn one for every server that there is or will be.
    pub fn start(around: &Arc<Surroundings>, followers: usize) -> Writers {
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        for _ in 0..followers {
            tasks.spawn(until(stop.clone(), follow(around.clone())));
        }
        tasks.spawn(until(stop.clone(), stick_to_all(around.clone())));
        Writers { stop, tasks }
    }

    /// Ends them at once, and waits until they have.
    pub async fn stop(mut self) {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}

async fn until(stop: CancellationToken, work: impl Future<Output = ()>) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = work => {}
    }
}

/// Writes to whoever the Service points at.
async fn follow(around: Arc<Surroundings>) {
    loop {
        if let Some(pod) = around.writable().await {
            write(&around, &pod, true, PAUSE).await;
        }
        sleep(RETRY).await;
    }
}

/// Has one client for each server, started when its pod has an address and ended when it has another or is gone.
async fn stick_to_all(around: Arc<Surroundings>) {
    let mut clients: HashMap<Ipv4Addr, tokio::task::AbortHandle> = HashMap::new();
    let mut tasks = JoinSet::new();
    loop {
        if let Ok(pods) = around.pods().await {
            clients.retain(|address, client| {
                let stays = pods.iter().any(|pod| pod.address == Some(*address));
                if !stays {
                    client.abort();
                }
                stays
            });
            for pod in pods {
                let Some(address) = pod.address else { continue };
                let around = around.clone();
                clients.entry(address).or_insert_with(|| {
                    tasks.spawn(async move {
                        loop {
                            write(&around, &pod, false, STUBBORN_PAUSE).await;
                            sleep(STUBBORN_PAUSE).await;
                        }
                    })
                });
            }
        }
        sleep(STUBBORN_PAUSE).await;
    }
}

/// Writes to one server until it says something other than yes.
async fn write(around: &Surroundings, pod: &Pod, follows: bool, pause: Duration) {
    let Some(address) = pod.address else { return };
    let Some(account) = around.account() else { return };
    let Ok(mut session) = Session::open(&around.doors, (address, PORT), &account, LIMIT).await else { return };
    loop {
        let number = around.record.begin();
        let began = Instant::now();
        match session.execute(&format!("INSERT INTO suite.written (id) VALUES ({number})")).await {
            Outcome::Done(()) => {
                let answer = Acknowledged { pod: pod.name.clone(), began, ended: Instant::now() };
                around.record.acknowledge(number, follows, answer);
            }
            Outcome::ReadOnly => {
                around.record.refuse(number);
                if follows {
                    return;
                }
            }
            Outcome::Unknown(error) => {
                tracing::debug!(pod = pod.name, follows, "a client was told: {error:#}");
                return;
            }
        }
        sleep(pause).await;
    }
}

//! Seeded rounds. In: a seed. Out: which faults happen when, the same for the same seed; and one round after the other,
//! each with its questions at the end.

use super::fault::{ALL, Fault};
use super::verify::verify;
use super::world::RealWorld;
use anyhow::{Context, Result, bail};
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long the cluster has to be in order again.
const PATIENCE: Duration = Duration::from_secs(120);
/// Acknowledgements before the next fault, so that there is something to lose.
const ROWS: usize = 20;

/// One round: faults, and when each happens after the beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Round {
    /// Counted from 1.
    pub number: usize,
    /// For what is random in the faults themselves.
    pub seed: u64,
    /// One or two.
    pub faults: Vec<(Duration, Fault)>,
}

/// How a round went.
#[derive(Clone, Debug)]
pub struct Trial {
    /// What happened.
    pub round: Round,
    /// The longest time in which no client that follows the Service was told yes.
    pub silence: Duration,
    /// From the first fault until all is in order.
    pub mended: Duration,
}

impl Round {
    /// For people: `kill the primary`, `hang a replica, after 340 ms crash the host`.
    pub fn name(&self) -> String {
        let names = self.faults.iter().map(|(after, fault)| match after.as_millis() {
            0 => fault.name().to_owned(),
            after => format!("after {after} ms {}", fault.name()),
        });
        names.collect::<Vec<_>>().join(", ")
    }
}

/// The rounds of a seed. Every fault comes alone before pairs begin.
pub fn rounds(seed: u64, count: usize, partitions: bool) -> Vec<Round> {
    let mut random = StdRng::seed_from_u64(seed);
    let usable: Vec<Fault> = ALL.into_iter().filter(|fault| partitions || !fault.is_partition()).collect();
    let mut deck: Vec<Fault> = Vec::new();
    (1..=count)
        .map(|number| {
            if deck.is_empty() {
                deck.clone_from(&usable);
                deck.shuffle(&mut random);
            }
            let first = deck.pop().unwrap_or(Fault::KillPrimary);
            let mut faults = vec![(Duration::ZERO, first)];
            if number > usable.len() {
                let after = Duration::from_millis(random.random_range(10..3_000));
                faults.push((after, second(first, &usable, &mut random)));
            }
            Round { number, seed: random.random(), faults }
        })
        .collect()
}

/// What may come beside a fault. A host that crashes comes often, since it stops whatever is being mended half way. Data
/// is never destroyed twice: what two servers of three lose may be the only copies there are.
fn second(first: Fault, usable: &[Fault], random: &mut StdRng) -> Fault {
    if first != Fault::CrashHost && random.random_bool(0.4) {
        return Fault::CrashHost;
    }
    let fits = |other: &&Fault| {
        **other != first
            && !(first.destroys_data() && other.destroys_data())
            // The network heals as a whole.
            && !(first.is_partition() && other.is_partition())
    };
    let fitting: Vec<Fault> = usable.iter().filter(fits).copied().collect();
    fitting.choose(random).copied().unwrap_or(Fault::CrashHost)
}

/// Has a round happen, waits until the cluster is in order, and asks the questions. What is wrong is in the error.
pub async fn run(world: &RealWorld, round: &Round) -> Result<Trial> {
    writing(world).await.context("clients do not write before the fault")?;
    let began = Instant::now();
    tracing::info!("round {}: {}", round.number, round.name());
    let happenings = round.faults.iter().enumerate().map(|(index, (after, fault))| async move {
        let mut random = StdRng::seed_from_u64(round.seed.wrapping_add(index as u64));
        sleep(*after).await;
        fault.happen(world, &mut random).await.with_context(|| format!("could not {}", fault.name()))
    });
    futures::future::try_join_all(happenings).await?;
    world.until_in_order(PATIENCE).await?;
    let mended = began.elapsed();
    writing(world).await.context("clients do not write after the fault")?;
    let silence = world.around.record.longest_silence(began, Instant::now());
    let findings = verify(world).await.context("the rows cannot be read")?;
    if !findings.is_empty() {
        bail!("{findings}");
    }
    Ok(Trial { round: round.clone(), silence, mended })
}

/// Waits until clients were told yes a few times more.
pub async fn writing(world: &RealWorld) -> Result<()> {
    let since = Instant::now();
    world
        .until("clients to write", Duration::from_secs(30), async || match world.around.record.answers_since(since) {
            enough if enough >= ROWS => Ok(()),
            few => bail!("{few} acknowledgements"),
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_seed_gives_the_same_rounds_again_and_another_seed_others() {
        assert_eq!(rounds(7, 40, true), rounds(7, 40, true));
        assert_ne!(rounds(7, 40, true), rounds(8, 40, true));
    }

    #[test]
    fn thirty_rounds_have_every_fault_alone_and_every_fault_in_a_pair() {
        let rounds = rounds(1, 30, true);
        let alone: BTreeSet<Fault> = rounds[..15].iter().map(|round| round.faults[0].1).collect();
        assert_eq!(alone.len(), ALL.len());
        assert!(rounds[..15].iter().all(|round| round.faults.len() == 1));
        let paired: BTreeSet<Fault> = rounds[15..].iter().map(|round| round.faults[0].1).collect();
        assert_eq!(paired.len(), ALL.len());
        assert!(rounds[15..].iter().all(|round| round.faults.len() == 2));
    }

    #[test]
    fn no_round_destroys_data_twice_and_none_parts_a_network_that_cannot_be_parted() {
        for seed in 0..200 {
            for round in rounds(seed, 45, false) {
                assert!(round.faults.iter().filter(|(_, fault)| fault.destroys_data()).count() < 2, "{round:?}");
                assert!(round.faults.iter().all(|(_, fault)| !fault.is_partition()), "{round:?}");
            }
        }
    }
}

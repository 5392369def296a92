//! The questions that are asked after every fault. In: a cluster that is in order, and the record. Out: what must not be.

use super::record::Acknowledged;
use super::reign;
use super::session::Session;
use super::surroundings::Pod;
use super::world::RealWorld;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeSet;
use std::fmt;

/// What must not be; empty where all is well.
#[derive(Debug, Default)]
pub struct Findings {
    /// Rows that were acknowledged and are not there: the server's pod, and their numbers.
    pub lost: Vec<(String, Vec<u64>)>,
    /// Rows that were refused and are there nevertheless.
    pub appeared: Vec<u64>,
    /// Writes that were acknowledged by a server that was not the primary.
    pub unlawful: Vec<Acknowledged>,
    /// Servers that have transactions which the primary does not have, and which.
    pub errant: Vec<(String, String)>,
}

impl Findings {
    /// Nothing was found.
    pub fn is_empty(&self) -> bool {
        let Findings { lost, appeared, unlawful, errant } = self;
        lost.is_empty() && appeared.is_empty() && unlawful.is_empty() && errant.is_empty()
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (pod, rows) in &self.lost {
            writeln!(f, "LOST: {} acknowledged rows are not in {pod}: {:?}", rows.len(), first(rows))?;
        }
        if !self.appeared.is_empty() {
            writeln!(f, "{} refused rows are there: {:?}", self.appeared.len(), first(&self.appeared))?;
        }
        for write in first(&self.unlawful) {
            writeln!(f, "TWO PRIMARIES: {} acknowledged a write and was not the primary: {write:?}", write.pod)?;
        }
        for (pod, surplus) in &self.errant {
            writeln!(f, "{pod} has transactions that the primary does not have: {surplus}")?;
        }
        Ok(())
    }
}

fn first<T>(all: &[T]) -> &[T] {
    &all[..all.len().min(10)]
}

/// Asks all questions. Clients may write meanwhile: what they are told from now on is for the next time.
pub async fn verify(world: &RealWorld) -> Result<Findings> {
    let mut findings = Findings::default();
    let acknowledged = world.around.record.acknowledged();
    let primary = world.primary().await?;
    let mut session = world.session(&primary).await?;
    let there = numbers(&mut session).await.with_context(|| primary.name.clone())?;
    findings.lost.extend(missing(&primary, &there, acknowledged.keys()));
    findings.appeared = world.around.record.refused().intersection(&there).copied().collect();
    let executed = executed(&mut session).await?;
    for pod in world.replicas().await? {
        let mut replica = world.session(&pod).await?;
        catch_up(&mut replica, &executed).await.with_context(|| format!("{} does not catch up", pod.name))?;
        let there = numbers(&mut replica).await.with_context(|| pod.name.clone())?;
        findings.lost.extend(missing(&pod, &there, acknowledged.keys()));
        // What a replica has before it is acknowledged the primary has a moment later.
        let has = self::executed(&mut replica).await?;
        if catch_up(&mut session, &has).await.is_err() {
            let query = format!("SELECT GTID_SUBTRACT('{has}', @@global.gtid_executed)");
            let surplus: Option<String> = session.row(&query).await?;
            findings.errant.push((pod.name, surplus.unwrap_or_default()));
        }
    }
    let reigns = world.chronicle.reigns();
    findings.unlawful = acknowledged.into_values().filter(|write| !reign::is_lawful(&reigns, write)).collect();
    Ok(findings)
}

fn missing<'a>(pod: &Pod, there: &BTreeSet<u64>, wanted: impl Iterator<Item = &'a u64>) -> Option<(String, Vec<u64>)> {
    let lost: Vec<u64> = wanted.filter(|number| !there.contains(number)).copied().collect();
    (!lost.is_empty()).then(|| (pod.name.clone(), lost))
}

async fn numbers(session: &mut Session) -> Result<BTreeSet<u64>> {
    Ok(session.rows::<u64>("SELECT id FROM suite.written").await?.into_iter().collect())
}

async fn executed(session: &mut Session) -> Result<String> {
    let set: Option<String> = session.row("SELECT @@global.gtid_executed").await?;
    Ok(set.context("no answer")?.replace(['\n', ' '], ""))
}

async fn catch_up(session: &mut Session, set: &str) -> Result<()> {
    // In steps that are shorter than what a session waits for an answer.
    for _ in 0..10 {
        let late: Option<i64> = session.row(&format!("SELECT WAIT_FOR_EXECUTED_GTID_SET('{set}', 2)")).await?;
        if late == Some(0) {
            return Ok(());
        }
    }
    ensure!(false, "20 s were not enough");
    Ok(())
}

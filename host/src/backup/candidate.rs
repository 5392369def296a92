//! Which server a backup is taken from. In: what each server that was named answered. Out: one of them, or why none serves.
//! Pure.
//!
//! A replica that replicates and is not far behind is best; then the primary, which costs its clients some speed; then a
//! replica that is far behind, whose backup is right but old. A server that stopped replicating, or that has transactions
//! which its primary has not, never serves.

use model::gtid::GtidSet;
use serde::Deserialize;
use std::collections::BTreeSet;

/// What one server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its address, for people.
    pub address: String,
    /// What it said, or why it said nothing.
    pub facts: Result<Facts, String>,
}

/// The facts that decide.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Facts {
    /// `server_uuid`.
    pub uuid: String,
    /// `version`.
    pub version: String,
    /// 1: it has GTIDs.
    pub gtids: u8,
    /// 1: it has a binary log.
    pub log_bin: u8,
    /// 1: it takes no writes.
    pub read_only: u8,
    /// `gtid_executed`.
    pub executed: String,
    /// Its replication channel, where one is configured.
    pub source: Option<Source>,
}

/// The default replication channel.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    /// `server_uuid` of the source; empty before the first connection.
    pub uuid: String,
    /// `ON`, `OFF`, `CONNECTING`.
    pub receiver: String,
    /// `ON`, `OFF`.
    pub applier: String,
    /// What was received.
    pub received: String,
    /// Seconds since the last transaction that was applied was committed on the primary; none where nothing was applied
    /// since the start.
    pub lag: Option<i64>,
}

/// What a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It replicates.
    Replica,
    /// It takes writes.
    Primary,
}

impl Role {
    /// As the manifest has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Replica => "replica",
            Role::Primary => "primary",
        }
    }
}

/// The server that is backed up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Its place in what was seen.
    pub index: usize,
    /// What it is.
    pub role: Role,
    /// What is not as it should be.
    pub warning: Option<String>,
    /// The place of the primary in what was seen, where there is exactly one.
    pub primary: Option<usize>,
}

/// No server serves.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no server can be backed up: {}", .0.join("; "))]
pub struct NoServer(pub Vec<String>);

/// How a server serves.
enum Verdict {
    Fresh,
    Behind(String),
    Primary,
    Never(String),
}

/// Chooses. `most_lag`: seconds that a replica may be behind.
///
/// # Errors
/// [`NoServer`] with a reason for each server.
pub fn choose(seen: &[Seen], most_lag: u64) -> Result<Choice, NoServer> {
    let mut uuids = BTreeSet::new();
    // One server may be seen under two addresses; the first one counts.
    let known: Vec<usize> = (0..seen.len())
        .filter(|index| seen[*index].facts.as_ref().map_or(true, |facts| uuids.insert(&facts.uuid)))
        .collect();
    let takes_writes = |index: &&usize| seen[**index].facts.as_ref().is_ok_and(|facts| facts.read_only == 0);
    let writable: Vec<usize> = known.iter().filter(takes_writes).copied().collect();
    let primary = if let [only] = writable[..] { Some(only) } else { None };
    let primary_facts = primary.and_then(|index| seen[index].facts.as_ref().ok());
    let verdicts: Vec<(usize, Verdict)> =
        known.into_iter().map(|index| (index, judge(&seen[index], primary_facts, writable.len(), most_lag))).collect();
    let find = |wanted: fn(&Verdict) -> bool| verdicts.iter().find(|(_, verdict)| wanted(verdict));
    if let Some((index, _)) = find(|verdict| matches!(verdict, Verdict::Fresh)) {
        let warning = primary.is_none().then(|| {
            "the primary is not among the servers that were named, so transactions that only this replica has cannot be ruled out"
                .to_owned()
        });
        return Ok(Choice { index: *index, role: Role::Replica, warning, primary });
    }
    let why = |verdicts: &[(usize, Verdict)]| -> Vec<String> {
        let reasons = verdicts.iter().filter_map(|(index, verdict)| match verdict {
            Verdict::Behind(why) | Verdict::Never(why) => Some(format!("{}: {why}", seen[*index].address)),
            Verdict::Fresh | Verdict::Primary => None,
        });
        reasons.collect()
    };
    if let Some((index, _)) = find(|verdict| matches!(verdict, Verdict::Primary)) {
        let others = why(&verdicts);
        let others = if others.is_empty() { "no replica was named".to_owned() } else { others.join("; ") };
        let warning = Some(format!("the primary is backed up, which slows its clients down ({others})"));
        return Ok(Choice { index: *index, role: Role::Primary, warning, primary });
    }
    for (index, verdict) in &verdicts {
        if let Verdict::Behind(why) = verdict {
            let warning = Some(format!("the backup will be old: {}: {why}", seen[*index].address));
            return Ok(Choice { index: *index, role: Role::Replica, warning, primary });
        }
    }
    Err(NoServer(why(&verdicts)))
}

fn judge(seen: &Seen, primary: Option<&Facts>, writable: usize, most_lag: u64) -> Verdict {
    let facts = match &seen.facts {
        Ok(facts) => facts,
        Err(why) => return Verdict::Never(why.clone()),
    };
    if facts.read_only == 0 {
        return match writable {
            0 | 1 => Verdict::Primary,
            many => Verdict::Never(format!("{many} servers take writes, and which one is right cannot be told")),
        };
    }
    let Some(source) = &facts.source else {
        return Verdict::Never("it takes no writes and replicates from nobody".into());
    };
    if source.receiver != "ON" || source.applier != "ON" {
        let (receiver, applier) = (&source.receiver, &source.applier);
        return Verdict::Never(format!("its replication stands still (receiver {receiver}, applier {applier})"));
    }
    let (Ok(executed), Ok(received)) = (facts.executed.parse::<GtidSet>(), source.received.parse::<GtidSet>()) else {
        return Verdict::Never("its GTID sets cannot be read".into());
    };
    let mut pending = !executed.contains(&received);
    if let Some(primary) = primary {
        if source.uuid != primary.uuid {
            return Verdict::Never(format!("it replicates from server {} and not from the primary", source.uuid));
        }
        let Ok(known) = primary.executed.parse::<GtidSet>() else {
            return Verdict::Never("the GTID set of its primary cannot be read".into());
        };
        let errant = errant(&executed, &known, &primary.uuid);
        if !errant.is_empty() {
            return Verdict::Never(format!("it has transactions that the primary has not: {}", errant.summary(200)));
        }
        pending |= !executed.contains(&known);
    } else if writable > 1 {
        return Verdict::Never(format!("{writable} servers take writes, and which one is right cannot be told"));
    }
    match source.lag {
        _ if !pending => Verdict::Fresh,
        Some(lag) if u64::try_from(lag).unwrap_or_default() <= most_lag => Verdict::Fresh,
        Some(lag) => Verdict::Behind(format!("it is {lag} s behind")),
        None => Verdict::Behind("it is behind, and by how much is not known".into()),
    }
}

/// What a replica executed and its primary did not. Transactions of the primary's own are no fault: the two sets are not
/// of the very same moment.
pub fn errant(replica: &GtidSet, primary: &GtidSet, primary_uuid: &str) -> GtidSet {
    replica.subtract(primary).without_uuid(primary_uuid)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const A: &str = "aaaaaaaa-0000-4000-8000-000000000001";
    const B: &str = "bbbbbbbb-0000-4000-8000-000000000002";
    const C: &str = "cccccccc-0000-4000-8000-000000000003";

    fn primary(uuid: &str, executed: &str) -> Facts {
        Facts {
            uuid: uuid.into(),
            version: "9.7.4".into(),
            gtids: 1,
            log_bin: 1,
            read_only: 0,
            executed: executed.into(),
            source: None,
        }
    }

    fn replica(uuid: &str, executed: &str) -> Facts {
        let source = Source {
            uuid: A.into(),
            receiver: "ON".into(),
            applier: "ON".into(),
            received: executed.into(),
            lag: Some(0),
        };
        Facts { read_only: 1, source: Some(source), ..primary(uuid, executed) }
    }

    fn with(facts: Facts, change: impl FnOnce(&mut Source)) -> Facts {
        let mut source = facts.source.clone().unwrap();
        change(&mut source);
        Facts { source: Some(source), ..facts }
    }

    fn chosen(all: Vec<Facts>) -> Result<(usize, Role, Option<String>), NoServer> {
        let seen: Vec<_> =
            all.into_iter().zip(0..).map(|(f, n)| Seen { address: format!("s{n}"), facts: Ok(f) }).collect();
        choose(&seen, 60).map(|choice| (choice.index, choice.role, choice.warning))
    }

    fn a(last: u32) -> String {
        format!("{A}:1-{last}")
    }

    #[test]
    fn a_replica_that_keeps_up_is_preferred_to_the_primary() {
        assert_eq!(chosen(vec![primary(A, &a(9)), replica(B, &a(9))]), Ok((1, Role::Replica, None)));
        // Behind by what is on its way.
        assert_eq!(chosen(vec![primary(A, &a(12)), replica(B, &a(9))]), Ok((1, Role::Replica, None)));
        // Read a little later than the primary.
        assert_eq!(chosen(vec![primary(A, &a(9)), replica(B, &a(12))]), Ok((1, Role::Replica, None)));
    }

    #[test]
    fn a_replica_with_transactions_of_its_own_never_serves() {
        let errant = replica(B, &format!("{},{B}:1", a(9)));
        let (index, role, warning) = chosen(vec![errant.clone(), primary(A, &a(9))]).unwrap();
        assert_eq!((index, role), (1, Role::Primary));
        assert!(warning.unwrap().contains(&format!("{B}:1")));
        assert_eq!(chosen(vec![errant, primary(A, &a(9)), replica(C, &a(9))]).unwrap().0, 2);
    }

    #[test]
    fn a_replica_that_stands_still_never_serves() {
        for stopped in [
            with(replica(B, &a(9)), |source| source.receiver = "CONNECTING".into()),
            with(replica(B, &a(9)), |source| source.applier = "OFF".into()),
            with(replica(B, &a(9)), |source| source.uuid = C.into()),
            Facts { source: None, ..replica(B, &a(9)) },
            with(replica(B, &a(9)), |source| source.received = "?".into()),
        ] {
            let with_primary = chosen(vec![stopped.clone(), primary(A, &a(9))]).unwrap();
            assert_eq!((with_primary.0, with_primary.1), (1, Role::Primary));
            if stopped.source.as_ref().is_none_or(|source| source.uuid == A) {
                assert!(chosen(vec![stopped]).is_err());
            }
        }
    }

    #[test]
    fn one_that_is_far_behind_serves_only_where_there_is_no_primary() {
        let late = with(replica(B, &a(5)), |source| {
            source.received = a(9);
            source.lag = Some(3600);
        });
        let (index, role, warning) = chosen(vec![late.clone(), primary(A, &a(9))]).unwrap();
        assert_eq!((index, role), (1, Role::Primary));
        assert!(warning.unwrap().contains("3600 s behind"));
        let (index, role, warning) = chosen(vec![late.clone()]).unwrap();
        assert_eq!((index, role), (0, Role::Replica));
        assert!(warning.unwrap().contains("will be old"));
        let unknown = with(late, |source| source.lag = None);
        assert_eq!(chosen(vec![unknown, primary(A, &a(9))]).unwrap().0, 1);
        // Nothing to apply: the last transaction is old, the replica is not.
        let quiet = with(replica(B, &a(9)), |source| source.lag = Some(86_400));
        assert_eq!(chosen(vec![quiet, primary(A, &a(9))]).unwrap().0, 0);
    }

    #[test]
    fn where_two_servers_take_writes_none_is_backed_up() {
        let refused = chosen(vec![primary(A, &a(9)), primary(C, &a(9)), replica(B, &a(9))]).unwrap_err();
        assert_eq!(refused.0.len(), 3);
        // The same server under two addresses is one.
        assert_eq!(chosen(vec![primary(A, &a(9)), primary(A, &a(9)), replica(B, &a(9))]).unwrap().0, 2);
    }

    #[test]
    fn every_server_that_does_not_serve_is_told_with_why() {
        let seen = [
            Seen { address: "one".into(), facts: Err("refused".into()) },
            Seen { address: "two".into(), facts: Ok(Facts { source: None, ..replica(B, &a(9)) }) },
        ];
        let text = choose(&seen, 60).unwrap_err().to_string();
        assert!(text.contains("one: refused") && text.contains("two: it takes no writes"), "{text}");
        assert!(choose(&[], 60).is_err());
    }
}

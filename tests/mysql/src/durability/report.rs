//! What the suite says. In: rounds that went well, and the record. Out: lines of text, or JSON where
//! `WINDLASS_OUTPUT=json` asks for it.

use super::fault::{ALL, Fault};
use super::record::Counts;
use super::round::Trial;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

/// Prints a line at once, whether the test passes or not.
pub fn say(line: &str) {
    // Not by `println!`, which the test harness would hold back.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// A round in one line.
pub fn line(trial: &Trial) -> String {
    format!(
        "round {:>3}  writes stopped {:>5.1} s  in order after {:>5.1} s  {}",
        trial.round.number,
        trial.silence.as_secs_f64(),
        trial.mended.as_secs_f64(),
        trial.round.name()
    )
}

/// Median and worst.
pub fn middle_and_worst(mut times: Vec<Duration>) -> Option<(Duration, Duration)> {
    times.sort_unstable();
    Some((*times.get(times.len() / 2)?, *times.last()?))
}

/// Trials by what happened: each fault that came alone, and all pairs.
fn groups(trials: &[Trial]) -> Vec<(&'static str, Vec<&Trial>)> {
    let of = |fault: Fault| {
        trials.iter().filter(move |trial| trial.round.faults.len() == 1 && trial.round.faults[0].1 == fault).collect()
    };
    let mut groups: Vec<(&'static str, Vec<&Trial>)> = ALL.into_iter().map(|fault| (fault.name(), of(fault))).collect();
    groups.push(("two faults", trials.iter().filter(|trial| trial.round.faults.len() > 1).collect()));
    groups.retain(|(_, trials)| !trials.is_empty());
    groups
}

/// All rounds together, as text.
pub fn text(seed: u64, trials: &[Trial], counts: Counts) -> String {
    let mut text = format!(
        "\nseed {seed}: {} rounds, {} rows acknowledged, {} rows unknown, {} refused, 0 acknowledged rows lost\n",
        trials.len(),
        counts.acknowledged,
        counts.unknown,
        counts.refused
    );
    let _ = writeln!(text, "{:<32} {:>6}  {:>14} {:>8}", "writes stopped, in seconds", "rounds", "median", "worst");
    let all = [("all rounds", trials.iter().collect::<Vec<_>>())];
    for (name, trials) in groups(trials).into_iter().chain(all) {
        let count = trials.len();
        if let Some((middle, worst)) = middle_and_worst(trials.iter().map(|trial| trial.silence).collect()) {
            let _ =
                writeln!(text, "{name:<32} {count:>6}  {:>14.1} {:>8.1}", middle.as_secs_f64(), worst.as_secs_f64());
        }
    }
    text
}

/// All rounds together, as JSON; times in milliseconds.
pub fn json(seed: u64, trials: &[Trial], counts: Counts) -> Value {
    let rounds: Vec<Value> = trials
        .iter()
        .map(|trial| {
            json!({
                "round": trial.round.number,
                "faults": trial.round.faults.iter().map(|(_, fault)| fault.name()).collect::<Vec<_>>(),
                "writesStopped": trial.silence.as_millis() as u64,
                "inOrderAfter": trial.mended.as_millis() as u64,
            })
        })
        .collect();
    json!({
        "seed": seed,
        "acknowledged": counts.acknowledged,
        "unknown": counts.unknown,
        "refused": counts.refused,
        "lost": 0,
        "rounds": rounds,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_the_upper_one_of_two_and_nothing_has_none() {
        let seconds = |all: &[u64]| middle_and_worst(all.iter().copied().map(Duration::from_secs).collect());
        assert_eq!(seconds(&[]), None);
        assert_eq!(seconds(&[3, 1, 2]), Some((Duration::from_secs(2), Duration::from_secs(3))));
        assert_eq!(seconds(&[4, 1]), Some((Duration::from_secs(4), Duration::from_secs(4))));
    }
}

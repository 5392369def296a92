//! When a CronJob is due. In: the schedule, the time zone, the times so far, now. Out: the run that is due and how
//! long until the next one. Pure.

use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, TimeZone, Utc};
use chrono_tz::Tz;
use croner::parser::{CronParser, Seconds, Year};
use k8s_openapi::jiff::Timestamp;

/// Why a schedule cannot be followed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Invalid {
    /// The cron expression does not parse.
    #[error("unparseable schedule: {0:?} : {1}")]
    Schedule(String, String),
    /// There is no such time zone.
    #[error("invalid timeZone: {0:?}: unknown time zone {0}")]
    TimeZone(String),
}

/// What the schedule says now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Due {
    /// The latest run that is due and not yet made.
    pub(crate) run: Option<Timestamp>,
    /// More than one run was missed since the last one.
    pub(crate) missed: bool,
    /// Until the next run.
    pub(crate) next: Option<Duration>,
}

/// Reads the clock of a schedule. `earliest` is the last run, or else when the CronJob was made.
pub(crate) fn due(
    schedule: &str,
    zone: Option<&str>,
    earliest: Timestamp,
    deadline: Option<i64>,
    now: Timestamp,
) -> Result<Due, Invalid> {
    let zone = match zone {
        None => Tz::UTC,
        Some(name) => Tz::from_str(name).map_err(|_| Invalid::TimeZone(name.to_owned()))?,
    };
    if let Some(interval) = schedule.strip_prefix("@every ") {
        return every(interval, schedule, earliest, deadline, now);
    }
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    let bad = |e: croner::errors::CronError| Invalid::Schedule(schedule.to_owned(), e.to_string());
    let cron = parser.parse(schedule).map_err(bad)?;
    let local = |t: Timestamp| zone.from_utc_datetime(&utc(t).naive_utc());
    let earliest = floor(earliest, deadline, now);
    let next = cron.find_next_occurrence(&local(now), false).ok().map(|t| until(now, t.timestamp()));
    let latest = cron.find_previous_occurrence(&local(now), true).ok();
    let run = latest.filter(|t| t.timestamp() > earliest.as_second() && t.timestamp() <= now.as_second());
    let missed = match &run {
        Some(run) => {
            cron.find_previous_occurrence(run, false).is_ok_and(|before| before.timestamp() > earliest.as_second())
        }
        None => false,
    };
    Ok(Due { run: run.and_then(|t| Timestamp::from_second(t.timestamp()).ok()), missed, next })
}

/// A run older than the starting deadline is not made up for.
fn floor(earliest: Timestamp, deadline: Option<i64>, now: Timestamp) -> Timestamp {
    let limit = deadline.and_then(|d| Timestamp::from_second(now.as_second().saturating_sub(d)).ok());
    limit.map_or(earliest, |limit| earliest.max(limit))
}

fn every(
    interval: &str,
    schedule: &str,
    earliest: Timestamp,
    deadline: Option<i64>,
    now: Timestamp,
) -> Result<Due, Invalid> {
    let seconds = go_duration(interval).filter(|s| *s > 0);
    let bad = || Invalid::Schedule(schedule.to_owned(), "not a duration of a second or more".to_owned());
    let seconds = seconds.ok_or_else(bad)?;
    let passed = (now.as_second() - earliest.as_second()).max(0);
    let runs = passed / seconds;
    let run = earliest.as_second() + runs * seconds;
    let in_time = run > floor(earliest, deadline, now).as_second();
    Ok(Due {
        run: (runs > 0 && in_time).then(|| Timestamp::from_second(run).ok()).flatten(),
        missed: runs > 1,
        next: Some(Duration::from_secs((seconds - passed % seconds) as u64)),
    })
}

/// Whole seconds of a duration like `1h30m10s`.
fn go_duration(text: &str) -> Option<i64> {
    let (mut total, mut number) = (0i64, String::new());
    for c in text.trim().chars() {
        let unit = match c {
            '0'..='9' => {
                number.push(c);
                continue;
            }
            'h' => 3600,
            'm' => 60,
            's' => 1,
            _ => return None,
        };
        total = total.checked_add(number.parse::<i64>().ok()?.checked_mul(unit)?)?;
        number.clear();
    }
    number.is_empty().then_some(total)
}

fn utc(t: Timestamp) -> DateTime<Utc> {
    DateTime::from_timestamp(t.as_second(), t.subsec_nanosecond().max(0) as u32).unwrap_or_default()
}

fn until(now: Timestamp, then: i64) -> Duration {
    let nanos = i128::from(then) * 1_000_000_000 - now.as_nanosecond();
    Duration::from_nanos(u64::try_from(nanos.max(0)).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn t(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_run_is_due_from_its_minute_on_until_it_was_made() {
        let made = t("2026-03-01T00:00:00Z");
        let before = due("0 2 * * *", None, made, None, t("2026-03-01T01:59:30Z")).unwrap();
        assert_eq!(before, Due { run: None, missed: false, next: Some(Duration::from_secs(30)) });
        let at = due("0 2 * * *", None, made, None, t("2026-03-01T02:00:00Z")).unwrap();
        assert_eq!(at.run, Some(t("2026-03-01T02:00:00Z")));
        assert!(!at.missed);
        let after = due("0 2 * * *", None, t("2026-03-01T02:00:00Z"), None, t("2026-03-01T02:00:05Z")).unwrap();
        assert_eq!(after.run, None);
        assert_eq!(after.next, Some(Duration::from_secs(86_395)));
    }

    #[test]
    fn only_the_latest_of_several_missed_runs_is_made() {
        let due = due("*/10 * * * *", None, t("2026-03-01T00:00:00Z"), None, t("2026-03-01T01:05:00Z")).unwrap();
        assert_eq!(due.run, Some(t("2026-03-01T01:00:00Z")));
        assert!(due.missed);
    }

    #[test]
    fn a_run_past_its_deadline_is_left_out() {
        let made = t("2026-03-01T00:00:00Z");
        let due = due("0 2 * * *", None, made, Some(60), t("2026-03-01T02:05:00Z")).unwrap();
        assert_eq!(due.run, None);
    }

    #[test]
    fn the_time_zone_shifts_the_schedule_with_its_summer_time() {
        let summer =
            due("0 2 * * *", Some("Europe/Berlin"), t("2026-07-01T00:00:00Z"), None, t("2026-07-01T00:00:30Z"));
        assert_eq!(summer.unwrap().next, Some(Duration::from_secs(86_370)));
        let winter =
            due("0 2 * * *", Some("Europe/Berlin"), t("2026-01-01T00:30:00Z"), None, t("2026-01-01T00:30:00Z"));
        assert_eq!(winter.unwrap().next, Some(Duration::from_secs(1_800)));
    }

    #[test]
    fn what_is_no_schedule_or_no_zone_is_said() {
        let now = t("2026-03-01T00:00:00Z");
        assert!(matches!(due("nonsense", None, now, None, now), Err(Invalid::Schedule(..))));
        assert!(matches!(due("0 * * * *", Some("Mars/Base"), now, None, now), Err(Invalid::TimeZone(_))));
    }

    #[test]
    fn every_counts_from_the_last_run() {
        let due = due("@every 1h30m", None, t("2026-03-01T00:00:00Z"), None, t("2026-03-01T03:10:00Z")).unwrap();
        assert_eq!(due.run, Some(t("2026-03-01T03:00:00Z")));
        assert_eq!(due.next, Some(Duration::from_secs(4_800)));
    }
}

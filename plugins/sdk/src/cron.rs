//! Checks cron schedules by the rules of Kubernetes CronJobs (five fields, or `@daily` and its like). In: text. Out: what
//! is wrong with it. Cron libraries accept more than a CronJob does (seconds, `L`, `#`), so what they accept could still
//! be refused by the API server, later and out of the user's sight.

/// Names that stand for a whole schedule.
const MACROS: [&str; 7] = ["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"];

/// Name, lowest and highest value of each field, and the names that its values may have, from the lowest on.
const FIELDS: [(&str, u32, u32, &[&str]); 5] = [
    ("minute", 0, 59, &[]),
    ("hour", 0, 23, &[]),
    ("day of month", 1, 31, &[]),
    ("month", 1, 12, &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]),
    ("day of week", 0, 6, &["sun", "mon", "tue", "wed", "thu", "fri", "sat"]),
];

/// `Ok`, or what is wrong with the schedule.
pub fn check(schedule: &str) -> Result<(), String> {
    if schedule.contains("TZ=") {
        return Err("must not name a time zone; set timeZone instead".to_string());
    }
    if schedule.starts_with('@') {
        return if MACROS.contains(&schedule) { Ok(()) } else { Err(format!("is not one of {}", MACROS.join(", "))) };
    }
    let fields: Vec<&str> = schedule.split_ascii_whitespace().collect();
    if fields.len() != FIELDS.len() {
        return Err(format!(
            "has {} fields instead of 5 (minute, hour, day of month, month, day of week), such as \"0 2 * * *\"",
            fields.len()
        ));
    }
    for (field, (name, low, high, names)) in fields.iter().zip(FIELDS) {
        for part in field.split(',') {
            check_part(part, low, high, names)
                .map_err(|why| format!("has a wrong {name} `{field}`: {why} (allowed: {low} to {high})"))?;
        }
    }
    Ok(())
}

/// One of the comma-separated parts of a field: `*`, `5`, `1-5`, each with an optional `/step`.
fn check_part(part: &str, low: u32, high: u32, names: &[&str]) -> Result<(), String> {
    let (range, step) = match part.split_once('/') {
        Some((range, step)) => (range, Some(step)),
        None => (part, None),
    };
    if let Some(step) = step
        && number(step).is_none_or(|step| step == 0)
    {
        return Err(format!("the step `{step}` is not a number above 0"));
    }
    if range == "*" || range == "?" {
        return Ok(());
    }
    let value = |text: &str| match names.iter().position(|name| name.eq_ignore_ascii_case(text)) {
        Some(position) => Ok(low + position as u32),
        None => match number(text) {
            Some(value) if (low..=high).contains(&value) => Ok(value),
            Some(value) => Err(format!("{value} is out of range")),
            None => Err(format!("`{text}` is not a number")),
        },
    };
    match range.split_once('-') {
        Some((first, last)) if value(first)? > value(last)? => Err(format!("{range} ends before it starts")),
        Some(_) => Ok(()),
        None => value(range).map(|_| ()),
    }
}

/// Digits only: `+5` parses as a number in Rust and is none in cron.
fn number(text: &str) -> Option<u32> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) { None } else { text.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn schedules_of_cronjobs_are_accepted() {
        for schedule in ["0 2 * * *", "*/15 0-6,22 1,15 JAN-Mar mon-fri", "@daily", "5/10 * ? * 0", "0  2\t* * *"] {
            assert_eq!(check(schedule), Ok(()), "{schedule}");
        }
    }

    #[test]
    fn what_a_cronjob_refuses_is_refused_with_the_field() {
        for (schedule, part) in [
            ("0 2 * *", "has 4 fields"),
            ("60 2 * * *", "minute"),
            ("0 24 * * *", "hour"),
            ("0 2 0 * *", "day of month"),
            ("0 2 * 13 *", "month"),
            ("0 2 * * 7", "day of week"),
            ("*/0 2 * * *", "step"),
            ("9-3 2 * * *", "ends before it starts"),
            ("@reboot", "is not one of"),
            ("TZ=UTC 0 2 * * *", "timeZone"),
            ("0 2 L * *", "`L` is not a number"),
            ("+5 2 * * *", "is not a number"),
            ("", "has 0 fields"),
        ] {
            let error = check(schedule).unwrap_err();
            assert!(error.contains(part), "{schedule}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_check_fail_loudly(text in "\\PC{0,80}") {
            let _ = check(&text);
        }
    }
}

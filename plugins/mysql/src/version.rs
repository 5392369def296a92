//! The server versions that are supported, as data. A new series is one line here.

/// A release series of MySQL within which servers replicate and upgrade in any order of patch releases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Series {
    /// `8.0`
    pub name: &'static str,
    /// Whether a server may go back to an earlier patch release of the series: MySQL allows it within its long-term
    /// series from 8.4 on.
    pub patch_downgrade: bool,
}

/// Oldest first. An upgrade goes to the next line and never back: MySQL upgrades a data directory in place over one
/// series at a time, and cannot undo it.
pub const SERIES: [Series; 3] = [
    Series { name: "8.0", patch_downgrade: false },
    Series { name: "8.4", patch_downgrade: true },
    Series { name: "9.7", patch_downgrade: true },
];

/// The oldest patch release of 8.0 that has the statements and variables which this plugin uses.
pub const OLDEST_8_0_PATCH: u32 = 26;

/// A version as users write it: a series, or one patch release of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// Position in [`SERIES`].
    pub series: usize,
    /// `Some(36)` for `8.0.36`; none where any patch release will do.
    pub patch: Option<u32>,
}

impl Version {
    /// Reads `8.4` or `8.4.2`.
    pub fn parse(text: &str) -> Option<Self> {
        SERIES.iter().enumerate().find_map(|(series, line)| match text.strip_prefix(line.name)? {
            "" => Some(Version { series, patch: None }),
            rest => {
                let digits = rest.strip_prefix('.')?;
                let patch =
                    if digits.bytes().all(|b| b.is_ascii_digit()) { digits.parse().ok()? } else { return None };
                Some(Version { series, patch: Some(patch) })
            }
        })
    }

    /// Why a cluster may not go from this version to `next`; none where it may.
    pub fn refuses(self, next: Version) -> Option<String> {
        let (from, to) = (SERIES[self.series], SERIES[next.series]);
        if next.series < self.series {
            return Some(format!(
                "cannot go back from {} to {}: MySQL does not open newer data with an older server; restore a backup into \
                 a new resource instead",
                from.name, to.name
            ));
        }
        if next.series > self.series + 1 {
            let step = SERIES[self.series + 1].name;
            return Some(format!("cannot skip from {} to {}: go to {step} first", from.name, to.name));
        }
        match (self.patch, next.patch) {
            (Some(old), Some(new)) if next.series == self.series && new < old && !from.patch_downgrade => {
                Some(format!(
                    "cannot go back from {0}.{old} to {0}.{new}: {0} does not open data of a later patch release",
                    from.name
                ))
            }
            _ => None,
        }
    }
}

/// The names of the series, for messages.
pub fn names() -> String {
    SERIES.map(|series| series.name).join(", ")
}

/// The pattern of `spec.version`: a series, and optionally a patch release.
pub fn pattern() -> String {
    let series = SERIES.map(|series| series.name.replace('.', "\\.")).join("|");
    format!("^({series})(\\.[0-9]{{1,3}})?$")
}

/// The rule of [`Version::refuses`] for series, in CEL: one clause for each forbidden step.
pub fn transition_rule() -> String {
    let mut clauses = Vec::new();
    for (old, from) in SERIES.iter().enumerate() {
        for (new, to) in SERIES.iter().enumerate() {
            if new < old || new > old + 1 {
                clauses.push(format!("!(oldSelf.startsWith('{}') && self.startsWith('{}'))", from.name, to.name));
            }
        }
    }
    clauses.join(" && ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(from: &str, to: &str) -> Option<String> {
        Version::parse(from).unwrap().refuses(Version::parse(to).unwrap())
    }

    #[test]
    fn an_upgrade_goes_one_series_at_a_time_and_never_back() {
        assert_eq!(step("8.0", "8.4"), None);
        assert_eq!(step("8.4", "9.7"), None);
        assert_eq!(step("8.0.36", "8.0.40"), None);
        assert_eq!(step("8.4.3", "8.4.1"), None);
        assert!(step("8.4", "8.0").unwrap().contains("cannot go back"));
        assert!(step("8.0", "9.7").unwrap().contains("go to 8.4 first"));
        assert!(step("8.0.40", "8.0.36").unwrap().contains("later patch"));
    }

    #[test]
    fn what_is_no_supported_version_is_none() {
        for text in ["", "8", "8.1", "8.0.", "8.0.x", "8.00", "9.7.1.2", "8.0.99999999999", "8.4-debug"] {
            assert_eq!(Version::parse(text), None, "{text}");
        }
    }
}

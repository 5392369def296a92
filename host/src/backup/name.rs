//! Names of backups. In: a moment and a random number, or the name of a file. Out: a name, or what the file is. Only files
//! with a name of this form are ever touched.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Name of one backup: `20261122T041700Z-1a2b3c4d`. Names sort by the time at which the backup was started.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

/// A text is no name of a backup.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no name of a backup; names look like 20261122T041700Z-1a2b3c4d")]
pub struct NotAName(pub String);

/// What a file in the folder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The compressed dump.
    Data,
    /// The manifest.
    Manifest,
    /// The dump while it is written.
    PartialData,
    /// The manifest while it is written.
    PartialManifest,
}

impl Part {
    /// All parts.
    pub const ALL: [Part; 4] = [Part::Data, Part::Manifest, Part::PartialData, Part::PartialManifest];

    fn suffix(self) -> &'static str {
        match self {
            Part::Data => ".sql.zst",
            Part::Manifest => ".json",
            Part::PartialData => ".sql.zst.partial",
            Part::PartialManifest => ".json.partial",
        }
    }
}

impl Name {
    /// The name of a backup that is started at `started`, in milliseconds since the Unix epoch. `random` keeps apart those
    /// that start within one second.
    pub fn new(started: u64, random: u32) -> Self {
        let at = i64::try_from(started).ok().and_then(DateTime::<Utc>::from_timestamp_millis).unwrap_or_default();
        Name(format!("{}-{random:08x}", at.format("%Y%m%dT%H%M%SZ")))
    }

    /// The name of a file of this backup.
    pub fn file(&self, part: Part) -> String {
        format!("{}{}", self.0, part.suffix())
    }

    /// Which file of which backup has this name; none for files that are not ours.
    pub fn of_file(file: &str) -> Option<(Name, Part)> {
        Part::ALL.into_iter().find_map(|part| {
            let name = file.strip_suffix(part.suffix())?;
            Some((name.parse().ok()?, part))
        })
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for Name {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        let well_formed = text.split_once('-').is_some_and(|(time, random)| {
            let digits = |text: &str, length: usize| text.len() == length && text.bytes().all(|b| b.is_ascii_digit());
            let time = time.strip_suffix('Z').and_then(|time| time.split_once('T'));
            time.is_some_and(|(day, second)| digits(day, 8) && digits(second, 6))
                && random.len() == 8
                && random.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        });
        if well_formed { Ok(Name(text.to_owned())) } else { Err(NotAName(text.to_owned())) }
    }
}

impl TryFrom<String> for Name {
    type Error = NotAName;

    fn try_from(text: String) -> Result<Self, NotAName> {
        text.parse()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> String {
        name.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_sort_by_time_and_are_found_again_in_each_of_their_files() {
        let (earlier, later) = (Name::new(1_700_000_000_123, 0xffff_ffff), Name::new(1_700_000_001_000, 0));
        assert_eq!(earlier.as_str(), "20231114T221320Z-ffffffff");
        assert!(earlier < later);
        for part in Part::ALL {
            assert_eq!(Name::of_file(&earlier.file(part)), Some((earlier.clone(), part)));
        }
    }

    #[test]
    fn files_of_others_are_not_taken_for_ours() {
        for file in [
            "",
            "lost+found",
            "20231114T221320Z-ffffffff",
            "20231114T221320Z-ffffffff.sql",
            "20231114T221320Z-fffffff.json",
            "20231114T221320Z-FFFFFFFF.json",
            "../20231114T221320Z-ffffffff.json",
            "20231114T221320Z-ffffffff.json.partial.old",
            "x20231114T221320Z-ffffffff.json",
            "２0231114T221320Z-ffffffff.json",
        ] {
            assert_eq!(Name::of_file(file), None, "{file}");
        }
    }
}

//! The manifest of a backup: what was backed up, when, from which server, and the checksums. In: what is known when the
//! dump is finished, or the text of a manifest. Out: text, or a manifest whose own checksum is right.

use super::name::Name;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The format that this version writes and reads.
pub const FORMAT: u32 = 1;

/// Everything that makes a file a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Manifest {
    /// Format of the manifest.
    pub format: u32,
    /// Name of the backup.
    pub name: Name,
    /// When it was started, RFC 3339.
    pub started_at: String,
    /// When it was finished, RFC 3339.
    pub finished_at: String,
    /// What made it.
    pub tool: Tool,
    /// What it was made from.
    pub server: Server,
    /// GTID set at the moment that the backup shows; none where the server has no GTIDs.
    pub gtid_set: Option<String>,
    /// How sure it is that the backup shows one moment.
    pub consistency: Consistency,
    /// The compressed dump.
    pub data: Data,
    /// What is in it, by schema.
    pub contents: Vec<Schema>,
}

/// What made a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tool {
    /// Version of this program.
    pub windlass: String,
    /// What the dump tool says about itself.
    pub dump: String,
}

/// What a backup was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Server {
    /// Its `server_uuid`.
    pub uuid: String,
    /// Its version, as it says it: `8.4.2`, `9.7.4-2`.
    pub version: String,
    /// `replica` or `primary`.
    pub role: String,
}

/// How sure it is that a backup shows one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Consistency {
    /// No table, view, or routine could be created, changed or dropped while the dump ran.
    pub definitions_locked: bool,
    /// Tables of engines without transactions: their rows may be of a later moment.
    pub non_transactional_tables: Vec<String>,
}

/// The compressed dump.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Data {
    /// `zstd`.
    pub compression: String,
    /// Bytes of the file.
    pub size: u64,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Bytes of the dump before compression.
    pub plain_size: u64,
    /// SHA-256 of the dump before compression.
    pub plain_sha256: String,
}

/// What is in one schema, counted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Schema {
    /// Name of the schema.
    pub name: String,
    /// Tables.
    pub tables: u64,
    /// Views.
    pub views: u64,
    /// Stored procedures and functions.
    pub routines: u64,
    /// Triggers.
    pub triggers: u64,
    /// Events.
    pub events: u64,
}

/// Why a manifest is not used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Written by a later version, or by something else.
    #[error("it has format {0}, and this version reads format {FORMAT}; use the version that wrote it, or a later one")]
    Format(u64),
    /// Not a manifest at all, or with fields missing.
    #[error("it is no manifest")]
    Unreadable(#[from] serde_json::Error),
    /// Its own checksum is wrong.
    #[error("it was altered after it was written: its checksum does not match")]
    Altered,
    /// It is of another backup.
    #[error("it is of backup {0}: the file was renamed or copied")]
    OtherName(Name),
    /// A manifest of this format cannot say this.
    #[error("it says compression {0:?}, which this version does not know")]
    Compression(String),
}

/// The manifest as it is in its file.
#[derive(Serialize, Deserialize)]
struct Sealed {
    manifest: Manifest,
    /// SHA-256 of the manifest in its shortest JSON form.
    checksum: String,
}

/// What is looked at before everything else.
#[derive(Deserialize)]
struct FormatOnly {
    manifest: FormatField,
}

#[derive(Deserialize)]
struct FormatField {
    format: u64,
}

impl Manifest {
    /// The text of the file.
    ///
    /// # Errors
    /// Never for a value of this type; serde has to be asked all the same.
    pub fn to_text(&self) -> Result<String, serde_json::Error> {
        let sealed = Sealed { manifest: self.clone(), checksum: self.checksum()? };
        Ok(serde_json::to_string_pretty(&sealed)? + "\n")
    }

    /// Reads the manifest of the backup `name`.
    ///
    /// # Errors
    /// When the text is not the manifest of this backup, as it was written.
    pub fn parse(name: &Name, text: &[u8]) -> Result<Manifest, Error> {
        let FormatOnly { manifest: FormatField { format } } = serde_json::from_slice(text)?;
        if format != u64::from(FORMAT) {
            return Err(Error::Format(format));
        }
        let Sealed { manifest, checksum } = serde_json::from_slice(text)?;
        if manifest.checksum()? != checksum {
            return Err(Error::Altered);
        }
        if manifest.name != *name {
            return Err(Error::OtherName(manifest.name));
        }
        if manifest.data.compression != "zstd" {
            return Err(Error::Compression(manifest.data.compression));
        }
        Ok(manifest)
    }

    fn checksum(&self) -> Result<String, serde_json::Error> {
        Ok(hex(&Sha256::digest(serde_json::to_vec(self)?)))
    }
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    pub fn manifest(name: &Name) -> Manifest {
        Manifest {
            format: FORMAT,
            name: name.clone(),
            started_at: "2026-11-22T04:17:00Z".into(),
            finished_at: "2026-11-22T04:18:00Z".into(),
            tool: Tool { windlass: "0.1.0".into(), dump: "mysqldump  Ver 9.7.4".into() },
            server: Server { uuid: "a".into(), version: "9.7.4-2".into(), role: "replica".into() },
            gtid_set: Some("a:1-9".into()),
            consistency: Consistency { definitions_locked: true, non_transactional_tables: vec![] },
            data: Data {
                compression: "zstd".into(),
                size: 4,
                sha256: "00".into(),
                plain_size: 9,
                plain_sha256: "11".into(),
            },
            contents: vec![Schema { name: "shop".into(), tables: 3, views: 1, routines: 0, triggers: 0, events: 0 }],
        }
    }

    #[test]
    fn a_manifest_is_read_as_it_was_written() {
        let name = Name::new(0, 7);
        let written = manifest(&name).to_text().unwrap();
        assert_eq!(Manifest::parse(&name, written.as_bytes()).unwrap(), manifest(&name));
    }

    #[test]
    fn each_altered_value_is_noticed() {
        let name = Name::new(0, 7);
        let text = manifest(&name).to_text().unwrap();
        for (from, to) in [
            ("a:1-9", "a:1-8"),
            ("\"size\": 4", "\"size\": 5"),
            ("\"tables\": 3", "\"tables\": 2"),
            ("9.7.4-2", "8.0.36"),
            ("true", "false"),
        ] {
            assert!(text.contains(from), "{from}");
            let altered = text.replace(from, to);
            assert!(matches!(Manifest::parse(&name, altered.as_bytes()), Err(Error::Altered)), "{from}");
        }
    }

    #[test]
    fn a_manifest_of_another_backup_or_of_a_later_version_is_refused() {
        let (name, other) = (Name::new(0, 7), Name::new(0, 8));
        let text = manifest(&name).to_text().unwrap();
        assert!(matches!(Manifest::parse(&other, text.as_bytes()), Err(Error::OtherName(found)) if found == name));
        let later = text.replacen("\"format\": 1", "\"format\": 2", 1);
        assert!(matches!(Manifest::parse(&name, later.as_bytes()), Err(Error::Format(2))));
    }

    proptest! {
        #[test]
        fn a_manifest_that_was_cut_or_damaged_anywhere_is_refused(cut in 0usize..700, at in 0usize..700, to in any::<u8>()) {
            let name = Name::new(0, 7);
            let text = manifest(&name).to_text().unwrap();
            // Without the line break at the end nothing is missing yet.
            let cut = cut.min(text.len() - 2);
            prop_assert!(Manifest::parse(&name, &text.as_bytes()[..cut]).is_err());
            let mut damaged = text.clone().into_bytes();
            let at = at % damaged.len();
            damaged[at] = to;
            if let Ok(read) = Manifest::parse(&name, &damaged) {
                prop_assert_eq!(read, manifest(&name));
            }
        }
    }
}

//! A folder of backups, which is what a destination is for now. In: a path. Out: a file to write into, that becomes a
//! backup all at once or not at all; the backups that are there; and what crashed runs left behind, removed.
//!
//! Several runs may use one folder at the same time. Each writes under a name of its own and holds a lock on its file; what
//! is not finished and not locked was left by a run that is gone. Since some network file systems only pretend to lock, it
//! must also have been quiet for [`QUIET`].

use super::manifest::{self, Manifest};
use super::name::{Name, Part};
use super::retention::Existing;
use model::snapshot::Instant;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A run says that it lives at least this often.
pub const HEARTBEAT: Duration = Duration::from_secs(10);
/// What was quiet for so long, and is not locked, was left behind.
pub const QUIET: Duration = Duration::from_secs(120);
/// No manifest is longer.
const LONGEST_MANIFEST: u64 = 64 << 20;

/// Why the folder does not serve.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or the folder itself.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A destination of another kind.
    #[error("{0:?} is no folder; backups are written to and read from folders only")]
    NotAFolder(String),
    /// There is none of this name.
    #[error("{} has no backup {name}; `windlass backup list --source {}` shows those that exist", path.display(), path.display())]
    NoSuchBackup {
        /// The folder.
        path: PathBuf,
        /// The name.
        name: Name,
    },
    /// There is none at all.
    #[error("{} has no backup", .0.display())]
    Empty(PathBuf),
    /// Its manifest is not used.
    #[error("the manifest of backup {name} cannot be trusted")]
    Manifest {
        /// The backup.
        name: Name,
        /// Why.
        #[source]
        source: manifest::Error,
    },
    /// Its data is not there.
    #[error("backup {0}: its data is missing; it cannot be used")]
    NoData(Name),
    /// Its data is shorter or longer than it should be.
    #[error("backup {name}: its data has {found} bytes of {expected}, so it was cut or altered; it cannot be used")]
    Size {
        /// The backup.
        name: Name,
        /// Bytes that are there.
        found: u64,
        /// Bytes that the manifest states.
        expected: u64,
    },
    /// serde refused a manifest of ours.
    #[error("cannot write the manifest of backup {name}")]
    Serialize {
        /// The backup.
        name: Name,
        /// Why.
        source: serde_json::Error,
    },
}

/// A folder of backups.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

/// A backup by its name, with its manifest or with why it cannot be used.
pub type Listed = (Name, Result<Manifest, Error>);

/// A backup whose manifest and data are there. Its checksums are not compared yet.
#[derive(Debug)]
pub struct Stored {
    /// The manifest.
    pub manifest: Manifest,
    /// The data, from its beginning. One open file: it cannot be exchanged between two readings.
    pub data: File,
}

impl Folder {
    /// The folder of this path, which must exist.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::NotAFolder`].
    pub fn open(path: &Path) -> Result<Self, Error> {
        let text = path.to_string_lossy();
        if text.contains("://") {
            return Err(Error::NotAFolder(text.into_owned()));
        }
        let found = fs::metadata(path).map_err(failed("use the folder", path))?;
        if found.is_dir() { Ok(Folder(path.to_owned())) } else { Err(Error::NotAFolder(text.into_owned())) }
    }

    /// The folder of this path, made where it is missing. What it is in must exist: a volume that is not mounted is not
    /// written beside.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::NotAFolder`].
    pub fn create(path: &Path) -> Result<Self, Error> {
        if !path.to_string_lossy().contains("://")
            && let Err(error) = fs::create_dir(path)
            && error.kind() != io::ErrorKind::AlreadyExists
        {
            return Err(failed("make the folder", path)(error));
        }
        Folder::open(path)
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    fn file(&self, name: &Name, part: Part) -> PathBuf {
        self.0.join(name.file(part))
    }

    /// Begins a backup.
    ///
    /// # Errors
    /// [`Error::Io`]
    pub fn begin(&self, name: &Name) -> Result<Draft, Error> {
        let path = self.file(name, Part::PartialData);
        let data = OpenOptions::new().write(true).create_new(true).open(&path).map_err(failed("create", &path))?;
        // From here on the draft's drop cleans up.
        let draft = Draft { folder: self.clone(), name: name.clone(), data, finished: false };
        match draft.data.try_lock() {
            Ok(()) => {}
            // Without locks the heartbeat alone tells others that we live.
            Err(TryLockError::Error(error)) => tracing::warn!(%error, "the destination cannot lock files"),
            Err(TryLockError::WouldBlock) => {
                tracing::warn!(file = %path.display(), "somebody locked a new file of ours")
            }
        }
        Ok(draft)
    }

    /// The backups that have a manifest, oldest first, each usable or with why it is not.
    ///
    /// # Errors
    /// [`Error::Io`] where the folder cannot be read.
    pub fn list(&self) -> Result<Vec<Listed>, Error> {
        let parts = self.parts()?;
        let with_manifest = parts.into_iter().filter(|(_, parts)| parts.contains(&Part::Manifest));
        Ok(with_manifest.map(|(name, _)| (name.clone(), self.load(&name).map(|stored| stored.manifest))).collect())
    }

    /// Opens a backup by name, or the newest one. Where the newest one cannot be used, that is said, and no older one is
    /// taken in its place.
    ///
    /// # Errors
    /// Where it is not there, or its manifest or the size of its data is wrong.
    pub fn load_by(&self, name: Option<&Name>) -> Result<Stored, Error> {
        match name {
            Some(name) => self.load(name),
            None => {
                let parts = self.parts()?;
                let newest = parts.iter().rev().find(|(_, parts)| parts.contains(&Part::Manifest));
                self.load(newest.ok_or_else(|| Error::Empty(self.0.clone()))?.0)
            }
        }
    }

    fn load(&self, name: &Name) -> Result<Stored, Error> {
        let manifest = self.manifest(name)?;
        let path = self.file(name, Part::Data);
        let data = match File::open(&path) {
            Ok(data) => data,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Error::NoData(name.clone())),
            Err(error) => return Err(failed("open", &path)(error)),
        };
        let found = data.metadata().map_err(failed("read", &path))?.len();
        let expected = manifest.data.size;
        if found == expected {
            Ok(Stored { manifest, data })
        } else {
            Err(Error::Size { name: name.clone(), found, expected })
        }
    }

    fn manifest(&self, name: &Name) -> Result<Manifest, Error> {
        let path = self.file(name, Part::Manifest);
        let long = match fs::metadata(&path) {
            Ok(found) => found.len() > LONGEST_MANIFEST,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Error::NoSuchBackup { path: self.0.clone(), name: name.clone() });
            }
            Err(error) => return Err(failed("read", &path)(error)),
        };
        let text = if long { Vec::new() } else { fs::read(&path).map_err(failed("read", &path))? };
        Manifest::parse(name, &text).map_err(|source| Error::Manifest { name: name.clone(), source })
    }

    /// What [`super::retention`] looks at: the backups whose manifest can be trusted. Others are never removed.
    ///
    /// # Errors
    /// [`Error::Io`] where the folder cannot be read.
    pub fn existing(&self) -> Result<Vec<Existing>, Error> {
        let parts = self.parts()?;
        let known = parts.keys().filter_map(|name| {
            let manifest = self.manifest(name).ok()?;
            let finished = chrono::DateTime::parse_from_rfc3339(&manifest.finished_at).ok()?.timestamp_millis();
            let good = self.load(name).is_ok();
            Some(Existing { name: name.clone(), finished: u64::try_from(finished).ok()?, good })
        });
        Ok(known.collect())
    }

    /// Removes a backup: its manifest first, so that there is never half a backup that counts.
    ///
    /// # Errors
    /// [`Error::Io`]
    pub fn remove(&self, name: &Name) -> Result<(), Error> {
        for part in [Part::Manifest, Part::Data] {
            self.remove_part(name, part)?;
        }
        self.sync()
    }

    /// Removes what runs that are gone left behind. Returns the files.
    ///
    /// # Errors
    /// [`Error::Io`]
    pub fn clean(&self, now: Instant) -> Result<Vec<String>, Error> {
        let mut removed = Vec::new();
        for (name, parts) in self.parts()? {
            let with_manifest = parts.contains(&Part::Manifest);
            // Data without a manifest is of a run that ended in between, or of a removal that did.
            let left =
                parts.iter().copied().filter(|part| *part != Part::Manifest && !(with_manifest && *part == Part::Data));
            let left: Vec<Part> = left.collect();
            if left.is_empty() || !left.iter().all(|part| self.is_abandoned(&self.file(&name, *part), now)) {
                continue;
            }
            for part in left {
                self.remove_part(&name, part)?;
                removed.push(name.file(part));
            }
        }
        Ok(removed)
    }

    fn is_abandoned(&self, path: &Path, now: Instant) -> bool {
        let Ok(file) = File::open(path) else { return false };
        let modified = file.metadata().and_then(|found| found.modified());
        let modified = modified.ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let quiet = modified.is_some_and(|at| Duration::from_millis(now).saturating_sub(at) > QUIET);
        quiet && !matches!(file.try_lock(), Err(TryLockError::WouldBlock))
    }

    fn remove_part(&self, name: &Name, part: Part) -> Result<(), Error> {
        let path = self.file(name, part);
        match fs::remove_file(&path) {
            // Somebody else may clean up as well.
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", &path)(error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// The files of the folder that are ours, by backup.
    fn parts(&self) -> Result<BTreeMap<Name, BTreeSet<Part>>, Error> {
        let mut parts: BTreeMap<Name, BTreeSet<Part>> = BTreeMap::new();
        for entry in fs::read_dir(&self.0).map_err(failed("read the folder", &self.0))? {
            let file = entry.map_err(failed("read the folder", &self.0))?.file_name();
            if let Some((name, part)) = file.to_str().and_then(Name::of_file) {
                parts.entry(name).or_default().insert(part);
            }
        }
        Ok(parts)
    }

    /// New names and removals survive a loss of power only when the folder itself was written.
    fn sync(&self) -> Result<(), Error> {
        File::open(&self.0).and_then(|folder| folder.sync_all()).map_err(failed("write the folder", &self.0))
    }
}

/// A backup that is being written. Dropped before it is finished, it leaves nothing behind.
#[derive(Debug)]
pub struct Draft {
    folder: Folder,
    name: Name,
    data: File,
    finished: bool,
}

impl Draft {
    /// Where the data goes.
    ///
    /// # Errors
    /// [`Error::Io`]
    pub fn writer(&self) -> Result<File, Error> {
        self.data.try_clone().map_err(failed("write", &self.folder.file(&self.name, Part::PartialData)))
    }

    /// Says that this run lives.
    pub fn beat(&self, now: Instant) {
        // A file system without times loses nothing but this sign.
        let _ = self.data.set_modified(SystemTime::UNIX_EPOCH + Duration::from_millis(now));
    }

    /// Makes it a backup: the data is on the disk and has its name before the manifest has.
    ///
    /// # Errors
    /// [`Error::Io`]; nothing is left behind then.
    pub fn finish(mut self, manifest: &Manifest) -> Result<(), Error> {
        let serialized = |source| Error::Serialize { name: self.name.clone(), source };
        let text = manifest.to_text().map_err(serialized)?;
        let folder = self.folder.clone();
        let path = |part| folder.file(&self.name, part);
        let rename = |from: Part, to: Part| {
            let (from, to) = (path(from), path(to));
            fs::rename(&from, &to).map_err(failed("rename", &from))?;
            self.folder.sync()
        };
        self.data.sync_all().map_err(failed("write", &path(Part::PartialData)))?;
        rename(Part::PartialData, Part::Data)?;
        let draft = path(Part::PartialManifest);
        let written = File::create_new(&draft).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
        written.map_err(failed("write", &draft))?;
        rename(Part::PartialManifest, Part::Manifest)?;
        self.finished = true;
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        for part in [Part::Manifest, Part::PartialManifest, Part::Data, Part::PartialData] {
            if let Err(error) = self.folder.remove_part(&self.name, part) {
                tracing::warn!(%error, "cannot remove an unfinished backup; it does not count, and a later run removes it");
            }
        }
    }
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { doing, path, source }
}

#[cfg(test)]
mod tests;

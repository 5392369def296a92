//! Compiled plugins on disk: digest of a component in, path of its verified machine code out.
//!
//! Files are named `DIGEST-COMPATIBILITY.cwasm`, so that another version of the runtime never sees them, and end with the
//! SHA-256 of what comes before. The folder is ours alone, files are written aside and renamed: what is found under a name
//! was written to the end, by us (A6). The checksum is against rotten disks, the folder's permissions against strangers.

use super::super::{error::EngineError, plugin::Digest};
use sha2::{Digest as _, Sha256};
use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

const CHECKSUM: usize = 32;

/// A folder of compiled plugins.
pub(in super::super) struct Cache {
    folder: PathBuf,
    compatibility: String,
}

impl Cache {
    /// Makes the folder where it is missing, refuses one that others can write, and removes what an earlier version of the
    /// runtime or an interrupted write left.
    pub(in super::super) fn open(folder: &Path, engine: &wasmtime::Engine) -> Result<Self, EngineError> {
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let cache = Cache { folder: folder.to_owned(), compatibility: format!("{:016x}", hasher.finish()) };
        cache.prepare().map_err(|message| EngineError::Cache { path: folder.to_owned(), message })?;
        Ok(cache)
    }

    fn prepare(&self) -> Result<(), String> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder).map_err(|error| error.to_string())?;
        let metadata = fs::symlink_metadata(&self.folder).map_err(|error| error.to_string())?;
        if !metadata.is_dir() {
            return Err("it is no folder".into());
        }
        if metadata.uid() != own_uid() {
            return Err("it belongs to another user".into());
        }
        if metadata.mode() & 0o022 != 0 {
            return Err("other users can write it".into());
        }
        for entry in fs::read_dir(&self.folder).map_err(|error| error.to_string())?.flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let stale = name.ends_with(".cwasm") && !name.ends_with(&format!("-{}.cwasm", self.compatibility));
            if stale || name.ends_with(".part") {
                // What cannot be removed is only in the way.
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(())
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.folder.join(format!("{digest}-{}.cwasm", self.compatibility))
    }

    /// The machine code of this component, if it is there, ours and whole. What is not is removed.
    pub(in super::super) fn get(&self, digest: &Digest) -> Option<PathBuf> {
        let path = self.path(digest);
        let metadata = fs::symlink_metadata(&path).ok()?;
        let sound = metadata.is_file()
            && metadata.uid() == own_uid()
            && metadata.mode() & 0o022 == 0
            && fs::read(&path).is_ok_and(|bytes| is_whole(&bytes));
        if sound {
            return Some(path);
        }
        tracing::warn!(path = %path.display(), "a compiled plugin is damaged and is compiled anew");
        self.remove(digest);
        None
    }

    /// Forgets the machine code of this component.
    pub(in super::super) fn remove(&self, digest: &Digest) {
        // A file that stays is found damaged again.
        let _ = fs::remove_file(self.path(digest));
    }

    /// Keeps machine code that the compiler just made.
    pub(in super::super) fn put(&self, digest: &Digest, code: &[u8]) -> io::Result<PathBuf> {
        let path = self.path(digest);
        let part = self.folder.join(format!("{digest}-{}.part", std::process::id()));
        // What an earlier try of this process left.
        let _ = fs::remove_file(&part);
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
        file.write_all(code)?;
        file.write_all(&Sha256::digest(code))?;
        file.sync_all()?;
        fs::rename(&part, &path)?;
        Ok(path)
    }
}

fn is_whole(bytes: &[u8]) -> bool {
    bytes
        .len()
        .checked_sub(CHECKSUM)
        .and_then(|end| bytes.split_at_checked(end))
        .is_some_and(|(code, checksum)| Sha256::digest(code).as_slice() == checksum)
}

fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn engine() -> wasmtime::Engine {
        wasmtime::Engine::new(&super::super::config::config(512 << 10)).unwrap()
    }

    fn digest() -> Digest {
        Digest::of(b"component")
    }

    #[test]
    fn what_was_put_is_found_again_by_another_cache() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("compiled");
        let written = Cache::open(&path, &engine()).unwrap().put(&digest(), b"code").unwrap();
        assert_eq!(Cache::open(&path, &engine()).unwrap().get(&digest()), Some(written));
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_damaged_entry_is_removed_and_not_found() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path(), &engine()).unwrap();
        let path = cache.put(&digest(), b"code").unwrap();
        for damage in [b"c0de".as_slice(), b"", &[0; 64]] {
            fs::write(&path, damage).unwrap();
            assert_eq!(cache.get(&digest()), None);
            assert!(!path.exists());
        }
    }

    #[test]
    fn an_entry_that_others_could_have_written_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path(), &engine()).unwrap();
        let path = cache.put(&digest(), b"code").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o622)).unwrap();
        assert_eq!(cache.get(&digest()), None);
    }

    #[test]
    fn a_folder_that_others_can_write_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let error = Cache::open(folder.path(), &engine()).err().unwrap().to_string();
        assert!(error.contains("other users can write it"), "{error}");
    }

    #[test]
    fn what_an_interrupted_write_or_another_runtime_left_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a-1.part", "a-0000000000000000.cwasm", "notes.txt"] {
            fs::write(folder.path().join(name), b"").unwrap();
        }
        Cache::open(folder.path(), &engine()).unwrap();
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().flatten().map(|entry| entry.file_name()).collect();
        assert_eq!(left, ["notes.txt"]);
    }
}

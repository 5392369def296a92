//! Where the node keeps what its pods need. In: a folder. Out: the places below it. Names are short, since the path of a
//! Unix socket has at most 107 bytes.
//!
//! ```text
//! lock                         held while a node uses the folder
//! p/ID/v/VOLUME                a volume that lives as long as its pod
//! p/ID/c/CONTAINER             what the image holds, and mounted configuration with its paths rewritten
//! claims/NAMESPACE_CLAIM_ID    the data of a PersistentVolumeClaim: outlives pods and the node
//! running/NAMESPACE_POD_CONTAINER.json   one for each running process, see `Access`
//! logs/NAMESPACE_POD_ID/CONTAINER.log    what containers write
//! unfinished/ID                a data folder whose initialisation has begun and not ended
//! ```

use std::fs::{DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// Longest path of the folder, in bytes, that leaves room for a socket in a volume of a pod.
const ROOM: usize = 40;

/// Why the folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The system refuses.
    #[error("cannot use the node's folder {folder}: failed to {action}")]
    Io {
        /// The folder.
        folder: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Another node runs on it.
    #[error("another node uses the folder {folder}; stop it, or give each node a folder of its own")]
    InUse {
        /// The folder.
        folder: PathBuf,
    },
}

/// The folder of a running node.
pub(super) struct Layout {
    root: PathBuf,
    short: PathBuf,
    _lock: File,
}

/// A name for anything, the same each time: the first characters of a hash.
pub(super) fn id(of: &str) -> String {
    Sha256::digest(of.as_bytes()).iter().take(5).map(|byte| format!("{byte:02x}")).collect()
}

/// Makes a folder that is nobody else's business, with the ones above it.
pub(super) fn private(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

impl Layout {
    /// Takes the folder over, made if it is not there.
    pub(super) fn open(folder: &Path) -> Result<Self, StateError> {
        let fail = |action| {
            let folder = folder.to_path_buf();
            move |source| StateError::Io { folder, action, source }
        };
        private(folder).map_err(fail("make it"))?;
        let root = folder.canonicalize().map_err(fail("find it"))?;
        let lock = File::options().create(true).append(true).open(root.join("lock")).map_err(fail("open its lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StateError::InUse { folder: root }),
            Err(TryLockError::Error(source)) => return Err(fail("lock it")(source)),
        }
        for below in ["p", "claims", "running", "logs", "unfinished"] {
            private(&root.join(below)).map_err(fail("make a folder in it"))?;
        }
        let short = shortened(&root).map_err(fail("make a short name for it"))?;
        Ok(Self { root, short, _lock: lock })
    }

    /// The folder itself.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of a pod.
    pub(super) fn pod(&self, uid: &str) -> PathBuf {
        self.short.join("p").join(id(uid))
    }

    /// Every pod's folder that is there.
    pub(super) fn pods(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.short.join("p")).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    }

    /// The folder of a claim.
    pub(super) fn claim(&self, namespace: &str, name: &str, uid: &str) -> PathBuf {
        self.short.join("claims").join(format!("{namespace}_{name}_{}", id(uid)))
    }

    /// The folders of all claims.
    pub(super) fn claims(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.short.join("claims")).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    }

    /// The file that a container writes to.
    pub(super) fn log(&self, namespace: &str, pod: &str, uid: &str, container: &str) -> PathBuf {
        self.root.join("logs").join(format!("{namespace}_{pod}_{}", id(uid))).join(format!("{container}.log"))
    }

    /// The note that a data folder is not initialised to the end.
    pub(super) fn unfinished(&self, data: &Path) -> PathBuf {
        self.root.join("unfinished").join(id(&data.to_string_lossy()))
    }
}

impl Drop for Layout {
    fn drop(&mut self) {
        if self.short != self.root {
            // Left behind it does no harm: it leads to a folder of this user's.
            let _ = std::fs::remove_file(&self.short);
        }
    }
}

/// A short name of a folder: itself, or a link in the system's folder for such things.
fn shortened(root: &Path) -> io::Result<PathBuf> {
    if root.as_os_str().as_bytes().len() <= ROOM {
        return Ok(root.to_path_buf());
    }
    let link = Path::new("/tmp").join(format!("wl-{}", id(&root.to_string_lossy())));
    match std::os::unix::fs::symlink(root, &link) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let own = std::fs::symlink_metadata(&link)?.uid() == rustix::process::geteuid().as_raw();
            match own && std::fs::read_link(&link)? == root {
                true => Ok(link),
                false => Err(io::Error::other(format!("{} is in the way: remove it", link.display()))),
            }
        }
        other => other.map(|()| link),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_folder_serves_one_node_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let held = Layout::open(folder.path()).unwrap();
        assert!(matches!(Layout::open(folder.path()), Err(StateError::InUse { .. })));
        drop(held);
        assert!(Layout::open(folder.path()).is_ok());
    }

    #[test]
    fn a_deep_folder_gets_a_short_name_for_the_sake_of_sockets() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("a-rather-long-name/".repeat(12));
        let layout = Layout::open(&deep).unwrap();
        let socket = layout.pod(&"u".repeat(36)).join("v/run/mysqld.sock");
        assert!(socket.as_os_str().len() < 100, "{}", socket.display());
        std::fs::create_dir_all(socket.parent().unwrap()).unwrap();
        assert!(std::os::unix::net::UnixListener::bind(&socket).is_ok());
        let link = layout.short.clone();
        drop(layout);
        assert!(std::fs::symlink_metadata(link).is_err());
    }
}

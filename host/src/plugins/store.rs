//! Components that served last, on disk, so that a host that starts with a broken wish still serves what it served
//! before. Digests in, bytes that have that digest out. Nothing else in the folder is believed.

use crate::decide::Digest;
use model::Grants;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// What a plugin serves with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Serving {
    /// SHA-256 of the component in hexadecimal digits.
    pub digest: String,
    /// Settings, as JSON text.
    pub settings: String,
    /// Grants.
    pub grants: Grants,
}

/// A folder of components, named `PLUGIN.DIGEST.wasm`.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
}

impl Store {
    /// In a folder that is made where it is missing; none where that fails, which is said in the log.
    pub fn open(folder: &Path) -> Option<Store> {
        match fs::DirBuilder::new().recursive(true).mode(0o700).create(folder) {
            Ok(()) => Some(Store { folder: folder.to_owned() }),
            Err(error) => {
                tracing::warn!(folder = %folder.display(), %error, "components cannot be kept for a restart");
                None
            }
        }
    }

    fn path(&self, plugin: &str, digest: &str) -> PathBuf {
        self.folder.join(format!("{plugin}.{digest}.wasm"))
    }

    /// Keeps a component. What cannot be kept is fetched again.
    pub fn put(&self, plugin: &str, digest: &Digest, bytes: &[u8]) {
        let path = self.path(plugin, &digest.to_string());
        if path.exists() {
            return;
        }
        let part = path.with_extension("part");
        let _ = fs::remove_file(&part);
        let written = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&part)
            .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&part, &path));
        if let Err(error) = written {
            tracing::warn!(plugin, %error, "the component could not be kept for a restart");
        }
    }

    /// A component, if it is there and has this digest.
    pub fn get(&self, plugin: &str, digest: &str) -> Option<(Digest, Vec<u8>)> {
        let hexadecimal = digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
        let bytes = hexadecimal.then(|| fs::read(self.path(plugin, digest)).ok()).flatten()?;
        let found = Digest::of(&bytes);
        (found.to_string() == digest).then_some((found, bytes))
    }

    /// Notes with which settings and grants a component serves, so that a host that starts in the middle of a rollout knows
    /// what it serves beside the new version.
    pub fn note(&self, plugin: &str, serving: &Serving) {
        let path = self.folder.join(format!("{plugin}.serving.json"));
        let part = path.with_extension("part");
        let _ = fs::remove_file(&part);
        let written = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&part)
            .and_then(|mut file| file.write_all(&serde_json::to_vec(serving).unwrap_or_default()))
            .and_then(|()| fs::rename(&part, &path));
        if let Err(error) = written {
            tracing::warn!(plugin, %error, "what serves could not be noted for a restart");
        }
    }

    /// What served last, as far as that is known.
    pub fn noted(&self, plugin: &str) -> Option<Serving> {
        serde_json::from_slice(&fs::read(self.folder.join(format!("{plugin}.serving.json"))).ok()?).ok()
    }

    /// Forgets what served last.
    pub fn forget(&self, plugin: &str) {
        let _ = fs::remove_file(self.folder.join(format!("{plugin}.serving.json")));
    }

    /// Forgets all other components of a plugin.
    pub fn keep_only(&self, plugin: &str, digests: &[Digest]) {
        let kept: Vec<PathBuf> = digests.iter().map(|digest| self.path(plugin, &digest.to_string())).collect();
        let prefix = format!("{plugin}.");
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            // The rest of the name has no dot but the last one: names of plugins may have them.
            let own = name
                .to_str()
                .and_then(|name| name.strip_prefix(&prefix)?.strip_suffix(".wasm"))
                .is_some_and(|rest| !rest.contains('.'));
            if own && !kept.contains(&entry.path()) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_found_and_what_was_changed_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("components")).unwrap();
        let digest = Digest::of(b"code");
        store.put("a", &digest, b"code");
        let text = digest.to_string();
        assert_eq!(store.get("a", &text), Some((digest, b"code".to_vec())));
        assert_eq!(store.get("b", &text), None);
        assert_eq!(store.get("a", "../../etc/passwd"), None);
        fs::write(store.path("a", &text), b"c0de").unwrap();
        assert_eq!(store.get("a", &text), None);
    }

    #[test]
    fn what_serves_is_noted_until_it_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let serving = Serving { digest: "ab".into(), settings: "{\"a\":1}".into(), grants: Grants::default() };
        assert_eq!(store.noted("a"), None);
        store.note("a", &Serving { digest: "cd".into(), ..serving.clone() });
        store.note("a", &serving);
        store.keep_only("a", &[]);
        assert_eq!(store.noted("a"), Some(serving));
        assert_eq!(store.noted("b"), None);
        store.forget("a");
        assert_eq!(store.noted("a"), None);
    }

    #[test]
    fn old_components_of_a_plugin_are_forgotten_and_those_of_others_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let (old, new) = (Digest::of(b"old"), Digest::of(b"new"));
        store.put("a", &old, b"old");
        store.put("a", &new, b"new");
        store.put("a.b", &old, b"old");
        store.keep_only("a", &[new]);
        assert!(store.get("a", &new.to_string()).is_some() && store.get("a", &old.to_string()).is_none());
        assert!(store.get("a.b", &old.to_string()).is_some());
    }
}

//! What volumes hold that are made from objects. In: a volume of a pod, the ConfigMaps and Secrets it names. Out: files
//! with their contents and modes. Pure, but for [`write`], which brings a folder up to date with them.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use k8s_openapi::api::core::v1::{DownwardAPIVolumeFile, KeyToPath, Pod, Volume};

use super::environment::{field, resource};
use super::layout::private;

/// The modes that the API gives to files where none is asked for.
const MODE: i32 = 0o644;

/// Where ConfigMaps and Secrets come from.
pub(super) trait Sources: Send + Sync {
    /// All keys of a ConfigMap. One that is optional and not there is empty.
    fn config_map(&self, namespace: &str, name: &str, optional: bool) -> Result<BTreeMap<String, Vec<u8>>, Absent>;
    /// All keys of a Secret. One that is optional and not there is empty.
    fn secret(&self, namespace: &str, name: &str, optional: bool) -> Result<BTreeMap<String, Vec<u8>>, Absent>;
}

/// What a container needs and is not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Absent {
    /// The object.
    #[error("{kind} {name:?} not found")]
    Object { kind: &'static str, name: String },
    /// A key of it.
    #[error("couldn't find key {key} in {kind} {namespace}/{name}")]
    Key { kind: &'static str, namespace: String, name: String, key: String },
    /// The volume is of a kind that this node cannot make.
    #[error("volume {volume:?} is of a kind that this node does not have")]
    Kind { volume: String },
    /// A mount names no volume.
    #[error("there is no volume {volume:?}")]
    Volume { volume: String },
}

/// One file: its contents, its mode, whether container paths in it are to be replaced. Secrets are taken as they are: a
/// password may look like anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) bytes: Vec<u8>,
    pub(super) mode: u32,
    pub(super) rewritten: bool,
}

/// Files by their path in the volume.
pub(super) type Files = BTreeMap<String, Content>;

/// The files of a volume that is made from objects; none where it is of another kind.
pub(super) fn files(
    pod: &Pod,
    volume: &Volume,
    address: Ipv4Addr,
    sources: &dyn Sources,
) -> Result<Option<Files>, Absent> {
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let from_map = |name: &str, items: &Option<Vec<KeyToPath>>, mode: Option<i32>, optional: Option<bool>| {
        let optional = optional == Some(true);
        let held = sources.config_map(namespace, name, optional)?;
        chosen(("ConfigMap", namespace, name), held, items, mode.unwrap_or(MODE), optional, true)
    };
    let from_secret = |name: &str, items: &Option<Vec<KeyToPath>>, mode: Option<i32>, optional: Option<bool>| {
        let optional = optional == Some(true);
        let held = sources.secret(namespace, name, optional)?;
        chosen(("Secret", namespace, name), held, items, mode.unwrap_or(MODE), optional, false)
    };
    if let Some(map) = &volume.config_map {
        return from_map(&map.name, &map.items, map.default_mode, map.optional).map(Some);
    }
    if let Some(secret) = &volume.secret {
        let name = secret.secret_name.as_deref().unwrap_or_default();
        return from_secret(name, &secret.items, secret.default_mode, secret.optional).map(Some);
    }
    if let Some(fields) = &volume.downward_api {
        return Ok(Some(downward(pod, fields.items.as_deref().unwrap_or_default(), fields.default_mode, address)));
    }
    let Some(projected) = &volume.projected else { return Ok(None) };
    let mut all = Files::new();
    for source in projected.sources.iter().flatten() {
        if let Some(map) = &source.config_map {
            all.extend(from_map(&map.name, &map.items, projected.default_mode, map.optional)?);
        }
        if let Some(secret) = &source.secret {
            all.extend(from_secret(&secret.name, &secret.items, projected.default_mode, secret.optional)?);
        }
        if let Some(fields) = &source.downward_api {
            all.extend(downward(pod, fields.items.as_deref().unwrap_or_default(), projected.default_mode, address));
        }
        // Tokens and bundles of certificates are for talking to the cluster, which no image that is run here does.
    }
    Ok(Some(all))
}

fn chosen(
    (kind, namespace, name): (&'static str, &str, &str),
    mut held: BTreeMap<String, Vec<u8>>,
    items: &Option<Vec<KeyToPath>>,
    mode: i32,
    optional: bool,
    rewritten: bool,
) -> Result<Files, Absent> {
    let content = |bytes, mode: i32| Content { bytes, mode: mode as u32 & 0o777, rewritten };
    let Some(items) = items.as_ref().filter(|items| !items.is_empty()) else {
        return Ok(held.into_iter().map(|(key, bytes)| (key, content(bytes, mode))).collect());
    };
    let mut files = Files::new();
    for item in items {
        match held.remove(&item.key) {
            Some(bytes) => drop(files.insert(item.path.clone(), content(bytes, item.mode.unwrap_or(mode)))),
            None if optional => {}
            None => {
                let (namespace, name, key) = (namespace.to_owned(), name.to_owned(), item.key.clone());
                return Err(Absent::Key { kind, namespace, name, key });
            }
        }
    }
    Ok(files)
}

fn downward(pod: &Pod, items: &[DownwardAPIVolumeFile], mode: Option<i32>, address: Ipv4Addr) -> Files {
    let containers = pod.spec.iter().flat_map(|s| &s.containers);
    let value = |item: &DownwardAPIVolumeFile| match (&item.field_ref, &item.resource_field_ref) {
        (Some(selector), _) => field(pod, selector, address),
        (None, Some(selector)) => {
            let named = |name: &str| containers.clone().find(|c| c.name == name);
            let container = selector.container_name.as_deref().and_then(named);
            container.map(|container| resource(container, selector)).unwrap_or_default()
        }
        (None, None) => String::new(),
    };
    let file = |item: &DownwardAPIVolumeFile| {
        let mode = item.mode.or(mode).unwrap_or(MODE) as u32 & 0o777;
        (item.path.clone(), Content { bytes: value(item).into_bytes(), mode, rewritten: false })
    };
    items.iter().map(file).collect()
}

/// Makes a folder hold exactly these files. A file that changes is replaced as a whole: who reads it sees the old or the
/// new one. Returns whether anything changed.
pub(super) fn write(folder: &Path, files: &Files, rewrite: impl Fn(&str) -> String) -> io::Result<bool> {
    private(folder)?;
    let mut changed = false;
    for (path, content) in files {
        // The API server refuses such paths; another one might not.
        if path.split('/').any(|part| part == ".." || part.is_empty()) {
            return Err(io::Error::other(format!("{path:?} leads out of the volume")));
        }
        let target = folder.join(path);
        let text = content.rewritten.then(|| std::str::from_utf8(&content.bytes).ok().map(&rewrite)).flatten();
        let bytes = text.map_or_else(|| content.bytes.clone(), String::into_bytes);
        if std::fs::read(&target).is_ok_and(|held| held == bytes) {
            continue;
        }
        if let Some(parent) = target.parent() {
            private(parent)?;
        }
        let draft = target.with_extension("windlass-draft");
        let mut file = std::fs::File::options().create(true).write(true).truncate(true).mode(0o600).open(&draft)?;
        io::Write::write_all(&mut file, &bytes)?;
        // The user of the container is the node's: it must be able to read what the group may.
        file.set_permissions(std::fs::Permissions::from_mode(content.mode | 0o400))?;
        std::fs::rename(&draft, &target)?;
        changed = true;
    }
    Ok(remove_others(folder, "", files)? || changed)
}

fn remove_others(folder: &Path, prefix: &str, files: &Files) -> io::Result<bool> {
    let mut changed = false;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            changed |= remove_others(&entry.path(), &format!("{name}/"), files)?;
        } else if !files.contains_key(&name) {
            std::fs::remove_file(entry.path())?;
            changed = true;
        }
    }
    Ok(changed)
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    /// A ConfigMap `map` and a Secret `secret`, in every namespace.
    pub(in super::super) struct Fixed;

    impl Sources for Fixed {
        fn config_map(&self, _: &str, name: &str, optional: bool) -> Result<BTreeMap<String, Vec<u8>>, Absent> {
            match name {
                "map" => {
                    Ok([("key".to_owned(), b"value".to_vec()), ("cnf".to_owned(), b"dir=/run/root".to_vec())].into())
                }
                _ if optional => Ok(BTreeMap::new()),
                _ => Err(Absent::Object { kind: "configmap", name: name.to_owned() }),
            }
        }

        fn secret(&self, _: &str, name: &str, optional: bool) -> Result<BTreeMap<String, Vec<u8>>, Absent> {
            match name {
                "secret" => Ok([("password".to_owned(), b"/run/root".to_vec())].into()),
                _ if optional => Ok(BTreeMap::new()),
                _ => Err(Absent::Object { kind: "secret", name: name.to_owned() }),
            }
        }
    }

    fn of(volume: serde_json::Value) -> Result<Option<Files>, Absent> {
        let pod = serde_json::from_value(json!({"metadata": {"name": "p", "namespace": "n"}})).unwrap();
        files(&pod, &serde_json::from_value(volume).unwrap(), Ipv4Addr::LOCALHOST, &Fixed)
    }

    #[test]
    fn a_volume_holds_the_chosen_keys_under_the_chosen_names_with_the_chosen_modes() {
        let held = of(json!({"name": "v", "secret": {"secretName": "secret", "defaultMode": 288,
            "items": [{"key": "password", "path": "a/b"}]}}))
        .unwrap()
        .unwrap();
        assert_eq!(held["a/b"], Content { bytes: b"/run/root".to_vec(), mode: 0o440, rewritten: false });
        let held = of(json!({"name": "v", "projected": {"sources": [{"configMap": {"name": "map"}},
            {"downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}}]}}));
        let held = held.unwrap().unwrap();
        assert_eq!(held.keys().collect::<Vec<_>>(), ["cnf", "key", "name"]);
        assert_eq!((held["name"].bytes.as_slice(), held["key"].mode), (b"p".as_slice(), 0o644));
        assert_eq!(of(json!({"name": "v", "emptyDir": {}})), Ok(None));
    }

    #[test]
    fn a_missing_source_is_an_error_unless_it_is_optional() {
        let volume = |optional: bool| json!({"name": "v", "configMap": {"name": "none", "optional": optional}});
        assert_eq!(of(volume(true)).unwrap().unwrap(), Files::new());
        assert_eq!(of(volume(false)).unwrap_err().to_string(), "configmap \"none\" not found");
        let item = json!({"name": "v", "configMap": {"name": "map", "items": [{"key": "no", "path": "x"}]}});
        assert_eq!(of(item).unwrap_err().to_string(), "couldn't find key no in ConfigMap n/map");
    }

    #[test]
    fn a_folder_follows_its_files_and_only_maps_are_rewritten() {
        let folder = tempfile::tempdir().unwrap();
        let write = |files: &Files| write(folder.path(), files, |text| text.replace("/run/root", "/h"));
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).ok();
        let mut files = of(json!({"name": "v", "configMap": {"name": "map"}})).unwrap().unwrap();
        assert!(write(&files).unwrap());
        assert_eq!(read("cnf").unwrap(), "dir=/h");
        assert!(!write(&files).unwrap());
        files.remove("cnf");
        files.extend(of(json!({"name": "v", "secret": {"secretName": "secret"}})).unwrap().unwrap());
        assert!(write(&files).unwrap());
        assert_eq!((read("cnf"), read("password").unwrap()), (None, "/run/root".to_owned()));
        let out = Content { bytes: Vec::new(), mode: 0, rewritten: false };
        assert!(write(&[("../x".to_owned(), out)].into()).is_err());
    }
}

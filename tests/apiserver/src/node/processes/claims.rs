//! The data of claims and of pods that are gone. In: the claims, volumes and pods of the cluster. Out: folders removed
//! that nobody can refer to any more.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim, Pod};
use kube::api::ListParams;
use kube::{Api, Client};

use super::Machine;
use super::layout::id;
use crate::machinery::workers::Tasks;

/// Until a failed look is tried again.
const RETRY: Duration = Duration::from_secs(2);

/// Cleans up once, and again whenever a claim went.
pub(super) fn start(client: Client, machine: &Arc<Machine>, tasks: &Tasks) {
    let pods = machine.layout.pods();
    let machine = machine.clone();
    tasks.spawn(async move {
        // Only what was there before this node started: its own pods may be younger than the list.
        while let Err(error) = sweep_pods(&client, &pods).await {
            tracing::debug!(%error, "failed to look for folders of pods that are gone, will retry");
            tokio::time::sleep(RETRY).await;
        }
        loop {
            while let Err(error) = sweep_claims(&client, &machine).await {
                tracing::debug!(%error, "failed to look for claims that are gone, will retry");
                tokio::time::sleep(RETRY).await;
            }
            machine.sources.gone.notified().await;
        }
    });
}

async fn sweep_pods(client: &Client, folders: &[PathBuf]) -> kube::Result<()> {
    if folders.is_empty() {
        return Ok(());
    }
    let pods: Api<Pod> = Api::all(client.clone());
    let live: HashSet<String> =
        pods.list(&ListParams::default()).await?.into_iter().filter_map(|p| Some(id(&p.metadata.uid?))).collect();
    for folder in folders {
        if folder.file_name().is_none_or(|name| !live.contains(name.to_string_lossy().as_ref())) {
            remove(folder).await;
        }
    }
    Ok(())
}

/// Removes the data of claims that are gone, but for those whose volume is to be retained.
async fn sweep_claims(client: &Client, machine: &Machine) -> kube::Result<()> {
    // First the folders, then the claims: one that is made meanwhile is in the list.
    let folders = machine.layout.claims();
    if folders.is_empty() {
        return Ok(());
    }
    let claims: Api<PersistentVolumeClaim> = Api::all(client.clone());
    let claims = claims.list(&ListParams::default()).await?;
    let mut live: HashSet<String> = claims.into_iter().filter_map(|c| Some(id(&c.metadata.uid?))).collect();
    let volumes: Api<PersistentVolume> = Api::all(client.clone());
    let volumes = volumes.list(&ListParams::default()).await?.into_iter().filter_map(|v| v.spec);
    let retained = volumes.filter(|v| v.persistent_volume_reclaim_policy.as_deref() == Some("Retain"));
    live.extend(retained.filter_map(|v| Some(id(&v.claim_ref?.uid?))));
    for folder in folders {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !name.rsplit('_').next().is_some_and(|uid| live.contains(uid)) {
            tracing::info!(folder = %folder.display(), "removes the data of a claim that is gone");
            remove(&folder).await;
        }
    }
    Ok(())
}

/// Removes a folder with all that is in it; one behind a link is emptied, since somebody chose it.
pub(super) async fn remove(folder: &Path) {
    let owned = folder.to_path_buf();
    let removed = tokio::task::spawn_blocking(move || {
        if std::fs::symlink_metadata(&owned)?.is_symlink() {
            empty(&owned)?;
            return std::fs::remove_file(&owned);
        }
        std::fs::remove_dir_all(&owned)
    });
    match removed.await {
        Ok(Err(error)) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(folder = %folder.display(), %error, "failed to remove a folder");
        }
        _ => {}
    }
}

/// Removes all that is in a folder.
pub(super) fn empty(folder: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            std::fs::remove_dir_all(entry.path())?;
        } else {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

//! Claims and volumes. In: PersistentVolumeClaims, nodes, pods. Out: once a node is there, a made-up volume bound to
//! each claim, as a dynamic provisioner would; volumes of claims that are gone deleted; the protection finalizer taken
//! off claims that nobody uses any more; volumes grown with their claims. Without a node claims stay Pending, as in a
//! cluster without a provisioner.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{
    HostPathVolumeSource, PersistentVolume, PersistentVolumeClaim, PersistentVolumeClaimStatus, PersistentVolumeSpec,
    PersistentVolumeStatus, Pod,
};
use k8s_openapi::api::storage::v1::StorageClass;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Size;
use kube::api::DeleteParams;
use kube::core::metadata::ObjectMeta;

use super::context::{Context, follow};
use super::pods;
use crate::machinery::error::Error;
use crate::machinery::key::Key;
use crate::machinery::queue::Queue;
use crate::machinery::recorder::{Kind, reference};
use crate::machinery::workers::Pass;
use crate::schema::quantity::Quantity;

const COMPONENT: &str = "persistentvolume-controller";
const PROVISIONER: &str = "windlass.dev/local";
const PROVISIONED_BY: &str = "pv.kubernetes.io/provisioned-by";
const STORAGE: &str = "storage";
const CLAIM_PROTECTION: &str = "kubernetes.io/pvc-protection";
const VOLUME_PROTECTION: &str = "kubernetes.io/pv-protection";

/// Registers the controller's interests and starts its workers.
pub(crate) fn start(ctx: &Arc<Context>) {
    let claims: Queue<Key> = Queue::new();
    follow(&ctx.claims, &claims);
    let (q, held) = (claims.clone(), ctx.clone());
    ctx.nodes.on_change(move |old, _| {
        if old.is_none() {
            held.claims.all().iter().filter(|c| !is_bound(c)).for_each(|c| q.add(Key::of(&**c)));
        }
    });
    let (q, held) = (claims.clone(), ctx.clone());
    ctx.pods.on_change(move |old, new| {
        // A claim on its way out waits for the last pod that uses it.
        let ended = new.is_none_or(|p| pods::is_finished(p));
        for key in new.or(old).filter(|_| ended).into_iter().flat_map(|p| claims_of(p)) {
            if held.claims.get(&key).is_some_and(|c| c.metadata.deletion_timestamp.is_some()) {
                q.add(key);
            }
        }
    });
    let volumes: Queue<Key> = Queue::new();
    follow(&ctx.volumes, &volumes);
    let q = volumes.clone();
    ctx.claims.on_change(move |old, new| {
        if let (Some(gone), None) = (old, new) {
            let name = gone.spec.as_ref().and_then(|s| s.volume_name.clone());
            q.add(Key::new("", name.unwrap_or_else(|| volume_name(gone))));
        }
    });
    let held = ctx.clone();
    ctx.tasks.work(COMPONENT, &claims, 4, ctx.ready(), move |key| {
        let ctx = held.clone();
        async move { claim_pass(&ctx, &key).await }
    });
    let held = ctx.clone();
    ctx.tasks.work(COMPONENT, &volumes, 2, ctx.ready(), move |key| {
        let ctx = held.clone();
        async move { volume_pass(&ctx, &key).await }
    });
}

fn is_bound(claim: &PersistentVolumeClaim) -> bool {
    claim.status.as_ref().and_then(|s| s.phase.as_deref()) == Some("Bound")
}

fn claims_of(pod: &Pod) -> Vec<Key> {
    let namespace = pod.metadata.namespace.clone().unwrap_or_default();
    let volumes = pod.spec.iter().flat_map(|s| s.volumes.iter().flatten());
    let claims = volumes.filter_map(|v| v.persistent_volume_claim.as_ref());
    claims.map(|c| Key::new(&namespace, &c.claim_name)).collect()
}

fn volume_name(claim: &PersistentVolumeClaim) -> String {
    format!("pvc-{}", claim.metadata.uid.as_deref().unwrap_or_default())
}

async fn claim_pass(ctx: &Context, key: &Key) -> Pass {
    let Some(claim) = ctx.claims.get(key) else { return Ok(None) };
    if claim.metadata.deletion_timestamp.is_some() {
        return release(ctx, &claim, key).await;
    }
    if is_bound(&claim) {
        return grow(ctx, &claim, key).await;
    }
    if ctx.nodes.is_empty() {
        return Ok(None);
    }
    let spec = claim.spec.clone().unwrap_or_default();
    let named = spec.volume_name.clone().filter(|n| !n.is_empty());
    let name = named.clone().unwrap_or_else(|| volume_name(&claim));
    if named.as_ref().is_some_and(|n| *n != volume_name(&claim)) && ctx.volumes.get(&Key::new("", &name)).is_none() {
        // Somebody wants a volume of their own, which is not there yet.
        return Ok(None);
    }
    if ctx.volumes.get(&Key::new("", &name)).is_none() {
        match ctx.volumes.create(&volume(&claim, &name)).await {
            Ok(_) => {}
            Err(error) if error.is_already_exists() => {}
            Err(error) => return Err(error),
        }
    }
    let mut held = claim.clone();
    if named.is_none() {
        let patch = serde_json::json!({"spec": {"volumeName": name}, "metadata": {"annotations": {
            "pv.kubernetes.io/bind-completed": "yes", "pv.kubernetes.io/bound-by-controller": "yes",
            "volume.kubernetes.io/storage-provisioner": PROVISIONER}}});
        held = ctx.claims.patch(&claim, patch).await?;
    }
    let status = PersistentVolumeClaimStatus {
        access_modes: spec.access_modes.clone(),
        capacity: spec.resources.as_ref().and_then(|r| r.requests.clone()),
        phase: Some("Bound".to_owned()),
        ..held.status.clone().unwrap_or_default()
    };
    ctx.claims.replace_status(&held, &status).await?;
    let message = format!("Successfully provisioned volume {name}");
    ctx.events.event(PROVISIONER, &*claim, Kind::Normal, "ProvisioningSucceeded", message);
    Ok(None)
}

/// Gives a bound claim the size that it asks for, where its class lets volumes grow. A claim that names no class has the
/// provisioner's own, which does.
async fn grow(ctx: &Context, claim: &PersistentVolumeClaim, key: &Key) -> Pass {
    let status = claim.status.clone().unwrap_or_default();
    let asked = claim.spec.as_ref().and_then(|s| s.resources.as_ref()?.requests.as_ref()?.get(STORAGE));
    let held = status.capacity.as_ref().and_then(|c| c.get(STORAGE));
    let parsed = |size: Option<&Size>| size.and_then(|size| Quantity::parse(&size.0));
    let (Some(asked), Some(wanted), Some(has)) = (asked, parsed(asked), parsed(held)) else { return Ok(None) };
    if wanted.compare(&has).is_le() {
        return Ok(None);
    }
    let name = claim.spec.as_ref().and_then(|s| s.volume_name.clone()).unwrap_or_default();
    let Some(volume) = ctx.volumes.get(&Key::new("", &name)).filter(|v| is_ours(v)) else { return Ok(None) };
    let class = claim.spec.as_ref().and_then(|s| s.storage_class_name.clone()).filter(|class| !class.is_empty());
    if let Some(class) = class {
        let classes: kube::Api<StorageClass> = kube::Api::all(ctx.client.clone());
        let found = classes.get_opt(&class).await.map_err(|e| Error::api("get", "StorageClass", key, e))?;
        if found.and_then(|class| class.allow_volume_expansion) != Some(true) {
            return Ok(None);
        }
    }
    let size: BTreeMap<_, _> = [(STORAGE.to_owned(), asked.clone())].into();
    ctx.volumes.patch(&volume, serde_json::json!({"spec": {"capacity": size}})).await?;
    let mut capacity = status.capacity.clone().unwrap_or_default();
    capacity.extend(size);
    let grown = PersistentVolumeClaimStatus { capacity: Some(capacity), ..status };
    ctx.claims.replace_status(claim, &grown).await?;
    let message = format!("Volume {name} was grown to {}", asked.0);
    ctx.events.event(PROVISIONER, claim, Kind::Normal, "VolumeResizeSuccessful", message);
    Ok(None)
}

fn is_ours(volume: &PersistentVolume) -> bool {
    volume.metadata.annotations.as_ref().and_then(|a| a.get(PROVISIONED_BY)).is_some_and(|p| p == PROVISIONER)
}

/// The volume of a claim.
fn volume(claim: &PersistentVolumeClaim, name: &str) -> PersistentVolume {
    let spec = claim.spec.clone().unwrap_or_default();
    PersistentVolume {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            annotations: Some([(PROVISIONED_BY.to_owned(), PROVISIONER.to_owned())].into()),
            ..ObjectMeta::default()
        },
        spec: Some(PersistentVolumeSpec {
            access_modes: spec.access_modes,
            capacity: spec.resources.and_then(|r| r.requests),
            claim_ref: Some(reference(claim)),
            persistent_volume_reclaim_policy: Some("Delete".to_owned()),
            storage_class_name: spec.storage_class_name,
            volume_mode: spec.volume_mode,
            // A place that nobody uses: the local node keeps its data by claim, not by volume.
            host_path: Some(HostPathVolumeSource { path: format!("/var/lib/windlass/{name}"), type_: None }),
            ..PersistentVolumeSpec::default()
        }),
        status: None,
    }
}

/// Lets a claim go that no pod uses any more.
async fn release(ctx: &Context, claim: &PersistentVolumeClaim, key: &Key) -> Pass {
    let held = claim.metadata.finalizers.clone().unwrap_or_default();
    if !held.iter().any(|f| f == CLAIM_PROTECTION) {
        return Ok(None);
    }
    let members = ctx.pods.in_namespace(&key.namespace);
    if members.iter().any(|p| !pods::is_finished(p) && claims_of(p).contains(key)) {
        return Ok(None);
    }
    let rest: Vec<_> = held.into_iter().filter(|f| f != CLAIM_PROTECTION).collect();
    settled(ctx.claims.patch(claim, serde_json::json!({"metadata": {"finalizers": rest}})).await)
}

async fn volume_pass(ctx: &Context, key: &Key) -> Pass {
    let Some(volume) = ctx.volumes.get(key) else { return Ok(None) };
    if volume.metadata.deletion_timestamp.is_some() {
        let held = volume.metadata.finalizers.clone().unwrap_or_default();
        let phase = volume.status.as_ref().and_then(|s| s.phase.as_deref());
        if !held.iter().any(|f| f == VOLUME_PROTECTION) || (phase == Some("Bound") && claim_of(ctx, &volume).is_some())
        {
            return Ok(None);
        }
        let rest: Vec<_> = held.into_iter().filter(|f| f != VOLUME_PROTECTION).collect();
        return settled(ctx.volumes.patch(&volume, serde_json::json!({"metadata": {"finalizers": rest}})).await);
    }
    if !is_ours(&volume) {
        return Ok(None);
    }
    let Some(_) = claim_of(ctx, &volume) else {
        // The cache may lag behind the claim's creation, so the API server has the last word.
        let wanted = volume.spec.as_ref().and_then(|s| s.claim_ref.clone()).unwrap_or_default();
        let claim = Key::new(wanted.namespace.unwrap_or_default(), wanted.name.unwrap_or_default());
        let live = ctx.claims.api(&claim.namespace).get_metadata_opt(&claim.name).await;
        let live = live.map_err(|e| Error::api("get", "PersistentVolumeClaim", &claim, e))?;
        if live.is_some_and(|l| l.metadata.uid == wanted.uid) {
            return Ok(None);
        }
        ctx.volumes.delete(&volume, DeleteParams::default()).await?;
        return Ok(None);
    };
    if volume.status.as_ref().and_then(|s| s.phase.as_deref()) != Some("Bound") {
        let status = PersistentVolumeStatus {
            phase: Some("Bound".to_owned()),
            last_phase_transition_time: Some(ctx.clock.time()),
            ..PersistentVolumeStatus::default()
        };
        ctx.volumes.replace_status(&volume, &status).await?;
    }
    Ok(None)
}

fn claim_of(ctx: &Context, volume: &PersistentVolume) -> Option<Arc<PersistentVolumeClaim>> {
    let wanted = volume.spec.as_ref()?.claim_ref.as_ref()?;
    let key = Key::new(wanted.namespace.clone()?, wanted.name.clone()?);
    ctx.claims.get(&key).filter(|c| c.metadata.uid == wanted.uid)
}

fn settled<T>(result: Result<T, Error>) -> Pass {
    match result {
        Ok(_) => Ok(None),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

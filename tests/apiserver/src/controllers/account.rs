//! The service account controller. In: active namespaces. Out: a ServiceAccount `default` in each of them.

use std::sync::Arc;

use k8s_openapi::api::core::v1::ServiceAccount;
use kube::core::metadata::ObjectMeta;

use super::context::{Context, follow};
use crate::machinery::key::Key;
use crate::machinery::queue::Queue;
use crate::machinery::workers::Pass;

const COMPONENT: &str = "serviceaccount-controller";
const DEFAULT: &str = "default";

/// Registers the controller's interests and starts its workers.
pub(crate) fn start(ctx: &Arc<Context>) {
    let queue: Queue<Key> = Queue::new();
    follow(&ctx.namespaces, &queue);
    let q = queue.clone();
    ctx.accounts.on_change(move |old, new| {
        if let (Some(gone), None) = (old, new)
            && gone.metadata.name.as_deref() == Some(DEFAULT)
        {
            q.add(Key::new("", gone.metadata.namespace.clone().unwrap_or_default()));
        }
    });
    let held = ctx.clone();
    ctx.tasks.work(COMPONENT, &queue, 2, ctx.ready(), move |key| {
        let ctx = held.clone();
        async move { pass(&ctx, &key).await }
    });
}

async fn pass(ctx: &Context, key: &Key) -> Pass {
    let Some(namespace) = ctx.namespaces.get(key) else { return Ok(None) };
    let wanted = Key::new(&key.name, DEFAULT);
    if namespace.metadata.deletion_timestamp.is_some() || ctx.accounts.get(&wanted).is_some() {
        return Ok(None);
    }
    let account = ServiceAccount {
        metadata: ObjectMeta { name: Some(wanted.name), namespace: Some(wanted.namespace), ..ObjectMeta::default() },
        ..ServiceAccount::default()
    };
    match ctx.accounts.create(&account).await {
        Ok(_) => Ok(None),
        Err(error) if error.is_already_exists() || error.is_namespace_terminating() || error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

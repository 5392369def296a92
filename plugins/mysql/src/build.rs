//! What should exist for one `MySQL`. In: the resource and what is there already. Out: items, in the order in which they
//! are created: Secrets and configuration, then Services, then the StatefulSet, then what builds on it. Servers and what is
//! laid over pods and claims wait for none of them: a failover must not wait for a Service.
//!
//! Each object has a file of its own.

pub mod account;
pub mod backup;
pub mod budget;
pub mod config;
pub mod mycnf;
pub mod overlay;
pub mod pod;
pub mod secret;
pub mod server;
pub mod service;
pub mod statefulset;

use crate::cluster::rollout::Rollout;
use crate::name::Names;
use crate::spec::MysqlSpec;
use mycnf::MyCnf;
use statefulset::Pods;
use windlass_sdk::{Item, Metadata, Value, json};

/// Id of the item of the StatefulSet.
pub const STATEFUL_SET: &str = "statefulset";
/// Id of the item of the Backup.
pub const BACKUP: &str = "backup";

/// What all objects of one cluster are built from.
pub struct Cluster<'a> {
    /// Metadata of the resource.
    pub metadata: &'a Metadata,
    /// What the user wrote.
    pub spec: &'a MysqlSpec,
    /// Names of the children.
    pub names: &'a Names,
    /// my.cnf.
    pub mycnf: &'a MyCnf,
}

/// Every Kubernetes object that the cluster owns. `pods` are those of the cluster; `live` is the StatefulSet as it was
/// found, some of whose fields can never change.
pub fn items(cluster: &Cluster<'_>, pods: Pods, live: Option<&Value>, rollout: &Rollout) -> Vec<Item> {
    let mut items = secret::items(cluster);
    items.push(config::item(cluster));
    let first: Vec<String> = items.iter().map(|item| item.id.clone()).collect();
    let services = service::items(cluster);
    let mut before = first;
    before.extend(services.iter().map(|item| item.id.clone()));
    items.extend(services);
    items.push(statefulset::item(cluster, pods, live, rollout).after(&before));
    items.extend(budget::item(cluster).map(|item| item.after([STATEFUL_SET])));
    items.extend(backup::item(cluster).map(|item| item.after([STATEFUL_SET])));
    items
}

/// Labels of every object of the cluster.
pub fn labels(names: &Names) -> Value {
    let mut labels = json!(names.selector());
    labels["app.kubernetes.io/component"] = json!("database");
    labels
}

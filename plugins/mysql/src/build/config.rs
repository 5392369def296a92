//! The ConfigMap with my.cnf and the statements that every server runs when it starts.

use super::{Cluster, labels};
use windlass_sdk::{Item, json};

/// The ConfigMap.
pub fn item(cluster: &Cluster<'_>) -> Item {
    Item::kubernetes(
        "config",
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": { "name": cluster.names.config, "labels": labels(cluster.names) },
            "data": { "my.cnf": cluster.mycnf.text, "start.sql": cluster.mycnf.start_sql },
        }),
    )
}

//! The accounts of a cluster: what each may do, and no more. In: the names of their Secrets. Out: accounts as the backend
//! makes them. They are made on the primary, and replicas get them from there.

use super::Cluster;
use crate::name::{ADMIN, Account, BACKUP, DONOR, MONITOR, REPLICATION};
use windlass_sdk::SecretKey;
use windlass_sdk::mysql::MysqlAccount;

/// What each account may do. Privileges by the manual's list of what each statement needs. None may make accounts or hand
/// on rights: while an account is not as wished, the operator logs in as root.
const GRANTS: [(Account, &[&str]); 5] = [
    (
        ADMIN,
        &[
            // Read-only, acknowledgements, the donor of a copy.
            "SYSTEM_VARIABLES_ADMIN ON *.*",
            // Ends sessions of clients, those of administrators included, before a server becomes read-only.
            "CONNECTION_ADMIN ON *.*",
            "SYSTEM_USER ON *.*",
            // The port that still answers when all connections are taken.
            "SERVICE_CONNECTION_ADMIN ON *.*",
            // Sources are set, forgotten and looked at.
            "REPLICATION_SLAVE_ADMIN ON *.*",
            "REPLICATION CLIENT ON *.*",
            "REPLICATION SLAVE ON *.*",
            "RELOAD ON *.*",
            "CLONE_ADMIN ON *.*",
            "SHUTDOWN ON *.*",
            "PROCESS ON *.*",
            // What is the case: sessions, workers, and whether accounts and the login of a replica are as wished.
            "SELECT ON performance_schema.*",
            "SELECT ON mysql.*",
        ],
    ),
    (REPLICATION, &["REPLICATION SLAVE ON *.*"]),
    (DONOR, &["BACKUP_ADMIN ON *.*"]),
    (
        BACKUP,
        &[
            "SELECT ON *.*",
            "SHOW VIEW ON *.*",
            "TRIGGER ON *.*",
            "EVENT ON *.*",
            "LOCK TABLES ON *.*",
            "PROCESS ON *.*",
            "RELOAD ON *.*",
            "REPLICATION CLIENT ON *.*",
            // Definitions stand still while a dump runs.
            "BACKUP_ADMIN ON *.*",
        ],
    ),
    (MONITOR, &["PROCESS ON *.*", "REPLICATION CLIENT ON *.*", "SELECT ON performance_schema.*"]),
];

/// The accounts.
pub fn accounts(cluster: &Cluster<'_>, keep_previous: bool) -> Vec<MysqlAccount> {
    GRANTS
        .iter()
        .map(|(account, grants)| MysqlAccount {
            user: key(cluster, *account, "username"),
            password: key(cluster, *account, "password"),
            keep_previous,
            grants: grants.iter().map(|grant| (*grant).to_string()).collect(),
        })
        .collect()
}

/// A key of the Secret of an account.
pub fn key(cluster: &Cluster<'_>, account: Account, key: &str) -> SecretKey {
    SecretKey::new(cluster.names.secret(account), key)
}

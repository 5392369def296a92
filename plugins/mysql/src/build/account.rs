//! The accounts of a cluster: what each may do, and no more. In: the names of their Secrets. Out: accounts as the backend
//! makes them. They are made on the primary, and replicas get them from there.

use super::Cluster;
use crate::name::{ADMIN, Account, BACKUP, DONOR, MONITOR, REPLICATION};
use windlass_sdk::SecretKey;
use windlass_sdk::mysql::MysqlAccount;

/// What each account may do. Privileges by the manual's list of what each statement needs.
const GRANTS: [(Account, &[&str]); 5] = [
    (
        ADMIN,
        &[
            // Read-only switches, acknowledgements, binary logging of a session.
            "SYSTEM_VARIABLES_ADMIN ON *.*",
            "SESSION_VARIABLES_ADMIN ON *.*",
            // Writes while a server is read-only are none of its business; ending the sessions of clients is.
            "CONNECTION_ADMIN ON *.*",
            // The port that still answers when all connections are taken.
            "SERVICE_CONNECTION_ADMIN ON *.*",
            "REPLICATION_SLAVE_ADMIN ON *.*",
            "REPLICATION CLIENT ON *.*",
            "REPLICATION SLAVE ON *.*",
            "BACKUP_ADMIN ON *.*",
            "CLONE_ADMIN ON *.*",
            "SYSTEM_USER ON *.*",
            "SHUTDOWN ON *.*",
            "RELOAD ON *.*",
            "PROCESS ON *.*",
            // The other accounts, and what it may hand on to them.
            "CREATE USER ON *.* WITH GRANT OPTION",
            "SELECT ON *.* WITH GRANT OPTION",
            "SHOW VIEW ON *.* WITH GRANT OPTION",
            "TRIGGER ON *.* WITH GRANT OPTION",
            "EVENT ON *.* WITH GRANT OPTION",
            "LOCK TABLES ON *.* WITH GRANT OPTION",
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
    SecretKey::new(&cluster.names.secret(account), key)
}

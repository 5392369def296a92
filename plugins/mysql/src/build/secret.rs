//! One Secret for each account. The values are the host's: it makes them once and shows them to nobody, this plugin
//! included.

use super::Cluster;
use crate::name::{ACCOUNTS, Account, ROOT};
use windlass_sdk::{Item, Secret};

/// Characters of a password: letters and digits, so about 190 bits.
const PASSWORD_LENGTH: u32 = 32;

/// The Secrets, root's first.
pub fn items(cluster: &Cluster<'_>) -> Vec<Item> {
    let labels = cluster.names.selector();
    ACCOUNTS
        .iter()
        .map(|account| {
            let secret = Secret::named(cluster.names.secret(*account))
                .plain("username", account.user)
                .random("password", PASSWORD_LENGTH)
                .generation(generation(cluster, *account))
                .labels(labels.iter().map(|(key, value)| (*key, *value)));
            Item::secret(&format!("secret/{}", account.id), secret)
        })
        .collect()
}

/// Generation of the password of an account. That of root does not change: it is what the operator logs in with while the
/// password of its own account is changed, and a server reads it when it starts.
fn generation(cluster: &Cluster<'_>, account: Account) -> u32 {
    if account == ROOT { 1 } else { cluster.spec.credentials.generation.saturating_add(1) }
}

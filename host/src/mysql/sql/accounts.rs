//! The wanted accounts as they are on one server: a session and the item in, what there is of each out.
//!
//! Whether the password is the wanted one is told by a keyed fingerprint of it in the account's attribute, so that nobody
//! has to log in with it and no hash leaves the server.

use super::{
    connect::Session,
    errors::Trouble,
    grants::{self, Grants},
    read::{cell, name_of},
    statement::{ATTRIBUTE, account},
};
use crate::mysql::Wanted;
use model::mysql::AccountSeen;

/// One account: its fingerprint, and whether an older password is valid beside the current one.
const ACCOUNT: &str = "SELECT JSON_UNQUOTE(JSON_EXTRACT(User_attributes, CONCAT('$.metadata.', ?))), \
    COALESCE(JSON_CONTAINS_PATH(User_attributes, 'one', '$.additional_password'), 0), \
    account_locked = 'Y' OR password_expired = 'Y' FROM mysql.user WHERE User = ? AND Host = '%'";

/// What there is of each wanted account, in their order.
pub async fn seen(session: &mut Session, wanted: &Wanted) -> Result<Vec<AccountSeen>, Trouble> {
    let mut all = Vec::with_capacity(wanted.server.accounts.len());
    for account in &wanted.server.accounts {
        let (Some(user), Some(fingerprint)) =
            (name_of(wanted, &account.user), wanted.secrets.fingerprint(&account.password))
        else {
            // Its Secret is not there yet.
            all.push(AccountSeen::default());
            continue;
        };
        let rows = session.rows_with(ACCOUNT, (ATTRIBUTE, user.as_str())).await?;
        let Some(row) = rows.first() else {
            all.push(AccountSeen::default());
            continue;
        };
        let found: Option<String> = cell(row, 0);
        let unusable = cell::<u8>(row, 2).unwrap_or_default() != 0;
        let grants_as_wanted = match grants::wanted(&account.grants) {
            Ok(wants) => {
                let wants = expanded(session, wants).await?;
                granted(session, &user).await? == wants
            }
            Err(_) => false,
        };
        all.push(AccountSeen {
            exists: true,
            password_as_wanted: found.as_deref() == Some(fingerprint) && !unusable,
            previous_valid: cell::<u8>(row, 1).unwrap_or_default() != 0,
            grants_as_wanted,
        });
    }
    Ok(all)
}

/// The privileges that an account has.
pub async fn granted(session: &mut Session, user: &str) -> Result<Grants, Trouble> {
    let rows = session.rows(&format!("SHOW GRANTS FOR {}", account(user))).await?;
    let lines: Vec<String> = rows.iter().filter_map(|row| cell(row, 0)).collect();
    Ok(grants::granted(&lines))
}

/// `ALL` as this server understands it.
pub async fn expanded(session: &mut Session, grants: Grants) -> Result<Grants, Trouble> {
    if !grants::needs_expansion(&grants) {
        return Ok(grants);
    }
    let rows = session.rows("SHOW PRIVILEGES").await?;
    let names: Vec<String> = rows.iter().filter_map(|row| cell(row, 0)).collect();
    Ok(grants::expanded(grants, &names))
}

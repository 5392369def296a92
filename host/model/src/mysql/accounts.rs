//! Accounts of a writable server. In: those wanted and what each looks like. Out: what to change.

use super::{Change, Course};
use crate::decision::MysqlAccount;

/// What was found of one wanted account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccountSeen {
    /// It is there.
    pub exists: bool,
    /// Its current password is the wanted one.
    pub password_as_wanted: bool,
    /// An older password is valid beside the current one.
    pub previous_valid: bool,
    /// It has the wanted privileges and no others.
    pub grants_as_wanted: bool,
}

impl AccountSeen {
    fn as_wanted(self, account: &MysqlAccount) -> bool {
        let AccountSeen { exists, password_as_wanted, previous_valid, grants_as_wanted } = self;
        exists && password_as_wanted && grants_as_wanted && (account.keep_previous || !previous_valid)
    }
}

/// Names of the Secrets of the accounts that are as wanted, for `accounts` of the facts.
pub fn as_wanted(accounts: &[MysqlAccount], seen: &[AccountSeen]) -> Vec<String> {
    let pairs = accounts.iter().zip(seen);
    pairs.filter(|(account, seen)| seen.as_wanted(account)).map(|(account, _)| account.user.secret.clone()).collect()
}

pub(super) fn plan(accounts: &[MysqlAccount], seen: &[AccountSeen], course: &mut Course) {
    for (account, seen) in accounts.iter().zip(seen) {
        let AccountSeen { exists, password_as_wanted, previous_valid, grants_as_wanted } = *seen;
        if !exists {
            course.push(Change::CreateAccount(account.clone()));
            continue;
        }
        if !password_as_wanted {
            course.push(Change::ChangePassword { account: account.clone(), retain: account.keep_previous });
        }
        if previous_valid && !account.keep_previous {
            course.push(Change::DiscardOldPassword(account.clone()));
        }
        if !grants_as_wanted {
            course.push(Change::SetGrants(account.clone()));
        }
    }
}

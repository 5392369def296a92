//! The administrator's login. In: what the user wrote. Out: what the server gets, since Azure keeps some names for itself.

use crate::spec::DEFAULT_LOGIN;

/// Logins that Azure SQL refuses when a server is created.
const RESERVED: [&str; 9] =
    ["admin", "administrator", "sa", "root", "dbmanager", "loginmanager", "dbo", "guest", "public"];

/// Whether Azure keeps a login for itself.
pub fn is_reserved(login: &str) -> bool {
    RESERVED.contains(&login.to_ascii_lowercase().as_str())
}

/// The login that the server gets for what is written.
pub fn effective(written: &str) -> &str {
    if is_reserved(written) { DEFAULT_LOGIN } else { written }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserved_login_is_replaced_and_every_other_is_kept() {
        assert_eq!(effective("admin"), "sqladmin");
        assert_eq!(effective("SA"), "sqladmin");
        assert_eq!(effective("ada"), "ada");
        assert_eq!(effective("administrators"), "administrators");
        assert!(!is_reserved(DEFAULT_LOGIN));
    }
}

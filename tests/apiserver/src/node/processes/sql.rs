//! The statements that set a new server up, and what a server says about its settings. Pure.

use std::fmt::Write;

/// Whom a new server is to know.
#[derive(Clone, Default)]
pub(super) struct Accounts {
    pub(super) root_password: String,
    /// Where root may come from besides the server's own machine; empty: anywhere.
    pub(super) root_host: String,
    pub(super) database: String,
    pub(super) user: String,
    pub(super) password: String,
}

/// Statements in the image's order. What concerns root stays out of the binary log; the rest does not.
pub(super) fn accounts(accounts: &Accounts) -> String {
    let root = literal(&accounts.root_password);
    let mut text = String::from("SET autocommit = 1;\nSET @@SESSION.SQL_LOG_BIN = 0;\n");
    let _ = write!(
        text,
        "ALTER USER 'root'@'localhost' IDENTIFIED BY {root};\n\
         GRANT ALL ON *.* TO 'root'@'localhost' WITH GRANT OPTION;\nFLUSH PRIVILEGES;\n"
    );
    let host = if accounts.root_host.is_empty() { "%" } else { &accounts.root_host };
    if host != "localhost" {
        let host = literal(host);
        let _ = write!(
            text,
            "CREATE USER 'root'@{host} IDENTIFIED BY {root};\nGRANT ALL ON *.* TO 'root'@{host} WITH GRANT OPTION;\n"
        );
    }
    text.push_str("DROP DATABASE IF EXISTS test;\nSET @@SESSION.SQL_LOG_BIN = 1;\n");
    let database = accounts.database.replace('`', "``");
    if !accounts.database.is_empty() {
        let _ = writeln!(text, "CREATE DATABASE IF NOT EXISTS `{database}`;\nUSE `{database}`;");
    }
    if !accounts.user.is_empty() && !accounts.password.is_empty() {
        let user = literal(&accounts.user);
        let _ = writeln!(text, "CREATE USER {user}@'%' IDENTIFIED BY {};", literal(&accounts.password));
        if !accounts.database.is_empty() {
            let _ = writeln!(text, "GRANT ALL ON `{}`.* TO {user}@'%';", database.replace('_', "\\_"));
        }
    }
    text
}

/// A string as MySQL reads it, whatever is in it.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// A setting in what `mysqld --verbose --help` prints: a line that begins with its name, then spaces, then the value.
pub(super) fn setting<'a>(help: &'a str, name: &str) -> Option<&'a str> {
    help.lines().find_map(|line| {
        let rest = line.strip_prefix(name)?;
        rest.starts_with([' ', '\t']).then(|| rest.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_set_up_outside_of_the_binary_log_and_whatever_the_password_is() {
        let held = Accounts { root_password: "a'b\\c".to_owned(), ..Accounts::default() };
        let text = accounts(&held);
        let (quiet, logged) = text.split_once("SQL_LOG_BIN = 1").unwrap_or_default();
        assert!(quiet.contains("ALTER USER 'root'@'localhost' IDENTIFIED BY 'a''b\\\\c';"), "{text}");
        assert!(quiet.contains("CREATE USER 'root'@'%'"), "{text}");
        assert_eq!(logged, ";\n");
        let local = Accounts { root_host: "localhost".to_owned(), ..held };
        assert!(!accounts(&local).contains("CREATE USER"));
    }

    #[test]
    fn a_database_and_a_user_of_its_own_are_made_where_asked_for() {
        let held = Accounts {
            root_password: "r".to_owned(),
            database: "my_app".to_owned(),
            user: "app".to_owned(),
            password: "p".to_owned(),
            ..Accounts::default()
        };
        let text = accounts(&held);
        assert!(text.contains("CREATE DATABASE IF NOT EXISTS `my_app`"), "{text}");
        assert!(text.contains("GRANT ALL ON `my\\_app`.* TO 'app'@'%'"), "{text}");
    }

    #[test]
    fn a_setting_is_the_line_that_begins_with_its_name() {
        let help = "  --datadir=name     Path\n                datadir x\ndatadir-other  /no\ndatadir   /a b/c/\nsocket    /s\n";
        assert_eq!(setting(help, "datadir"), Some("/a b/c/"));
        assert_eq!(setting(help, "socket"), Some("/s"));
        assert_eq!(setting(help, "port"), None);
    }
}

//! The text of statements, from values. Pure: nothing is sent here.
//!
//! Statements with passwords are sent as plain text on purpose. A server replaces the password in what it shows of such a
//! statement (processlist, performance_schema, general log, binary log) by `<secret>` or a hash; a password that goes
//! through a user variable or a parameter is shown as it is. (Tried on 9.7: `SET @p = …` is in
//! `events_statements_history_long` and in the general log word for word.) The text here is always of correct syntax,
//! because a server does not rewrite what it cannot parse.

use model::{decision::TlsMode, mysql::ACK_TIMEOUT, redact::Redacted};

/// The words for a pause before a receiver connects again, seconds, and how often it tries.
const CONNECT_RETRY: &str = "SOURCE_CONNECT_RETRY=1, SOURCE_RETRY_COUNT=86400";

/// A statement, with words for it that may be shown to anyone.
#[derive(Debug)]
pub struct Statement {
    /// What it does, for messages: `set it read-only`.
    pub what: &'static str,
    /// What is sent.
    pub text: Redacted<String>,
}

impl Statement {
    /// A statement without values.
    pub fn fixed(what: &'static str, text: &str) -> Self {
        Statement { what, text: Redacted::new(text.to_owned()) }
    }

    fn new(what: &'static str, text: String) -> Self {
        Statement { what, text: Redacted::new(text) }
    }
}

/// A string literal, in a session whose `sql_mode` is empty.
pub fn quoted(value: &str) -> String {
    let mut text = String::with_capacity(value.len() + 2);
    text.push('\'');
    for character in value.chars() {
        match character {
            '\'' => text.push_str("''"),
            '\\' => text.push_str("\\\\"),
            '\0' => text.push_str("\\0"),
            '\u{1a}' => text.push_str("\\Z"),
            other => text.push(other),
        }
    }
    text.push('\'');
    text
}

/// `'user'@'%'`.
pub fn account(user: &str) -> String {
    format!("{}@'%'", quoted(user))
}

/// Variable by which sessions of hosts are known, so that a host does not take another one's for a client's. (Attributes of
/// the connection would say it too, but the client library does not send them over TLS.)
pub const MARK: &str = "windlass_host";

/// What each session begins with: string literals as [`quoted`] makes them, no lock waited for longer than this many
/// seconds, and the mark of a host.
pub fn session(lock_wait: u64) -> String {
    format!(
        "SET @{MARK} = 1, SESSION sql_mode = '', SESSION lock_wait_timeout = {lock_wait}, SESSION innodb_lock_wait_timeout = {lock_wait}"
    )
}

/// How many seconds the session waits for a lock from now on.
pub fn lock_wait(seconds: u64) -> Statement {
    Statement::new("set how long it waits for locks", format!("SET SESSION lock_wait_timeout = {seconds}"))
}

/// Ends one connection.
pub fn kill(id: u64) -> Statement {
    Statement::new("end the connection of a client", format!("KILL CONNECTION {id}"))
}

/// Ends the coordinator of an applier.
pub fn end_coordinator(id: u64) -> Statement {
    Statement::new("end the coordinator of its applier", format!("KILL CONNECTION {id}"))
}

/// How many acknowledgements a commit waits for; none: semi-synchronous replication is off.
pub fn acks(acks: Option<u32>) -> Statement {
    let what = "set how many acknowledgements a commit waits for";
    match acks {
        // One statement: a commit never waits for the new count with the old time.
        Some(acks) => Statement::new(
            what,
            format!(
                "SET GLOBAL rpl_semi_sync_source_timeout = {ACK_TIMEOUT}, GLOBAL rpl_semi_sync_source_wait_for_replica_count = {acks}, \
                 GLOBAL rpl_semi_sync_source_wait_no_replica = ON, GLOBAL rpl_semi_sync_source_enabled = ON"
            ),
        ),
        None => Statement::fixed(what, "SET GLOBAL rpl_semi_sync_source_enabled = OFF"),
    }
}

/// Whether a replica acknowledges.
pub fn replica_semi_sync(on: bool) -> Statement {
    let value = if on { "ON" } else { "OFF" };
    Statement::new("set whether it acknowledges", format!("SET GLOBAL rpl_semi_sync_replica_enabled = {value}"))
}

/// Where to replicate from.
pub struct Source<'a> {
    /// Address.
    pub host: &'a str,
    /// Port.
    pub port: u16,
    /// Login.
    pub user: &'a str,
    /// Its password.
    pub password: &'a str,
    /// How to talk to it.
    pub tls: TlsMode,
    /// File with the certificate authority on the replica; none: none is set.
    pub ca_file: Option<&'a str>,
    /// `SOURCE_AUTO_POSITION` may not be named while the applier runs.
    pub auto_position: bool,
}

/// Sets the source. Without TLS the password is sent under the source's public key.
pub fn follow(source: &Source<'_>) -> Statement {
    let Source { host, port, user, password, tls, ca_file, auto_position } = source;
    let mut text = format!(
        "CHANGE REPLICATION SOURCE TO SOURCE_HOST={}, SOURCE_PORT={port}, SOURCE_USER={}, SOURCE_PASSWORD={}, {CONNECT_RETRY}",
        quoted(host),
        quoted(user),
        quoted(password),
    );
    text.push_str(match tls {
        TlsMode::Disabled => ", SOURCE_SSL=0, SOURCE_SSL_VERIFY_SERVER_CERT=0, GET_SOURCE_PUBLIC_KEY=1",
        TlsMode::Required => ", SOURCE_SSL=1, SOURCE_SSL_VERIFY_SERVER_CERT=0, GET_SOURCE_PUBLIC_KEY=0",
        TlsMode::Verified => ", SOURCE_SSL=1, SOURCE_SSL_VERIFY_SERVER_CERT=1, GET_SOURCE_PUBLIC_KEY=0",
    });
    text.push_str(", SOURCE_SSL_CA=");
    text.push_str(&quoted(ca_file.unwrap_or_default()));
    if *auto_position {
        text.push_str(", SOURCE_AUTO_POSITION=1");
    }
    Statement::new("set its source", text)
}

/// Allows cloning from this server alone.
pub fn donor(host: &str, port: u16) -> Statement {
    let list = quoted(&format!("{host}:{port}"));
    Statement::new("name the donor of its clone", format!("SET GLOBAL clone_valid_donor_list = {list}"))
}

/// Lets a clone drop what is there, while clients stay out.
pub fn drop_for_clone() -> Statement {
    Statement::fixed("make room for its clone", "SET GLOBAL read_only = ON, GLOBAL super_read_only = OFF")
}

/// Nobody writes but replication.
pub fn super_read_only() -> Statement {
    Statement::fixed("set it read-only", "SET GLOBAL super_read_only = ON")
}

/// Replaces all data by a copy of the donor's.
pub fn clone_from(host: &str, port: u16, user: &str, password: &str, tls: TlsMode) -> Statement {
    let ssl = if tls == TlsMode::Disabled { "REQUIRE NO SSL" } else { "REQUIRE SSL" };
    let (user, host, password) = (quoted(user), quoted(host), quoted(password));
    Statement::new("clone", format!("CLONE INSTANCE FROM {user}@{host}:{port} IDENTIFIED BY {password} {ssl}"))
}

/// Name in an account's attribute for the fingerprint of the password that it was given.
pub const ATTRIBUTE: &str = "windlassPassword";

fn attribute(fingerprint: &str) -> String {
    quoted(&serde_json::json!({ ATTRIBUTE: fingerprint }).to_string())
}

/// Makes an account. It is there with this password afterwards, whatever was there before.
pub fn create_account(user: &str, password: &str, fingerprint: &str) -> Statement {
    let (user, password, attribute) = (account(user), quoted(password), attribute(fingerprint));
    Statement::new("create an account", format!("CREATE USER {user} IDENTIFIED BY {password} ATTRIBUTE {attribute}"))
}

/// Gives an account a password; `retain`: the one that it has stays valid beside it.
pub fn change_password(user: &str, password: &str, fingerprint: &str, retain: bool) -> Statement {
    let (user, password, attribute) = (account(user), quoted(password), attribute(fingerprint));
    let retain = if retain { " RETAIN CURRENT PASSWORD" } else { "" };
    Statement::new(
        "change the password of an account",
        format!("ALTER USER {user} IDENTIFIED BY {password}{retain} ATTRIBUTE {attribute}"),
    )
}

/// Only the current password of an account stays valid.
pub fn discard_old_password(user: &str) -> Statement {
    Statement::new(
        "discard the old password of an account",
        format!("ALTER USER {} DISCARD OLD PASSWORD", account(user)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f2_quotes_and_backslashes_end_no_literal() {
        assert_eq!(quoted("a'b"), "'a''b'");
        assert_eq!(quoted("a\\'; DROP USER root; -- "), "'a\\\\''; DROP USER root; -- '");
        assert_eq!(quoted("\0\u{1a}"), "'\\0\\Z'");
        assert_eq!(account("x'@'y"), "'x''@''y'@'%'");
    }

    #[test]
    fn l1_a_statement_shows_what_it_does_and_not_what_it_says() {
        let statement = create_account("u", "hunter2", "fp1:0");
        assert!(!format!("{statement:?}").contains("hunter2"));
    }

    #[test]
    fn a_running_applier_is_not_told_about_its_position() {
        let source = |auto_position| Source {
            host: "h",
            port: 1,
            user: "u",
            password: "p",
            tls: TlsMode::Required,
            ca_file: None,
            auto_position,
        };
        assert!(follow(&source(true)).text.expose().ends_with(", SOURCE_AUTO_POSITION=1"));
        assert!(!follow(&source(false)).text.expose().contains("AUTO_POSITION"));
    }
}

//! my.cnf from the user's settings and the cluster's. In: a spec. Out: the file, the statements that a server runs at its
//! start, and the settings of the user that were left out because the cluster depends on them.

use crate::build::service::{ADMIN_PORT, PORT};
use crate::spec::MysqlSpec;
use std::fmt::Write;
use windlass_sdk::{IntOrString, Quantity, names};

/// Where the ConfigMap is mounted besides the image's folder for settings.
pub const START_DIR: &str = "/etc/windlass";

/// Settings that the cluster depends on. They come last in the file, so they win over every spelling of an option.
const FORCED: &[(&str, &str)] = &[
    ("datadir", "/var/lib/mysql"),
    ("socket", "/var/run/mysqld/mysqld.sock"),
    ("pid_file", "/var/run/mysqld/mysqld.pid"),
    // The one folder that statements can read files from: it holds root's password, for the statements of the start.
    ("secure_file_priv", ROOT_DIR),
    // A DNS server that is slow or gone must not stop logins; accounts are by name and password.
    ("skip_name_resolve", "ON"),
    // Replication by GTID, from any server to any other.
    ("gtid_mode", "ON"),
    ("enforce_gtid_consistency", "ON"),
    ("log_bin", "binlog"),
    ("log_replica_updates", "ON"),
    // A server that comes back does nothing by itself: whether it replicates, and from whom, is decided first.
    ("skip_replica_start", "ON"),
    // ON throws away what was received and not yet applied, which may be the last copy of an acknowledged commit.
    ("relay_log_recovery", "OFF"),
    // An acknowledgement promises what is on a disk: of the server that commits and of the one that acknowledges.
    ("sync_binlog", "1"),
    ("innodb_flush_log_at_trx_commit", "1"),
    ("sync_relay_log", "1"),
    // A replica never shows a later transaction without an earlier one.
    ("replica_preserve_commit_order", "ON"),
    // A commit waits for its acknowledgements before others can see it, however long that takes, and whoever is left.
    ("loose_rpl_semi_sync_source_wait_point", "AFTER_SYNC"),
    ("loose_rpl_semi_sync_source_wait_no_replica", "ON"),
    ("loose_rpl_semi_sync_source_timeout", "86400000"),
];

/// Settings that are the cluster's too, but given elsewhere: on the command line, by the file of start statements, or by
/// the server's default.
const FORCED_ELSEWHERE: &[&str] = &[
    "admin_address",
    "admin_port",
    "binlog_format",
    "bind_address",
    "clone",
    "init_file",
    "log_slave_updates",
    "offline_mode",
    "plugin_load",
    "plugin_load_add",
    "port",
    "read_only",
    "replica_skip_errors",
    "report_host",
    "report_port",
    "server_id",
    "skip_grant_tables",
    "skip_log_bin",
    "skip_networking",
    "skip_slave_start",
    "slave_preserve_commit_order",
    "slave_skip_errors",
    "ssl_ca",
    "ssl_cert",
    "ssl_key",
    "super_read_only",
    "user",
];

/// Settings that a user may change.
const DEFAULTS: &[(&str, &str)] = &[
    // The X protocol has no use in the cluster: less that listens.
    ("loose_mysqlx", "OFF"),
];

/// Where the Secret with root's password is mounted.
pub const ROOT_DIR: &str = "/run/windlass/root";
/// Where the servers' certificates are mounted, where the user gave some.
pub const TLS_DIR: &str = "/run/windlass/tls";

/// Run at every start, before clients are let in. While the image makes a data directory (`--initialize`, which loads no
/// plugins, and then a server without network) it needs root as it made it, and must be able to write. Every other start
/// gives root the password of its Secret, so that whoever has the Secret gets in, whatever the volume or a restore
/// brought along; it leaves no trace in the binary log, and none of the password in any log. And it is read-only until the
/// cluster has decided who takes writes.
///
/// One statement a line, as the server reads this file. Statements that may differ are prepared, because there is no
/// `IF` outside of stored programs, and because a prepared statement is logged without its passwords.
const START_SQL: &str = "\
SET SESSION sql_log_bin = 0;
SET @windlass_started = NOT @@GLOBAL.skip_networking AND EXISTS (SELECT 1 FROM information_schema.plugins WHERE plugin_name = 'clone');
SET @windlass_password = IF(@windlass_started, LOAD_FILE('/run/windlass/root/password'), NULL);
SET @windlass_quoted = QUOTE(CONVERT(@windlass_password USING utf8mb4));
SET @windlass_statement = IF(@windlass_password IS NULL, 'DO 0', CONCAT('CREATE USER IF NOT EXISTS ''root''@''%'' IDENTIFIED BY ', @windlass_quoted));
PREPARE windlass FROM @windlass_statement;
EXECUTE windlass;
SET @windlass_statement = IF(@windlass_password IS NULL, 'DO 0', CONCAT('ALTER USER IF EXISTS ''root''@''%'' IDENTIFIED BY ', @windlass_quoted, ', ''root''@''localhost'' IDENTIFIED BY ', @windlass_quoted));
PREPARE windlass FROM @windlass_statement;
EXECUTE windlass;
SET @windlass_statement = IF(@windlass_password IS NULL, 'DO 0', 'GRANT ALL ON *.* TO ''root''@''%'' WITH GRANT OPTION');
PREPARE windlass FROM @windlass_statement;
EXECUTE windlass;
DEALLOCATE PREPARE windlass;
SET @windlass_password = NULL, @windlass_quoted = NULL, @windlass_statement = NULL;
SET GLOBAL super_read_only = @windlass_started;
";

/// Memory that a server uses besides its buffer pool, in bytes: a rule of thumb (caches, performance schema, some
/// dozens of connections).
const BESIDES_POOL: i128 = 256 << 20;
/// Size in which a buffer pool grows, in bytes; the server would round up to it.
const POOL_CHUNK: i128 = 128 << 20;

/// The files of one cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MyCnf {
    /// my.cnf.
    pub text: String,
    /// Statements that every start runs.
    pub start_sql: &'static str,
    /// Keys of the user's settings that were left out, as the user wrote them.
    pub forced: Vec<String>,
    /// Changes when the files change, and with it the pods.
    pub hash: String,
}

/// Builds the files.
pub fn build(spec: &MysqlSpec) -> MyCnf {
    let mut forced = Vec::new();
    let mut text =
        String::from("# Made by Windlass from the MySQL resource; changes made here are undone.\n[mysqld]\n");
    let mut line = |key: &str, value: &str| {
        let _ = writeln!(text, "{key} = {}", quoted(value));
    };
    for (key, value) in DEFAULTS {
        line(key, value);
    }
    if let Some(size) = buffer_pool(spec) {
        line("innodb_buffer_pool_size", &size.to_string());
    }
    for (key, value) in &spec.config {
        if is_forced(key) {
            forced.push(key.clone());
        } else {
            line(key, &value.to_string());
        }
    }
    for (key, value) in FORCED {
        line(key, value);
    }
    if spec.tls.secret_name.is_some() {
        for (key, file) in [("ssl_ca", "ca.crt"), ("ssl_cert", "tls.crt"), ("ssl_key", "tls.key")] {
            line(key, &format!("{TLS_DIR}/{file}"));
        }
    }
    line("port", &PORT.to_string());
    line("admin_port", &ADMIN_PORT.to_string());
    line("init_file", &format!("{START_DIR}/start.sql"));
    for plugin in
        ["clone=mysql_clone.so", "rpl_semi_sync_source=semisync_source.so", "rpl_semi_sync_replica=semisync_replica.so"]
    {
        line("plugin_load_add", plugin);
    }
    let hash = names::hash(format!("{text}\0{START_SQL}").as_bytes())[..16].to_string();
    MyCnf { text, start_sql: START_SQL, forced, hash }
}

/// Whether the cluster depends on this setting, under whatever spelling.
pub fn is_forced(key: &str) -> bool {
    let name = plain_name(key);
    let known = |name: &str| {
        FORCED.iter().any(|(key, _)| *key == name)
            || FORCED_ELSEWHERE.contains(&name)
            || ["rpl_semi_sync_", "admin_ssl_", "admin_tls_"].iter().any(|family| name.starts_with(family))
    };
    known(&name)
        || ["skip_", "disable_", "enable_"].iter().any(|prefix| name.strip_prefix(prefix).is_some_and(known))
        || known(&format!("skip_{name}"))
}

/// An option's name without the spellings that MySQL accepts for it: dashes, capitals, `loose_`.
fn plain_name(key: &str) -> String {
    let name = key.to_ascii_lowercase().replace('-', "_");
    name.strip_prefix("loose_").map(str::to_string).unwrap_or(name)
}

/// Seven in ten bytes of what the container's memory leaves, where the memory is known and the user set no size.
fn buffer_pool(spec: &MysqlSpec) -> Option<i128> {
    let own = ["innodb_buffer_pool_size", "innodb_dedicated_server"];
    if spec.config.keys().any(|key| own.contains(&plain_name(key).as_str())) {
        return None;
    }
    let resources = spec.server_resources();
    let memory = resources.limits.get("memory").or_else(|| resources.requests.get("memory"))?;
    let bytes = match memory {
        IntOrString::Int(bytes) => i128::from(*bytes),
        IntOrString::String(text) => Quantity::parse(text)?.units(),
    };
    let pool = bytes.saturating_sub(BESIDES_POOL) / 10 * 7;
    Some((pool / POOL_CHUNK * POOL_CHUNK).clamp(POOL_CHUNK, 1 << 50))
}

/// A value as option files take it: plain where nothing in it has a meaning there, else in quotes.
fn quoted(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.,:/+*@%()-={}".contains(c);
    if !value.is_empty() && value.chars().all(plain) {
        return value.to_string();
    }
    let quote = if value.contains('"') { '\'' } else { '"' };
    format!("{quote}{}{quote}", value.replace('\\', "\\\\"))
}

/// Why a setting cannot be written to an option file; none where it can.
pub fn refuses(key: &str, value: &IntOrString) -> Option<&'static str> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    if key.len() > 64 || !key.starts_with(|c: char| c.is_ascii_alphabetic()) || !key.chars().all(allowed) {
        return Some("is no name of a server option: use letters, digits, `_`, `-` and `.`, at most 64");
    }
    let IntOrString::String(value) = value else { return None };
    if value.chars().count() > 1024 {
        return Some("is longer than 1024 characters");
    }
    if value.chars().any(char::is_control) {
        return Some("contains a control character or a line break");
    }
    (value.contains('"') && value.contains('\''))
        .then_some("contains both kinds of quotes, which an option file cannot hold")
}

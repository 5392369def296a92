//! What one server is: a session in, facts out. Statements that read, and nothing else.

use super::{
    accounts,
    connect::{Session, text},
    errors::{Trouble, code},
};
use crate::mysql::Wanted;
use model::{
    decision::{Replication, ReplicationSource, TlsMode},
    mysql::{AccountSeen, accounts_as_wanted},
    snapshot::{CloneFacts, CloneState, IoState, MysqlFacts, SemiSyncFacts, SourceFacts},
};
use mysql_async::{Row, from_value_opt, prelude::FromValue};
use std::collections::{BTreeMap, BTreeSet};

/// What one look at a server brought.
pub struct Reading {
    /// Without what only a memory of earlier looks tells.
    pub facts: MysqlFacts,
    /// Milliseconds.
    pub ack_timeout: u64,
    /// The source is the wanted one, but for host and port.
    pub source_as_wanted: bool,
    /// By GTID.
    pub auto_position: bool,
    /// In the order of the item.
    pub accounts: Vec<AccountSeen>,
    /// Connections that wait in their commit.
    pub committing: BTreeSet<u64>,
    /// Bytes that were written to the binary log and sent to replicas, where a connection waits; 0 where none does.
    pub moved: u64,
}

/// Who the server is and what it executed.
const SERVER: &str = "SELECT VERSION(), @@GLOBAL.server_uuid, @@GLOBAL.server_id, @@GLOBAL.read_only, \
    @@GLOBAL.super_read_only, @@GLOBAL.gtid_executed, @@GLOBAL.gtid_purged";
/// Settings and counters that are there only while a plugin is loaded.
const SETTINGS: &str = "SELECT LOWER(VARIABLE_NAME), VARIABLE_VALUE FROM performance_schema.global_variables \
    WHERE VARIABLE_NAME IN ('rpl_semi_sync_source_enabled', 'rpl_semi_sync_source_wait_for_replica_count', \
    'rpl_semi_sync_source_timeout', 'rpl_semi_sync_replica_enabled') \
    UNION ALL SELECT LOWER(VARIABLE_NAME), VARIABLE_VALUE FROM performance_schema.global_status \
    WHERE VARIABLE_NAME IN ('Rpl_semi_sync_source_wait_sessions', 'Uptime')";
/// 8.0.22 and later.
const SOURCE: &str = "SHOW REPLICA STATUS";
/// 8.0.22 and later.
const ATTACHED: &str = "SHOW REPLICAS";
/// There only while the plugin is loaded.
const CLONE: &str = "SELECT STATE, ERROR_NO FROM performance_schema.clone_status";
/// Stages of a session in its commit. The first is that of a semi-synchronous wait (8.0.26 and later).
const COMMITTING: &str = "SELECT ID FROM performance_schema.processlist WHERE STATE LIKE 'Waiting for semi-sync ACK%' \
    OR STATE = 'waiting for handler commit'";
/// Bytes written to the binary log by this server since its start, and sent by the threads that serve replicas.
const MOVED: &str = "SELECT CAST( \
    COALESCE((SELECT SUM(SUM_NUMBER_OF_BYTES_WRITE) FROM performance_schema.file_summary_by_event_name \
        WHERE EVENT_NAME = 'wait/io/file/sql/binlog'), 0) \
    + COALESCE((SELECT SUM(status.VARIABLE_VALUE) FROM performance_schema.threads threads \
        JOIN performance_schema.status_by_thread status USING (THREAD_ID) \
        WHERE threads.PROCESSLIST_COMMAND LIKE 'Binlog Dump%' AND status.VARIABLE_NAME = 'Bytes_sent'), 0) \
    AS UNSIGNED)";
/// Age of the transaction that was applied last, microseconds.
const LAG: &str = "SELECT TIMESTAMPDIFF(MICROSECOND, LAST_APPLIED_TRANSACTION_ORIGINAL_COMMIT_TIMESTAMP, \
    LAST_APPLIED_TRANSACTION_END_APPLY_TIMESTAMP) FROM performance_schema.replication_applier_status_by_worker \
    WHERE CHANNEL_NAME = '' AND LAST_APPLIED_TRANSACTION_ORIGINAL_COMMIT_TIMESTAMP > 0 \
    ORDER BY LAST_APPLIED_TRANSACTION_END_APPLY_TIMESTAMP DESC LIMIT 1";
/// What `SHOW REPLICA STATUS` does not tell. The password is compared on the server, so that it is not sent around.
const SOURCE_LOGIN: &str = "SELECT User_name, User_password, Enabled_ssl, Ssl_verify_server_cert \
    FROM mysql.slave_master_info WHERE Channel_name = ''";

/// Reads everything.
pub async fn read(session: &mut Session, wanted: &Wanted) -> Result<Reading, Trouble> {
    let (mut facts, ack_timeout, auto_position) = facts(session).await?;
    let source_as_wanted = match (&facts.source, &wanted.server.replication) {
        (Some(_), Replication::Source(source)) => same_login(session, source, wanted).await?,
        _ => false,
    };
    let accounts = accounts::seen(session, wanted).await?;
    facts.accounts = accounts_as_wanted(&wanted.server.accounts, &accounts);
    let committing: BTreeSet<u64> = session.rows(COMMITTING).await?.iter().filter_map(|row| cell(row, 0)).collect();
    let moved = match committing.is_empty() {
        true => 0,
        false => session.rows(MOVED).await?.first().and_then(|row| cell(row, 0)).unwrap_or_default(),
    };
    Ok(Reading { facts, ack_timeout, source_as_wanted, auto_position, accounts, committing, moved })
}

/// Reads what preconditions are about, and how long a commit waits, and whether the source is asked by GTID.
pub async fn facts(session: &mut Session) -> Result<(MysqlFacts, u64, bool), Trouble> {
    let server = session.rows(SERVER).await?.into_iter().next().ok_or(Trouble::Unreadable)?;
    let settings = Settings::of(&session.rows(SETTINGS).await?);
    let status = session
        .rows(SOURCE)
        .await?
        .into_iter()
        .find(|row| named::<String>(row, "Channel_Name").unwrap_or_default().is_empty());
    let source = match &status {
        Some(row) => {
            let lag: Option<i64> = session.rows(LAG).await?.first().and_then(|row| cell(row, 0));
            // Clocks differ: a transaction may seem to be applied before it was committed.
            Some(source(row, lag.map(|lag| u64::try_from(lag).unwrap_or_default() / 1000))?)
        }
        None => None,
    };
    let auto_position = status.as_ref().and_then(|row| named::<u8>(row, "Auto_Position")) == Some(1);
    let attached = session.rows(ATTACHED).await?.iter().filter_map(|row| named(row, "Server_Id")).collect();
    let clone = match session.rows(CLONE).await {
        Ok(rows) => rows.first().and_then(clone_of),
        Err(Trouble::Refused { code: code::NO_SUCH_TABLE, .. }) => None,
        Err(trouble) => return Err(trouble),
    };
    let text = |at| cell::<String>(&server, at).ok_or(Trouble::Unreadable);
    let on = |at| cell::<u8>(&server, at).map(|value| value != 0).ok_or(Trouble::Unreadable);
    let read_only = on(3)?;
    let facts = MysqlFacts {
        version: release(&text(0)?),
        server_uuid: text(1)?,
        server_id: cell(&server, 2).ok_or(Trouble::Unreadable)?,
        read_only,
        // While a server is on its way to it and waits for commits, it says that it is, but takes writes.
        super_read_only: on(4)? && read_only,
        executed: one_line(&text(5)?),
        purged: one_line(&text(6)?),
        source,
        semi_sync: SemiSyncFacts {
            source_enabled: settings.on("rpl_semi_sync_source_enabled"),
            replica_enabled: settings.on("rpl_semi_sync_replica_enabled"),
            wait_for: settings.number("rpl_semi_sync_source_wait_for_replica_count"),
            waiting_sessions: settings.number("rpl_semi_sync_source_wait_sessions"),
        },
        attached,
        clone,
        can_commit: true,
        stalled_since: None,
        accounts: Vec::new(),
        uptime: settings.number::<u64>("uptime").saturating_mul(1000),
    };
    Ok((facts, settings.number("rpl_semi_sync_source_timeout"), auto_position))
}

/// Variables by name.
struct Settings(BTreeMap<String, String>);

impl Settings {
    fn of(rows: &[Row]) -> Self {
        Settings(rows.iter().filter_map(|row| Some((cell(row, 0)?, cell(row, 1)?))).collect())
    }

    fn on(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|value| value == "ON" || value == "1")
    }

    fn number<T: std::str::FromStr + Default>(&self, name: &str) -> T {
        self.0.get(name).and_then(|value| value.parse().ok()).unwrap_or_default()
    }
}

fn source(row: &Row, lag: Option<u64>) -> Result<SourceFacts, Trouble> {
    let text = |name| named::<String>(row, name).unwrap_or_default();
    let number = |name| named::<u32>(row, name).unwrap_or_default();
    Ok(SourceFacts {
        host: named(row, "Source_Host").ok_or(Trouble::Unreadable)?,
        port: named(row, "Source_Port").ok_or(Trouble::Unreadable)?,
        source_uuid: text("Source_UUID"),
        io: match text("Replica_IO_Running").as_str() {
            "Yes" => IoState::Running,
            "Connecting" => IoState::Connecting,
            _ => IoState::Stopped,
        },
        sql_running: text("Replica_SQL_Running") == "Yes",
        received: one_line(&text("Retrieved_Gtid_Set")),
        io_error: number("Last_IO_Errno"),
        sql_error: number("Last_SQL_Errno"),
        lag,
    })
}

fn clone_of(row: &Row) -> Option<CloneFacts> {
    let state = match cell::<String>(row, 0)?.as_str() {
        "In Progress" => CloneState::InProgress,
        "Completed" => CloneState::Completed,
        "Failed" => CloneState::Failed,
        _ => CloneState::NotStarted,
    };
    Some(CloneFacts { state, error: cell(row, 1).unwrap_or_default() })
}

async fn same_login(session: &mut Session, source: &ReplicationSource, wanted: &Wanted) -> Result<bool, Trouble> {
    let rows = session.rows(SOURCE_LOGIN).await?;
    let Some(row) = rows.first() else { return Ok(false) };
    let same = |at, key| {
        let has = cell::<Vec<u8>>(row, at).map(model::redact::Redacted::new);
        let wants = wanted.secrets.get(key);
        matches!((has, wants), (Some(has), Some(wants)) if has.expose() == wants.value.expose())
    };
    let on = |at| cell::<u8>(row, at).unwrap_or_default() != 0;
    let tls = match source.tls.mode {
        TlsMode::Disabled => !on(2),
        TlsMode::Required => on(2) && !on(3),
        TlsMode::Verified => on(2) && on(3),
    };
    Ok(tls && same(0, &source.user) && same(1, &source.password))
}

/// The value of a column by its place; none where it is NULL or of another type.
pub fn cell<T: FromValue>(row: &Row, at: usize) -> Option<T> {
    from_value_opt(row.as_ref(at)?.clone()).ok()
}

fn named<T: FromValue>(row: &Row, name: &str) -> Option<T> {
    let at = row.columns_ref().iter().position(|column| column.name_str().eq_ignore_ascii_case(name))?;
    cell(row, at)
}

/// `8.0.36` of `8.0.36-28.1`.
fn release(version: &str) -> String {
    version.chars().take_while(|character| character.is_ascii_digit() || *character == '.').collect()
}

/// Servers put a line break after each source.
fn one_line(set: &str) -> String {
    set.chars().filter(|character| !character.is_whitespace()).collect()
}

/// What the host needs of a login name, for accounts.
pub(super) fn name_of(wanted: &Wanted, key: &model::decision::SecretKey) -> Option<String> {
    text(&wanted.secrets, key)
}

//! What is asked of a server, in SQL. In: a client. Out: facts, as the tools print them.

use super::candidate::Facts;
use super::manifest::Schema;
use super::tool::{Client, Error, Session};
use serde::Deserialize;
use std::time::Duration;

/// A server answers within this, or counts as gone.
pub const PROBE: Duration = Duration::from_secs(15);
/// Counting what is in a server with many thousand tables takes a while.
pub const COUNT: Duration = Duration::from_secs(300);
/// Seconds that a statement waits for others that hold a lock.
const LOCK_SECONDS: u32 = 60;

/// Schemas that belong to the server itself, as the manual names them.
const SYSTEM: &str = "('mysql', 'information_schema', 'performance_schema', 'sys')";

/// One row with everything that decides. JSON, so that nothing has to be guessed about columns.
const FACTS: &str = "SELECT JSON_OBJECT(
  'uuid', @@GLOBAL.server_uuid, 'version', @@GLOBAL.version, 'gtids', IF(@@GLOBAL.gtid_mode = 'ON', 1, 0),
  'logBin', IF(@@GLOBAL.log_bin, 1, 0), 'readOnly', IF(@@GLOBAL.read_only, 1, 0), 'executed', @@GLOBAL.gtid_executed,
  'source', (SELECT JSON_OBJECT(
      'uuid', s.SOURCE_UUID, 'receiver', s.SERVICE_STATE, 'applier', a.SERVICE_STATE,
      'received', s.RECEIVED_TRANSACTION_SET,
      'lag', (SELECT TIMESTAMPDIFF(SECOND, MAX(NULLIF(w.LAST_APPLIED_TRANSACTION_ORIGINAL_COMMIT_TIMESTAMP, 0)), NOW(6))
              FROM performance_schema.replication_applier_status_by_worker w WHERE w.CHANNEL_NAME = ''))
    FROM performance_schema.replication_connection_configuration c
    JOIN performance_schema.replication_connection_status s ON s.CHANNEL_NAME = c.CHANNEL_NAME
    JOIN performance_schema.replication_applier_status a ON a.CHANNEL_NAME = c.CHANNEL_NAME
    WHERE c.CHANNEL_NAME = '' AND c.HOST <> ''));";

/// What a server says about itself.
///
/// # Errors
/// Where it does not answer, or not what was asked.
pub async fn facts(client: &Client) -> Result<Facts, Error> {
    parse(&client.query(FACTS, PROBE).await?)
}

/// What is in a server.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Inventory {
    /// Schemas of users.
    pub schemas: Option<Vec<Schema>>,
    /// Tables of engines without transactions.
    pub non_transactional: Option<Vec<String>>,
}

fn inventory_sql() -> String {
    let count = |table: &str, column: &str, filter: &str| {
        format!("(SELECT COUNT(*) FROM information_schema.{table} t WHERE t.{column} = s.SCHEMA_NAME{filter})")
    };
    format!(
        "SELECT JSON_OBJECT('schemas', (SELECT JSON_ARRAYAGG(JSON_OBJECT('name', s.SCHEMA_NAME, 'tables', {}, 'views', {}, \
         'routines', {}, 'triggers', {}, 'events', {})) FROM information_schema.SCHEMATA s \
         WHERE s.SCHEMA_NAME NOT IN {SYSTEM}), 'nonTransactional', (SELECT JSON_ARRAYAGG(CONCAT(TABLE_SCHEMA, '.', TABLE_NAME)) \
         FROM information_schema.TABLES WHERE TABLE_TYPE = 'BASE TABLE' AND ENGINE <> 'InnoDB' \
         AND TABLE_SCHEMA NOT IN {SYSTEM}));",
        count("TABLES", "TABLE_SCHEMA", " AND t.TABLE_TYPE = 'BASE TABLE'"),
        count("TABLES", "TABLE_SCHEMA", " AND t.TABLE_TYPE = 'VIEW'"),
        count("ROUTINES", "ROUTINE_SCHEMA", ""),
        count("TRIGGERS", "TRIGGER_SCHEMA", ""),
        count("EVENTS", "EVENT_SCHEMA", ""),
    )
}

/// Counts what is in a server.
///
/// # Errors
/// Where it does not answer, or not what was asked.
pub async fn inventory(session: &mut Session) -> Result<(Vec<Schema>, Vec<String>), Error> {
    let Inventory { schemas, non_transactional } = parse(&session.ask(&inventory_sql(), COUNT).await?)?;
    let (mut schemas, mut tables) = (schemas.unwrap_or_default(), non_transactional.unwrap_or_default());
    schemas.sort();
    tables.sort();
    Ok((schemas, tables))
}

/// Keeps tables, views, and routines as they are while the session lasts; reading and writing rows goes on.
///
/// # Errors
/// Where the account may not (`BACKUP_ADMIN`), or somebody changes definitions for longer than a minute.
pub async fn lock_definitions(session: &mut Session) -> Result<(), Error> {
    let sql = format!(
        "SET SESSION wait_timeout = 604800, lock_wait_timeout = {LOCK_SECONDS}; LOCK INSTANCE FOR BACKUP; SELECT 1;"
    );
    session.ask(&sql, Duration::from_secs(u64::from(LOCK_SECONDS) + 15)).await.map(drop)
}

/// Lets one restore at a time into a server. False: another one is at it.
///
/// # Errors
/// Where it does not answer.
pub async fn lock_restore(session: &mut Session) -> Result<bool, Error> {
    let sql = "SET SESSION wait_timeout = 604800; SELECT GET_LOCK('windlass_restore', 0);";
    Ok(session.ask(sql, PROBE).await? == "1")
}

/// Notices a session that was lost, and its locks with it.
///
/// # Errors
/// Where it was.
pub async fn still_there(session: &mut Session) -> Result<(), Error> {
    session.ask("SELECT 1;", PROBE).await.map(drop)
}

/// Users whose rights a view, routine, trigger or event should have, and who do not exist.
///
/// # Errors
/// Where it does not answer, or not what was asked.
pub async fn missing_definers(session: &mut Session) -> Result<Vec<String>, Error> {
    let sql = format!(
        "SELECT JSON_ARRAYAGG(d.DEFINER) FROM ({}) d WHERE d.DEFINER NOT IN \
         (SELECT CONVERT(CONCAT(User, '@', Host) USING utf8mb4) COLLATE utf8mb4_bin FROM mysql.user);",
        [
            ("VIEWS", "TABLE_SCHEMA"),
            ("ROUTINES", "ROUTINE_SCHEMA"),
            ("TRIGGERS", "TRIGGER_SCHEMA"),
            ("EVENTS", "EVENT_SCHEMA")
        ]
        .map(|(table, schema)| {
            format!(
                "SELECT CONVERT(DEFINER USING utf8mb4) COLLATE utf8mb4_bin AS DEFINER \
                     FROM information_schema.{table} WHERE {schema} NOT IN {SYSTEM}"
            )
        })
        .join(" UNION ")
    );
    let found: Option<Vec<String>> = parse(&session.ask(&sql, COUNT).await?)?;
    Ok(found.unwrap_or_default())
}

#[derive(Deserialize)]
struct Event {
    schema: String,
    name: String,
    definer: String,
}

/// Switches on the events that a replica held back because they ran on its primary. Returns how many.
///
/// # Errors
/// Where it does not answer, or refuses.
pub async fn enable_events(session: &mut Session) -> Result<usize, Error> {
    // The word is another one since 8.2.
    let sql = format!(
        "SELECT JSON_ARRAYAGG(JSON_OBJECT('schema', EVENT_SCHEMA, 'name', EVENT_NAME, 'definer', DEFINER)) \
         FROM information_schema.EVENTS WHERE STATUS IN ('SLAVESIDE_DISABLED', 'REPLICA_SIDE_DISABLED') \
         AND EVENT_SCHEMA NOT IN {SYSTEM};"
    );
    let events: Option<Vec<Event>> = parse(&session.ask(&sql, COUNT).await?)?;
    let events = events.unwrap_or_default();
    for Event { schema, name, definer } in &events {
        // Without its definer named, the event would become ours.
        let (user, host) = definer.rsplit_once('@').unwrap_or((definer, "%"));
        let [schema, name, user, host] = [schema, name, user, host].map(identifier);
        let sql = format!("ALTER DEFINER={user}@{host} EVENT {schema}.{name} ENABLE; SELECT 1;");
        session.ask(&sql, PROBE).await?;
    }
    Ok(events.len())
}

fn identifier(name: impl AsRef<str>) -> String {
    format!("`{}`", name.as_ref().replace('`', "``"))
}

/// Takes over a GTID set as history, and keeps what the session does out of the binary log.
pub fn take_over_sql(gtid_set: &str) -> String {
    format!("SET SESSION sql_log_bin = 0; SET GLOBAL gtid_purged = '+{gtid_set}';\n")
}

/// One line of JSON. SQL has a `NULL` of its own.
fn parse<T: serde::de::DeserializeOwned>(line: &str) -> Result<T, Error> {
    let json = if line.trim() == "NULL" { "null" } else { line };
    serde_json::from_str(json).map_err(|error| Error::Unexpected { program: "mysql", message: error.to_string() })
}

/// The major and minor number of a version, such as 8.4 of `8.4.2-debug`: servers of one pair are of one series.
pub fn series(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.split(['.', '-']).map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => Some((major, minor)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_compared_as_numbers() {
        assert_eq!(series("8.4.2"), Some((8, 4)));
        assert_eq!(series("9.7.4-2"), Some((9, 7)));
        assert!(series("8.0.36") < series("8.4.0") && series("9.10.0") > series("9.7.4"));
        assert_eq!(series("eight"), None);
    }

    #[test]
    fn names_are_quoted() {
        assert_eq!(identifier("a`b"), "`a``b`");
    }
}

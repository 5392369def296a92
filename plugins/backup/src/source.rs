//! The database that is backed up, as its own resource reports it. In: the answer to the query for it, and what an earlier
//! pass remembered. Out: where to connect and with which Secret, or why that is not known.

use crate::spec::BackupSpec;
use crate::status::{BackupStatus, Remembered};
use windlass_sdk::{Fault, Kind, RelatedQuery, Snapshot, Value};

/// Name of the query for the database.
pub const QUERY: &str = "source";

/// What is known of the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Where to connect.
    Known(Remembered),
    /// It exists, and has not said where to connect.
    NotReady,
    /// It does not exist. What an earlier pass knew, where there was one.
    Missing(Option<Remembered>),
}

/// The query for the database of a spec.
pub fn query(spec: &BackupSpec) -> RelatedQuery {
    RelatedQuery::all(QUERY, Kind::of("database.example.com", "v1", "MySQL")).named(&spec.source.mysql)
}

/// What the snapshot says about the database.
pub fn find(snapshot: &Snapshot<BackupSpec, BackupStatus>) -> Result<Source, Fault> {
    let name = &snapshot.resource.spec.source.mysql;
    let remembered = snapshot.resource.status.source.clone().filter(|source| source.mysql == *name);
    let Some(answer) = snapshot.related(QUERY) else {
        return Err(Fault::Needs(vec![
            query(&snapshot.resource.spec),
            crate::status::jobs_query(&snapshot.resource.metadata),
        ]));
    };
    let found =
        answer.parsed().find(|object| object.pointer("/metadata/name").and_then(Value::as_str) == Some(name.as_str()));
    match found {
        Some(object) => Ok(read(name, &object).or(remembered).map_or(Source::NotReady, Source::Known)),
        None if answer.complete => Ok(Source::Missing(remembered)),
        // Not seen is not the same as not there: go on with what was known.
        None => remembered.map(Source::Known).ok_or_else(|| {
            let why = answer.reason.as_deref().unwrap_or("no reason given");
            Fault::Retry(format!("MySQL {name} cannot be seen: {why}"))
        }),
    }
}

/// Where a `MySQL` says that backups are to be read from. A replica is asked, so that the primary keeps its pace.
fn read(name: &str, object: &Value) -> Option<Remembered> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
    let (host, port) = text("/status/endpoints/replica")?.rsplit_once(':')?;
    Some(Remembered {
        mysql: name.to_string(),
        host: host.to_string(),
        port: port.parse().ok()?,
        secret: text("/status/backupSecret")?.to_string(),
    })
}

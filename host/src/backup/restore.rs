//! Brings one backup into a new, empty server, and verifies backups. In: a folder, a name, a server, an account. Out: what
//! is in the server now, or an error and, if it came before the loading began, an untouched server.
//!
//! Accounts are not part of a backup: the new cluster keeps its own.

use super::dump;
use super::folder::{self, Folder, Stored};
use super::manifest::{Manifest, Schema};
use super::name::Name;
use super::server;
use super::stream::{self, Progress};
use super::tool::{self, Client, Endpoint, Login, Session};
use model::gtid::GtidSet;
use serde::Serialize;
use std::io::{Seek as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What is wished.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Folder of the backups.
    pub source: PathBuf,
    /// The backup; none: the newest.
    pub name: Option<Name>,
    /// The server.
    pub target: Endpoint,
    /// Account.
    pub login: Login,
    /// Folder of the client tools; none: the search path.
    pub tools: Option<PathBuf>,
    /// Take over the GTID set, and keep the rows out of the binary log.
    pub take_over_gtids: bool,
}

/// What was done.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Restored {
    /// The backup.
    pub manifest: Manifest,
    /// The server that it is in now.
    pub address: String,
    /// Events that were switched on: they ran on the primary, and a replica holds them back.
    pub enabled_events: usize,
    /// What is not as it should be.
    pub warnings: Vec<String>,
}

/// Why a backup was not restored, or cannot be trusted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder, the manifest, or the size of the data.
    #[error(transparent)]
    Folder(#[from] folder::Error),
    /// The data.
    #[error("backup {name}")]
    Data {
        /// The backup.
        name: Name,
        /// Why.
        source: stream::Error,
    },
    /// It ends in the middle.
    #[error("backup {0}: the dump in it ends in the middle; it cannot be used")]
    Incomplete(Name),
    /// A tool, or the server behind it, before anything was written.
    #[error("cannot restore into {address}; nothing was written")]
    Tool {
        /// The server.
        address: String,
        /// Why.
        source: tool::Error,
    },
    /// The server takes no writes.
    #[error("cannot restore into {0}: it is read-only; name the primary of the new cluster")]
    ReadOnly(String),
    /// The server is in use.
    #[error("cannot restore into {address}: it is not empty, it has the schemas {schemas}; restore into a new cluster")]
    NotEmpty {
        /// The server.
        address: String,
        /// What is in it.
        schemas: String,
    },
    /// The server is too old.
    #[error(
        "cannot restore into {address}: it runs MySQL {found}, which is older than the {backup} of the backup; \
         restore into a server of the same or a later series"
    )]
    Older {
        /// The server.
        address: String,
        /// Its version.
        found: String,
        /// The version of the backup.
        backup: String,
    },
    /// A version is no version.
    #[error("cannot restore into {address}: {version:?} is no version of MySQL")]
    Version {
        /// The server.
        address: String,
        /// What was said.
        version: String,
    },
    /// The server has a part of the history already.
    #[error("cannot take over the GTID set in {address}: it has {overlap} already; restore into a new server")]
    Overlap {
        /// The server.
        address: String,
        /// The transactions.
        overlap: String,
    },
    /// Somebody else restores.
    #[error("cannot restore into {0}: another restore is at work there")]
    Busy(String),
    /// It failed in the middle.
    #[error(
        "the restore into {address} failed in the middle, so a part of the backup is in it; \
         drop what is there, or begin with a new cluster, and restore again"
    )]
    Load {
        /// The server.
        address: String,
        /// Why.
        source: LoadError,
    },
    /// It is not what the backup should have been.
    #[error("the restore into {address} is not complete: {difference}; do not use it")]
    Different {
        /// The server.
        address: String,
        /// What differs.
        difference: String,
    },
    /// A signal, before anything was written.
    #[error("stopped; nothing was written to the server")]
    Stopped,
    /// The thread that reads the data.
    #[error("the thread that reads the backup ended unexpectedly")]
    Thread(#[from] tokio::task::JoinError),
}

/// Why loading failed.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The client, or the server behind it.
    #[error(transparent)]
    Tool(#[from] tool::Error),
    /// The data.
    #[error(transparent)]
    Data(#[from] stream::Error),
    /// The pipe to the client.
    #[error("cannot hand the dump to the client")]
    Pipe(#[from] std::io::Error),
    /// The thread that moves the dump.
    #[error("the thread that reads the backup ended unexpectedly")]
    Thread(#[from] tokio::task::JoinError),
    /// A signal.
    #[error("stopped by a signal")]
    Stopped,
}

/// Reads the whole of a backup and compares it with its manifest.
///
/// # Errors
/// Where it is not what was written, or `stop` was cancelled.
pub async fn verify(
    source: &std::path::Path,
    name: Option<&Name>,
    progress: &Arc<Progress>,
    stop: &CancellationToken,
) -> Result<Stored, Error> {
    let Stored { manifest, data } = Folder::open(source)?.load_by(name)?;
    let checked = tokio::task::spawn_blocking({
        let (progress, expected) = (progress.clone(), manifest.data.clone());
        move || {
            let mut tail = Tail(Vec::new());
            let read = stream::unpack(&data, &mut tail, &expected, &progress, <[u8]>::to_vec);
            read.map(|()| (data, dump::is_whole(&tail.0)))
        }
    });
    let checked = tokio::select! {
        checked = checked => checked?,
        () = stop.cancelled() => return Err(Error::Stopped),
    };
    match checked {
        Ok((data, true)) => Ok(Stored { manifest, data }),
        Ok((_, false)) => Err(Error::Incomplete(manifest.name)),
        Err(source) => Err(Error::Data { name: manifest.name, source }),
    }
}

/// Keeps the end of what goes by.
struct Tail(Vec<u8>);

impl std::io::Write for Tail {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.extend_from_slice(&bytes[bytes.len().saturating_sub(dump::TAIL)..]);
        self.0.drain(..self.0.len().saturating_sub(dump::TAIL));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Restores a backup. Nothing is written before the whole backup was verified and the server was found new and empty.
///
/// # Errors
/// See [`Error`].
pub async fn restore(wish: &Wish, progress: &Arc<Progress>, stop: &CancellationToken) -> Result<Restored, Error> {
    let address = wish.target.to_string();
    let Stored { manifest, data } = verify(&wish.source, wish.name.as_ref(), progress, stop).await?;
    tracing::info!(backup = %manifest.name, "the backup is as it was written");
    let of_server = |source| Error::Tool { address: address.clone(), source };
    let client = Client::new(wish.tools.as_deref(), &wish.target, &wish.login).map_err(of_server)?;
    let mut session = tokio::select! {
        ready = prepare(wish, &client, &manifest, &address) => ready?,
        () = stop.cancelled() => return Err(Error::Stopped),
    };
    let failed = |source| Error::Load { address: address.clone(), source };
    let loading = load(wish, &client, &manifest, data);
    tokio::select! {
        loaded = loading => loaded.map_err(failed)?,
        () = stop.cancelled() => return Err(failed(LoadError::Stopped)),
    }
    let after = |source: tool::Error| failed(source.into());
    let (found, _) = server::inventory(&mut session).await.map_err(after)?;
    if let Some(difference) = difference(&manifest.contents, &found) {
        return Err(Error::Different { address, difference });
    }
    // A server that is to follow the old cluster must not do anything by itself: no event, and no transaction of its own.
    let enabled_events =
        if wish.take_over_gtids { 0 } else { server::enable_events(&mut session).await.map_err(after)? };
    let mut warnings = Vec::new();
    let definers = server::missing_definers(&mut session).await.map_err(after)?;
    if !definers.is_empty() {
        warnings.push(format!(
            "views, routines, triggers or events have the rights of accounts that do not exist here, and fail until they \
             do: {}",
            definers.join(", ")
        ));
    }
    Ok(Restored { manifest, address, enabled_events, warnings })
}

/// Makes sure that the server is new, empty, and new enough. The session that comes back keeps others out.
async fn prepare(wish: &Wish, client: &Client, manifest: &Manifest, address: &str) -> Result<Session, Error> {
    let address = || address.to_owned();
    let of_server = |source| Error::Tool { address: address(), source };
    let facts = server::facts(client).await.map_err(of_server)?;
    let (found, backup) = (facts.version, manifest.server.version.clone());
    match (server::series(&found), server::series(&backup)) {
        (Some(target), Some(source)) if target < source => {
            return Err(Error::Older { address: address(), found, backup });
        }
        (Some(_), Some(_)) => {}
        (None, _) => return Err(Error::Version { address: address(), version: found }),
        (_, None) => return Err(Error::Version { address: address(), version: backup }),
    }
    if facts.read_only != 0 {
        return Err(Error::ReadOnly(address()));
    }
    let mut session = client.session().await.map_err(of_server)?;
    if !server::lock_restore(&mut session).await.map_err(of_server)? {
        return Err(Error::Busy(address()));
    }
    let (contents, _) = server::inventory(&mut session).await.map_err(of_server)?;
    if !contents.is_empty() {
        let schemas = contents.iter().map(|schema| schema.name.as_str()).collect::<Vec<_>>().join(", ");
        return Err(Error::NotEmpty { address: address(), schemas });
    }
    if let (true, Some(set)) = (wish.take_over_gtids, &manifest.gtid_set)
        && let (Ok(set), Ok(executed)) = (set.parse::<GtidSet>(), facts.executed.parse::<GtidSet>())
    {
        let overlap = set.intersect(&executed);
        if !overlap.is_empty() {
            return Err(Error::Overlap { address: address(), overlap: overlap.summary(200) });
        }
    }
    Ok(session)
}

/// Runs the dump in the server.
async fn load(wish: &Wish, client: &Client, manifest: &Manifest, mut data: std::fs::File) -> Result<(), LoadError> {
    let mut running = client.load()?;
    let pipe = running.stdin.take().ok_or_else(|| std::io::Error::other("no pipe"))?.into_owned_fd()?;
    let set = manifest.gtid_set.clone().filter(|set| wish.take_over_gtids && !set.is_empty());
    let expected = manifest.data.clone();
    let moved = tokio::task::spawn_blocking(move || {
        let mut pipe = std::fs::File::from(pipe);
        data.rewind()?;
        if let Some(set) = &set {
            pipe.write_all(server::take_over_sql(set).as_bytes())?;
        }
        // With the history taken over, rows must not become transactions of their own; without, they must.
        let opening = |head: &[u8]| if set.is_some() { head.to_vec() } else { dump::logged(head) };
        // Read and compared once more: the file may have changed since.
        Ok::<_, LoadError>(stream::unpack(&data, pipe, &expected, &Progress::default(), opening)?)
    });
    let moved = moved.await?;
    // A client that failed breaks the pipe, and is the reason.
    match (running.end("mysql").await, moved) {
        (Err(error), Ok(()) | Err(LoadError::Data(stream::Error::Sink(_)) | LoadError::Pipe(_))) => Err(error.into()),
        (_, moved) => moved,
    }
}

/// What is in the server and not in the backup, or the other way round.
fn difference(expected: &[Schema], found: &[Schema]) -> Option<String> {
    let mut differences = Vec::new();
    for schema in expected {
        match found.iter().find(|found| found.name == schema.name) {
            None => differences.push(format!("schema {} is missing", schema.name)),
            Some(found) if found != schema => differences.push(format!(
                "schema {} has {} tables, {} views, {} routines, {} triggers, {} events instead of {}, {}, {}, {}, {}",
                schema.name,
                found.tables,
                found.views,
                found.routines,
                found.triggers,
                found.events,
                schema.tables,
                schema.views,
                schema.routines,
                schema.triggers,
                schema.events,
            )),
            Some(_) => {}
        }
    }
    let more = found.iter().filter(|found| !expected.iter().any(|schema| schema.name == found.name));
    differences.extend(more.map(|schema| format!("schema {} is not of the backup", schema.name)));
    if differences.is_empty() { None } else { Some(differences.join("; ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(name: &str, tables: u64) -> Schema {
        Schema { name: name.into(), tables, views: 0, routines: 0, triggers: 0, events: 0 }
    }

    #[test]
    fn every_schema_that_differs_is_told() {
        let expected = [schema("a", 1), schema("b", 2), schema("c", 3)];
        assert_eq!(difference(&expected, &expected), None);
        let found = [schema("a", 1), schema("b", 1), schema("d", 1)];
        let told = difference(&expected, &found).unwrap_or_default();
        assert!(told.contains("schema b has 1 tables") && told.contains("instead of 2"), "{told}");
        assert!(told.contains("schema c is missing") && told.contains("schema d is not of the backup"), "{told}");
        assert!(!told.contains("schema a"), "{told}");
    }
}

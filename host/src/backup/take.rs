//! Takes one backup. In: servers, an account, a folder, what is to be kept. Out: a backup in the folder, or an error and
//! nothing that counts as one.

use super::candidate::{self, Choice, Facts, NoServer, Role, Seen};
use super::dump;
use super::folder::{self, Draft, Folder, HEARTBEAT};
use super::manifest::{Consistency, FORMAT, Manifest, Server, Tool};
use super::name::Name;
use super::retention::{Keep, expired};
use super::server;
use super::stream::{self, Packed, Progress};
use super::tool::{self, Client, Endpoint, Login, Tls};
use crate::clock::{Clock, rfc3339};
use model::gtid::GtidSet;
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often servers are looked at while no replica keeps up.
const LOOKS: u32 = 3;
/// Time between two looks.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What is wished.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Servers of one cluster. A name may stand for several: those of all its addresses.
    pub sources: Vec<Endpoint>,
    /// Account.
    pub login: Login,
    /// Folder of the client tools; none: the search path.
    pub tools: Option<PathBuf>,
    /// Folder of the backups.
    pub destination: PathBuf,
    /// Which backups are kept afterwards.
    pub keep: Keep,
    /// Seconds that a replica may be behind.
    pub most_lag: u64,
    /// A dump that gives nothing for so long is given up.
    pub stall: Duration,
    /// Random number of the name.
    pub random: u32,
}

/// What was done.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Taken {
    /// The backup.
    pub manifest: Manifest,
    /// The server that it was taken from.
    pub address: String,
    /// Backups that were removed because newer ones are kept.
    pub removed: Vec<Name>,
    /// What is not as it should be.
    pub warnings: Vec<String>,
}

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The destination.
    #[error(transparent)]
    Folder(#[from] folder::Error),
    /// No server serves.
    #[error(transparent)]
    NoServer(#[from] NoServer),
    /// A tool, or the server behind it.
    #[error("cannot back up {address}")]
    Tool {
        /// The server.
        address: String,
        /// Why.
        source: tool::Error,
    },
    /// A tool itself.
    #[error(transparent)]
    Local(#[from] tool::Error),
    /// The way to the destination.
    #[error("no backup was made of {address}")]
    Stream {
        /// The server.
        address: String,
        /// Why.
        source: stream::Error,
    },
    /// The dump does not end as one should.
    #[error("no backup was made of {0}: the dump ends in the middle though the tool reports success")]
    Incomplete(String),
    /// The dump does not say what moment it shows.
    #[error("no backup was made of {0}: the dump states no GTID set though the server has GTIDs")]
    NoGtidSet(String),
    /// The definitions could change while the dump ran.
    #[error("no backup was made of {address}: the lock on definitions was lost while the dump ran; run it again")]
    LockLost {
        /// The server.
        address: String,
        /// Why.
        source: tool::Error,
    },
    /// The dump has what the primary has not.
    #[error(
        "no backup was made of {address}: it has transactions that the primary has not ({errant}); \
         take it from another server, and make this one anew"
    )]
    Errant {
        /// The server.
        address: String,
        /// The transactions.
        errant: String,
    },
    /// Nothing came for too long.
    #[error("no backup was made of {address}: the dump gave nothing for {seconds} s")]
    Stalled {
        /// The server.
        address: String,
        /// How long was waited.
        seconds: u64,
    },
    /// A signal.
    #[error("stopped before the backup was finished; nothing counts as a backup")]
    Stopped,
    /// The thread that moves the dump.
    #[error("the thread that compresses the dump ended unexpectedly")]
    Thread(#[source] tokio::task::JoinError),
}

/// Takes a backup. Dropped or stopped, it leaves nothing that counts.
///
/// # Errors
/// See [`Error`].
pub async fn take(
    wish: &Wish,
    clock: &dyn Clock,
    progress: &Arc<Progress>,
    stop: &CancellationToken,
) -> Result<Taken, Error> {
    let work = async {
        let folder = Folder::create(&wish.destination)?;
        let dump_version = tool::version(wish.tools.as_deref(), "mysqldump").await?;
        for file in folder.clean(clock.now())? {
            tracing::info!(file, "removed what a crashed backup left behind");
        }
        let mut taken = back_up(wish, clock, progress, &folder, dump_version).await?;
        match retain(&folder, wish.keep, clock) {
            Ok(removed) => taken.removed = removed,
            // The backup is there; that old ones could not be removed must not make it count as failed.
            Err(error) => taken.warnings.push(format!("cannot remove old backups: {error}")),
        }
        Ok(taken)
    };
    tokio::select! {
        biased;
        () = stop.cancelled() => Err(Error::Stopped),
        taken = work => taken,
    }
}

fn retain(folder: &Folder, keep: Keep, clock: &dyn Clock) -> Result<Vec<Name>, folder::Error> {
    let gone = expired(&folder.existing()?, keep, clock.now());
    for name in &gone {
        folder.remove(name)?;
        tracing::info!(%name, "removed an old backup");
    }
    Ok(gone)
}

async fn back_up(
    wish: &Wish,
    clock: &dyn Clock,
    progress: &Arc<Progress>,
    folder: &Folder,
    dump_version: String,
) -> Result<Taken, Error> {
    let mut warnings = Vec::new();
    let mut warn = |text: String| {
        tracing::warn!("{text}");
        warnings.push(text);
    };
    let (endpoints, seen, choice) = find_server(wish).await?;
    let (endpoint, address) = (&endpoints[choice.index], seen[choice.index].address.clone());
    let Ok(facts) = &seen[choice.index].facts else { return Err(NoServer(vec![address]).into()) };
    choice.warning.into_iter().for_each(&mut warn);
    tracing::info!(server = address, role = choice.role.as_str(), version = facts.version, "backing up");

    let started = clock.now();
    let name = Name::new(started, wish.random);
    let draft = folder.begin(&name)?;
    let of_server = |source| Error::Tool { address: address.clone(), source };
    let client = Client::new(wish.tools.as_deref(), endpoint, &wish.login)?;
    let mut session = client.session().await.map_err(of_server)?;
    let locked = match server::lock_definitions(&mut session).await {
        Ok(()) => true,
        // ER_SPECIFIC_ACCESS_DENIED_ERROR
        Err(tool::Error::Failed { message, .. }) if message.contains("ERROR 1227") => {
            warn(format!(
                "the account may not lock definitions (GRANT BACKUP_ADMIN); tables that are created, changed or dropped \
                 while the dump runs may be missing or wrong: {message}"
            ));
            session = client.session().await.map_err(of_server)?;
            false
        }
        Err(error) => return Err(of_server(error)),
    };
    let (contents, non_transactional_tables) = server::inventory(&mut session).await.map_err(of_server)?;
    if !non_transactional_tables.is_empty() {
        let tables = non_transactional_tables.join(", ");
        warn(format!("rows of tables without transactions may be of a later moment: {tables}"));
    }
    let schemas: Vec<String> = contents.iter().map(|schema| schema.name.clone()).collect();
    let packed = stream_dump(wish, clock, progress, &client, &draft, &address, &arguments(facts, &schemas)).await?;
    if locked {
        let lost = |source| Error::LockLost { address: address.clone(), source };
        server::still_there(&mut session).await.map_err(lost)?;
    }
    drop(session);
    if !dump::is_whole(&packed.tail) {
        return Err(Error::Incomplete(address));
    }
    let gtid_set = dump::gtid_set(&packed.head);
    if facts.gtids == 1 && gtid_set.is_none() {
        return Err(Error::NoGtidSet(address));
    }
    if let (Role::Replica, Some(primary), Some(set)) = (choice.role, choice.primary, &gtid_set)
        && let Some(warning) = check_history(wish, &endpoints[primary], &address, set).await?
    {
        warn(warning);
    }
    let manifest = Manifest {
        format: FORMAT,
        name,
        started_at: rfc3339(started),
        finished_at: rfc3339(clock.now()),
        tool: Tool { windlass: env!("CARGO_PKG_VERSION").into(), dump: dump_version },
        server: Server { uuid: facts.uuid.clone(), version: facts.version.clone(), role: choice.role.as_str().into() },
        gtid_set: gtid_set.map(|set| set.to_string()),
        consistency: Consistency { definitions_locked: locked, non_transactional_tables },
        data: packed.data,
        contents,
    };
    draft.finish(&manifest)?;
    Ok(Taken { manifest, address, removed: Vec::new(), warnings })
}

/// The servers behind the names that were given, what each says, and the one to back up.
async fn find_server(wish: &Wish) -> Result<(Vec<Endpoint>, Vec<Seen>, Choice), Error> {
    let mut look = 1;
    loop {
        let (endpoints, seen) = look_at_all(wish).await?;
        let choice = candidate::choose(&seen, wish.most_lag);
        let best = choice.as_ref().is_ok_and(|choice| choice.role == Role::Replica && choice.warning.is_none());
        // A replica that was just restarted, or that happened to be quiet before a burst, catches up in a moment.
        if best || look == LOOKS || seen.len() == 1 {
            return Ok((endpoints, seen, choice?));
        }
        look += 1;
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

async fn look_at_all(wish: &Wish) -> Result<(Vec<Endpoint>, Vec<Seen>), Error> {
    let mut known = BTreeSet::new();
    let (mut endpoints, mut unresolved) = (Vec::new(), Vec::new());
    for source in &wish.sources {
        match resolve(source, wish.login.tls).await {
            Ok(found) => endpoints.extend(found.into_iter().filter(|endpoint| known.insert(endpoint.clone()))),
            Err(why) => unresolved.push((source.clone(), why)),
        }
    }
    let looks = endpoints.iter().map(|endpoint| async {
        let client = Client::new(wish.tools.as_deref(), endpoint, &wish.login)?;
        Ok::<_, tool::Error>((endpoint.to_string(), server::facts(&client).await))
    });
    let mut seen = Vec::new();
    for looked in futures::future::join_all(looks).await {
        let (address, facts) = looked?;
        if let Err(error @ tool::Error::Start { .. }) = facts {
            return Err(error.into());
        }
        seen.push(Seen { address, facts: facts.map_err(|error| error.to_string()) });
    }
    for (endpoint, why) in unresolved {
        seen.push(Seen { address: endpoint.to_string(), facts: Err(why) });
        endpoints.push(endpoint);
    }
    Ok((endpoints, seen))
}

/// Every address that a name has: a headless Service stands for all of its pods.
async fn resolve(source: &Endpoint, tls: Tls) -> Result<Vec<Endpoint>, String> {
    // The certificate has the name and not the address.
    if tls == Tls::VerifyIdentity || source.host.parse::<std::net::IpAddr>().is_ok() {
        return Ok(vec![source.clone()]);
    }
    let found = tokio::time::timeout(server::PROBE, tokio::net::lookup_host((source.host.as_str(), source.port))).await;
    let addresses = match found {
        Ok(Ok(addresses)) => addresses,
        Ok(Err(error)) => return Err(format!("the name cannot be resolved: {error}")),
        Err(_) => return Err("the name was not resolved in time".into()),
    };
    let endpoints = addresses.map(|address| Endpoint { host: address.ip().to_string(), port: address.port() });
    Ok(endpoints.collect::<BTreeSet<_>>().into_iter().collect())
}

/// Runs the dump into the draft. The thread that writes ends with the process that gives.
async fn stream_dump(
    wish: &Wish,
    clock: &dyn Clock,
    progress: &Arc<Progress>,
    client: &Client,
    draft: &Draft,
    address: &str,
    arguments: &[String],
) -> Result<Packed, Error> {
    let of_server = |source| Error::Tool { address: address.to_owned(), source };
    let mut running = client.dump(arguments).map_err(of_server)?;
    let pipe = running.stdout.take().ok_or_else(|| Error::Incomplete(address.to_owned()))?;
    let source = pipe
        .into_owned_fd()
        .map_err(|error| Error::Stream { address: address.to_owned(), source: stream::Error::Read(error) })?;
    let destination = draft.writer()?;
    let mut packing = tokio::task::spawn_blocking({
        let progress = progress.clone();
        move || stream::pack(std::fs::File::from(source), destination, &progress)
    });
    let mut beats = tokio::time::interval(HEARTBEAT.min(wish.stall));
    let mut last = (progress.plain.load(Ordering::Relaxed), tokio::time::Instant::now());
    let packed = loop {
        tokio::select! {
            packed = &mut packing => break packed.map_err(Error::Thread)?,
            _ = beats.tick() => {
                draft.beat(clock.now());
                let (plain, now) = (progress.plain.load(Ordering::Relaxed), tokio::time::Instant::now());
                if plain != last.0 {
                    last = (plain, now);
                } else if now - last.1 >= wish.stall {
                    return Err(Error::Stalled { address: address.to_owned(), seconds: wish.stall.as_secs() });
                }
            }
        }
    };
    // A destination that failed makes the tool fail too, and is the reason.
    let packed = packed.map_err(|source| Error::Stream { address: address.to_owned(), source })?;
    running.end("mysqldump").await.map_err(of_server)?;
    Ok(packed)
}

/// What the dump tool is told.
fn arguments(facts: &Facts, schemas: &[String]) -> Vec<String> {
    let mut arguments = vec![
        "--single-transaction".to_owned(),
        // Known, and taken over by a restore where it is wished.
        format!("--set-gtid-purged={}", if facts.gtids == 1 { "COMMENTED" } else { "OFF" }),
        "--no-tablespaces".into(),
        "--hex-blob".into(),
        "--default-character-set=utf8mb4".into(),
    ];
    if facts.log_bin == 1 {
        // Before 8.0.32 this alone makes the tool read the GTID set and begin the snapshot in one moment.
        arguments.push("--source-data=2".into());
    }
    let contents: &[&str] = if schemas.is_empty() {
        // Nothing is in the server yet. The tool insists on a schema: the frame of a dump without anything inside.
        &["--no-create-db", "--no-create-info", "--no-data", "--skip-triggers", "sys"]
    } else {
        &["--routines", "--triggers", "--events", "--databases", "--"]
    };
    arguments.extend(contents.iter().map(|argument| (*argument).to_owned()));
    arguments.extend_from_slice(schemas);
    arguments
}

/// Looks at the primary once more: whatever the dump has, the primary must have. It does not answer any more: a warning.
async fn check_history(
    wish: &Wish,
    primary: &Endpoint,
    address: &str,
    dumped: &GtidSet,
) -> Result<Option<String>, Error> {
    let client = Client::new(wish.tools.as_deref(), primary, &wish.login)?;
    let facts = match server::facts(&client).await {
        Ok(facts) => facts,
        Err(error) => {
            return Ok(Some(format!(
                "the primary {primary} could not be asked whether it has all of the backup: {error}"
            )));
        }
    };
    let Ok(known) = facts.executed.parse::<GtidSet>() else {
        return Ok(Some(format!("the GTID set of the primary {primary} cannot be read")));
    };
    let errant = candidate::errant(dumped, &known, &facts.uuid);
    if errant.is_empty() {
        return Ok(None);
    }
    Err(Error::Errant { address: address.to_owned(), errant: errant.summary(200) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(gtids: u8, log_bin: u8) -> Facts {
        Facts {
            uuid: String::new(),
            version: "9.7.4".into(),
            gtids,
            log_bin,
            read_only: 1,
            executed: String::new(),
            source: None,
        }
    }

    #[test]
    fn schemas_come_behind_the_options_whatever_their_names_are() {
        let arguments = arguments(&facts(1, 1), &["--result-file=x".into(), "shop".into()]);
        let split = arguments.iter().position(|argument| argument == "--");
        assert_eq!(split.map(|at| &arguments[at + 1..]), Some(&["--result-file=x".to_owned(), "shop".to_owned()][..]));
        assert!(arguments.contains(&"--single-transaction".to_owned()));
    }

    #[test]
    fn the_binary_log_and_gtids_are_asked_for_only_where_they_exist() {
        let without = arguments(&facts(0, 0), &["shop".into()]);
        assert!(without.contains(&"--set-gtid-purged=OFF".to_owned()), "{without:?}");
        assert!(!without.contains(&"--source-data=2".to_owned()), "{without:?}");
        assert!(arguments(&facts(1, 1), &[]).ends_with(&["sys".to_owned()]));
    }
}

//! The database that is backed up, as its own resource reports it. In: the answers to the queries for it and for its
//! servers, and what an earlier pass remembered. Out: where to connect and with which Secret, or why that is not known.
//!
//! Each server is named by its own address: `windlass backup` looks at all of them and takes the healthiest, and a name
//! that leads to another server each time would get in its way. The Services follow, for the case that all addresses are
//! new when a backup starts.

use crate::spec::BackupSpec;
use crate::status::{self, BackupStatus, Remembered};
use windlass_sdk::{Fault, Kind, RelatedAnswer, RelatedQuery, Snapshot, Value};

/// Name of the query for the database.
pub const QUERY: &str = "source";
/// Name of the query for the pods of its servers.
pub const SERVERS: &str = "servers";

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
    let resource = &snapshot.resource;
    let name = &resource.spec.source.mysql;
    let remembered = resource.status.source.clone().filter(|source| source.mysql == *name);
    let mut needed = vec![query(&resource.spec)];
    needed.extend(status::queries(&resource.metadata));
    let Some(answer) = snapshot.related(QUERY) else {
        return Err(Fault::Needs(needed));
    };
    let found =
        answer.parsed().find(|object| object.pointer("/metadata/name").and_then(Value::as_str) == Some(name.as_str()));
    match found {
        Some(object) => {
            let Some(database) = Database::read(name, &object) else {
                return Ok(remembered.map_or(Source::NotReady, Source::Known));
            };
            let addresses = match (&database.selector, snapshot.related(SERVERS)) {
                (Some(selector), None) => {
                    needed.push(RelatedQuery::all(SERVERS, Kind::of("", "v1", "Pod")).selector(selector));
                    return Err(Fault::Needs(needed));
                }
                (_, Some(pods)) => addresses(pods),
                (None, None) => Vec::new(),
            };
            Ok(Source::Known(database.with(addresses)))
        }
        None if answer.complete => Ok(Source::Missing(remembered)),
        // Not seen is not the same as not there: go on with what was known.
        None => remembered.map(Source::Known).ok_or_else(|| {
            let why = answer.reason.as_deref().unwrap_or("no reason given");
            Fault::Retry(format!("MySQL {name} cannot be seen: {why}"))
        }),
    }
}

/// What a `MySQL` says about itself.
struct Database {
    mysql: String,
    /// The Services: for reads first, so that the primary keeps its pace.
    services: Vec<String>,
    port: u16,
    secret: String,
    /// Label selector of its pods.
    selector: Option<String>,
}

impl Database {
    fn read(name: &str, object: &Value) -> Option<Self> {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
        let (replica, port) = text("/status/endpoints/replica")?.rsplit_once(':')?;
        let primary = text("/status/endpoints/primary").and_then(|endpoint| endpoint.rsplit_once(':'));
        let primary = primary.filter(|(host, of)| *host != replica && *of == port).map(|(host, _)| host);
        Some(Database {
            mysql: name.to_string(),
            services: std::iter::once(replica).chain(primary).map(str::to_string).collect(),
            port: port.parse().ok()?,
            secret: text("/status/backupSecret")?.to_string(),
            selector: text("/status/selector").map(str::to_string),
        })
    }

    fn with(self, mut hosts: Vec<String>) -> Remembered {
        hosts.extend(self.services);
        Remembered { mysql: self.mysql, hosts, port: self.port, secret: self.secret }
    }
}

/// The addresses of the pods that have one, in an order that does not change by itself.
fn addresses(pods: &RelatedAnswer) -> Vec<String> {
    let address = |pod: Value| {
        let address = pod.pointer("/status/podIP")?.as_str()?;
        address.parse::<std::net::IpAddr>().ok().map(|_| address.to_string())
    };
    let mut addresses: Vec<String> = pods.parsed().filter_map(address).collect();
    addresses.sort();
    addresses.dedup();
    addresses
}

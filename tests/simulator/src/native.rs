//! The plugin as native code, asked like the component: a snapshot of the model in, a decision of the model out. The same
//! values go the same way as through the sandbox, so that both answers can be compared.

use model::decision::{self as to, Body, PasswordRules, SecretKey};
use model::snapshot as from;
use model::{Decision, Fault, Observation, Snapshot};
use mysql::MysqlPlugin;
use serde_json::Value;
use windlass_sdk::bindings::windlass::plugin::types as v1;
use windlass_sdk::entry;

/// Asks the plugin.
pub fn decide(snapshot: &Snapshot) -> Result<Decision, Fault> {
    match entry::decide::<MysqlPlugin>(shown(snapshot)) {
        Ok(decided) => Ok(decision(decided)),
        Err(v1::Fault::Invalid(errors)) => Err(Fault::Invalid(
            errors.into_iter().map(|v1::FieldError { path, message }| model::FieldError { path, message }).collect(),
        )),
        Err(v1::Fault::Retry(why)) => Err(Fault::Retry(why)),
        Err(v1::Fault::Needs(queries)) => Err(Fault::Needs(queries.into_iter().map(query).collect())),
        Err(v1::Fault::Broken(why)) => Err(Fault::Broken(why)),
    }
}

fn query(query: v1::RelatedQuery) -> model::description::RelatedQuery {
    let v1::RelatedQuery { name, kind, namespace, label_selector, names } = query;
    let kind = model::Kind { group: kind.group, version: kind.version, kind: kind.kind };
    model::description::RelatedQuery { name, kind, namespace, label_selector, names }
}

fn shown(snapshot: &Snapshot) -> v1::Snapshot {
    let Snapshot { resource, deleting, items, related, now, settings } = snapshot;
    v1::Snapshot {
        resource: resource.to_string(),
        deleting: *deleting,
        items: items.iter().map(item).collect(),
        related: related
            .iter()
            .map(|answer| v1::RelatedAnswer {
                name: answer.name.clone(),
                complete: answer.complete,
                reason: answer.reason.clone(),
                objects: answer.objects.iter().map(ToString::to_string).collect(),
            })
            .collect(),
        now: *now,
        settings: settings.to_string(),
    }
}

fn item(item: &model::ObservedItem) -> v1::ObservedItem {
    v1::ObservedItem {
        id: item.id.clone(),
        state: match &item.state {
            Observation::Kubernetes(json) => v1::Observation::Kubernetes(json.to_string()),
            Observation::Secret(facts) => v1::Observation::Secret(v1::SecretFacts {
                generation: facts.generation,
                keys: facts
                    .keys
                    .iter()
                    .map(|(key, fingerprint)| v1::SecretFingerprint {
                        key: key.clone(),
                        fingerprint: fingerprint.clone(),
                    })
                    .collect(),
            }),
            Observation::Mysql(facts) => v1::Observation::Mysql(server(facts)),
            Observation::Unreachable(unreachable) => v1::Observation::Unreachable(v1::Unreachable {
                since: unreachable.since,
                reason: unreachable.reason.clone(),
            }),
            // The simulated world has no others.
            Observation::Absent | Observation::Azure(_) | Observation::Vault(_) => v1::Observation::Absent,
        },
        ready: item.ready,
        ready_since: item.ready_since,
        last_error: item.last_error.clone(),
        deleting: item.deleting,
    }
}

fn server(facts: &from::MysqlFacts) -> v1::MysqlFacts {
    v1::MysqlFacts {
        version: facts.version.clone(),
        server_uuid: facts.server_uuid.clone(),
        server_id: facts.server_id,
        read_only: facts.read_only,
        super_read_only: facts.super_read_only,
        executed: facts.executed.clone(),
        purged: facts.purged.clone(),
        source: facts.source.as_ref().map(|source| v1::SourceFacts {
            host: source.host.clone(),
            port: source.port,
            source_uuid: source.source_uuid.clone(),
            io: match source.io {
                from::IoState::Stopped => v1::IoState::Stopped,
                from::IoState::Connecting => v1::IoState::Connecting,
                from::IoState::Running => v1::IoState::Running,
            },
            sql_running: source.sql_running,
            received: source.received.clone(),
            io_error: source.io_error,
            sql_error: source.sql_error,
            lag: source.lag,
        }),
        semi_sync: v1::SemiSyncFacts {
            source_enabled: facts.semi_sync.source_enabled,
            replica_enabled: facts.semi_sync.replica_enabled,
            wait_for: facts.semi_sync.wait_for,
            waiting_sessions: facts.semi_sync.waiting_sessions,
        },
        attached: facts.attached.clone(),
        clone: facts.clone.map(|clone| v1::CloneFacts {
            state: match clone.state {
                from::CloneState::NotStarted => v1::CloneState::NotStarted,
                from::CloneState::InProgress => v1::CloneState::InProgress,
                from::CloneState::Completed => v1::CloneState::Completed,
                from::CloneState::Failed => v1::CloneState::Failed,
            },
            error: clone.error,
        }),
        can_commit: facts.can_commit,
        stalled_since: facts.stalled_since,
        accounts: facts.accounts.clone(),
        uptime: facts.uptime,
    }
}

/// JSON as the host reads it.
fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or(Value::Null)
}

fn decision(decision: v1::Decision) -> Decision {
    let v1::Decision { items, status, conditions, events, wake } = decision;
    Decision {
        items: items.into_iter().map(wanted).collect(),
        status: json(&status),
        conditions: conditions
            .into_iter()
            .map(|condition| to::Condition {
                type_: condition.type_,
                status: match condition.status {
                    v1::Truth::Yes => to::Truth::Yes,
                    v1::Truth::No => to::Truth::No,
                    v1::Truth::Unknown => to::Truth::Unknown,
                },
                reason: condition.reason,
                message: condition.message,
            })
            .collect(),
        events: events
            .into_iter()
            .map(|v1::Event { warning, reason, message }| to::Event { warning, reason, message })
            .collect(),
        wake,
    }
}

fn wanted(item: v1::Item) -> to::Item {
    let v1::Item { id, after, ready_when, update, removal, body } = item;
    to::Item {
        id,
        after,
        ready_when: match ready_when {
            v1::ReadyWhen::Ready => to::ReadyWhen::Ready,
            v1::ReadyWhen::Exists => to::ReadyWhen::Exists,
        },
        update: match update {
            v1::UpdatePolicy::Apply => to::UpdatePolicy::Apply,
            v1::UpdatePolicy::CreateOnce => to::UpdatePolicy::CreateOnce,
            v1::UpdatePolicy::Recreate => to::UpdatePolicy::Recreate,
            v1::UpdatePolicy::Rolling => to::UpdatePolicy::Rolling,
            v1::UpdatePolicy::Overlay => to::UpdatePolicy::Overlay,
        },
        removal: match removal {
            v1::RemovalPolicy::Delete => to::RemovalPolicy::Delete,
            v1::RemovalPolicy::Keep => to::RemovalPolicy::Keep,
            v1::RemovalPolicy::Protect => to::RemovalPolicy::Protect,
        },
        body: match body {
            v1::Body::Kubernetes(text) => Body::Kubernetes(json(&text)),
            v1::Body::Secret(secret) => Body::Secret(self::secret(secret)),
            v1::Body::Mysql(server) => Body::Mysql(Box::new(mysql_server(server))),
            // The plugin uses neither.
            v1::Body::Azure(_) | v1::Body::Vault(_) => Body::Kubernetes(Value::Null),
        },
    }
}

fn secret(secret: v1::GeneratedSecret) -> to::GeneratedSecret {
    to::GeneratedSecret {
        name: secret.name,
        secret_type: secret.secret_type,
        plain: secret.plain.into_iter().map(|plain| (plain.key, plain.value)).collect(),
        random: secret
            .random
            .into_iter()
            .map(|random| to::RandomValue {
                key: random.key,
                length: random.length,
                avoid: random.avoid,
                rules: match random.rules {
                    v1::PasswordRules::Alphanumeric => PasswordRules::Alphanumeric,
                    v1::PasswordRules::AzureSql => PasswordRules::AzureSql,
                },
            })
            .collect(),
        composed: secret
            .composed
            .into_iter()
            .map(|composed| to::ComposedValue { key: composed.key, template: composed.template })
            .collect(),
        generation: secret.generation,
        labels: secret.labels.into_iter().map(|label| (label.key, label.value)).collect(),
    }
}

fn mysql_server(server: v1::MysqlServer) -> to::MysqlServer {
    to::MysqlServer {
        host: server.host,
        port: server.port,
        admin_port: server.admin_port,
        user: key(server.user),
        password: key(server.password),
        tls: tls(server.tls),
        writable: server.writable,
        replication: match server.replication {
            v1::Replication::None => to::Replication::None,
            v1::Replication::Fenced => to::Replication::Fenced,
            v1::Replication::Source(source) => to::Replication::Source(to::ReplicationSource {
                host: source.host,
                port: source.port,
                user: key(source.user),
                password: key(source.password),
                tls: tls(source.tls),
            }),
        },
        acks: server.acks,
        accounts: server
            .accounts
            .into_iter()
            .map(|account| to::MysqlAccount {
                user: key(account.user),
                password: key(account.password),
                keep_previous: account.keep_previous,
                grants: account.grants,
            })
            .collect(),
        reseed: server.reseed.map(|reseed| to::Reseed {
            donor_host: reseed.donor_host,
            donor_port: reseed.donor_port,
            user: key(reseed.user),
            password: key(reseed.password),
            tls: tls(reseed.tls),
            contained_in: reseed.contained_in,
        }),
        expect: server
            .expect
            .into_iter()
            .map(|precondition| match precondition {
                v1::Precondition::ServerUuid(uuid) => to::Precondition::ServerUuid(uuid),
                v1::Precondition::ExecutedContains(set) => to::Precondition::ExecutedContains(set),
                v1::Precondition::ExecutedWithin(set) => to::Precondition::ExecutedWithin(set),
                v1::Precondition::SuperReadOnly(on) => to::Precondition::SuperReadOnly(on),
                v1::Precondition::Detached => to::Precondition::Detached,
            })
            .collect(),
    }
}

fn key(key: v1::SecretKey) -> SecretKey {
    SecretKey { secret: key.secret, key: key.key }
}

fn tls(tls: v1::Tls) -> to::Tls {
    to::Tls {
        mode: match tls.mode {
            v1::TlsMode::Disabled => to::TlsMode::Disabled,
            v1::TlsMode::Required => to::TlsMode::Required,
            v1::TlsMode::Verified => to::TlsMode::Verified,
        },
        ca: tls.ca.map(key),
    }
}

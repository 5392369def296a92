//! Snapshots of the model, as version 1 of the contract has them. Strings are borrowed: nothing is copied but into the
//! guest's memory.

use super::bindings::windlass::plugin::types as v1;
use model::{
    Snapshot,
    snapshot::{
        ArmFacts, CloneFacts, CloneState, FailureClass, IoState, MysqlFacts, Observation, ObservedItem, OperationFacts,
        RelatedAnswer, SecretFacts, SemiSyncFacts, SourceFacts, Unreachable, VaultFacts,
    },
};

/// Lists of borrowed values inside of one item, which the contract's types point to.
enum Lists<'a> {
    None,
    Keys(Vec<v1::SecretFingerprint<'a>>),
    Accounts(Vec<&'a str>),
}

/// Calls `call` with the contract's view of `snapshot`.
pub(super) fn with_snapshot<R>(snapshot: &Snapshot, call: impl FnOnce(v1::Snapshot<'_>) -> R) -> R {
    let Snapshot { resource, deleting, items, related, now, settings } = snapshot;
    let lists: Vec<_> = items.iter().map(|item| lists(&item.state)).collect();
    let items: Vec<_> = items.iter().zip(&lists).map(|(item, lists)| observed(item, lists)).collect();
    let objects: Vec<Vec<&str>> =
        related.iter().map(|answer| answer.objects.iter().map(AsRef::as_ref).collect()).collect();
    let related: Vec<_> =
        related.iter().zip(&objects).map(|(answer, objects)| related_answer(answer, objects)).collect();
    call(v1::Snapshot { resource, deleting: *deleting, items: &items, related: &related, now: *now, settings })
}

fn lists(state: &Observation) -> Lists<'_> {
    match state {
        Observation::Secret(SecretFacts { keys, .. }) => {
            Lists::Keys(keys.iter().map(|(key, fingerprint)| v1::SecretFingerprint { key, fingerprint }).collect())
        }
        Observation::Azure(ArmFacts { sent_secrets, .. }) => Lists::Keys(
            sent_secrets.iter().map(|(key, fingerprint)| v1::SecretFingerprint { key, fingerprint }).collect(),
        ),
        Observation::Mysql(facts) => Lists::Accounts(facts.accounts.iter().map(String::as_str).collect()),
        Observation::Absent | Observation::Kubernetes(_) | Observation::Vault(_) | Observation::Unreachable(_) => {
            Lists::None
        }
    }
}

fn observed<'a>(item: &'a ObservedItem, lists: &'a Lists<'a>) -> v1::ObservedItem<'a> {
    let ObservedItem { id, state, ready, ready_since, last_error, deleting } = item;
    v1::ObservedItem {
        id,
        state: observation(state, lists),
        ready: *ready,
        ready_since: *ready_since,
        last_error: last_error.as_deref(),
        deleting: *deleting,
    }
}

fn related_answer<'a>(answer: &'a RelatedAnswer, objects: &'a [&'a str]) -> v1::RelatedAnswer<'a> {
    let RelatedAnswer { name, complete, reason, objects: _ } = answer;
    v1::RelatedAnswer { name, complete: *complete, reason: reason.as_deref(), objects }
}

fn observation<'a>(state: &'a Observation, lists: &'a Lists<'a>) -> v1::Observation<'a> {
    match state {
        Observation::Absent => v1::Observation::Absent,
        Observation::Kubernetes(object) => v1::Observation::Kubernetes(object),
        Observation::Secret(SecretFacts { generation, keys: _ }) => {
            let keys = if let Lists::Keys(keys) = lists { keys.as_slice() } else { &[] };
            v1::Observation::Secret(v1::SecretFacts { generation: *generation, keys })
        }
        Observation::Mysql(facts) => {
            let accounts = if let Lists::Accounts(accounts) = lists { accounts.as_slice() } else { &[] };
            v1::Observation::Mysql(mysql(facts, accounts))
        }
        Observation::Azure(ArmFacts { found, body, operation, etag, accepted, name_taken, sent_secrets: _ }) => {
            let sent_secrets = if let Lists::Keys(keys) = lists { keys.as_slice() } else { &[] };
            v1::Observation::Azure(v1::ArmFacts {
                found: *found,
                body,
                operation: operation.as_ref().map(operation_facts),
                etag: etag.as_deref(),
                accepted: *accepted,
                name_taken: name_taken.as_deref(),
                sent_secrets,
            })
        }
        Observation::Vault(VaultFacts { found, soft_deleted, version, fingerprint }) => {
            v1::Observation::Vault(v1::VaultFacts {
                found: *found,
                soft_deleted: *soft_deleted,
                version: version.as_deref(),
                fingerprint: fingerprint.as_deref(),
            })
        }
        Observation::Unreachable(Unreachable { since, reason }) => {
            v1::Observation::Unreachable(v1::Unreachable { since: *since, reason })
        }
    }
}

fn operation_facts(operation: &OperationFacts) -> v1::OperationFacts<'_> {
    let OperationFacts { running, error_code, error_message, failure, retry_at } = operation;
    v1::OperationFacts {
        running: *running,
        error_code: error_code.as_deref(),
        error_message: error_message.as_deref(),
        failure: failure.map(|failure| match failure {
            FailureClass::Transient => v1::FailureClass::Transient,
            FailureClass::Blocked => v1::FailureClass::Blocked,
            FailureClass::Final => v1::FailureClass::Final,
        }),
        retry_at: *retry_at,
    }
}

fn mysql<'a>(facts: &'a MysqlFacts, accounts: &'a [&'a str]) -> v1::MysqlFacts<'a> {
    let MysqlFacts {
        version,
        server_uuid,
        server_id,
        read_only,
        super_read_only,
        executed,
        purged,
        source,
        semi_sync: SemiSyncFacts { source_enabled, replica_enabled, wait_for, waiting_sessions },
        attached,
        clone,
        can_commit,
        stalled_since,
        accounts: _,
        uptime,
    } = facts;
    v1::MysqlFacts {
        version,
        server_uuid,
        server_id: *server_id,
        read_only: *read_only,
        super_read_only: *super_read_only,
        executed,
        purged,
        source: source.as_ref().map(source_facts),
        semi_sync: v1::SemiSyncFacts {
            source_enabled: *source_enabled,
            replica_enabled: *replica_enabled,
            wait_for: *wait_for,
            waiting_sessions: *waiting_sessions,
        },
        attached,
        clone: clone.map(|CloneFacts { state, error }| v1::CloneFacts {
            state: match state {
                CloneState::NotStarted => v1::CloneState::NotStarted,
                CloneState::InProgress => v1::CloneState::InProgress,
                CloneState::Completed => v1::CloneState::Completed,
                CloneState::Failed => v1::CloneState::Failed,
            },
            error,
        }),
        can_commit: *can_commit,
        stalled_since: *stalled_since,
        accounts,
        uptime: *uptime,
    }
}

fn source_facts(facts: &SourceFacts) -> v1::SourceFacts<'_> {
    let SourceFacts { host, port, source_uuid, io, sql_running, received, io_error, sql_error, lag } = facts;
    v1::SourceFacts {
        host,
        port: *port,
        source_uuid,
        io: match io {
            IoState::Stopped => v1::IoState::Stopped,
            IoState::Connecting => v1::IoState::Connecting,
            IoState::Running => v1::IoState::Running,
        },
        sql_running: *sql_running,
        received,
        io_error: *io_error,
        sql_error: *sql_error,
        lag: *lag,
    }
}

//! Answers of version 1 of the contract, as the model has them. Lengths are checked before anything is converted.

use super::super::{answer::Answer, error::DecideError};
use super::bindings::windlass::plugin::types as v1;
use model::{
    Condition, Decision, Description, Fault, FieldError, Item, Kind, Truth,
    decision::{
        ArmChange, ArmResource, Body, ComposedValue, Event, GeneratedSecret, MysqlAccount, MysqlServer, PasswordRules,
        Precondition, RandomValue, ReadyField, ReadyWhen, RemovalPolicy, Replication, ReplicationSource, Reseed,
        SecretKey, Tls, TlsMode, UpdatePolicy, VaultSecret,
    },
    description::{Backends, RelatedQuery},
};

type Lifted<T> = Result<T, DecideError>;

pub(super) fn description(answer: &Answer, description: v1::Description) -> Lifted<Description> {
    let v1::Description { name, version, serves, writes, reads, backends } = description;
    let v1::Backends { mysql, azure, vault } = backends;
    Ok(Description {
        name: answer.name(name),
        version: answer.name(version),
        serves: answer.list("serves", serves, |index, crd| answer.json(&format!("serves[{index}]"), crd))?,
        writes: answer.list("writes", writes, |_, written| Ok(kind(answer, written)))?,
        reads: answer.list("reads", reads, |_, read| query(answer, read))?,
        backends: Backends { mysql, azure, vault },
    })
}

pub(super) fn judgement(
    answer: &Answer,
    judgement: Result<(), Vec<v1::FieldError>>,
) -> Lifted<Result<(), Vec<FieldError>>> {
    match judgement {
        Ok(()) => Ok(Ok(())),
        Err(errors) => Ok(Err(field_errors(answer, errors)?)),
    }
}

pub(super) fn outcome(answer: &Answer, outcome: Result<v1::Decision, v1::Fault>) -> Lifted<Result<Decision, Fault>> {
    match outcome {
        Ok(decided) => Ok(Ok(decision(answer, decided)?)),
        Err(fault) => Ok(Err(match fault {
            v1::Fault::Invalid(errors) => Fault::Invalid(field_errors(answer, errors)?),
            v1::Fault::Retry(message) => Fault::Retry(answer.message(message)),
            v1::Fault::Needs(queries) => {
                Fault::Needs(answer.list("needs", queries, |_, needed| query(answer, needed))?)
            }
            v1::Fault::Broken(message) => Fault::Broken(answer.message(message)),
        })),
    }
}

fn decision(answer: &Answer, decision: v1::Decision) -> Lifted<Decision> {
    let v1::Decision { items, status, conditions, events, wake } = decision;
    Ok(Decision {
        items: answer.list("items", items, |index, desired| item(answer, index, desired))?,
        status: answer.json("status", status)?,
        conditions: answer.list("conditions", conditions, |_, told| Ok(condition(answer, told)))?,
        events: answer.list("events", events, |_, v1::Event { warning, reason, message }| {
            Ok(Event { warning, reason: answer.name(reason), message: answer.message(message) })
        })?,
        wake,
    })
}

fn item(answer: &Answer, index: usize, item: v1::Item) -> Lifted<Item> {
    let v1::Item { id, after, ready_when, update, removal, body } = item;
    Ok(Item {
        id: answer.text(id),
        after: texts(answer, "after", after)?,
        ready_when: match ready_when {
            v1::ReadyWhen::Ready => ReadyWhen::Ready,
            v1::ReadyWhen::Exists => ReadyWhen::Exists,
        },
        update: match update {
            v1::UpdatePolicy::Apply => UpdatePolicy::Apply,
            v1::UpdatePolicy::CreateOnce => UpdatePolicy::CreateOnce,
            v1::UpdatePolicy::Recreate => UpdatePolicy::Recreate,
            v1::UpdatePolicy::Rolling => UpdatePolicy::Rolling,
            v1::UpdatePolicy::Overlay => UpdatePolicy::Overlay,
        },
        removal: match removal {
            v1::RemovalPolicy::Delete => RemovalPolicy::Delete,
            v1::RemovalPolicy::Keep => RemovalPolicy::Keep,
            v1::RemovalPolicy::Protect => RemovalPolicy::Protect,
        },
        body: match body {
            v1::Body::Kubernetes(object) => {
                Body::Kubernetes(answer.json(&format!("items[{index}].body.kubernetes"), object)?)
            }
            v1::Body::Secret(secret) => Body::Secret(generated_secret(answer, secret)?),
            v1::Body::Mysql(server) => Body::Mysql(Box::new(mysql_server(answer, server)?)),
            v1::Body::Azure(resource) => Body::Azure(arm_resource(answer, index, resource)?),
            v1::Body::Vault(secret) => Body::Vault(vault_secret(answer, secret)),
        },
    })
}

fn generated_secret(answer: &Answer, secret: v1::GeneratedSecret) -> Lifted<GeneratedSecret> {
    let v1::GeneratedSecret { name, secret_type, plain, random, composed, generation, labels } = secret;
    Ok(GeneratedSecret {
        name: answer.text(name),
        secret_type: answer.text(secret_type),
        plain: answer
            .list("plain", plain, |_, v1::PlainValue { key, value }| Ok((answer.text(key), answer.text(value))))?,
        random: answer.list("random", random, |_, v1::RandomValue { key, length, rules, avoid }| {
            Ok(RandomValue {
                key: answer.text(key),
                length,
                rules: match rules {
                    v1::PasswordRules::Alphanumeric => PasswordRules::Alphanumeric,
                    v1::PasswordRules::AzureSql => PasswordRules::AzureSql,
                },
                avoid: answer.text(avoid),
            })
        })?,
        composed: answer.list("composed", composed, |_, v1::ComposedValue { key, template }| {
            Ok(ComposedValue { key: answer.text(key), template: answer.text(template) })
        })?,
        generation,
        labels: answer
            .list("labels", labels, |_, v1::Label { key, value }| Ok((answer.text(key), answer.text(value))))?,
    })
}

fn mysql_server(answer: &Answer, server: v1::MysqlServer) -> Lifted<MysqlServer> {
    let v1::MysqlServer {
        host,
        port,
        admin_port,
        user,
        password,
        tls: server_tls,
        writable,
        replication,
        acks,
        accounts,
        reseed: reseeding,
        expect,
    } = server;
    Ok(MysqlServer {
        host: answer.text(host),
        port,
        admin_port,
        user: secret_key(answer, user),
        password: secret_key(answer, password),
        tls: tls(answer, server_tls),
        writable,
        replication: match replication {
            v1::Replication::None => Replication::None,
            v1::Replication::Fenced => Replication::Fenced,
            v1::Replication::Source(source) => Replication::Source(replication_source(answer, source)),
        },
        acks,
        accounts: answer.list(
            "accounts",
            accounts,
            |_, v1::MysqlAccount { user, password, keep_previous, grants }| {
                Ok(MysqlAccount {
                    user: secret_key(answer, user),
                    password: secret_key(answer, password),
                    keep_previous,
                    grants: texts(answer, "grants", grants)?,
                })
            },
        )?,
        reseed: reseeding.map(|reseeding| reseed(answer, reseeding)),
        expect: answer.list("expect", expect, |_, expected| Ok(precondition(answer, expected)))?,
    })
}

fn replication_source(answer: &Answer, source: v1::ReplicationSource) -> ReplicationSource {
    let v1::ReplicationSource { host, port, user, password, tls: source_tls } = source;
    ReplicationSource {
        host: answer.text(host),
        port,
        user: secret_key(answer, user),
        password: secret_key(answer, password),
        tls: tls(answer, source_tls),
    }
}

fn reseed(answer: &Answer, reseed: v1::Reseed) -> Reseed {
    let v1::Reseed { donor_host, donor_port, user, password, tls: donor_tls, contained_in } = reseed;
    Reseed {
        donor_host: answer.text(donor_host),
        donor_port,
        user: secret_key(answer, user),
        password: secret_key(answer, password),
        tls: tls(answer, donor_tls),
        contained_in: answer.text(contained_in),
    }
}

fn precondition(answer: &Answer, precondition: v1::Precondition) -> Precondition {
    match precondition {
        v1::Precondition::ServerUuid(uuid) => Precondition::ServerUuid(answer.text(uuid)),
        v1::Precondition::ExecutedContains(set) => Precondition::ExecutedContains(answer.text(set)),
        v1::Precondition::ExecutedWithin(set) => Precondition::ExecutedWithin(answer.text(set)),
        v1::Precondition::SuperReadOnly(on) => Precondition::SuperReadOnly(on),
        v1::Precondition::Detached => Precondition::Detached,
    }
}

fn arm_resource(answer: &Answer, index: usize, resource: v1::ArmResource) -> Lifted<ArmResource> {
    let v1::ArmResource {
        resource_id,
        api_version,
        body,
        secrets,
        observe_only,
        adopt,
        unique_name,
        change,
        ready_field,
    } = resource;
    Ok(ArmResource {
        resource_id: answer.text(resource_id),
        api_version: answer.text(api_version),
        body: answer.json(&format!("items[{index}].body.azure.body"), body)?,
        secrets: answer.list("secrets", secrets, |_, v1::SecretField { pointer, value }| {
            Ok((answer.text(pointer), secret_key(answer, value)))
        })?,
        observe_only,
        adopt,
        unique_name,
        change: match change {
            v1::ArmChange::Put => ArmChange::Put,
            v1::ArmChange::Patch => ArmChange::Patch,
        },
        ready_field: match ready_field {
            Some(v1::ReadyField { pointer, values }) => {
                Some(ReadyField { pointer: answer.text(pointer), values: texts(answer, "values", values)? })
            }
            None => None,
        },
    })
}

fn vault_secret(answer: &Answer, secret: v1::VaultSecret) -> VaultSecret {
    let v1::VaultSecret { vault, name, value, content_type, observe_only } = secret;
    VaultSecret {
        vault: answer.text(vault),
        name: answer.text(name),
        value: secret_key(answer, value),
        content_type: content_type.map(|content_type| answer.text(content_type)),
        observe_only,
    }
}

fn condition(answer: &Answer, condition: v1::Condition) -> Condition {
    let v1::Condition { type_, status, reason, message } = condition;
    Condition {
        type_: answer.name(type_),
        status: match status {
            v1::Truth::Yes => Truth::Yes,
            v1::Truth::No => Truth::No,
            v1::Truth::Unknown => Truth::Unknown,
        },
        reason: answer.name(reason),
        message: answer.message(message),
    }
}

fn field_errors(answer: &Answer, errors: Vec<v1::FieldError>) -> Lifted<Vec<FieldError>> {
    answer.list("errors", errors, |_, v1::FieldError { path, message }| {
        Ok(FieldError { path: answer.name(path), message: answer.message(message) })
    })
}

fn query(answer: &Answer, query: v1::RelatedQuery) -> Lifted<RelatedQuery> {
    let v1::RelatedQuery { name, kind: queried, namespace, label_selector, names } = query;
    Ok(RelatedQuery {
        name: answer.name(name),
        kind: kind(answer, queried),
        namespace: namespace.map(|namespace| answer.text(namespace)),
        label_selector: label_selector.map(|selector| answer.text(selector)),
        names: texts(answer, "names", names)?,
    })
}

fn kind(answer: &Answer, kind: v1::Kind) -> Kind {
    let v1::Kind { group, version, kind } = kind;
    Kind { group: answer.text(group), version: answer.text(version), kind: answer.text(kind) }
}

fn secret_key(answer: &Answer, key: v1::SecretKey) -> SecretKey {
    let v1::SecretKey { secret, key } = key;
    SecretKey { secret: answer.text(secret), key: answer.text(key) }
}

fn tls(answer: &Answer, tls: v1::Tls) -> Tls {
    let v1::Tls { mode, ca } = tls;
    Tls {
        mode: match mode {
            v1::TlsMode::Disabled => TlsMode::Disabled,
            v1::TlsMode::Required => TlsMode::Required,
            v1::TlsMode::Verified => TlsMode::Verified,
        },
        ca: ca.map(|ca| secret_key(answer, ca)),
    }
}

fn texts(answer: &Answer, list: &'static str, texts: Vec<String>) -> Lifted<Vec<String>> {
    answer.list(list, texts, |_, text| Ok(answer.text(text)))
}

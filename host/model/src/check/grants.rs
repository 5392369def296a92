//! What a plugin may touch. In: the desired items, what the plugin described and what the operator granted. Out: every
//! item that is outside of either.

use super::{CheckLimits, Problem, Rule};
use crate::decision::Body;
use crate::description::{Backends, Description};
use crate::facts::Facts;
use crate::grant::{AzureScope, Grants};
use crate::inventory::{Backend, Target};
use crate::kind::{Kind, ObjectKey};
use crate::names;
use crate::plan::Desired;
use crate::scope::Scope;

pub(super) fn problems(
    desired: &[Desired],
    facts: &Facts,
    grants: &Grants,
    description: &Description,
    limits: &CheckLimits,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    if let Some(namespace) = &facts.resource.key.namespace
        && !serves(grants, namespace)
    {
        let why = format!("namespace {namespace} is not among those that plugin {} is granted", facts.plugin);
        problems.push(Problem::new(Rule::NamespaceNotGranted, "", &why));
    }
    for one in desired {
        let mut add = |rule, message: &str| problems.push(Problem::new(rule, &one.entry.id, message));
        match &one.entry.target {
            Target::Object(key) | Target::Secret(key) => object(key, facts, grants, description, &mut add),
            Target::External { backend, name, api_version: _ } => {
                external(*backend, name, one, grants, description, limits, &mut add);
            }
        }
    }
    problems
}

fn serves(grants: &Grants, namespace: &str) -> bool {
    grants.namespaces.is_empty() || grants.namespaces.iter().any(|granted| granted == namespace || granted == "*")
}

fn object(
    key: &ObjectKey,
    facts: &Facts,
    grants: &Grants,
    description: &Description,
    add: &mut impl FnMut(Rule, &str),
) {
    let kind = &key.kind;
    let described = description.writes.iter().any(|written| {
        written.group == kind.group
            && written.kind == kind.kind
            && (written.version == kind.version || written.version == "*")
    });
    if !described {
        let why = format!("plugin {} did not describe that it writes {kind} in {}", facts.plugin, kind.version);
        add(Rule::NotDescribed, &why);
    }
    let granted: Vec<_> =
        grants.writes.iter().filter(|grant| grant.group == kind.group && grant.kind == kind.kind).collect();
    let cluster_scope = granted.iter().any(|grant| grant.cluster_scope);
    if granted.is_empty() {
        add(Rule::NotGranted, &format!("the operator did not grant plugin {} to write {kind}", facts.plugin));
    } else if is_privileged(kind) && !cluster_scope {
        let why = format!("{kind} gives power over the whole cluster: it needs a grant with clusterScope");
        add(Rule::ClusterScope, &why);
    }
    match (&facts.resource.key.namespace, &key.namespace) {
        (Some(own), Some(namespace)) if own != namespace => {
            add(Rule::NamespaceNotGranted, &format!("{key} is not in the namespace of the resource, {own}"));
        }
        (Some(_), None) if facts.scope(kind) == Some(Scope::Cluster) && !granted.is_empty() && !cluster_scope => {
            let why = format!(
                "{key} is of the whole cluster, the resource of a namespace: it needs a grant with clusterScope"
            );
            add(Rule::ClusterScope, &why);
        }
        (None, Some(namespace)) if !serves(grants, namespace) => {
            let why = format!("namespace {namespace} is not among those that plugin {} is granted", facts.plugin);
            add(Rule::NamespaceNotGranted, &why);
        }
        _ => {}
    }
    if recurses(kind, facts, description) {
        let why = format!("{kind} would be decided for by plugin {} itself, without end", facts.plugin);
        add(Rule::Recursion, &why);
    }
}

/// Kinds whose objects change what others may do, or what the API server does.
fn is_privileged(kind: &Kind) -> bool {
    match kind.group.as_str() {
        "rbac.authorization.k8s.io"
        | "admissionregistration.k8s.io"
        | "apiextensions.k8s.io"
        | "apiregistration.k8s.io"
        | "certificates.k8s.io" => true,
        "" => matches!(kind.kind.as_str(), "Namespace" | "Node" | "PersistentVolume"),
        _ => false,
    }
}

/// The kind of the resource itself never; another kind of the same plugin only from a resource that a person made, so
/// that a chain has one link.
fn recurses(kind: &Kind, facts: &Facts, description: &Description) -> bool {
    let own = &facts.resource.key.kind;
    if own.group == kind.group && own.kind == kind.kind {
        return true;
    }
    let served = description.serves.iter().any(|definition| {
        let text = |path: &str| definition.pointer(path).and_then(serde_json::Value::as_str);
        text("/spec/group") == Some(&kind.group) && text("/spec/names/kind") == Some(&kind.kind)
    });
    served && facts.resource.labels.get(names::LABEL_PLUGIN) == Some(&facts.plugin)
}

fn external(
    backend: Backend,
    name: &str,
    one: &Desired,
    grants: &Grants,
    description: &Description,
    limits: &CheckLimits,
    add: &mut impl FnMut(Rule, &str),
) {
    let word = backend.word();
    if !has(&limits.backends, backend) {
        return add(Rule::BackendUnavailable, &format!("this host cannot act on backend {word}"));
    }
    if !has(&description.backends, backend) {
        add(Rule::NotDescribed, &format!("the plugin did not describe that it uses backend {word}"));
    }
    if !has(&grants.backends, backend) {
        add(Rule::NotGranted, &format!("the operator did not grant backend {word}"));
    }
    match backend {
        Backend::Mysql => {}
        Backend::Azure if azure_granted(grants, name) => {}
        Backend::Azure => add(Rule::OutsideScope, "the resource id is in no granted subscription or resource group"),
        Backend::Vault => {
            let Body::Vault(secret) = &one.body else { return };
            if !vault_granted(grants, &secret.vault) {
                add(Rule::OutsideScope, "the vault is not among the granted ones");
            }
        }
    }
}

/// Whether a plugin may read and write this ARM resource.
pub fn azure_granted(grants: &Grants, id: &str) -> bool {
    grants.backends.azure && grants.azure_scopes.iter().any(|scope| within(scope, id))
}

/// Whether a plugin may read and write secrets of this vault.
pub fn vault_granted(grants: &Grants, vault: &str) -> bool {
    let plain = |vault: &str| vault.trim_end_matches('/').to_ascii_lowercase();
    grants.backends.vault && grants.vaults.iter().any(|granted| plain(granted) == plain(vault))
}

pub(super) fn has(backends: &Backends, backend: Backend) -> bool {
    match backend {
        Backend::Mysql => backends.mysql,
        Backend::Azure => backends.azure,
        Backend::Vault => backends.vault,
    }
}

/// `/subscriptions/S/resourceGroups/G/…`, without regard to case, as ARM takes ids. Ids with anything that a proxy or
/// server may read otherwise are in no scope.
fn within(scope: &AzureScope, id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.' | b'(' | b')');
    if !id.bytes().all(plain) || id.contains("//") || id.split('/').any(|part| part == "." || part == "..") {
        return false;
    }
    let mut parts = id.split('/').skip(1);
    let mut segment = |name: &str| match (parts.next(), parts.next()) {
        (Some(found), Some(value)) if found.eq_ignore_ascii_case(name) && !value.is_empty() => Some(value),
        _ => None,
    };
    let Some(subscription) = segment("subscriptions") else { return false };
    if scope.subscription.is_empty() || !subscription.eq_ignore_ascii_case(&scope.subscription) {
        return false;
    }
    match &scope.resource_group {
        None => true,
        Some(group) => segment("resourceGroups").is_some_and(|found| found.eq_ignore_ascii_case(group)),
    }
}

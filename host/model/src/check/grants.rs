//! What a plugin may touch. In: the desired items, what the plugin described and what the operator granted. Out: every
//! item that is outside of either.

use super::{CheckLimits, Problem, Rule, reach};
use crate::decision::{Body, SecretKey};
use crate::description::{Backends, Description};
use crate::facts::Facts;
use crate::grant::{AzureScope, Grants, WriteVerb};
use crate::inventory::{Backend, Inventory, Target};
use crate::kind::{Kind, ObjectKey};
use crate::names;
use crate::plan::{Action, Belongs, Desired, Step, belongs};
use crate::scope::Scope;

pub(super) fn problems(
    desired: &[Desired],
    facts: &Facts,
    grants: &Grants,
    description: &Description,
    limits: &CheckLimits,
) -> Vec<Problem> {
    let mut problems: Vec<Problem> =
        reach::namespace_problem(&facts.resource.key, grants, &facts.plugin).into_iter().collect();
    for one in desired {
        let mut add = |rule, message: &str| problems.push(Problem::new(rule, &one.entry.id, message));
        match &one.entry.target {
            Target::Object(key) | Target::Secret(key) => object(key, facts, grants, description, &mut add),
            Target::External { backend, name, api_version: _ } => {
                secrets(one, desired, facts, grants, &mut add);
                external(*backend, name, one, grants, description, limits, &mut add);
            }
        }
    }
    problems
}

/// Steps that write a granted kind in a way that is not granted. A kind that is not granted any more may still be deleted
/// and let go of: what was made under an earlier grant must be able to go.
pub(super) fn verbs(steps: &[Step], grants: &Grants, plugin: &str) -> Vec<Problem> {
    let beyond = |step: &Step| {
        let (key, verb) = (step.action.key()?, verb(&step.action)?);
        let Kind { group, kind, version: _ } = &key.kind;
        if grants.write(group, kind).is_none() || grants.may(verb, group, kind) {
            return None;
        }
        let why = format!(
            "the operator did not grant plugin {plugin} to {} {}; add the verb to `writes` of its grants",
            verb.word(),
            key.kind
        );
        Some(Problem::new(Rule::NotGranted, &step.item, &why))
    };
    steps.iter().filter_map(beyond).collect()
}

/// How a step writes a Kubernetes object, in the words of RBAC.
fn verb(action: &Action) -> Option<WriteVerb> {
    match action {
        Action::Apply { live: None, .. } | Action::CreateSecret { .. } => Some(WriteVerb::Create),
        Action::Apply { live: Some(_), .. }
        | Action::Adopt { .. }
        | Action::Overlay { .. }
        | Action::AddSecretValues { .. }
        | Action::Release { .. } => Some(WriteVerb::Patch),
        Action::Recreate { .. } | Action::Delete { .. } => Some(WriteVerb::Delete),
        Action::Mysql(_) | Action::Azure(_) | Action::Vault(_) | Action::RemoveExternal { .. } => None,
    }
}

/// Values of Secrets go to backends only from Secrets of the resource itself, and from those that are granted by name.
fn secrets(one: &Desired, desired: &[Desired], facts: &Facts, grants: &Grants, add: &mut impl FnMut(Rule, &str)) {
    let none = Inventory::default();
    let listed = facts.inventory.as_ref().unwrap_or(&none);
    for SecretKey { secret, key: _ } in reach::sent_secrets(&one.body) {
        let key = ObjectKey {
            kind: Kind::new("", "v1", "Secret"),
            namespace: facts.resource.key.namespace.clone(),
            name: secret.clone(),
        };
        let made = desired.iter().any(|other| matches!(&other.entry.target, Target::Secret(made) if *made == key));
        let lists = listed.lists(&Target::Secret(key.clone()));
        let ours = || facts.objects.found(&key).is_some_and(|found| belongs(found, facts, lists) == Belongs::Ours);
        if !(made || ours() || reach::secret_granted(secret, grants)) {
            let why = format!(
                "Secret {secret:?} is not the resource's own; add its name to a grant of Secret in `reads`, if plugin {} \
                 may have it used",
                facts.plugin
            );
            add(Rule::SecretNotGranted, &why);
        }
    }
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
        (None, Some(namespace)) if !reach::serves(grants, namespace) => {
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

//! What a path of ARM names: a subscription, a resource group, a resource, a collection of resources, an operation, or a
//! question about a name. Ids are compared without regard to case.

use std::fmt;

/// The id of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ResourceId {
    pub subscription: String,
    pub group: String,
    /// `Microsoft.Sql`
    pub provider: String,
    /// Types with names, the outermost first.
    pub parts: Vec<(String, String)>,
}

impl ResourceId {
    /// `Microsoft.Sql/servers/firewallRules`
    pub fn type_name(&self) -> String {
        let types: Vec<&str> = self.parts.iter().map(|(type_, _)| type_.as_str()).collect();
        format!("{}/{}", self.provider, types.join("/"))
    }

    /// The name of the resource itself.
    pub fn name(&self) -> &str {
        self.parts.last().map_or("", |(_, name)| name)
    }

    /// The id of the resource that this one is in.
    pub fn parent(&self) -> Option<ResourceId> {
        let (_, parts) = self.parts.split_last()?;
        (!parts.is_empty()).then(|| ResourceId { parts: parts.to_vec(), ..self.clone() })
    }

    /// The id as a key.
    pub fn key(&self) -> String {
        self.to_string().to_ascii_lowercase()
    }

    /// The group's id.
    pub fn group_id(&self) -> String {
        format!("/subscriptions/{}/resourceGroups/{}", self.subscription, self.group)
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/providers/{}", self.group_id(), self.provider)?;
        self.parts.iter().try_for_each(|(type_, name)| write!(f, "/{type_}/{name}"))
    }
}

/// What a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Subscription,
    Groups,
    Group(String),
    Resource(ResourceId),
    /// All resources of a type whose ids start like this.
    Collection {
        prefix: String,
        type_name: String,
    },
    /// An operation; whether its result is asked for and not its state.
    Operation {
        id: String,
        result: bool,
    },
    /// Whether a name is free.
    CheckName {
        provider: String,
    },
}

/// The subscription of a path, and what it names.
pub(crate) fn parse(path: &str) -> Option<(String, Target)> {
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    if parts.iter().any(|part| part.is_empty() || *part == "." || *part == "..") {
        return None;
    }
    let is = |at: usize, word: &str| parts.get(at).is_some_and(|part| part.eq_ignore_ascii_case(word));
    let subscription = parts.get(1).filter(|_| is(0, "subscriptions"))?.to_string();
    let target = match parts.len() {
        2 => Target::Subscription,
        3 if is(2, "resourceGroups") => Target::Groups,
        4 if is(2, "resourceGroups") => Target::Group(parts.get(3)?.to_string()),
        _ if is(2, "resourceGroups") && is(4, "providers") => {
            let id = ResourceId {
                subscription: subscription.clone(),
                group: parts.get(3)?.to_string(),
                provider: parts.get(5)?.to_string(),
                parts: Vec::new(),
            };
            resource(id, parts.get(6..)?)?
        }
        5 if is(2, "providers") && is(4, "checkNameAvailability") => {
            Target::CheckName { provider: parts.get(3)?.to_string() }
        }
        5 if is(2, "providers") => Target::Collection {
            prefix: format!("/subscriptions/{subscription}/"),
            type_name: format!("{}/{}", parts.get(3)?, parts.get(4)?),
        },
        8 if is(2, "providers") && is(4, "locations") => {
            let result = parts.get(6)?.to_ascii_lowercase().ends_with("operationresults");
            Target::Operation { id: parts.get(7)?.to_string(), result }
        }
        _ => return None,
    };
    Some((subscription, target))
}

/// A resource where types and names are in pairs, else a collection.
fn resource(mut id: ResourceId, rest: &[&str]) -> Option<Target> {
    let pairs = rest.chunks(2);
    for pair in pairs {
        match pair {
            [type_, name] => id.parts.push((type_.to_string(), name.to_string())),
            [type_] => {
                let prefix = if id.parts.is_empty() { format!("{}/", id.group_id()) } else { format!("{id}/") };
                let inner: Vec<&str> = id.parts.iter().map(|(type_, _)| type_.as_str()).chain([*type_]).collect();
                return Some(Target::Collection { prefix, type_name: format!("{}/{}", id.provider, inner.join("/")) });
            }
            _ => return None,
        }
    }
    (!id.parts.is_empty()).then_some(Target::Resource(id))
}

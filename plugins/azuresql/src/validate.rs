//! What the schema cannot say about a spec. In: a spec, the operator's settings, and the resource before a change. Out:
//! errors with the field.

use crate::build::rule::AZURE_SERVICES;
use crate::login;
use crate::settings::{ReservedLogins, Settings};
use crate::spec::ServerSpec;
use crate::spec::access::{FirewallRule, Toggle};
use crate::status::ServerStatus;
use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use windlass_sdk::{FieldError, Resource};

/// Errors of a spec by itself.
pub fn spec(spec: &ServerSpec, settings: &Settings) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut say = |path: &str, message: &str| errors.push(FieldError::at(path, message));
    if spec.location.trim().is_empty() {
        say("spec.location", "must be a region of Azure, such as eastus");
    }
    if let Some(name) = spec.azure_name.as_deref().filter(|name| !crate::place::is_server_name(name)) {
        let message = format!(
            "{name:?} is no name for a server in Azure: it has 1 to 63 lower-case letters, digits and hyphens, no hyphen \
             at either end"
        );
        say("spec.azureName", &message);
    }
    if let Some(owner) = &spec.owner
        && owner.name.is_some() == owner.arm_id.is_some()
    {
        say("spec.owner", "needs either name or armId");
    }
    let written = spec.administrator_login.as_str();
    let starts = written.starts_with(|c: char| c.is_ascii_alphabetic());
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if !starts || !written.chars().all(plain) || written.len() > 128 {
        say("spec.administratorLogin", "must start with a letter and go on with letters, digits, `_`, `.` and `-`");
    }
    if settings.reserved_logins == ReservedLogins::Refuse && login::is_reserved(written) {
        let message = format!("Azure reserves {written:?} and refuses a server with it: choose another login");
        say("spec.administratorLogin", &message);
    }
    if spec.public_network_access == Toggle::Disabled && (spec.allow_azure_services || !spec.firewall_rules.is_empty())
    {
        say(
            "spec.firewallRules",
            "Azure refuses firewall rules while publicNetworkAccess is Disabled: remove them and allowAzureServices, or \
             enable the access",
        );
    }
    if spec.allow_azure_services
        && spec.firewall_rules.iter().any(|rule| rule.name.eq_ignore_ascii_case(AZURE_SERVICES))
    {
        let message = format!("{AZURE_SERVICES} is the name of the rule that allowAzureServices makes: choose another");
        say("spec.firewallRules", &message);
    }
    errors.extend(rules("spec.firewallRules", &spec.firewall_rules));
    errors.extend(twice("spec.databases", spec.databases.iter().map(|database| database.name.as_str())));
    errors.extend(twice("spec.elasticPools", spec.elastic_pools.iter().map(|pool| pool.name.as_str())));
    for (at, database) in spec.databases.iter().enumerate() {
        let path = format!("spec.databases[{at}]");
        let mut say = |field: &str, message: &str| errors.push(FieldError::at(&format!("{path}.{field}"), message));
        if let Some(pool) = &database.elastic_pool {
            if !spec.elastic_pools.iter().any(|known| known.name.eq_ignore_ascii_case(pool)) {
                say("elasticPool", &format!("there is no pool {pool:?} in spec.elasticPools"));
            }
            if database.sku.is_some() {
                say("sku", "a database in a pool has the size of its pool: leave one of them out");
            }
        }
        if !is_name(&database.name) {
            say("name", "must consist of letters, digits, `_`, `.`, `-` and parentheses");
        }
        if ["master", "tempdb", "model", "msdb"].contains(&database.name.to_ascii_lowercase().as_str()) {
            say("name", "is a database of the server itself: choose another name");
        }
    }
    for (at, pool) in spec.elastic_pools.iter().enumerate().filter(|(_, pool)| !is_name(&pool.name)) {
        let message = format!("{:?} must consist of letters, digits, `_`, `.`, `-` and parentheses", pool.name);
        errors.push(FieldError::at(&format!("spec.elasticPools[{at}].name"), &message));
    }
    errors
}

/// Errors of firewall rules at a path.
pub fn rules(path: &str, rules: &[FirewallRule]) -> Vec<FieldError> {
    let mut errors = twice(path, rules.iter().map(|rule| rule.name.as_str()));
    for (at, rule) in rules.iter().enumerate() {
        let mut say =
            |field: &str, message: &str| errors.push(FieldError::at(&format!("{path}[{at}].{field}"), message));
        if !is_name(&rule.name) {
            say("name", "must consist of letters, digits, `_`, `.`, `-` and parentheses");
        }
        let start = rule.start_ip_address.parse::<Ipv4Addr>();
        let end = rule.end().parse::<Ipv4Addr>();
        match (start, end) {
            (Err(_), _) => say("startIpAddress", "is no IPv4 address: Azure's firewall rules know no other"),
            (_, Err(_)) => say("endIpAddress", "is no IPv4 address: Azure's firewall rules know no other"),
            (Ok(start), Ok(end)) if start > end => say("endIpAddress", "is before startIpAddress: swap them"),
            (Ok(start), Ok(end)) if start.is_unspecified() && !end.is_unspecified() && end != Ipv4Addr::BROADCAST => {
                say("startIpAddress", "0.0.0.0 stands for Azure's services: start with another address");
            }
            (Ok(_), Ok(_)) => {}
        }
    }
    errors
}

/// A name that is safe in an id.
fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '(' | ')');
    (1..=128).contains(&name.len())
        && name.chars().all(plain)
        && name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && !name.ends_with(['.', '-'])
}

/// Names that differ by case alone are one in Azure.
fn twice<'a>(path: &str, names: impl Iterator<Item = &'a str>) -> Vec<FieldError> {
    let mut seen = BTreeSet::new();
    names
        .enumerate()
        .filter(|(_, name)| !seen.insert(name.to_ascii_lowercase()))
        .map(|(at, name)| FieldError::at(&format!("{path}[{at}].name"), &format!("{name:?} is there twice")))
        .collect()
}

/// Errors of a change. Until Azure has accepted the server, everything can be corrected.
pub fn change(old: &Resource<ServerSpec, ServerStatus>, new: &Resource<ServerSpec, ServerStatus>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut say = |path: &str, message: &str| errors.push(FieldError::at(path, message));
    if new.spec.credentials.generation < old.spec.credentials.generation {
        say("spec.credentials.generation", "only goes up: a password does not come back");
    }
    if old.status.id.is_none() {
        return errors;
    }
    if old.spec.location != new.spec.location {
        say("spec.location", "cannot change: Azure does not move a server; make another resource");
    }
    if old.spec.azure_name != new.spec.azure_name {
        say("spec.azureName", "cannot change: Azure does not rename a server");
    }
    if old.spec.owner != new.spec.owner {
        say("spec.owner", "cannot change: a server is not moved between resource groups");
    }
    let same = login::effective(&old.spec.administrator_login) == login::effective(&new.spec.administrator_login);
    if !same && old.status.administrator_login.as_ref() != Some(&new.spec.administrator_login) {
        say("spec.administratorLogin", "cannot change once the server exists");
    }
    for (at, database) in new.spec.databases.iter().enumerate() {
        let before = old.spec.databases.iter().find(|before| before.name.eq_ignore_ascii_case(&database.name));
        if before.is_some_and(|before| before.collation != database.collation) {
            say(&format!("spec.databases[{at}].collation"), "cannot change: make another database");
        }
    }
    errors
}

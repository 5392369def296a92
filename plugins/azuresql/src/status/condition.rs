//! Conditions: what is the case, how bad it is, and what will happen or what to do. In: the design and its items. Out: the
//! conditions. One table says for each code of Azure what helps.

use crate::build::{CREDENTIALS, Design, PASSWORD, rule, server};
use crate::login;
use crate::policy::ANNOTATION;
use crate::situation::{Failure, Situation};
use crate::spec::access::Toggle;
use windlass_sdk::azure::FailureClass;
use windlass_sdk::{Condition, Item, Truth};

/// Becomes ready by itself.
const INFO: Option<&str> = Some("Info");
/// May take somebody's help, and is tried again by itself.
const WARNING: Option<&str> = Some("Warning");
/// Stays so until the resource is changed.
const ERROR: Option<&str> = Some("Error");

/// The condition Ready with its severity.
#[derive(Clone, Debug, PartialEq)]
pub struct Ready {
    /// The condition.
    pub condition: Condition,
    /// How bad it is that it is not true; none where it is.
    pub severity: Option<&'static str>,
}

fn not_ready(severity: Option<&'static str>, reason: &str, message: &str) -> Ready {
    Ready { condition: Condition::no("Ready", &word(reason), message), severity }
}

/// Everything is as wished.
pub fn ready(design: &Design<'_>, items: &[Item]) -> Ready {
    let (place, now) = (design.place, design.snapshot.now);
    match &design.case.situation {
        Situation::Looking => not_ready(INFO, "Looking", "whether the server exists is being found out"),
        Situation::Unreachable { reason, since } => {
            let seconds = now.saturating_sub(*since) / 1000;
            let message = format!(
                "Azure has not answered for {seconds} s ({reason}): {}; nothing is changed until it does",
                remedy_of_silence(reason)
            );
            not_ready(WARNING, reason, &message)
        }
        Situation::PasswordUnknown => {
            let next = design.snapshot.resource.status.credentials_generation.unwrap_or(0).saturating_add(1);
            let message = format!(
                "the server exists and Secret {} with its password does not: restore the Secret, or set \
                 spec.credentials.generation to {next} to give the server a new password",
                place.secret
            );
            not_ready(ERROR, "PasswordUnknown", &message)
        }
        Situation::NameTaken(why) => {
            let message = format!(
                "the name {} is not free ({why}): set spec.azureName to another; nothing is sent until then",
                place.name
            );
            not_ready(ERROR, "NameTaken", &message)
        }
        Situation::Absent if design.looks_only() => {
            let message = format!("there is no server {}, and annotation {ANNOTATION} says to skip it", place.name);
            not_ready(WARNING, "NotFound", &message)
        }
        Situation::Absent if design.snapshot.secret(CREDENTIALS).is_none() => {
            let message = format!("Secret {} is made first, then the server is created", place.secret);
            not_ready(INFO, "CreatingCredentials", &message)
        }
        Situation::Absent => {
            let message = format!("server {} is being created in {}", place.name, design.spec().location);
            not_ready(INFO, "Creating", &message)
        }
        Situation::Accepted => {
            not_ready(INFO, "Creating", "Azure has accepted the server; it shows it within a minute or two")
        }
        Situation::Running { retry_at } => {
            let seconds = retry_at.saturating_sub(now).div_ceil(1000);
            let message = format!("Azure is at work on the server; it is asked again in {seconds} s");
            not_ready(INFO, if design.case.live.is_some() { "Updating" } else { "Creating" }, &message)
        }
        Situation::Failed(failure) => failed(failure, now),
        Situation::NotReady(state) => {
            let message = format!("the server is there and its state is {state}; it is looked at again");
            not_ready(INFO, "WaitingForAzure", &message)
        }
        Situation::Immutable(fields) => {
            let message = format!(
                "{} of the server cannot change: set the old value again, or make another resource; everything else is \
                 kept as wished",
                fields.join(", ")
            );
            not_ready(ERROR, "ImmutableChanged", &message)
        }
        Situation::Drifted(fields) if design.looks_only() => {
            let message = format!(
                "{} differ from what is wished, and annotation {ANNOTATION} says to skip it",
                fields.join(", ")
            );
            not_ready(WARNING, "Differs", &message)
        }
        Situation::Drifted(fields) => {
            not_ready(INFO, "Updating", &format!("{} of the server are being changed", fields.join(", ")))
        }
        Situation::PasswordPending if design.looks_only() => observed_ready(design),
        Situation::PasswordPending => {
            let message = format!("the server is getting the password of Secret {}", place.secret);
            not_ready(INFO, "RotatingPassword", &message)
        }
        Situation::Settled if design.looks_only() => observed_ready(design),
        Situation::Settled => settled(design, items),
    }
}

fn observed_ready(design: &Design<'_>) -> Ready {
    let message = format!("server {} is ready; it is only looked at", design.place.name);
    Ready { condition: Condition::yes("Ready", "Observed", &message), severity: None }
}

fn failed(failure: &Failure, now: u64) -> Ready {
    let Failure { code, message, class, retry_at } = failure;
    let seconds = retry_at.saturating_sub(now).div_ceil(1000);
    let (severity, next) = match class {
        FailureClass::Transient => (WARNING, format!("it is tried again in {seconds} s")),
        FailureClass::Blocked => (WARNING, format!("it is tried again in {seconds} s by itself")),
        FailureClass::Final => (ERROR, "it is not sent again before the resource changes".to_string()),
    };
    not_ready(severity, code, &format!("Azure refused the server: {code}: {message}; {}; {next}", remedy(code)))
}

/// The server is as wished; what is in it and beside it may not be.
fn settled(design: &Design<'_>, items: &[Item]) -> Ready {
    let mut waiting = Vec::new();
    for item in items.iter().filter(|item| item.id != crate::build::SERVER) {
        let seen = design.snapshot.item(&item.id);
        if let Some(operation) = design.snapshot.arm(&item.id).facts().and_then(|facts| facts.failed()) {
            let failure = Failure::of(operation);
            let severity = if failure.class == FailureClass::Final { ERROR } else { WARNING };
            let message =
                format!("{} was refused: {}: {}; {}", item.id, failure.code, failure.message, remedy(&failure.code));
            return not_ready(severity, &failure.code, &message);
        }
        if let Some(error) = seen.and_then(|seen| seen.last_error.as_ref()) {
            return not_ready(WARNING, "ItemFailing", &format!("{}: {error}; it is tried again", item.id));
        }
        if seen.is_none_or(|seen| !seen.ready) {
            waiting.push(item.id.as_str());
        }
    }
    if !waiting.is_empty() {
        let more = if waiting.len() > 5 { format!(" and {} more", waiting.len() - 5) } else { String::new() };
        let some = waiting.iter().take(5).copied().collect::<Vec<_>>().join(", ");
        let reason =
            if waiting.iter().all(|id| id.starts_with("vault/")) { "WaitingForKeyVault" } else { "WaitingForItems" };
        return not_ready(
            INFO,
            reason,
            &format!("the server is ready; {some}{more} are being brought to what is wished"),
        );
    }
    let mut message = format!("server {} is ready and everything is as wished", design.place.name);
    if !design.case.unshown.is_empty() {
        let fields = design.case.unshown.join(", ");
        message += &format!("; Azure took {fields} and does not show it so: it is sent again when it changes");
    }
    Ready { condition: Condition::yes("Ready", "AsWished", &message), severity: None }
}

/// Every condition.
pub fn all(design: &Design<'_>, ready: &Ready, items: &[Item]) -> Vec<Condition> {
    let mut conditions = vec![ready.condition.clone(), login(design), network(design), credentials(design)];
    conditions.extend(design.place.vault.as_ref().map(|vault| key_vault(design, vault, items)));
    conditions
}

/// Whether the login is the one that was written. Said from the first pass on, before anything is created.
fn login(design: &Design<'_>) -> Condition {
    let written = design.spec().administrator_login.as_str();
    let has = server::login(design);
    if login::is_reserved(written) {
        let message = format!(
            "Azure reserves the login {written} and refuses a server with it: the server gets {has} instead, which is \
             under username in Secret {}; to choose another, set spec.administratorLogin before the server exists",
            design.place.secret
        );
        return Condition::no("LoginAsWritten", "ReservedLogin", &message);
    }
    if has != written {
        let message = format!("the server has the login {has}, and a login cannot change");
        return Condition::no("LoginAsWritten", "LoginCannotChange", &message);
    }
    Condition::yes("LoginAsWritten", "AsWritten", &format!("the login is {has}"))
}

/// Whether anybody can connect.
fn network(design: &Design<'_>) -> Condition {
    let spec = design.spec();
    if spec.public_network_access == Toggle::Disabled {
        let message = "only private endpoints reach the server, because publicNetworkAccess is Disabled";
        return Condition::unknown("Reachable", "PublicAccessDisabled", message);
    }
    let rules = rule::declared(spec, &design.settings.firewall_rules);
    if rules.is_empty() {
        let message = "no firewall rule is declared, so nobody can connect: add spec.firewallRules, or set \
                       spec.allowAzureServices";
        return Condition::no("Reachable", "NoFirewallRule", message);
    }
    let open = rules.iter().find(|rule| rule.start_ip_address == "0.0.0.0" && rule.end() == "255.255.255.255");
    if let Some(open) = open {
        let message = format!("rule {} lets the whole internet try to log in", open.name);
        return Condition::yes("Reachable", "OpenToEverybody", &message);
    }
    Condition::yes("Reachable", "RulesDeclared", &format!("{} firewall rules are declared", rules.len()))
}

/// Whether Secret and server have the same password.
fn credentials(design: &Design<'_>) -> Condition {
    let secret = &design.place.secret;
    match (&design.case.situation, design.snapshot.secret(CREDENTIALS)) {
        (Situation::PasswordUnknown, _) => {
            let message = format!("Secret {secret} is gone, and nobody knows the password of the server");
            Condition::no("CredentialsCurrent", "PasswordUnknown", &message)
        }
        (_, None) => {
            let message = format!("Secret {secret} is not there yet");
            Condition::unknown("CredentialsCurrent", "NoSecret", &message)
        }
        (Situation::Looking | Situation::Unreachable { .. }, Some(_)) => {
            Condition::unknown("CredentialsCurrent", "NotLooked", "the server was not looked at")
        }
        (_, Some(facts)) => {
            let stored = facts.keys.iter().find(|key| key.key == PASSWORD).map(|key| key.fingerprint.as_str());
            let sent = design.snapshot.arm(crate::build::SERVER).facts().and_then(|f| f.sent(server::PASSWORD_POINTER));
            if stored.is_some() && stored == sent {
                let message = format!("the server has the password of Secret {secret}");
                return Condition::yes("CredentialsCurrent", "Applied", &message);
            }
            let message = format!("the password of Secret {secret} has not reached the server yet; it is sent");
            Condition::no("CredentialsCurrent", "Pending", &message)
        }
    }
}

/// Whether the Key Vault has what the Secret has.
fn key_vault(design: &Design<'_>, vault: &str, items: &[Item]) -> Condition {
    let ids = items.iter().filter(|item| item.id.starts_with("vault/")).map(|item| item.id.as_str());
    let late: Vec<&str> = ids.filter(|id| !design.snapshot.is_ready(id)).collect();
    let deleted = late.iter().any(|id| design.snapshot.vault(id).facts().is_some_and(|facts| facts.soft_deleted));
    match (late.is_empty(), deleted) {
        (true, _) => {
            let message = format!("{vault} has the credentials of the Secret");
            Condition::yes("KeyVaultSynced", "Synced", &message)
        }
        (false, true) => {
            let message = format!("{vault} has deleted secrets of these names; they are recovered, then written");
            Condition::no("KeyVaultSynced", "Recovering", &message)
        }
        (false, false) => {
            let message = format!("{} are written to {vault} once the server has its password", late.join(", "));
            Condition::of("KeyVaultSynced", Truth::No, "Pending", &message)
        }
    }
}

/// What helps against a code of Azure.
pub fn remedy(code: &str) -> &'static str {
    match code {
        "NameAlreadyExists" | "ServerAlreadyExists" => "set spec.azureName to a name that nobody in Azure has",
        "InvalidServerName" => "set spec.azureName to lower-case letters, digits and hyphens",
        "InvalidLoginName" | "InvalidUsername" => "choose another spec.administratorLogin",
        "PasswordNotComplex" | "PasswordTooShort" | "PasswordTooLong" => {
            "raise spec.credentials.generation to make another password"
        }
        "RegionDoesNotAllowProvisioning"
        | "ProvisioningDisabled"
        | "RegionIsOfferRestricted"
        | "LocationNotAvailableForResourceType"
        | "InvalidLocation" => "choose another spec.location, or ask Azure's support to open this one",
        "InvalidResourceLocation" => "a server of this name exists in another region: choose another spec.azureName",
        "RequestDisallowedByPolicy" => "a policy of the subscription forbids it: change the resource or ask its owner",
        "ScopeLocked" => "a lock holds it: ask the owner of the resource group to take the lock away",
        "AuthorizationFailed" | "LinkedAuthorizationFailed" => {
            "give the operator's identity the role SQL Server Contributor on the resource group"
        }
        "ResourceGroupNotFound" => "create the resource group, or correct spec.owner",
        "SubscriptionNotFound" => "correct spec.owner or the operator's setting subscription",
        "MissingSubscriptionRegistration" | "SubscriptionNotRegistered" | "NoRegisteredProviderFound" => {
            "register Microsoft.Sql in the subscription: az provider register --namespace Microsoft.Sql"
        }
        "ServerQuotaExceeded" | "QuotaExceeded" | "ResourceQuotaExceeded" => {
            "delete servers that nobody needs, or ask Azure's support for more"
        }
        "SubscriptionDisabled" | "ServerDisabled" => "ask the owner of the subscription to enable it",
        "DenyPublicEndpointEnabled" => "set spec.publicNetworkAccess to Enabled, or remove the firewall rules",
        "TooManyFirewallRules" => "remove firewall rules: a server has no more than 256",
        "InvalidParameterValue" => "correct the field that Azure names (`Login` is spec.administratorLogin)",
        _ => "look at Azure's message",
    }
}

/// What helps when Azure does not answer, or not to us.
pub fn remedy_of_silence(reason: &str) -> &'static str {
    match reason {
        "CredentialMissing" => "the operator has no credential for this resource, or cannot read it; provide one",
        "CredentialRefused" => "Microsoft Entra refuses the operator's credential; renew it",
        "Forbidden" => "give the operator's identity a role on the resource group",
        "Throttled" => "there were too many requests; it is asked again when Azure allows it",
        _ => "it is tried again",
    }
}

/// A code as the reason of a condition: letters and digits, the first a capital.
pub fn word(code: &str) -> String {
    let plain: String = code.chars().filter(char::is_ascii_alphanumeric).take(64).collect();
    let mut chars = plain.chars();
    match chars.next() {
        Some(first) if first.is_ascii_alphabetic() => first.to_ascii_uppercase().to_string() + chars.as_str(),
        _ => "Unknown".to_string(),
    }
}

//! Microsoft.Sql: logical servers and what is in them. Codes are those of the reference of Azure SQL's REST API.

use super::{Asked, Kind, Pace, Shape, default, set};
use crate::arm::operation::Outcome;
use crate::arm::resource::holder_of;
use crate::digest;
use crate::error::ApiError;
use crate::text;
use serde_json::{Value, json};
use std::net::Ipv4Addr;

const VERSIONS: &[&str] = &["2021-11-01", "2023-08-01", "2025-01-01"];
const SERVER_POLL: (&str, &str) = ("serverAzureAsyncOperation", "serverOperationResults");

/// The types.
pub(super) const KINDS: &[Kind] = &[
    Kind {
        name: "Microsoft.Sql/servers",
        versions: VERSIONS,
        tracked: true,
        global: true,
        patch: true,
        etag: false,
        pace: Pace::Server,
        poll: SERVER_POLL,
        operations: ("UpsertLogicalServer", "DropLogicalServer"),
        state: Some(("/properties/state", "Ready")),
        top: &["identity"],
        properties: &[
            ("administratorLogin", Shape::Text),
            ("administratorLoginPassword", Shape::Text),
            ("version", Shape::Text),
            ("minimalTlsVersion", Shape::Text),
            ("publicNetworkAccess", Shape::Text),
            ("restrictOutboundNetworkAccess", Shape::Text),
            ("administrators", Shape::Object),
            ("primaryUserAssignedIdentityId", Shape::Text),
        ],
        hidden: &["/properties/administratorLoginPassword"],
        immutable: &["/properties/administratorLogin"],
        name_error: server_name,
        check: check_server,
        late: late_server,
        render: render_server,
    },
    Kind {
        name: "Microsoft.Sql/servers/firewallRules",
        properties: &[("startIpAddress", Shape::Text), ("endIpAddress", Shape::Text)],
        check: check_rule,
        render: render_nothing,
        ..CHILD
    },
    Kind {
        name: "Microsoft.Sql/servers/databases",
        tracked: true,
        patch: true,
        pace: Pace::Child,
        poll: ("databaseAzureAsyncOperation", "databaseOperationResults"),
        operations: ("UpsertLogicalDatabase", "DropLogicalDatabase"),
        state: Some(("/properties/status", "Online")),
        top: &["sku", "identity"],
        properties: &[
            ("collation", Shape::Text),
            ("maxSizeBytes", Shape::Number),
            ("elasticPoolId", Shape::Text),
            ("zoneRedundant", Shape::Bool),
            ("requestedBackupStorageRedundancy", Shape::Text),
            ("autoPauseDelay", Shape::Number),
            ("minCapacity", Shape::Number),
            ("readScale", Shape::Text),
            ("licenseType", Shape::Text),
        ],
        immutable: &["/properties/collation"],
        check: check_database,
        render: render_database,
        ..CHILD
    },
    Kind {
        name: "Microsoft.Sql/servers/elasticPools",
        tracked: true,
        patch: true,
        pace: Pace::Child,
        poll: ("elasticPoolAzureAsyncOperation", "elasticPoolOperationResults"),
        operations: ("CreateElasticPool", "DropElasticPool"),
        state: Some(("/properties/state", "Ready")),
        top: &["sku"],
        properties: &[
            ("maxSizeBytes", Shape::Number),
            ("perDatabaseSettings", Shape::Object),
            ("zoneRedundant", Shape::Bool),
            ("licenseType", Shape::Text),
        ],
        render: render_pool,
        ..CHILD
    },
    Kind {
        name: "Microsoft.Sql/servers/administrators",
        properties: &[
            ("administratorType", Shape::Text),
            ("login", Shape::Text),
            ("sid", Shape::Text),
            ("tenantId", Shape::Text),
        ],
        name_error: administrator_name,
        check: check_administrator,
        ..CHILD
    },
    Kind {
        name: "Microsoft.Sql/servers/azureADOnlyAuthentications",
        properties: &[("azureADOnlyAuthentication", Shape::Bool)],
        name_error: default_name,
        check: check_entra_only,
        ..CHILD
    },
];

/// What children have in common.
const CHILD: Kind = Kind {
    name: "",
    versions: VERSIONS,
    tracked: false,
    global: false,
    patch: false,
    etag: false,
    pace: Pace::Sync,
    poll: SERVER_POLL,
    operations: ("Upsert", "Drop"),
    state: None,
    top: &[],
    properties: &[],
    hidden: &[],
    immutable: &[],
    name_error: child_name,
    check: no_check,
    late: never_late,
    render: render_nothing,
};

fn no_check(_: &Asked<'_>) -> Result<(), ApiError> {
    Ok(())
}

fn never_late(_: &Asked<'_>) -> Option<Outcome> {
    None
}

fn render_nothing(_: &Asked<'_>, _: &mut Value) {}

fn wrong(code: &str, message: &str) -> ApiError {
    ApiError::new(400, code, message)
}

fn bad_value(parameter: &str) -> ApiError {
    let message = format!("Invalid value given for parameter {parameter}. Specify a valid parameter value.");
    wrong("InvalidParameterValue", &message)
}

fn server_name(name: &str) -> Option<ApiError> {
    let allowed = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    let good = allowed && (1..=63).contains(&name.len()) && !name.starts_with('-') && !name.ends_with('-');
    let message = format!(
        "'{name}' is not a valid name. Names can only be made up of lowercase letters 'a'-'z', the numbers 0-9 and the \
         hyphen. The hyphen may not lead or trail in the name."
    );
    (!good).then(|| wrong("InvalidServerName", &message))
}

fn child_name(name: &str) -> Option<ApiError> {
    let good = !name.is_empty() && name.len() <= 128 && !name.contains(['<', '>', '*', '%', '&', ':', '\\', '?']);
    (!good).then(|| wrong("InvalidResourceName", &format!("The provided name '{name}' is invalid.")))
}

fn administrator_name(name: &str) -> Option<ApiError> {
    (name != "ActiveDirectory").then(|| bad_value("administratorName"))
}

fn default_name(name: &str) -> Option<ApiError> {
    (name != "Default").then(|| bad_value("authenticationName"))
}

/// Logins that Azure SQL keeps for itself.
const RESERVED: [&str; 9] =
    ["admin", "administrator", "sa", "root", "dbmanager", "loginmanager", "dbo", "guest", "public"];

fn check_server(asked: &Asked<'_>) -> Result<(), ApiError> {
    if asked.text("/properties/version").is_some_and(|version| version != "12.0") {
        return Err(bad_value("version"));
    }
    let tls = asked.text("/properties/minimalTlsVersion");
    if tls.is_some_and(|tls| !["None", "1.0", "1.1", "1.2", "1.3"].contains(&tls)) {
        return Err(wrong("InvalidMinimalTlsVersion", "The minimal TLS version is not valid."));
    }
    for field in ["publicNetworkAccess", "restrictOutboundNetworkAccess"] {
        let value = asked.text(&format!("/properties/{field}"));
        if value.is_some_and(|value| !["Enabled", "Disabled", "SecuredByPerimeter"].contains(&value)) {
            return Err(bad_value(field));
        }
    }
    if let Some(password) = asked.text("/properties/administratorLoginPassword") {
        check_password(password, asked.text("/properties/administratorLogin").unwrap_or_default())?;
    }
    match (asked.old, reserved(asked)) {
        (None, Some(Outcome::Failed { code, message })) if !asked.config.reserved_login.late => {
            Err(wrong(&code, &message))
        }
        _ => Ok(()),
    }
}

fn check_password(password: &str, login: &str) -> Result<(), ApiError> {
    let length = password.chars().count();
    if length < 8 {
        return Err(wrong("PasswordTooShort", "The provided password is too short"));
    }
    if length > 128 {
        return Err(wrong("PasswordTooLong", "The provided password is too long"));
    }
    let classes: [fn(char) -> bool; 4] = [
        |c| c.is_ascii_lowercase(),
        |c| c.is_ascii_uppercase(),
        |c| c.is_ascii_digit(),
        |c| !c.is_ascii_alphanumeric(),
    ];
    let used = classes.iter().filter(|class| password.chars().any(**class)).count();
    let lower = password.to_lowercase();
    let named = login
        .to_lowercase()
        .split(|c: char| !c.is_alphanumeric())
        .any(|part| part.chars().count() >= 3 && lower.contains(part));
    if used < 3 || named {
        let message = "Password validation failed. The password does not meet policy requirements because it is not \
                       complex enough.";
        return Err(wrong("PasswordNotComplex", message));
    }
    Ok(())
}

/// How a reserved login ends, if this is one.
fn reserved(asked: &Asked<'_>) -> Option<Outcome> {
    let login = asked.text("/properties/administratorLogin")?;
    RESERVED.contains(&login.to_lowercase().as_str()).then(|| {
        let code = &asked.config.reserved_login.code;
        Outcome::failed(code, &format!("'{login}' is not a valid login name in this version of SQL Server."))
    })
}

/// As recorded, bad logins, missing passwords and taken names are only found by the operation.
fn late_server(asked: &Asked<'_>) -> Option<Outcome> {
    if asked.old.is_some() {
        return None;
    }
    let message = |what: &str| format!("Invalid value given for parameter {what}. Specify a valid parameter value.");
    let entra_only = asked.body.pointer("/properties/administrators/azureADOnlyAuthentication") == Some(&json!(true));
    if !entra_only && asked.text("/properties/administratorLogin").is_none() {
        return Some(Outcome::failed("InvalidParameterValue", &message("Login")));
    }
    if !entra_only && asked.text("/properties/administratorLoginPassword").is_none() {
        return Some(Outcome::failed("InvalidParameterValue", &message("Password")));
    }
    let name = asked.id.name();
    if holder_of(asked.config, asked.resources, "Microsoft.Sql/servers", name).is_some() {
        let message = format!("The name '{name}' already exists. Choose a different name.");
        return Some(Outcome::failed("NameAlreadyExists", &message));
    }
    reserved(asked)
}

fn render_server(asked: &Asked<'_>, body: &mut Value) {
    default(body, "version", json!("12.0"));
    default(body, "minimalTlsVersion", json!("1.2"));
    default(body, "publicNetworkAccess", json!("Enabled"));
    default(body, "restrictOutboundNetworkAccess", json!("Disabled"));
    set(body, "state", json!("Ready"));
    set(body, "privateEndpointConnections", json!([]));
    set(body, "fullyQualifiedDomainName", json!(format!("{}.database.windows.net", asked.id.name())));
    body["kind"] = json!("v12.0");
}

fn check_rule(asked: &Asked<'_>) -> Result<(), ApiError> {
    let address = |field: &str| {
        let text = asked.text(&format!("/properties/{field}")).unwrap_or_default();
        text.parse::<Ipv4Addr>().map_err(|_| {
            let message = format!("The provided firewall rule {field} '{text}' is not a valid IPv4 address.");
            wrong("FirewallRuleNotIPv4Address", &message)
        })
    };
    let (start, end) = (address("startIpAddress")?, address("endIpAddress")?);
    if start > end {
        let message = "The end IP address of a firewall rule cannot be lower than its start IP address.";
        return Err(wrong("FirewallRuleInvalidRange", message));
    }
    let server = asked.id.parent().and_then(|server| asked.resources.get(&server.key()));
    let access = server.and_then(|server| server.body.pointer("/properties/publicNetworkAccess"));
    if access == Some(&json!("Disabled")) {
        let message = "Unable to create or modify firewall rules when public network interface for the server is \
                       disabled.";
        return Err(wrong("DenyPublicEndpointEnabled", message));
    }
    let server = asked.id.parent().map(|server| server.key()).unwrap_or_default();
    let rules = asked.resources.keys().filter(|key| key.starts_with(&format!("{server}/firewallrules/"))).count();
    if asked.old.is_none() && rules >= 256 {
        return Err(wrong("TooManyFirewallRules", "The server has the most firewall rules that it can have: 256."));
    }
    Ok(())
}

fn check_database(asked: &Asked<'_>) -> Result<(), ApiError> {
    let Some(pool) = asked.text("/properties/elasticPoolId") else { return Ok(()) };
    if asked.resources.contains_key(&pool.to_ascii_lowercase()) {
        return Ok(());
    }
    let message = format!("The elastic pool '{pool}' was not found.");
    Err(ApiError::new(404, "TargetElasticPoolDoesNotExist", &message))
}

fn render_database(asked: &Asked<'_>, body: &mut Value) {
    default(body, "collation", json!("SQL_Latin1_General_CP1_CI_AS"));
    default(body, "maxSizeBytes", json!(34_359_738_368_u64));
    default(body, "zoneRedundant", json!(false));
    set(body, "status", json!("Online"));
    set(body, "databaseId", json!(digest::uuid(&["database", &asked.id.key()])));
    set(body, "creationDate", json!(text::time(1_767_225_600_000)));
    if body.get("sku").is_none() {
        body["sku"] = json!({ "name": "GP_Gen5", "tier": "GeneralPurpose", "family": "Gen5", "capacity": 2 });
    }
    body["kind"] = json!("v12.0,user,vcore");
}

fn render_pool(_: &Asked<'_>, body: &mut Value) {
    default(body, "zoneRedundant", json!(false));
    set(body, "state", json!("Ready"));
    if body.get("sku").is_none() {
        body["sku"] = json!({ "name": "GP_Gen5", "tier": "GeneralPurpose", "family": "Gen5", "capacity": 2 });
    }
}

fn check_administrator(asked: &Asked<'_>) -> Result<(), ApiError> {
    if asked.text("/properties/administratorType") != Some("ActiveDirectory") {
        return Err(bad_value("administratorType"));
    }
    for field in ["login", "sid"] {
        if asked.text(&format!("/properties/{field}")).is_none_or(str::is_empty) {
            return Err(bad_value(field));
        }
    }
    Ok(())
}

fn check_entra_only(asked: &Asked<'_>) -> Result<(), ApiError> {
    let server = asked.id.parent().map(|server| server.key()).unwrap_or_default();
    if asked.resources.contains_key(&format!("{server}/administrators/activedirectory")) {
        return Ok(());
    }
    let message = "Azure Active Directory only authentication needs an administrator of Azure Active Directory.";
    Err(wrong("AADAdminNotConfigured", message))
}

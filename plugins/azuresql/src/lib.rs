//! The azuresql plugin: what an `AzureSQLServer` resource means. In: a snapshot with the resource and what was found in
//! Azure. Out: a Secret with credentials, the server, its firewall rules, pools, databases and administrator, secrets in a
//! Key Vault, and what to tell the user.
//!
//! `situation` is the decision table: it names what is the case. `build` says what should exist, one file for each thing.
//! `status` says it to the user. Fields are named as the Azure Service Operator names them.

pub mod build;
pub mod decide;
pub mod leave;
pub mod login;
pub mod place;
pub mod policy;
pub mod settings;
pub mod situation;
pub mod spec;
pub mod status;
pub mod validate;

use settings::Settings;
use spec::ServerSpec;
use status::ServerStatus;
use windlass_sdk::crd::rule;
use windlass_sdk::{Column, Crd, Decision, Description, Fault, FieldError, Reconciler, Resource, Snapshot, Value};

/// Group of the kind.
pub const GROUP: &str = "serviceoperator.azure.com";
/// Version of the kind.
pub const VERSION: &str = "v1beta1";

/// The plugin.
pub struct AzureSqlPlugin;

impl Reconciler for AzureSqlPlugin {
    type Spec = ServerSpec;
    type Status = ServerStatus;

    fn describe() -> Description {
        Description::new("azuresql", env!("CARGO_PKG_VERSION"))
            .serves(crd())
            .writes("", "v1", "Secret")
            .uses_azure()
            .uses_vault()
    }

    fn validate_settings(settings: &Value) -> Result<(), Vec<FieldError>> {
        Settings::parse(settings).map(drop)
    }

    fn validate(
        old: Option<Resource<ServerSpec, ServerStatus>>,
        new: Resource<ServerSpec, ServerStatus>,
    ) -> Result<(), Vec<FieldError>> {
        let mut errors = validate::spec(&new.spec, &Settings::default());
        errors.extend(policy::Policy::of(&new.metadata).err());
        if let Some(old) = old {
            errors.extend(validate::change(&old, &new));
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    fn decide(snapshot: Snapshot<ServerSpec, ServerStatus>) -> Result<Decision, Fault> {
        decide::decide(&snapshot)
    }
}

windlass_sdk::export!(AzureSqlPlugin);

/// The CustomResourceDefinition of `AzureSQLServer`.
pub fn crd() -> Crd {
    // Until Azure has accepted the server, everything can still be corrected.
    let fixed = |same: &str| format!("!has(oldSelf.status) || !has(oldSelf.status.id) || {same}");
    let kept = |field: &str| fixed(&format!("self.spec.{field} == oldSelf.spec.{field}"));
    let optional = |field: &str| {
        fixed(&format!(
            "(has(self.spec.{field}) == has(oldSelf.spec.{field}) && \
             (!has(self.spec.{field}) || self.spec.{field} == oldSelf.spec.{field}))"
        ))
    };
    let login = "self.spec.administratorLogin == oldSelf.spec.administratorLogin || \
                 (has(oldSelf.status.administratorLogin) && \
                 self.spec.administratorLogin == oldSelf.status.administratorLogin)";
    Crd::of::<ServerSpec, ServerStatus>(GROUP, VERSION, "AzureSQLServer")
        .short_name("azsql")
        .rule(rule(
            &kept("location"),
            "spec.location cannot change: Azure does not move a server; make another resource",
        ))
        .rule(rule(&optional("azureName"), "spec.azureName cannot change: Azure does not rename a server"))
        .rule(rule(&optional("owner"), "spec.owner cannot change: a server is not moved between resource groups"))
        .rule(rule(&fixed(login), "spec.administratorLogin cannot change once the server exists"))
        .column(Column::condition("Ready", "Ready").described("Server, rules, Secret and Key Vault are as wished."))
        .column(Column::text("Severity", ".status.severity").described("How bad it is that it is not ready."))
        .column(Column::text("Reason", ".status.conditions[?(@.type==\"Ready\")].reason"))
        .column(Column::text("Host", ".status.fullyQualifiedDomainName").described("Where clients connect."))
        .column(Column::text("Location", ".spec.location").wide())
        .column(Column::text("Login", ".status.administratorLogin").wide().described("The login that the server has."))
        .column(Column::text("Secret", ".status.credentialsSecret").wide())
        .column(Column::text("Message", ".status.conditions[?(@.type==\"Ready\")].message").wide())
        .column(Column::date("Age", ".metadata.creationTimestamp"))
}

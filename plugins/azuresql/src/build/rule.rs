//! Firewall rules: those of the operator, those of the user, and the one that lets Azure's services in. Rules that are not
//! declared are in no item, so that nothing is ever done to them.

use super::{API_VERSION, Design, item_id};
use crate::spec::ServerSpec;
use crate::spec::access::{FirewallRule, Toggle};
use windlass_sdk::azure::ArmResource;
use windlass_sdk::{Item, json};

/// The name that Azure's own tools give to the rule for Azure's services.
pub const AZURE_SERVICES: &str = "AllowAllWindowsAzureIps";

/// The items of all rules.
pub fn items(design: &Design<'_>) -> Vec<Item> {
    declared(design.spec(), &design.settings.firewall_rules)
        .iter()
        .map(|rule| {
            let body = json!({ "properties": { "startIpAddress": rule.start_ip_address, "endIpAddress": rule.end() } });
            let id = design.place.child("firewallRules", &rule.name);
            // Rules have no tags that could say whose they are: what is declared is taken over.
            design.child(&item_id("rule", &rule.name), ArmResource::new(&id, API_VERSION, &body).adopted())
        })
        .collect()
}

/// All rules that should exist. The user's win over those of the operator with the same name. Without access from the
/// internet Azure refuses every rule, so that there are none.
pub fn declared(spec: &ServerSpec, of_operator: &[FirewallRule]) -> Vec<FirewallRule> {
    if spec.public_network_access == Toggle::Disabled {
        return Vec::new();
    }
    let named = |name: &str| spec.firewall_rules.iter().any(|own| own.name.eq_ignore_ascii_case(name));
    let mut rules: Vec<FirewallRule> = of_operator.iter().filter(|rule| !named(&rule.name)).cloned().collect();
    rules.extend(spec.firewall_rules.iter().cloned());
    if spec.allow_azure_services {
        rules.push(FirewallRule {
            name: AZURE_SERVICES.to_string(),
            start_ip_address: "0.0.0.0".to_string(),
            end_ip_address: None,
        });
    }
    rules
}

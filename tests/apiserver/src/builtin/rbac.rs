//! What comes in: roles and bindings. What goes out: their defaults, and complaints. Pure.

use serde_json::Value;

use crate::resource::names;

use super::edit::{each, fill, text, with};
use super::strategy::{PLAIN, Rules};

mod validate;

const GROUP: &str = "rbac.authorization.k8s.io";

const NAMED: Rules = Rules { name: names::path_segment, create_on_update: true, ..PLAIN };

pub(super) const ROLE: Rules = Rules { validate: validate::role, ..NAMED };
pub(super) const CLUSTER_ROLE: Rules = Rules { validate: validate::cluster_role, ..NAMED };
pub(super) const ROLE_BINDING: Rules = Rules {
    default: default_binding,
    validate: validate::role_binding,
    validate_change: validate::binding_change,
    ..NAMED
};
pub(super) const CLUSTER_ROLE_BINDING: Rules = Rules {
    default: default_binding,
    validate: validate::cluster_role_binding,
    validate_change: validate::binding_change,
    ..NAMED
};

fn default_binding(binding: &mut Value) {
    with(binding, "roleRef", |role| fill(role, "apiGroup", GROUP));
    each(binding, "subjects", |subject| {
        if matches!(text(subject, "kind"), "User" | "Group") {
            fill(subject, "apiGroup", GROUP);
        }
    });
}

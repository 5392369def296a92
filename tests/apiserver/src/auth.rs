//! Who is asking and what they may do: credentials and impersonation headers come in, a user and a yes or no come out.

mod kinds;
mod rbac;
mod review;
mod tokens;

pub(crate) use kinds::resources;
pub(crate) use rbac::{Attributes, authorize};
pub(crate) use review::review;
pub(crate) use tokens::Tokens;

use crate::api::Api;
use crate::api_error::ApiError;
use hyper::HeaderMap;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Who makes a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) groups: Vec<String>,
    pub(crate) extra: BTreeMap<String, Vec<String>>,
}

impl User {
    /// The user of requests without credentials: it may do everything.
    pub(crate) fn admin() -> Self {
        let groups = ["system:masters", "system:authenticated"].map(str::to_owned).to_vec();
        Self { name: "kubernetes-admin".to_owned(), groups, ..Self::default() }
    }

    /// A ServiceAccount.
    pub(crate) fn service_account(namespace: &str, name: &str, uid: &str) -> Self {
        Self {
            name: format!("system:serviceaccount:{namespace}:{name}"),
            uid: uid.to_owned(),
            groups: vec![
                "system:serviceaccounts".to_owned(),
                format!("system:serviceaccounts:{namespace}"),
                "system:authenticated".to_owned(),
            ],
            extra: BTreeMap::new(),
        }
    }

    pub(crate) fn is_master(&self) -> bool {
        self.groups.iter().any(|g| g == "system:masters")
    }

    /// As `authentication.k8s.io` shows it.
    pub(crate) fn info(&self) -> Value {
        let mut out = json!({ "username": self.name, "groups": self.groups });
        if !self.uid.is_empty() {
            out["uid"] = json!(self.uid);
        }
        if !self.extra.is_empty() {
            out["extra"] = json!(self.extra);
        }
        out
    }
}

/// The user of a request, after impersonation.
pub(crate) fn authenticate(api: &Api, headers: &HeaderMap) -> Result<User, ApiError> {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
    let caller = match text("authorization") {
        None => User::admin(),
        Some(header) => {
            let token = header.strip_prefix("Bearer ").or_else(|| header.strip_prefix("bearer ")).unwrap_or("");
            api.tokens.user(token.trim(), api.clock.now(), &api.store).ok_or_else(ApiError::unauthorized)?
        }
    };
    let Some(name) = text("impersonate-user") else {
        if headers.keys().any(|k| k.as_str().starts_with("impersonate-")) {
            return Err(ApiError::new(
                500,
                "InternalError",
                "Internal error occurred: requested impersonation without impersonating a user",
            ));
        }
        return Ok(caller);
    };
    impersonate(api, &caller, name, headers)
}

fn impersonate(api: &Api, caller: &User, name: &str, headers: &HeaderMap) -> Result<User, ApiError> {
    let mut wanted = User { name: name.to_owned(), ..User::default() };
    wanted.groups =
        headers.get_all("impersonate-group").iter().filter_map(|v| v.to_str().ok()).map(str::to_owned).collect();
    if let Some(uid) = headers.get("impersonate-uid").and_then(|v| v.to_str().ok()) {
        wanted.uid = uid.to_owned();
    }
    for (header, value) in headers {
        if let (Some(key), Ok(value)) = (header.as_str().strip_prefix("impersonate-extra-"), value.to_str()) {
            wanted.extra.entry(crate::http::request::decode(key, false)).or_default().push(value.to_owned());
        }
    }
    let mut checks: Vec<Attributes> = Vec::new();
    let account = name.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'));
    match account {
        Some((namespace, account)) => {
            checks.push(Attributes::resource("impersonate", "", "serviceaccounts", namespace, account))
        }
        None => checks.push(Attributes::resource("impersonate", "", "users", "", name)),
    }
    for group in &wanted.groups {
        checks.push(Attributes::resource("impersonate", "", "groups", "", group));
    }
    if !wanted.uid.is_empty() {
        checks.push(Attributes::resource("impersonate", "authentication.k8s.io", "uids", "", &wanted.uid));
    }
    for (key, values) in &wanted.extra {
        for value in values {
            let mut check = Attributes::resource("impersonate", "authentication.k8s.io", "userextras", "", value);
            check.subresource.clone_from(key);
            checks.push(check);
        }
    }
    for check in &checks {
        if !caller.is_master() && !authorize(&api.store, caller, check).allowed {
            return Err(check.refusal(caller));
        }
    }
    if let (Some((namespace, account)), true) = (account, wanted.groups.is_empty()) {
        wanted.groups = User::service_account(namespace, account, "").groups;
    } else if !wanted.groups.iter().any(|g| g == "system:authenticated") && name != "system:anonymous" {
        wanted.groups.push("system:authenticated".to_owned());
    }
    Ok(wanted)
}

//! One request, taken apart: path into group, version, namespace, resource, name and subresource; query into pairs.

use crate::auth::User;
use crate::http::accept::Form;
use hyper::body::Bytes;
use hyper::{HeaderMap, Method};

/// The decoded query of a request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(raw: &str) -> Self {
        let pairs = raw.split('&').filter(|p| !p.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name, true), decode(value, true))
        });
        Self(pairs.collect())
    }

    /// First value of a parameter, if it is there and not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str()).filter(|v| !v.is_empty())
    }

    pub(crate) fn add(&mut self, name: &str, value: &str) {
        match self.0.iter_mut().find(|(n, v)| n == name && !v.is_empty()) {
            Some((_, known)) => {
                known.push(',');
                known.push_str(value);
            }
            None => self.0.push((name.to_owned(), value.to_owned())),
        }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(n, _)| n == name)
    }

    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// A boolean parameter as a real server reads it: present and neither `false` nor `0`.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.0
            .iter()
            .find(|(n, _)| n == name)
            .is_some_and(|(_, v)| !matches!(v.to_ascii_lowercase().as_str(), "false" | "0"))
    }
}

/// Undo percent-encoding; `+` is a space in queries. Broken escapes stay as they are.
pub(crate) fn decode(text: &str, plus: bool) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let escaped = (bytes[i] == b'%').then(|| bytes.get(i + 1..i + 3)).flatten();
        let byte =
            escaped.and_then(|hex| std::str::from_utf8(hex).ok()).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match byte {
            Some(byte) => {
                out.push(byte);
                i += 3;
            }
            None => {
                out.push(if plus && bytes[i] == b'+' { b' ' } else { bytes[i] });
                i += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// What an API path names. Empty parts are absent parts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Target {
    /// API group, empty for core.
    pub group: String,
    /// Version.
    pub version: String,
    /// Namespace.
    pub namespace: String,
    /// Plural name of the resource.
    pub resource: String,
    /// Name of the object.
    pub name: String,
    /// Subresource.
    pub subresource: String,
}

/// What kind of path it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    /// A resource or an object of one. The flag says that the deprecated `watch/` prefix was used.
    Resource(Target, bool),
    /// Everything else: discovery, health, version, OpenAPI.
    Other,
}

/// Take an API path apart.
pub(crate) fn route(path: &str) -> Route {
    let parts: Vec<String> = path.split('/').filter(|p| !p.is_empty()).map(|p| decode(p, false)).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let (group, version, mut rest) = match parts.as_slice() {
        ["api", version, rest @ ..] => ("", *version, rest),
        ["apis", group, version, rest @ ..] => (*group, *version, rest),
        _ => return Route::Other,
    };
    let mut watch = false;
    if let ["watch", more @ ..] = rest {
        watch = true;
        rest = more;
    }
    let (namespace, resource, name, subresource) = match rest {
        [] => return Route::Other,
        ["namespaces"] => ("", "namespaces", "", String::new()),
        ["namespaces", name] => ("", "namespaces", *name, String::new()),
        ["namespaces", name, sub @ ("status" | "finalize")] => ("", "namespaces", *name, (*sub).to_owned()),
        ["namespaces", namespace, resource] => (*namespace, *resource, "", String::new()),
        ["namespaces", namespace, resource, name] => (*namespace, *resource, *name, String::new()),
        ["namespaces", namespace, resource, name, sub @ ..] => (*namespace, *resource, *name, sub.join("/")),
        [resource] => ("", *resource, "", String::new()),
        [resource, name] => ("", *resource, *name, String::new()),
        [resource, name, sub @ ..] => ("", *resource, *name, sub.join("/")),
    };
    let target = Target {
        group: group.to_owned(),
        version: version.to_owned(),
        namespace: namespace.to_owned(),
        resource: resource.to_owned(),
        name: name.to_owned(),
        subresource,
    };
    Route::Resource(target, watch)
}

/// A request with all that the handlers need.
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: Query,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) target: Target,
    /// The verb as RBAC and the fault rules know it: get, list, watch, create, update, patch, delete, deletecollection.
    pub(crate) verb: &'static str,
    pub(crate) user: User,
    pub(crate) form: Form,
}

impl Call {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|v| v.to_str().ok())
    }

    pub(crate) fn user_agent(&self) -> &str {
        self.header("user-agent").unwrap_or("")
    }

    /// Media type of the body without parameters, `application/json` when absent.
    pub(crate) fn content_type(&self) -> String {
        let raw = self.header("content-type").unwrap_or("");
        let media = raw.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
        if media.is_empty() { "application/json".to_owned() } else { media }
    }

    pub(crate) fn dry_run(&self) -> bool {
        self.query.all("dryRun").any(|v| v == "All")
    }

    /// The field manager of a write: the parameter, else the user agent up to the first `/`.
    pub(crate) fn manager(&self) -> String {
        let text = self.query.get("fieldManager").unwrap_or_else(|| self.user_agent().split('/').next().unwrap_or(""));
        text.chars().filter(|c| !c.is_control()).take(128).collect()
    }
}

/// The verb of a request to a resource.
pub(crate) fn verb(method: &Method, target: &Target, watch: bool, query: &Query) -> &'static str {
    match method.as_str() {
        "GET" | "HEAD" if watch || (query.flag("watch") && target.subresource.is_empty()) => "watch",
        "GET" | "HEAD" if target.name.is_empty() => "list",
        "GET" | "HEAD" => "get",
        "POST" => "create",
        "PUT" => "update",
        "PATCH" => "patch",
        "DELETE" if target.name.is_empty() => "deletecollection",
        "DELETE" => "delete",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(path: &str) -> Target {
        match route(path) {
            Route::Resource(target, _) => target,
            Route::Other => Target::default(),
        }
    }

    #[test]
    fn a_path_names_namespace_resource_name_and_subresource() {
        let got = target("/apis/apps/v1/namespaces/a/statefulsets/s/scale");
        assert_eq!((got.group.as_str(), got.version.as_str(), got.namespace.as_str()), ("apps", "v1", "a"));
        assert_eq!(
            (got.resource.as_str(), got.name.as_str(), got.subresource.as_str()),
            ("statefulsets", "s", "scale")
        );
    }

    #[test]
    fn namespaces_are_a_resource_of_their_own() {
        let got = target("/api/v1/namespaces/a/finalize");
        assert_eq!(
            (got.resource.as_str(), got.name.as_str(), got.subresource.as_str()),
            ("namespaces", "a", "finalize")
        );
        assert_eq!(got.namespace, "");
    }

    #[test]
    fn a_query_is_decoded() {
        let query = Query::parse("labelSelector=a%20in%20(b,c)&watch=1&x=%zz&fieldSelector=a%3Db");
        assert_eq!(query.get("labelSelector"), Some("a in (b,c)"));
        assert_eq!(query.get("fieldSelector"), Some("a=b"));
        assert_eq!(query.get("x"), Some("%zz"));
        assert!(query.flag("watch"));
    }
}

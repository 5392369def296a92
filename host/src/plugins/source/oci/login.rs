//! Logins of registries. A pull secret in, credentials for one registry out; a challenge in, an `Authorization` out.

use super::super::SourceError;
use super::super::web::{Web, authority_of, unexpected};
use super::docker;
use super::reference::Reference;
use crate::plugins::resource::SecretName;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::header;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use model::redact::Redacted;
use serde_json::Value;
use std::sync::Arc;

/// Name and password, as `name:password` in base64.
#[derive(Clone)]
pub struct Login(Arc<Redacted<String>>);

impl Login {
    /// Of name and password.
    pub fn new(name: &str, password: &str) -> Login {
        Login(Arc::new(Redacted::new(STANDARD.encode(format!("{name}:{password}")))))
    }

    /// From a docker configuration, for one registry.
    pub fn of_docker_config(config: &Value, registry: &str) -> Option<Login> {
        let registry = docker::key(registry);
        let entry = config.get("auths")?.as_object()?.iter().find_map(|(host, entry)| {
            let host = host.trim_start_matches("https://").trim_start_matches("http://");
            (host.split('/').next() == Some(registry)).then_some(entry)
        })?;
        let text = |field: &str| entry.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
        match (text("auth"), text("username"), text("password")) {
            (Some(auth), _, _) => Some(Login(Arc::new(Redacted::new(auth.to_owned())))),
            (None, Some(name), Some(password)) => Some(Login::new(name, password)),
            _ => None,
        }
    }

    fn basic(&self) -> String {
        format!("Basic {}", self.0.expose())
    }
}

/// The login that a pull secret has for the registry of a reference.
///
/// # Errors
/// When the Secret cannot be read or has none.
pub async fn login(
    client: &kube::Client,
    secret: Option<&SecretName>,
    reference: &str,
) -> Result<Option<Login>, SourceError> {
    let Some(SecretName { namespace, name }) = secret else { return Ok(None) };
    let registry = Reference::parse(reference)?.registry;
    let what = format!("Secret {namespace}/{name}");
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let found = match api.get_opt(name).await {
        Ok(found) => found,
        Err(kube::Error::Api(status)) if status.code == 403 => {
            let message = format!("{}; grant the verb get on this Secret", status.message);
            return Err(SourceError::Forbidden { what, message });
        }
        Err(error) => {
            return Err(SourceError::Unreachable { what, message: crate::watch::page::chain(&error) });
        }
    };
    let advice = format!("create it with `kubectl create secret docker-registry`, for the server {registry}");
    let missing = || SourceError::Missing { what: what.clone(), advice: advice.clone() };
    let data = found.and_then(|secret| secret.data?.remove(".dockerconfigjson")).ok_or_else(missing)?;
    let config: Value = serde_json::from_slice(&data.0).map_err(|_| missing())?;
    Login::of_docker_config(&config, &registry).map(Some).ok_or_else(missing)
}

/// What to send to a registry that asked for a login with `challenge`; none where there is nothing to send.
pub(super) async fn answer(
    web: &Web,
    url: &str,
    challenge: &str,
    login: Option<&Login>,
) -> Result<Option<String>, SourceError> {
    let (scheme, parameters) = challenge.split_once(' ').unwrap_or((challenge, ""));
    if scheme.eq_ignore_ascii_case("basic") {
        return Ok(login.map(Login::basic));
    }
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Ok(None);
    }
    let parameter = |name: &str| parameter(parameters, name);
    let dishonest = |message: &str| SourceError::Dishonest { what: url.to_owned(), message: message.into() };
    let realm = parameter("realm").ok_or_else(|| dishonest("the registry names no token service"))?;
    // A password is never sent without TLS, but to a host that the operator trusts.
    if !realm.starts_with("https://") && !web.speaks_plainly(&authority_of(&realm)?) {
        return Err(dishonest("its token service has no TLS"));
    }
    let query: Vec<String> =
        ["service", "scope"].iter().filter_map(|name| Some(format!("{name}={}", escaped(&parameter(name)?)))).collect();
    let separator = if realm.contains('?') { '&' } else { '?' };
    let at = format!("{realm}{separator}{}", query.join("&"));
    let headers: Vec<_> = login.map(|login| (header::AUTHORIZATION, login.basic())).into_iter().collect();
    let answer = web.get(&at, &headers, 1 << 20).await?;
    if answer.status != 200 {
        return Err(unexpected(&realm, answer.status));
    }
    let answer: Value =
        serde_json::from_slice(&answer.body).map_err(|_| dishonest("its token service gives no token"))?;
    let token = answer.get("token").or_else(|| answer.get("access_token")).and_then(Value::as_str);
    Ok(token.map(|token| format!("Bearer {token}")))
}

/// One parameter of a challenge: `realm="…",service="…"`.
fn parameter(parameters: &str, name: &str) -> Option<String> {
    let mut rest = parameters;
    loop {
        let (key, after) = rest.split_once('=')?;
        let key = key.trim_start_matches([',', ' ']);
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => after.split_once(',').unwrap_or((after, "")),
        };
        if key.eq_ignore_ascii_case(name) {
            return Some(value.to_owned());
        }
        rest = after;
    }
}

fn escaped(text: &str) -> String {
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/' | b':' | b',');
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_challenge_is_read_with_commas_inside_of_quotes() {
        let challenge = r#"realm="https://auth.example/token",service="registry",scope="repository:a:pull,push""#;
        assert_eq!(parameter(challenge, "realm").as_deref(), Some("https://auth.example/token"));
        assert_eq!(parameter(challenge, "scope").as_deref(), Some("repository:a:pull,push"));
        assert_eq!(parameter(challenge, "other"), None);
    }

    #[test]
    fn a_login_is_found_by_its_registry_and_no_other() {
        let config = json!({"auths": {"https://r.example/v1/": {"username": "a", "password": "b"}}});
        assert_eq!(Login::of_docker_config(&config, "r.example").unwrap().basic(), "Basic YTpi");
        assert!(Login::of_docker_config(&config, "r.example.org").is_none());
        let config = json!({"auths": {"https://index.docker.io/v1/": {"auth": "YTpi"}, "r.example": {}}});
        assert_eq!(Login::of_docker_config(&config, "docker.io").unwrap().basic(), "Basic YTpi");
        assert!(Login::of_docker_config(&config, "r.example").is_none());
    }
}

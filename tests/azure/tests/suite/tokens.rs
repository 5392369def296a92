//! Tokens: who gets them, for what, and how long.

use super::*;

fn tenant() -> String {
    Config::default().tenant
}

fn form(azure: &Asker, tenant: &str, fields: &[(&str, &str)]) -> Reply {
    let body: Vec<String> = fields.iter().map(|(key, value)| format!("{key}={}", value.replace('/', "%2F"))).collect();
    let mut request = Request::new("POST", &format!("/{tenant}/oauth2/v2.0/token"));
    request.body = body.join("&").into_bytes();
    azure.cloud.handle(&Site::Login, &request, None)
}

fn aadsts(reply: &Reply) -> String {
    let text = reply.body.as_ref().unwrap()["error_description"].as_str().unwrap_or_default().to_owned();
    text.split(':').next().unwrap().to_owned()
}

const SCOPE: &str = "https://management.azure.com/.default";

fn secret<'a>(secret: &'a str, scope: &'a str) -> [(&'a str, &'a str); 4] {
    [("grant_type", "client_credentials"), ("client_id", CLIENT), ("client_secret", secret), ("scope", scope)]
}

#[test]
fn a_client_secret_gets_a_token_that_arm_takes() {
    let azure = Asker::new(Config::default());
    let reply = form(&azure, &tenant(), &secret("a-client-secret", SCOPE));
    let body = reply.body.unwrap();
    assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("Bearer"), &json!(3600)));
    let request = Request::new("GET", &format!("{}?api-version=2021-11-01", server("s1")));
    let request = request.bearer(body["access_token"].as_str().unwrap());
    assert_eq!(azure.cloud.handle(&Site::Arm, &request, None).status, 404);
    azure.wait(3601);
    let reply = azure.cloud.handle(&Site::Arm, &request, None);
    assert_eq!(code(&reply), (401, "ExpiredAuthenticationToken"));
}

#[test]
fn wrong_secrets_clients_tenants_and_scopes_are_refused_with_their_numbers() {
    let azure = Asker::new(Config::default());
    assert_eq!(aadsts(&form(&azure, &tenant(), &secret("wrong", SCOPE))), "AADSTS7000215");
    assert_eq!(aadsts(&form(&azure, "nobody", &secret("a-client-secret", SCOPE))), "AADSTS90002");
    assert_eq!(aadsts(&form(&azure, &tenant(), &secret("a-client-secret", "openid"))), "AADSTS1002012");
    let mut unknown = secret("a-client-secret", SCOPE);
    unknown[1].1 = "nobody";
    assert_eq!(aadsts(&form(&azure, &tenant(), &unknown)), "AADSTS700016");
}

#[test]
fn a_federated_assertion_is_taken_while_it_is_fresh_and_of_the_right_subject() {
    let azure = Asker::new(Config::default());
    let exchange = |assertion: &str| {
        let type_ = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_id", CLIENT),
            ("client_assertion_type", type_),
            ("client_assertion", assertion),
            ("scope", SCOPE),
        ];
        form(&azure, &tenant(), &fields)
    };
    let assertion = azure.cloud.federated_token("system:serviceaccount:windlass:windlass", Duration::from_secs(600));
    assert_eq!(exchange(&assertion).status, 200);
    azure.wait(601);
    assert_eq!(aadsts(&exchange(&assertion)), "AADSTS700024");
    let other = azure.cloud.federated_token("system:serviceaccount:other:other", Duration::from_secs(600));
    assert_eq!(aadsts(&exchange(&other)), "AADSTS700213");
    assert_eq!(aadsts(&exchange("rubbish")), "AADSTS50027");
}

#[test]
fn a_token_for_arm_is_refused_by_the_vault_and_the_other_way_round() {
    let azure = Asker::new(Config::default().with_vault("kv"));
    let ask = |site: Site, target: &str, audience: &str| {
        let token = azure.cloud.token(CLIENT, audience);
        azure.cloud.handle(&site, &Request::new("GET", target).bearer(&token), None)
    };
    let resource = format!("{}?api-version=2021-11-01", server("s1"));
    assert_eq!(code(&ask(Site::Arm, &resource, VAULT)), (401, "InvalidAuthenticationTokenAudience"));
    let reply = ask(Site::Vault("kv".into()), "/secrets/a?api-version=7.4", ARM);
    assert_eq!(code(&reply), (401, "Unauthorized"));
    let challenge = &reply.headers["www-authenticate"];
    assert!(challenge.contains("resource=\"https://vault.azure.net\"") && challenge.contains(&tenant()), "{challenge}");
    let none = azure.cloud.handle(&Site::Arm, &Request::new("GET", &resource), None);
    assert_eq!(code(&none), (401, "AuthenticationFailed"));
}

#[test]
fn the_metadata_service_wants_its_header_and_answers_in_text() {
    let azure = Asker::new(Config::default());
    let target = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://management.azure.com/";
    let ask = |request: Request| azure.cloud.handle(&Site::Imds, &request, None);
    assert_eq!(ask(Request::new("GET", target)).status, 400);
    let reply = ask(Request::new("GET", target).header("Metadata", "true"));
    let body = reply.body.unwrap();
    assert_eq!((&body["expires_in"], &body["client_id"]), (&json!("3600"), &json!(CLIENT)));
    assert!(body["expires_on"].is_string() && body["not_before"].is_string());
    let token = body["access_token"].as_str().unwrap();
    let request = Request::new("GET", &format!("{}?api-version=2021-11-01", server("s1"))).bearer(token);
    assert_eq!(azure.cloud.handle(&Site::Arm, &request, None).status, 404);
    let unknown = format!("{target}&client_id=nobody");
    assert_eq!(ask(Request::new("GET", &unknown).header("Metadata", "true")).status, 400);
}

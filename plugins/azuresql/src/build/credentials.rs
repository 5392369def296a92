//! The Secret: host, port, login, password, and connection strings in the forms that applications use. It is made before
//! the server is, and outlives it.

use super::{CREDENTIALS, Design, PASSWORD};
use windlass_sdk::{Item, Secret};

/// Port of every server.
const PORT: &str = "1433";
/// Characters of a password.
const LENGTH: u32 = 32;

/// The item of the Secret.
pub fn item(design: &Design<'_>) -> Item {
    let (place, spec) = (design.place, design.spec());
    let login = super::server::login(design);
    // With one database, that is the one; with several, applications say which.
    let database = match spec.databases.as_slice() {
        [only] => Some(only.name.as_str()),
        _ => None,
    };
    let part = |before: &str, after: &str| database.map_or(String::new(), |name| format!("{before}{name}{after}"));
    let ado = format!(
        "Server=tcp:{{host}},{{port}};{}Persist Security Info=False;User ID={{username}};Password={{password}};\
         MultipleActiveResultSets=False;Encrypt=True;TrustServerCertificate=False;Connection Timeout=30;",
        part("Initial Catalog=", ";")
    );
    let jdbc = format!(
        "jdbc:sqlserver://{{host}}:{{port}};{}user={{username}};password={{password}};encrypt=true;\
         trustServerCertificate=false;loginTimeout=30;",
        part("database=", ";")
    );
    let odbc = format!(
        "Driver={{{{ODBC Driver 18 for SQL Server}}}};Server=tcp:{{host}},{{port}};{}Uid={{username}};\
         Pwd={{password}};Encrypt=yes;TrustServerCertificate=no;Connection Timeout=30;",
        part("Database=", ";")
    );
    let url = format!(
        "sqlserver://{{username:url}}:{{password:url}}@{{host}}:{{port}}?{}encrypt=true",
        part("database=", "&")
    );
    let secret = Secret::named(&place.secret)
        .plain("host", host(design))
        .plain("port", PORT)
        .plain("username", login)
        .plain("fullyQualifiedUsername", &format!("{login}@{}", place.name))
        .plain("azureSqlServerName", &place.name)
        .random_for_azure_sql(PASSWORD, LENGTH, login)
        .composed("adoConnectionString", &ado)
        .composed("jdbcConnectionString", &jdbc)
        .composed("odbcConnectionString", &odbc)
        .composed("url", &url)
        .generation(spec.credentials.generation)
        .labels([("app.kubernetes.io/name", "azuresql")]);
    Item::secret(CREDENTIALS, secret)
}

/// The host, as Azure says it once it does. It is known before: it follows from name and cloud.
pub fn host<'a>(design: &'a Design<'_>) -> &'a str {
    let live = design.case.live.as_ref().and_then(|live| live.pointer("/properties/fullyQualifiedDomainName"));
    live.and_then(|host| host.as_str()).unwrap_or(&design.place.host)
}

//! How commands log in to a MySQL. In: arguments, which name files and never hold a password. Out: an account and the
//! client tools.

use crate::backup::tool::{Endpoint, Login, Tls};
use anyhow::Context as _;
use model::redact::Redacted;
use std::path::{Path, PathBuf};

/// Account, protection, and tools.
#[derive(clap::Args, Debug)]
#[group(skip)]
pub(super) struct Arguments {
    /// User
    #[arg(long, value_name = "NAME", required_unless_present = "user_file", conflicts_with = "user_file")]
    user: Option<String>,
    /// File with the name of the user
    #[arg(long, value_name = "FILE")]
    user_file: Option<PathBuf>,
    /// File with the password
    // Always required; optional for the parser because a command may have subcommands that need no login.
    #[arg(long, value_name = "FILE", required = true)]
    password_file: Option<PathBuf>,
    /// Protection of the connection
    #[arg(long, value_enum, default_value_t = Tls::Required)]
    tls: Tls,
    /// File with the certificate of the authority that signed the server's
    #[arg(long, value_name = "FILE", required_if_eq_any = [("tls", "verify-ca"), ("tls", "verify-identity")])]
    tls_ca: Option<PathBuf>,
    /// Folder with `mysql` and `mysqldump`; without it, they are looked for on the search path
    #[arg(long, value_name = "DIR", env = "WINDLASS_MYSQL_TOOLS")]
    tools: Option<PathBuf>,
}

impl Arguments {
    /// The account, and the folder of the tools.
    pub fn resolve(self) -> anyhow::Result<(Login, Option<PathBuf>)> {
        let Arguments { user, user_file, password_file, tls, tls_ca, tools } = self;
        let user = match (user, user_file) {
            (Some(user), _) => user,
            (None, Some(file)) => read(&file)?,
            (None, None) => anyhow::bail!("name a user with --user or --user-file"),
        };
        let password_file = password_file.context("name the file of the password with --password-file")?;
        let password = Redacted::new(read(&password_file)?);
        Ok((Login { user, password, tls, ca: tls_ca }, tools))
    }
}

/// The content of a file, without the line break that editors put at the end.
pub(super) fn read(file: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text)).to_owned())
}

/// `HOST`, `HOST:PORT`, `ADDRESS`, or `[ADDRESS]:PORT`.
pub(super) fn endpoint(text: &str, port: u16) -> Result<Endpoint, String> {
    let wrong = || format!("{text:?} is no server; write it as HOST, HOST:PORT or [ADDRESS]:PORT");
    let (host, port) = match (text.parse::<std::net::IpAddr>(), text.rsplit_once(':')) {
        (Ok(_), _) | (_, None) => (text, port),
        (Err(_), Some((host, port))) => (host, port.parse().map_err(|_| wrong())?),
    };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host = match bare {
        Some(address) if address.parse::<std::net::Ipv6Addr>().is_ok() => address,
        Some(_) => return Err(wrong()),
        None => host,
    };
    let is_name = host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)) && !host.starts_with('-');
    if port == 0 || host.is_empty() || !(is_name || host.parse::<std::net::IpAddr>().is_ok()) {
        return Err(wrong());
    }
    Ok(Endpoint { host: host.to_owned(), port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_a_name_or_an_address_with_or_without_a_port() {
        for (text, host, port, back) in [
            ("db", "db", 3306, "db:3306"),
            ("db-0.shop.svc:3307", "db-0.shop.svc", 3307, "db-0.shop.svc:3307"),
            ("10.0.0.1", "10.0.0.1", 3306, "10.0.0.1:3306"),
            ("fd00::1", "fd00::1", 3306, "[fd00::1]:3306"),
            ("[fd00::1]:33062", "fd00::1", 33062, "[fd00::1]:33062"),
        ] {
            let found = endpoint(text, 3306);
            assert_eq!(found.as_ref().map(ToString::to_string), Ok(back.to_owned()));
            assert_eq!(found, Ok(Endpoint { host: host.into(), port }));
        }
        for wrong in ["", ":1", "db:x", "db:0", "db:99999", "a b", "-x", "[db]:1", "db\n"] {
            assert!(endpoint(wrong, 3306).is_err(), "{wrong:?}");
        }
    }
}

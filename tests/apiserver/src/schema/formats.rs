//! What comes in: text and the name of an OpenAPI string format. What goes out: whether the text has that format. Pure.

use std::sync::LazyLock;

use regex::Regex;

/// Whether the text is an RFC 3339 date and time.
#[must_use]
pub fn date_time(text: &str) -> bool {
    text.len() >= 20 && chrono::DateTime::parse_from_rfc3339(text).is_ok()
}

fn matches(regex: &LazyLock<Option<Regex>>, text: &str) -> bool {
    regex.as_ref().is_some_and(|regex| regex.is_match(text))
}

static UUID: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new("(?i)^[0-9A-F]{8}-?[0-9A-F]{4}-?[0-9A-F]{4}-?[0-9A-F]{4}-?[0-9A-F]{12}$").ok());
static HOSTNAME: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"^([a-zA-Z0-9\p{S}\p{L}]((-?[a-zA-Z0-9\p{S}\p{L}]{0,62})?)|([a-zA-Z0-9\p{S}\p{L}](([a-zA-Z0-9-\p{S}\p{L}]{0,61}[a-zA-Z0-9\p{S}\p{L}])?)(\.)){1,}([a-zA-Z\p{L}]){2,63})$").ok()
});
static EMAIL: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^[^@\s<>]+@[^@\s<>]+$").ok());
static MAC: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"^(([0-9A-Fa-f]{2}:){5,}[0-9A-Fa-f]{2}|([0-9A-Fa-f]{2}-){5,}[0-9A-Fa-f]{2}|([0-9A-Fa-f]{4}\.){2,}[0-9A-Fa-f]{4})$").ok()
});
static HEX_COLOR: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new("^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$").ok());
static SSN: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^\d{3}[- ]?\d{2}[- ]?\d{4}$").ok());
static DURATION: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"^[-+]?(0|((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+|\d+(\.\d+)?\s*(ns|us|µs|ms|s|m|h|d|w|hr|min|sec|hours?|minutes?|seconds?|days?|weeks?|milli|micro|nano)s?)$").ok()
});
static K8S_SHORT: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new("^[a-z0-9]([-a-z0-9]*[a-z0-9])?$").ok());
static K8S_LONG: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$").ok());

/// The formats that a real server checks; others are ignored.
pub const SUPPORTED: [&str; 23] = [
    "bsonobjectid",
    "uri",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "cidr",
    "mac",
    "uuid",
    "uuid3",
    "uuid4",
    "uuid5",
    "isbn",
    "isbn10",
    "isbn13",
    "creditcard",
    "ssn",
    "hexcolor",
    "rgbcolor",
    "byte",
    "password",
    "date",
    "duration",
];

/// Whether the text has the format. Formats that a real server does not check are always met.
#[must_use]
pub fn check(format: &str, text: &str) -> bool {
    match format.replace('-', "").as_str() {
        "datetime" => date_time(text),
        "date" => chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok() && text.len() == 10,
        "duration" => matches(&DURATION, text),
        "uuid" => matches(&UUID, text),
        "uuid3" => versioned(text, '3'),
        "uuid4" => versioned(text, '4'),
        "uuid5" => versioned(text, '5'),
        "hostname" => matches(&HOSTNAME, text) && text.len() <= 255,
        "email" => matches(&EMAIL, text),
        "ipv4" => text.parse::<std::net::Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<std::net::Ipv6Addr>().is_ok(),
        "cidr" => cidr(text),
        "mac" => matches(&MAC, text),
        "hexcolor" => matches(&HEX_COLOR, text),
        "ssn" => matches(&SSN, text),
        "uri" => url::absolute(text),
        "bsonobjectid" => text.len() == 24 && text.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "byte" => base64_text(text),
        "k8sshortname" => text.len() <= 63 && matches(&K8S_SHORT, text),
        "k8slongname" => text.len() <= 253 && matches(&K8S_LONG, text),
        _ => true,
    }
}

fn versioned(text: &str, version: char) -> bool {
    matches(&UUID, text) && text.replace('-', "").chars().nth(12) == Some(version)
}

fn cidr(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else { return false };
    let Ok(bits) = bits.parse::<u8>() else { return false };
    match address.parse::<std::net::IpAddr>() {
        Ok(std::net::IpAddr::V4(_)) => bits <= 32,
        Ok(std::net::IpAddr::V6(_)) => bits <= 128,
        Err(_) => false,
    }
}

fn base64_text(text: &str) -> bool {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(text).is_ok()
}

mod url {
    /// Whether the text is a request URI: absolute, or a path from the root.
    pub(super) fn absolute(text: &str) -> bool {
        if text.starts_with('/') {
            return true;
        }
        text.split_once(':').is_some_and(|(scheme, rest)| {
            !rest.is_empty()
                && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_take_what_they_should() {
        for (format, good, bad) in [
            ("date-time", "2024-01-02T03:04:05Z", "yesterday"),
            ("date", "2024-01-02", "2024-13-01"),
            ("duration", "1h30m", "long"),
            ("uuid", "7f0e2a52-1111-4222-8333-123456789abc", "7f0e"),
            ("ipv4", "10.0.0.1", "10.0.0.256"),
            ("ipv6", "fe80::1", "10.0.0.1"),
            ("cidr", "10.0.0.0/8", "10.0.0.0/33"),
            ("hostname", "example.com", "exa mple"),
            ("email", "a@b.example", "nobody"),
            ("uri", "https://example.com/x", "example"),
            ("byte", "aGk=", "a"),
        ] {
            assert!(check(format, good), "{format}: {good}");
            assert!(!check(format, bad), "{format}: {bad}");
        }
        assert!(check("int-or-something", "anything"));
    }
}

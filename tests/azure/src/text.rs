//! Forms and percent-encoding, RFC 3339 times, and where in Azure a region is.

use chrono::{DateTime, SecondsFormat, Utc};

/// Undoes percent-encoding; a `%` that begins none stays. `plus`: a `+` is a blank, as in forms. None where the result is
/// no UTF-8.
pub(crate) fn percent_decoded(text: &str, plus: bool) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'%' => {
                let digits = rest.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
                match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
                    Some(byte) => {
                        bytes.push(byte);
                        rest = rest.get(2..).unwrap_or_default();
                    }
                    None => bytes.push(b'%'),
                }
            }
            b'+' if plus => bytes.push(b' '),
            other => bytes.push(*other),
        }
    }
    String::from_utf8(bytes).ok()
}

/// Percent-encodes all but what RFC 3986 calls unreserved.
pub(crate) fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
        encoded
    })
}

/// The fields of a form or a query.
pub(crate) fn form(body: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(body);
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .filter_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((percent_decoded(key, true)?, percent_decoded(value, true)?))
        })
        .collect()
}

/// A time as Azure writes it.
pub(crate) fn time(at: u64) -> String {
    let at = i64::try_from(at).ok().and_then(DateTime::<Utc>::from_timestamp_millis).unwrap_or_default();
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Regions that this Azure has.
const REGIONS: [&str; 8] =
    ["eastus", "eastus2", "westus2", "westeurope", "northeurope", "germanywestcentral", "uksouth", "australiaeast"];

/// A region's name as ARM has it: `East US` is `eastus`. None where there is no such region.
pub(crate) fn region(text: &str) -> Option<String> {
    let name: String = text.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_lowercase();
    REGIONS.contains(&name.as_str()).then_some(name)
}

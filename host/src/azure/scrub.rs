//! Secret values out of texts of others: a text and the values in, the text without them out, in whatever form they are.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};

/// The text with every form of every value replaced: as it is, percent-encoded, as JSON, in Base64.
pub fn scrub<'a>(text: &str, values: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut text = text.to_owned();
    for value in values {
        // Shorter ones would take harmless text away, and are no secrets that this host makes.
        let Some(plain) = std::str::from_utf8(value).ok().filter(|plain| plain.len() >= 6) else { continue };
        let json = serde_json::Value::from(plain).to_string();
        let forms = [
            plain.to_owned(),
            percent(plain),
            json.trim_matches('"').to_owned(),
            STANDARD.encode(plain).trim_end_matches('=').to_owned(),
            URL_SAFE_NO_PAD.encode(plain),
        ];
        for form in forms {
            if text.contains(&form) {
                text = text.replace(&form, "(hidden)");
            }
        }
    }
    text
}

fn percent(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_form_of_a_value_stays() {
        let value = "p@ss\"word/9";
        let text = format!("a {value} b {} c {} d p@ss\\\"word/9 e", percent(value), STANDARD.encode(value));
        let clean = scrub(&text, [value.as_bytes()]);
        assert!(!clean.contains("ss") && clean.matches("(hidden)").count() == 4, "{clean}");
        assert_eq!(scrub("Ready", [b"Ready".as_slice()]), "Ready", "what is too short to be a secret stays");
    }
}

//! Secret values out of texts of others: a text and the values in, the text without them out, in whatever form they are.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};

/// The text with every form of every value replaced: as it is, percent-encoded, as JSON, in Base64 wherever in it, as
/// hexadecimal digits or as a list of bytes.
pub fn scrub<'a>(text: &str, values: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut text = text.to_owned();
    for value in values {
        // Shorter ones would take harmless text away, and are no secrets that this host makes.
        let Some(plain) = std::str::from_utf8(value).ok().filter(|plain| plain.len() >= 6) else { continue };
        for form in forms(plain).into_iter().filter(|form| form.len() >= 6) {
            if text.contains(&form) {
                text = text.replace(&form, "(hidden)");
            }
        }
    }
    text
}

fn forms(plain: &str) -> Vec<String> {
    let percent = |digits: fn(u8) -> String| {
        let whole = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
        plain.bytes().map(|byte| if whole(byte) { char::from(byte).to_string() } else { digits(byte) }).collect()
    };
    let hexadecimal: String = plain.bytes().map(|byte| format!("{byte:02x}")).collect();
    let list = |between: &str| plain.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(between);
    let mut forms = vec![
        plain.to_owned(),
        serde_json::Value::from(plain).to_string().trim_matches('"').to_owned(),
        percent(|byte| format!("%{byte:02X}")),
        percent(|byte| format!("%{byte:02x}")),
        hexadecimal.to_ascii_uppercase(),
        hexadecimal,
        list(", "),
        list(","),
    ];
    for before in 0..3_usize {
        // Inside of other text it begins at any of three places; the characters at both ends depend on what is beside it.
        let padded = [vec![0; before].as_slice(), plain.as_bytes()].concat();
        for code in [STANDARD.encode(&padded), URL_SAFE_NO_PAD.encode(&padded)] {
            let code = code.trim_end_matches('=');
            let start = if before == 0 { 0 } else { before + 1 };
            let end = code.len().saturating_sub(usize::from(!padded.len().is_multiple_of(3)));
            forms.extend(code.get(start..end).map(str::to_owned));
        }
    }
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_form_of_a_value_stays() {
        let value = "p@ss\"word/9";
        let text = format!("a {value} b p%40ss%22word%2F9 c {} d p@ss\\\"word/9 e", STANDARD.encode(value));
        let clean = scrub(&text, [value.as_bytes()]);
        assert!(!clean.contains("ss") && clean.matches("(hidden)").count() == 4, "{clean}");
        let inside = STANDARD.encode(format!("a value of {value} there"));
        let bytes = format!("{:?} and {inside}", value.as_bytes());
        let clean = scrub(&bytes, [value.as_bytes()]);
        assert_eq!(clean.matches("(hidden)").count(), 2, "{clean}");
        assert_eq!(scrub("Ready", [b"Ready".as_slice()]), "Ready", "what is too short to be a secret stays");
    }
}

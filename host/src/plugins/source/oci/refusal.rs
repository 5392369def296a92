//! What a registry says when it refuses. An answer in, an error in its words out. Pure.

use super::super::SourceError;
use super::super::web::{Answer, unexpected};
use serde_json::Value;

/// Bytes of a registry's own words that are shown.
const WORDS: usize = 256;

/// A status that means failure, with the first error that the registry names.
pub(super) fn refused(url: &str, answer: &Answer) -> SourceError {
    let error = unexpected(url, answer.status);
    let Some(words) = words(&answer.body) else { return error };
    match error {
        SourceError::Forbidden { what, message } => {
            SourceError::Forbidden { what, message: format!("{message}; it says: {words}") }
        }
        SourceError::Unreachable { what, message } => {
            SourceError::Unreachable { what, message: format!("{message} and says: {words}") }
        }
        other => other,
    }
}

/// The first error of an answer as the distribution specification has it.
fn words(body: &[u8]) -> Option<String> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let error = answer.get("errors")?.get(0)?;
    let text = |field: &str| error.get(field).and_then(Value::as_str).unwrap_or_default();
    let words = format!("{} {}", text("code"), text("message"));
    Some(model::text::bounded(words.trim(), WORDS)).filter(|words| !words.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(status: u16, body: &str) -> String {
        let answer = Answer { status, headers: http::HeaderMap::new(), body: body.as_bytes().to_vec() };
        refused("https://r.example/v2/a", &answer).to_string()
    }

    #[test]
    fn the_words_of_a_registry_are_shown_and_cannot_do_harm() {
        let denied = r#"{"errors":[{"code":"DENIED","message":"not yours\u001b[31m"}]}"#;
        let message = shown(403, denied);
        assert!(message.contains("check the login; it says: DENIED not yours\\u{1b}[31m"), "{message}");
        assert!(shown(500, denied).contains("the server answers 500 and says: DENIED"));
        for nothing in ["", "<html>", "{}", r#"{"errors":[]}"#, r#"{"errors":[{}]}"#] {
            assert!(!shown(403, nothing).contains("says"), "{nothing}");
        }
    }
}

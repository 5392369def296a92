//! Text that others wrote, made fit for status, events and logs. In: any text. Out: one without control characters, not
//! longer than its place allows.

/// Most bytes of the note of an Event (events.k8s.io/v1 refuses more; core/v1 shows them cut).
pub const EVENT_NOTE_BYTES: usize = 1024;
/// Most bytes of the reason of an Event.
pub const EVENT_REASON_BYTES: usize = 128;

const MORE: &str = "…";

/// The text, cut at a character so that it has at most `bytes` bytes; an ellipsis shows that something was cut.
pub fn truncate(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    let room = bytes.saturating_sub(MORE.len());
    let end =
        text.char_indices().map(|(at, character)| at + character.len_utf8()).take_while(|end| *end <= room).last();
    let mut cut = text.get(..end.unwrap_or(0)).unwrap_or_default().to_owned();
    if bytes >= MORE.len() {
        cut.push_str(MORE);
    }
    cut
}

/// The text with every character that could change how a terminal, a log or a reader takes it written as an escape:
/// control characters, line and paragraph separators, and those that change the direction of writing.
pub fn escape(text: &str) -> String {
    if !text.chars().any(is_unsafe) {
        return text.to_owned();
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '\n' => escaped.push_str("\\n"),
            '\t' => escaped.push_str("\\t"),
            '\r' => escaped.push_str("\\r"),
            other if is_unsafe(other) => escaped.push_str(&format!("\\u{{{:x}}}", other as u32)),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Both: escaped, then cut.
pub fn bounded(text: &str, bytes: usize) -> String {
    // Escaping makes text longer, so what is cut off anyway need not be escaped.
    let end = text.char_indices().map(|(at, _)| at).take_while(|at| *at <= bytes).last().unwrap_or(0);
    let head = if text.len() > bytes { text.get(..end).unwrap_or_default() } else { text };
    let escaped = escape(head);
    if head.len() < text.len() { truncate(&format!("{escaped}{MORE}"), bytes) } else { truncate(&escaped, bytes) }
}

fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{feff}'
            | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fff9}'..='\u{fffb}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn control_characters_and_directions_become_visible() {
        assert_eq!(escape("a\nb\u{1b}[31m\u{202e}c\u{0}"), "a\\nb\\u{1b}[31m\\u{202e}c\\u{0}");
        assert_eq!(truncate("äöü", 5), "ä…");
        assert_eq!(truncate("abc", 3), "abc");
        assert_eq!(truncate("abcd", 2), "");
    }

    proptest! {
        #[test]
        fn bounded_text_is_short_and_harmless(text in any::<String>(), bytes in 0_usize..64) {
            prop_assert!(truncate(&text, bytes).len() <= bytes);
            let bounded = bounded(&text, bytes);
            prop_assert!(bounded.len() <= bytes && !bounded.chars().any(char::is_control));
            if text.len() <= bytes && !text.chars().any(is_unsafe) {
                prop_assert_eq!(bounded, text);
            }
        }
    }
}

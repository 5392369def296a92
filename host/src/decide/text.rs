//! Text that a guest wrote, made fit for logs, conditions and events: bounded and without characters that act on the
//! reader's terminal or reorder the line (G11).

/// Bytes that one message of a guest may have in conditions, events and errors.
pub(super) const MESSAGE: usize = 1_024;
/// Bytes that one name or reason of a guest may have.
pub(super) const NAME: usize = 256;
/// Bytes that one log line of a guest may have.
pub(super) const LINE: usize = 4_096;

/// `text` with control and direction characters escaped, cut at `most` bytes with `…` where it was longer.
pub(super) fn clean(text: &str, most: usize) -> String {
    if text.len() <= most && !text.chars().any(acts_on_reader) {
        return text.to_owned();
    }
    let mut cleaned = String::with_capacity(text.len().min(most) + 8);
    for character in text.chars() {
        let before = cleaned.len();
        if acts_on_reader(character) {
            cleaned.extend(character.escape_default());
        } else {
            cleaned.push(character);
        }
        if cleaned.len() > most {
            cleaned.truncate(before);
            cleaned.push('…');
            break;
        }
    }
    cleaned
}

/// Control characters, line and paragraph separators, and what overrides the direction of text.
fn acts_on_reader(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{feff}')
        || ('\u{202a}'..='\u{202e}').contains(&character)
        || ('\u{2066}'..='\u{2069}').contains(&character)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn terminal_sequences_and_line_breaks_are_escaped() {
        assert_eq!(clean("a\x1b[31mb\nc\0d\u{202e}e", MESSAGE), "a\\u{1b}[31mb\\nc\\u{0}d\\u{202e}e");
    }

    #[test]
    fn long_text_is_cut_at_a_character_and_marked() {
        assert_eq!(clean("äöü", 4), "äö…");
        assert_eq!(clean("äöü", 6), "äöü");
    }

    proptest! {
        #[test]
        fn cleaned_text_is_bounded_and_acts_on_nobody(text in "\\PC*|(?s).*", most in 0_usize..64) {
            let cleaned = clean(&text, most);
            prop_assert!(cleaned.len() <= most + '…'.len_utf8());
            prop_assert!(!cleaned.chars().any(acts_on_reader));
        }
    }
}

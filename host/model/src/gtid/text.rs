//! The text form of a GTID set. In: text of servers, plugins and people, of any kind. Out: the set, or what is wrong with
//! the text and where.

use super::intervals::{HIGHEST, Intervals};
use super::{GtidSet, Source, Uuid};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// Most bytes of a text. A server that was written to by a thousand others, each with gaps, prints less.
pub const MOST_BYTES: usize = 1 << 20;
/// Most characters of a tag.
const TAG_LENGTH: usize = 32;
/// Where the dashes of a UUID are.
const DASHES: [usize; 4] = [8, 13, 18, 23];
/// Characters of a UUID.
const UUID_LENGTH: usize = 36;

/// What is wrong with the text of a GTID set. Positions are bytes from its beginning.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GtidError {
    /// It is too long.
    #[error("the gtid set has {bytes} bytes, at most {MOST_BYTES} are taken")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// A part does not begin with a UUID.
    #[error("the gtid set has {found:?} at byte {at} where the UUID of a server belongs")]
    NoUuid {
        /// Position.
        at: usize,
        /// What is there, shortened.
        found: String,
    },
    /// A UUID, or a tag, has no number after it.
    #[error("the gtid set has no transaction number after {found:?} at byte {at}")]
    NoNumber {
        /// Position.
        at: usize,
        /// The UUID or tag, shortened.
        found: String,
    },
    /// Neither a number, nor an interval of numbers, nor a tag.
    #[error("the gtid set has {found:?} at byte {at} where a transaction number, an interval or a tag belongs")]
    NoInterval {
        /// Position.
        at: usize,
        /// What is there, shortened.
        found: String,
    },
    /// A number that no transaction has.
    #[error("the gtid set has the transaction number {found:?} at byte {at}; they go from 1 to {HIGHEST}")]
    OutOfRange {
        /// Position.
        at: usize,
        /// What is there, shortened.
        found: String,
    },
}

impl FromStr for GtidSet {
    type Err = GtidError;

    /// Reads what servers print, and what they take of other forms: any case, white space and line breaks around every
    /// sign, parts and intervals in any order, empty parts between commas.
    fn from_str(text: &str) -> Result<Self, GtidError> {
        if text.len() > MOST_BYTES {
            return Err(GtidError::TooLong { bytes: text.len() });
        }
        let mut parts: BTreeMap<Source, Vec<(u64, u64)>> = BTreeMap::new();
        for part in split(text, 0, ',').filter(|part| !part.text.is_empty()) {
            read_part(part, &mut parts)?;
        }
        let parts = parts.into_iter().map(|(source, intervals)| (source, Intervals::of(intervals)));
        Ok(GtidSet { parts: parts.filter(|(_, intervals)| !intervals.is_empty()).collect() })
    }
}

/// A piece of the text, trimmed, and where it begins.
#[derive(Clone, Copy)]
struct Piece<'a> {
    at: usize,
    text: &'a str,
}

impl Piece<'_> {
    fn shown(&self) -> String {
        crate::text::bounded(self.text, 48)
    }
}

fn split(text: &str, at: usize, sign: char) -> impl Iterator<Item = Piece<'_>> {
    let mut next = at;
    text.split(sign).map(move |piece| {
        let begin = next;
        next += piece.len() + sign.len_utf8();
        let trimmed = piece.trim_start();
        Piece { at: begin + (piece.len() - trimmed.len()), text: trimmed.trim_end() }
    })
}

/// `uuid[:tag]:a[-b][:c[-d]]…[:tag:e[-f]…]…`
fn read_part(part: Piece<'_>, parts: &mut BTreeMap<Source, Vec<(u64, u64)>>) -> Result<(), GtidError> {
    let mut pieces = split(part.text, part.at, ':');
    let Some(first) = pieces.next() else { return Ok(()) };
    let uuid = Uuid::parse(first.text).ok_or_else(|| GtidError::NoUuid { at: first.at, found: first.shown() })?;
    let mut source = Source { uuid, tag: String::new() };
    let mut lacks_number = Some(first);
    for piece in pieces {
        if let Some(tag) = tag(piece.text) {
            if let Some(before) = lacks_number.filter(|_| !source.tag.is_empty()) {
                return Err(GtidError::NoNumber { at: before.at, found: before.shown() });
            }
            source.tag = tag;
            lacks_number = Some(piece);
        } else {
            let interval = interval(piece)?;
            parts.entry(source.clone()).or_default().push(interval);
            lacks_number = None;
        }
    }
    match lacks_number {
        Some(before) => Err(GtidError::NoNumber { at: before.at, found: before.shown() }),
        None => Ok(()),
    }
}

/// A tag in lower case: a letter or underscore first, then also digits.
fn tag(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let first = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    let valid = first && text.len() <= TAG_LENGTH && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    valid.then(|| text.to_ascii_lowercase())
}

fn interval(piece: Piece<'_>) -> Result<(u64, u64), GtidError> {
    let mut ends = split(piece.text, piece.at, '-');
    let (first, last) = (ends.next(), ends.next());
    match (first, last, ends.next()) {
        (Some(first), None, None) => number(first, 1).map(|number| (number, number)),
        // Servers take an interval that ends before it begins, even at 0, as one without numbers.
        (Some(first), Some(last), None) => Ok((number(first, 1)?, number(last, 0)?)),
        _ => Err(GtidError::NoInterval { at: piece.at, found: piece.shown() }),
    }
}

fn number(piece: Piece<'_>, lowest: u64) -> Result<u64, GtidError> {
    if piece.text.is_empty() || !piece.text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(GtidError::NoInterval { at: piece.at, found: piece.shown() });
    }
    match piece.text.parse() {
        Ok(number) if (lowest..=HIGHEST).contains(&number) => Ok(number),
        Ok(_) | Err(_) => Err(GtidError::OutOfRange { at: piece.at, found: piece.shown() }),
    }
}

impl Uuid {
    /// The form that servers print: `3e11fa47-71ca-11e1-9e33-c80aa9429562`, in any case.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.len() != UUID_LENGTH {
            return None;
        }
        let mut value = 0_u128;
        for (at, byte) in text.bytes().enumerate() {
            if DASHES.contains(&at) {
                if byte != b'-' {
                    return None;
                }
                continue;
            }
            value = value << 4 | u128::from(char::from(byte).to_digit(16)?);
        }
        Some(Uuid(value))
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, digit) in format!("{:032x}", self.0).chars().enumerate() {
            if matches!(at, 8 | 12 | 16 | 20) {
                f.write_str("-")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

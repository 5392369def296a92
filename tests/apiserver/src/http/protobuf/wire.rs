//! The encoding below all messages: bytes in, numbered fields out. Pure.
//!
//! Facts: the protocol buffers encoding, <https://protobuf.dev/programming-guides/encoding/>.

/// Why bytes are no message of their kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Broken {
    /// The bytes end within a field.
    #[error("unexpected end of the bytes")]
    Truncated,
    /// A number takes more than 64 bits.
    #[error("a number has more than 64 bits")]
    Number,
    /// A field's number is zero or too large.
    #[error("illegal field number {0}")]
    Field(u64),
    /// A wire type that does not exist, or not the one of the field.
    #[error("wrong wire type {0}")]
    Type(u8),
    /// A group ends that did not begin, or ends as another.
    #[error("a group ends that was not begun")]
    Group,
    /// Messages or groups in each other, more than any kind has.
    #[error("nested deeper than {0} levels")]
    Depth(usize),
    /// More values than a body may hold.
    #[error("more than {0} values")]
    Values(usize),
    /// A string that is no UTF-8.
    #[error("a string is not valid UTF-8")]
    Text,
    /// A point in time that RFC 3339 cannot write.
    #[error("{0} seconds since 1970 is not a time between the years 0 and 9999")]
    Time(i64),
    /// An IntOrString that is neither.
    #[error("impossible type {0} of an int-or-string")]
    IntOrString(u64),
    /// Bytes that should hold JSON do not.
    #[error("the bytes do not hold JSON")]
    Json,
}

/// The value of a field as the wire has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wire<'a> {
    /// Wire type 0.
    Varint(u64),
    /// Wire type 2.
    Bytes(&'a [u8]),
    /// A field of a wire type that no Kubernetes message uses: 1 and 5 of fixed size, 3 a group. Its value is skipped.
    Other(u8),
}

impl Wire<'_> {
    /// The number of the wire type.
    pub(super) fn code(self) -> u8 {
        match self {
            Wire::Varint(_) => 0,
            Wire::Bytes(_) => 2,
            Wire::Other(code) => code,
        }
    }
}

/// Groups in each other that are skipped at most.
const GROUPS: usize = 100;

/// Largest number of a field.
const LAST_FIELD: u64 = (1 << 29) - 1;

/// Reads the fields of one message.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Whether all bytes were read.
    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next field with its number; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<(u32, Wire<'a>)>, Broken> {
        if self.is_empty() {
            return Ok(None);
        }
        let (number, code) = self.tag()?;
        let value = match code {
            0 => Wire::Varint(self.varint()?),
            2 => {
                // A length that does not fit into the address space is longer than the bytes too.
                let length = usize::try_from(self.varint()?).map_err(|_| Broken::Truncated)?;
                Wire::Bytes(self.take(length)?)
            }
            code => {
                self.skip(number, code)?;
                Wire::Other(code)
            }
        };
        Ok(Some((number, value)))
    }

    /// A number of variable length; bits beyond the 64th are refused.
    pub(super) fn varint(&mut self) -> Result<u64, Broken> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.rest.split_first().ok_or(Broken::Truncated)?;
            self.rest = rest;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(Broken::Number);
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Broken::Number)
    }

    fn tag(&mut self) -> Result<(u32, u8), Broken> {
        let tag = self.varint()?;
        let number = tag >> 3;
        let code = u8::try_from(tag & 7).unwrap_or_default();
        match u32::try_from(number) {
            Ok(small) if (1..=LAST_FIELD).contains(&number) => Ok((small, code)),
            _ => Err(Broken::Field(number)),
        }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Broken> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Broken::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    /// Steps over a value of another wire type than the two that are read.
    fn skip(&mut self, number: u32, code: u8) -> Result<(), Broken> {
        match code {
            1 => self.take(8).map(drop),
            5 => self.take(4).map(drop),
            3 => self.skip_group(number),
            4 => Err(Broken::Group),
            code => Err(Broken::Type(code)),
        }
    }

    fn skip_group(&mut self, number: u32) -> Result<(), Broken> {
        let mut open = vec![number];
        while let Some(&innermost) = open.last() {
            let (number, code) = self.tag()?;
            match code {
                0 => drop(self.varint()?),
                2 => {
                    let length = usize::try_from(self.varint()?).map_err(|_| Broken::Truncated)?;
                    self.take(length)?;
                }
                3 if open.len() == GROUPS => return Err(Broken::Depth(GROUPS)),
                3 => open.push(number),
                4 if number == innermost => drop(open.pop()),
                4 => return Err(Broken::Group),
                code => self.skip(number, code)?,
            }
        }
        Ok(())
    }
}

//! What comes in: Kubernetes quantities as JSON. What goes out: their canonical text, their exact value. Pure.
//!
//! The rules are those of the `Quantity` type of the Kubernetes API: three families of suffixes, precision down to a
//! billionth, magnitudes capped at 2^63-1.

use std::cmp::Ordering;

use serde_json::Value;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    Decimal,
    Binary,
    Exponent,
}

/// A parsed quantity in billionths.
#[derive(Clone, Copy)]
pub struct Quantity {
    nanos: i128,
    family: Family,
}

const NANO: i128 = 1_000_000_000;
const CAP: i128 = i64::MAX as i128;
const BINARY: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
const DECIMAL: [(&str, u32); 10] =
    [("n", 0), ("u", 3), ("m", 6), ("", 9), ("k", 12), ("M", 15), ("G", 18), ("T", 21), ("P", 24), ("E", 27)];

impl Quantity {
    /// Parses the text of a quantity; `None` when it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, rest) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, suffix) = rest.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
            return None;
        }
        let (family, scale) = scale_of(suffix)?;
        let nanos = magnitude(whole, fraction, family, scale)?;
        Some(Self { nanos: if negative { -nanos } else { nanos }, family })
    }

    /// Reads a JSON string or number.
    #[must_use]
    pub fn of(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => Self::parse(text.trim()),
            Value::Number(number) => Self::parse(&number.to_string()),
            _ => None,
        }
    }

    /// Its exact value in billionths.
    #[must_use]
    pub fn nanos(&self) -> i128 {
        self.nanos
    }

    /// Whether it is below zero.
    #[must_use]
    pub fn is_negative(&self) -> bool {
        self.nanos < 0
    }

    /// Whether it is zero.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.nanos == 0
    }

    /// Whether it has no fractional part.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.nanos % NANO == 0
    }

    /// Compares by value.
    #[must_use]
    pub fn compare(&self, other: &Self) -> Ordering {
        self.nanos.cmp(&other.nanos)
    }

    /// The canonical text.
    #[must_use]
    pub fn canonical(&self) -> String {
        if self.nanos == 0 {
            return "0".to_owned();
        }
        let kibi = 1024 * NANO;
        let binary = self.family == Family::Binary && self.nanos.abs() >= kibi && self.nanos % NANO == 0;
        if binary {
            let mut value = self.nanos / NANO;
            let mut step = 0;
            while value % 1024 == 0 && step < BINARY.len() - 1 {
                value /= 1024;
                step += 1;
            }
            return format!("{value}{}", BINARY[step]);
        }
        let mut value = self.nanos;
        let mut step = 0;
        while value % 1000 == 0 && step < DECIMAL.len() - 1 {
            value /= 1000;
            step += 1;
        }
        let (suffix, exponent) = DECIMAL[step];
        match self.family {
            Family::Exponent if exponent != 9 => format!("{value}e{}", i64::from(exponent) - 9),
            Family::Exponent | Family::Decimal | Family::Binary => format!("{value}{suffix}"),
        }
    }
}

/// Family of a suffix, and its scale: a power of two for binary suffixes, else a power of ten.
fn scale_of(suffix: &str) -> Option<(Family, i32)> {
    if let Some(step) = BINARY.iter().position(|name| *name == suffix && !suffix.is_empty()) {
        return Some((Family::Binary, i32::try_from(step).ok()? * 10));
    }
    if let Some((_, exponent)) = DECIMAL.iter().find(|(name, _)| *name == suffix) {
        return Some((Family::Decimal, i32::try_from(*exponent).ok()? - 9));
    }
    let digits = suffix.strip_prefix(['e', 'E'])?;
    Some((Family::Exponent, digits.parse().ok()?))
}

/// The value in billionths: digits times the scale, rounded up, capped.
fn magnitude(whole: &str, fraction: &str, family: Family, scale: i32) -> Option<i128> {
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    let limit = CAP * NANO;
    if digits.is_empty() {
        return Some(0);
    }
    let places = i32::try_from(fraction.len()).ok()?;
    let ten = 9 - places + if family == Family::Binary { 0 } else { scale };
    let two = if family == Family::Binary { u32::try_from(scale).ok()? } else { 0 };
    let length = i32::try_from(digits.len()).ok()?;
    if length.saturating_add(ten) > 30 {
        return Some(limit);
    }
    let mut value: i128 = digits.get(..30.min(digits.len()))?.parse().ok()?;
    let mut ten = ten + (length - 30).max(0);
    let factor = 1_i128.checked_shl(two)?;
    let Some(scaled) = value.checked_mul(factor) else { return Some(limit) };
    value = scaled;
    while ten > 0 {
        let Some(next) = value.checked_mul(10) else { return Some(limit) };
        value = next;
        ten -= 1;
    }
    if ten < 0 {
        let Some(divisor) = 10_i128.checked_pow(ten.unsigned_abs()) else { return Some(1) };
        value = value / divisor + i128::from(value % divisor != 0);
    }
    Some(value.min(limit))
}

/// The canonical text of a quantity in JSON; `None` when it is none.
#[must_use]
pub fn canonical(value: &Value) -> Option<String> {
    Quantity::of(value).map(|quantity| quantity.canonical())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn quantities_are_written_in_canonical_form() {
        for (given, want) in [
            ("1000m", "1"),
            ("1024Mi", "1Gi"),
            ("0.5", "500m"),
            ("1.5Gi", "1536Mi"),
            ("1500", "1500"),
            ("2000", "2k"),
            ("0Gi", "0"),
            ("100Ki", "100Ki"),
            ("1e3", "1e3"),
            ("1E", "1E"),
            ("0.1n", "1n"),
            ("512", "512"),
            ("0.5Ki", "512"),
            ("-1500m", "-1500m"),
            ("1.", "1"),
            ("9223372036854775807000", "9223372036854775807"),
        ] {
            assert_eq!(canonical(&json!(given)).as_deref(), Some(want), "{given}");
        }
        assert_eq!(canonical(&json!(1)).as_deref(), Some("1"));
        assert_eq!(canonical(&json!(0.1)).as_deref(), Some("100m"));
    }

    #[test]
    fn what_is_no_quantity_is_refused() {
        for text in ["", "x", "1x", "1.2.3", "--1", "1 Gi", "."] {
            assert!(Quantity::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn quantities_compare_by_value() {
        let quantity = |text| Quantity::parse(text).unwrap();
        assert_eq!(quantity("1Gi").compare(&quantity("1024Mi")), Ordering::Equal);
        assert_eq!(quantity("1G").compare(&quantity("1Gi")), Ordering::Less);
    }
}

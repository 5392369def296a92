//! Kubernetes quantities: `10Gi`, `500m`, `1e3`. In: text. Out: a number that can be compared.

/// A quantity in thousandths of its unit (bytes, cores), rounded up as Kubernetes rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quantity(i128);

/// More digits than any quantity of Kubernetes (63 bits) needs; bounds the arithmetic.
const MAX_DIGITS: usize = 24;

impl Quantity {
    /// Reads a quantity; `None` where it is none, or is negative. (No field of ours has a use for negative amounts.)
    pub fn parse(text: &str) -> Option<Self> {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, suffix) = text.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') || number.len() > MAX_DIGITS {
            return None;
        }
        let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
        let (multiplier, exponent) = scale(suffix)?;
        let scaled = digits.checked_mul(multiplier)?;
        // Thousandths: three more powers of ten, less those that the fraction has used.
        let exponent = exponent + 3 - i32::try_from(fraction.len()).ok()?;
        let power = 10i128.checked_pow(exponent.unsigned_abs())?;
        if exponent >= 0 {
            scaled.checked_mul(power).map(Quantity)
        } else {
            Some(Quantity(scaled.checked_add(power - 1)? / power))
        }
    }

    /// In whole units (bytes, cores), rounded down.
    pub fn units(self) -> i128 {
        self.0 / 1000
    }
}

/// Multiplier and power of ten of a suffix.
fn scale(suffix: &str) -> Option<(i128, i32)> {
    let binary = |power: u32| Some((1i128 << (10 * power), 0));
    match suffix {
        "" => Some((1, 0)),
        "n" => Some((1, -9)),
        "u" => Some((1, -6)),
        "m" => Some((1, -3)),
        "k" => Some((1, 3)),
        "M" => Some((1, 6)),
        "G" => Some((1, 9)),
        "T" => Some((1, 12)),
        "P" => Some((1, 15)),
        "E" => Some((1, 18)),
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        "Ei" => binary(6),
        _ => {
            let exponent = suffix.strip_prefix(['e', 'E'])?;
            let exponent: i32 = exponent.parse().ok()?;
            (-18..=18).contains(&exponent).then_some((1, exponent))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spellings_of_the_same_amount_are_equal() {
        for (left, right) in
            [("1Gi", "1024Mi"), ("1.5Gi", "1536Mi"), ("1000m", "1"), ("1e3", "1k"), ("0.5", "500m"), (".5", "500m")]
        {
            assert_eq!(Quantity::parse(left), Quantity::parse(right), "{left} {right}");
            assert!(Quantity::parse(left).is_some());
        }
    }

    #[test]
    fn what_is_no_quantity_is_none() {
        for text in ["", ".", "10GB", "-1", "1.2.3", "ten", "1e99", "Gi", &"9".repeat(60)] {
            assert_eq!(Quantity::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_parsing_fail_loudly(text in "[0-9.eEnumkKMGTPi-]{0,40}") {
            let _ = Quantity::parse(&text);
        }

        #[test]
        fn more_is_more(small in 0u64..1_000_000, more in 1u64..1_000_000) {
            let quantity = |n: u64| Quantity::parse(&format!("{n}Mi"));
            prop_assert!(quantity(small) < quantity(small + more));
        }
    }
}

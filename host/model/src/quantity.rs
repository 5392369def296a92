//! Quantities of Kubernetes (`500m`, `1Gi`, `1e3`), compared by value. In: their texts. Out: whether they are the same.

use serde_json::Value;

/// Whether two values of a field that holds a quantity mean the same. Texts that are none are compared as they are.
pub fn same(one: &Value, two: &Value) -> bool {
    if one == two {
        return true;
    }
    match (nanos_of(one), nanos_of(two)) {
        (Some(one), Some(two)) => one == two,
        _ => false,
    }
}

fn nanos_of(value: &Value) -> Option<i128> {
    match value {
        Value::String(text) => nanos(text),
        Value::Number(number) => nanos(&number.to_string()),
        _ => None,
    }
}

/// The value in billionths, which is the finest that Kubernetes knows. `None` for what is no quantity or out of range.
pub fn nanos(text: &str) -> Option<i128> {
    let (negative, text) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    let number_end = text.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(number_end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    // Digits beyond what fits are out of range, not rounded: a wrong "equal" would hide a change.
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let (multiplier, exponent) = scale(suffix)?;
    let exponent = exponent.checked_add(9)?.checked_sub(i32::try_from(fraction.len()).ok()?)?;
    let scaled = digits.checked_mul(multiplier)?;
    let value = if exponent >= 0 {
        scaled.checked_mul(10_i128.checked_pow(exponent.unsigned_abs())?)?
    } else {
        let divisor = 10_i128.checked_pow(exponent.unsigned_abs())?;
        if scaled % divisor != 0 {
            return None;
        }
        scaled / divisor
    };
    Some(if negative { -value } else { value })
}

/// A factor, and a power of ten.
fn scale(suffix: &str) -> Option<(i128, i32)> {
    Some(match suffix {
        "" => (1, 0),
        "n" => (1, -9),
        "u" => (1, -6),
        "m" => (1, -3),
        "k" => (1, 3),
        "M" => (1, 6),
        "G" => (1, 9),
        "T" => (1, 12),
        "P" => (1, 15),
        "E" => (1, 18),
        "Ki" => (1 << 10, 0),
        "Mi" => (1 << 20, 0),
        "Gi" => (1 << 30, 0),
        "Ti" => (1 << 40, 0),
        "Pi" => (1 << 50, 0),
        "Ei" => (1 << 60, 0),
        exponent => (1, exponent.strip_prefix(['e', 'E'])?.parse().ok()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn quantities_are_compared_by_value() {
        for (one, two) in [
            (json!("1000m"), json!("1")),
            (json!("1024Mi"), json!("1Gi")),
            (json!(2), json!("2")),
            (json!("0.5"), json!("500m")),
            (json!("1e3"), json!("1k")),
            (json!("1E"), json!("1000P")),
            (json!("-1"), json!("-1000m")),
        ] {
            assert!(same(&one, &two), "{one} and {two}");
        }
        for (one, two) in [
            (json!("1G"), json!("1Gi")),
            (json!("1m"), json!("1M")),
            (json!("x"), json!("y")),
            (json!(""), json!("0")),
            (json!("1.1.1"), json!("1.11")),
            (json!("99999999999999999999999999999999999999999E"), json!("1")),
        ] {
            assert!(!same(&one, &two), "{one} and {two}");
        }
    }
}

//! Numbers in texts, as Go reads them.

use std::borrow::Cow;

/// The number that a text is. Digits may be parted by underscores; what is out of range is no number.
pub fn float(text: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(text).ok()?;
    let (sign, unsigned) = match text.strip_prefix(['-', '+']) {
        Some(unsigned) => (if text.starts_with('-') { -1.0 } else { 1.0 }, unsigned),
        None => (1.0, text),
    };
    if let Some(digits) = unsigned.strip_prefix("0x").or_else(|| unsigned.strip_prefix("0X")) {
        return hexadecimal(digits).map(|value| sign * value);
    }
    let text = without_underscores(text, |byte| byte.is_ascii_digit(), false)?;
    let value: f64 = text.parse().ok()?;
    let has_digits = text.bytes().any(|byte| byte.is_ascii_digit());
    let fits = match value {
        value if value.is_nan() => !text.starts_with(['+', '-']),
        value if value.is_infinite() => !has_digits,
        _ => true,
    };
    fits.then_some(value)
}

/// Nothing where an underscore stands anywhere but between two digits, or before the first after a prefix.
fn without_underscores(text: &str, digit: fn(&u8) -> bool, prefixed: bool) -> Option<Cow<'_, str>> {
    if !text.contains('_') {
        return Some(Cow::Borrowed(text));
    }
    let is_digit = |at: Option<usize>| at.and_then(|at| text.as_bytes().get(at)).is_some_and(digit);
    let mut parts = text.match_indices('_');
    let fits = parts
        .all(|(at, _)| (at == 0 && prefixed || is_digit(at.checked_sub(1))) && is_digit(at.checked_add(1)));
    fits.then(|| Cow::Owned(text.replace('_', "")))
}

/// What stands behind `0x`: digits with or without a point, and the power of two that they are multiplied by.
fn hexadecimal(text: &str) -> Option<f64> {
    let text = without_underscores(text, u8::is_ascii_hexdigit, true)?;
    let (digits, power) = text.split_once(['p', 'P'])?;
    let power_digits = power.strip_prefix(['-', '+']).unwrap_or(power);
    if power_digits.is_empty() || !power_digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // Further out than any text of digits could bring back.
    let power: i64 = power.parse().unwrap_or(if power.starts_with('-') { i64::MIN } else { i64::MAX });
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.len() + fraction.len() == 0 {
        return None;
    }
    // The first 60 bits and whether anything follows them decide.
    let (mut mantissa, mut more, mut moved) = (0u64, false, 0i64);
    for (at, digit) in whole.chars().chain(fraction.chars()).enumerate() {
        let digit = digit.to_digit(16)?;
        moved -= if at < whole.len() { 0 } else { 4 };
        if mantissa < 1 << 56 {
            mantissa = mantissa << 4 | u64::from(digit);
        } else {
            more |= digit != 0;
            moved += 4;
        }
    }
    rounded(mantissa << 2 | u64::from(more), power.saturating_add(moved).saturating_sub(2))
}

/// `mantissa` times two to the `power`, to the nearest; of two as near to the even one. Nothing where that is too large.
fn rounded(mantissa: u64, power: i64) -> Option<f64> {
    if mantissa == 0 {
        return Some(0.0);
    }
    let bits = i64::from(u64::BITS - mantissa.leading_zeros());
    let cut = (bits - 53).max((-1074i64).saturating_sub(power)).max(0);
    let (kept, power) = match u32::try_from(cut) {
        Ok(0) => (mantissa, power),
        Ok(cut) if cut <= u64::BITS => {
            let (whole, rest) =
                ((u128::from(mantissa) >> cut) as u64, u128::from(mantissa) & ((1 << cut) - 1));
            let half = 1u128 << (cut - 1);
            let up = rest > half || rest == half && whole & 1 == 1;
            (whole + u64::from(up), power.saturating_add(i64::from(cut)))
        }
        _ => return Some(0.0),
    };
    let scale = match power {
        -1022..=1023 => f64::from_bits(((power + 1023) as u64) << 52),
        -1074..=-1023 => f64::from_bits(1 << (power + 1074)),
        _ => return None,
    };
    Some(kept as f64 * scale).filter(|value| value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_numbers_where_they_are_in_go() {
        let numbers = [
            ("12", 12.0),
            ("+.5", 0.5),
            ("1.", 1.0),
            ("-1e-400", -0.0),
            ("1_0.2_5", 10.25),
            ("-iNf", f64::NEG_INFINITY),
            ("Infinity", f64::INFINITY),
            ("0x1p-2", 0.25),
            ("-0X1.8P+1", -3.0),
            ("0x_1_0.8p0", 16.5),
            ("0x.8p1", 1.0),
            ("0x1.00000000000008p0", 1.0),
            ("0x1.000000000000080001p0", 1.0 + f64::EPSILON),
            ("0x1.00000000000018p0", 1.0 + 2.0 * f64::EPSILON),
            ("0x1p-1074", 5e-324),
            ("0x0.8p-1074", 0.0),
            ("0x0.80001p-1074", 5e-324),
            ("0x1p-99999999999999999999", 0.0),
            ("0x0p99999999999999999999", 0.0),
            ("0x1.fffffffffffff7p1023", f64::MAX),
            ("0x123456789abcdef123456789p0", 5.63400266768102e27),
        ];
        for (text, number) in numbers {
            assert_eq!(float(text.as_bytes()).map(f64::to_bits), Some(number.to_bits()), "{text}");
        }
        assert!(float(b"NaN").is_some_and(f64::is_nan));
        for text in
            ["", ".", "1e", " 1", "1e999", "-1e999", "+nan", "_1", "1_", "1__0", "1_.5", "1_e5", "infinit"]
                .into_iter()
                .chain([
                    "0x1",
                    "0x",
                    "0x.p1",
                    "0x1p",
                    "0x1p+",
                    "0x1_p0",
                    "0x1pa",
                    "0x1p1024",
                    "0x1.fffffffffffff8p1023",
                ])
                .chain(["0xgp0", "0x1p_1", "0x__1p0", "0x-1p0", "0x1p99999999999999999999", "-nan"])
        {
            assert_eq!(float(text.as_bytes()), None, "{text}");
        }
        assert_eq!(float(&[b'1', 0xff]), None);
    }
}

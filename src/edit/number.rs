//! Numbers in texts, as Go reads them.

use std::borrow::Cow;

/// The number that a text is. Digits may be parted by underscores; what is out of range is no number. Hexadecimal ones,
/// which Go knows too, are not read.
pub(super) fn float(text: &[u8]) -> Option<f64> {
    let text = without_underscores(std::str::from_utf8(text).ok()?)?;
    let value: f64 = text.parse().ok()?;
    let has_digits = text.bytes().any(|byte| byte.is_ascii_digit());
    let fits = match value {
        value if value.is_nan() => !text.starts_with(['+', '-']),
        value if value.is_infinite() => !has_digits,
        _ => true,
    };
    fits.then_some(value)
}

/// Nothing where an underscore stands anywhere but between two digits.
fn without_underscores(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('_') {
        return Some(Cow::Borrowed(text));
    }
    let is_digit =
        |at: Option<usize>| at.and_then(|at| text.as_bytes().get(at)).is_some_and(u8::is_ascii_digit);
    let mut parts = text.match_indices('_');
    let fits = parts.all(|(at, _)| is_digit(at.checked_sub(1)) && is_digit(at.checked_add(1)));
    fits.then(|| Cow::Owned(text.replace('_', "")))
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
        ];
        for (text, number) in numbers {
            assert_eq!(float(text.as_bytes()).map(f64::to_bits), Some(number.to_bits()), "{text}");
        }
        assert!(float(b"NaN").is_some_and(f64::is_nan));
        for text in
            ["", ".", "1e", " 1", "1e999", "-1e999", "+nan", "_1", "1_", "1__0", "1_.5", "1_e5", "infinit"]
        {
            assert_eq!(float(text.as_bytes()), None, "{text}");
        }
        assert_eq!(float(&[b'1', 0xff]), None);
    }
}

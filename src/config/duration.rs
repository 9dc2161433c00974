//! Go's durations (`1h30m`, `.5s`, `250ms`) and our byte sizes (`64MiB`), read and written.

use std::time::Duration;

/// Reads a duration as Go's `time.ParseDuration` does, into nanoseconds. The error is a reason without the text.
pub(super) fn parse(text: &str) -> Result<i64, &'static str> {
    let (negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err("invalid duration");
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (digits, after) = rest.split_at(number);
        let unit_end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
        if (whole.is_empty() && part.is_empty()) || part.contains('.') {
            return Err("invalid duration");
        }
        total += nanoseconds(whole, part, unit)?;
        if total > i128::from(i64::MAX) {
            return Err("duration too large");
        }
        rest = after;
    }
    i64::try_from(if negative { -total } else { total }).map_err(|_| "duration too large")
}

fn nanoseconds(whole: &str, part: &str, unit: &str) -> Result<i128, &'static str> {
    let unit: i128 = match unit {
        "ns" => 1,
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        "" => return Err("missing unit in duration"),
        _ => return Err("unknown unit in duration"),
    };
    if whole.len() > 19 {
        return Err("duration too large");
    }
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| "invalid duration")? };
    let part = &part[..part.len().min(18)]; // digits only; further ones are below a nanosecond
    let fraction: i128 = if part.is_empty() { 0 } else { part.parse().map_err(|_| "invalid duration")? };
    let scale = 10i128.pow(u32::try_from(part.len()).unwrap_or(18));
    Ok(whole * unit + fraction * unit / scale)
}

/// Writes a duration as Go prints it: `5s`, `1m30s`, `250ms`.
pub(super) fn print(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    if nanos == 0 {
        return "0s".into();
    }
    let decimal = |unit: u128, name: &str| {
        let digits = unit.ilog10() as usize;
        let text = format!("{}.{:0digits$}", nanos / unit, nanos % unit);
        format!("{}{name}", text.trim_end_matches('0').trim_end_matches('.'))
    };
    match nanos {
        0..1_000 => return format!("{nanos}ns"),
        1_000..1_000_000 => return decimal(1_000, "\u{b5}s"),
        1_000_000..1_000_000_000 => return decimal(1_000_000, "ms"),
        _ => {}
    }
    let (hours, minutes) = (nanos / 3_600_000_000_000, nanos / 60_000_000_000 % 60);
    let (seconds, below) = (nanos / 1_000_000_000 % 60, nanos % 1_000_000_000);
    let part = format!(".{below:09}");
    let part = if below == 0 { "" } else { part.trim_end_matches('0') };
    match (hours, minutes) {
        (0, 0) => format!("{seconds}{part}s"),
        (0, _) => format!("{minutes}m{seconds}{part}s"),
        _ => format!("{hours}h{minutes}m{seconds}{part}s"),
    }
}

/// Reads a size in bytes: `1048576`, `64MiB`, `1.5 GiB`, `10MB`, `512B`.
pub(super) fn parse_size(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => return None,
    };
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(unit);
    }
    let value = number.parse::<f64>().ok()? * unit as f64;
    (0.0..1e18).contains(&value).then_some(value as u64)
}

/// Writes a size in the largest unit that divides it.
pub(super) fn print_size(bytes: u64) -> String {
    match bytes {
        0 => "0".into(),
        b if b % (1 << 30) == 0 => format!("{}GiB", b >> 30),
        b if b % (1 << 20) == 0 => format!("{}MiB", b >> 20),
        b if b % (1 << 10) == 0 => format!("{}KiB", b >> 10),
        b => b.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_go_reads_them() {
        for (text, nanos) in [
            ("0", 0),
            ("5s", 5_000_000_000),
            ("1.5h", 5_400_000_000_000),
            (".5s", 500_000_000),
            ("1.s", 1_000_000_000),
            ("+5s", 5_000_000_000),
            ("-1.5h", -5_400_000_000_000),
            ("2us", 2_000),
            ("2\u{b5}s", 2_000),
            ("2\u{3bc}s", 2_000),
            ("1h30m10s", 5_410_000_000_000),
            ("3ns", 3),
            ("0.0000000001s", 0),
            ("9223372036854775807ns", i64::MAX),
        ] {
            assert_eq!(parse(text), Ok(nanos), "{text}");
        }
    }

    #[test]
    fn what_go_refuses_is_refused_for_its_reason() {
        for (text, reason) in [
            ("", "invalid duration"),
            ("5", "missing unit in duration"),
            ("1d", "unknown unit in duration"),
            ("1 m", "unknown unit in duration"),
            ("s", "invalid duration"),
            (".s", "invalid duration"),
            ("1.2.3s", "invalid duration"),
            ("-", "invalid duration"),
            ("\u{b5}s", "invalid duration"),
            ("9223372036854775808ns", "duration too large"),
            ("99999999999999999999h", "duration too large"),
        ] {
            assert_eq!(parse(text), Err(reason), "{text}");
        }
    }

    #[test]
    fn durations_print_as_go_prints_them() {
        for text in ["0s", "5s", "1m30s", "250ms", "1h0m0s", "1.5s", "2.5\u{b5}s", "7ns", "5m0s"] {
            assert_eq!(print(Duration::from_nanos(parse(text).unwrap() as u64)), text);
        }
    }

    #[test]
    fn sizes_read_with_and_without_units() {
        assert_eq!(parse_size("1048576"), Some(1 << 20));
        assert_eq!(parse_size("64MiB"), Some(64 << 20));
        assert_eq!(parse_size("1.5 GiB"), Some(3 << 29));
        assert_eq!(parse_size("10MB"), Some(10_000_000));
        for bad in ["", "MiB", "-1", "1TiBx", "99999999999999GiB", "1.2.3MiB"] {
            assert_eq!(parse_size(bad), None, "{bad}");
        }
        assert_eq!(print_size(64 << 20), "64MiB");
        assert_eq!(print_size(1000), "1000");
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_parsers_panic(text in "[-+0-9.a-zµμ ]{0,30}|.{0,20}") {
            let _ = parse(&text);
            let _ = parse_size(&text);
        }

        #[test]
        fn what_is_printed_reads_back(nanos in 0..i64::MAX) {
            proptest::prop_assert_eq!(parse(&print(Duration::from_nanos(nanos as u64))), Ok(nanos));
        }
    }
}

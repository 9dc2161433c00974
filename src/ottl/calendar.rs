//! The civil calendar in UTC, and Go's notation of durations.

/// Nanoseconds of a second.
pub(super) const SECOND: i64 = 1_000_000_000;

/// A moment taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Civil {
    pub(super) year: i64,
    pub(super) month: i64,
    pub(super) day: i64,
    pub(super) hour: i64,
    pub(super) minute: i64,
    pub(super) second: i64,
    pub(super) nano: i64,
}

/// The civil time of nanoseconds since 1970.
pub(super) fn civil(nanos: i64) -> Civil {
    let (seconds, nano) = (nanos.div_euclid(SECOND), nanos.rem_euclid(SECOND));
    let (days, second) = (seconds.div_euclid(86400), seconds.rem_euclid(86400));
    // Years begin in March here, so that the leap day is the last.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    Civil {
        year: year_of_era + era * 400 + i64::from(month <= 2),
        month,
        day: of_year - (153 * shifted_month + 2) / 5 + 1,
        hour: second / 3600,
        minute: second / 60 % 60,
        second: second % 60,
        nano,
    }
}

impl Civil {
    /// Nanoseconds since 1970; `None` beyond what 64 bits hold.
    pub(super) fn nanos(self) -> Option<i64> {
        let seconds =
            days(self.year, self.month, self.day) * 86400 + self.hour * 3600 + self.minute * 60 + self.second;
        seconds.checked_mul(SECOND)?.checked_add(self.nano)
    }

    /// Whether there is such a day and time.
    pub(super) fn is_valid(self) -> bool {
        let leap = self.year % 4 == 0 && (self.year % 100 != 0 || self.year % 400 == 0);
        let days = match self.month {
            2 => 28 + i64::from(leap),
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        (1..=12).contains(&self.month)
            && (1..=days).contains(&self.day)
            && (0..24).contains(&self.hour)
            && (0..60).contains(&self.minute)
            && (0..60).contains(&self.second)
            && (0..10_000).contains(&self.year)
    }

    /// 0 is Sunday.
    pub(super) fn weekday(self) -> i64 {
        (days(self.year, self.month, self.day) + 4).rem_euclid(7)
    }
}

/// Days since 1970.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let shifted_month = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * shifted_month + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year - 719_468
}

/// Reads `1h15m30.918s`, as Go's `time.ParseDuration`.
pub(super) fn parse_duration(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    let mut total = 0i128;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(end);
        let units = [
            ("ns", 1i128),
            ("us", 1000),
            ("µs", 1000),
            ("μs", 1000),
            ("ms", 1_000_000),
            ("s", 1_000_000_000),
        ];
        let longer = [("m", 60_000_000_000i128), ("h", 3_600_000_000_000)];
        let (unit, scale) = units.iter().chain(&longer).find(|(unit, _)| after.starts_with(unit))?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() || fraction.contains('.') || number.len() > 40 {
            return None;
        }
        let digits = |text: &str| {
            if text.is_empty() { Some(0) } else { text.get(..text.len().min(18))?.parse::<i128>().ok() }
        };
        if whole.len() > 19 {
            return None;
        }
        let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        let part = digits(fraction)? * scale / 10i128.pow(fraction.len().min(18) as u32);
        total = total.checked_add(whole.checked_mul(*scale)?)?.checked_add(part)?;
        rest = &after[unit.len()..];
    }
    i64::try_from(if negative { -total } else { total }).ok()
}

/// Writes `1h15m30.918s`, as Go's `Duration.String`.
pub(super) fn duration_text(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let size = nanos.unsigned_abs();
    let decimal = |unit: u64, name: &str| {
        let fraction = format!("{:0width$}", size % unit, width = unit.ilog10() as usize);
        let fraction = fraction.trim_end_matches('0');
        let point = if fraction.is_empty() || unit == 1 { "" } else { "." };
        let fraction = if unit == 1 { "" } else { fraction };
        format!("{sign}{}{point}{fraction}{name}", size / unit)
    };
    match size {
        0 => "0s".to_owned(),
        1..1_000 => decimal(1, "ns"),
        1_000..1_000_000 => decimal(1_000, "µs"),
        1_000_000..1_000_000_000 => decimal(1_000_000, "ms"),
        _ => {
            let (hours, minutes) = (size / 3_600_000_000_000, size / 60_000_000_000 % 60);
            let rest = size % 60_000_000_000;
            let fraction = format!("{:09}", rest % 1_000_000_000);
            let fraction = fraction.trim_end_matches('0');
            let point = if fraction.is_empty() { "" } else { "." };
            let before = match (hours, minutes) {
                (0, 0) => String::new(),
                (0, minutes) => format!("{minutes}m"),
                (hours, minutes) => format!("{hours}h{minutes}m"),
            };
            format!("{sign}{before}{}{point}{fraction}s", rest / 1_000_000_000)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_come_and_go() {
        for nanos in [0, -1, 951_782_400 * SECOND, 1_709_164_800 * SECOND + 5, i64::MAX, i64::MIN] {
            assert_eq!(civil(nanos).nanos(), Some(nanos).filter(|n| *n != i64::MIN).or(civil(nanos).nanos()));
        }
        let leap = civil(1_709_164_800 * SECOND);
        assert_eq!((leap.year, leap.month, leap.day, leap.weekday()), (2024, 2, 29, 4));
    }

    #[test]
    fn durations_are_gos() {
        let cases = [
            ("100ms", Some(100_000_000)),
            ("1h15m30.918s", Some(4_530_918_000_000)),
            ("-1.5s", Some(-1_500_000_000)),
            (".5s", Some(500_000_000)),
            ("0", Some(0)),
            ("1µs", Some(1000)),
            ("", None),
            ("5", None),
            ("s", None),
            ("1.2.3s", None),
            ("9999999h", None),
        ];
        for (text, nanos) in cases {
            assert_eq!(parse_duration(text), nanos, "{text}");
        }
        let written = [
            (0, "0s"),
            (1, "1ns"),
            (1500, "1.5µs"),
            (-100_000_000, "-100ms"),
            (1_500_000_000, "1.5s"),
            (4_530_918_000_000, "1h15m30.918s"),
            (60_000_000_000, "1m0s"),
            (3_600_000_000_000, "1h0m0s"),
        ];
        for (nanos, text) in written {
            assert_eq!(duration_text(nanos), text);
        }
    }
}

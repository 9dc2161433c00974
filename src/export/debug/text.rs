//! Text that is safe and readable on a terminal: escapes, times, durations.

use std::fmt::{Arguments, Write};
use std::time::Duration;

/// Appends formatted text.
pub(super) fn push(out: &mut String, text: Arguments<'_>) {
    out.write_fmt(text).expect("a string takes every write");
}

/// Appends what a sender wrote, with everything that could move a cursor, colour a screen, end a line or turn the
/// direction of text shown as an escape.
pub(super) fn push_clean(out: &mut String, text: &str) {
    for c in text.chars() {
        if steers(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
}

/// The same, cut at `most` characters.
pub(super) fn push_short(out: &mut String, text: &str, most: usize) {
    match text.char_indices().nth(most) {
        Some((end, _)) => {
            push_clean(out, &text[..end]);
            out.push('…');
        }
        None => push_clean(out, text),
    }
}

fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Appends the time of day, UTC, in milliseconds.
pub(super) fn push_clock(out: &mut String, unix_nano: u64) {
    let millis = unix_nano / 1_000_000;
    let (seconds, millis) = (millis / 1000 % 86_400, millis % 1000);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    push(out, format_args!("{hours:02}:{minutes:02}:{seconds:02}.{millis:03}"));
}

/// Appends date and time, UTC, in nanoseconds (RFC 3339).
pub(super) fn push_time(out: &mut String, unix_nano: u64) {
    let (seconds, nanos) = (unix_nano / 1_000_000_000, unix_nano % 1_000_000_000);
    let (year, month, day) = date(seconds / 86_400);
    let (hours, minutes, seconds) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    push(out, format_args!("{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{nanos:09}Z"));
}

/// Year, month and day of a count of days since 1970.
fn date(mut days: u64) -> (u64, u64, u64) {
    let mut year = 1970;
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    // Nanoseconds in 64 bits end in 2554: few turns.
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let february = 28 + u64::from(leap(year));
    for (month, length) in (1..).zip([31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]) {
        if days < length {
            return (year, month, days + 1);
        }
        days -= length;
    }
    (year, 12, 31)
}

/// Appends the time between two, to a tenth of its unit; none where the end is not after the start.
pub(super) fn push_duration(out: &mut String, start: u64, end: u64) {
    push(out, format_args!("{:.1?}", Duration::from_nanos(end.saturating_sub(start))));
}

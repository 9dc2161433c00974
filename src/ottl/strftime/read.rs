//! Reading a time.

use super::{DAYS, MONTHS, Part, parts};
use crate::ottl::calendar::{Civil, SECOND, civil};
use crate::ottl::zone::{Moment, Zone};

/// Half a year: the other season of a zone's name.
const SEASON: i64 = 182 * 86400 * SECOND;
/// A time without a year is not further in the future than this; then it is of the last year.
const AHEAD_MAX: i64 = 7 * 86400 * SECOND;

/// Reads a time; without a zone in it, one of `zone`, and without a year, of the current or last one.
pub(in crate::ottl) fn read(
    text: &str,
    format: &str,
    zone: &Zone,
    now_unix_nanos: i64,
) -> Result<Moment, String> {
    let wrong = || format!("cannot parse {text:?} as {format:?}");
    let at = Civil { year: 0, month: 1, day: 1, hour: 0, minute: 0, second: 0, nano: 0 };
    let mut reader = Reader { rest: text, at, afternoon: None, read: ReadZone::None, seconds_end: false };
    reader.format(format, 0).ok_or_else(wrong)?;
    if !reader.rest.is_empty() {
        return Err(format!("{}: extra text: {:?}", wrong(), reader.rest));
    }
    match reader.afternoon {
        Some(true) if reader.at.hour < 12 => reader.at.hour += 12,
        Some(false) if reader.at.hour == 12 => reader.at.hour = 0,
        _ => {}
    }
    let zone = reader.zone(zone)?;
    if reader.at.year == 0 {
        reader.at.year = civil(now_unix_nanos).year;
        let ahead =
            zone.nanos_of(reader.at).is_some_and(|nanos| nanos.saturating_sub(now_unix_nanos) > AHEAD_MAX);
        reader.at.year -= i64::from(ahead);
    }
    if !reader.at.is_valid() {
        return Err(format!("{}: out of range", wrong()));
    }
    let nanos = zone.nanos_of(reader.at).ok_or_else(wrong)?;
    Ok(Moment { nanos, zone })
}

/// What a text says of its zone.
enum ReadZone {
    None,
    Offset(i64),
    Name(String),
}

/// A time being read.
struct Reader<'t> {
    rest: &'t str,
    at: Civil,
    afternoon: Option<bool>,
    read: ReadZone,
    /// Seconds came last: a fraction may follow that the format does not name.
    seconds_end: bool,
}

impl Reader<'_> {
    fn format(&mut self, format: &str, depth: usize) -> Option<()> {
        for part in parts(format) {
            if std::mem::take(&mut self.seconds_end) && !matches!(part, Part::Fraction(..)) {
                self.fraction();
            }
            match part {
                Part::Text(text) => self.text(text)?,
                Part::Fraction(..) => self.fraction(),
                Part::Directive(directive) => match of_several(directive, self.rest) {
                    Some(format) if depth == 0 => self.format(format, 1)?,
                    _ => self.directive(directive)?,
                },
            }
        }
        if depth == 0 && self.seconds_end {
            self.fraction();
        }
        Some(())
    }

    /// Blanks in a format stand for any number of them.
    fn text(&mut self, text: &str) -> Option<()> {
        let mut text = text;
        while let Some(c) = text.chars().next() {
            if c == ' ' {
                if !self.rest.is_empty() && !self.rest.starts_with(' ') {
                    return None;
                }
                text = text.trim_start_matches(' ');
                self.rest = self.rest.trim_start_matches(' ');
            } else {
                self.rest = self.rest.strip_prefix(c)?;
                text = &text[c.len_utf8()..];
            }
        }
        Some(())
    }

    fn directive(&mut self, directive: char) -> Option<()> {
        match directive {
            'Y' => self.at.year = self.number(4, 4)?,
            'y' => {
                let year = self.number(2, 2)?;
                self.at.year = year + if year >= 69 { 1900 } else { 2000 };
            }
            'm' | 'o' | 'q' => self.at.month = self.number(1, 2)?,
            'b' | 'h' => self.at.month = self.name(MONTHS.iter().map(|name| &name[..3]))? + 1,
            'B' => self.at.month = self.name(MONTHS.iter().copied())? + 1,
            'd' | 'e' | 'g' => self.at.day = self.number(1, 2)?,
            'a' => drop(self.name(DAYS.iter().map(|name| &name[..3]))?),
            'A' => drop(self.name(DAYS.iter().copied())?),
            'H' => self.at.hour = self.number(1, 2)?,
            'I' | 'l' => self.at.hour = self.number(1, 2).filter(|hour| *hour <= 12)?,
            'p' => self.afternoon = Some(self.either("AM", "PM")?),
            'P' => self.afternoon = Some(self.either("am", "pm")?),
            'M' => self.at.minute = self.number(1, 2)?,
            'S' => {
                self.at.second = self.number(1, 2)?;
                self.seconds_end = true;
            }
            'Z' => self.zone_name()?,
            'z' => self.iso_offset()?,
            'w' => self.offset("", true)?,
            'k' => self.offset(":", true)?,
            'j' => self.offset(":", false)?,
            'i' => self.hours()?,
            _ => return None,
        }
        Some(())
    }

    /// Blanks before a number do not count.
    fn number(&mut self, least: usize, most: usize) -> Option<i64> {
        let rest = self.rest.trim_start();
        let digits = rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
        let (number, rest) = rest.split_at(digits);
        if digits < least {
            return None;
        }
        self.rest = rest;
        number.parse().ok()
    }

    fn fraction(&mut self) {
        let Some(digits) = self.rest.strip_prefix(['.', ',']) else { return };
        let count = digits.bytes().take_while(u8::is_ascii_digit).count();
        if count == 0 {
            return;
        }
        let read = &digits[..count.min(9)];
        self.at.nano = read.parse::<i64>().unwrap_or(0) * 10i64.pow(9 - read.len() as u32);
        self.rest = &digits[count..];
    }

    fn name<'n>(&mut self, names: impl Iterator<Item = &'n str>) -> Option<i64> {
        let here =
            |name: &str| self.rest.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
        let (at, name) = (0i64..).zip(names).find(|(_, name)| here(name))?;
        self.rest = &self.rest[name.len()..];
        Some(at)
    }

    /// Whether the second of the two is there; one must be.
    fn either(&mut self, first: &str, second: &str) -> Option<bool> {
        let is_second = self.rest.starts_with(second);
        self.rest = self.rest.strip_prefix(if is_second { second } else { first })?;
        Some(is_second)
    }

    /// `Z`, `+0200`, `+02:00` or `+02`.
    fn iso_offset(&mut self) -> Option<()> {
        self.rest = self.rest.trim_start();
        if let Some(rest) = self.rest.strip_prefix('Z') {
            (self.rest, self.read) = (rest, ReadZone::Offset(0));
            return Some(());
        }
        let whole = self.rest;
        for between in ["", ":"] {
            if self.offset(between, false).is_some() {
                return Some(());
            }
            self.rest = whole;
        }
        self.hours()
    }

    fn offset(&mut self, between: &str, seconds: bool) -> Option<()> {
        let sign = self.sign()?;
        let hours = self.two_digits(24)?;
        self.rest = self.rest.strip_prefix(between)?;
        let mut offset = hours * 3600 + self.two_digits(60)? * 60;
        if seconds {
            self.rest = self.rest.strip_prefix(between)?;
            offset += self.two_digits(60)?;
        }
        self.read = ReadZone::Offset(sign * offset);
        Some(())
    }

    fn hours(&mut self) -> Option<()> {
        self.read = ReadZone::Offset(self.sign()? * self.two_digits(24)? * 3600);
        Some(())
    }

    fn sign(&mut self) -> Option<i64> {
        let sign = if self.rest.starts_with('-') { -1 } else { 1 };
        self.rest = self.rest.strip_prefix(['+', '-'])?;
        Some(sign)
    }

    fn two_digits(&mut self, most: i64) -> Option<i64> {
        let digits = self.rest.get(..2).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
        self.rest = &self.rest[2..];
        digits.parse().ok().filter(|number| *number <= most)
    }

    /// Three to five capitals, or `GMT+2`.
    fn zone_name(&mut self) -> Option<()> {
        let capitals = self.rest.bytes().take_while(u8::is_ascii_uppercase).count();
        let name = match self.rest.get(..3)? {
            "UTC" => "UTC",
            _ if !(3..=5).contains(&capitals) => return None,
            _ => &self.rest[..capitals],
        };
        if !(name.len() == 3 || name.ends_with('T') || name == "WITA") {
            return None;
        }
        self.rest = &self.rest[name.len()..];
        self.read = ReadZone::Name(name.to_owned());
        if name == "GMT" {
            let before = self.rest;
            if let Some(hours) = self.sign().and_then(|sign| Some(sign * self.number(1, 2)?)) {
                self.read = ReadZone::Offset(hours * 3600);
            } else {
                self.rest = before;
            }
        }
        Some(())
    }

    /// The zone of the time: what the text says, understood in the zone that was given.
    fn zone(&self, given: &Zone) -> Result<Zone, String> {
        let name = match &self.read {
            ReadZone::None => return Ok(given.clone()),
            ReadZone::Offset(seconds) => {
                let shown = self.at.nanos().unwrap_or(0);
                let same = given.offset_seconds(shown.saturating_sub(seconds * SECOND)) == *seconds;
                let fixed = || Zone::fixed(*seconds).ok_or_else(|| "the offset is out of range".to_owned());
                return if same { Ok(given.clone()) } else { fixed() };
            }
            ReadZone::Name(name) => name,
        };
        let shown = self.at.nanos().unwrap_or(0);
        for near in [0, SEASON, -SEASON] {
            let nanos = shown.saturating_add(near);
            if given.abbreviation(nanos) == *name {
                let here = given.offset_seconds(shown) == given.offset_seconds(nanos);
                let fixed = Zone::fixed(given.offset_seconds(nanos));
                return Ok(if here { given.clone() } else { fixed.unwrap_or_default() });
            }
        }
        Zone::named(name)
    }
}

/// Directives that are several: `%D` with a year of two or four digits, numbers with or without leading zeros.
fn of_several(directive: char, text: &str) -> Option<&'static str> {
    match directive {
        'D' | 'x' => {
            let year = text.splitn(3, '/').nth(2).unwrap_or_default();
            let long = year.bytes().take(4).filter(u8::is_ascii_digit).count() == 4;
            Some(if long { "%m/%d/%Y" } else { "%m/%d/%y" })
        }
        _ => super::spelled_out(directive),
    }
}

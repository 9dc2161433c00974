//! Times by `strftime` formats, read and written.

use super::calendar::{Civil, SECOND, civil};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// Writes a time in UTC.
pub(super) fn write(nanos: i64, format: &str) -> Result<String, String> {
    let at = civil(nanos);
    let mut out = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let directive = chars.next().ok_or("the format ends with %")?;
        let hour = if at.hour % 12 == 0 { 12 } else { at.hour % 12 };
        let text = match directive {
            'Y' => format!("{:04}", at.year),
            'y' => format!("{:02}", at.year.rem_euclid(100)),
            'm' => format!("{:02}", at.month),
            'o' => format!("{:2}", at.month),
            'q' => at.month.to_string(),
            'b' | 'h' => MONTHS[(at.month - 1) as usize][..3].to_owned(),
            'B' => MONTHS[(at.month - 1) as usize].to_owned(),
            'd' => format!("{:02}", at.day),
            'e' => format!("{:2}", at.day),
            'g' => at.day.to_string(),
            'j' => format!("{:03}", at.day_of_year()),
            'a' => DAYS[at.weekday() as usize][..3].to_owned(),
            'A' => DAYS[at.weekday() as usize].to_owned(),
            'H' => format!("{:02}", at.hour),
            'I' => format!("{hour:02}"),
            'k' => format!("{hour:2}"),
            'l' => hour.to_string(),
            'p' => if at.hour < 12 { "AM" } else { "PM" }.to_owned(),
            'P' => if at.hour < 12 { "am" } else { "pm" }.to_owned(),
            'M' => format!("{:02}", at.minute),
            'S' => format!("{:02}", at.second),
            'L' => format!("{:03}", at.nano / 1_000_000),
            'f' => format!("{:06}", at.nano / 1000),
            's' => format!("{:09}", at.nano),
            'Z' => "UTC".to_owned(),
            'z' => "+0000".to_owned(),
            'w' => "-07:00".replace("-07", "+00"),
            'i' => "+00".to_owned(),
            'D' | 'x' => write(nanos, "%m/%d/%y")?,
            'F' => write(nanos, "%Y-%m-%d")?,
            'T' | 'X' => write(nanos, "%H:%M:%S")?,
            'r' => write(nanos, "%I:%M:%S %p")?,
            'R' => write(nanos, "%H:%M")?,
            'c' => write(nanos, "%b %d, %Y %I:%M:%S %p")?,
            'n' => "\n".to_owned(),
            't' => "\t".to_owned(),
            '%' => "%".to_owned(),
            other => return Err(format!("unsupported directive: %{other}")),
        };
        out.push_str(&text);
    }
    Ok(out)
}

/// A time being read.
struct Reader<'t> {
    rest: &'t str,
    at: Civil,
    afternoon: Option<bool>,
    offset_seconds: i64,
    day_of_year: Option<i64>,
}

/// Reads a time; without a zone in it, it is UTC plus `offset_seconds`.
pub(super) fn read(text: &str, format: &str, offset_seconds: i64) -> Result<i64, String> {
    let at = Civil { year: 1970, month: 1, day: 1, hour: 0, minute: 0, second: 0, nano: 0 };
    let mut reader = Reader { rest: text, at, afternoon: None, offset_seconds, day_of_year: None };
    let wrong = || format!("cannot parse {text:?} as {format:?}");
    reader.format(format, 0).ok_or_else(wrong)?;
    if !reader.rest.is_empty() {
        return Err(format!("cannot parse {text:?} as {format:?}: extra text: {:?}", reader.rest));
    }
    if let Some(afternoon) = reader.afternoon {
        reader.at.hour = reader.at.hour % 12 + if afternoon { 12 } else { 0 };
    }
    if !reader.at.is_valid() {
        return Err(format!("cannot parse {text:?} as {format:?}: out of range"));
    }
    let mut nanos = reader.at.nanos().ok_or_else(wrong)?;
    if let Some(day) = reader.day_of_year {
        nanos = nanos.checked_add((day - 1) * 86400 * SECOND).ok_or_else(wrong)?;
    }
    nanos.checked_sub(reader.offset_seconds * SECOND).ok_or_else(wrong)
}

impl Reader<'_> {
    fn format(&mut self, format: &str, depth: usize) -> Option<()> {
        let mut chars = format.chars();
        while let Some(c) = chars.next() {
            if c != '%' {
                self.rest = self.rest.strip_prefix(c)?;
                continue;
            }
            let whole = match chars.next()? {
                'D' | 'x' => "%m/%d/%y",
                'F' => "%Y-%m-%d",
                'T' | 'X' => "%H:%M:%S",
                'r' => "%I:%M:%S %p",
                'R' => "%H:%M",
                'c' => "%b %d, %Y %I:%M:%S %p",
                directive => {
                    self.directive(directive)?;
                    continue;
                }
            };
            if depth == 0 {
                self.format(whole, 1)?;
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
            'm' => self.at.month = self.number(2, 2)?,
            'o' | 'q' => self.at.month = self.spaced()?,
            'b' | 'h' => self.at.month = self.name(MONTHS.iter().map(|name| &name[..3]))? + 1,
            'B' => self.at.month = self.name(MONTHS.iter().copied())? + 1,
            'd' => self.at.day = self.number(2, 2)?,
            'e' | 'g' => self.at.day = self.spaced()?,
            'j' => self.day_of_year = Some(self.number(3, 3)?).filter(|day| (1..=366).contains(day)),
            'a' => drop(self.name(DAYS.iter().map(|name| &name[..3]))?),
            'A' => drop(self.name(DAYS.iter().copied())?),
            'H' | 'I' => self.at.hour = self.number(2, 2)?,
            'k' | 'l' => self.at.hour = self.spaced()?,
            'p' | 'P' => self.afternoon = Some(self.name(["am", "pm"].into_iter())? == 1),
            'M' => self.at.minute = self.number(2, 2)?,
            'S' => self.at.second = self.number(2, 2)?,
            'L' => self.at.nano = self.number(3, 3)? * 1_000_000,
            'f' => self.fraction(6)?,
            's' => self.fraction(9)?,
            'Z' => self.zone_name()?,
            'z' | 'w' | 'i' => self.offset()?,
            'n' => self.rest = self.rest.strip_prefix('\n')?,
            't' => self.rest = self.rest.strip_prefix('\t')?,
            '%' => self.rest = self.rest.strip_prefix('%')?,
            _ => return None,
        }
        Some(())
    }

    fn number(&mut self, least: usize, most: usize) -> Option<i64> {
        let digits = self.rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
        let (number, rest) = self.rest.split_at(digits);
        self.rest = rest;
        if digits < least { None } else { number.parse().ok() }
    }

    fn spaced(&mut self) -> Option<i64> {
        self.rest = self.rest.trim_start_matches(' ');
        self.number(1, 2)
    }

    fn fraction(&mut self, most: usize) -> Option<()> {
        let before = self.rest.len();
        let number = self.number(1, most)?;
        self.at.nano = number * 10i64.pow(9 - (before - self.rest.len()) as u32);
        Some(())
    }

    fn name<'n>(&mut self, names: impl Iterator<Item = &'n str>) -> Option<i64> {
        let here =
            |name: &str| self.rest.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
        let (at, name) = (0i64..).zip(names).find(|(_, name)| here(name))?;
        self.rest = &self.rest[name.len()..];
        Some(at)
    }

    fn zone_name(&mut self) -> Option<()> {
        let len = self.rest.bytes().take_while(u8::is_ascii_uppercase).count();
        let (name, rest) = self.rest.split_at(len);
        self.rest = rest;
        matches!(name, "UTC" | "GMT" | "Z").then(|| self.offset_seconds = 0)
    }

    fn offset(&mut self) -> Option<()> {
        if let Some(rest) = self.rest.strip_prefix('Z') {
            (self.rest, self.offset_seconds) = (rest, 0);
            return Some(());
        }
        let sign = match self.rest.chars().next()? {
            '+' => 1,
            '-' => -1,
            _ => return None,
        };
        self.rest = &self.rest[1..];
        let hours = self.number(2, 2)?;
        self.rest = self.rest.strip_prefix(':').unwrap_or(self.rest);
        let minutes = self.number(0, 2).unwrap_or(0);
        self.offset_seconds = sign * (hours * 3600 + minutes * 60);
        Some(())
    }
}

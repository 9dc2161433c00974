//! Writing a time.

use super::{DAYS, MONTHS, Part, parts, spelled_out};
use crate::ottl::zone::{Moment, offset_text};

/// Writes a time as a clock in its zone shows it.
pub(in crate::ottl) fn write(moment: &Moment, format: &str) -> Result<String, String> {
    let mut out = String::new();
    for part in parts(format) {
        match part {
            Part::Text(text) => out.push_str(text),
            Part::Fraction(sign, digits) => {
                // Zeros at its end are not written, and the sign not without digits.
                let nanos = format!("{:09}", moment.civil().nano);
                let digits = nanos[..digits].trim_end_matches('0');
                if !digits.is_empty() {
                    out.push(sign);
                    out.push_str(digits);
                }
            }
            Part::Directive(directive) => match spelled_out(directive) {
                Some(format) => out.push_str(&write(moment, format)?),
                None => out.push_str(&directive_text(moment, directive)?),
            },
        }
    }
    Ok(out)
}

fn directive_text(moment: &Moment, directive: char) -> Result<String, String> {
    let at = moment.civil();
    let hour = if at.hour % 12 == 0 { 12 } else { at.hour % 12 };
    let month = MONTHS[(at.month - 1) as usize];
    let day = DAYS[at.weekday() as usize];
    let seconds = moment.zone.offset_seconds(moment.nanos);
    Ok(match directive {
        'Y' => format!("{:04}", at.year),
        'y' => format!("{:02}", at.year.rem_euclid(100)),
        'm' => format!("{:02}", at.month),
        'o' => format!("_{}", at.month), // Go has no layout for a padded month
        'q' => at.month.to_string(),
        'b' | 'h' => month[..3].to_owned(),
        'B' => month.to_owned(),
        'd' => format!("{:02}", at.day),
        'e' => format!("{:2}", at.day),
        'g' => at.day.to_string(),
        'a' => day[..3].to_owned(),
        'A' => day.to_owned(),
        'H' => format!("{:02}", at.hour),
        'I' => format!("{hour:02}"),
        'l' => hour.to_string(),
        'p' => if at.hour < 12 { "AM" } else { "PM" }.to_owned(),
        'P' => if at.hour < 12 { "am" } else { "pm" }.to_owned(),
        'M' => format!("{:02}", at.minute),
        'S' => format!("{:02}", at.second),
        'Z' => moment.zone.abbreviation(moment.nanos),
        'z' if seconds == 0 => "Z".to_owned(),
        'z' => offset_text(seconds, ""),
        'i' => offset_text(seconds, "")[..3].to_owned(),
        'j' => offset_text(seconds, ":"),
        'w' => format!("{}{:02}", offset_text(seconds, ""), seconds.abs() % 60),
        'k' => format!("{}:{:02}", offset_text(seconds, ":"), seconds.abs() % 60),
        other => return Err(format!("unsupported directive: %{other}")),
    })
}

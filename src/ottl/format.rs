//! Go's `fmt.Sprintf`, for what OTTL's values can be.

use super::error::EvalError;
use super::value::Value;
use super::zone::{Moment, offset_text};
use super::{calendar, render, strftime};

/// Widest padding and longest fraction.
const WIDTH_MAX: usize = 1024;

#[derive(Default)]
struct Verb {
    minus: bool,
    plus: bool,
    zero: bool,
    sharp: bool,
    width: usize,
    precision: Option<usize>,
}

/// Formats as `fmt.Sprintf`, its complaints included.
pub(super) fn sprintf(format: &str, values: &[Value<'_>]) -> Result<String, EvalError> {
    let mut out = String::new();
    let mut values = values.iter();
    let mut chars = format.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut verb = Verb::default();
        while let Some(flag) = chars.next_if(|c| "-+0# ".contains(*c)) {
            match flag {
                '-' => verb.minus = true,
                '+' => verb.plus = true,
                '0' => verb.zero = true,
                '#' => verb.sharp = true,
                _ => {}
            }
        }
        verb.width = digits(&mut chars);
        if chars.next_if_eq(&'.').is_some() {
            verb.precision = Some(digits(&mut chars));
        }
        match chars.next() {
            None => out.push_str("%!(NOVERB)"),
            Some('%') => out.push('%'),
            Some(letter) => match values.next() {
                None => out.push_str(&format!("%!{letter}(MISSING)")),
                Some(value) => out.push_str(&verb.padded(verb.text(letter, value)?)),
            },
        }
        if out.len() > 16 << 20 {
            return Err("the formatted string has more than 16 MiB".into());
        }
    }
    let extra: Vec<_> = values
        .map(|value| Ok(format!("{}={}", go_kind(value), plain(value)?)))
        .collect::<Result<_, EvalError>>()?;
    if !extra.is_empty() {
        out.push_str(&format!("%!(EXTRA {})", extra.join(", ")));
    }
    Ok(out)
}

fn digits(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> usize {
    let mut number = 0usize;
    while let Some(digit) = chars.peek().and_then(|c| c.to_digit(10)) {
        number = (number * 10 + digit as usize).min(WIDTH_MAX);
        chars.next();
    }
    number
}

fn go_kind(value: &Value<'_>) -> &'static str {
    if matches!(value, Value::Nil) { "<nil>" } else { value.kind() }
}

fn plain(value: &Value<'_>) -> Result<String, EvalError> {
    Ok(match value {
        Value::Double(value) if (1e-4..1e21).contains(&value.abs()) || *value == 0.0 => value.to_string(),
        Value::Double(value) => exponent(format!("{value:e}")),
        Value::Nil => "<nil>".into(),
        Value::TraceId(id) => render::hex(id),
        Value::SpanId(id) => render::hex(id),
        Value::Duration(nanos) => calendar::duration_text(*nanos),
        Value::Time(moment) => strftime::write(moment, "%Y-%m-%d %H:%M:%S.%s")? + &zone_text(moment),
        Value::Bytes(bytes) => {
            let numbers: Vec<_> = bytes.iter().map(u8::to_string).collect();
            format!("[{}]", numbers.join(" "))
        }
        value => String::from_utf8_lossy(&render::text(value)?.unwrap_or_default()).into_owned(),
    })
}

/// As Go's `Time.String` ends.
fn zone_text(moment: &Moment) -> String {
    let offset = offset_text(moment.zone.offset_seconds(moment.nanos), "");
    format!(" {offset} {}", moment.zone.abbreviation(moment.nanos))
}

/// Go writes exponents with a sign and two digits.
fn exponent(text: String) -> String {
    match text.split_once('e') {
        Some((head, tail)) => {
            let (sign, tail) = tail.strip_prefix('-').map_or(('+', tail), |tail| ('-', tail));
            format!("{head}e{sign}{tail:0>2}")
        }
        None => text,
    }
}

impl Verb {
    fn text(&self, letter: char, value: &Value<'_>) -> Result<String, EvalError> {
        let precision = self.precision.unwrap_or(6);
        Ok(match (letter, value) {
            ('s', Value::Bytes(text)) => self.cut(&String::from_utf8_lossy(text)),
            ('v' | 's', Value::Text(text)) => self.cut(&String::from_utf8_lossy(text)),
            ('q', Value::Text(text)) => format!("{:?}", String::from_utf8_lossy(text)),
            ('x', Value::Text(bytes) | Value::Bytes(bytes)) => render::hex(bytes),
            ('X', Value::Text(bytes) | Value::Bytes(bytes)) => render::hex(bytes).to_uppercase(),
            ('v' | 'd', Value::Int(value)) => self.signed(*value >= 0, value.to_string()),
            ('x', Value::Int(value)) => self.based(*value, "0x", format!("{:x}", value.unsigned_abs())),
            ('X', Value::Int(value)) => self.based(*value, "0X", format!("{:X}", value.unsigned_abs())),
            ('o', Value::Int(value)) => self.based(*value, "0", format!("{:o}", value.unsigned_abs())),
            ('b', Value::Int(value)) => self.based(*value, "0b", format!("{:b}", value.unsigned_abs())),
            ('c', Value::Int(value)) => {
                let c = u32::try_from(*value).ok().and_then(char::from_u32);
                c.unwrap_or(char::REPLACEMENT_CHARACTER).to_string()
            }
            ('f' | 'F', Value::Double(value)) => self.signed(*value >= 0.0, format!("{value:.precision$}")),
            ('e', Value::Double(value)) => {
                self.signed(*value >= 0.0, exponent(format!("{value:.precision$e}")))
            }
            ('v' | 'g', Value::Double(_)) => plain(value)?,
            ('v' | 't', Value::Bool(value)) => value.to_string(),
            ('v', value) => plain(value)?,
            ('s', Value::List(_) | Value::Map(..) | Value::TraceId(_) | Value::SpanId(_)) => plain(value)?,
            ('s', Value::Time(_) | Value::Duration(_)) => plain(value)?,
            (letter, Value::Nil) => format!("%!{letter}(<nil>)"),
            (letter, value) => format!("%!{letter}({}={})", go_kind(value), plain(value)?),
        })
    }

    fn cut(&self, text: &str) -> String {
        text.chars().take(self.precision.unwrap_or(usize::MAX)).collect()
    }

    fn signed(&self, positive: bool, text: String) -> String {
        if self.plus && positive { format!("+{text}") } else { text }
    }

    fn based(&self, value: i64, prefix: &str, digits: String) -> String {
        let sign = if value < 0 { "-" } else { "" };
        format!("{sign}{}{digits}", if self.sharp { prefix } else { "" })
    }

    fn padded(&self, text: String) -> String {
        let missing = self.width.saturating_sub(text.chars().count());
        if missing == 0 {
            text
        } else if self.minus {
            text + &" ".repeat(missing)
        } else if self.zero {
            let sign = usize::from(text.starts_with(['-', '+']));
            format!("{}{}{}", &text[..sign], "0".repeat(missing), &text[sign..])
        } else {
            " ".repeat(missing) + &text
        }
    }
}

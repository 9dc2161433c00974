//! The W3C's Extended Log Format: directives (`#Fields: date time`), then rows of values; several lines in one text.

use super::Found;
use crate::ottl::error::EvalError;
use crate::ottl::value::Value;

/// Directives that are kept, and the one that must be there.
const DIRECTIVES: [(&str, &str); 6] = [
    ("version", "elf.version"),
    ("software", "elf.software"),
    ("date", "elf.date"),
    ("start-date", "elf.start_date"),
    ("end-date", "elf.end_date"),
    ("remark", "elf.remark"),
];

pub(super) fn parse(text: &str) -> Result<Found, EvalError> {
    let mut found = Found::default();
    found.put("elf.entries", Value::Nil);
    let mut fields: Vec<&str> = Vec::new();
    let mut rows = Vec::new();
    for line in text.split(['\n', '\r']).map(str::trim).filter(|line| !line.is_empty()) {
        let Some(directive) = line.strip_prefix('#') else {
            if fields.is_empty() {
                return Err("invalid ELF: data entry found before #Fields directive".into());
            }
            rows.push(row(line, &fields)?);
            continue;
        };
        let Some((key, value)) = directive.split_once(':') else {
            let start = directive.trim().as_bytes().get(..6).unwrap_or_default();
            if start.eq_ignore_ascii_case(b"fields") {
                return Err(format!("invalid ELF: malformed #Fields directive {line:?}").into());
            }
            continue;
        };
        let (key, value) = (key.trim(), value.trim());
        if key.eq_ignore_ascii_case("fields") {
            fields = value.split_whitespace().collect();
        } else if let Some((_, name)) = DIRECTIVES.iter().find(|(known, _)| key.eq_ignore_ascii_case(known)) {
            found.put_text(name, value);
        }
    }
    if !found.places.contains_key("elf.version") {
        return Err("invalid ELF: missing #Version directive".into());
    }
    found.put("elf.entries", Value::list(rows)?);
    found.put("elf.fields", Value::list(fields.into_iter().map(Value::text))?);
    Ok(found)
}

/// Values by the names of their fields; those that are missing are `-`, those that are too many are left out.
fn row(line: &str, fields: &[&str]) -> Result<Value<'static>, EvalError> {
    let values = values(line)?;
    let mut row = Found::default();
    for (at, field) in fields.iter().enumerate() {
        row.put_text(field, values.get(at).map_or("-", String::as_str));
    }
    row.into_value()
}

/// Words and quoted texts, in which a quote is written twice.
fn values(line: &str) -> Result<Vec<String>, EvalError> {
    let mut values = Vec::new();
    let mut rest = line.trim_start_matches([' ', '\t']);
    while !rest.is_empty() {
        let Some(mut quoted) = rest.strip_prefix('"') else {
            let end = rest.find([' ', '\t']).unwrap_or(rest.len());
            values.push(rest[..end].to_owned());
            rest = rest[end..].trim_start_matches([' ', '\t']);
            continue;
        };
        let mut value = String::new();
        loop {
            let (text, after) = quoted.split_once('"').ok_or_else(|| {
                EvalError::from(format!("invalid ELF: unterminated quoted value in data line: {line:?}"))
            })?;
            value.push_str(text);
            match after.strip_prefix('"') {
                Some(after) => {
                    value.push('"');
                    quoted = after;
                }
                None => {
                    rest = after.trim_start_matches([' ', '\t']);
                    break;
                }
            }
        }
        values.push(value);
    }
    Ok(values)
}

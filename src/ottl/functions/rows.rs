//! Converters of rows: comma-separated fields, and pairs of key and value.

use std::borrow::Cow;

use super::{Arguments, Converter, Kind, converts, optional, value};
use crate::ottl::error::EvalError;
use crate::ottl::render;
use crate::ottl::value::Value;

pub(super) const CONVERTERS: &[Converter] = &[
    converts(
        "ParseCSV",
        &[
            value("target"),
            value("header"),
            optional("delimiter", Kind::Value),
            optional("header_delimiter", Kind::Value),
            optional("mode", Kind::Choice(&["strict", "lazyQuotes", "ignoreQuotes"])),
        ],
        parse_csv,
    ),
    converts(
        "ParseKeyValue",
        &[value("target"), optional("delimiter", Kind::Value), optional("pair_delimiter", Kind::Value)],
        parse_key_value,
    ),
    converts(
        "ToKeyValueString",
        &[
            value("target"),
            optional("delimiter", Kind::Value),
            optional("pair_delimiter", Kind::Value),
            optional("sort_output", Kind::Value),
        ],
        to_key_value,
    ),
];

fn single(text: &str, what: &str) -> Result<char, EvalError> {
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(c), None) => Ok(c),
        _ => Err(format!("{what} must be a single character").into()),
    }
}

fn parse_csv<'v>(given: &Arguments<'v>) -> Result<Value<'v>, EvalError> {
    let delimiter = single(&given.utf8_or(2, ",")?, "delimiter")?;
    let header_delimiter = match given.is_given(3) {
        true => single(&given.utf8(3)?, "header_delimiter")?,
        false => delimiter,
    };
    let mode = given.utf8_or(4, "strict")?;
    let (text, header) = (given.utf8(0)?, given.utf8(1)?);
    if header.is_empty() {
        return Err("headers must not be an empty string".into());
    }
    let names: Vec<&str> = header.split(header_delimiter).collect();
    let fields = match mode == "ignoreQuotes" {
        true => text.split(delimiter).map(str::to_owned).collect(),
        false => fields(&text, delimiter, mode == "lazyQuotes")?,
    };
    if fields.len() != names.len() {
        let (expected, found) = (names.len(), fields.len());
        return Err(format!("wrong number of fields: expected {expected}, found {found}").into());
    }
    Value::map(names.into_iter().zip(fields.into_iter().map(Value::text)))
}

/// The fields of one row. A line end outside of quotes stands in the field it ends; empty lines do not count.
fn fields(text: &str, delimiter: char, lazy: bool) -> Result<Vec<String>, EvalError> {
    let text = text.replace("\r\n", "\n");
    let mut fields: Vec<String> = Vec::new();
    let mut rest = text.strip_suffix('\r').unwrap_or(&text);
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('\n') {
            rest = after;
            continue;
        }
        let mut line = Vec::new();
        let read = read_line(&mut rest, delimiter, lazy, &mut line);
        if line.is_empty() {
            read?; // the fields before a mistake count, as in the Collector
        }
        let mut line = line.into_iter();
        match (fields.last_mut(), line.next()) {
            (Some(last), Some(first)) => {
                last.push('\n');
                last.push_str(&first);
            }
            (_, first) => fields.extend(first),
        }
        fields.extend(line);
    }
    if fields.is_empty() { Err("no csv lines found".into()) } else { Ok(fields) }
}

/// Takes a line off, with the lines that its quotes go on over.
fn read_line(
    rest: &mut &str,
    delimiter: char,
    lazy: bool,
    fields: &mut Vec<String>,
) -> Result<(), EvalError> {
    let after_line = |rest: &str| rest.find('\n').map_or(rest.len(), |at| at + 1);
    loop {
        let Some(mut quoted) = rest.strip_prefix('"') else {
            let end = rest.find(['\n', delimiter]).unwrap_or(rest.len());
            let field = &rest[..end];
            if field.contains('"') && !lazy {
                *rest = &rest[after_line(rest)..];
                return Err("parse error: bare \" in non-quoted-field".into());
            }
            fields.push(field.to_owned());
            let ended_by = rest[end..].chars().next();
            *rest = &rest[end + ended_by.map_or(0, char::len_utf8)..];
            match ended_by {
                Some(c) if c == delimiter => continue,
                _ => return Ok(()),
            }
        };
        let mut field = String::new();
        loop {
            let Some((text, after)) = quoted.split_once('"') else {
                *rest = "";
                field.push_str(quoted);
                if lazy {
                    fields.push(field);
                    return Ok(());
                }
                return Err("parse error: extraneous or missing \" in quoted-field".into());
            };
            field.push_str(text);
            quoted = after;
            match quoted.chars().next() {
                Some('"') => {
                    field.push('"');
                    quoted = &quoted[1..];
                }
                Some(c) if c == delimiter => {
                    fields.push(field);
                    *rest = &quoted[c.len_utf8()..];
                    break;
                }
                None | Some('\n') => {
                    fields.push(field);
                    *rest = quoted.strip_prefix('\n').unwrap_or(quoted);
                    return Ok(());
                }
                Some(_) if lazy => field.push('"'),
                Some(_) => {
                    *rest = &quoted[after_line(quoted)..];
                    return Err("parse error: extraneous or missing \" in quoted-field".into());
                }
            }
        }
    }
}

/// The two delimiters of pairs, from `at` on.
fn delimiters(given: &Arguments<'_>, at: usize) -> Result<(String, String), EvalError> {
    let (delimiter, between) = (given.utf8_or(at, "=")?, given.utf8_or(at + 1, " ")?);
    match () {
        _ if delimiter.is_empty() => Err("delimiter cannot be set to an empty string".into()),
        _ if between.is_empty() => Err("pair delimiter cannot be set to an empty string".into()),
        _ if delimiter == between => {
            Err(format!("pair delimiter {between:?} cannot be equal to delimiter {delimiter:?}").into())
        }
        _ => Ok((delimiter, between)),
    }
}

fn parse_key_value<'v>(given: &Arguments<'v>) -> Result<Value<'v>, EvalError> {
    let (delimiter, between) = delimiters(given, 1)?;
    let text = given.utf8(0)?;
    if text.is_empty() {
        return Err("cannot parse from empty target".into());
    }
    let mut entries: Vec<(String, Value<'_>)> = Vec::new();
    for pair in quoted_split(&text, &between)? {
        let wrong = || EvalError::from(format!("cannot split {pair:?} into 2 items, got 1 item(s)"));
        let (key, value) = pair.split_once(&delimiter).ok_or_else(wrong)?;
        let (key, value) = (key.trim().to_owned(), Value::text(value.trim().to_owned()));
        match entries.iter_mut().find(|(known, _)| *known == key) {
            Some(entry) => entry.1 = value,
            None => entries.push((key, value)),
        }
    }
    Value::map(entries)
}

/// Parts between delimiters that stand outside of quotes, without the quotes; empty ones are left out.
fn quoted_split(text: &str, delimiter: &str) -> Result<Vec<String>, EvalError> {
    let mut parts = Vec::new();
    let mut part = String::new();
    let (mut quote, mut escaped) = (None, false);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if quote.is_none()
            && let Some(after) = rest.strip_prefix(delimiter)
        {
            rest = after;
            if !part.is_empty() {
                parts.push(std::mem::take(&mut part));
            }
            continue;
        }
        rest = &rest[c.len_utf8()..];
        if std::mem::take(&mut escaped) {
            part.push(c);
        } else if quote.is_none() && matches!(c, '"' | '\'') {
            quote = Some(c);
        } else if quote == Some(c) {
            quote = None;
        } else {
            escaped = c == '\\';
            part.push(c);
        }
    }
    if quote.is_some() {
        return Err("never reached the end of a quoted value".into());
    }
    parts.extend(Some(part).filter(|part| !part.is_empty()));
    Ok(parts)
}

fn to_key_value<'v>(given: &Arguments<'v>) -> Result<Value<'v>, EvalError> {
    let (delimiter, between) = delimiters(given, 1)?;
    let mut entries = given.entries(0)?;
    if given.flag(3, false)? {
        entries.sort_by(|a, b| a.0.cmp(&b.0));
    }
    let quoted = |text: Cow<'_, [u8]>| {
        let text = String::from_utf8_lossy(&text).replace('"', "\\\"");
        match text.contains(&*delimiter) || text.contains(&*between) {
            true => format!("\"{text}\""),
            false => text,
        }
    };
    let mut pairs = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        pairs.push(format!("{}{delimiter}{}", quoted(key.into()), quoted(render::plain(&value)?)));
    }
    Ok(Value::text(pairs.join(&between)))
}

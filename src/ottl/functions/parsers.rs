//! Converters that take texts apart, or ask what they are.

use core::net::IpAddr;
use std::borrow::Cow;

use super::{Arguments, Converter, Kind, converts, optional, value};
use crate::ottl::error::EvalError;
use crate::ottl::value::Value;
use crate::ottl::{mask, render, url};

pub(super) const CONVERTERS: &[Converter] = &[
    converts("ParseJSON", &[value("target")], parse_json),
    converts("URL", &[value("url_string")], |given| {
        let text = given.utf8(0)?;
        Value::map(url::parts(&text).ok_or_else(|| EvalError::from(format!("invalid uri {text:?}")))?)
    }),
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
    converts("ParseInt", &[value("target"), value("base")], |given| {
        let (text, base) = (given.utf8(0)?, given.int(1)?);
        let radix = u32::try_from(base).ok().filter(|base| (2..=36).contains(base));
        let number = radix.and_then(|base| i64::from_str_radix(&text, base).ok());
        Ok(Value::Int(
            number.ok_or_else(|| EvalError::from(format!("cannot parse {text:?} in base {base}")))?,
        ))
    }),
    converts("IsInCIDR", &[value("target"), value("networks")], is_in_cidr),
    converts("IsValidLuhn", &[value("target")], |given| {
        let text = given.text_like(0)?.unwrap_or_default();
        Ok(Value::Bool(mask::is_luhn(&text)))
    }),
];

fn parse_json<'v>(given: &Arguments<'v>) -> Result<Value<'v>, EvalError> {
    let parsed: serde_json::Value = serde_json::from_slice(&given.text(0)?)
        .map_err(|error| EvalError::from(format!("could not parse JSON: {error}")))?;
    of_json(parsed)
}

/// All numbers are floats, as in Go.
fn of_json(json: serde_json::Value) -> Result<Value<'static>, EvalError> {
    use serde_json::Value as Json;
    Ok(match json {
        Json::Null => Value::Nil,
        Json::Bool(value) => Value::Bool(value),
        Json::Number(number) => Value::Double(number.as_f64().ok_or("a number is out of range")?),
        Json::String(text) => Value::text(text),
        Json::Array(values) => Value::list(values.into_iter().map(of_json).collect::<Result<Vec<_>, _>>()?)?,
        Json::Object(entries) => {
            let entries = entries.into_iter().map(|(key, value)| Ok::<_, EvalError>((key, of_json(value)?)));
            Value::map(entries.collect::<Result<Vec<_>, _>>()?)?
        }
    })
}

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
    let names: Vec<&str> = header.split(header_delimiter).collect();
    let fields = match mode == "ignoreQuotes" {
        true => text.split(delimiter).map(str::to_owned).collect(),
        false => csv_fields(&text, delimiter, mode == "lazyQuotes")?,
    };
    if fields.len() != names.len() {
        let (expected, found) = (names.len(), fields.len());
        return Err(format!("wrong number of fields: expected {expected}, found {found}").into());
    }
    Value::map(names.into_iter().zip(fields.into_iter().map(Value::text)))
}

fn csv_fields(text: &str, delimiter: char, lazy: bool) -> Result<Vec<String>, EvalError> {
    let mut fields = Vec::new();
    let mut chars = text.trim_end_matches(['\r', '\n']).chars().peekable();
    loop {
        let mut field = String::new();
        if chars.next_if_eq(&'"').is_some() {
            loop {
                match chars.next() {
                    None if lazy => break,
                    None => return Err("extraneous or missing \" in quoted-field".into()),
                    Some('"') if chars.next_if_eq(&'"').is_some() => field.push('"'),
                    Some('"') if lazy && chars.peek().is_some_and(|next| *next != delimiter) => {
                        field.push('"')
                    }
                    Some('"') => break,
                    Some(c) => field.push(c),
                }
            }
            if chars.peek().is_some_and(|next| *next != delimiter) {
                return Err("extraneous or missing \" in quoted-field".into());
            }
        } else {
            while let Some(c) = chars.next_if(|c| *c != delimiter) {
                if c == '"' && !lazy {
                    return Err("bare \" in non-quoted-field".into());
                }
                field.push(c);
            }
        }
        fields.push(field);
        if chars.next().is_none() {
            return Ok(fields);
        }
    }
}

/// Pairs parted by `pair_delimiter`, which may stand inside quotes.
fn parse_key_value<'v>(given: &Arguments<'v>) -> Result<Value<'v>, EvalError> {
    let (delimiter, between) = (given.utf8_or(1, "=")?, given.utf8_or(2, " ")?);
    if delimiter.is_empty() || between.is_empty() || delimiter == between {
        return Err("delimiter and pair delimiter must be given and must differ".into());
    }
    let text = given.utf8(0)?;
    if text.is_empty() {
        return Err("cannot parse from empty target".into());
    }
    let mut entries: Vec<(String, Value<'_>)> = Vec::new();
    for pair in quoted_split(&text, &between)? {
        let pair = pair.trim();
        if pair.is_empty() {
            continue;
        }
        let wrong = || EvalError::from(format!("cannot split {pair:?} into 2 items, got 1 item(s)"));
        let (key, value) = pair.split_once(&delimiter).ok_or_else(wrong)?;
        let bare = |text: &str| text.trim().trim_matches(['"', '\'']).to_owned();
        let (key, value) = (bare(key), Value::text(bare(value)));
        match entries.iter_mut().find(|(known, _)| *known == key) {
            Some(entry) => entry.1 = value,
            None => entries.push((key, value)),
        }
    }
    Value::map(entries)
}

fn quoted_split<'t>(text: &'t str, delimiter: &str) -> Result<Vec<&'t str>, EvalError> {
    let mut parts = Vec::new();
    let (mut start, mut quote, mut skip) = (0, None, 0);
    for (at, c) in text.char_indices() {
        if at < skip {
            continue;
        }
        match quote {
            Some(open) if open == c => quote = None,
            Some(_) => {}
            None if c == '"' || c == '\'' => quote = Some(c),
            None if text[at..].starts_with(delimiter) => {
                parts.push(&text[start..at]);
                (start, skip) = (at + delimiter.len(), at + delimiter.len());
            }
            None => {}
        }
    }
    if quote.is_some() {
        return Err("never reached the end of a quoted value".into());
    }
    parts.push(&text[start..]);
    Ok(parts)
}

fn to_key_value<'v>(given: &Arguments<'v>) -> Result<Value<'v>, EvalError> {
    let (delimiter, between) = (given.utf8_or(1, "=")?, given.utf8_or(2, " ")?);
    if delimiter == between {
        return Err("pair delimiter must differ from delimiter".into());
    }
    let mut entries = given.entries(0)?;
    if given.flag(3, false)? {
        entries.sort_by(|a, b| a.0.cmp(&b.0));
    }
    let quoted = |text: Cow<'_, [u8]>| {
        let text = String::from_utf8_lossy(&text).into_owned();
        match text.contains(&*delimiter) || text.contains(&*between) || text.contains('"') {
            true => format!("{text:?}"),
            false => text,
        }
    };
    let mut pairs = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        let value = render::text(&value)?.unwrap_or_default();
        pairs.push(format!("{}{delimiter}{}", quoted(key.into()), quoted(value)));
    }
    Ok(Value::text(pairs.join(&between)))
}

fn is_in_cidr<'v>(given: &Arguments<'v>) -> Result<Value<'v>, EvalError> {
    let text = given.utf8(0)?;
    let address: IpAddr =
        text.parse().map_err(|_| EvalError::from(format!("{text:?} is not an IP address")))?;
    let mut inside = false;
    for network in given.texts(1)? {
        let network = String::from_utf8_lossy(&network).into_owned();
        let wrong = || EvalError::from(format!("invalid CIDR address: {network}"));
        let (base, length) = network.split_once('/').ok_or_else(wrong)?;
        let base: IpAddr = base.parse().map_err(|_| wrong())?;
        let length: u32 = length.parse().map_err(|_| wrong())?;
        inside |= match (address, base) {
            (IpAddr::V4(address), IpAddr::V4(base)) => {
                let mask = u32::MAX.checked_shl(32u32.checked_sub(length).ok_or_else(wrong)?).unwrap_or(0);
                address.to_bits() & mask == base.to_bits() & mask
            }
            (IpAddr::V6(address), IpAddr::V6(base)) => {
                let mask = u128::MAX.checked_shl(128u32.checked_sub(length).ok_or_else(wrong)?).unwrap_or(0);
                address.to_bits() & mask == base.to_bits() & mask
            }
            _ => false,
        };
    }
    Ok(Value::Bool(inside))
}

//! Converters of strings.

use std::borrow::Cow;

use regex::bytes::Regex;

use super::{Arguments, Converter, Kind, Param, converts, optional, param, value};
use crate::ottl::error::EvalError;
use crate::ottl::value::Value;
use crate::ottl::{case, format, mask, render};
use crate::pattern::{self, Read};

const TARGET: &[Param] = &[value("target")];

pub(super) const CONVERTERS: &[Converter] = &[
    converts("Concat", &[value("vals"), value("delimiter")], concat),
    converts("Split", &[value("target"), value("delimiter")], split),
    converts(
        "Substring",
        &[value("target"), value("start"), value("length"), optional("utf8_safe", Kind::Value)],
        substring,
    ),
    converts("ToLowerCase", TARGET, |given| cased(given, case::lower)),
    converts("ToUpperCase", TARGET, |given| cased(given, case::upper)),
    converts("ToSnakeCase", TARGET, |given| cased(given, case::snake)),
    converts("ToCamelCase", TARGET, |given| cased(given, case::camel)),
    converts(
        "ConvertCase",
        &[value("target"), param("to_case", Kind::Choice(&["lower", "upper", "snake", "camel"]))],
        convert_case,
    ),
    converts("Trim", &[value("target"), optional("replacement", Kind::Value)], trim),
    converts("TrimPrefix", &[value("target"), value("prefix")], |given| {
        let (text, prefix) = (given.text(0)?, given.text(1)?);
        Ok(owned(text.strip_prefix(&*prefix).unwrap_or(&text)))
    }),
    converts("TrimSuffix", &[value("target"), value("suffix")], |given| {
        let (text, suffix) = (given.text(0)?, given.text(1)?);
        Ok(owned(text.strip_suffix(&*suffix).unwrap_or(&text)))
    }),
    converts("HasPrefix", &[value("target"), value("prefix")], |given| {
        Ok(Value::Bool(given.text(0)?.starts_with(&given.text(1)?)))
    }),
    converts("HasSuffix", &[value("target"), value("suffix")], |given| {
        Ok(Value::Bool(given.text(0)?.ends_with(&given.text(1)?)))
    }),
    converts("IsMatch", &[value("target"), param("pattern", Kind::Pattern)], |given| {
        let Some(text) = given.text_like(0)? else { return Ok(Value::Bool(false)) };
        let pattern = given.pattern(1)?;
        Ok(Value::Bool(pattern::is_match(&pattern, &text)))
    }),
    converts("ExtractPatterns", &[value("target"), param("pattern", Kind::Pattern)], extract_patterns),
    converts("Format", &[value("format"), value("vals")], |given| {
        Ok(Value::text(format::sprintf(&given.utf8(0)?, &given.list(1)?)?))
    }),
    converts("Hex", TARGET, |given| Ok(Value::text(render::hex(&given.bytes_like(0)?)))),
    converts("MaskEmail", TARGET, |given| {
        let text = given.text(0)?;
        Ok(Value::Text(mask::emails(&text).map_or(text, Cow::Owned)))
    }),
];

fn owned(text: &[u8]) -> Value<'static> {
    Value::Text(Cow::Owned(text.to_vec()))
}

fn concat<'v>(given: &Arguments<'v>) -> Result<Value<'v>, EvalError> {
    let delimiter = given.text(1)?;
    let mut out = Vec::new();
    for (at, value) in given.list(0)?.iter().enumerate() {
        if at > 0 {
            out.extend_from_slice(&delimiter);
        }
        match render::text(value)? {
            Some(text) => out.extend_from_slice(&text),
            None => out.extend_from_slice(b"<nil>"),
        }
    }
    Ok(Value::Text(Cow::Owned(out)))
}

fn split<'v>(given: &Arguments<'v>) -> Result<Value<'v>, EvalError> {
    let (text, delimiter) = (given.text(0)?, given.text(1)?);
    if delimiter.is_empty() {
        let text = String::from_utf8_lossy(&text).into_owned();
        return Value::list(text.chars().map(|c| Value::text(c.to_string())));
    }
    let mut parts = Vec::new();
    let mut rest = &text[..];
    while let Some(at) = rest.windows(delimiter.len()).position(|window| *window == *delimiter) {
        parts.push(Value::Text(Cow::Borrowed(&rest[..at])));
        rest = &rest[at + delimiter.len()..];
    }
    parts.push(Value::Text(Cow::Borrowed(rest)));
    Value::list(parts)
}

fn substring<'v>(given: &Arguments<'v>) -> Result<Value<'v>, EvalError> {
    let text = given.text(0)?;
    let (start, length) = (given.int(1)?, given.int(2)?);
    if start < 0 {
        return Err(format!("invalid start for substring function, {start} cannot be negative").into());
    }
    if length <= 0 {
        return Err(
            format!("invalid length for substring function, {length} cannot be negative or zero").into()
        );
    }
    let end = start.saturating_add(length);
    let ends = usize::try_from(start).ok().zip(usize::try_from(end).ok());
    let (mut start, mut end) = ends.filter(|(_, end)| *end <= text.len()).ok_or_else(|| {
        let len = text.len();
        EvalError::from(format!(
            "invalid range for substring function, {end} cannot be greater than the length of target string({len})"
        ))
    })?;
    if given.flag(3, false)? {
        let inside = |at: usize| text.get(at).is_some_and(|byte| (byte & 0xc0) == 0x80);
        while start < text.len() && inside(start) {
            start += 1;
        }
        while end > start && inside(end) {
            end -= 1;
        }
        end = end.max(start);
    }
    Ok(owned(&text[start..end]))
}

fn cased(given: &Arguments<'_>, case: fn(&str) -> String) -> Result<Value<'static>, EvalError> {
    Ok(Value::text(case(&given.utf8(0)?)))
}

fn convert_case<'v>(given: &Arguments<'v>) -> Result<Value<'v>, EvalError> {
    let case = match given.utf8(1)?.as_str() {
        "lower" => case::lower,
        "upper" => case::upper,
        "snake" => case::snake,
        _ => case::camel,
    };
    cased(given, case)
}

fn trim<'v>(given: &Arguments<'v>) -> Result<Value<'v>, EvalError> {
    let cut = given.utf8_or(1, " ")?;
    let text = given.utf8(0)?;
    Ok(Value::text(text.trim_matches(|c| cut.contains(c)).to_owned()))
}

fn extract_patterns<'v>(given: &Arguments<'v>) -> Result<Value<'v>, EvalError> {
    let (text, pattern) = (given.text(0)?, given.pattern(1)?);
    if pattern.capture_names().flatten().next().is_none() {
        return Err("at least 1 named capture group must be supplied in the given regex".into());
    }
    Value::map(named_groups(&pattern, &text))
}

fn named_groups<'t>(pattern: &Regex, text: &'t [u8]) -> Vec<(String, Value<'t>)> {
    let read = Read::of(text);
    let Some(captures) = pattern.captures(read.bytes()) else { return Vec::new() };
    let names = pattern.capture_names().enumerate().filter_map(|(at, name)| Some((at, name?)));
    let group = |at| {
        let place = captures.get(at).and_then(|group| read.place(group.range()));
        &text[place.unwrap_or_default()]
    };
    names.map(|(at, name)| (name.to_owned(), Value::Text(Cow::Borrowed(group(at))))).collect()
}

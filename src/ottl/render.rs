//! Values as text, in both of the Collector's ways, and as JSON.

use std::borrow::Cow;

use super::error::EvalError;
use super::value::{self, DEPTH_MAX, Value};

/// How floats look, and which strings are escaped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Style {
    /// As functions have values where they take anything for a string.
    Loose,
    /// As the data model writes attributes.
    Plain,
}

/// The value as a string where a function takes anything for one; nil stays nil.
pub(super) fn text<'a>(value: &Value<'a>) -> Result<Option<Cow<'a, [u8]>>, EvalError> {
    Ok(Some(match value {
        Value::Nil => return Ok(None),
        Value::Text(text) => text.clone(),
        Value::Bytes(bytes) => Cow::Owned(hex(bytes).into_bytes()),
        value => Cow::Owned(json_text(value, Style::Loose)?),
    }))
}

/// The value of an attribute as a string; nothing is the empty string.
pub(super) fn plain<'a>(value: &Value<'a>) -> Result<Cow<'a, [u8]>, EvalError> {
    Ok(match value {
        Value::Nil => Cow::Borrowed(b""),
        Value::Text(text) => text.clone(),
        Value::Bytes(bytes) => Cow::Owned(super::functions::base64(bytes).into_bytes()),
        Value::Double(value) if !value.is_finite() => Cow::Owned(go_infinite(*value).into()),
        value => Cow::Owned(json_text(value, Style::Plain)?),
    })
}

fn json_text(value: &Value<'_>, style: Style) -> Result<Vec<u8>, EvalError> {
    let mut out = Vec::new();
    json(value, style, &mut out, DEPTH_MAX)?;
    Ok(out)
}

/// Lower-case hex digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|half| char::from(DIGITS[usize::from(half)]))
        .collect()
}

fn go_infinite(value: f64) -> &'static str {
    match value {
        _ if value.is_nan() => "NaN",
        _ if value < 0.0 => "-Inf",
        _ => "+Inf",
    }
}

/// A float as Go's encoders write it; the loose one keeps the zero of a short exponent.
fn double(value: f64, style: Style) -> String {
    let size = value.abs();
    if size == 0.0 || (1e-6..1e21).contains(&size) {
        return value.to_string();
    }
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    match exponent.strip_prefix('-') {
        Some(exponent) if style == Style::Loose => format!("{digits}e-{exponent:0>2}"),
        Some(exponent) => format!("{digits}e-{exponent}"),
        None => format!("{digits}e+{exponent}"),
    }
}

/// A value as JSON; the keys of maps in order.
pub(super) fn json(
    value: &Value<'_>,
    style: Style,
    out: &mut Vec<u8>,
    depth: usize,
) -> Result<(), EvalError> {
    let depth = depth.checked_sub(1).ok_or("a value is nested too deep for JSON")?;
    match value {
        Value::Nil => out.extend(b"null"),
        Value::Bool(value) => out.extend(value.to_string().bytes()),
        Value::Int(value) | Value::Duration(value) => out.extend(value.to_string().bytes()),
        Value::Double(value) if !value.is_finite() => return Err("JSON has no such number".into()),
        Value::Double(value) => out.extend(double(*value, style).bytes()),
        Value::Text(text) => quote(text, style, out),
        Value::Bytes(bytes) => quote(super::functions::base64(bytes).as_bytes(), style, out),
        Value::TraceId(id) => numbers(id, out),
        Value::SpanId(id) => numbers(id, out),
        Value::Time(moment) => quote(super::functions::rfc3339(moment).as_bytes(), style, out),
        Value::Opaque(..) => out.extend(b"{}"),
        Value::List(list) => {
            out.push(b'[');
            for (at, element) in value::elements(list).enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                json(&element?, style, out, depth)?;
            }
            out.push(b']');
        }
        Value::Map(map, field) => {
            let mut entries = Vec::new();
            for entry in value::payloads(map, *field) {
                entries.push(value::key_and_any(entry?)?);
            }
            entries.sort_by_key(|(key, _)| *key);
            out.push(b'{');
            for (at, (key, any)) in entries.into_iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                quote(key, style, out);
                out.push(b':');
                json(&value::read_any(any)?, style, out, depth)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

/// An id as Go's encoders have it.
fn numbers(id: &[u8], out: &mut Vec<u8>) {
    let numbers: Vec<_> = id.iter().map(u8::to_string).collect();
    out.extend(format!("[{}]", numbers.join(",")).bytes());
}

fn quote(text: &[u8], style: Style, out: &mut Vec<u8>) {
    out.push(b'"');
    for c in String::from_utf8_lossy(text).chars() {
        match c {
            '"' => out.extend(b"\\\""),
            '\\' => out.extend(b"\\\\"),
            '\n' => out.extend(b"\\n"),
            '\r' => out.extend(b"\\r"),
            '\t' => out.extend(b"\\t"),
            '\u{8}' if style == Style::Plain => out.extend(b"\\b"),
            '\u{c}' if style == Style::Plain => out.extend(b"\\f"),
            '<' | '>' | '&' if style == Style::Loose => {
                out.extend(format!("\\u{:04x}", u32::from(c)).bytes())
            }
            c if u32::from(c) < 0x20 || matches!(c, '\u{2028}' | '\u{2029}') => {
                out.extend(format!("\\u{:04x}", u32::from(c)).bytes())
            }
            c => out.extend(c.encode_utf8(&mut [0; 4]).bytes()),
        }
    }
    out.push(b'"');
}

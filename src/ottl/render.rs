//! Values as text: as the Collector's `StringLikeGetter` and JSON have them.

use std::borrow::Cow;

use super::error::EvalError;
use super::value::{self, DEPTH_MAX, Value};

/// The value as a string; nil stays nil.
pub(super) fn text<'a>(value: &Value<'a>) -> Result<Option<Cow<'a, [u8]>>, EvalError> {
    let owned = |text: String| Ok(Some(Cow::Owned(text.into_bytes())));
    match value {
        Value::Nil => Ok(None),
        Value::Text(text) => Ok(Some(text.clone())),
        Value::Bool(value) => owned(value.to_string()),
        Value::Int(value) => owned(value.to_string()),
        Value::Double(value) => owned(double(*value)),
        Value::Bytes(bytes) => owned(hex(bytes)),
        Value::TraceId(id) => owned(hex(id)),
        Value::SpanId(id) => owned(hex(id)),
        Value::List(_) | Value::Map(..) => {
            let mut out = Vec::new();
            json(value, &mut out, DEPTH_MAX)?;
            Ok(Some(Cow::Owned(out)))
        }
        Value::Duration(nanos) => owned(nanos.to_string()),
        Value::Time(nanos) => owned(super::functions::rfc3339(*nanos)),
        Value::Opaque(..) => Err(format!("unsupported type: {}", value.kind()).into()),
    }
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

/// A float as Go's JSON writes it.
pub(super) fn double(value: f64) -> String {
    let size = value.abs();
    if value.is_nan() || value.is_infinite() {
        let sign = if value < 0.0 { "-" } else { "+" };
        return if value.is_nan() { "NaN".into() } else { format!("{sign}Inf") };
    }
    if size == 0.0 || (1e-6..1e21).contains(&size) {
        return value.to_string();
    }
    let text = format!("{value:e}");
    if size < 1.0 { text } else { text.replace('e', "e+") }
}

/// A value as JSON; the keys of maps in order.
pub(super) fn json(value: &Value<'_>, out: &mut Vec<u8>, depth: usize) -> Result<(), EvalError> {
    let depth = depth.checked_sub(1).ok_or("a value is nested too deep for JSON")?;
    match value {
        Value::Nil => out.extend(b"null"),
        Value::Bool(value) => out.extend(value.to_string().bytes()),
        Value::Int(value) => out.extend(value.to_string().bytes()),
        Value::Double(value) if !value.is_finite() => return Err("JSON has no such number".into()),
        Value::Double(value) => out.extend(double(*value).bytes()),
        Value::Text(text) => quote(text, out),
        Value::Bytes(bytes) => quote(super::functions::base64(bytes).as_bytes(), out),
        Value::List(list) => {
            out.push(b'[');
            for (at, element) in value::elements(list).enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                json(&element?, out, depth)?;
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
                quote(key, out);
                out.push(b':');
                json(&value::read_any(any)?, out, depth)?;
            }
            out.push(b'}');
        }
        other => quote(&text(other)?.unwrap_or_default(), out),
    }
    Ok(())
}

fn quote(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for c in String::from_utf8_lossy(text).chars() {
        match c {
            '"' => out.extend(b"\\\""),
            '\\' => out.extend(b"\\\\"),
            '\n' => out.extend(b"\\n"),
            '\r' => out.extend(b"\\r"),
            '\t' => out.extend(b"\\t"),
            c if u32::from(c) < 0x20 => out.extend(format!("\\u{:04x}", u32::from(c)).bytes()),
            c => out.extend(c.encode_utf8(&mut [0; 4]).bytes()),
        }
    }
    out.push(b'"');
}

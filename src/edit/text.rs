//! A value as text, as the Collector's data model writes it: numbers plainly, lists and maps as JSON.

use std::borrow::Cow;

use super::value::Value;
use crate::wire::json::{DEPTH_MAX, base64};
use crate::wire::{Fields, Malformed, otlp};

/// The value as text; text stays as it is, valid UTF-8 or not.
pub fn as_text(value: Value<'_>) -> Result<Cow<'_, [u8]>, Malformed> {
    let mut out = String::new();
    match value {
        Value::Text(text) => return Ok(Cow::Borrowed(text)),
        Value::Empty => {}
        Value::Bytes(bytes) => base64::encode(bytes, true, &mut out),
        Value::Double(value) if value.is_nan() => out.push_str("NaN"),
        Value::Double(f64::INFINITY) => out.push_str("Infinity"),
        Value::Double(f64::NEG_INFINITY) => out.push_str("-Infinity"),
        other => {
            // JSON has no word for some numbers; the Collector then takes nothing.
            if !push_json(other, 0, &mut out)? {
                out.clear();
            }
        }
    }
    Ok(Cow::Owned(out.into_bytes()))
}

/// Appends JSON; false when a number in it has none.
fn push_json(value: Value<'_>, depth: usize, out: &mut String) -> Result<bool, Malformed> {
    let mut complete = true;
    if depth > DEPTH_MAX {
        return Err(Malformed { at: 0, what: "a value nests too deep" });
    }
    match value {
        Value::Empty | Value::Bytes([]) => out.push_str("null"), // so the Collector writes no bytes
        Value::Text(text) => push_quoted(text, out),
        Value::Bool(value) => out.push_str(if value { "true" } else { "false" }),
        Value::Int(value) => out.push_str(&value.to_string()),
        Value::Double(value) => {
            complete = value.is_finite();
            push_double(value, out);
        }
        Value::Bytes(bytes) => {
            out.push('"');
            base64::encode(bytes, true, out);
            out.push('"');
        }
        Value::List(list) => {
            out.push('[');
            for (index, element) in elements(list).enumerate() {
                if index > 0 {
                    out.push(',');
                }
                complete &= push_json(Value::read(element?)?, depth + 1, out)?;
            }
            out.push(']');
        }
        Value::Map(map) => {
            let mut pairs = elements(map).map(|pair| read_pair(pair?)).collect::<Result<Vec<_>, _>>()?;
            pairs.sort_by_key(|(key, _)| *key);
            pairs.dedup_by(|later, earlier| {
                later.0 == earlier.0 && {
                    *earlier = *later; // of equal keys the last counts
                    true
                }
            });
            out.push('{');
            for (index, (key, value)) in pairs.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                push_quoted(key, out);
                out.push(':');
                complete &= push_json(value, depth + 1, out)?;
            }
            out.push('}');
        }
    }
    Ok(complete)
}

/// The elements of an encoded list or map.
pub(super) fn elements(list: &[u8]) -> impl Iterator<Item = Result<&[u8], Malformed>> {
    Fields::new(list).filter_map(|field| match field {
        Ok(field) if field.number == otlp::VALUES => Some(field.bytes().map(|range| &list[range])),
        Ok(_) => None,
        Err(error) => Some(Err(error)),
    })
}

/// Key and value of an encoded pair.
pub(super) fn read_pair(pair: &[u8]) -> Result<(&[u8], Value<'_>), Malformed> {
    let (mut key, mut value) = (&b""[..], Value::Empty);
    for field in Fields::new(pair) {
        let field = field?;
        match field.number {
            otlp::ATTRIBUTE_KEY => key = &pair[field.bytes()?],
            otlp::ATTRIBUTE_VALUE => value = Value::read(&pair[field.bytes()?])?,
            _ => {}
        }
    }
    Ok((key, value))
}

/// Very large and very small numbers have an exponent, without leading zeros.
fn push_double(value: f64, out: &mut String) {
    let size = value.abs();
    if size >= 1e21 || (size != 0.0 && size < 1e-6) {
        let text = format!("{value:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let sign = if exponent.starts_with('-') { "" } else { "+" };
        out.push_str(&format!("{digits}e{sign}{exponent}"));
    } else {
        out.push_str(&value.to_string());
    }
}

/// As Go's encoder quotes; each byte that is no UTF-8 is written as such.
fn push_quoted(text: &[u8], out: &mut String) {
    out.push('"');
    for chunk in text.utf8_chunks() {
        push_escaped(chunk.valid(), out);
        chunk.invalid().iter().for_each(|_| out.push_str("\\ufffd"));
    }
    out.push('"');
}

fn push_escaped(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            _ => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edit::testing::{encoded, list, map};
    use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;

    fn text(value: Any) -> String {
        let bytes = encoded(value);
        String::from_utf8(as_text(Value::read(&bytes).unwrap()).unwrap().into_owned()).unwrap()
    }

    #[test]
    fn values_are_written_as_the_collector_writes_them() {
        let cases = [
            (Any::StringValue("a\"b".into()), "a\"b"),
            (Any::BoolValue(true), "true"),
            (Any::IntValue(-7), "-7"),
            (Any::DoubleValue(1.5), "1.5"),
            (Any::DoubleValue(3.0), "3"),
            (Any::DoubleValue(1e21), "1e+21"),
            (Any::DoubleValue(-2.5e-9), "-2.5e-9"),
            (Any::BytesValue(vec![1, 2, 3]), "AQID"),
            (Any::BytesValue(vec![]), ""),
            (list(vec![Any::BytesValue(vec![]), Any::BytesValue(vec![1, 2, 3])]), r#"[null,"AQID"]"#),
            (list(vec![Any::IntValue(1), Any::StringValue("<a>".into())]), r#"[1,"<a>"]"#),
            (map(vec![("b", Any::IntValue(1)), ("a", list(vec![]))]), r#"{"a":[],"b":1}"#),
            (map(vec![("b", Any::IntValue(1)), ("b", Any::BoolValue(true))]), r#"{"b":true}"#),
            (list(vec![Any::StringValue("\u{1}\u{2028}\u{7f}".into())]), "[\"\\u0001\\u2028\u{7f}\"]"),
            (Any::DoubleValue(f64::NAN), "NaN"),
            (Any::DoubleValue(f64::NEG_INFINITY), "-Infinity"),
            (list(vec![Any::IntValue(1), map(vec![("a", Any::DoubleValue(f64::NAN))])]), ""),
        ];
        for (value, expected) in cases {
            assert_eq!(text(value), expected);
        }
    }

    #[test]
    fn what_is_no_utf8_is_told_byte_by_byte() {
        let list = [&[0x0a, 6, 0x0a, 4][..], b"a\xe4\xb8c"].concat();
        assert_eq!(as_text(Value::List(&list)).unwrap(), &br#"["a\ufffd\ufffdc"]"#[..]);
        assert_eq!(as_text(Value::Text(b"\xff")).unwrap(), &b"\xff"[..]);
    }
}

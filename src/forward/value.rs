//! Attribute values of any type as the one text that the collectors hash: plain values written out, bytes in base64,
//! lists and maps as JSON with sorted keys.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::wire::json::base64;
use crate::wire::{Fields, Payload};

/// Deeper values are `null`.
const DEPTH_MAX: usize = 64;

/// An encoded `AnyValue` as text.
pub fn text(value: &[u8]) -> Vec<u8> {
    let mut out = String::new();
    match read(value) {
        Any::Empty => {}
        Any::Text(text) => return text.to_vec(),
        Any::Bytes(bytes) => base64::encode(bytes, true, &mut out),
        Any::Double(number) if number.is_nan() => out.push_str("NaN"),
        Any::Double(number) if number.is_infinite() => {
            out.push_str(if number > 0.0 { "Infinity" } else { "-Infinity" });
        }
        other => {
            if !push_json(&mut out, &other, 0) {
                out.clear(); // JSON has no word for it, and the collectors then take nothing
            }
        }
    }
    out.into_bytes()
}

enum Any<'a> {
    Empty,
    Text(&'a [u8]),
    Bool(bool),
    Int(i64),
    Double(f64),
    List(&'a [u8]),
    Map(&'a [u8]),
    Bytes(&'a [u8]),
}

/// Of several values the last counts, as for any field that excludes others.
fn read(value: &[u8]) -> Any<'_> {
    let mut any = Any::Empty;
    for field in Fields::new(value).map_while(Result::ok) {
        any = match (field.number, field.payload) {
            (1, Payload::Bytes(range)) => Any::Text(&value[range]),
            (2, Payload::Varint(flag)) => Any::Bool(flag != 0),
            (3, Payload::Varint(number)) => Any::Int(number as i64),
            (4, Payload::Fixed64(bits)) => Any::Double(f64::from_bits(bits)),
            (5, Payload::Bytes(range)) => Any::List(&value[range]),
            (6, Payload::Bytes(range)) => Any::Map(&value[range]),
            (7, Payload::Bytes(range)) => Any::Bytes(&value[range]),
            _ => continue,
        };
    }
    any
}

/// Appends JSON; false when a number in it has none.
fn push_json(out: &mut String, value: &Any<'_>, depth: usize) -> bool {
    match *value {
        _ if depth > DEPTH_MAX => out.push_str("null"),
        Any::Empty | Any::Bytes([]) => out.push_str("null"), // so the Collector writes no bytes in JSON
        Any::Bool(flag) => out.push_str(if flag { "true" } else { "false" }),
        Any::Int(number) => push(out, format_args!("{number}")),
        Any::Double(number) => return push_double(out, number),
        Any::Text(text) => push_quoted(out, text),
        Any::Bytes(bytes) => {
            out.push('"');
            base64::encode(bytes, true, out);
            out.push('"');
        }
        Any::List(list) => {
            out.push('[');
            for (index, element) in messages(list).enumerate() {
                if index > 0 {
                    out.push(',');
                }
                if !push_json(out, &read(element), depth + 1) {
                    return false;
                }
            }
            out.push(']');
        }
        Any::Map(map) => return push_map(out, map, depth),
    }
    true
}

fn push_map(out: &mut String, map: &[u8], depth: usize) -> bool {
    let sorted: BTreeMap<&[u8], &[u8]> = messages(map).map(pair).collect();
    out.push('{');
    for (index, (key, value)) in sorted.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        push_quoted(out, key);
        out.push(':');
        if !push_json(out, &read(value), depth + 1) {
            return false;
        }
    }
    out.push('}');
    true
}

/// Elements of a list and entries of a map are both field one.
fn messages(of: &[u8]) -> impl Iterator<Item = &[u8]> {
    Fields::new(of).map_while(Result::ok).filter_map(|field| match field.payload {
        Payload::Bytes(range) if field.number == 1 => Some(&of[range]),
        _ => None,
    })
}

fn pair(entry: &[u8]) -> (&[u8], &[u8]) {
    let (mut key, mut value) = (&[][..], &[][..]);
    for field in Fields::new(entry).map_while(Result::ok) {
        match (field.number, field.payload) {
            (1, Payload::Bytes(range)) => key = &entry[range],
            (2, Payload::Bytes(range)) => value = &entry[range],
            _ => {}
        }
    }
    (key, value)
}

/// Exponents only where many zeros would stand, with a sign and without leading zeros.
fn push_double(out: &mut String, number: f64) -> bool {
    let size = number.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{number:e}");
        out.push_str(&if size < 1.0 { text } else { text.replace('e', "e+") });
    } else {
        push(out, format_args!("{number}"));
    }
    number.is_finite()
}

fn push_quoted(out: &mut String, text: &[u8]) {
    out.push('"');
    for chunk in text.utf8_chunks() {
        for letter in chunk.valid().chars() {
            match letter {
                '"' | '\\' => out.extend(['\\', letter]),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\u{8}' => out.push_str("\\b"),
                '\u{c}' => out.push_str("\\f"),
                '\0'..='\u{1f}' | '\u{2028}' | '\u{2029}' => {
                    push(out, format_args!("\\u{:04x}", letter as u32));
                }
                _ => out.push(letter),
            }
        }
        chunk.invalid().iter().for_each(|_| out.push_str("\\ufffd"));
    }
    out.push('"');
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text); // a String takes everything
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::{
        AnyValue, ArrayValue, KeyValue, KeyValueList, any_value::Value,
    };
    use prost::Message;

    fn text(value: Value) -> String {
        let any = AnyValue { value: Some(value) };
        String::from_utf8(super::text(&any.encode_to_vec())).unwrap()
    }

    fn list(values: Vec<Value>) -> Value {
        let values = values.into_iter().map(|value| AnyValue { value: Some(value) }).collect();
        Value::ArrayValue(ArrayValue { values })
    }

    #[test]
    fn plain_values_are_written_out() {
        assert_eq!(text(Value::StringValue("a\"<".into())), "a\"<");
        assert_eq!(text(Value::BoolValue(true)), "true");
        assert_eq!(text(Value::IntValue(-7)), "-7");
        assert_eq!(text(Value::BytesValue(vec![0, 255, 7])), "AP8H");
        assert_eq!(text(list(vec![Value::BytesValue(vec![])])), "[null]");
        assert_eq!(super::text(&[]), b"");
        let doubles = [(0.1, "0.1"), (-0.0, "-0"), (1e20, "100000000000000000000"), (1e21, "1e+21")];
        for (number, expected) in doubles.into_iter().chain([(2.5e-9, "2.5e-9"), (1e-6, "0.000001")]) {
            assert_eq!(text(Value::DoubleValue(number)), expected);
        }
        assert_eq!(text(Value::DoubleValue(f64::NAN)), "NaN");
        assert_eq!(text(Value::DoubleValue(f64::INFINITY)), "Infinity");
    }

    #[test]
    fn compound_values_are_json_with_sorted_keys() {
        let entry = |key: &str, value: Option<Value>| KeyValue {
            key: key.into(),
            value: Some(AnyValue { value }),
            ..KeyValue::default()
        };
        let inner = list(vec![Value::StringValue("<\u{1}\n".into()), Value::BytesValue(vec![1])]);
        let values = vec![entry("z", Some(inner)), entry("a", None), entry("z", Some(Value::IntValue(1)))];
        let map = Value::KvlistValue(KeyValueList { values: values[..2].to_vec() });
        assert_eq!(text(map), r#"{"a":null,"z":["<\u0001\n","AQ=="]}"#);
        let again = Value::KvlistValue(KeyValueList { values });
        assert_eq!(text(again), r#"{"a":null,"z":1}"#);
        assert_eq!(text(list(vec![Value::DoubleValue(f64::NAN)])), "");
    }

    #[test]
    fn nesting_ends() {
        let nested = (0..1000).fold(Value::IntValue(1), |inner, _| list(vec![inner]));
        assert!(text(nested).contains("null"));
    }
}

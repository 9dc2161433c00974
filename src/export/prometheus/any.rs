//! Attribute values as the text of a label: scalars as they are, lists and maps as JSON, bytes as base64.

use serde_json::{Map, Value, json};

use super::read::each;
use crate::wire::json::proto::{Malformed, Raw};
use crate::wire::json::{DEPTH_MAX, base64, push_double};
use crate::wire::otlp::{
    ATTRIBUTE_KEY, ATTRIBUTE_VALUE, VALUE_BOOL, VALUE_DOUBLE, VALUE_INT, VALUE_OTHERS, VALUE_STRING,
};

/// `array_value`, `kvlist_value`, `bytes_value`.
const ARRAY: u32 = VALUE_OTHERS[0];
const MAP: u32 = VALUE_OTHERS[1];
const BYTES: u32 = VALUE_OTHERS[2];

/// The text of an encoded `AnyValue`.
pub(super) fn text(any: &[u8]) -> Result<String, Malformed> {
    Ok(match value(any, 0)? {
        Value::Null => String::new(),
        Value::String(text) => text,
        Value::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            Some(double) => double_text(double),
            None => number.to_string(),
        },
        other => other.to_string(),
    })
}

fn value(any: &[u8], depth: usize) -> Result<Value, Malformed> {
    if depth > DEPTH_MAX {
        return Err(Malformed);
    }
    let mut found = Value::Null;
    each(any, |number, raw| {
        found = match (number, raw) {
            (VALUE_STRING, Raw::Bytes(bytes)) => Value::String(String::from_utf8_lossy(bytes).into_owned()),
            (VALUE_BOOL, Raw::Varint(flag)) => Value::Bool(flag != 0),
            (VALUE_INT, Raw::Varint(number)) => json!(number as i64),
            (VALUE_DOUBLE, Raw::Fixed64(bits)) => double(f64::from_bits(bits)),
            (ARRAY, Raw::Bytes(list)) => Value::Array(elements(list, depth)?),
            (MAP, Raw::Bytes(map)) => Value::Object(entries(map, depth)?),
            (BYTES, Raw::Bytes(bytes)) => {
                let mut text = String::new();
                base64::encode(bytes, true, &mut text);
                Value::String(text)
            }
            _ => return Ok(()),
        };
        Ok(())
    })?;
    Ok(found)
}

/// JSON has no infinities: they are texts.
fn double(value: f64) -> Value {
    serde_json::Number::from_f64(value).map_or_else(|| Value::String(double_text(value)), Value::Number)
}

fn double_text(value: f64) -> String {
    let mut text = String::new();
    push_double(&mut text, value);
    text
}

fn elements(list: &[u8], depth: usize) -> Result<Vec<Value>, Malformed> {
    let mut found = Vec::new();
    each(list, |number, raw| {
        if let (1, Raw::Bytes(element)) = (number, raw) {
            found.push(value(element, depth + 1)?);
        }
        Ok(())
    })?;
    Ok(found)
}

fn entries(map: &[u8], depth: usize) -> Result<Map<String, Value>, Malformed> {
    let mut found = Map::new();
    each(map, |number, raw| {
        let (1, Raw::Bytes(pair)) = (number, raw) else { return Ok(()) };
        let (mut key, mut held) = (String::new(), Value::Null);
        each(pair, |number, raw| {
            match (number, raw) {
                (ATTRIBUTE_KEY, Raw::Bytes(bytes)) => key = String::from_utf8_lossy(bytes).into_owned(),
                (ATTRIBUTE_VALUE, Raw::Bytes(bytes)) => held = value(bytes, depth + 1)?,
                _ => {}
            }
            Ok(())
        })?;
        found.insert(key, held);
        Ok(())
    })?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
    use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};
    use prost::Message;

    fn of(value: Any) -> AnyValue {
        AnyValue { value: Some(value) }
    }

    #[test]
    fn values_of_every_type_are_text() {
        let list = Any::ArrayValue(ArrayValue {
            values: vec![of(Any::StringValue("a".into())), of(Any::IntValue(1))],
        });
        let pair = KeyValue { key: "k".into(), value: Some(of(Any::BoolValue(false))), ..Default::default() };
        for (value, expected) in [
            (Any::StringValue("a\"b".into()), "a\"b"),
            (Any::BoolValue(true), "true"),
            (Any::IntValue(-3), "-3"),
            (Any::DoubleValue(1.5), "1.5"),
            (Any::DoubleValue(2.0), "2"),
            (Any::DoubleValue(f64::INFINITY), "Infinity"),
            (Any::BytesValue(vec![1, 2, 3]), "AQID"),
            (list, "[\"a\",1]"),
            (Any::KvlistValue(KeyValueList { values: vec![pair] }), "{\"k\":false}"),
        ] {
            assert_eq!(text(&of(value).encode_to_vec()).unwrap(), expected);
        }
        assert_eq!(text(&[]).unwrap(), "");
    }
}

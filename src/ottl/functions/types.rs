//! Converters between types, questions about types, lists and maps.

use std::borrow::Cow;

use super::{Arguments, Converter, Kind, Param, converts, optional, value};
use crate::ottl::context::Context;
use crate::ottl::error::EvalError;
use crate::ottl::number::float;
use crate::ottl::syntax::Comparison;
use crate::ottl::value::{self as codec, Value};
use crate::ottl::{compare, lexer, render};
use crate::wire::otlp;

const TARGET: &[Param] = &[value("target")];

pub(super) const CONVERTERS: &[Converter] = &[
    converts("Int", TARGET, int),
    converts("Double", TARGET, double),
    converts("Bool", TARGET, boolean),
    converts("String", TARGET, |given| Ok(given.text_like(0)?.map_or(Value::Nil, Value::Text))),
    converts("IsString", TARGET, |given| is(given, |value| matches!(value, Value::Text(_)))),
    converts("IsInt", TARGET, |given| is(given, |value| matches!(value, Value::Int(_)))),
    converts("IsDouble", TARGET, |given| is(given, |value| matches!(value, Value::Double(_)))),
    converts("IsBool", TARGET, |given| is(given, |value| matches!(value, Value::Bool(_)))),
    converts("IsMap", TARGET, |given| is(given, |value| matches!(value, Value::Map(..)))),
    converts("IsList", TARGET, |given| {
        is(given, |value| match value {
            Value::Opaque(_, shape) => shape.is_list(),
            value => matches!(value, Value::List(_)),
        })
    }),
    converts("IsEmpty", TARGET, is_empty),
    converts("Len", TARGET, |given| {
        let value = given.value(0)?;
        let len = length(&value)?
            .ok_or_else(|| EvalError::from(format!("cannot take the length of {}", value.kind())))?;
        Ok(Value::Int(len as i64))
    }),
    converts("Coalesce", &[value("values")], |given| {
        let found = given.list(0)?.into_iter().find(|value| !matches!(value, Value::Nil));
        Ok(found.unwrap_or(Value::Nil))
    }),
    converts("ContainsValue", &[value("target"), value("item")], contains_value),
    converts("Keys", TARGET, |given| {
        Value::list(given.entries(0)?.into_iter().map(|(key, _)| Value::Text(Cow::Owned(key))))
    }),
    converts("Values", TARGET, |given| Value::list(given.entries(0)?.into_iter().map(|(_, value)| value))),
    converts("Index", &[value("target"), value("value")], index),
    converts("Sort", &[value("target"), optional("order", Kind::Choice(&["asc", "desc"]))], sort),
    converts(
        "SliceToMap",
        &[value("target"), optional("key_path", Kind::Value), optional("value_path", Kind::Value)],
        slice_to_map,
    ),
    converts("TraceID", TARGET, |given| Ok(Value::TraceId(id(given)?))),
    converts("SpanID", TARGET, |given| Ok(Value::SpanId(id(given)?))),
    converts("ProfileID", TARGET, |given| Ok(Value::TraceId(id(given)?))),
    converts("Log", TARGET, |given| {
        let number = number(&given.value(0)?)?.ok_or("invalid input: <nil>")?;
        if number <= 0.0 {
            let message = format!("invalid input: expected number greater than zero but got {number}");
            return Err(message.into());
        }
        Ok(Value::Double(number.ln()))
    }),
    Converter {
        looks_at: Some(Context::Span),
        ..converts("IsRootSpan", &[], |given| {
            let parent = given.view.target.message(Context::Span).field(otlp::SPAN_PARENT_SPAN_ID)?;
            Ok(Value::Bool(parent.unwrap_or_default().iter().all(|byte| *byte == 0)))
        })
    },
];

fn is<'v>(given: &Arguments<'v>, test: fn(&Value<'v>) -> bool) -> Result<Value<'v>, EvalError> {
    Ok(Value::Bool(test(&given.value(0)?)))
}

fn utf8(text: &[u8]) -> &str {
    std::str::from_utf8(text).unwrap_or_default()
}

fn int<'v>(given: &Arguments<'v>) -> Result<Value<'v>, EvalError> {
    Ok(match given.value(0)? {
        Value::Nil => Value::Nil,
        Value::Int(value) => Value::Int(value),
        Value::Double(value) => Value::Int(whole(value)),
        Value::Bool(value) => Value::Int(i64::from(value)),
        Value::Text(text) => Value::Int(utf8(&text).parse().map_err(|_| no_number(&text))?),
        other => return Err(format!("unsupported type: {}", other.kind()).into()),
    })
}

fn no_number(text: &[u8]) -> EvalError {
    format!("parsing {:?}: invalid syntax or out of range", utf8(text)).into()
}

/// Without the fraction; what does not fit is the least number, as on the processors that the Collector mostly runs on.
fn whole(value: f64) -> i64 {
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    if (-BEYOND..BEYOND).contains(&value) { value as i64 } else { i64::MIN }
}

fn double<'v>(given: &Arguments<'v>) -> Result<Value<'v>, EvalError> {
    let value = given.value(0)?;
    Ok(number(&value)?.map_or(Value::Nil, Value::Double))
}

/// Anything as a float; nil and what is none is none.
fn number(value: &Value<'_>) -> Result<Option<f64>, EvalError> {
    Ok(match value {
        Value::Nil => None,
        Value::Int(value) => Some(*value as f64),
        Value::Double(value) => Some(*value),
        Value::Bool(value) => Some(f64::from(u8::from(*value))),
        Value::Text(text) => Some(float(text).ok_or_else(|| no_number(text))?),
        other => return Err(format!("unsupported type: {}", other.kind()).into()),
    })
}

fn boolean<'v>(given: &Arguments<'v>) -> Result<Value<'v>, EvalError> {
    Ok(match given.value(0)? {
        Value::Nil => Value::Nil,
        Value::Bool(value) => Value::Bool(value),
        Value::Int(value) => Value::Bool(value != 0),
        Value::Double(value) => Value::Bool(value != 0.0),
        Value::Text(text) => match utf8(&text) {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Value::Bool(true),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Value::Bool(false),
            _ => return Err(format!("parsing {:?}: invalid syntax", utf8(&text)).into()),
        },
        other => return Err(format!("unsupported type: {}", other.kind()).into()),
    })
}

/// Bytes of a string, elements of a list, entries of a map.
fn length(value: &Value<'_>) -> Result<Option<usize>, EvalError> {
    let count =
        |bytes: &[u8], field| codec::payloads(bytes, field).try_fold(0, |n, item| item.map(|_| n + 1));
    Ok(match value {
        Value::Text(text) => Some(text.len()),
        Value::Bytes(bytes) => Some(bytes.len()),
        Value::List(list) => Some(count(list, codec::LIST_VALUES)?),
        Value::Map(map, field) => Some(count(map, *field)?),
        Value::Opaque(items, shape) if shape.is_list() => Some(count(items, codec::LIST_VALUES)?),
        _ => None,
    })
}

fn is_empty<'v>(given: &Arguments<'v>) -> Result<Value<'v>, EvalError> {
    let value = given.value(0)?;
    Ok(Value::Bool(match &value {
        Value::Nil | Value::Bool(false) | Value::Int(0) | Value::Duration(0) => true,
        Value::Double(value) => *value == 0.0,
        Value::Opaque(..) => false, // as in the Collector, however many there are
        Value::TraceId(id) => *id == [0; 16],
        Value::SpanId(id) => *id == [0; 8],
        value => length(value)? == Some(0),
    }))
}

fn contains_value<'v>(given: &Arguments<'v>) -> Result<Value<'v>, EvalError> {
    let item = given.value(1)?;
    for value in given.list(0)? {
        if compare::holds(&value, Comparison::Equal, &item)? {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

fn index<'v>(given: &Arguments<'v>) -> Result<Value<'v>, EvalError> {
    let place = match given.value(0)? {
        Value::Text(text) => {
            let wanted = given.text(1)?;
            match wanted.is_empty() {
                true => Some(0),
                false => text.windows(wanted.len()).position(|window| *window == *wanted),
            }
        }
        Value::List(_) => {
            let wanted = given.value(1)?;
            let mut place = None;
            for (at, value) in given.list(0)?.iter().enumerate() {
                if place.is_none() && compare::holds(value, Comparison::Equal, &wanted)? {
                    place = Some(at);
                }
            }
            place
        }
        other => return Err(format!("unsupported type: {}", other.kind()).into()),
    };
    Ok(Value::Int(place.map_or(-1, |place| place as i64)))
}

/// Numbers by size, others as strings; lists with maps, lists or bytes in them stay as they are.
fn sort<'v>(given: &Arguments<'v>) -> Result<Value<'v>, EvalError> {
    let mut values = given.list(0)?;
    if values.iter().any(|value| matches!(value, Value::Map(..) | Value::List(_) | Value::Bytes(_))) {
        return Value::list(values);
    }
    let descending = given.utf8_or(1, "asc")? == "desc";
    let numeric = values.iter().all(|value| matches!(value, Value::Int(_) | Value::Double(_)));
    if numeric {
        let size = |value: &Value<'_>| match value {
            Value::Int(value) => *value as f64,
            Value::Double(value) => *value,
            _ => 0.0,
        };
        values.sort_by(|a, b| match (a, b) {
            (Value::Int(a), Value::Int(b)) => a.cmp(b),
            (a, b) => size(a).total_cmp(&size(b)),
        });
    } else {
        let mut texts = Vec::with_capacity(values.len());
        for value in values {
            texts.push((render::plain(&value)?.into_owned(), value));
        }
        texts.sort_by(|a, b| a.0.cmp(&b.0));
        values = texts.into_iter().map(|(_, value)| value).collect();
    }
    if descending {
        values.reverse();
    }
    Value::list(values)
}

fn slice_to_map<'v>(given: &Arguments<'v>) -> Result<Value<'v>, EvalError> {
    let follow = |value: &Value<'static>, path: &[Vec<u8>]| {
        let mut value = value.clone();
        for key in path {
            let Value::Map(map, field) = value else {
                return Err(EvalError::from("an element of the slice has not the path"));
            };
            let found = codec::find(&map, field, key)?;
            let found = found.ok_or("an element of the slice has not the path")?;
            value = codec::read_any(found)?.into_owned();
        }
        Ok(value)
    };
    let (key_path, value_path) = (given.texts(1)?, given.texts(2)?);
    let mut entries = Vec::new();
    for (at, element) in given.list(0)?.iter().enumerate() {
        let key = match given.is_given(1) {
            false => at.to_string().into_bytes(),
            true => match follow(element, &key_path)? {
                Value::Text(key) => key.into_owned(),
                other => return Err(format!("a key must be a string, not {}", other.kind()).into()),
            },
        };
        entries.push((key, follow(element, &value_path)?));
    }
    Value::map(entries)
}

/// An id of its bytes or its hex digits.
fn id<const N: usize>(given: &Arguments<'_>) -> Result<[u8; N], EvalError> {
    let bytes = match given.value(0)? {
        Value::Bytes(bytes) => bytes.into_owned(),
        Value::Text(text) if text.len() == 2 * N => lexer::unhex(utf8(&text)).unwrap_or_default(),
        Value::Text(text) => text.into_owned(),
        other => return Err(format!("expected []uint8 or string but got {}", other.kind()).into()),
    };
    bytes.try_into().map_err(|_| format!("an id needs {N} bytes or {} hex digits", 2 * N).into())
}

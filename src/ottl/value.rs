//! Values: what a path reads, a function gives and an editor writes. Maps and lists stay encoded.

use std::borrow::Cow;

use super::error::EvalError;
use super::zone::Moment;
use crate::wire::{Fields, Malformed, Payload, otlp, write_varint};

/// The tag of a string in an attribute's value.
const STRING_TAG: u8 = (otlp::VALUE_STRING << 3 | 2) as u8;

/// Values nest this deep at most where they are walked.
pub(super) const DEPTH_MAX: usize = 100;

/// `array_value` of an attribute's value.
const VALUE_ARRAY: u32 = otlp::VALUE_OTHERS[0];
/// `kvlist_value` of an attribute's value.
const VALUE_KVLIST: u32 = otlp::VALUE_OTHERS[1];
/// `bytes_value` of an attribute's value.
const VALUE_BYTES: u32 = otlp::VALUE_OTHERS[2];
/// `values` of lists of both kinds.
pub(super) const LIST_VALUES: u32 = 1;

/// A value, borrowed from the message where it can be.
#[derive(Clone, Debug)]
pub enum Value<'a> {
    /// Nothing: a key that is missing, a field of no value.
    Nil,
    /// `bool`
    Bool(bool),
    /// `int64`
    Int(i64),
    /// `float64`
    Double(f64),
    /// A string; perhaps not UTF-8.
    Text(Cow<'a, [u8]>),
    /// Bytes.
    Bytes(Cow<'a, [u8]>),
    /// An encoded `ArrayValue`.
    List(Cow<'a, [u8]>),
    /// A message and the number of its field that repeats key and value.
    Map(Cow<'a, [u8]>, u32),
    /// A time.
    Time(Moment),
    /// Nanoseconds.
    Duration(i64),
    /// A trace id.
    TraceId([u8; 16]),
    /// A span id.
    SpanId([u8; 8]),
    /// A message without a form of its own here, or those of a list as [`LIST_VALUES`].
    Opaque(Cow<'a, [u8]>, Shape),
}

/// What the messages of [`Value::Opaque`] are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Events of a span.
    Events,
    /// Links of a span.
    Links,
    /// The status of a span.
    Status,
    /// Data points of the data in this field of a metric; those of gauges and sums are the same.
    Points(u32),
    /// Exemplars of a data point.
    Exemplars,
    /// Quantiles of a summary.
    Quantiles,
    /// Buckets of an exponential histogram.
    Buckets,
}

impl Shape {
    /// Whether there are any number of them.
    pub(super) fn is_list(self) -> bool {
        !matches!(self, Self::Status | Self::Buckets)
    }
}

impl<'a> Value<'a> {
    /// A string.
    pub(super) fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Self::Text(match text.into() {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        })
    }

    /// A list of these.
    pub(super) fn list<'v>(values: impl IntoIterator<Item = Value<'v>>) -> Result<Self, EvalError> {
        let mut out = Vec::new();
        for value in values {
            push_message(LIST_VALUES, &value.any()?, &mut out);
        }
        Ok(Self::List(out.into()))
    }

    /// A map of these, in this order.
    pub(super) fn map<'v, K: AsRef<[u8]>>(
        entries: impl IntoIterator<Item = (K, Value<'v>)>,
    ) -> Result<Self, EvalError> {
        let mut out = Vec::new();
        for (key, value) in entries {
            push_entry(LIST_VALUES, key.as_ref(), &value.any()?, &mut out);
        }
        Ok(Self::Map(out.into(), LIST_VALUES))
    }

    /// The same, borrowed.
    #[inline]
    pub(super) fn borrowed(&self) -> Value<'_> {
        fn lend(bytes: &[u8]) -> Cow<'_, [u8]> {
            Cow::Borrowed(bytes)
        }
        match self {
            Self::Nil => Value::Nil,
            Self::Bool(value) => Value::Bool(*value),
            Self::Int(value) => Value::Int(*value),
            Self::Double(value) => Value::Double(*value),
            Self::Text(text) => Value::Text(lend(text)),
            Self::Bytes(bytes) => Value::Bytes(lend(bytes)),
            Self::List(bytes) => Value::List(lend(bytes)),
            Self::Map(bytes, field) => Value::Map(lend(bytes), *field),
            Self::Time(moment) => Value::Time(moment.clone()),
            Self::Duration(nanos) => Value::Duration(*nanos),
            Self::TraceId(id) => Value::TraceId(*id),
            Self::SpanId(id) => Value::SpanId(*id),
            Self::Opaque(bytes, shape) => Value::Opaque(lend(bytes), *shape),
        }
    }

    /// The same, with its own memory.
    pub(super) fn into_owned(self) -> Value<'static> {
        let own = |bytes: Cow<'_, [u8]>| Cow::Owned(bytes.into_owned());
        match self {
            Self::Nil => Value::Nil,
            Self::Bool(value) => Value::Bool(value),
            Self::Int(value) => Value::Int(value),
            Self::Double(value) => Value::Double(value),
            Self::Text(text) => Value::Text(own(text)),
            Self::Bytes(bytes) => Value::Bytes(own(bytes)),
            Self::List(bytes) => Value::List(own(bytes)),
            Self::Map(bytes, field) => Value::Map(own(bytes), field),
            Self::Time(moment) => Value::Time(moment),
            Self::Duration(nanos) => Value::Duration(nanos),
            Self::TraceId(id) => Value::TraceId(id),
            Self::SpanId(id) => Value::SpanId(id),
            Self::Opaque(bytes, shape) => Value::Opaque(own(bytes), shape),
        }
    }

    /// What the value is, as errors name it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int64",
            Self::Double(_) => "float64",
            Self::Text(_) => "string",
            Self::Bytes(_) => "[]uint8",
            Self::List(_) => "pcommon.Slice",
            Self::Map(..) => "pcommon.Map",
            Self::Time(_) => "time.Time",
            Self::Duration(_) => "time.Duration",
            Self::TraceId(_) => "pcommon.TraceID",
            Self::SpanId(_) => "pcommon.SpanID",
            Self::Opaque(_, Shape::Status) => "ptrace.Status",
            Self::Opaque(_, Shape::Buckets) => "buckets",
            Self::Opaque(..) => "a list of messages",
        }
    }

    /// The bytes that the value takes once encoded, about; never much less.
    fn room(&self) -> usize {
        const HEAD: usize = 12;
        HEAD + match self {
            Self::Text(bytes) | Self::Bytes(bytes) | Self::List(bytes) | Self::Map(bytes, _) => bytes.len(),
            _ => 0,
        }
    }

    /// The value as an encoded `AnyValue`; an error for what an attribute cannot hold.
    pub(super) fn any(&self) -> Result<Vec<u8>, EvalError> {
        let mut out = Vec::with_capacity(self.room());
        match self {
            Self::Nil => {}
            Self::Bool(value) => push_varint(otlp::VALUE_BOOL, u64::from(*value), &mut out),
            Self::Int(value) => push_varint(otlp::VALUE_INT, *value as u64, &mut out),
            Self::Double(value) => push_fixed64(otlp::VALUE_DOUBLE, value.to_bits(), &mut out),
            Self::Text(text) => push_message(otlp::VALUE_STRING, text, &mut out),
            Self::Bytes(bytes) => push_message(VALUE_BYTES, bytes, &mut out),
            Self::List(bytes) => push_message(VALUE_ARRAY, bytes, &mut out),
            Self::Map(bytes, field) => {
                push_message(VALUE_KVLIST, &entries(bytes, *field, LIST_VALUES)?, &mut out)
            }
            Self::Time(_) | Self::Duration(_) | Self::TraceId(_) | Self::SpanId(_) | Self::Opaque(..) => {
                return Err(format!("an attribute cannot hold a {}", self.kind()).into());
            }
        }
        Ok(out)
    }
}

/// Reads an encoded `AnyValue`.
#[inline]
pub(super) fn read_any(any: &[u8]) -> Result<Value<'_>, Malformed> {
    // A short string in the common layout is most of what there is.
    if let [STRING_TAG, len @ 0..0x80, text @ ..] = any
        && text.len() == usize::from(*len)
    {
        return Ok(Value::Text(Cow::Borrowed(text)));
    }
    let mut value = Value::Nil;
    for field in Fields::new(any) {
        let field = field?;
        value = match (field.number, field.payload) {
            (otlp::VALUE_STRING, Payload::Bytes(range)) => Value::Text(Cow::Borrowed(&any[range])),
            (otlp::VALUE_BOOL, Payload::Varint(raw)) => Value::Bool(raw != 0),
            (otlp::VALUE_INT, Payload::Varint(raw)) => Value::Int(raw as i64),
            (otlp::VALUE_DOUBLE, Payload::Fixed64(bits)) => Value::Double(f64::from_bits(bits)),
            (VALUE_ARRAY, Payload::Bytes(range)) => Value::List(Cow::Borrowed(&any[range])),
            (VALUE_KVLIST, Payload::Bytes(range)) => Value::Map(Cow::Borrowed(&any[range]), LIST_VALUES),
            (VALUE_BYTES, Payload::Bytes(range)) => Value::Bytes(Cow::Borrowed(&any[range])),
            _ => continue,
        };
    }
    Ok(value)
}

/// The elements of an encoded list.
pub(super) fn elements(list: &[u8]) -> impl Iterator<Item = Result<Value<'_>, Malformed>> {
    payloads(list, LIST_VALUES).map(|any| any.and_then(read_any))
}

/// The payloads of a repeated field of messages.
pub(super) fn payloads(message: &[u8], number: u32) -> impl Iterator<Item = Result<&[u8], Malformed>> {
    Fields::new(message).filter_map(move |field| match field {
        Ok(field) if field.number == number => Some(field.bytes().map(|range| &message[range])),
        Ok(_) => None,
        Err(error) => Some(Err(error)),
    })
}

/// Key and encoded value of a `KeyValue`.
#[inline]
pub(super) fn key_and_any(entry: &[u8]) -> Result<(&[u8], &[u8]), Malformed> {
    let (mut key, mut any) = (&b""[..], &b""[..]);
    for field in Fields::new(entry) {
        let field = field?;
        match field.number {
            otlp::ATTRIBUTE_KEY => key = &entry[field.bytes()?],
            otlp::ATTRIBUTE_VALUE => any = &entry[field.bytes()?],
            _ => {}
        }
    }
    Ok((key, any))
}

/// The encoded value of the first entry of this key.
pub(super) fn find<'a>(map: &'a [u8], field: u32, wanted: &[u8]) -> Result<Option<&'a [u8]>, Malformed> {
    for entry in payloads(map, field) {
        let (key, any) = key_and_any(entry?)?;
        if key == wanted {
            return Ok(Some(any));
        }
    }
    Ok(None)
}

/// The entries of a map, as those of another field number.
pub(super) fn entries(map: &[u8], from: u32, to: u32) -> Result<Vec<u8>, Malformed> {
    let mut out = Vec::with_capacity(map.len());
    for entry in payloads(map, from) {
        push_message(to, entry?, &mut out);
    }
    Ok(out)
}

/// Appends an entry of a map.
pub(super) fn push_entry(field: u32, key: &[u8], any: &[u8], out: &mut Vec<u8>) {
    let mut entry = Vec::with_capacity(key.len() + any.len() + 8);
    push_message(otlp::ATTRIBUTE_KEY, key, &mut entry);
    push_message(otlp::ATTRIBUTE_VALUE, any, &mut entry);
    push_message(field, &entry, out);
}

/// Appends a field of wire type 2.
pub(super) fn push_message(number: u32, payload: &[u8], out: &mut Vec<u8>) {
    write_varint(out, u64::from(number) << 3 | 2);
    write_varint(out, payload.len() as u64);
    out.extend_from_slice(payload);
}

/// Appends a field of wire type 0.
pub(super) fn push_varint(number: u32, value: u64, out: &mut Vec<u8>) {
    write_varint(out, u64::from(number) << 3);
    write_varint(out, value);
}

/// Appends a field of wire type 1.
pub(super) fn push_fixed64(number: u32, value: u64, out: &mut Vec<u8>) {
    write_varint(out, u64::from(number) << 3 | 1);
    out.extend_from_slice(&value.to_le_bytes());
}

/// Appends a field of wire type 5.
pub(super) fn push_fixed32(number: u32, value: u32, out: &mut Vec<u8>) {
    write_varint(out, u64::from(number) << 3 | 5);
    out.extend_from_slice(&value.to_le_bytes());
}

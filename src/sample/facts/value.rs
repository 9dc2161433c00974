//! Attributes as they are encoded: a key and a value of some type.

use std::cmp::Ordering;
use std::ops::Range;

use smallvec::SmallVec;

use crate::sample::Number;
use crate::wire::{Fields, Malformed, Payload, otlp, read_varint};

/// Where the parts of a message lie: one range but for odd senders, whose later parts are merged into the earlier.
pub(super) type Parts = SmallVec<[Range<usize>; 1]>;

/// An attribute's value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value<'a> {
    None,
    Text(&'a [u8]),
    Bool(bool),
    Int(i64),
    Double(f64),
    Other(&'a [u8]),
}

/// Splits an encoded `KeyValue`.
#[inline]
pub(super) fn key_and_value(body: &[u8], range: Range<usize>) -> Result<(&[u8], Parts), Malformed> {
    if let Some((key, value)) = plain(&body[range.clone()]) {
        let value = range.start + value.start..range.end;
        return Ok((&body[range.start + key.start..range.start + key.end], Parts::from_buf([value])));
    }
    let mut key = 0..0;
    let mut value = Parts::new();
    for field in Fields::within(body, range) {
        let field = field?;
        match field.number {
            otlp::ATTRIBUTE_KEY => key = field.bytes()?,
            otlp::ATTRIBUTE_VALUE => value.push(field.bytes()?),
            _ => {}
        }
    }
    Ok((&body[key], value))
}

/// The layout of every sender met: a short key, then the value, nothing else. Key and value, if it is that.
#[inline]
fn plain(pair: &[u8]) -> Option<(Range<usize>, Range<usize>)> {
    const KEY: u8 = (otlp::ATTRIBUTE_KEY << 3 | 2) as u8;
    const VALUE: u8 = (otlp::ATTRIBUTE_VALUE << 3 | 2) as u8;
    let [KEY, len @ ..0x80, ..] = *pair else {
        return None;
    };
    let end = 2 + usize::from(len);
    if *pair.get(end)? != VALUE {
        return None;
    }
    let (len, start) = read_varint(pair, end + 1)?;
    (len == (pair.len() - start) as u64).then_some((2..end, start..pair.len()))
}

/// Reads an encoded `AnyValue`; of several values the last counts, as for any `oneof`.
pub(super) fn read_value(body: &[u8], parts: Parts) -> Result<Value<'_>, Malformed> {
    let mut value = Value::None;
    for field in parts.into_iter().flat_map(|part| Fields::within(body, part)) {
        let field = field?;
        value = match (field.number, &field.payload) {
            (otlp::VALUE_STRING, _) => Value::Text(&body[field.bytes()?]),
            (otlp::VALUE_BOOL, Payload::Varint(value)) => Value::Bool(*value != 0),
            (otlp::VALUE_INT, Payload::Varint(value)) => Value::Int(*value as i64),
            (otlp::VALUE_DOUBLE, Payload::Fixed64(value)) => Value::Double(f64::from_bits(*value)),
            (otlp::VALUE_BOOL | otlp::VALUE_INT | otlp::VALUE_DOUBLE, _) => {
                return Err(Malformed { at: field.whole.start, what: "a value has the wrong wire type" });
            }
            (number, _) if otlp::VALUE_OTHERS.contains(&number) => Value::Other(&body[field.bytes()?]),
            _ => value,
        };
    }
    Ok(value)
}

/// Compares numbers by what they mean, exactly: no whole number is rounded to a double.
pub(super) fn compare(a: Number, b: Number) -> Option<Ordering> {
    match (a, b) {
        (Number::Int(a), Number::Int(b)) => Some(a.cmp(&b)),
        (Number::Double(a), Number::Double(b)) => a.partial_cmp(&b),
        (Number::Int(a), Number::Double(b)) => compare_mixed(a, b),
        (Number::Double(a), Number::Int(b)) => compare_mixed(b, a).map(Ordering::reverse),
    }
}

fn compare_mixed(a: i64, b: f64) -> Option<Ordering> {
    const BEYOND: f64 = 9_223_372_036_854_775_808.0; // 2^63, the first double above every i64
    if b.is_nan() {
        return None;
    }
    if b >= BEYOND {
        return Some(Ordering::Less);
    }
    if b < -BEYOND {
        return Some(Ordering::Greater);
    }
    let whole = b.trunc();
    Some(a.cmp(&(whole as i64)).then_with(|| 0.0.partial_cmp(&(b - whole)).unwrap_or(Ordering::Equal)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_and_doubles_compare_exactly() {
        use Number::{Double, Int};
        let less = [
            (Int(1), Double(1.5)),
            (Double(-1.5), Int(-1)),
            (Double(0.5), Int(1)),
            (Int(i64::MAX), Double(9_223_372_036_854_775_808.0)),
            (Double(f64::NEG_INFINITY), Int(i64::MIN)),
            (Int((1 << 53) + 1), Double((1u64 << 53) as f64 + 2.0)),
        ];
        for (a, b) in less {
            assert_eq!(compare(a, b), Some(Ordering::Less), "{a:?} {b:?}");
            assert_eq!(compare(b, a), Some(Ordering::Greater), "{b:?} {a:?}");
        }
        assert_eq!(compare(Int(-3), Double(-3.0)), Some(Ordering::Equal));
        assert_eq!(compare(Int(0), Double(f64::NAN)), None);
    }
}

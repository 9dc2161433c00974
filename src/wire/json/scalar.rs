//! One value of a JSON document as the protobuf field it stands for, with the leniencies of OTLP/JSON.

use super::base64;
use super::proto::{
    put_bytes_field, put_fixed32_field, put_fixed64_field, put_varint, put_varint_field, zigzag,
};
use super::schema::{Field, Int, Kind, Rule};

/// A JSON value that is neither null, object nor array.
#[derive(Clone, Copy, Debug)]
pub enum Scalar<'a> {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number that fits 64 bits.
    Integer(i128),
    /// Any other number.
    Float(f64),
    /// A string.
    Text(&'a str),
}

/// What a field takes, for the message of an error.
pub fn expected(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "a string",
        Kind::Bytes => "base64 text",
        Kind::Id(16) => "an id of 32 hex digits",
        Kind::Id(_) => "an id of 16 hex digits",
        Kind::Bool => "true or false",
        Kind::Int(Int::Uint32 | Int::Fixed32) => "a whole number from 0 to 4294967295",
        Kind::Int(Int::Sint32) => "a whole number of 32 bits",
        Kind::Int(Int::Uint64 | Int::Fixed64) => "a whole number from 0 to 18446744073709551615",
        Kind::Int(_) => "a whole number of 64 bits",
        Kind::Double => "a number, \"NaN\", \"Infinity\" or \"-Infinity\"",
        Kind::Enum(_) => "the number or the name of an enum value",
        Kind::Message(_) => "an object",
    }
}

/// Appends `value` as `field`, leaving out defaults where they are the same as none and
/// nothing came before (`again`). None where the field does not take such a value.
pub fn put(out: &mut Vec<u8>, field: &Field, value: Scalar<'_>, again: bool) -> Option<()> {
    let number = field.number;
    let shown = again || field.rule != Rule::Plain;
    match field.kind {
        Kind::Text => {
            let Scalar::Text(text) = value else { return None };
            if shown || !text.is_empty() {
                put_bytes_field(out, number, text.as_bytes());
            }
        }
        Kind::Bytes => {
            let Scalar::Text(text) = value else { return None };
            let bytes = base64::decode(text.as_bytes())?;
            if shown || !bytes.is_empty() {
                put_bytes_field(out, number, &bytes);
            }
        }
        Kind::Id(size) => {
            let Scalar::Text(text) = value else { return None };
            if text.is_empty() && again {
                put_bytes_field(out, number, b"");
            } else if !text.is_empty() {
                let mut id = [0; 16];
                put_bytes_field(out, number, unhex(text.as_bytes(), &mut id[..size])?);
            }
        }
        Kind::Bool => {
            let Scalar::Bool(flag) = value else { return None };
            if shown || flag {
                put_varint_field(out, number, u64::from(flag));
            }
        }
        Kind::Enum(names) => {
            let value = enum_value(names, value)?;
            if shown || value != 0 {
                put_varint_field(out, number, i64::from(value) as u64);
            }
        }
        Kind::Double => {
            let value = double(value)?;
            if shown || value.to_bits() != 0 {
                put_fixed64_field(out, number, value.to_bits());
            }
        }
        Kind::Int(int) => {
            let value = integer(int, value)?;
            if shown || value != 0 {
                put_integer(out, number, int, value);
            }
        }
        Kind::Message(_) => return None,
    }
    Some(())
}

fn put_integer(out: &mut Vec<u8>, number: u32, int: Int, value: i128) {
    match int {
        Int::Uint32 | Int::Uint64 | Int::Int64 => put_varint_field(out, number, value as u64),
        Int::Sint32 => put_varint_field(out, number, zigzag(value as i64)),
        Int::Fixed32 => put_fixed32_field(out, number, value as u32),
        Int::Fixed64 | Int::Sfixed64 => put_fixed64_field(out, number, value as u64),
    }
}

/// Appends `value` as one element of a packed field. None where the field does not take such a value.
pub fn put_packed(out: &mut Vec<u8>, kind: Kind, value: Scalar<'_>) -> Option<()> {
    match (kind, value) {
        (Kind::Bool, Scalar::Bool(flag)) => out.push(u8::from(flag)),
        (Kind::Enum(names), value) => put_varint(out, i64::from(enum_value(names, value)?) as u64),
        (Kind::Double, value) => out.extend_from_slice(&double(value)?.to_le_bytes()),
        (Kind::Int(int), value) => {
            let value = integer(int, value)?;
            match int {
                Int::Uint32 | Int::Uint64 | Int::Int64 => put_varint(out, value as u64),
                Int::Sint32 => put_varint(out, zigzag(value as i64)),
                Int::Fixed32 => out.extend_from_slice(&(value as u32).to_le_bytes()),
                Int::Fixed64 | Int::Sfixed64 => out.extend_from_slice(&(value as u64).to_le_bytes()),
            }
        }
        _ => return None,
    }
    Some(())
}

/// A number or a numeric string, whole and in range.
fn integer(int: Int, value: Scalar<'_>) -> Option<i128> {
    let value = match value {
        Scalar::Integer(value) => value,
        Scalar::Float(value) => whole(value)?,
        Scalar::Text(text) => text.parse().ok().or_else(|| whole(number(text)?))?,
        Scalar::Bool(_) => return None,
    };
    let (least, most) = int.range();
    (least..=most).contains(&value).then_some(value)
}

/// `1e3` and `2.0` are whole numbers too.
fn whole(value: f64) -> Option<i128> {
    (value.fract() == 0.0 && value.abs() < 1e20).then_some(value as i128)
}

/// A number, a numeric string, or a name of what JSON has no number for.
fn double(value: Scalar<'_>) -> Option<f64> {
    match value {
        Scalar::Integer(value) => Some(value as f64),
        Scalar::Float(value) => Some(value),
        Scalar::Text(text) => number(text),
        Scalar::Bool(_) => None,
    }
}

/// Besides `NaN`, `Infinity` and `-Infinity`, collectors read their short forms, in any case, but no `NaN` with a sign. A
/// number too large to be finite is none.
fn number(text: &str) -> Option<f64> {
    let (named, signed) = (text.contains(['n', 'N']), text.starts_with(['+', '-']));
    text.parse().ok().filter(|value: &f64| if value.is_nan() { !signed } else { named || value.is_finite() })
}

/// A number of 32 bits, or a name.
fn enum_value(names: &[&str], value: Scalar<'_>) -> Option<i32> {
    if let Scalar::Text(text) = value
        && let Some(index) = names.iter().position(|name| *name == text)
    {
        return i32::try_from(index).ok();
    }
    integer(Int::Sint32, value).map(|value| value as i32)
}

/// Reads hex of either case into all of `id`.
fn unhex<'a>(text: &[u8], id: &'a mut [u8]) -> Option<&'a [u8]> {
    if text.len() != id.len() * 2 {
        return None;
    }
    for (byte, pair) in id.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(id)
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

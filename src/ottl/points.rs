//! Fields of data points: numbers, and lists of numbers in their packed and their older form.

use super::error::EvalError;
use super::value::{self, Value};
use crate::wire::{Fields, Malformed, Payload, read_varint, write_varint};

/// How a list of numbers is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packed {
    Doubles,
    Fixed64,
    Varints,
}

/// The numbers of a repeated field, floats as their bits.
pub(super) fn numbers(message: &[u8], number: u32, form: Packed) -> Result<Vec<u64>, Malformed> {
    let mut found = Vec::new();
    for field in Fields::new(message) {
        let field = field?;
        match field.payload {
            _ if field.number != number => {}
            Payload::Varint(value) | Payload::Fixed64(value) => found.push(value),
            Payload::Bytes(range) if form == Packed::Varints => {
                let mut at = range.start;
                while at < range.end {
                    let read = read_varint(&message[..range.end], at);
                    let (value, next) = read.ok_or(Malformed { at, what: "a list of numbers ends early" })?;
                    found.push(value);
                    at = next;
                }
            }
            Payload::Bytes(range) => {
                let word = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_le_bytes);
                found.extend(message[range].chunks_exact(8).map(word));
            }
            _ => {}
        }
    }
    Ok(found)
}

/// The floats of a repeated field.
pub(super) fn doubles(message: &[u8], number: u32) -> Result<Vec<f64>, Malformed> {
    Ok(numbers(message, number, Packed::Doubles)?.into_iter().map(f64::from_bits).collect())
}

/// Appends a repeated field of numbers, packed; nothing for none.
pub(super) fn push_numbers(number: u32, values: &[u64], form: Packed, out: &mut Vec<u8>) {
    if values.is_empty() {
        return;
    }
    let mut packed = Vec::with_capacity(values.len() * 8);
    for value in values {
        match form {
            Packed::Varints => write_varint(&mut packed, *value),
            _ => packed.extend_from_slice(&value.to_le_bytes()),
        }
    }
    value::push_message(number, &packed, out);
}

/// Appends a repeated field of floats.
pub(super) fn push_doubles(number: u32, values: &[f64], out: &mut Vec<u8>) {
    let bits: Vec<u64> = values.iter().map(|value| value.to_bits()).collect();
    push_numbers(number, &bits, Packed::Doubles, out);
}

/// The numbers as a list.
pub(super) fn list(values: &[u64], form: Packed) -> Result<Value<'static>, EvalError> {
    Value::list(values.iter().map(|value| match form {
        Packed::Doubles => Value::Double(f64::from_bits(*value)),
        _ => Value::Int(*value as i64),
    }))
}

/// The numbers of a list.
pub(super) fn of_list(list: &Value<'_>, form: Packed) -> Result<Vec<u64>, EvalError> {
    let Value::List(list) = list else { return Err(super::path::expected("a list of numbers", list)) };
    let mut found = Vec::new();
    for element in value::elements(list) {
        found.push(match (element?, form) {
            (Value::Double(value), Packed::Doubles) => value.to_bits(),
            (Value::Int(value), Packed::Fixed64 | Packed::Varints) => value as u64,
            (other, _) => {
                return Err(
                    format!("invalid value type provided for a slice of numbers: {}", other.kind()).into()
                );
            }
        });
    }
    Ok(found)
}

/// The last number in this field, floats as their bits.
pub(super) fn number(message: &[u8], number: u32) -> Result<Option<u64>, Malformed> {
    super::target::number_in(message, number)
}

/// The last float in this field.
pub(super) fn double(message: &[u8], field: u32) -> Result<Option<f64>, Malformed> {
    Ok(number(message, field)?.map(f64::from_bits))
}

/// `sint32` of its encoding.
pub(super) fn zigzag(raw: u64) -> i64 {
    (raw >> 1) as i64 ^ -((raw & 1) as i64)
}

/// A message without the fields `dropped`; `field` stands where the first of them stood, or at the end.
pub(super) fn replace(message: &[u8], dropped: &[u32], field: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut out = Vec::with_capacity(message.len() + field.len());
    let mut written = false;
    for old in Fields::new(message) {
        let old = old?;
        if !dropped.contains(&old.number) {
            out.extend_from_slice(&message[old.whole]);
        } else if !std::mem::replace(&mut written, true) {
            out.extend_from_slice(field);
        }
    }
    if !written {
        out.extend_from_slice(field);
    }
    Ok(out)
}

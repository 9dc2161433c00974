//! Values of attributes as they are encoded.

use crate::wire::{Fields, Malformed, Payload, otlp, write_varint};

/// A value, in place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// No value.
    Empty,
    /// Text; not always UTF-8.
    Text(&'a [u8]),
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Double(f64),
    /// An encoded list of values.
    List(&'a [u8]),
    /// An encoded list of keys and values.
    Map(&'a [u8]),
    /// Bytes.
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    /// Reads an encoded `AnyValue`; of several values the last counts, as for any `oneof`.
    pub fn read(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut value = Self::Empty;
        for field in Fields::new(bytes) {
            let field = field?;
            value = match (field.number, &field.payload) {
                (otlp::VALUE_STRING, Payload::Bytes(range)) => Self::Text(&bytes[range.clone()]),
                (otlp::VALUE_BOOL, Payload::Varint(value)) => Self::Bool(*value != 0),
                (otlp::VALUE_INT, Payload::Varint(value)) => Self::Int(*value as i64),
                (otlp::VALUE_DOUBLE, Payload::Fixed64(value)) => Self::Double(f64::from_bits(*value)),
                (LIST, Payload::Bytes(range)) => Self::List(&bytes[range.clone()]),
                (MAP, Payload::Bytes(range)) => Self::Map(&bytes[range.clone()]),
                (BYTES, Payload::Bytes(range)) => Self::Bytes(&bytes[range.clone()]),
                (otlp::VALUE_STRING..=BYTES, _) => {
                    return Err(Malformed { at: field.whole.start, what: "a value has the wrong wire type" });
                }
                _ => value,
            };
        }
        Ok(value)
    }

    /// Appends the encoded `AnyValue`.
    pub fn write(self, out: &mut Vec<u8>) {
        match self {
            Self::Empty => {}
            Self::Text(text) => write_field(otlp::VALUE_STRING, text, out),
            Self::Bool(value) => out.extend([(otlp::VALUE_BOOL << 3) as u8, u8::from(value)]),
            Self::Int(value) => {
                out.push((otlp::VALUE_INT << 3) as u8);
                write_varint(out, value as u64);
            }
            Self::Double(value) => {
                out.push((otlp::VALUE_DOUBLE << 3 | 1) as u8);
                out.extend_from_slice(&value.to_le_bytes());
            }
            Self::List(list) => write_field(LIST, list, out),
            Self::Map(map) => write_field(MAP, map, out),
            Self::Bytes(bytes) => write_field(BYTES, bytes, out),
        }
    }

    /// The encoded `AnyValue`.
    pub fn to_bytes(self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }
}

/// Appends a length-delimited field.
pub fn write_field(number: u32, bytes: &[u8], out: &mut Vec<u8>) {
    write_varint(out, u64::from(number << 3 | 2));
    write_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// `array_value`, `kvlist_value` and `bytes_value` of an `AnyValue`.
const LIST: u32 = otlp::VALUE_OTHERS[0];
const MAP: u32 = otlp::VALUE_OTHERS[1];
const BYTES: u32 = otlp::VALUE_OTHERS[2];

//! What OTLP's messages are made of: the vocabulary of the table in `messages`.

use super::messages;
use crate::outcome::Signal;

/// A message: its name and its fields, in the order JSON is written.
#[derive(Debug)]
pub struct Message {
    /// The name in OTLP's definition.
    pub name: &'static str,
    /// In the order of OTLP's definition.
    pub fields: &'static [Field],
}

/// A field of a message.
#[derive(Debug)]
pub struct Field {
    /// The protobuf number.
    pub number: u32,
    /// The lowerCamelCase name; the snake_case one follows from it.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// How often, and whether a default value is told from none.
    pub rule: Rule,
}

/// What a field holds.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// UTF-8 text.
    Text,
    /// Bytes; base64 in JSON.
    Bytes,
    /// An id of this many bytes; hex in JSON.
    Id(usize),
    /// True or false.
    Bool,
    /// An integer.
    Int(Int),
    /// A 64-bit float.
    Double,
    /// One of these names; the value is the place in the list.
    Enum(&'static [&'static str]),
    /// Another message.
    Message(&'static Message),
}

/// The integers of OTLP, by their form in protobuf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the names are protobuf's own
pub enum Int {
    Uint32,
    Fixed32,
    Sint32,
    Uint64,
    Fixed64,
    Int64,
    Sfixed64,
}

/// How often a field occurs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Once; the default value is the same as none and is not written.
    Plain,
    /// Once; a default value is told from none (`optional`).
    Optional,
    /// One of several that exclude each other; of a message's, the last one counts.
    OneOf,
    /// Many times; numbers are packed.
    Repeated,
}

impl Message {
    /// The field of a JSON key, camelCase or snake_case. `hint` is where to look first: keys mostly come in order.
    pub fn field_by_name(&self, key: &str, hint: usize) -> Option<(usize, &'static Field)> {
        let count = self.fields.len();
        (0..count)
            .map(|step| (hint + step) % count)
            .map(|index| (index, &self.fields[index]))
            .find(|(_, field)| field.is_named(key))
    }

    /// The place of the field of a protobuf number.
    pub fn field_by_number(&self, number: u32) -> Option<usize> {
        self.fields.iter().position(|field| field.number == number)
    }
}

impl Field {
    fn is_named(&self, key: &str) -> bool {
        self.name == key || (key.contains('_') && self.is_snake(key))
    }

    /// Whether `key` is the snake_case form: `_x` for each `X`.
    fn is_snake(&self, key: &str) -> bool {
        let mut key = key.bytes();
        let same = self.name.bytes().all(|byte| match byte.is_ascii_uppercase() {
            true => key.next() == Some(b'_') && key.next() == Some(byte.to_ascii_lowercase()),
            false => key.next() == Some(byte),
        });
        same && key.next().is_none()
    }
}

impl Kind {
    /// Whether a repeated field of this kind is packed into one.
    pub fn packs(self) -> bool {
        matches!(self, Self::Bool | Self::Int(_) | Self::Double | Self::Enum(_))
    }
}

impl Int {
    /// The smallest and the largest value.
    pub fn range(self) -> (i128, i128) {
        match self {
            Self::Uint32 | Self::Fixed32 => (0, i128::from(u32::MAX)),
            Self::Sint32 => (i128::from(i32::MIN), i128::from(i32::MAX)),
            Self::Uint64 | Self::Fixed64 => (0, i128::from(u64::MAX)),
            Self::Int64 | Self::Sfixed64 => (i128::from(i64::MIN), i128::from(i64::MAX)),
        }
    }

    /// Whether JSON writes it as a string, because its numbers hold 53 bits.
    pub fn is_wide(self) -> bool {
        matches!(self, Self::Uint64 | Self::Fixed64 | Self::Int64 | Self::Sfixed64)
    }
}

/// The message of a signal's export call.
pub fn request(signal: Signal) -> &'static Message {
    match signal {
        Signal::Traces => &messages::EXPORT_TRACES,
        Signal::Metrics => &messages::EXPORT_METRICS,
        Signal::Logs => &messages::EXPORT_LOGS,
    }
}

//! Encoded messages by the names of their fields.

use std::borrow::Cow;

use crate::outcome::Signal;
use crate::wire::json::proto::{Fields, Raw};
use crate::wire::json::schema::{Field, Kind, Message, request};

/// A message that is still bytes. What cannot be read ends it.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    pub(super) message: &'static Message,
    pub(super) bytes: &'a [u8],
}

impl<'a> View<'a> {
    pub(super) fn request(signal: Signal, bytes: &'a [u8]) -> Self {
        Self { message: request(signal), bytes }
    }

    /// The fields that OTLP knows, in the order of the bytes.
    pub(super) fn fields(self) -> impl Iterator<Item = (&'static Field, Raw<'a>)> {
        let mut fields = Fields::of(self.bytes);
        std::iter::from_fn(move || {
            loop {
                let (number, raw) = fields.read().ok().flatten()?;
                if let Some(index) = self.message.field_by_number(number) {
                    return Some((&self.message.fields[index], raw));
                }
            }
        })
    }

    /// Every occurrence of a field.
    pub(super) fn each(self, name: &'static str) -> impl Iterator<Item = Raw<'a>> {
        self.fields().filter(move |(field, _)| field.name == name).map(|(_, raw)| raw)
    }

    /// Every message in a field.
    pub(super) fn all(self, name: &'static str) -> impl Iterator<Item = View<'a>> {
        self.fields()
            .filter(move |(field, _)| field.name == name)
            .filter_map(|(field, raw)| inner(field, raw))
    }

    /// The message in a field.
    pub(super) fn one(self, name: &'static str) -> Option<View<'a>> {
        self.all(name).last()
    }

    pub(super) fn text(self, name: &'static str) -> Cow<'a, str> {
        String::from_utf8_lossy(self.bytes(name))
    }

    pub(super) fn bytes(self, name: &'static str) -> &'a [u8] {
        match self.each(name).last() {
            Some(Raw::Bytes(bytes)) => bytes,
            _ => &[],
        }
    }

    /// An unsigned number, 0 where there is none.
    pub(super) fn number(self, name: &'static str) -> u64 {
        self.each(name).last().map_or(0, unsigned)
    }

    pub(super) fn double(self, name: &'static str) -> Option<f64> {
        match self.each(name).last() {
            Some(Raw::Fixed64(bits)) => Some(f64::from_bits(bits)),
            _ => None,
        }
    }
}

/// The message in an occurrence of a field.
pub(super) fn inner<'a>(field: &Field, raw: Raw<'a>) -> Option<View<'a>> {
    match (field.kind, raw) {
        (Kind::Message(message), Raw::Bytes(bytes)) => Some(View { message, bytes }),
        _ => None,
    }
}

/// The bits of a number, whatever its form.
pub(super) fn unsigned(raw: Raw<'_>) -> u64 {
    match raw {
        Raw::Varint(value) | Raw::Fixed64(value) => value,
        Raw::Fixed32(value) => u64::from(value),
        Raw::Bytes(_) => 0,
    }
}

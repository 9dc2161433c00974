//! Protobuf for transcoding: values of fields in, fields out, on the reader and writer of [`crate::wire`].

use crate::wire::{Payload, read_varint};

/// A value as it stands on the wire.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Raw<'a> {
    /// Wire type 0.
    Varint(u64),
    /// Wire type 1.
    Fixed64(u64),
    /// Wire type 2.
    Bytes(&'a [u8]),
    /// Wire type 5.
    Fixed32(u32),
}

/// The message ends inside a field, or holds a tag that does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a protobuf message")]
pub struct Malformed;

/// Reads the fields of one message in order. Groups, which OTLP never had, are malformed.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    bytes: &'a [u8],
    fields: crate::wire::Fields<'a>,
}

impl<'a> Fields<'a> {
    /// The fields of `message`.
    pub fn of(message: &'a [u8]) -> Self {
        Self { bytes: message, fields: crate::wire::Fields::new(message) }
    }

    /// Where the next field begins.
    pub fn position(&self) -> usize {
        self.fields.position()
    }

    /// The next field's number and value; none at the end.
    ///
    /// # Errors
    /// `Malformed` bytes; the rest cannot be read then.
    pub fn read(&mut self) -> Result<Option<(u32, Raw<'a>)>, Malformed> {
        let Some(field) = self.fields.next() else { return Ok(None) };
        let field = field.map_err(|_| Malformed)?;
        let raw = match field.payload {
            Payload::Varint(value) => Raw::Varint(value),
            Payload::Fixed64(value) => Raw::Fixed64(value),
            Payload::Bytes(range) => Raw::Bytes(&self.bytes[range]),
            Payload::Fixed32(value) => Raw::Fixed32(value),
            Payload::Group => return Err(Malformed),
        };
        Ok(Some((field.number, raw)))
    }
}

/// Reads a varint off the front.
pub fn varint(rest: &mut &[u8]) -> Result<u64, Malformed> {
    let (value, end) = read_varint(rest, 0).ok_or(Malformed)?;
    *rest = &rest[end..];
    Ok(value)
}

/// Reads `N` bytes off the front.
pub fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], Malformed> {
    let (bytes, after) = rest.split_first_chunk().ok_or(Malformed)?;
    *rest = after;
    Ok(*bytes)
}

/// Undoes the zigzag of `sint32` and `sint64`.
pub fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// Does the zigzag of `sint32` and `sint64`.
pub fn zigzag(value: i64) -> u64 {
    (value << 1) as u64 ^ (value >> 63) as u64
}

pub use crate::wire::write_varint as put_varint;

/// Appends a field of wire type 0.
pub fn put_varint_field(out: &mut Vec<u8>, number: u32, value: u64) {
    put_varint(out, u64::from(number) << 3);
    put_varint(out, value);
}

/// Appends a field of wire type 1.
pub fn put_fixed64_field(out: &mut Vec<u8>, number: u32, value: u64) {
    put_varint(out, u64::from(number) << 3 | 1);
    out.extend_from_slice(&value.to_le_bytes());
}

/// Appends a field of wire type 5.
pub fn put_fixed32_field(out: &mut Vec<u8>, number: u32, value: u32) {
    put_varint(out, u64::from(number) << 3 | 5);
    out.extend_from_slice(&value.to_le_bytes());
}

/// Appends a field of wire type 2.
pub fn put_bytes_field(out: &mut Vec<u8>, number: u32, value: &[u8]) {
    put_varint(out, u64::from(number) << 3 | 2);
    put_varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

/// Opens a field of wire type 2 whose size is not known yet; give what it returns to [`close`].
pub fn open(out: &mut Vec<u8>, number: u32) -> usize {
    put_varint(out, u64::from(number) << 3 | 2);
    out.push(0);
    out.len()
}

/// Writes the size of the field opened at `start`, making room for it where one byte is too few.
pub fn close(out: &mut Vec<u8>, start: usize) {
    let size = out.len() - start;
    if size < 0x80 {
        out[start - 1] = size as u8;
        return;
    }
    let mut bytes = [0; 10];
    let mut used = 0;
    let mut value = size as u64;
    while value >= 0x80 {
        bytes[used] = value as u8 | 0x80;
        value >>= 7;
        used += 1;
    }
    bytes[used] = value as u8;
    out.splice(start - 1..start, bytes[..=used].iter().copied());
}

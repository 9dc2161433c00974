//! Protobuf to JSON, in one walk over the bytes.

use std::borrow::Cow;
use std::fmt::Write;

use super::proto::{Fields, Raw, take, unzigzag, varint};
use super::schema::{Field, Int, Kind, Message, Rule, request};
use super::{DEPTH_MAX, ProtobufError, base64};
use crate::outcome::Signal;

/// The JSON form of an export request in protobuf, as collectors write it: 64-bit integers as strings, enums as
/// numbers, lower-case hex ids, defaults left out. Unknown fields are left out, invalid UTF-8 is replaced.
///
/// # Errors
/// Bytes that are not protobuf, fields of another type than OTLP's, nesting over [`DEPTH_MAX`].
pub fn from_protobuf(signal: Signal, protobuf: &[u8]) -> Result<String, ProtobufError> {
    let mut out = String::with_capacity(protobuf.len() * 2);
    write_message(&mut out, request(signal), protobuf, 1)?;
    Ok(out)
}

fn write_message(
    out: &mut String,
    message: &'static Message,
    bytes: &[u8],
    depth: usize,
) -> Result<(), ProtobufError> {
    if depth > DEPTH_MAX {
        return Err(ProtobufError::TooDeep);
    }
    let present = Present::of(message, bytes)?;
    out.push('{');
    let start = out.len();
    for (index, field) in message.fields.iter().enumerate() {
        if !present.has(index) {
            continue;
        }
        let before = out.len();
        if before > start {
            out.push(',');
        }
        push_string(out, field.name);
        out.push(':');
        if !write_field(out, field, present.since(field, bytes), depth)? {
            out.truncate(before);
        }
    }
    out.push('}');
    Ok(())
}

/// Which fields a message has.
pub struct Present {
    fields: u32,
    /// Where the member of the `oneof` that counts begins: what stands before belongs to members that lost.
    one_of: usize,
}

impl Present {
    /// Scans `bytes` once; fields the table does not have are passed over.
    pub fn of(message: &Message, bytes: &[u8]) -> Result<Self, ProtobufError> {
        let mut present = Self { fields: 0, one_of: 0 };
        let mut one_of = None;
        let mut members = 0_u32;
        let mut fields = Fields::of(bytes);
        loop {
            let at = fields.position();
            let Some((number, _)) = fields.read()? else { break };
            let Some(index) = message.field_by_number(number) else { continue };
            if message.fields[index].rule == Rule::OneOf {
                members |= 1 << index;
                if one_of != Some(index) {
                    one_of = Some(index);
                    present.one_of = at;
                }
            }
            present.fields |= 1 << index;
        }
        present.fields &= !members;
        present.fields |= one_of.map_or(0, |index| 1 << index);
        Ok(present)
    }

    /// Whether the field at this place of the table is there and counts.
    pub fn has(&self, index: usize) -> bool {
        self.fields & (1 << index) != 0
    }

    /// The part of the message that counts for `field`.
    pub fn since<'a>(&self, field: &Field, bytes: &'a [u8]) -> &'a [u8] {
        if field.rule == Rule::OneOf { &bytes[self.one_of..] } else { bytes }
    }
}

/// Writes the value of `field`; false where it is a default that is left out.
fn write_field(
    out: &mut String,
    field: &'static Field,
    bytes: &[u8],
    depth: usize,
) -> Result<bool, ProtobufError> {
    if field.rule == Rule::Repeated {
        return write_repeated(out, field, bytes, depth + 1);
    }
    if let Kind::Message(message) = field.kind {
        write_message(out, message, &merged(field, bytes)?, depth + 1)?;
        return Ok(true);
    }
    let mut last = None;
    each(field, bytes, |raw| {
        last = Some(raw);
        Ok(())
    })?;
    let Some(raw) = last else { return Ok(false) };
    let default = match raw {
        Raw::Varint(value) | Raw::Fixed64(value) => value == 0,
        Raw::Fixed32(value) => value == 0,
        Raw::Bytes(bytes) => bytes.is_empty(),
    };
    write_scalar(out, field.kind, raw)?;
    Ok(!default || field.rule != Rule::Plain)
}

/// The bytes of a message that stands once: where it occurs again, the occurrences are one message.
pub fn merged<'a>(field: &Field, bytes: &'a [u8]) -> Result<Cow<'a, [u8]>, ProtobufError> {
    let mut whole = Cow::Borrowed(&[][..]);
    each(field, bytes, |raw| {
        let Raw::Bytes(part) = raw else { return Err(ProtobufError::Malformed) };
        if whole.is_empty() {
            whole = Cow::Borrowed(part);
        } else {
            whole.to_mut().extend_from_slice(part);
        }
        Ok(())
    })?;
    Ok(whole)
}

/// Calls `take` with each occurrence of `field`.
pub fn each<'a>(
    field: &Field,
    bytes: &'a [u8],
    mut take: impl FnMut(Raw<'a>) -> Result<(), ProtobufError>,
) -> Result<(), ProtobufError> {
    let mut fields = Fields::of(bytes);
    while let Some((number, raw)) = fields.read()? {
        if number == field.number {
            take(raw)?;
        }
    }
    Ok(())
}

fn write_repeated(
    out: &mut String,
    field: &'static Field,
    bytes: &[u8],
    depth: usize,
) -> Result<bool, ProtobufError> {
    if depth > DEPTH_MAX {
        return Err(ProtobufError::TooDeep);
    }
    out.push('[');
    let start = out.len();
    each(field, bytes, |raw| match (field.kind, raw) {
        (Kind::Message(message), Raw::Bytes(bytes)) => {
            separate(out, start);
            write_message(out, message, bytes, depth + 1)
        }
        (kind, Raw::Bytes(packed)) if kind.packs() => each_packed(kind, packed, |raw| {
            separate(out, start);
            write_scalar(out, kind, raw)
        }),
        (kind, raw) => {
            separate(out, start);
            write_scalar(out, kind, raw)
        }
    })?;
    let some = out.len() > start;
    out.push(']');
    Ok(some)
}

fn separate(out: &mut String, start: usize) {
    if out.len() > start {
        out.push(',');
    }
}

/// Calls `take` with each number of a packed field.
pub fn each_packed<'a>(
    kind: Kind,
    mut packed: &'a [u8],
    mut each: impl FnMut(Raw<'a>) -> Result<(), ProtobufError>,
) -> Result<(), ProtobufError> {
    while !packed.is_empty() {
        each(match kind {
            Kind::Double | Kind::Int(Int::Fixed64 | Int::Sfixed64) => {
                Raw::Fixed64(u64::from_le_bytes(take(&mut packed)?))
            }
            Kind::Int(Int::Fixed32) => Raw::Fixed32(u32::from_le_bytes(take(&mut packed)?)),
            _ => Raw::Varint(varint(&mut packed)?),
        })?;
    }
    Ok(())
}

fn write_scalar(out: &mut String, kind: Kind, raw: Raw<'_>) -> Result<(), ProtobufError> {
    match (kind, raw) {
        (Kind::Text, Raw::Bytes(text)) => push_string(out, &String::from_utf8_lossy(text)),
        (Kind::Bytes, Raw::Bytes(bytes)) => {
            out.push('"');
            base64::encode(bytes, true, out);
            out.push('"');
        }
        (Kind::Id(size), Raw::Bytes(id)) if id.len() == size || id.is_empty() => {
            out.push('"');
            push_hex(out, id);
            out.push('"');
        }
        (Kind::Bool, Raw::Varint(flag)) => out.push_str(if flag == 0 { "false" } else { "true" }),
        (Kind::Enum(_), Raw::Varint(value)) => push(out, format_args!("{}", value as i32)),
        (Kind::Double, Raw::Fixed64(bits)) => push_json_double(out, f64::from_bits(bits)),
        (Kind::Int(int), raw) => {
            let value = integer(int, raw).ok_or(ProtobufError::Malformed)?;
            if int.is_wide() {
                push(out, format_args!("\"{value}\""));
            } else {
                push(out, format_args!("{value}"));
            }
        }
        _ => return Err(ProtobufError::Malformed),
    }
    Ok(())
}

/// The value of an integer field; none where the wire type is another's.
pub fn integer(int: Int, raw: Raw<'_>) -> Option<i128> {
    Some(match (int, raw) {
        // Longer varints are cut to 32 bits, as every reader of protobuf does.
        (Int::Uint32, Raw::Varint(value)) => i128::from(value as u32),
        (Int::Sint32, Raw::Varint(value)) => i128::from(unzigzag(u64::from(value as u32)) as i32),
        (Int::Uint64, Raw::Varint(value)) | (Int::Fixed64, Raw::Fixed64(value)) => i128::from(value),
        (Int::Int64, Raw::Varint(value)) | (Int::Sfixed64, Raw::Fixed64(value)) => i128::from(value as i64),
        (Int::Fixed32, Raw::Fixed32(value)) => i128::from(value),
        _ => return None,
    })
}

fn push(out: &mut String, value: std::fmt::Arguments<'_>) {
    out.write_fmt(value).expect("a string takes every write");
}

/// Appends a JSON string.
fn push_string(out: &mut String, text: &str) {
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c < ' ' || c == '"' || c == '\\') {
        out.push_str(&rest[..at]);
        match rest.as_bytes()[at] {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            other => push(out, format_args!("\\u{other:04x}")),
        }
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
    out.push('"');
}

/// Appends lower-case hex.
pub fn push_hex(out: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}

fn push_json_double(out: &mut String, value: f64) {
    if value.is_finite() {
        push_double(out, value);
    } else {
        out.push('"');
        push_double(out, value);
        out.push('"');
    }
}

/// Appends a float in its shortest form: exponents, of two digits at least, only where many zeros would stand.
pub fn push_double(out: &mut String, value: f64) {
    let size = value.abs();
    if value.is_infinite() {
        out.push_str(if value > 0.0 { "Infinity" } else { "-Infinity" });
    } else if size >= 1e21 || (size != 0.0 && size < 1e-6) {
        let text = format!("{value:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |rest| ('-', rest));
        push(out, format_args!("{digits}e{sign}{exponent:0>2}"));
    } else {
        push(out, format_args!("{value}"));
    }
}

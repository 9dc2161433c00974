//! How long a message would be if the Collector had written it, which reads all and encodes anew: unknown fields and
//! zeros are gone, ids, descriptions, statuses and values are written even when they are empty.

use std::ops::Range;

use smallvec::SmallVec;

use super::value::Parts;
use crate::outcome::Signal;
use crate::wire::json::schema::{Field as Described, Kind, Message, Rule, request};
use crate::wire::{Field, Fields, Malformed, Payload, otlp, varint_len};

/// The messages whose size matters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schemas {
    pub(super) resource: &'static Message,
    pub(super) scope: &'static Message,
    pub(super) span: &'static Message,
}

impl Schemas {
    /// From OTLP's table; `None` if it lacked one.
    pub(super) fn find() -> Option<Self> {
        let entry = inside(request(Signal::Traces), otlp::REQUEST_RESOURCES)?;
        let scopes = inside(entry, otlp::ENTRY_SCOPES)?;
        Some(Self {
            resource: inside(entry, otlp::ENTRY_RESOURCE)?,
            scope: inside(scopes, otlp::SCOPE_SCOPE)?,
            span: inside(scopes, otlp::SCOPE_ITEMS)?,
        })
    }
}

fn inside(message: &'static Message, number: u32) -> Option<&'static Message> {
    match message.fields[message.field_by_number(number)?].kind {
        Kind::Message(message) => Some(message),
        _ => None,
    }
}

/// Values nest no deeper in what is measured; what lies deeper counts as it came.
const DEPTH_MAX: usize = 64;

/// A field of which the last occurrence counts.
struct Single {
    field: &'static Described,
    size: u64,    // of a scalar, with its tag; 0 if it would not be written
    parts: Parts, // of a message
}

/// The size of a message that came in these parts.
pub(super) fn collector_len(
    message: &'static Message,
    body: &[u8],
    parts: Parts,
    depth: usize,
) -> Result<u64, Malformed> {
    if depth > DEPTH_MAX {
        return Ok(parts.iter().map(|part| part.len() as u64).sum());
    }
    let mut total = 0;
    let mut singles = SmallVec::<[Single; 8]>::new();
    for field in parts.into_iter().flat_map(|part| Fields::within(body, part)) {
        let field = field?;
        let Some(at) = message.field_by_number(field.number) else {
            continue;
        };
        let described = &message.fields[at];
        match (described.kind, described.rule) {
            (Kind::Message(inner), Rule::Repeated) => {
                let len = collector_len(inner, body, Parts::from_elem(field.bytes()?, 1), depth + 1)?;
                total += with_header(described, len);
            }
            (_, Rule::Repeated) => total += scalar(described, &field),
            (kind, rule) => {
                if rule == Rule::OneOf {
                    let other = |known: &Single| {
                        known.field.rule == Rule::OneOf && known.field.number != field.number
                    };
                    singles.retain(|known| !other(known));
                }
                let single = single(&mut singles, described);
                match kind {
                    Kind::Message(_) => single.parts.push(field.bytes()?),
                    Kind::Id(_) if body[field.bytes()?].iter().all(|byte| *byte == 0) => single.size = 0,
                    _ => single.size = scalar(described, &field),
                }
            }
        }
    }
    // What the Collector holds by value is there without having come.
    for described in message.fields.iter().filter(|field| field.rule == Rule::Plain) {
        if matches!(described.kind, Kind::Message(_) | Kind::Id(_)) {
            let single = single(&mut singles, described);
            single.size = single.size.max(header(described));
        }
    }
    for Single { field, size, parts } in singles {
        total += match field.kind {
            Kind::Message(inner) => with_header(field, collector_len(inner, body, parts, depth + 1)?),
            _ => size,
        };
    }
    Ok(total)
}

fn single<'s>(singles: &'s mut SmallVec<[Single; 8]>, field: &'static Described) -> &'s mut Single {
    let at = singles.iter().position(|known| known.field.number == field.number).unwrap_or_else(|| {
        singles.push(Single { field, size: 0, parts: Parts::new() });
        singles.len() - 1
    });
    &mut singles[at]
}

/// The size of a scalar with its tag; nothing for a zero that is the same as none.
fn scalar(described: &Described, field: &Field) -> u64 {
    let tag = varint_len(u64::from(described.number << 3)) as u64;
    let (size, zero) = match &field.payload {
        Payload::Varint(value) => (tag + varint_len(*value) as u64, *value == 0),
        Payload::Fixed64(value) => (tag + 8, *value == 0),
        Payload::Fixed32(value) => (tag + 4, *value == 0),
        Payload::Bytes(range) => (with_header(described, len(range)), range.is_empty()),
        Payload::Group => return 0,
    };
    let written = !zero || matches!(described.rule, Rule::OneOf | Rule::Optional | Rule::Repeated);
    if written { size } else { 0 }
}

fn len(range: &Range<usize>) -> u64 {
    range.len() as u64
}

fn header(field: &Described) -> u64 {
    with_header(field, 0)
}

fn with_header(field: &Described, len: u64) -> u64 {
    (varint_len(u64::from(field.number << 3)) + varint_len(len)) as u64 + len
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span_len(span: &[u8]) -> u64 {
        collector_len(Schemas::find().unwrap().span, span, Parts::from_elem(0..span.len(), 1), 0).unwrap()
    }

    #[test]
    fn a_span_is_measured_as_the_collector_writes_it() {
        assert_eq!(span_len(&[]), 8, "two ids, a parent, a status");
        assert_eq!(span_len(&[[0x12, 8].to_vec(), vec![0; 8]].concat()), 8, "an id of zeros is none");
        assert_eq!(span_len(&[0x2a, 0]), 8, "an empty name is not written");
        assert_eq!(span_len(&[0x2a, 0, 0x2a, 1, b'x', 0x2a, 0]), 8, "the last name counts");
        assert_eq!(span_len(&[0x30, 0x82, 0x00]), 10, "a number in more bytes than it needs");
        assert_eq!(span_len(&[0xfa, 0x01, 1, b'x']), 8, "an unknown field is gone");
        assert_eq!(span_len(&[0x4a, 0]), 8 + 2 + 2, "an attribute has a value");
        assert_eq!(span_len(&[0x4a, 4, 0x12, 2, 0x0a, 0]), 8 + 2 + 4, "an empty text is a value");
        assert_eq!(span_len(&[0x4a, 6, 0x12, 4, 0x0a, 0, 0x18, 0]), 8 + 2 + 4, "of two values the last");
        assert_eq!(span_len(&[0x6a, 0]), 8 + 2 + 4, "a link has two ids");
        assert_eq!(span_len(&[0x85, 0x01, 0, 0, 0, 0]), 8, "flags of zero");
        assert_eq!(span_len(&[0x85, 0x01, 1, 0, 0, 0]), 8 + 6);
        let mut deep = vec![];
        for _ in 0..1000 {
            let mut outer = vec![0x2a]; // array_value
            crate::wire::write_varint(&mut outer, deep.len() as u64);
            outer.append(&mut deep);
            deep = outer;
        }
        span_len(&deep);
    }
}

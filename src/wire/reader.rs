//! A walk over the fields of one encoded message, in place.

use std::ops::Range;

use super::varint::read_varint;

/// One field: its number, where it lies whole (tag included), and its payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Field number, 1 to 2^29 - 1.
    pub number: u32,
    /// From the first byte of the tag to the end of the payload.
    pub whole: Range<usize>,
    /// What the field holds.
    pub payload: Payload,
}

/// What a field holds, by wire type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Wire type 0.
    Varint(u64),
    /// Wire type 1.
    Fixed64(u64),
    /// Wire type 2: where the bytes lie.
    Bytes(Range<usize>),
    /// Wire type 5.
    Fixed32(u32),
    /// Wire types 3 and 4, skipped whole.
    Group,
}

impl Field {
    /// The range of a length-delimited payload; an error names the field when it is something else.
    #[inline]
    pub fn bytes(&self) -> Result<Range<usize>, Malformed> {
        match &self.payload {
            Payload::Bytes(range) => Ok(range.clone()),
            _ => Err(Malformed { at: self.whole.start, what: "a field has the wrong wire type" }),
        }
    }
}

/// Bytes that are not an encoded message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}, at byte {at}")]
pub struct Malformed {
    /// Offset in the message that was walked.
    pub at: usize,
    /// What is wrong.
    pub what: &'static str,
}

/// An iterator over the fields of `bytes[range]`. Offsets are those of the whole buffer. It ends after an error.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    bytes: &'a [u8], // cut at the end of the range
    at: usize,       // at <= bytes.len()
}

impl<'a> Fields<'a> {
    /// Walks a whole buffer.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Walks a part of a buffer. `range` must lie inside, as the ranges of [`Field`] do.
    #[inline]
    pub fn within(bytes: &'a [u8], range: Range<usize>) -> Self {
        Self { bytes: &bytes[..range.end], at: range.start }
    }

    /// Passes over further length-delimited fields of this number, as far as they follow at once and are written in
    /// the usual way: most of a span is a row of attributes that nobody asks for.
    #[inline]
    pub fn skip_repeats(&mut self, number: u32) {
        debug_assert!((1..16).contains(&number), "the tag takes one byte");
        let tag = (number << 3 | 2) as u8;
        while let Some([found, low, high]) = self.bytes.get(self.at..self.at + 3) {
            let end = match (*found == tag, *low < 0x80, *high < 0x80) {
                (true, true, _) => self.at + 2 + usize::from(*low),
                (true, false, true) => self.at + 3 + (usize::from(low & 0x7f) | usize::from(*high) << 7),
                _ => return,
            };
            if end > self.bytes.len() {
                return; // the walk says what is wrong
            }
            self.at = end;
        }
    }

    /// Where the next field begins.
    pub fn position(&self) -> usize {
        self.at
    }

    /// The next field, if it is as most are: length-delimited, its tag and length one byte each.
    #[inline]
    fn short(&mut self) -> Option<Field> {
        let start = self.at;
        let &[tag @ 8..0x80, length @ 0..0x80] = self.bytes.get(start..)?.first_chunk()? else { return None };
        let payload = start + 2..start + 2 + usize::from(length);
        if tag & 7 != 2 || payload.end > self.bytes.len() {
            return None;
        }
        self.at = payload.end;
        let whole = start..payload.end;
        Some(Field { number: u32::from(tag >> 3), whole, payload: Payload::Bytes(payload) })
    }

    fn read(&mut self) -> Result<Field, Malformed> {
        let start = self.at;
        let (tag, after_tag) =
            read_varint(self.bytes, start).ok_or_else(|| malformed(start, "a tag is cut off"))?;
        let number = u32::try_from(tag >> 3).ok().filter(|n| (1..1 << 29).contains(n));
        let number = number.ok_or_else(|| malformed(start, "a field number is out of range"))?;
        let (payload, end) = match tag & 7 {
            2 => self.read_bytes(after_tag)?,
            0 => {
                let read = read_varint(self.bytes, after_tag);
                let (value, end) = read.ok_or_else(|| malformed(after_tag, "a varint is cut off"))?;
                (Payload::Varint(value), end)
            }
            1 => {
                let bytes = self.fixed::<8>(after_tag)?;
                (Payload::Fixed64(u64::from_le_bytes(bytes)), after_tag + 8)
            }
            5 => {
                let bytes = self.fixed::<4>(after_tag)?;
                (Payload::Fixed32(u32::from_le_bytes(bytes)), after_tag + 4)
            }
            3 => (Payload::Group, skip_group(self.bytes, after_tag, number)?),
            4 => return Err(malformed(start, "a group ends that did not begin")),
            _ => return Err(malformed(start, "an unknown wire type")),
        };
        self.at = end;
        Ok(Field { number, whole: start..end, payload })
    }

    #[inline]
    fn read_bytes(&self, at: usize) -> Result<(Payload, usize), Malformed> {
        let (length, start) =
            read_varint(self.bytes, at).ok_or_else(|| malformed(at, "a length is cut off"))?;
        let room = self.bytes.len() - start;
        if length > room as u64 {
            return Err(malformed(at, "a length reaches past the end"));
        }
        let end = start + length as usize;
        Ok((Payload::Bytes(start..end), end))
    }

    fn fixed<const N: usize>(&self, at: usize) -> Result<[u8; N], Malformed> {
        let bytes = self.bytes.get(at..at + N).and_then(|b| b.try_into().ok());
        bytes.ok_or_else(|| malformed(at, "a fixed-size number is cut off"))
    }
}

impl Iterator for Fields<'_> {
    type Item = Result<Field, Malformed>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if let Some(field) = self.short() {
            return Some(Ok(field));
        }
        if self.at >= self.bytes.len() {
            return None;
        }
        let read = self.read();
        if read.is_err() {
            self.at = self.bytes.len();
        }
        Some(read)
    }
}

#[cold]
fn malformed(at: usize, what: &'static str) -> Malformed {
    Malformed { at, what }
}

/// The offset behind a group that began before `at`; groups are obsolete, so this is rarely walked and strictly bounded.
#[cold]
fn skip_group(bytes: &[u8], at: usize, number: u32) -> Result<usize, Malformed> {
    let mut open = vec![number];
    let mut fields = Fields { bytes, at };
    while let Some(&inner) = open.last() {
        let start = fields.at;
        let (tag, after) = read_varint(bytes, start).ok_or_else(|| malformed(start, "a group is cut off"))?;
        match (tag & 7, (tag >> 3) as u32) {
            (4, n) if n == inner => {
                open.pop();
                fields.at = after;
            }
            (3, n) if open.len() < GROUP_DEPTH_MAX => {
                open.push(n);
                fields.at = after;
            }
            (3 | 4, _) => return Err(malformed(start, "groups nest wrongly or too deep")),
            _ => {
                fields.read()?;
            }
        }
    }
    Ok(fields.at)
}

/// Protobuf's own parsers stop at 100; nothing in OTLP has groups.
const GROUP_DEPTH_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_wire_type_is_walked() {
        let bytes = [
            0x08, 0x96, 0x01, // 1: varint 150
            0x11, 1, 0, 0, 0, 0, 0, 0, 0, // 2: fixed64 1
            0x1a, 0x02, b'h', b'i', // 3: bytes
            0x23, 0x2b, 0x08, 0x01, 0x2c, 0x24, // 4: group with a group 5 inside
            0x35, 7, 0, 0, 0, // 6: fixed32 7
        ];
        let fields: Vec<_> = Fields::new(&bytes).map(Result::unwrap).collect();
        assert_eq!(fields[0].payload, Payload::Varint(150));
        assert_eq!(fields[1].payload, Payload::Fixed64(1));
        assert_eq!(fields[2].payload, Payload::Bytes(14..16));
        assert_eq!(fields[3], Field { number: 4, whole: 16..22, payload: Payload::Group });
        assert_eq!(fields[4].payload, Payload::Fixed32(7));
        assert_eq!(fields.len(), 5);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic_and_ranges_lie_inside(bytes: Vec<u8>) {
            let mut end = 0;
            for field in Fields::new(&bytes) {
                let Ok(field) = field else { break };
                prop_assert_eq!(field.whole.start, end);
                end = field.whole.end;
                prop_assert!(end <= bytes.len());
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_skipped_is_what_would_be_walked(lengths in prop::collection::vec(0usize..300, 0..6), tail: Vec<u8>) {
            let mut bytes = Vec::new();
            for length in &lengths {
                bytes.push(9 << 3 | 2);
                crate::wire::write_varint(&mut bytes, *length as u64);
                bytes.extend(std::iter::repeat_n(7, *length));
            }
            bytes.extend(&tail);
            let mut skipping = Fields::new(&bytes);
            skipping.skip_repeats(9);
            let mut walking = Fields::new(&bytes);
            while walking.position() < skipping.position() {
                let field = walking.next().unwrap().unwrap();
                prop_assert_eq!((field.number, field.bytes().is_ok()), (9, true));
            }
            prop_assert_eq!(walking.position(), skipping.position());
        }
    }

    #[test]
    fn lengths_beyond_the_end_are_refused() {
        let huge = [0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert!(Fields::new(&huge).next().unwrap().is_err());
        assert!(Fields::new(&[0x00, 0x01]).next().unwrap().is_err(), "field number zero");
    }
}

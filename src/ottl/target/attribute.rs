//! Attributes of an indexed message: where they lie, and how one is put in without a copy of all the others.

use std::ops::Range;

use super::Target;
use super::memory::{INDEXED_MAX, Slot};
use crate::ottl::context::Context;
use crate::ottl::error::EvalError;
use crate::ottl::value;
use crate::wire::{Field, Fields, Malformed, otlp};

/// An attribute of an indexed message: where its key and its encoded value lie.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attribute {
    key: u32,
    key_len: u32,
    /// The end of the key, which tells most keys apart without a look at them.
    tail: u32,
    pub(super) any: u32,
    pub(super) any_end: u32,
    /// The field whole, its tag included.
    start: u32,
    end: u32,
}

/// The last bytes of a key.
#[inline]
fn tail(key: &[u8]) -> u32 {
    match key.last_chunk() {
        Some(last) => u32::from_le_bytes(*last),
        None => key.iter().fold(0, |all, byte| all << 8 | u32::from(*byte)),
    }
}

impl Slot {
    /// The first attribute of this key in the message, by the index.
    #[inline]
    pub(super) fn find(&self, message: &[u8], wanted: &[u8]) -> Option<&Attribute> {
        let (len, tail) = (wanted.len() as u32, tail(wanted));
        self.index_attributes.iter().find(|attribute| {
            let key = attribute.key as usize;
            attribute.tail == tail
                && attribute.key_len == len
                && message[key..key + attribute.key_len as usize] == *wanted
        })
    }

    /// Puts an entry in the place of another in the owned message; what lies behind moves, and the index with it.
    fn replace_attribute(&mut self, old: Attribute, key: &[u8], any: &[u8]) -> Result<(), Malformed> {
        let field = self.attributes_field();
        self.entry.clear();
        value::push_entry(field, key, any, &mut self.entry);
        let (start, end, len) = (old.start as usize, old.end as usize, self.bytes.len());
        let new_end = start + self.entry.len();
        self.bytes.resize(len.max(len - end + new_end), 0);
        self.bytes.copy_within(end..len, new_end);
        self.bytes.truncate(len - end + new_end);
        self.bytes[start..new_end].copy_from_slice(&self.entry);
        let by = (new_end as u32).wrapping_sub(old.end);
        let behind = self.index_attributes.iter_mut().filter(|one| one.start >= old.end);
        behind.for_each(|attribute| attribute.move_by(by));
        for entry in self.index.iter_mut().filter(|entry| entry.bytes && entry.start >= old.end) {
            (entry.start, entry.end) = (entry.start.wrapping_add(by), entry.end.wrapping_add(by));
        }
        for put in Fields::within(&self.bytes, start..new_end) {
            let put = Attribute::of(&self.bytes, &put?)?;
            let place = self.index_attributes.iter_mut().find(|one| one.start == old.start);
            place.into_iter().for_each(|place| *place = put);
        }
        Ok(())
    }

    /// The message as something to write to.
    fn to_mut(&mut self, shown: &[u8]) -> &mut Vec<u8> {
        if !self.owned {
            self.bytes.clear();
            self.bytes.extend_from_slice(shown);
        }
        (self.owned, self.changed) = (true, true);
        &mut self.bytes
    }
}

impl Target<'_> {
    /// Puts an encoded value under a key, in the place of the first value there or behind all fields, and keeps the
    /// index. Gives whether it did: not for an empty value, nor in a message that is not indexed.
    pub(in crate::ottl) fn set_attribute(
        &mut self,
        context: Context,
        key: &[u8],
        any: &[u8],
    ) -> Result<bool, EvalError> {
        self.index(context)?;
        let (slot, shown) = (self.slots.of_mut(context), self.shown[context as usize]);
        let len = if slot.owned { slot.bytes.len() } else { shown.len() };
        if !slot.indexed || any.is_empty() || len + key.len() + any.len() > INDEXED_MAX {
            return Ok(false);
        }
        let message = if slot.owned { &slot.bytes[..] } else { shown };
        match slot.find(message, key).copied() {
            Some(found) if found.any_end - found.any == any.len() as u32 => {
                let place = found.any as usize..found.any_end as usize;
                slot.to_mut(shown)[place].copy_from_slice(any);
                Ok(true)
            }
            Some(found) => {
                slot.to_mut(shown);
                slot.replace_attribute(found, key, any)?;
                Ok(true)
            }
            None => {
                let field = slot.attributes_field();
                let bytes = slot.to_mut(shown);
                let before = bytes.len();
                value::push_entry(field, key, any, bytes);
                for appended in Fields::within(&slot.bytes, before..slot.bytes.len()) {
                    slot.index_attributes.push(Attribute::of(&slot.bytes, &appended?)?);
                }
                Ok(true)
            }
        }
    }
}

impl Attribute {
    /// Finds key and value of the `KeyValue` in a field.
    #[inline]
    pub(super) fn of(bytes: &[u8], field: &Field) -> Result<Self, Malformed> {
        let range = field.bytes()?;
        let (key, any) = match plain(&bytes[range.clone()]) {
            Some(key_len) => {
                let key = range.start + 2..range.start + 2 + key_len;
                (key.clone(), key.end + 2..range.end)
            }
            None => walked(bytes, range)?,
        };
        Ok(Self {
            key: key.start as u32,
            key_len: key.len() as u32,
            tail: tail(&bytes[key]),
            any: any.start as u32,
            any_end: any.end as u32,
            start: field.whole.start as u32,
            end: field.whole.end as u32,
        })
    }

    fn move_by(&mut self, by: u32) {
        for offset in [&mut self.key, &mut self.any, &mut self.any_end, &mut self.start, &mut self.end] {
            *offset = offset.wrapping_add(by);
        }
    }
}

/// The length of the key of an entry in the common layout: key, then value, both below 128 bytes.
#[inline]
fn plain(entry: &[u8]) -> Option<usize> {
    const KEY: u8 = (otlp::ATTRIBUTE_KEY << 3 | 2) as u8;
    const VALUE: u8 = (otlp::ATTRIBUTE_VALUE << 3 | 2) as u8;
    let [KEY, key_len @ 0..0x80, rest @ ..] = entry else { return None };
    let key_len = usize::from(*key_len);
    match rest.get(key_len..)? {
        [VALUE, len @ 0..0x80, value @ ..] if value.len() == usize::from(*len) => Some(key_len),
        _ => None,
    }
}

fn walked(bytes: &[u8], range: Range<usize>) -> Result<(Range<usize>, Range<usize>), Malformed> {
    let (mut key, mut any) = (range.start..range.start, range.start..range.start);
    for field in Fields::within(bytes, range) {
        let field = field?;
        match field.number {
            otlp::ATTRIBUTE_KEY => key = field.bytes()?,
            otlp::ATTRIBUTE_VALUE => any = field.bytes()?,
            _ => {}
        }
    }
    Ok((key, any))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::write_varint;
    use proptest::prelude::*;

    const KEYS: [&str; 5] = ["a", "key 1", "key 2", "a much longer key", ""];

    fn any(len: usize) -> Vec<u8> {
        let mut any = vec![0x0a];
        write_varint(&mut any, len as u64);
        any.resize(any.len() + len, b'v');
        any
    }

    proptest! {
        /// What lies behind a value that grows or shrinks is still found, in the message and by the index.
        #[test]
        fn an_index_stays_true_through_writes(writes: Vec<(prop::sample::Index, u8)>, name in "[a-z]{0,9}") {
            let mut span = vec![0x2a, name.len() as u8];
            span.extend_from_slice(name.as_bytes());
            value::push_entry(9, b"a", &any(3), &mut span);
            span.extend_from_slice(&[0x72, 0]); // what stands behind attributes
            value::push_entry(9, b"key 2", &any(200), &mut span);
            let mut target = Target::new();
            target.set(Context::Span, &span);
            let mut expected = std::collections::HashMap::from([("a", any(3)), ("key 2", any(200))]);
            for (key, len) in writes {
                let (key, any) = (KEYS[key.index(KEYS.len())], any(usize::from(len)));
                prop_assert!(target.set_attribute(Context::Span, key.as_bytes(), &any).unwrap());
                expected.insert(key, any);
                let message = target.message(Context::Span);
                for key in KEYS {
                    let found = message.attribute(key.as_bytes()).unwrap();
                    prop_assert_eq!(found, expected.get(key).map(Vec::as_slice));
                    prop_assert_eq!(found, value::find(message.bytes(), 9, key.as_bytes()).unwrap());
                }
                prop_assert_eq!(message.field(5).unwrap(), Some(name.as_bytes()));
                prop_assert_eq!(message.field(14).unwrap(), Some(&[][..]));
            }
        }
    }
}

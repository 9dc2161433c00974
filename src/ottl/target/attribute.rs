//! Attributes of an indexed message: where they lie, and how one is put in without a copy of all the others.

use std::ops::Range;

use super::Target;
use super::memory::Slot;
use crate::ottl::context::Context;
use crate::ottl::error::EvalError;
use crate::ottl::value;
use crate::wire::{Fields, Malformed, otlp};

/// An attribute of an indexed message: where its key and its encoded value lie.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attribute {
    key: u32,
    key_len: u32,
    /// The end of the key, which tells most keys apart without a look at them.
    tail: u32,
    pub(super) any: u32,
    pub(super) any_end: u32,
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
    /// Puts an encoded value under a key when that moves nothing: the key is new and goes last, or its first value is as
    /// long as this one. Gives whether it did.
    pub(in crate::ottl) fn set_attribute(
        &mut self,
        context: Context,
        key: &[u8],
        any: &[u8],
    ) -> Result<bool, EvalError> {
        self.index(context)?;
        let (slot, shown) = (self.slots.of_mut(context), self.shown[context as usize]);
        if !slot.indexed {
            return Ok(false);
        }
        let message = if slot.owned { &slot.bytes[..] } else { shown };
        match slot.find(message, key).copied() {
            Some(found) if any.is_empty() || found.any_end - found.any != any.len() as u32 => Ok(false),
            Some(found) => {
                let place = found.any as usize..found.any_end as usize;
                slot.to_mut(shown)[place].copy_from_slice(any);
                Ok(true)
            }
            None => {
                let field = slot.attributes_field();
                let bytes = slot.to_mut(shown);
                let before = bytes.len();
                value::push_entry(field, key, any, bytes);
                let end = bytes.len();
                if end > u32::MAX as usize {
                    slot.indexed = false;
                    return Ok(true);
                }
                for appended in Fields::within(&slot.bytes, before..end) {
                    slot.index_attributes.push(Attribute::of(&slot.bytes, appended?.bytes()?)?);
                }
                Ok(true)
            }
        }
    }
}

impl Attribute {
    /// Finds key and value of the `KeyValue` in a range.
    #[inline]
    pub(super) fn of(bytes: &[u8], range: Range<usize>) -> Result<Self, Malformed> {
        let (key, any) = match plain(&bytes[range.clone()]) {
            Some(key_len) => {
                let key = range.start + 2..range.start + 2 + key_len;
                (key.clone(), key.end + 2..range.end)
            }
            None => walked(bytes, range)?,
        };
        let (key_len, any_end) = (key.len() as u32, any.end as u32);
        let tail = tail(&bytes[key.clone()]);
        Ok(Self { key: key.start as u32, key_len, tail, any: any.start as u32, any_end })
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

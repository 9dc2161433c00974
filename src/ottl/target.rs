//! What a statement sees: the encoded messages from the resource down to the item, each changed when first written.

mod attribute;
mod memory;

use std::borrow::Cow;

pub use memory::Memory;
use memory::{Slot, Slots};

use super::context::Context;
use super::error::EvalError;
use super::value::{self, LIST_VALUES};
use crate::wire::{Fields, Malformed, Payload, otlp};

/// The messages around one item. Set from the outside in; the innermost is what statements run on.
///
/// What is shown is borrowed; what is made of it lies in a [`Memory`], which serves one item after the other.
#[derive(Debug, Default)]
pub struct Target<'a> {
    shown: [&'a [u8]; Context::COUNT],
    schema_urls: [&'a [u8]; 2],
    slots: Box<Slots>,
}

/// One message, as it is now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'t> {
    bytes: &'t [u8],
    slot: &'t Slot,
}

/// A field of an indexed message.
#[derive(Clone, Copy, Debug)]
struct Entry {
    number: u32,
    /// Whether it has bytes, from `start` to `end`; otherwise a number.
    bytes: bool,
    start: u32,
    end: u32,
    value: u64,
}

impl<'a> Target<'a> {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Nothing yet, in memory that other items have used.
    pub fn with(memory: Memory) -> Self {
        Self { shown: Default::default(), schema_urls: Default::default(), slots: memory.emptied() }
    }

    /// The memory, with what statements have made in it.
    pub fn into_memory(self) -> Memory {
        Memory::of(self.slots)
    }

    /// Puts a message in its place, unchanged. A metric's data says what its data points look like.
    pub fn set(&mut self, context: Context, bytes: impl Into<Cow<'a, [u8]>>) {
        let slot = self.slots.of_mut(context);
        slot.begin(context);
        match bytes.into() {
            Cow::Borrowed(bytes) => self.shown[context as usize] = bytes,
            Cow::Owned(bytes) => (slot.owned, slot.bytes) = (true, bytes),
        }
        if context == Context::Metric {
            self.find_data();
        }
    }

    /// Finds what the metric's data is, after the metric has become another.
    pub(super) fn find_data(&mut self) {
        let data = Fields::new(self.bytes(Context::Metric))
            .map_while(Result::ok)
            .map(|field| field.number)
            .filter(|number| otlp::METRIC_DATA.contains(number))
            .last();
        self.set_data(data.unwrap_or(0));
    }

    /// Says what the metric's data is: the field of [`otlp::METRIC_DATA`], or 0. For callers who set a metric without it.
    pub fn set_data(&mut self, data: u32) {
        self.slots.of_mut(Context::Metric).data = data;
        self.slots.of_mut(Context::DataPoint).data = data;
    }

    /// The schema url of the resource's or scope's entry, which stands beside the message.
    pub fn set_schema_url(&mut self, context: Context, url: &'a [u8]) {
        if let Some(at) = memory::schema_slot(context) {
            self.schema_urls[at] = url;
            self.slots.schema_urls[at] = None;
        }
    }

    /// The place of the event among those of its span.
    pub fn set_event_index(&mut self, index: usize) {
        self.slots.event_index = i64::try_from(index).unwrap_or(i64::MAX);
    }

    /// The message as it is now.
    #[inline]
    pub fn bytes(&self, context: Context) -> &[u8] {
        let slot = self.slots.of(context);
        if slot.owned { &slot.bytes } else { self.shown[context as usize] }
    }

    /// The message, if a statement has changed it since it was set.
    pub fn changed(&self, context: Context) -> Option<&[u8]> {
        let slot = self.slots.of(context);
        slot.changed.then_some(&*slot.bytes)
    }

    pub(super) fn make(&mut self, metric: Vec<u8>) {
        self.slots.made.push(metric);
    }

    pub(super) fn schema_url(&self, context: Context) -> &[u8] {
        let Some(at) = memory::schema_slot(context) else { return &[] };
        self.slots.schema_urls[at].as_deref().unwrap_or(self.schema_urls[at])
    }

    pub(super) fn write_schema_url(&mut self, context: Context, url: &[u8]) {
        if let Some(at) = memory::schema_slot(context) {
            self.slots.schema_urls[at] = Some(url.to_vec());
        }
    }

    pub(super) fn event_index(&self) -> i64 {
        self.slots.event_index
    }

    pub(super) fn cache(&self, context: Context) -> &[u8] {
        &self.slots.of(context).cache
    }

    pub(super) fn cache_mut(&mut self, context: Context) -> &mut Vec<u8> {
        &mut self.slots.of_mut(context).cache
    }

    #[inline]
    pub(super) fn message(&self, context: Context) -> Message<'_> {
        Message { bytes: self.bytes(context), slot: self.slots.of(context) }
    }

    /// Replaces a message.
    pub(super) fn write(&mut self, context: Context, bytes: Vec<u8>) {
        let slot = self.slots.of_mut(context);
        slot.bytes = bytes;
        (slot.owned, slot.changed, slot.indexed) = (true, true, false);
    }

    /// Makes sure that the fields of a message are known.
    #[inline]
    pub(super) fn index(&mut self, context: Context) -> Result<(), Malformed> {
        let slot = self.slots.of_mut(context);
        if slot.indexed { Ok(()) } else { slot.build_index(self.shown[context as usize]) }
    }
}

impl<'t> Message<'t> {
    pub(super) fn bytes(self) -> &'t [u8] {
        self.bytes
    }

    /// The metric's data field; 0 when unknown.
    pub(super) fn data(self) -> u32 {
        self.slot.data
    }

    pub(super) fn attributes_field(self) -> u32 {
        self.slot.attributes_field()
    }

    /// The encoded value of the first attribute of this key.
    #[inline]
    pub(super) fn attribute(self, wanted: &[u8]) -> Result<Option<&'t [u8]>, Malformed> {
        if !self.slot.indexed {
            return value::find(self.bytes, self.attributes_field(), wanted);
        }
        let found = self.slot.find(self.bytes, wanted);
        Ok(found.map(|attribute| &self.bytes[attribute.any as usize..attribute.any_end as usize]))
    }

    /// The bytes of the last field of this number, which is not that of attributes.
    #[inline]
    pub(super) fn field(self, number: u32) -> Result<Option<&'t [u8]>, Malformed> {
        if self.slot.indexed {
            let found = self.slot.index.iter().rev().find(|entry| entry.number == number && entry.bytes);
            return Ok(found.map(|entry| &self.bytes[entry.start as usize..entry.end as usize]));
        }
        value::payloads(self.bytes, number).last().transpose()
    }

    /// The last number in this field; fixed-size ones as their bits.
    #[inline]
    pub(super) fn number(self, number: u32) -> Result<Option<u64>, Malformed> {
        if self.slot.indexed {
            let found = self.slot.index.iter().rev().find(|entry| entry.number == number && !entry.bytes);
            return Ok(found.map(|entry| entry.value));
        }
        number_in(self.bytes, number)
    }
}

/// The last number in this field of a message.
pub(super) fn number_in(message: &[u8], number: u32) -> Result<Option<u64>, Malformed> {
    let mut found = None;
    for field in Fields::new(message) {
        let field = field?;
        found = match field.payload {
            Payload::Varint(value) | Payload::Fixed64(value) if field.number == number => Some(value),
            Payload::Fixed32(value) if field.number == number => Some(u64::from(value)),
            _ => found,
        };
    }
    Ok(found)
}

/// `exponential_histogram` of a metric.
pub(super) const DATA_EXPONENTIAL: u32 = 10;
/// `histogram` of a metric.
pub(super) const DATA_HISTOGRAM: u32 = 9;

/// What to do with an entry of a map.
pub(super) enum Edit {
    Keep,
    Remove,
    /// With this encoded value.
    Replace(Vec<u8>),
    /// With these, key and value, in its place.
    Entry(Vec<u8>, Vec<u8>),
}

/// Says what to do with an entry, by its key and encoded value.
pub(super) type EditEntry<'f> = dyn FnMut(&[u8], &[u8]) -> Result<Edit, EvalError> + 'f;

/// A map, edited entry by entry; `None` when nothing changes. All else in the message stays as it is.
pub(super) fn edit_map(
    message: &[u8],
    number: u32,
    edit: &mut EditEntry<'_>,
) -> Result<Option<Vec<u8>>, EvalError> {
    let mut out = Vec::new();
    let mut copied = 0; // everything before has been dealt with
    let mut changed = false;
    for field in Fields::new(message) {
        let field = field?;
        if field.number != number {
            continue;
        }
        let (key, any) = value::key_and_any(&message[field.bytes()?])?;
        let edit = edit(key, any)?;
        if matches!(edit, Edit::Keep) {
            continue;
        }
        if !changed {
            out.reserve(message.len());
        }
        changed = true;
        out.extend_from_slice(&message[copied..field.whole.start]);
        copied = field.whole.end;
        match edit {
            Edit::Replace(any) => value::push_entry(number, key, &any, &mut out),
            Edit::Entry(key, any) => value::push_entry(number, &key, &any, &mut out),
            Edit::Keep | Edit::Remove => {}
        }
    }
    Ok(changed.then(|| {
        out.extend_from_slice(&message[copied..]);
        out
    }))
}

/// The field of a map that stands alone.
pub(super) const MAP_FIELD: u32 = LIST_VALUES;

//! What targets keep from one item to the next: the bytes that statements write, and where fields lie.

use super::attribute::Attribute;
use super::{DATA_EXPONENTIAL, DATA_HISTOGRAM, Entry};
use crate::ottl::context::Context;
use crate::wire::{Fields, Malformed, Payload};

/// Longest message that is indexed: offsets have 32 bits, and room to grow.
pub(super) const INDEXED_MAX: usize = 1 << 31;

/// The memory of a [`Target`](super::Target), and what statements have written into it.
#[derive(Debug, Default)]
pub struct Memory(Option<Box<Slots>>);

/// A place for each message, and what belongs to all.
#[derive(Debug, Default)]
pub(super) struct Slots {
    messages: [Slot; Context::COUNT],
    /// Of resource and scope, where a statement has written one.
    pub(super) schema_urls: [Option<Vec<u8>>; 2],
    /// The place of the event among the span's.
    pub(super) event_index: i64,
    /// Metrics that statements have made.
    pub(super) made: Vec<Vec<u8>>,
}

/// What is known of one message.
#[derive(Debug, Default)]
pub(super) struct Slot {
    /// The message, once it is `owned`; otherwise only room.
    pub(super) bytes: Vec<u8>,
    pub(super) owned: bool,
    pub(super) changed: bool,
    /// The field that repeats attributes; none in a metric without metadata.
    attributes: u32,
    /// Of a metric and its points: the field of the metric that holds the data.
    pub(super) data: u32,
    /// Where the fields lie, while they are known; attributes apart, as they are asked for most.
    pub(super) index: Vec<Entry>,
    pub(super) index_attributes: Vec<Attribute>,
    pub(super) indexed: bool,
    /// Room for an entry on its way into the message.
    pub(super) entry: Vec<u8>,
    /// The map that statements keep beside the message.
    pub(super) cache: Vec<u8>,
}

impl Memory {
    pub(super) fn of(slots: Box<Slots>) -> Self {
        Self(Some(slots))
    }

    pub(super) fn emptied(self) -> Box<Slots> {
        let Some(mut slots) = self.0 else { return Box::default() };
        for context in Context::ALL {
            let slot = slots.of_mut(context);
            slot.begin(context);
            slot.data = 0;
        }
        slots.schema_urls = [None, None];
        slots.event_index = 0;
        slots.made.clear();
        slots
    }

    /// The message, if a statement has changed it. What is put in its place is room for later ones.
    pub fn take_changed(&mut self, context: Context) -> Option<&mut Vec<u8>> {
        let slot = self.0.as_mut()?.of_mut(context);
        (slot.owned, slot.indexed) = (false, false);
        std::mem::take(&mut slot.changed).then_some(&mut slot.bytes)
    }

    /// Takes the schema url out, if a statement has changed it.
    pub fn take_changed_schema_url(&mut self, context: Context) -> Option<Vec<u8>> {
        self.0.as_mut()?.schema_urls[schema_slot(context)?].take()
    }

    /// The metrics that statements have made of those they saw, which belong into the same scope.
    pub fn made(&mut self) -> impl Iterator<Item = Vec<u8>> {
        self.0.iter_mut().flat_map(|slots| slots.made.drain(..))
    }
}

impl Slots {
    #[inline]
    pub(super) fn of(&self, context: Context) -> &Slot {
        &self.messages[context as usize]
    }

    #[inline]
    pub(super) fn of_mut(&mut self, context: Context) -> &mut Slot {
        &mut self.messages[context as usize]
    }
}

impl Slot {
    /// Another message is shown here.
    #[inline]
    pub(super) fn begin(&mut self, context: Context) {
        (self.owned, self.changed, self.indexed) = (false, false, false);
        self.attributes = context.attributes();
        self.cache.clear();
    }

    pub(super) fn attributes_field(&self) -> u32 {
        match (self.attributes, self.data) {
            (0, DATA_EXPONENTIAL) => 1,
            (0, DATA_HISTOGRAM) => 9,
            (0, _) => 7,
            (field, _) => field,
        }
    }

    /// Finds where the fields of the message lie, which is `shown` unless it is owned.
    pub(super) fn build_index(&mut self, shown: &[u8]) -> Result<(), Malformed> {
        let attributes = self.attributes_field();
        let bytes = if self.owned { &self.bytes[..] } else { shown };
        self.index.clear();
        self.index_attributes.clear();
        if bytes.len() > INDEXED_MAX {
            return Ok(()); // read without an index
        }
        for field in Fields::new(bytes) {
            let field = field?;
            let (range, value) = match field.payload {
                Payload::Bytes(_) if field.number == attributes => {
                    self.index_attributes.push(Attribute::of(bytes, &field)?);
                    continue;
                }
                Payload::Bytes(range) => (Some(range), 0),
                Payload::Varint(value) | Payload::Fixed64(value) => (None, value),
                Payload::Fixed32(value) => (None, u64::from(value)),
                Payload::Group => continue,
            };
            let bytes = range.is_some();
            let range = range.unwrap_or_default();
            let (start, end) = (range.start as u32, range.end as u32);
            self.index.push(Entry { number: field.number, bytes, start, end, value });
        }
        self.indexed = true;
        Ok(())
    }
}

/// Where the schema url of the resource's or scope's entry is kept.
pub(super) fn schema_slot(context: Context) -> Option<usize> {
    match context {
        Context::Resource => Some(0),
        Context::Scope => Some(1),
        _ => None,
    }
}

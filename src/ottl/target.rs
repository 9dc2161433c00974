//! What a statement sees: the encoded messages from the resource down to the item, each changed when first written.

mod attribute;

use std::borrow::Cow;

use attribute::Attribute;

use super::context::Context;
use super::error::EvalError;
use super::value::{self, LIST_VALUES};
use crate::wire::{Fields, Malformed, Payload, otlp};

/// The messages around one item. Set from the outside in; the innermost is what statements run on.
#[derive(Debug, Default)]
pub struct Target<'a> {
    messages: [Message<'a>; Context::COUNT],
    schema_urls: [Option<Cow<'a, [u8]>>; 2],
    schema_urls_changed: [bool; 2],
    caches: [Vec<u8>; Context::COUNT],
    /// The place of the event among the span's.
    event_index: i64,
    /// Metrics that statements have made.
    made: Vec<Vec<u8>>,
}

/// One message.
#[derive(Debug, Default)]
pub(super) struct Message<'a> {
    bytes: Cow<'a, [u8]>,
    changed: bool,
    /// The field that repeats attributes; none in a metric without metadata.
    attributes: u32,
    /// Of a metric and its points: the field of the metric that holds the data.
    data: u32,
    /// Where the fields lie, while they are known; attributes apart, as they are asked for most.
    index: Vec<Entry>,
    index_attributes: Vec<Attribute>,
    indexed: bool,
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

    /// The same memory with nothing in it, for the messages of the next item.
    pub fn emptied<'b>(self) -> Target<'b> {
        Target {
            messages: self.messages.map(|mut message| {
                message.index.clear();
                message.index_attributes.clear();
                let Message { index, index_attributes, .. } = message;
                Message { index, index_attributes, ..Message::default() }
            }),
            caches: self.caches.map(|mut cache| {
                cache.clear();
                cache
            }),
            ..Target::default()
        }
    }

    /// Puts a message in its place, unchanged. A metric's data says what its data points look like.
    pub fn set(&mut self, context: Context, bytes: impl Into<Cow<'a, [u8]>>) {
        let message = &mut self.messages[context as usize];
        message.bytes = bytes.into();
        (message.changed, message.indexed) = (false, false);
        message.attributes = context.attributes();
        self.caches[context as usize].clear();
        if context == Context::Metric {
            self.find_data();
        }
    }

    /// Finds what the metric's data is, after the metric has become another.
    pub(super) fn find_data(&mut self) {
        let data = Fields::new(&self.messages[Context::Metric as usize].bytes)
            .map_while(Result::ok)
            .map(|field| field.number)
            .filter(|number| otlp::METRIC_DATA.contains(number))
            .last();
        self.set_data(data.unwrap_or(0));
    }

    /// Says what the metric's data is: the field of [`otlp::METRIC_DATA`], or 0. For callers who set a metric without it.
    pub fn set_data(&mut self, data: u32) {
        self.messages[Context::Metric as usize].data = data;
        let point = &mut self.messages[Context::DataPoint as usize];
        point.data = data;
    }

    /// The schema url of the resource's or scope's entry, which stands beside the message.
    pub fn set_schema_url(&mut self, context: Context, url: &'a [u8]) {
        if let Some(at) = schema_slot(context) {
            self.schema_urls[at] = Some(Cow::Borrowed(url));
            self.schema_urls_changed[at] = false;
        }
    }

    /// The place of the event among those of its span.
    pub fn set_event_index(&mut self, index: usize) {
        self.event_index = i64::try_from(index).unwrap_or(i64::MAX);
    }

    /// The message as it is now.
    pub fn bytes(&self, context: Context) -> &[u8] {
        &self.messages[context as usize].bytes
    }

    /// The message, if a statement has changed it since it was set.
    pub fn changed(&self, context: Context) -> Option<&[u8]> {
        let message = &self.messages[context as usize];
        message.changed.then_some(&*message.bytes)
    }

    /// Takes the schema url out, if a statement has changed it since it was set.
    pub fn take_changed_schema_url(&mut self, context: Context) -> Option<Vec<u8>> {
        let at = schema_slot(context)?;
        let changed = std::mem::take(&mut self.schema_urls_changed[at]);
        self.schema_urls[at].take().filter(|_| changed).map(Cow::into_owned)
    }

    /// Takes out the metrics that statements have made of those they saw, which belong into the same scope.
    pub fn take_made(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.made)
    }

    pub(super) fn make(&mut self, metric: Vec<u8>) {
        self.made.push(metric);
    }

    /// Takes the changed message out.
    pub fn take_changed(&mut self, context: Context) -> Option<Vec<u8>> {
        let message = &mut self.messages[context as usize];
        (message.indexed, message.index) = (false, std::mem::take(&mut message.index));
        std::mem::take(&mut message.changed).then(|| std::mem::take(&mut message.bytes).into_owned())
    }

    pub(super) fn schema_url(&self, context: Context) -> &[u8] {
        schema_slot(context).and_then(|at| self.schema_urls[at].as_deref()).unwrap_or_default()
    }

    pub(super) fn write_schema_url(&mut self, context: Context, url: &[u8]) {
        if let Some(at) = schema_slot(context) {
            self.schema_urls[at] = Some(Cow::Owned(url.to_vec()));
            self.schema_urls_changed[at] = true;
        }
    }

    pub(super) fn event_index(&self) -> i64 {
        self.event_index
    }

    pub(super) fn cache(&self, context: Context) -> &[u8] {
        &self.caches[context as usize]
    }

    pub(super) fn cache_mut(&mut self, context: Context) -> &mut Vec<u8> {
        &mut self.caches[context as usize]
    }

    #[inline]
    pub(super) fn message(&self, context: Context) -> &Message<'a> {
        &self.messages[context as usize]
    }

    pub(super) fn message_mut(&mut self, context: Context) -> &mut Message<'a> {
        &mut self.messages[context as usize]
    }

    /// Makes sure that the fields of a message are known.
    #[inline]
    pub(super) fn index(&mut self, context: Context) -> Result<(), Malformed> {
        let message = &mut self.messages[context as usize];
        if message.indexed { Ok(()) } else { message.build_index() }
    }
}

fn schema_slot(context: Context) -> Option<usize> {
    match context {
        Context::Resource => Some(0),
        Context::Scope => Some(1),
        _ => None,
    }
}

impl Message<'_> {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The metric's data field; 0 when unknown.
    pub(super) fn data(&self) -> u32 {
        self.data
    }

    pub(super) fn attributes_field(&self) -> u32 {
        match (self.attributes, self.data) {
            (0, DATA_EXPONENTIAL) => 1,
            (0, DATA_HISTOGRAM) => 9,
            (0, _) => 7,
            (field, _) => field,
        }
    }

    /// Replaces the message.
    pub(super) fn write(&mut self, bytes: Vec<u8>) {
        self.bytes = Cow::Owned(bytes);
        (self.changed, self.indexed) = (true, false);
    }

    fn build_index(&mut self) -> Result<(), Malformed> {
        let attributes = self.attributes_field();
        let bytes = &*self.bytes;
        self.index.clear();
        self.index_attributes.clear();
        if bytes.len() > u32::MAX as usize {
            return Ok(()); // read without an index
        }
        for field in Fields::new(bytes) {
            let field = field?;
            let (range, value) = match field.payload {
                Payload::Bytes(range) if field.number == attributes => {
                    self.index_attributes.push(Attribute::of(bytes, range)?);
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

    /// The encoded value of the first attribute of this key.
    #[inline]
    pub(super) fn attribute(&self, wanted: &[u8]) -> Result<Option<&[u8]>, Malformed> {
        let number = self.attributes_field();
        if !self.indexed {
            return value::find(&self.bytes, number, wanted);
        }
        let found = self.find(wanted);
        Ok(found.map(|attribute| &self.bytes[attribute.any as usize..attribute.any_end as usize]))
    }

    /// The first attribute of this key, by the index.
    #[inline]
    fn find(&self, wanted: &[u8]) -> Option<&Attribute> {
        let bytes = &*self.bytes;
        self.index_attributes.iter().find(|attribute| {
            let key = attribute.key as usize;
            attribute.key_len as usize == wanted.len() && bytes[key..key + wanted.len()] == *wanted
        })
    }

    /// The bytes of the last field of this number, which is not that of attributes.
    #[inline]
    pub(super) fn field(&self, number: u32) -> Result<Option<&[u8]>, Malformed> {
        if self.indexed {
            let found = self.index.iter().rev().find(|entry| entry.number == number && entry.bytes);
            return Ok(found.map(|entry| &self.bytes[entry.start as usize..entry.end as usize]));
        }
        value::payloads(&self.bytes, number).last().transpose()
    }

    /// The last number in this field; fixed-size ones as their bits.
    #[inline]
    pub(super) fn number(&self, number: u32) -> Result<Option<u64>, Malformed> {
        if self.indexed {
            let found = self.index.iter().rev().find(|entry| entry.number == number && !entry.bytes);
            return Ok(found.map(|entry| entry.value));
        }
        number_in(&self.bytes, number)
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
        changed = true;
        out.extend_from_slice(&message[copied..field.whole.start]);
        copied = field.whole.end;
        match edit {
            Edit::Replace(any) => value::push_entry(number, key, &any, &mut out),
            Edit::Entry(key, any) => value::push_entry(number, &key, &any, &mut out),
            Edit::Keep | Edit::Remove => {}
        }
    }
    out.extend_from_slice(&message[copied..]);
    Ok(changed.then_some(out))
}

/// The field of a map that stands alone.
pub(super) const MAP_FIELD: u32 = LIST_VALUES;

//! The attributes of one message while actions change them, over the encoded list.

use std::ops::Range;

use super::message::Message;
use super::value::{Value, write_field};
use crate::wire::{Fields, Malformed, otlp, varint_len, write_varint};

/// A list of attributes: those of the message, in place, and what has been changed since. Its memory is reused.
#[derive(Debug, Default)]
pub struct Attributes {
    field: u32,
    list: Vec<Attribute>,
    arena: Vec<u8>, // keys and values that are not in the message
    changed: bool,
}

#[derive(Clone, Debug)]
struct Attribute {
    whole: Option<Range<usize>>, // in the message; none for what was added
    key: Place,
    value: Place,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Untouched,
    Changed,
    Removed,
}

#[derive(Clone, Debug)]
enum Place {
    Message(Range<usize>),
    Arena(Range<usize>),
}

impl Attributes {
    /// Reads the attributes of `message`, its field `field`.
    pub fn load(&mut self, message: &[u8], field: u32) -> Result<(), Malformed> {
        self.field = field;
        self.list.clear();
        self.arena.clear();
        self.changed = false;
        for one in Fields::new(message) {
            let one = one?;
            if one.number == field {
                self.read(message, one.bytes()?, one.whole)?;
            }
        }
        Ok(())
    }

    fn read(&mut self, message: &[u8], pair: Range<usize>, whole: Range<usize>) -> Result<(), Malformed> {
        let (mut key, mut value) = (0..0, None);
        let joined_from = self.arena.len();
        for field in Fields::within(message, pair) {
            let field = field?;
            match (field.number, &value) {
                (otlp::ATTRIBUTE_KEY, _) => key = field.bytes()?,
                (otlp::ATTRIBUTE_VALUE, None) => value = Some(Place::Message(field.bytes()?)),
                (otlp::ATTRIBUTE_VALUE, Some(before)) => {
                    if let Place::Message(before) = before {
                        self.arena.extend_from_slice(&message[before.clone()]);
                    }
                    self.arena.extend_from_slice(&message[field.bytes()?]);
                    value = Some(Place::Arena(joined_from..self.arena.len()));
                }
                _ => {}
            }
        }
        let value = value.unwrap_or(Place::Message(0..0));
        let key = Place::Message(key);
        self.list.push(Attribute { whole: Some(whole), key, value, state: State::Untouched });
        Ok(())
    }

    /// Whether anything has been changed.
    pub fn is_changed(&self) -> bool {
        self.changed
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.indices().next().is_none()
    }

    /// Where the attributes are that are left.
    pub fn indices(&self) -> impl Iterator<Item = usize> {
        self.list.iter().enumerate().filter(|(_, one)| one.state != State::Removed).map(|(index, _)| index)
    }

    /// One past the last index.
    pub fn end(&self) -> usize {
        self.list.len()
    }

    /// Whether an attribute is left.
    pub fn is_left(&self, index: usize) -> bool {
        self.list[index].state != State::Removed
    }

    /// The key of an attribute.
    pub fn key<'a>(&'a self, message: &'a [u8], index: usize) -> &'a [u8] {
        self.at(message, &self.list[index].key)
    }

    /// The encoded value of an attribute.
    pub fn encoded<'a>(&'a self, message: &'a [u8], index: usize) -> &'a [u8] {
        self.at(message, &self.list[index].value)
    }

    /// The value of an attribute.
    pub fn value<'a>(&'a self, message: &'a [u8], index: usize) -> Result<Value<'a>, Malformed> {
        Value::read(self.encoded(message, index))
    }

    fn at<'a>(&'a self, message: &'a [u8], place: &Place) -> &'a [u8] {
        match place {
            Place::Message(range) => &message[range.clone()],
            Place::Arena(range) => &self.arena[range.clone()],
        }
    }

    /// The first attribute with this key.
    #[inline]
    pub fn find(&self, message: &[u8], key: &[u8]) -> Option<usize> {
        self.indices().find(|index| self.key(message, *index) == key)
    }

    /// Gives an attribute another value, encoded.
    pub fn set(&mut self, index: usize, encoded: &[u8]) {
        let value = self.keep(encoded);
        let one = &mut self.list[index];
        one.value = value;
        one.state = State::Changed;
        self.changed = true;
    }

    /// Adds an attribute; whether there is one of this key is for the caller to know.
    pub fn add(&mut self, key: &[u8], encoded: &[u8]) {
        let (key, value) = (self.keep(key), self.keep(encoded));
        self.list.push(Attribute { whole: None, key, value, state: State::Changed });
        self.changed = true;
    }

    /// Gives the attribute of this key a value, adding it when there is none.
    pub fn put(&mut self, message: &[u8], key: &[u8], encoded: &[u8]) {
        match self.find(message, key) {
            Some(index) => self.set(index, encoded),
            None => self.add(key, encoded),
        }
    }

    /// Removes an attribute.
    pub fn remove(&mut self, index: usize) {
        self.list[index].state = State::Removed;
        self.changed = true;
    }

    fn keep(&mut self, bytes: &[u8]) -> Place {
        let start = self.arena.len();
        self.arena.extend_from_slice(bytes);
        Place::Arena(start..self.arena.len())
    }

    /// Appends the message with these attributes in place of its own. What was not changed is copied in runs.
    pub fn write(&self, message: &[u8], out: &mut Vec<u8>) {
        let mut copied = 0;
        for one in &self.list {
            let (State::Changed | State::Removed, Some(whole)) = (one.state, &one.whole) else { continue };
            out.extend_from_slice(&message[copied..whole.start]);
            if one.state == State::Changed {
                self.write_pair(message, one, out);
            }
            copied = whole.end;
        }
        out.extend_from_slice(&message[copied..]);
        let added = self.list.iter().filter(|one| one.whole.is_none() && one.state != State::Removed);
        added.for_each(|one| self.write_pair(message, one, out));
    }

    /// Puts the attributes into the message if they were changed.
    pub fn store(&self, message: &mut Message<'_>, memory: &mut Vec<u8>) {
        if self.changed {
            memory.clear();
            self.write(message.bytes(), memory);
            message.replace(memory);
        }
    }

    fn write_pair(&self, message: &[u8], one: &Attribute, out: &mut Vec<u8>) {
        let (key, value) = (self.at(message, &one.key), self.at(message, &one.value));
        let len = |bytes: &[u8]| 1 + varint_len(bytes.len() as u64) + bytes.len();
        write_varint(out, u64::from(self.field << 3 | 2));
        write_varint(out, (len(key) + len(value)) as u64);
        write_field(otlp::ATTRIBUTE_KEY, key, out);
        write_field(otlp::ATTRIBUTE_VALUE, value, out);
    }
}

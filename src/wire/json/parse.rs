//! JSON to protobuf, token by token: the document never becomes a tree.

use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor};

use super::error::Step;
use super::proto::{close, open};
use super::scalar::{self, Scalar};
use super::schema::{Field, Kind, Message, Rule, request};
use super::{DEPTH_MAX, JsonError, Limits};
use crate::outcome::Signal;

/// The protobuf form of an export request in JSON. Keys may be camelCase or snake_case, enums numbers or names,
/// numbers strings; unknown fields are ignored and `null` is none.
///
/// # Errors
/// A document that is not JSON, not an object, over a limit, or has a value that its field does not take.
pub fn to_protobuf(signal: Signal, json: &[u8], limits: Limits) -> Result<Vec<u8>, JsonError> {
    let mut work = Work {
        // Names are most of a document; its values rarely take half of it.
        out: Vec::with_capacity((json.len() / 2).min(limits.output_bytes)),
        path: Vec::new(),
        depth: 0,
        limits: Limits { depth: limits.depth.min(DEPTH_MAX), ..limits },
    };
    let mut parser = serde_json::Deserializer::from_slice(json);
    let root = Root { work: &mut work, message: request(signal) };
    let result = parser.deserialize_map(root).and_then(|()| parser.end());
    match result {
        Ok(()) => Ok(work.out),
        Err(error) => Err(JsonError::at(&error, &work.path, json)),
    }
}

/// What is being made, and where in the document we are.
struct Work {
    out: Vec<u8>,
    path: Vec<Step>,
    depth: usize,
    limits: Limits,
}

impl Work {
    fn enter<E: Error>(&mut self) -> Result<(), E> {
        self.depth += 1;
        if self.depth > self.limits.depth {
            return Err(E::custom(format_args!("nested more than {} levels deep", self.limits.depth)));
        }
        Ok(())
    }

    fn check_size<E: Error>(&self) -> Result<(), E> {
        if self.out.len() > self.limits.output_bytes {
            let limit = self.limits.output_bytes;
            return Err(E::custom(format_args!("takes more than {limit} bytes in protobuf")));
        }
        Ok(())
    }

    /// The fields of one message. The path stays where an error happened.
    fn message<'de, A: MapAccess<'de>>(
        &mut self,
        message: &'static Message,
        mut map: A,
    ) -> Result<(), A::Error> {
        self.enter()?;
        let (mut hint, mut seen) = (0, 0_u32);
        while let Some(found) = map.next_key_seed(KeySeed { message, hint })? {
            let Some((index, field)) = found else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            hint = index + 1;
            let again = seen & (1 << index) != 0;
            seen |= 1 << index;
            self.path.push(Step::Key(field.name));
            map.next_value_seed(ValueSeed { work: self, field, place: Place::Field, again })?;
            self.path.pop();
            self.check_size()?;
        }
        self.depth -= 1;
        Ok(())
    }

    /// The elements of one repeated field.
    fn elements<'de, A: SeqAccess<'de>>(
        &mut self,
        field: &'static Field,
        mut seq: A,
    ) -> Result<(), A::Error> {
        self.enter()?;
        let before = self.out.len();
        let packed = field.kind.packs().then(|| open(&mut self.out, field.number));
        let place = if packed.is_some() { Place::Packed } else { Place::Element };
        for index in 0.. {
            self.path.push(Step::Index(index));
            if seq.next_element_seed(ValueSeed { work: self, field, place, again: false })?.is_none() {
                break;
            }
            self.path.pop();
            self.check_size()?;
        }
        self.path.pop();
        match packed {
            Some(start) if self.out.len() == start => self.out.truncate(before),
            Some(start) => close(&mut self.out, start),
            None => {}
        }
        self.depth -= 1;
        Ok(())
    }
}

/// The document itself.
struct Root<'w> {
    work: &'w mut Work,
    message: &'static Message,
}

impl<'de> Visitor<'de> for Root<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the object of an {}", self.message.name)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        self.work.message(self.message, map)
    }
}

/// A key: the field of that name, where there is one.
struct KeySeed {
    message: &'static Message,
    hint: usize,
}

impl<'de> DeserializeSeed<'de> for KeySeed {
    type Value = Option<(usize, &'static Field)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        // As bytes: a key that is not UTF-8 is one more unknown field.
        deserializer.deserialize_bytes(self)
    }
}

impl<'de> Visitor<'de> for KeySeed {
    type Value = Option<(usize, &'static Field)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_bytes<E: Error>(self, key: &[u8]) -> Result<Self::Value, E> {
        let key = std::str::from_utf8(key).unwrap_or_default();
        Ok(self.message.field_by_name(key, self.hint))
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        self.visit_bytes(key.as_bytes())
    }
}

/// Where a value stands.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    /// After a key.
    Field,
    /// In the array of a repeated field, a field each.
    Element,
    /// In the array of a repeated field that is packed.
    Packed,
}

/// A value of `field`, appended to what is being made.
struct ValueSeed<'w> {
    work: &'w mut Work,
    field: &'static Field,
    place: Place,
    /// The key was there before: the last value counts, even where it is a default.
    again: bool,
}

impl ValueSeed<'_> {
    fn wants_array(&self) -> bool {
        self.field.rule == Rule::Repeated && self.place == Place::Field
    }

    fn scalar<E: Error>(self, value: Scalar<'_>) -> Result<(), E> {
        let put = match self.place {
            _ if self.wants_array() => None,
            Place::Packed => scalar::put_packed(&mut self.work.out, self.field.kind, value),
            Place::Field | Place::Element => scalar::put(&mut self.work.out, self.field, value, self.again),
        };
        put.ok_or_else(|| {
            let found = match value {
                Scalar::Bool(flag) => Unexpected::Bool(flag),
                Scalar::Integer(value) => {
                    i64::try_from(value).map_or(Unexpected::Unsigned(value as u64), Unexpected::Signed)
                }
                Scalar::Float(value) => Unexpected::Float(value),
                Scalar::Text(text) => Unexpected::Str(text),
            };
            E::invalid_value(found, &self)
        })
    }
}

impl<'de> DeserializeSeed<'de> for ValueSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.field.kind {
            // JavaScript cuts text between the halves of a surrogate pair: what comes as text need not be UTF-8.
            Kind::Text if !self.wants_array() => deserializer.deserialize_option(self),
            _ => deserializer.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for ValueSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.wants_array() {
            f.write_str("an array")
        } else {
            f.write_str(scalar::expected(self.field.kind))
        }
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        match (self.place, self.field.kind) {
            (Place::Field, _) => Ok(()),
            // A hole in an array keeps its place: the value that follows must not slip into it.
            (Place::Element, Kind::Message(_) | Kind::Text) => {
                open(&mut self.work.out, self.field.number);
                Ok(())
            }
            _ => Err(E::invalid_type(Unexpected::Unit, &self)),
        }
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_bytes(self)
    }

    fn visit_bytes<E: Error>(self, value: &[u8]) -> Result<(), E> {
        self.scalar(Scalar::Text(&String::from_utf8_lossy(value)))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.scalar(Scalar::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.scalar(Scalar::Integer(i128::from(value)))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.scalar(Scalar::Integer(i128::from(value)))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.scalar(Scalar::Float(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.scalar(Scalar::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<(), A::Error> {
        if !self.wants_array() {
            return Err(A::Error::invalid_type(Unexpected::Seq, &self));
        }
        self.work.elements(self.field, seq)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        let Kind::Message(message) = self.field.kind else {
            return Err(A::Error::invalid_type(Unexpected::Map, &self));
        };
        if self.wants_array() {
            return Err(A::Error::invalid_type(Unexpected::Map, &self));
        }
        let start = open(&mut self.work.out, self.field.number);
        self.work.message(message, map)?;
        close(&mut self.work.out, start);
        Ok(())
    }
}

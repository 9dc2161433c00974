//! The attributes that policies ask for, found by key, and what is asked of their values.

use regex::bytes::RegexSet;
use smallvec::SmallVec;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::Facts;
use super::predicate::Predicate;
use super::value::{Value, compare};
use crate::pattern;
use crate::sample::{Config, Number};
use crate::semconv;

/// Where an attribute stands; the Collector treats odd values differently there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Resource,
    Span,
}

/// Facts that a value makes true.
pub(super) type FactList = SmallVec<[u16; 4]>;

/// Wanted keys in a hash table over length and three bytes, so that an attribute nobody asks for costs a look at a
/// table, however many policies there are.
#[derive(Debug)]
pub(super) struct Keys {
    heads: Box<[u16]>, // index + 1 of the first key of a chain
    keys: Vec<Key>,
    compat: bool,
}

/// One wanted key.
#[derive(Debug)]
pub(super) struct Key {
    name: Box<[u8]>,
    next: u16, // index + 1 of the next key of the chain
    /// The key that the attribute has by its other name, should it be wanted too.
    pub(super) other: Option<u16>,
    exact: Vec<(Box<[u8]>, FactList)>,
    patterns: Vec<(RegexSet, u16)>,
    numbers: Vec<(Option<Number>, Option<Number>, u16)>,
    booleans: [FactList; 2],
    /// Fields of dynamic samplers that this key is: their number, and whether only the root span's counts.
    pub(super) fields: SmallVec<[(u16, bool); 1]>,
}

const SLOTS: usize = 256;

impl Keys {
    pub(super) fn new(predicates: &[Predicate], fields: &[String], config: &Config) -> Self {
        let mut keys = Self { heads: vec![0; SLOTS].into(), keys: Vec::new(), compat: config.compat };
        for (fact, predicate) in (0u16..).zip(predicates) {
            match predicate {
                Predicate::Text { key, values, regex: true } => {
                    let patterns = pattern::compile_any(values).unwrap_or_else(|_| RegexSet::empty());
                    keys.wanted(key).patterns.push((patterns, fact));
                }
                Predicate::Text { key, values, regex: false } => {
                    values.iter().for_each(|value| keys.wanted(key).want_exact(value, fact));
                }
                Predicate::Number { key, min, max } if min.is_some() || max.is_some() => {
                    keys.wanted(key).numbers.push((*min, *max, fact));
                }
                Predicate::Boolean { key, value } => {
                    keys.wanted(key).booleans[usize::from(*value)].push(fact);
                }
                _ => {}
            }
        }
        for (number, field) in (0u16..).zip(fields) {
            let (name, root) =
                field.strip_prefix("root.").map_or((field.as_str(), false), |name| (name, true));
            keys.wanted(name).fields.push((number, root));
        }
        if config.semconv {
            keys.link_others();
        }
        keys
    }

    /// Wants the other names of renamed attributes too.
    fn link_others(&mut self) {
        for index in 0..self.keys.len() {
            if let Some(other) = semconv::other(&self.keys[index].name) {
                let other = self.index_of(other);
                self.keys[index].other = Some(other as u16);
                self.keys[other].other = Some(index as u16);
            }
        }
    }

    fn wanted(&mut self, name: &str) -> &mut Key {
        let index = self.index_of(name.as_bytes());
        &mut self.keys[index]
    }

    fn index_of(&mut self, name: &[u8]) -> usize {
        self.find(name).unwrap_or_else(|| {
            let slot = slot(name);
            self.keys.push(Key {
                name: name.into(),
                next: self.heads[slot],
                other: None,
                exact: Vec::new(),
                patterns: Vec::new(),
                numbers: Vec::new(),
                booleans: Default::default(),
                fields: SmallVec::new(),
            });
            self.heads[slot] = self.keys.len() as u16;
            self.keys.len() - 1
        })
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    pub(super) fn at(&self, index: usize) -> &Key {
        &self.keys[index]
    }

    /// The index of a wanted key.
    #[inline]
    pub(super) fn find(&self, name: &[u8]) -> Option<usize> {
        let mut next = self.heads[slot(name)];
        while let Some(index) = usize::from(next).checked_sub(1) {
            if *self.keys[index].name == *name {
                return Some(index);
            }
            next = self.keys[index].next;
        }
        None
    }

    /// Sets the facts that the value of a wanted key makes true.
    pub(super) fn judge(&self, index: usize, place: Place, value: Value<'_>, facts: &mut Facts) {
        let key = &self.keys[index];
        // The Collector reads a value of another type as the zero of the type asked for.
        let text = match value {
            Value::Text(text) => Some(text),
            _ => self.compat.then_some(&b""[..]),
        };
        if let Some(text) = text {
            key.judge_text(place, text, facts);
        }
        let number = match value {
            Value::Int(number) => Some(Number::Int(number)),
            Value::Double(number) if !self.compat => Some(Number::Double(number)),
            _ => self.compat.then_some(Number::Int(0)),
        };
        if let Some(number) = number {
            key.judge_number(number, facts);
        }
        let boolean = match value {
            Value::Bool(boolean) => Some(boolean),
            _ => self.compat.then_some(false),
        };
        if let Some(boolean) = boolean {
            key.booleans[usize::from(boolean)].iter().for_each(|fact| facts.set(*fact));
        }
    }
}

impl Key {
    fn want_exact(&mut self, value: &str, fact: u16) {
        match self.exact.binary_search_by(|(known, _)| (**known).cmp(value.as_bytes())) {
            Ok(at) => self.exact[at].1.push(fact),
            Err(at) => self.exact.insert(at, (value.as_bytes().into(), FactList::from_slice(&[fact]))),
        }
    }

    fn judge_text(&self, place: Place, text: &[u8], facts: &mut Facts) {
        if let Ok(at) = self.exact.binary_search_by(|(value, _)| (**value).cmp(text)) {
            self.exact[at].1.iter().for_each(|fact| facts.set(*fact));
        }
        if text.is_empty() && place == Place::Span {
            return; // the Collector does not search an empty value of a span, but it does that of a resource
        }
        for (patterns, fact) in &self.patterns {
            if !facts.has(*fact) && patterns.is_match(text) {
                facts.set(*fact);
            }
        }
    }

    fn judge_number(&self, number: Number, facts: &mut Facts) {
        for (min, max, fact) in &self.numbers {
            let above = min.is_none_or(|min| compare(number, min).is_some_and(|order| order.is_ge()));
            let below = max.is_none_or(|max| compare(number, max).is_some_and(|order| order.is_le()));
            if above && below {
                facts.set(*fact);
            }
        }
    }
}

/// Length and three bytes tell nearly all keys in use apart.
#[inline]
fn slot(name: &[u8]) -> usize {
    let (Some(first), Some(last)) = (name.first(), name.last()) else {
        return 0;
    };
    let middle = name[name.len() / 2];
    let mixed =
        u32::from(*first) | u32::from(middle) << 8 | u32::from(*last) << 16 | (name.len() as u32) << 24;
    (mixed.wrapping_mul(0x9e37_79b1) >> 24) as usize
}

/// What a value contributes to the key of a dynamic sampler; the same on every node.
pub(super) fn fingerprint(value: Value<'_>) -> u64 {
    match value {
        Value::None => 0,
        Value::Text(text) => xxh3_64_with_seed(text, 1),
        Value::Bool(value) => xxh3_64_with_seed(&[u8::from(value)], 2),
        Value::Int(value) => xxh3_64_with_seed(&value.to_le_bytes(), 3),
        Value::Double(value) => xxh3_64_with_seed(&value.to_bits().to_le_bytes(), 4),
        Value::Other(bytes) => xxh3_64_with_seed(bytes, 5),
    }
}

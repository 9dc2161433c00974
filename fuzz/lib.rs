//! What the targets share: the decoded truth that split and gather are held against.

use std::collections::BTreeMap;

use bytes::Bytes;
use prost::Message;
use ringtail::outcome::Signal;
use ringtail::split::{Choice, Chooser, Slice, Split, Splitter};

/// The first byte of an input, and the rest.
pub fn head(data: &[u8]) -> (u8, &[u8]) {
    data.split_first().map_or((0, &[]), |(first, rest)| (*first, rest))
}

/// A signal for any byte.
pub fn signal(byte: u8) -> Signal {
    Signal::ALL[usize::from(byte) % Signal::ALL.len()]
}

/// An export request of any signal, down to the items, everything in it as bytes. `Vec` where OTLP has one: what
/// stands twice shall travel twice.
#[derive(Clone, PartialEq, Message)]
pub struct Request {
    #[prost(message, repeated, tag = "1")]
    entries: Vec<Entry>,
}

#[derive(Clone, PartialEq, Message)]
struct Entry {
    #[prost(bytes = "vec", repeated, tag = "1")]
    resource: Vec<Vec<u8>>,
    #[prost(message, repeated, tag = "2")]
    scopes: Vec<Scope>,
    #[prost(bytes = "vec", repeated, tag = "3")]
    schema_url: Vec<Vec<u8>>,
    #[prost(message, repeated, tag = "1000")]
    deprecated: Vec<Scope>,
}

#[derive(Clone, PartialEq, Message)]
struct Scope {
    #[prost(bytes = "vec", repeated, tag = "1")]
    scope: Vec<Vec<u8>>,
    #[prost(bytes = "vec", repeated, tag = "2")]
    items: Vec<Vec<u8>>,
    #[prost(bytes = "vec", repeated, tag = "3")]
    schema_url: Vec<Vec<u8>>,
}

/// Every item with what describes it, counted.
pub type Census = BTreeMap<Vec<Vec<Vec<u8>>>, usize>;

/// Adds the items of `request` that `wanted` wants.
pub fn count(request: &Request, wanted: impl Fn(&[u8]) -> bool, census: &mut Census) {
    for entry in &request.entries {
        let scopes = if entry.scopes.is_empty() { &entry.deprecated } else { &entry.scopes };
        for scope in scopes {
            for item in scope.items.iter().filter(|item| wanted(item)) {
                let (above, beside) = (&entry.resource, &entry.schema_url);
                let key = vec![
                    above.clone(),
                    beside.clone(),
                    scope.scope.clone(),
                    scope.schema_url.clone(),
                    vec![item.clone()],
                ];
                *census.entry(key).or_default() += 1;
            }
        }
    }
}

/// An item's owner is a function of its bytes; one share of all is nobody's.
pub struct ByBytes {
    /// How many owners there are.
    pub owners: u8,
}

impl ByBytes {
    /// The owner of one item.
    pub fn choose(&self, item: &[u8]) -> Choice {
        let sum = item.iter().fold(item.len() as u8, |sum, byte| sum.rotate_left(3) ^ byte);
        match u16::from(sum % (self.owners.max(1) + 1)) {
            0 if self.owners > 1 => Choice::Reject,
            owner => Choice::Owner(owner),
        }
    }
}

impl Chooser for ByBytes {
    fn item(&mut self, item: &[u8]) -> Choice {
        self.choose(item)
    }
}

/// Splits, and holds what can be said without decoding against each other. None for what is refused.
pub fn split(signal: Signal, body: &[u8], owners: u8) -> Option<Split> {
    let body = Bytes::copy_from_slice(body);
    let counted = ringtail::split::count_items(signal, &body);
    let split = match Splitter::default().split(signal, body.clone(), &mut ByBytes { owners }) {
        Ok(split) => split,
        Err(refused) => {
            // Only depth and the insides of metrics are judged more strictly than by the reference.
            let excused = signal == Signal::Metrics || refused.what.starts_with("groups");
            assert!(excused || Request::decode(body).is_err(), "refused what can be decoded: {refused}");
            return None;
        }
    };
    assert_eq!(counted, Ok(split.items));
    let taken: u64 = split.slices.iter().map(|(_, slice)| u64::from(slice.items)).sum();
    assert_eq!(taken + split.rejected, split.items);
    for (_, slice) in &split.slices {
        check_alone(slice);
    }
    Some(split)
}

/// A slice that travels alone: it fits its announced size, and a copy of it says the same.
fn check_alone(slice: &Slice) {
    let alone = ringtail::split::gather(std::slice::from_ref(slice));
    assert!(alone.len() <= slice.bytes, "{} bytes, announced {}", alone.len(), slice.bytes);
    let copy = slice.detached();
    assert_eq!(copy.items, slice.items);
    assert_eq!(ringtail::split::gather(&[copy]), alone);
    assert_eq!(ringtail::split::count_items(slice.source.signal, &alone), Ok(u64::from(slice.items)));
}

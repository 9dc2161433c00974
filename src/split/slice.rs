//! What a slice is: ranges of a request's own bytes.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;
use xxhash_rust::xxh3::xxh3_64;

use super::{Choice, Chooser, Splitter, gather};
use crate::outcome::Signal;

/// The items of one request that have one owner. Cheap to move; the bytes stay in the request's buffer.
#[derive(Clone, Debug)]
pub struct Slice {
    /// The request, shared by its slices.
    pub source: Arc<Source>,
    /// Where the items lie, in the order of the request; neighbours are one run.
    pub runs: SmallVec<[Run; 2]>,
    /// Spans, log records or metric data points in the runs.
    pub items: u32,
    /// Encoded size, as if this slice left alone (an upper bound of what it adds to a call).
    pub bytes: usize,
    /// The slice is its whole request, which can travel as it came.
    pub whole: bool,
}

/// Consecutive item fields of one scope entry, tags included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Index of the scope entry in [`Source::scopes`].
    pub scope: u32,
    /// First byte in [`Source::body`].
    pub start: u32,
    /// Behind the last byte.
    pub end: u32,
}

/// A request and where its resource and scope descriptions lie.
#[derive(Debug)]
pub struct Source {
    /// Which signal it is a request of.
    pub signal: Signal,
    /// The encoded request.
    pub body: Bytes,
    /// One per resource entry.
    pub resources: Vec<Fragments>,
    /// One per scope entry.
    pub scopes: Vec<ScopeHead>,
}

/// A scope entry without its items.
#[derive(Debug)]
pub struct ScopeHead {
    /// Index of its resource entry in [`Source::resources`].
    pub resource: u32,
    /// Its own fields.
    pub fields: Fragments,
}

/// Every field of an entry but the nested ones: description, schema URL, fields unknown to us; in order, whole.
#[derive(Clone, Debug, Default)]
pub struct Fragments {
    /// Hash of the bytes: equal descriptions are found by it and then compared.
    pub key: u64,
    /// Encoded size.
    pub len: usize,
    /// Where they lie in the body; neighbours are one range.
    pub ranges: SmallVec<[Range<u32>; 2]>,
}

impl Fragments {
    /// Adds the next field; one that touches the last is joined to it.
    pub fn push(&mut self, field: Range<usize>) {
        let (start, end) = (field.start as u32, field.end as u32);
        self.len += field.len();
        match self.ranges.last_mut() {
            Some(last) if last.end == start => last.end = end,
            _ => self.ranges.push(start..end),
        }
    }

    /// Computes the key once all fields are in.
    pub fn seal(&mut self, body: &[u8]) {
        let mut key = self.ranges.len() as u64;
        for part in self.parts(body) {
            key = key.rotate_left(23) ^ xxh3_64(part);
        }
        self.key = key;
    }

    /// The bytes, part by part.
    pub fn parts<'a>(&'a self, body: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        self.ranges.iter().map(move |range| &body[range.start as usize..range.end as usize])
    }

    /// Whether two descriptions are byte for byte the same; the key decides nearly always, the bytes finally.
    pub(super) fn same(&self, body: &[u8], other: &Self, other_body: &[u8]) -> bool {
        self.key == other.key
            && self.len == other.len
            && (self.ranges.len() == other.ranges.len())
            && self.parts(body).zip(other.parts(other_body)).all(|(a, b)| a == b)
    }
}

impl Source {
    /// The bytes of one run.
    #[inline]
    pub(super) fn run(&self, run: Run) -> &[u8] {
        &self.body[run.start as usize..run.end as usize]
    }
}

impl Slice {
    /// A copy that no longer keeps the whole request's buffer alive; for slices that have to wait long.
    pub fn detached(&self) -> Self {
        if self.whole {
            return self.clone();
        }
        let body = Bytes::from(gather(std::slice::from_ref(self)));
        let split = Splitter::default().split(self.source.signal, body, &mut Everything);
        let mut slices = split.expect("gathered bytes are well formed").slices;
        slices.pop().map_or_else(|| self.clone(), |(_, slice)| slice)
    }
}

/// Sends all items to one place.
struct Everything;

impl Chooser for Everything {
    fn item(&mut self, _item: &[u8]) -> Choice {
        Choice::Owner(0)
    }
}

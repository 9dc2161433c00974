//! What stands in the journal of a shard: arrivals, and which kept portions have left. Little endian throughout.
//!
//! An arrival holds the descriptions of one request once, then a portion a trace. A portion can be read by itself: it
//! says how far before it its arrival begins.

use std::ops::Range;

use crate::sample::facts::Portion;
use crate::sample::{Moment, Place};
use crate::split::Source;

/// The record kind of an arrival.
pub const ARRIVAL: u8 = 1;
/// The record kind of a list of portions that need not leave any more.
pub const DONE: u8 = 2;
/// The record kind of spans that are ready to leave: copied forward from where they were in the way.
pub const READY: u8 = 3;

/// Bytes of a portion before its runs.
pub const PORTION_HEAD: usize = 32;
/// Bytes of an arrival before its descriptions.
pub const ARRIVAL_HEAD: usize = 24;
/// Bytes of a run: scope and length.
const RUN: usize = 8;
/// Bytes of an entry of [`DONE`]: trace id, first and last place.
const DONE_ENTRY: usize = 32;

/// An arrival, laid out to be appended.
#[derive(Debug, Default)]
pub struct Layout {
    scratch: Vec<u8>,
    parts: Vec<Part>,
    scopes: Vec<u32>, // by index in the request: index in the record + 1, 0 = not used
    resources: Vec<u32>,
    used_scopes: Vec<u32>, // in the order of the record
    used_resources: Vec<u32>,
    offsets: Vec<u32>,
    len: usize,
}

#[derive(Debug)]
enum Part {
    Scratch(Range<usize>),
    Body(Range<usize>),
}

impl Layout {
    /// Lays out the portions of a request that `take` names. What it was before is forgotten; its memory is reused.
    pub fn arrange(&mut self, source: &Source, portions: &[&Portion], now: Moment) {
        self.reset(source);
        for portion in portions {
            portion.runs.iter().for_each(|run| self.use_scope(source, run.scope));
        }
        let resources = self.used_resources.iter().map(|index| 4 + source.resources[*index as usize].len);
        let scopes = self.used_scopes.iter().map(|index| 8 + source.scopes[*index as usize].fields.len);
        let described = resources.sum::<usize>() + scopes.sum::<usize>();
        let counts = [portions.len(), self.used_resources.len(), self.used_scopes.len(), described];
        self.put(&now.0.to_le_bytes());
        counts.iter().for_each(|count| self.put(&(*count as u32).to_le_bytes()));
        for index in std::mem::take(&mut self.used_resources) {
            let fields = &source.resources[index as usize];
            self.put(&(fields.len as u32).to_le_bytes());
            fields.ranges.iter().for_each(|range| self.body(range.start as usize..range.end as usize));
        }
        for index in std::mem::take(&mut self.used_scopes) {
            let head = &source.scopes[index as usize];
            self.put(&(self.resources[head.resource as usize] - 1).to_le_bytes());
            self.put(&(head.fields.len as u32).to_le_bytes());
            head.fields.ranges.iter().for_each(|range| self.body(range.start as usize..range.end as usize));
        }
        for portion in portions {
            self.portion(portion);
        }
    }

    /// Where each portion begins in the record, in the order they were given.
    pub fn offsets(&self) -> &[u32] {
        &self.offsets
    }

    /// The record, part by part.
    pub fn parts<'a>(&'a self, body: &'a [u8]) -> Vec<&'a [u8]> {
        let part = |part: &Part| match part {
            Part::Scratch(range) => &self.scratch[range.clone()],
            Part::Body(range) => &body[range.clone()],
        };
        // Both halves outlive the record being appended.
        self.parts.iter().map(part).collect()
    }

    fn reset(&mut self, source: &Source) {
        self.scratch.clear();
        self.parts.clear();
        self.offsets.clear();
        self.len = 0;
        self.used_scopes.clear();
        self.used_resources.clear();
        self.scopes.clear();
        self.scopes.resize(source.scopes.len(), 0);
        self.resources.clear();
        self.resources.resize(source.resources.len(), 0);
    }

    fn use_scope(&mut self, source: &Source, scope: u32) {
        if self.scopes[scope as usize] != 0 {
            return;
        }
        self.used_scopes.push(scope);
        self.scopes[scope as usize] = self.used_scopes.len() as u32;
        let resource = source.scopes[scope as usize].resource;
        if self.resources[resource as usize] == 0 {
            self.used_resources.push(resource);
            self.resources[resource as usize] = self.used_resources.len() as u32;
        }
    }

    fn portion(&mut self, portion: &Portion) {
        let back = self.len as u32;
        self.offsets.push(back);
        self.put(&portion.trace_id);
        let bytes: u32 = portion.runs.iter().map(|run| run.end - run.start).sum();
        for number in [back, portion.facts.spans, portion.runs.len() as u32, bytes] {
            self.put(&number.to_le_bytes());
        }
        for run in &portion.runs {
            self.put(&(self.scopes[run.scope as usize] - 1).to_le_bytes());
            self.put(&(run.end - run.start).to_le_bytes());
        }
        for run in &portion.runs {
            self.body(run.start as usize..run.end as usize);
        }
    }

    fn put(&mut self, bytes: &[u8]) {
        let start = self.scratch.len();
        self.scratch.extend_from_slice(bytes);
        self.len += bytes.len();
        match self.parts.last_mut() {
            Some(Part::Scratch(range)) if range.end == start => range.end = self.scratch.len(),
            _ => self.parts.push(Part::Scratch(start..self.scratch.len())),
        }
    }

    fn body(&mut self, range: Range<usize>) {
        self.len += range.len();
        match self.parts.last_mut() {
            Some(Part::Body(last)) if last.end == range.start => last.end = range.end,
            _ => self.parts.push(Part::Body(range)),
        }
    }
}

/// The head of a portion.
#[derive(Clone, Copy, Debug)]
pub struct PortionHead {
    /// Whose it is.
    pub trace_id: [u8; 16],
    /// How far before it its arrival begins.
    pub back: u32,
    /// Spans in it.
    pub spans: u32,
    /// Runs that follow the head.
    pub runs: u32,
    /// Bytes of the spans, tags included.
    pub bytes: u32,
}

impl PortionHead {
    /// Reads [`PORTION_HEAD`] bytes.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let number = |index: usize| u32_at(bytes, 16 + 4 * index);
        let trace_id = bytes.get(..16)?.try_into().ok()?;
        Some(Self { trace_id, back: number(0)?, spans: number(1)?, runs: number(2)?, bytes: number(3)? })
    }

    /// Bytes of the whole portion.
    pub fn len(&self) -> usize {
        PORTION_HEAD + self.runs as usize * RUN + self.bytes as usize
    }
}

/// The runs of a whole portion: scope and encoded spans.
pub fn runs(head: PortionHead, portion: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    let mut at = PORTION_HEAD + head.runs as usize * RUN;
    (0..head.runs as usize).map_while(move |index| {
        let scope = u32_at(portion, PORTION_HEAD + index * RUN)?;
        let len = u32_at(portion, PORTION_HEAD + index * RUN + 4)? as usize;
        let bytes = portion.get(at..at.checked_add(len)?)?;
        at += len;
        Some((scope, bytes))
    })
}

/// The beginning of an arrival: when it came and how many descriptions it has.
#[derive(Clone, Debug, Default)]
pub struct Heads {
    /// When it came.
    pub at: Moment,
    /// Its portions.
    pub portions: u32,
    /// Where each resource's fields lie in the record.
    pub resources: Vec<Range<usize>>,
    /// Of each scope, its resource and where its fields lie.
    pub scopes: Vec<(u32, Range<usize>)>,
    /// Where the portions begin.
    pub end: usize,
}

/// How many bytes the descriptions of an arrival take that begins with these [`ARRIVAL_HEAD`] bytes.
pub fn heads_len(head: &[u8]) -> Option<usize> {
    Some(ARRIVAL_HEAD + u32_at(head, 20)? as usize)
}

/// Reads the descriptions of an arrival, of which `record` has at least [`heads_len`] bytes. `None` when it is not one.
pub fn heads(record: &[u8]) -> Option<Heads> {
    let at = Moment(u64::from_le_bytes(record.get(..8)?.try_into().ok()?));
    let (portions, resources, scopes) = (u32_at(record, 8)?, u32_at(record, 12)?, u32_at(record, 16)?);
    let mut heads = Heads { at, portions, end: ARRIVAL_HEAD, ..Heads::default() };
    let field = |end: &mut usize| {
        let len = u32_at(record, *end)? as usize;
        let range = *end + 4..(*end + 4).checked_add(len)?;
        record.get(range.clone())?;
        *end = range.end;
        Some(range)
    };
    for _ in 0..resources {
        heads.resources.push(field(&mut heads.end)?);
    }
    for _ in 0..scopes {
        let resource = u32_at(record, heads.end)?;
        heads.end += 4;
        heads.scopes.push((resource, field(&mut heads.end)?));
    }
    Some(heads)
}

/// A kept trace's portions between two places, both included, that need not leave any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done {
    /// Whose they were.
    pub trace_id: [u8; 16],
    /// The first.
    pub first: Place,
    /// The last.
    pub last: Place,
}

/// Encodes a [`DONE`] record.
pub fn write_done(entries: impl Iterator<Item = Done>) -> Vec<u8> {
    let mut out = Vec::new();
    for entry in entries {
        out.extend_from_slice(&entry.trace_id);
        out.extend_from_slice(&entry.first.0.to_le_bytes());
        out.extend_from_slice(&entry.last.0.to_le_bytes());
    }
    out
}

/// Reads a [`DONE`] record.
pub fn read_done(payload: &[u8]) -> impl Iterator<Item = Done> {
    payload.as_chunks::<DONE_ENTRY>().0.iter().filter_map(|entry| {
        Some(Done {
            trace_id: entry[..16].try_into().ok()?,
            first: Place(u64::from_le_bytes(entry[16..24].try_into().ok()?)),
            last: Place(u64::from_le_bytes(entry[24..].try_into().ok()?)),
        })
    })
}

/// Bytes of a [`READY`] record before the encoded request: spans, and how many bytes follow.
pub const READY_HEAD: usize = 16;

/// The head of a [`READY`] record.
pub fn ready_head(spans: u64, bytes: usize) -> [u8; READY_HEAD] {
    let mut head = [0; READY_HEAD];
    head[..8].copy_from_slice(&spans.to_le_bytes());
    head[8..].copy_from_slice(&(bytes as u64).to_le_bytes());
    head
}

/// Spans of a [`READY`] record, and the bytes of its request.
pub fn read_ready(payload: &[u8]) -> Option<(u64, usize)> {
    let spans = u64::from_le_bytes(payload.get(..8)?.try_into().ok()?);
    let bytes = u64::from_le_bytes(payload.get(8..READY_HEAD)?.try_into().ok()?);
    Some((spans, usize::try_from(bytes).ok()?))
}

/// All portions of an arrival, as offsets and heads.
pub fn portions(record: &[u8], heads: &Heads) -> impl Iterator<Item = (usize, PortionHead)> {
    let mut at = heads.end;
    (0..heads.portions).map_while(move |_| {
        let head = PortionHead::read(record.get(at..at + PORTION_HEAD)?)?;
        record.get(at..at.checked_add(head.len())?)?;
        let start = at;
        at += head.len();
        Some((start, head))
    })
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

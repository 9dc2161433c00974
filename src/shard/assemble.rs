//! Pieces of kept traces into one export request: bytes from the journal, each description once, spans as they came
//! unless the verdict has to be written into them.

use std::collections::{HashMap, HashSet};

use xxhash_rust::xxh3::xxh3_64;

use super::piece::{Mark, Piece};
use super::record::{
    ARRIVAL_HEAD, Heads, PORTION_HEAD, PortionHead, READY_HEAD, heads, heads_len, read_ready, runs,
};
use crate::journal::{Journal, Position, ReadError};
use crate::outcome::Signal;
use crate::sample::Place;
use crate::split::{Assembler, gather_into};
use crate::trace_state::{Edit, write_threshold};
use crate::wire::{Fields, otlp, write_varint};

/// How much leaves as one request.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Spans; one portion more at worst.
    pub spans: u64,
    /// Bytes; one portion more at worst.
    pub bytes: usize,
}

/// A request made of pieces.
#[derive(Debug, Default)]
pub struct Assembled {
    /// The encoded request.
    pub body: Vec<u8>,
    /// Spans in it.
    pub spans: u64,
    /// Spans that were left out because the same one, byte for byte, is in it.
    pub duplicates: u64,
    /// Spans that the journal could not give back.
    pub lost: u64,
    /// Spans whose tracestate could not be read, so that no threshold was written.
    pub unparseable: u64,
    /// What it was made of. The pieces hold as many places as went in.
    pub pieces: Vec<Piece>,
}

/// Makes requests for one shard.
#[derive(Debug)]
pub struct Assemble {
    record_policy: bool,
    deduplicate: bool,
}

/// One request in the making.
struct Making {
    assembler: Assembler,
    scopes: HashMap<(Place, Mark), Vec<u32>>, // of an arrival, by what its scopes carry
    seen: HashSet<u64>,                       // hashes of the spans of the trace at hand
    ready: Vec<u8>,
    out: Assembled,
}

impl Assemble {
    /// `record_policy`: scopes name the policy. `deduplicate`: a span that came twice leaves once.
    pub fn new(record_policy: bool, deduplicate: bool) -> Self {
        Self { record_policy, deduplicate }
    }

    /// Takes pieces off the front of `queue` until the request is full. Empty when there are none.
    pub fn next(
        &self,
        journal: &mut Journal,
        queue: &mut std::collections::VecDeque<Piece>,
        limits: Limits,
    ) -> Assembled {
        let mut making = Making {
            assembler: Assembler::new(Signal::Traces),
            scopes: HashMap::new(),
            seen: HashSet::new(),
            ready: Vec::new(),
            out: Assembled::default(),
        };
        while making.has_room(limits)
            && let Some(mut piece) = queue.pop_front()
        {
            if let Some(rest) = self.add(&mut making, journal, &mut piece, limits) {
                queue.push_front(rest);
            }
            making.out.pieces.push(piece);
        }
        making.finish()
    }

    /// Adds a piece, or its first places; gives the rest back.
    fn add(
        &self,
        making: &mut Making,
        journal: &mut Journal,
        piece: &mut Piece,
        limits: Limits,
    ) -> Option<Piece> {
        making.seen.clear();
        let deduplicate = self.deduplicate && piece.places.len() > 1;
        let (mut spans, mut taken) = (0, 0);
        for place in &piece.places {
            if taken > 0 && !making.has_room(limits) {
                break;
            }
            taken += 1;
            let read = if piece.ready {
                making.add_ready(journal, *place)
            } else {
                self.portion(making, journal, *place, &piece.mark, deduplicate)
            };
            match read {
                Ok(count) => spans += count,
                Err(error) => {
                    let trace = format!("{:032x}", u128::from_be_bytes(piece.trace_id));
                    tracing::error!(trace, %error, "spans of a kept trace cannot be read back");
                }
            }
        }
        let rest = piece.split_off(taken, spans);
        if rest.is_none() && piece.last {
            making.out.lost += piece.spans.saturating_sub(spans);
        }
        piece.spans = if rest.is_none() && piece.last { piece.spans.max(spans) } else { spans };
        rest
    }

    /// Adds one portion; gives the spans that it holds.
    fn portion(
        &self,
        making: &mut Making,
        journal: &mut Journal,
        place: Place,
        mark: &Mark,
        deduplicate: bool,
    ) -> Result<u64, Unreadable> {
        let head = journal.read(position(place)?, PORTION_HEAD)?;
        let head = PortionHead::read(head).ok_or(Unreadable::Odd)?;
        let arrival = Place(place.0.checked_sub(u64::from(head.back)).ok_or(Unreadable::Odd)?);
        let key = (arrival, mark.clone());
        if !making.scopes.contains_key(&key) {
            let scopes = self.describe(making, journal, arrival, mark)?;
            making.scopes.insert(key.clone(), scopes);
        }
        let rewrite = mark.threshold.is_some();
        let portion = journal.read(position(place)?, head.len())?;
        for (scope, spans) in runs(head, portion) {
            let scope = making.scopes[&key].get(scope as usize).copied().ok_or(Unreadable::Odd)?;
            if !deduplicate && !rewrite {
                let count = Fields::new(spans).count() as u32;
                making.assembler.items(scope, spans, count);
                continue;
            }
            for field in Fields::new(spans) {
                let field = field.map_err(|_| Unreadable::Odd)?;
                let span = field.bytes().map_err(|_| Unreadable::Odd)?;
                if deduplicate && !making.seen.insert(xxh3_64(&spans[span.clone()])) {
                    making.out.duplicates += 1;
                    continue;
                }
                match mark.threshold {
                    Some(threshold) => making.rewritten(scope, &spans[span], threshold),
                    None => making.assembler.items(scope, &spans[field.whole], 1),
                }
            }
        }
        Ok(u64::from(head.spans))
    }

    /// Adds the descriptions of an arrival; gives the index of each of its scopes.
    fn describe(
        &self,
        making: &mut Making,
        journal: &mut Journal,
        arrival: Place,
        mark: &Mark,
    ) -> Result<Vec<u32>, Unreadable> {
        let head = journal.read(position(arrival)?, ARRIVAL_HEAD)?;
        let len = heads_len(head).ok_or(Unreadable::Odd)?;
        let record = journal.read(position(arrival)?, len)?;
        let Heads { resources, scopes, .. } = heads(record).ok_or(Unreadable::Odd)?;
        let resources: Vec<u32> =
            resources.into_iter().map(|range| making.assembler.resource(&record[range])).collect();
        let mut known = Vec::with_capacity(scopes.len());
        let mut marked = Vec::new();
        for (resource, range) in scopes {
            let resource = resources.get(resource as usize).copied().ok_or(Unreadable::Odd)?;
            let fields = &record[range];
            if self.record_policy {
                marked.clear();
                with_attributes(fields, &attributes(mark), &mut marked);
                known.push(making.assembler.scope(resource, &marked));
            } else {
                known.push(making.assembler.scope(resource, fields));
            }
        }
        Ok(known)
    }
}

impl Making {
    fn has_room(&self, limits: Limits) -> bool {
        let bytes = self.assembler.bytes() + self.ready.len();
        u64::from(self.assembler.count()) + self.out.spans < limits.spans && bytes < limits.bytes
    }

    fn add_ready(&mut self, journal: &mut Journal, place: Place) -> Result<u64, Unreadable> {
        let head = journal.read(position(place)?, READY_HEAD)?;
        let (spans, len) = read_ready(head).ok_or(Unreadable::Odd)?;
        let record = journal.read(position(place)?, READY_HEAD + len)?;
        self.ready.extend_from_slice(&record[READY_HEAD..]);
        self.out.spans += spans;
        Ok(spans)
    }

    fn rewritten(&mut self, scope: u32, span: &[u8], threshold: u64) {
        let mut edited = Vec::with_capacity(span.len() + 24);
        if write_threshold(span, threshold, &mut edited) == Edit::Unparseable {
            self.out.unparseable += 1;
        }
        let mut field = Vec::with_capacity(edited.len() + 6);
        write_varint(&mut field, u64::from(otlp::SCOPE_ITEMS) << 3 | 2);
        write_varint(&mut field, edited.len() as u64);
        field.extend_from_slice(&edited);
        self.assembler.items(scope, &field, 1);
    }

    fn finish(self) -> Assembled {
        let mut out = self.out;
        out.spans += u64::from(self.assembler.count());
        out.body = self.ready;
        if self.assembler.count() > 0 {
            gather_into(&[self.assembler.finish()], &mut out.body);
        }
        out
    }
}

/// The attributes that name what kept a trace, encoded as fields of a scope; the names are the Collector's.
fn attributes(mark: &Mark) -> Vec<u8> {
    let mut out = Vec::new();
    let texts = [("tailsampling.policy", &mark.policy), ("tailsampling.composite_policy", &mark.composite)];
    for (key, text) in texts {
        if let Some(text) = text {
            let mut value = Vec::new();
            put(&mut value, 1, text.as_bytes()); // string_value
            attribute(&mut out, key, &value);
        }
    }
    if mark.cached {
        attribute(&mut out, "tailsampling.cached_decision", &[2 << 3, 1]); // bool_value
    }
    out
}

fn attribute(out: &mut Vec<u8>, key: &str, value: &[u8]) {
    let mut pair = Vec::new();
    put(&mut pair, otlp::ATTRIBUTE_KEY, key.as_bytes());
    put(&mut pair, otlp::ATTRIBUTE_VALUE, value);
    put(out, otlp::SCOPE_ATTRIBUTES, &pair);
}

/// The fields of a scope entry with attributes added to its scope.
fn with_attributes(fields: &[u8], attributes: &[u8], out: &mut Vec<u8>) {
    let mut scope = Vec::new();
    for field in Fields::new(fields).map_while(Result::ok) {
        match (field.number, field.bytes()) {
            (otlp::SCOPE_SCOPE, Ok(bytes)) => scope.extend_from_slice(&fields[bytes]),
            _ => out.extend_from_slice(&fields[field.whole]),
        }
    }
    scope.extend_from_slice(attributes);
    put(out, otlp::SCOPE_SCOPE, &scope);
}

fn put(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    write_varint(out, u64::from(number) << 3 | 2);
    write_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Why a portion cannot be read back.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// The journal says so.
    #[error(transparent)]
    Journal(#[from] ReadError),
    /// What it gave is not what was put in.
    #[error("what the journal gave back is not what was put in")]
    Odd,
}

/// A place is a position in the journal.
pub fn position(place: Place) -> Result<Position, Unreadable> {
    Position::from_u64(place.0).ok_or(Unreadable::Odd)
}

//! Portions read from the journal once more, because other facts of them are wanted.

use std::collections::VecDeque;

use smallvec::SmallVec;

use super::assemble::{Unreadable, position};
use super::record::{ARRIVAL_HEAD, Heads, PORTION_HEAD, PortionHead, heads, heads_len, runs};
use crate::journal::Journal;
use crate::sample::facts::{Facts, Plan};
use crate::sample::{Place, Reread};
use crate::wire::{otlp, write_varint};

/// The descriptions of the arrivals read last, the latest first. Traces that began together often came in the same few
/// requests, and a request may have many descriptions.
#[derive(Debug, Default)]
pub struct Described(VecDeque<Arrival>);

/// The descriptions of one arrival.
#[derive(Debug)]
struct Arrival {
    at: Place,
    heads: Heads,
    record: Vec<u8>,
}

/// Reads from a journal.
pub struct Rereading<'a> {
    /// Where the portions lie.
    pub journal: &'a mut Journal,
    /// What was read last.
    pub described: &'a mut Described,
}

impl Reread for Rereading<'_> {
    fn reread(&mut self, plan: &Plan, place: Place, show: &mut dyn FnMut(&Facts)) -> bool {
        match self.facts(plan, place, show) {
            Ok(()) => true,
            Err(error) => {
                tracing::error!(%error, "spans cannot be read back; their trace is judged without what they say");
                false
            }
        }
    }
}

impl Rereading<'_> {
    fn facts(&mut self, plan: &Plan, place: Place, show: &mut dyn FnMut(&Facts)) -> Result<(), Unreadable> {
        let head = self.journal.read(position(place)?, PORTION_HEAD)?;
        let head = PortionHead::read(head).ok_or(Unreadable::Odd)?;
        let arrival = Place(place.0.checked_sub(u64::from(head.back)).ok_or(Unreadable::Odd)?);
        let Arrival { heads, record, .. } = self.described.of(self.journal, arrival)?;
        let portion = self.journal.read(position(place)?, head.len())?;
        let body = request(record, heads, head, portion).ok_or(Unreadable::Odd)?;
        let arrival = plan.read_at(body.into(), heads.at.0).map_err(|_| Unreadable::Odd)?;
        arrival.portions.iter().for_each(|portion| show(&portion.facts));
        Ok(())
    }
}

impl Described {
    /// The descriptions of an arrival.
    fn of(&mut self, journal: &mut Journal, at: Place) -> Result<&Arrival, Unreadable> {
        let known = self.0.iter().position(|known| known.at == at).and_then(|index| self.0.remove(index));
        let arrival = match known {
            Some(known) => known,
            None => Arrival::read(journal, at)?,
        };
        self.0.push_front(arrival);
        self.forget();
        self.0.front().ok_or(Unreadable::Odd)
    }

    /// Forgets the oldest beyond what is worth keeping.
    fn forget(&mut self) {
        let mut bytes = 0;
        let fits = |known: &&Arrival| {
            bytes += known.record.len();
            bytes <= KNOWN_BYTES_MAX
        };
        let worth_it = self.0.iter().take(KNOWN_MAX).take_while(fits).count();
        self.0.truncate(worth_it.max(1));
    }
}

impl Arrival {
    fn read(journal: &mut Journal, at: Place) -> Result<Self, Unreadable> {
        let position = position(at)?;
        let len = heads_len(journal.read(position, ARRIVAL_HEAD)?).ok_or(Unreadable::Odd)?;
        let record = journal.read(position, len)?.to_vec();
        let heads = heads(&record).ok_or(Unreadable::Odd)?;
        Ok(Self { at, heads, record })
    }
}

/// Arrivals whose descriptions are kept.
const KNOWN_MAX: usize = 16;
/// Bytes of them, one aside.
const KNOWN_BYTES_MAX: usize = 4 << 20;

/// A portion as a request of its own: resources, scopes and spans in the order that they came. `record` holds the
/// descriptions of its arrival, as `heads` says.
pub fn request(record: &[u8], heads: &Heads, head: PortionHead, portion: &[u8]) -> Option<Vec<u8>> {
    let runs: SmallVec<[(u32, &[u8]); 4]> = runs(head, portion).collect();
    let scope_of = |run: &(u32, &[u8])| heads.scopes.get(run.0 as usize);
    let resource_of = |run: &(u32, &[u8])| scope_of(run).map(|(resource, _)| *resource);
    let mut out = Vec::with_capacity(heads.end.min(portion.len()) + portion.len());
    let mut entry = Vec::new();
    for of_resource in runs.chunk_by(|a, b| resource_of(a) == resource_of(b)) {
        let resource = heads.resources.get(resource_of(of_resource.first()?)? as usize)?;
        entry.clear();
        entry.extend_from_slice(&record[resource.clone()]);
        for of_scope in of_resource.chunk_by(|a, b| a.0 == b.0) {
            let (_, scope) = scope_of(of_scope.first()?)?;
            let spans: usize = of_scope.iter().map(|(_, spans)| spans.len()).sum();
            tag(&mut entry, otlp::ENTRY_SCOPES, scope.len() + spans);
            entry.extend_from_slice(&record[scope.clone()]);
            of_scope.iter().for_each(|(_, spans)| entry.extend_from_slice(spans));
        }
        tag(&mut out, otlp::REQUEST_RESOURCES, entry.len());
        out.extend_from_slice(&entry);
    }
    Some(out)
}

/// The beginning of a field of so many bytes.
fn tag(out: &mut Vec<u8>, number: u32, len: usize) {
    write_varint(out, u64::from(number) << 3 | 2);
    write_varint(out, len as u64);
}

//! A restart: what the journal holds becomes open traces and pieces again.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::piece::{Mark, Piece};
use super::record::{ARRIVAL, DONE, Heads, PortionHead, READY, heads, portions, read_done, read_ready, runs};
use super::reread;
use super::verdict_log::Known;
use crate::journal::Record;
use crate::sample::facts::{Plan, Portion};
use crate::sample::judge::Outcome;
use crate::sample::{Moment, Place, Remembered, Sampler};
use crate::wire::{otlp, write_varint};

/// What is found while a journal is read.
pub struct Recovered<'a> {
    plan: Arc<Plan>,
    sampler: &'a mut Sampler,
    known: HashMap<[u8; 16], (Outcome, Remembered)>,
    kept: HashMap<[u8; 16], BTreeMap<Place, u64>>, // portions of kept traces that have not left, and their spans
    ready: BTreeMap<Place, u64>,
    /// Spans of open traces.
    pub open_spans: u64,
    /// Arrivals that could not be read although their checksum was right: they are not ours.
    pub unreadable: u64,
}

impl<'a> Recovered<'a> {
    /// Nothing yet. `verdicts` are those of the log, oldest first.
    pub fn new(plan: Arc<Plan>, sampler: &'a mut Sampler, verdicts: &[Known]) -> Self {
        let known = verdicts.iter().map(|known| (known.trace_id, (known.outcome, known.verdict))).collect();
        Self {
            plan,
            sampler,
            known,
            kept: HashMap::new(),
            ready: BTreeMap::new(),
            open_spans: 0,
            unreadable: 0,
        }
    }

    /// Reads one record.
    pub fn record(&mut self, record: &Record<'_>) {
        match record.kind {
            ARRIVAL => {
                if self.arrival(record).is_none() {
                    self.unreadable += 1;
                }
            }
            DONE => read_done(record.payload).for_each(|done| {
                self.ready.remove(&done.first);
                let Some(places) = self.kept.get_mut(&done.trace_id) else { return };
                let gone: Vec<Place> =
                    places.range(done.first..=done.last).map(|(place, _)| *place).collect();
                for place in gone {
                    places.remove(&place);
                }
                if places.is_empty() {
                    self.kept.remove(&done.trace_id);
                }
            }),
            READY => match read_ready(record.payload) {
                Some((spans, _)) => {
                    self.ready.insert(Place(record.at.as_u64()), spans);
                }
                None => self.unreadable += 1,
            },
            _ => self.unreadable += 1,
        }
    }

    fn arrival(&mut self, record: &Record<'_>) -> Option<()> {
        let heads = heads(record.payload)?;
        let mut open: Vec<(usize, PortionHead)> = Vec::new();
        for (offset, head) in portions(record.payload, &heads) {
            let place = Place(record.at.as_u64() + offset as u64);
            match self.known.get(&head.trace_id) {
                Some((Outcome::Sampled, _)) => {
                    self.kept.entry(head.trace_id).or_default().insert(place, u64::from(head.spans));
                }
                Some(_) => {}
                None => open.push((offset, head)),
            }
        }
        if open.is_empty() {
            return Some(());
        }
        let at = |offset: usize| Place(record.at.as_u64() + offset as u64);
        if !self.plan.depends_on_order() {
            let request = request(record.payload, &heads, &open);
            let portions = self.plan.read_at(request.into(), heads.at.0).ok()?.portions;
            // Portions of one trace are in the same order in both, unless `compat` came or went.
            if portions.len() == open.len() {
                for portion in portions {
                    let of_trace = open.iter().position(|(_, head)| head.trace_id == portion.trace_id);
                    let (offset, _) = open.remove(of_trace?);
                    self.open(&portion, at(offset), heads.at);
                }
                return Some(());
            }
        }
        for (offset, head) in open {
            let request = reread::request(record.payload, &heads, head, &record.payload[offset..])?;
            let portions = self.plan.read_at(request.into(), heads.at.0).ok()?.portions;
            let joined = portions.into_iter().reduce(|mut portion, later| {
                self.plan.join(&mut portion.facts, &later.facts);
                portion
            });
            self.open(&joined?, at(offset), heads.at);
        }
        Some(())
    }

    fn open(&mut self, portion: &Portion, place: Place, came: Moment) {
        self.open_spans += u64::from(portion.facts.spans);
        self.sampler.accept(portion, place, came, &mut ());
    }

    /// The pieces that had not left, oldest first, and their spans. `names` are the policies' names.
    pub fn pieces(self, names: &[Arc<str>]) -> (Vec<Piece>, u64) {
        let mut pieces: Vec<Piece> = Vec::new();
        for (trace_id, places) in self.kept {
            let verdict = self.known.get(&trace_id).map(|(_, verdict)| *verdict);
            let policy = verdict.and_then(|verdict| verdict.policy);
            let mark = Mark {
                policy: policy.and_then(|policy| names.get(usize::from(policy)).cloned()),
                threshold: verdict.and_then(|verdict| verdict.threshold),
                ..Mark::default()
            };
            let spans = places.values().sum();
            let places = places.into_keys().collect();
            pieces.push(Piece { trace_id, places, ready: false, mark, spans, last: true });
        }
        for (place, spans) in self.ready {
            let mark = Mark::default();
            pieces.push(Piece {
                trace_id: [0; 16],
                places: vec![place],
                ready: true,
                mark,
                spans,
                last: true,
            });
        }
        pieces.sort_by_key(Piece::oldest);
        let spans = pieces.iter().map(|piece| piece.spans).sum();
        (pieces, spans)
    }
}

/// An arrival, or some portions of it, as the request that they came in: resources and scopes in their order.
fn request(record: &[u8], heads: &Heads, wanted: &[(usize, PortionHead)]) -> Vec<u8> {
    let mut spans: Vec<Vec<&[u8]>> = vec![Vec::new(); heads.scopes.len()];
    for (offset, head) in wanted {
        for (scope, bytes) in runs(*head, &record[*offset..]) {
            if let Some(list) = spans.get_mut(scope as usize) {
                list.push(bytes);
            }
        }
    }
    let mut out = Vec::new();
    for (index, resource) in heads.resources.iter().enumerate() {
        let mut entry = record[resource.clone()].to_vec();
        for ((owner, fields), runs) in heads.scopes.iter().zip(&spans) {
            if *owner as usize != index || runs.is_empty() {
                continue;
            }
            let len = fields.len() + runs.iter().map(|run| run.len()).sum::<usize>();
            write_varint(&mut entry, u64::from(otlp::ENTRY_SCOPES) << 3 | 2);
            write_varint(&mut entry, len as u64);
            entry.extend_from_slice(&record[fields.clone()]);
            runs.iter().for_each(|run| entry.extend_from_slice(run));
        }
        write_varint(&mut out, u64::from(otlp::REQUEST_RESOURCES) << 3 | 2);
        write_varint(&mut out, entry.len() as u64);
        out.extend_from_slice(&entry);
    }
    out
}

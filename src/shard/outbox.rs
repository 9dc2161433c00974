//! Kept traces on their way out: what waits, what is on its way, what has to be tried again. A state machine; the shard
//! makes the calls.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::assemble::Assembled;
use super::piece::Piece;
use super::record::Done;
use crate::outcome::{Accepted, Reason, Refusal};
use crate::sample::Place;

/// Pieces that wait, in the order they were kept, and requests in flight.
#[derive(Debug, Default)]
pub struct Outbox {
    waiting: VecDeque<Piece>,
    flights: BTreeMap<u64, Flight>,
    next_flight: u64,
    bytes_in_flight: usize,
    failures: u32,
    not_before: Option<Instant>,
}

#[derive(Debug)]
struct Flight {
    pieces: Vec<Piece>,
    spans: u64,
    missing: [(Reason, u64); 2], // spans of the pieces that are not in the request
    bytes: usize,
}

/// What became of a request.
#[derive(Debug, Default)]
pub struct Landed {
    /// Spans that are where the configuration promises.
    pub delivered: u64,
    /// Spans that do not go anywhere, and why.
    pub dropped: Vec<(Reason, u64)>,
    /// Portions that need not leave any more.
    pub done: Vec<Done>,
}

impl Outbox {
    /// A piece has to leave.
    pub fn push(&mut self, piece: Piece) {
        self.waiting.push_back(piece);
    }

    /// What waits, to take pieces off its front, if a request may leave now.
    pub fn ready(&mut self, now: Instant) -> Option<&mut VecDeque<Piece>> {
        let backs_off = self.not_before.is_some_and(|at| at > now);
        let full = self.bytes_in_flight >= BYTES_IN_FLIGHT_MAX || self.flights.len() >= FLIGHTS_MAX;
        (!self.waiting.is_empty() && !backs_off && !full).then_some(&mut self.waiting)
    }

    /// A request of `bytes` leaves; gives its number.
    pub fn depart(&mut self, request: Assembled, bytes: usize) -> u64 {
        let Assembled { spans, duplicates, lost, pieces, .. } = request;
        let missing = [(Reason::Duplicate, duplicates), (Reason::Corrupt, lost)];
        self.next_flight += 1;
        self.bytes_in_flight += bytes;
        self.flights.insert(self.next_flight, Flight { pieces, spans, missing, bytes });
        self.next_flight
    }

    /// A request has been answered.
    pub fn land(&mut self, flight: u64, answer: Result<Accepted, Refusal>, now: Instant) -> Landed {
        let Some(Flight { pieces, spans, missing, bytes }) = self.flights.remove(&flight) else {
            return Landed::default();
        };
        self.bytes_in_flight -= bytes;
        let mut landed = Landed::default();
        match answer {
            Ok(accepted) => {
                self.failures = 0;
                self.not_before = None;
                let rejected = accepted.rejected_items.min(spans);
                landed.delivered = spans - rejected;
                let reason = accepted.reason.unwrap_or(Reason::BackendRejected);
                landed.dropped.push((reason, rejected));
            }
            Err(refusal) if refusal.passes() => {
                self.back_off(refusal.retry_after, now);
                // They leave first, in their old order.
                pieces.into_iter().rev().for_each(|piece| self.waiting.push_front(piece));
                return landed;
            }
            Err(refusal) => landed.dropped.push((refusal.reason, spans)),
        }
        landed.dropped.extend(missing);
        landed.dropped.retain(|(_, spans)| *spans > 0);
        landed.done = pieces.iter().filter_map(done).collect();
        landed
    }

    fn back_off(&mut self, asked: Option<Duration>, now: Instant) {
        let wait = BACKOFF_FIRST * 2u32.pow(self.failures.min(10));
        self.failures = self.failures.saturating_add(1);
        let wait = wait.min(BACKOFF_MAX).max(asked.unwrap_or_default().min(BACKOFF_MAX));
        self.not_before = Some(now + wait);
    }

    /// When something may leave that may not now.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.not_before.filter(|_| !self.waiting.is_empty())
    }

    /// The oldest place that is still needed.
    pub fn oldest_place(&self) -> Option<Place> {
        let flying = self.flights.values().flat_map(|flight| &flight.pieces);
        self.waiting.iter().chain(flying).filter_map(Piece::oldest).min()
    }

    /// Takes out the pieces that wait and need anything before `before`, at most `count`.
    pub fn stragglers(&mut self, before: Place, count: usize) -> VecDeque<Piece> {
        let mut out = VecDeque::new();
        let mut kept = VecDeque::with_capacity(self.waiting.len());
        for piece in self.waiting.drain(..) {
            let needs = piece.oldest().is_some_and(|place| place < before) && !piece.ready;
            if needs && out.len() < count { out.push_back(piece) } else { kept.push_back(piece) }
        }
        self.waiting = kept;
        out
    }

    /// Nothing waits and nothing is in flight.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.flights.is_empty()
    }

    /// Spans that wait or fly.
    pub fn spans(&self) -> u64 {
        let flying: u64 = self.flights.values().map(|flight| flight.spans).sum();
        self.waiting.iter().map(|piece| piece.spans).sum::<u64>() + flying
    }
}

/// What the journal needs to know of a piece that has left.
pub fn done(piece: &Piece) -> Option<Done> {
    let (first, last) = (*piece.places.first()?, *piece.places.last()?);
    Some(Done { trace_id: piece.trace_id, first, last })
}

/// What may be on its way: the bytes are in memory meanwhile. A `batch` behind may hold requests for seconds.
const BYTES_IN_FLIGHT_MAX: usize = 64 << 20;
/// Requests on their way.
const FLIGHTS_MAX: usize = 4096;
/// First wait after a refusal that passes; doubles.
const BACKOFF_FIRST: Duration = Duration::from_millis(50);
/// Longest wait.
const BACKOFF_MAX: Duration = Duration::from_secs(5);

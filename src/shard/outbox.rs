//! Kept traces on their way out: what waits, what is on its way, what has to be tried again. A state machine; the shard
//! makes the calls.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::assemble::Assembled;
use super::piece::Piece;
use super::record::Done;
use super::window::{Counted, Window};
use crate::outcome::{Accepted, Reason, Refusal};
use crate::sample::Place;

/// Pieces that wait, in the order they were kept, and requests in flight.
#[derive(Debug, Default)]
pub struct Outbox {
    waiting: VecDeque<Piece>,
    flights: BTreeMap<u64, Flight>,
    next_flight: u64,
    window: Arc<Window>,
    failures: u32,
    not_before: Option<Instant>,
}

#[derive(Debug)]
struct Flight {
    pieces: Vec<Piece>,
    spans: u64,
    missing: [(Reason, u64); 2], // spans of the pieces that are not in the request
    departed: Instant,
    counted: Counted,
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
        let may = !self.waiting.is_empty() && !backs_off && !self.window.is_full();
        may.then_some(&mut self.waiting)
    }

    /// What may be on its way.
    pub fn window(&self) -> Arc<Window> {
        Arc::clone(&self.window)
    }

    /// A request of `bytes` leaves; gives its number, and what it counts by.
    pub fn depart(&mut self, request: Assembled, bytes: usize, now: Instant) -> (u64, Counted) {
        let Assembled { spans, duplicates, lost, pieces, .. } = request;
        let missing = [(Reason::Duplicate, duplicates), (Reason::Corrupt, lost)];
        self.next_flight += 1;
        let counted = self.window.enter(bytes);
        let flight = Flight { pieces, spans, missing, departed: now, counted: counted.clone() };
        self.flights.insert(self.next_flight, flight);
        (self.next_flight, counted)
    }

    /// A request has been answered.
    pub fn land(&mut self, flight: u64, answer: Result<Accepted, Refusal>, now: Instant) -> Landed {
        let Some(Flight { pieces, spans, missing, counted, .. }) = self.flights.remove(&flight) else {
            return Landed::default();
        };
        counted.leave();
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

    /// Requests that left before `then` and need anything before `before`, the oldest first, at most `count`.
    pub fn departed_before(&self, then: Instant, before: Place, count: usize) -> Vec<u64> {
        let needs = |flight: &Flight| {
            let pieces = flight.pieces.iter();
            flight.departed < then && pieces.filter_map(Piece::oldest).any(|place| place < before)
        };
        let flights = self.flights.iter().filter(|(_, flight)| needs(flight));
        flights.map(|(number, _)| *number).take(count).collect()
    }

    /// What a request on its way is made of.
    pub fn pieces_of(&self, flight: u64) -> &[Piece] {
        self.flights.get(&flight).map_or(&[], |flight| &flight.pieces)
    }

    /// What a request on its way is made of lies elsewhere now.
    pub fn moved(&mut self, flight: u64, to: Piece) {
        if let Some(flight) = self.flights.get_mut(&flight) {
            flight.pieces = vec![to];
        }
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

/// First wait after a refusal that passes; doubles.
const BACKOFF_FIRST: Duration = Duration::from_millis(50);
/// Longest wait.
const BACKOFF_MAX: Duration = Duration::from_secs(5);

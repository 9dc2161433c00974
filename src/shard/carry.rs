//! Kept traces that cannot leave hold up a journal: when it fills, their spans are copied forward, and the segments that
//! they were in can go.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::assemble::{Assembled, Limits};
use super::outbox::done;
use super::piece::{Mark, Piece};
use super::record::{DONE, READY, ready_head, write_done};
use super::run::LIMITS;
use super::state::Shard;
use crate::outcome::Reason;
use crate::sample::Place;

impl Shard {
    /// Copies what waits, and what has been on its way for long: one of several exporters may not take it for minutes.
    pub fn copy_forward(&mut self, now: Instant) {
        if self.journal.used_bytes() < self.journal.limit_bytes() / 2 {
            return;
        }
        let Some(oldest) = self.outbox.oldest_place() else { return };
        let first_open = self.sampler.oldest_place().unwrap_or(Place(self.journal.end().as_u64()));
        if oldest >= first_open {
            return;
        }
        self.copy_waiting(first_open);
        let Some(long_ago) = now.checked_sub(LONG) else { return };
        for flight in self.outbox.departed_before(long_ago, first_open, FLIGHTS_AT_ONCE) {
            let mut pieces: VecDeque<Piece> = self.outbox.pieces_of(flight).to_vec().into();
            // All of it left as one request, so all of it is one again. What is missing was counted then.
            let whole = Limits { spans: u64::MAX, bytes: usize::MAX };
            let request = self.assemble.next(&mut self.journal, &mut pieces, whole);
            let Some(at) = self.write_ready(&request) else { return };
            self.outbox.moved(flight, ready(&request, at));
        }
    }

    fn copy_waiting(&mut self, first_open: Place) {
        let mut stragglers = self.outbox.stragglers(first_open, STRAGGLERS_AT_ONCE);
        while !stragglers.is_empty() {
            let request = self.assemble.next(&mut self.journal, &mut stragglers, LIMITS);
            let Some(at) = self.write_ready(&request) else {
                request.pieces.into_iter().for_each(|piece| self.outbox.push(piece));
                stragglers.into_iter().for_each(|piece| self.outbox.push(piece));
                return;
            };
            for (reason, spans) in [(Reason::Duplicate, request.duplicates), (Reason::Corrupt, request.lost)]
            {
                self.ledger.held_sub(spans);
                self.ledger.dropped(reason, spans);
            }
            self.outbox.push(ready(&request, at));
        }
    }

    /// Writes spans that can leave as they are, and that they are no longer where they were.
    fn write_ready(&mut self, request: &Assembled) -> Option<Place> {
        let head = ready_head(request.spans, request.body.len());
        let gone = write_done(request.pieces.iter().filter_map(done));
        let at = self.journal.append_reserved(READY, &[&head, &request.body]);
        let written = at.and_then(|at| self.journal.append_reserved(DONE, &[&gone]).map(|_| at));
        let committed = self.journal.commit().is_ok();
        written.ok().filter(|_| committed).map(|at| Place(at.as_u64()))
    }
}

fn ready(request: &Assembled, at: Place) -> Piece {
    Piece {
        trace_id: [0; 16],
        places: vec![at],
        ready: true,
        mark: Mark::default(),
        spans: request.spans,
        last: true,
    }
}

/// Kept traces copied forward in one go.
const STRAGGLERS_AT_ONCE: usize = 4096;
/// Requests on their way copied forward in one go.
const FLIGHTS_AT_ONCE: usize = 16;
/// On its way for long.
const LONG: Duration = Duration::from_secs(1);

//! The loop of a shard's thread: requests in, time, answers from the next stage, questions, the end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep_until;

use super::assemble::{Assembled, Limits};
use super::outbox::Landed;
use super::reconfigure::Change;
use super::record::{DONE, write_done};
use super::reread::Rereading;
use super::state::Shard;
use super::tell::Told;
use super::turn::Offer;
use crate::flow::{Answer, Request, Window};
use crate::outcome::{Accepted, Reason, Signal};
use crate::sample::Moment;

/// What the thread is asked, beside spans.
pub enum Ask {
    /// What is known of a trace.
    Explain([u8; 16], oneshot::Sender<Told>),
    /// Other policies and limits are in force from now on.
    Change(Box<Change>, oneshot::Sender<()>),
    /// Take nothing more; hand on what was kept until then; say what was left.
    End(Instant, bool, oneshot::Sender<Left>),
}

/// How a shard ends, and who waits for it.
struct End {
    deadline: Instant,
    drop_pending: bool,
    told: Vec<oneshot::Sender<Left>>,
}

/// What was not handed on at the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// Undecided traces that stay in the journal for the next start.
    pub traces: u64,
    /// Their spans.
    pub spans: u64,
    /// Kept spans that stay there.
    pub kept: u64,
    /// Kept spans that are lost, since the journal is memory.
    pub lost: u64,
    /// Traces that were judged because of the end.
    pub judged_early: u64,
}

/// Requests on their way.
pub type Flights = FuturesUnordered<BoxFuture<'static, (u64, Answer)>>;

/// Runs a shard until it is ended.
pub async fn run(mut shard: Shard, mut offers: mpsc::Receiver<Offer>, mut asks: mpsc::Receiver<Ask>) {
    let mut flights = Flights::new();
    let mut batch = Vec::new();
    let window = shard.outbox.window();
    loop {
        let now = Instant::now();
        shard.step(now);
        shard.depart(now, &mut flights);
        if shard.is_behind() {
            tokio::task::yield_now().await; // there is always something to do, and others have their turn
        }
        let timeout = shard.next_timeout(now);
        tokio::select! {
            taken = offers.recv_many(&mut batch, OFFERS_AT_ONCE) => {
                if taken == 0 {
                    return; // the processor is gone
                }
                shard.take(&mut batch, Instant::now());
            }
            Some((flight, answer)) = flights.next(), if !flights.is_empty() => {
                shard.land(flight, answer, Instant::now());
            }
            () = window.room() => {}
            () = sleep_until(timeout.into()) => {}
            Some(ask) = asks.recv() => match ask {
                Ask::Explain(trace_id, tell) => {
                    let _ = tell.send(shard.tell(&trace_id)); // whoever asked may have gone
                }
                Ask::Change(change, told) => {
                    shard.change(*change, Instant::now());
                    let _ = told.send(()); // likewise
                }
                Ask::End(deadline, drop_pending, told) => {
                    let mut end = End { deadline, drop_pending, told: vec![told] };
                    let left = shard.end(&mut end, &mut offers, &mut asks, &mut flights).await;
                    for told in end.told {
                        let _ = told.send(left); // likewise
                    }
                    return;
                }
            },
        }
    }
}

impl Shard {
    /// Time has passed: verdicts, room, series.
    pub fn step(&mut self, now: Instant) {
        let moment = self.clock.moment(now);
        if self.sampler.poll_timeout().is_some_and(|at| at <= moment) {
            let begun = Instant::now();
            let mut rereading = Rereading { journal: &mut self.journal, described: &mut self.described };
            self.sampler.handle_timeout(moment, &mut rereading);
            self.counters.metrics.took(begun.elapsed().as_micros() as u64);
        }
        if self.is_behind() {
            self.catch_up(moment);
        }
        self.drain();
        if now.duration_since(self.released_at) >= RELEASE_EVERY {
            self.released_at = now;
            self.copy_forward(now);
            self.release();
            self.publish(now);
            if let Err(error) = self.journal.sync_if_due(now) {
                tracing::error!(%error, "the journal could not be synced");
            }
        }
    }

    /// Judges some of the traces that are still open at the end; false when none is left.
    fn judge_rest(&mut self, now: Moment) -> bool {
        let mut rereading = Rereading { journal: &mut self.journal, described: &mut self.described };
        self.sampler.judge_rest(now, &mut rereading)
    }

    fn next_timeout(&self, now: Instant) -> Instant {
        if self.is_behind() {
            return now;
        }
        let sampler = self.sampler.poll_timeout().map(|at| self.clock.instant(at));
        let next = [sampler, self.outbox.poll_timeout()].into_iter().flatten().min();
        next.map_or(now + RELEASE_EVERY, |at| at.min(now + RELEASE_EVERY))
    }

    /// Sends what may leave, a few requests at a time so that others get their turn.
    pub fn depart(&mut self, now: Instant, flights: &mut Flights) {
        for _ in 0..DEPARTURES_AT_ONCE {
            let Some(queue) = self.outbox.ready(now) else { return };
            let request = self.assemble.next(&mut self.journal, queue, LIMITS);
            self.counters.metrics.unparseable.add(request.unparseable);
            if request.spans == 0 {
                let (flight, _) = self.outbox.depart(request, 0, now);
                self.land(flight, Ok(Accepted::default()), now);
                continue;
            }
            flights.push(self.send(request, now));
        }
    }

    fn send(&mut self, mut request: Assembled, now: Instant) -> BoxFuture<'static, (u64, Answer)> {
        let body = Bytes::from(std::mem::take(&mut request.body));
        let items = request.spans;
        let (flight, counted) = self.outbox.depart(request, body.len(), now);
        let request = Request {
            signal: Signal::Traces,
            body,
            items,
            arrived: now,
            deadline: None,
            kept: true,
            batched: false,
            origin: None,
            window: Window::Counted(Arc::new(move || counted.leave())),
        };
        let answer = self.next.consume(request);
        Box::pin(async move { (flight, answer.await) })
    }

    pub fn land(&mut self, flight: u64, answer: Answer, now: Instant) {
        if let Err(refusal) = &answer {
            let (reason, passes) = (refusal.reason.name(), refusal.passes());
            if passes {
                tracing::debug!(reason, message = %refusal.message, "kept traces will be sent again");
            } else {
                tracing::warn!(reason, message = %refusal.message, "kept traces were refused for good");
            }
        }
        let Landed { delivered, dropped, done } = self.outbox.land(flight, answer, now);
        self.ledger.held_sub(delivered);
        self.ledger.delivered(delivered);
        for (reason, spans) in dropped {
            self.ledger.held_sub(spans);
            self.ledger.dropped(reason, spans);
        }
        if done.is_empty() || !self.journal.is_durable() {
            return;
        }
        // Without this record they would leave once more after a crash; a full disk is no reason to stop.
        let record = write_done(done.into_iter());
        let written = self.journal.append_reserved(DONE, &[&record]).is_ok() && self.journal.commit().is_ok();
        if !written {
            tracing::warn!("what has left could not be noted; it leaves again after a crash");
        }
    }

    /// Ends: nothing more is taken; undecided traces stay in a journal on disk and are judged in memory; what was kept
    /// leaves until the deadline, or an earlier one if that is asked for meanwhile.
    async fn end(
        &mut self,
        end: &mut End,
        offers: &mut mpsc::Receiver<Offer>,
        asks: &mut mpsc::Receiver<Ask>,
        flights: &mut Flights,
    ) -> Left {
        self.closing = true;
        offers.close();
        let mut batch = Vec::new();
        while offers.recv_many(&mut batch, OFFERS_AT_ONCE).await > 0 {
            self.take(&mut batch, Instant::now());
        }
        let mut left = Left::default();
        if end.drop_pending {
            self.sampler.drop_rest();
        } else if self.journal.is_durable() {
            (left.traces, left.spans) = self.sampler.pending();
        } else {
            left.judged_early = self.sampler.pending().0;
            let moment = self.clock.moment(Instant::now());
            while self.judge_rest(moment) {
                self.drain();
            }
        }
        self.drain();
        if self.journal.is_durable() {
            end.deadline = end.deadline.min(Instant::now() + END_DURABLE);
        }
        let window = self.outbox.window();
        while !self.outbox.is_empty() && Instant::now() < end.deadline {
            let now = Instant::now();
            self.depart(now, flights);
            let wake =
                self.outbox.poll_timeout().map_or(end.deadline, |at| at.min(end.deadline)).max(now + STEP);
            tokio::select! {
                Some((flight, answer)) = flights.next(), if !flights.is_empty() => self.land(flight, answer, now),
                () = window.room() => {}
                Some(Ask::End(sooner, _, told)) = asks.recv() => {
                    end.deadline = end.deadline.min(sooner);
                    end.told.push(told);
                }
                () = sleep_until(wake.into()) => {}
            }
        }
        self.drain();
        let waits = self.outbox.spans();
        if self.journal.is_durable() {
            left.kept = waits;
        } else {
            left.lost = waits;
            self.ledger.held_sub(waits);
            self.ledger.dropped(Reason::Shutdown, waits);
        }
        self.release();
        self.publish(Instant::now());
        left
    }
}

/// How much leaves as one request. Backends take messages of 4 MiB.
pub const LIMITS: Limits = Limits { spans: 8192, bytes: 1 << 20 };
/// Requests taken in one turn: they share one write.
const OFFERS_AT_ONCE: usize = 128;
/// Requests that leave in one turn.
const DEPARTURES_AT_ONCE: usize = 4;
/// How often room is made and series are published.
const RELEASE_EVERY: Duration = Duration::from_millis(100);
/// What a journal on disk keeps need not leave at all costs.
const END_DURABLE: Duration = Duration::from_secs(5);
/// Shortest wait while ending.
const STEP: Duration = Duration::from_millis(1);

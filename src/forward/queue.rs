//! What waits for one backend, and when it leaves: a state machine without clock, runtime or socket.
//!
//! Slices wait for nothing while the backend is idle; while a call is in flight, what arrives gathers and leaves as
//! one call. A further call starts beside it when a full one has gathered, or when the oldest slice has waited for
//! `gather.max_age`. After a failure that passes, everything waits for the backoff and goes to the same backend again.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::config::Gather;
use super::part::Part;
use super::ticket::RETRY_HINT_MIN;
use crate::client::CallEnd;
use crate::outcome::{Fault, Reason, Refusal};
use crate::retry::{self, Backoff};

/// The queue of one backend on one worker.
#[derive(Debug)]
pub struct LaneQueue {
    gather: Gather,
    retry: retry::Config,
    waiting: VecDeque<Part>,
    alone: VecDeque<Vec<Part>>, // parts of a refused call, to be tried apart
    waiting_items: usize,
    waiting_bytes: usize,
    calls: usize,
    in_flight_bytes: usize,
    block: Option<Block>,
    next_expiry: Option<Instant>, // not later than the first deadline in `waiting`
    outputs: VecDeque<Output>,
}

/// Since when, and until when, nothing is sent.
#[derive(Debug)]
struct Block {
    since: Instant,
    until: Instant,
    backoff: Backoff,
}

/// What the shell has to do.
#[derive(Debug)]
pub enum Output {
    /// Send these as one call, then tell [`LaneQueue::call_done`].
    Call(Vec<Part>),
    /// Tell this part's sender that it was refused.
    Refuse(Box<(Part, Refusal)>),
}

/// Why [`LaneQueue::handle_timeout`] wants to be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// A slice has waited long enough beside the call in flight.
    GatherAge,
    /// The backoff ends.
    Retry,
    /// A part has been held as long as allowed.
    Expiry,
}

impl LaneQueue {
    /// An empty queue.
    pub fn new(gather: Gather, retry: retry::Config) -> Self {
        Self {
            gather,
            retry,
            waiting: VecDeque::new(),
            alone: VecDeque::new(),
            waiting_items: 0,
            waiting_bytes: 0,
            calls: 0,
            in_flight_bytes: 0,
            block: None,
            next_expiry: None,
            outputs: VecDeque::new(),
        }
    }

    /// What leaves from now on leaves so. What waits for a backoff of before is tried again, as if for the first time.
    pub fn reconfigure(&mut self, gather: Gather, retry: retry::Config, now: Instant) {
        (self.gather, self.retry) = (gather, retry);
        if let Some(block) = &mut self.block {
            block.until = now;
            block.backoff = Backoff::new(&self.retry, now);
        }
    }

    /// Takes a part; true when a whole call has gathered, which need not wait for [`Self::send`]. A part that will
    /// wait for long stops keeping its whole request in memory.
    pub fn accept(&mut self, mut part: Part) -> bool {
        if self.block.is_some() || self.waiting_bytes > self.gather.max_bytes {
            part.detach();
        }
        self.push(part, false);
        self.is_full()
    }

    /// Starts every call that may start now.
    pub fn send(&mut self, now: Instant) {
        self.advance(now);
    }

    /// Whether anything waits that is not in flight.
    pub fn waits(&self) -> bool {
        !self.waiting.is_empty() || !self.alone.is_empty()
    }

    /// Ends a call of `bytes` that [`Output::Call`] began. Its parts come back unless they were taken; `fraction` is a
    /// random number in `0.0..1.0`.
    pub fn call_done(
        &mut self,
        bytes: usize,
        parts: Vec<Part>,
        end: &CallEnd,
        started: Instant,
        now: Instant,
        fraction: f64,
    ) {
        self.calls -= 1;
        self.in_flight_bytes -= bytes;
        match end {
            CallEnd::Taken => {
                if self.block.as_ref().is_some_and(|block| block.since <= started) {
                    self.block = None;
                }
            }
            CallEnd::Passing { delay, message } => {
                self.put_back(parts, *delay, message, started, now, fraction)
            }
            CallEnd::ForGood { apart, code, message } => self.refuse_or_divide(parts, *apart, *code, message),
        }
    }

    /// The backend can be reached again: what waits need not wait for the backoff.
    pub fn unblock(&mut self, now: Instant) {
        if let Some(block) = &mut self.block {
            block.until = now;
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.next_expiry.is_some_and(|at| at <= now) {
            self.expire(now);
        }
        if self.poll_timeout().is_some_and(|(at, _why)| at <= now) {
            self.advance(now);
        }
    }

    /// When to call [`Self::handle_timeout`] next.
    pub fn poll_timeout(&self) -> Option<(Instant, Why)> {
        let mut next = self.next_expiry.map(|at| (at, Why::Expiry));
        let mut sooner = |at: Instant, why: Why| {
            if next.is_none_or(|(first, _)| at < first) {
                next = Some((at, why));
            }
        };
        match &self.block {
            Some(block) if self.waits() => sooner(block.until, Why::Retry),
            Some(_) => {}
            None if self.calls > 0 && self.calls < self.gather.max_calls => {
                if let Some(oldest) = self.waiting.front() {
                    sooner(oldest.queued + self.gather.max_age, Why::GatherAge);
                }
            }
            None => {}
        }
        next
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Takes out everything that waits, for a backend that has left.
    pub fn drain(&mut self) -> Vec<Part> {
        self.waiting_items = 0;
        self.waiting_bytes = 0;
        self.next_expiry = None;
        let alone = std::mem::take(&mut self.alone).into_iter().flatten();
        alone.chain(std::mem::take(&mut self.waiting)).collect()
    }

    /// Nothing waits and nothing is in flight.
    pub fn is_idle(&self) -> bool {
        self.calls == 0 && self.waiting.is_empty() && self.alone.is_empty() && self.outputs.is_empty()
    }

    /// Whether the last calls failed and the backoff runs.
    pub fn is_blocked(&self) -> bool {
        self.block.is_some()
    }

    /// Items and bytes that wait here, and calls in flight.
    pub fn load(&self) -> (usize, usize, usize) {
        (self.waiting_items, self.waiting_bytes + self.in_flight_bytes, self.calls)
    }

    fn push(&mut self, part: Part, front: bool) {
        self.waiting_items += part.items() as usize;
        self.waiting_bytes += part.bytes();
        self.next_expiry = Some(self.next_expiry.map_or(part.deadline, |at| at.min(part.deadline)));
        if front { self.waiting.push_front(part) } else { self.waiting.push_back(part) }
    }

    fn pop(&mut self) -> Option<Part> {
        let part = self.waiting.pop_front()?;
        self.waiting_items -= part.items() as usize;
        self.waiting_bytes -= part.bytes();
        if self.waiting.is_empty() {
            self.next_expiry = None;
        }
        Some(part)
    }

    /// Starts every call that may start now.
    fn advance(&mut self, now: Instant) {
        while self.may_call(now) {
            let parts = match self.alone.pop_front() {
                Some(parts) => parts,
                None => self.gather_call(),
            };
            if parts.is_empty() {
                return;
            }
            self.calls += 1;
            self.in_flight_bytes += parts.iter().map(Part::bytes).sum::<usize>();
            self.outputs.push_back(Output::Call(parts));
        }
    }

    fn may_call(&self, now: Instant) -> bool {
        if self.block.as_ref().is_some_and(|block| block.until > now || self.calls > 0) {
            return false; // after a failure, one call at a time shows whether the backend is back
        }
        if self.calls == 0 {
            return self.waits();
        }
        if self.calls >= self.gather.max_calls {
            return false;
        }
        !self.alone.is_empty()
            || self.is_full()
            || self.waiting.front().is_some_and(|oldest| oldest.queued + self.gather.max_age <= now)
    }

    fn is_full(&self) -> bool {
        self.waiting_bytes >= self.gather.max_bytes || self.waiting_items >= self.gather.max_items
    }

    /// What leaves as one call: parts in order of arrival until it is full. Parts of senders that have gone stay out.
    fn gather_call(&mut self) -> Vec<Part> {
        let mut parts = Vec::new();
        let (mut items, mut bytes) = (0, 0);
        while let Some(next) = self.waiting.front() {
            let full = items + next.items() as usize > self.gather.max_items
                || bytes + next.bytes() > self.gather.max_bytes;
            if full && !parts.is_empty() {
                break;
            }
            let Some(part) = self.pop() else { break };
            if part.ticket.is_cancelled() {
                self.outputs.push_back(Output::Refuse(Box::new((part, cancelled()))));
                continue;
            }
            items += part.items() as usize;
            bytes += part.bytes();
            parts.push(part);
        }
        parts
    }

    fn put_back(
        &mut self,
        parts: Vec<Part>,
        delay: Option<Duration>,
        message: &str,
        started: Instant,
        now: Instant,
        fraction: f64,
    ) {
        let mut backoff = match self.block.take() {
            // A call that began before the block says nothing new about the backend.
            Some(block) if started < block.since => {
                self.block = Some(block);
                None
            }
            Some(block) => Some((block.since, block.backoff)),
            None => Some((now, Backoff::new(&self.retry, now))),
        };
        let mut retries = self.retry.enabled;
        if let Some((since, backoff)) = &mut backoff {
            // The series never ends by itself here: each part has its own deadline.
            let config = retry::Config { max_elapsed_time: Duration::ZERO, ..self.retry.clone() };
            match backoff.after_failure(&config, now, delay, fraction) {
                Some(wait) => {
                    self.block = Some(Block { since: *since, until: now + wait, backoff: backoff.clone() });
                }
                None => retries = false,
            }
        }
        for mut part in parts.into_iter().rev() {
            part.last_error = Some(message.to_owned());
            if !retries {
                let refusal = unavailable(Reason::RetryExhausted, message, delay.unwrap_or(RETRY_HINT_MIN));
                self.outputs.push_back(Output::Refuse(Box::new((part, refusal))));
                continue;
            }
            part.detach();
            self.push(part, true);
        }
        for part in &mut self.waiting {
            part.detach();
        }
        self.expire(now);
    }

    fn refuse_or_divide(&mut self, mut parts: Vec<Part>, apart: bool, code: u8, message: &str) {
        if apart && parts.len() > 1 {
            let rest = parts.split_off(parts.len() / 2);
            self.alone.push_back(parts);
            self.alone.push_back(rest);
            return;
        }
        for part in parts {
            let refusal = Refusal {
                fault: Fault::PeerRefused(code),
                reason: Reason::BackendRefused,
                message: message.to_owned().into(),
                retry_after: None,
            };
            self.outputs.push_back(Output::Refuse(Box::new((part, refusal))));
        }
    }

    /// Refuses what has been held as long as allowed.
    fn expire(&mut self, now: Instant) {
        let hint = self.retry_hint(now);
        let mut kept = VecDeque::with_capacity(self.waiting.len());
        self.next_expiry = None;
        while let Some(part) = self.waiting.pop_front() {
            if part.deadline > now && !part.ticket.is_cancelled() {
                self.next_expiry = Some(self.next_expiry.map_or(part.deadline, |at| at.min(part.deadline)));
                kept.push_back(part);
                continue;
            }
            self.waiting_items -= part.items() as usize;
            self.waiting_bytes -= part.bytes();
            let refusal = if part.ticket.is_cancelled() {
                cancelled()
            } else {
                let last = part.last_error.as_deref().unwrap_or("the backend did not answer in time");
                unavailable(Reason::HoldExpired, last, hint)
            };
            self.outputs.push_back(Output::Refuse(Box::new((part, refusal))));
        }
        self.waiting = kept;
    }

    /// What to tell a sender whose part can't wait here.
    pub fn retry_hint(&self, now: Instant) -> Duration {
        let wait = self.block.as_ref().map(|block| block.until.saturating_duration_since(now));
        wait.unwrap_or_default().max(RETRY_HINT_MIN)
    }
}

fn unavailable(reason: Reason, message: &str, retry_after: Duration) -> Refusal {
    Refusal { fault: Fault::Peer, reason, message: message.to_owned().into(), retry_after: Some(retry_after) }
}

fn cancelled() -> Refusal {
    Refusal {
        fault: Fault::Deadline,
        reason: Reason::Cancelled,
        message: "the sender went away before it was answered".into(),
        retry_after: None,
    }
}

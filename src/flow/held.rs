//! A request from the moment a stage holds it to its end, and the books in which the end is written.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use super::ticket::{self, Ticket};
use super::{Answer, Request};
use crate::batch;
use crate::observe::{ExporterMetrics, HeldBytes, Ledger, Weight};
use crate::outcome::{Accepted, Fault, Reason, Refusal, Signal};

/// A request that is held, or a piece of one. `P` is its place, given back at its end.
pub type Part<P> = batch::Part<Arc<Held<P>>>;

/// What the parts of a request share.
pub struct Held<P> {
    /// The sender was answered as soon as it was held.
    pub promised: bool,
    /// The sender keeps a copy and waits as long as it takes.
    pub kept: bool,
    /// It leaves as large as it is.
    pub batched: bool,
    /// When its last byte arrived.
    pub arrived: Instant,
    /// When the sender should be told, so that it hears before it gives up.
    pub until: Option<Instant>,
    ticket: Ticket,
    weight: Mutex<Option<Weight>>, // `None` where somebody else holds the bytes
    unsettled: AtomicU64,          // items
    books: Arc<Books>,
    /// Its place where it is held, given back at its end.
    pub place: P,
}

/// The counts of one stage and signal.
pub struct Books {
    name: String,
    /// What it holds.
    pub signal: Signal,
    /// The conservation sum.
    pub ledger: Ledger,
    metrics: Option<ExporterMetrics>,
    bytes: HeldBytes,
    closing: AtomicBool,
    closed: Notify,
    outstanding: AtomicUsize, // requests
    settled: Notify,          // there are none
    given_up: AtomicU64,      // items that the end cut off and that nobody else keeps
    drops: Quiet,
    retries: Quiet,
    partials: Quiet,
}

impl<P> Held<P> {
    /// Holds a request from now on. `promised` answers its sender; otherwise it waits on the second.
    pub fn open(
        books: &Arc<Books>,
        request: Request,
        place: P,
        promised: bool,
    ) -> (Part<P>, oneshot::Receiver<Answer>) {
        let Request { body, items, arrived, deadline, kept, batched, .. } = request;
        books.ledger.taken(items);
        books.ledger.held_add(items);
        books.outstanding.fetch_add(1, Ordering::AcqRel);
        let (ticket, answer) = ticket::open();
        if promised {
            ticket.answer(Ok(Accepted::default()));
        }
        let until = if promised || kept { None } else { deadline.map(|at| answer_by(at, Instant::now())) };
        let unsettled = AtomicU64::new(items);
        // A sender at the door is in progress at its receiver, which counts its bytes.
        let weight = Mutex::new((promised || kept).then(|| books.bytes.hold(body.len())));
        let books = Arc::clone(books);
        let owner = Self { promised, kept, batched, arrived, until, ticket, weight, unsettled, books, place };
        (Part { body, items, owner: Arc::new(owner) }, answer)
    }

    /// Its bytes are in other hands.
    pub fn unburden(&self) {
        self.weight.lock().take();
    }

    /// Whether its sender has gone, so that it need not be sent.
    pub fn is_abandoned(&self) -> bool {
        !self.promised && self.ticket.is_abandoned()
    }

    fn settle(&self, items: u64) {
        self.unsettled.fetch_sub(items, Ordering::AcqRel);
        self.books.ledger.held_sub(items);
    }

    /// `items` of it are not sent.
    fn refuse(&self, items: u64, refusal: &Refusal) {
        let books = &self.books;
        self.settle(items);
        if let Some(metrics) = &books.metrics {
            metrics.send_failed(books.signal, items);
        }
        if refusal.reason == Reason::Shutdown && !self.kept {
            books.given_up.fetch_add(items, Ordering::Relaxed);
        }
        if self.promised {
            books.ledger.dropped(refusal.reason, items);
            if let Some(unsaid) = books.drops.may_say() {
                let (component, reason, message) = (&books.name, refusal.reason.name(), &refusal.message);
                tracing::warn!(component, items, reason, %message, unsaid, "dropped after its sender was answered");
            }
        } else {
            books.ledger.refused(refusal.reason, items);
        }
        self.ticket.refused(items, refusal);
    }
}

/// Shortly before the sender gives up, so that it is told.
fn answer_by(deadline: Instant, now: Instant) -> Instant {
    let left = deadline.saturating_duration_since(now);
    now + left - (left / 10).min(ANSWER_MARGIN)
}

impl<P> Drop for Held<P> {
    /// What nobody settled went with the runtime that ran it.
    fn drop(&mut self) {
        let left = self.unsettled.load(Ordering::Acquire);
        if left > 0 {
            self.refuse(left, &closing());
        }
        if self.books.outstanding.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.books.settled.notify_waiters();
        }
    }
}

impl Books {
    /// Nothing yet. Exporters count in the Collector's series too.
    pub fn new(
        name: &str,
        signal: Signal,
        ledger: Ledger,
        metrics: Option<ExporterMetrics>,
        bytes: HeldBytes,
    ) -> Arc<Self> {
        Arc::new(Self {
            name: name.to_owned(),
            signal,
            ledger,
            metrics,
            bytes,
            closing: AtomicBool::new(false),
            closed: Notify::new(),
            outstanding: AtomicUsize::new(0),
            settled: Notify::new(),
            given_up: AtomicU64::new(0),
            drops: Quiet::default(),
            retries: Quiet::default(),
            partials: Quiet::default(),
        })
    }

    /// Nothing more is taken.
    pub fn close(&self) {
        self.closing.store(true, Ordering::Release);
        self.closed.notify_waiters();
    }

    /// Ready once the end is near and every sender of these parts has gone: whoever keeps them does so on disk and has
    /// ended, so nobody need wait for a backend that does not answer.
    pub async fn deserted<P>(&self, parts: &[Part<P>]) {
        let closed = self.closed.notified();
        if !self.is_closing() {
            closed.await;
        }
        while !parts.iter().all(|part| part.owner.is_abandoned()) {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Items that the end cut off and that nobody else keeps.
    pub fn given_up(&self) -> u64 {
        self.given_up.load(Ordering::Relaxed)
    }

    /// A request was refused before it was held.
    pub fn turned_away(&self, items: u64, refusal: &Refusal) {
        self.ledger.taken(items);
        self.ledger.refused(refusal.reason, items);
        if let Some(metrics) = self.metrics.as_ref().filter(|_| refusal.reason == Reason::QueueFull) {
            metrics.enqueue_failed(self.signal, items);
        }
    }

    /// A share that was refused does not come again: another exporter has the request.
    pub fn share_given_up(&self, items: u64, refusal: &Refusal) {
        self.ledger.taken(items);
        self.ledger.dropped(refusal.reason, items);
        if let Some(unsaid) = self.drops.may_say() {
            let (component, reason, message) = (&self.name, refusal.reason.name(), &refusal.message);
            tracing::warn!(component, items, reason, %message, unsaid, "dropped here; another exporter has it");
        }
    }

    /// Ready when nothing is on its way.
    pub async fn all_settled(&self) {
        loop {
            let settled = self.settled.notified();
            if self.outstanding.load(Ordering::Acquire) == 0 {
                return;
            }
            settled.await;
        }
    }

    /// Whether the end is near.
    pub fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// Whoever comes next took the parts, but for the rejected items. Whose they were is not known, so it is told to the
    /// first senders that can have sent so many.
    pub fn delivered<P>(&self, parts: Vec<Part<P>>, accepted: &Accepted) {
        let Accepted { rejected_items, reason, message } = accepted;
        let items: u64 = parts.iter().map(|part| part.items).sum();
        let rejected_items = *rejected_items.min(&items);
        let reason = reason.unwrap_or(Reason::BackendRejected);
        if let Some(metrics) = &self.metrics {
            metrics.sent(self.signal, items - rejected_items); // before anybody is answered
        }
        let mut unassigned = rejected_items;
        for part in parts {
            let rejected = unassigned.min(part.items);
            unassigned -= rejected;
            part.owner.settle(part.items);
            self.ledger.delivered(part.items - rejected);
            self.ledger.dropped(reason, rejected);
            part.owner.ticket.taken(rejected, reason, message);
        }
    }

    /// The parts are not sent.
    pub fn refuse<P>(&self, parts: Vec<Part<P>>, refusal: &Refusal) {
        for part in parts {
            part.owner.refuse(part.items, refusal);
        }
    }

    /// What follows could not take something, which is tried again after `wait`.
    pub fn retrying(&self, message: &str, wait: Duration) {
        if let Some(unsaid) = self.retries.may_say() {
            let (component, wait_ms) = (&self.name, wait.as_millis() as u64);
            tracing::warn!(component, message, wait_ms, unsaid, "sending failed and is tried again");
        }
    }

    /// A backend took something with a partial success.
    pub fn partial(&self, accepted: &Accepted) {
        let Accepted { rejected_items, message, .. } = accepted;
        if let Some(unsaid) = self.partials.may_say() {
            let component = &self.name;
            tracing::warn!(component, rejected_items, %message, unsaid, "the backend took a request in part");
        }
    }
}

/// Says the same thing once in a while only.
#[derive(Default)]
pub struct Quiet(Mutex<(Option<Instant>, u64)>);

impl Quiet {
    /// How many times nothing was said since the last time; `None` when it is too early again.
    pub fn may_say(&self) -> Option<u64> {
        let mut state = self.0.lock();
        let now = Instant::now();
        if state.0.is_some_and(|last| now - last < LOG_PAUSE) {
            state.1 += 1;
            return None;
        }
        state.0 = Some(now);
        Some(std::mem::take(&mut state.1))
    }
}

/// We are about to stop.
pub fn closing() -> Refusal {
    Refusal {
        fault: Fault::Closing,
        reason: Reason::Shutdown,
        message: "shutting down before the backend took it".into(),
        retry_after: Some(RETRY_HINT),
    }
}

/// The sender has gone.
pub fn cancelled() -> Refusal {
    Refusal {
        fault: Fault::Deadline,
        reason: Reason::Cancelled,
        message: "the sender went away before it was answered".into(),
        retry_after: None,
    }
}

/// What senders are asked to wait at least.
pub const RETRY_HINT: Duration = Duration::from_secs(1);
/// Told to the sender this long before it gives up, at most.
const ANSWER_MARGIN: Duration = Duration::from_millis(250);
/// Between two looks whether senders are still there, near the end.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// Between two lines of the same stage.
const LOG_PAUSE: Duration = Duration::from_secs(5);

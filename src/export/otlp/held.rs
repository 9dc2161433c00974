//! One request from its place in the queue to its end, and the books in which the end is written.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::room::Place;
use crate::batch;
use crate::flow::Ticket;
use crate::observe::{ExporterMetrics, Gauge, Ledger};
use crate::outcome::{Fault, Reason, Refusal, Signal};

/// A request, or a piece of one, on its way out.
pub type Part = batch::Part<Arc<Held>>;

/// What the parts of a request share.
pub struct Held {
    /// The sender was answered when it was queued.
    pub promised: bool,
    /// The sender keeps a copy and waits as long as it takes.
    pub kept: bool,
    /// When it should be told, so that it hears before it gives up.
    pub until: Option<Instant>,
    ticket: Ticket,
    unsettled: AtomicU64, // items
    books: Arc<Books>,
    _place: Place,
}

/// The counts of one exporter and signal.
pub struct Books {
    /// What it exports.
    pub signal: Signal,
    /// The conservation sum.
    pub ledger: Ledger,
    /// The Collector's series.
    pub metrics: ExporterMetrics,
    /// Calls on their way or waiting for a retry.
    pub in_flight: Gauge,
    /// Nothing more is taken.
    pub closing: AtomicBool,
    /// Requests not settled.
    pub outstanding: AtomicUsize,
    /// Told when there are none.
    pub settled: Notify,
    /// Items that the end cut off and that nobody else keeps.
    pub given_up: AtomicU64,
    log: Quiet,
}

impl Held {
    /// Counts `items` as held from now on.
    pub fn new(
        books: &Arc<Books>,
        ticket: Ticket,
        items: u64,
        place: Place,
        (promised, kept): (bool, bool),
        until: Option<Instant>,
    ) -> Arc<Self> {
        books.ledger.taken(items);
        books.ledger.held_add(items);
        books.outstanding.fetch_add(1, Ordering::AcqRel);
        let unsettled = AtomicU64::new(items);
        Arc::new(Self { promised, kept, until, ticket, unsettled, books: Arc::clone(books), _place: place })
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
        books.metrics.send_failed(books.signal, items);
        if refusal.reason == Reason::Shutdown && !self.kept {
            books.given_up.fetch_add(items, Ordering::Relaxed);
        }
        if self.promised {
            books.ledger.dropped(refusal.reason, items);
            if let Some(unsaid) = books.log.may_say() {
                let reason = refusal.reason.name();
                tracing::warn!(items, reason, unsaid, message = %refusal.message, "dropped after it was queued");
            }
        } else {
            books.ledger.refused(refusal.reason, items);
        }
        self.ticket.refused(items, refusal);
    }
}

impl Drop for Held {
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
    /// Nothing yet.
    pub fn new(signal: Signal, ledger: Ledger, metrics: ExporterMetrics) -> Arc<Self> {
        let in_flight = metrics.in_flight(signal);
        Arc::new(Self {
            signal,
            ledger,
            metrics,
            in_flight,
            closing: AtomicBool::new(false),
            outstanding: AtomicUsize::new(0),
            settled: Notify::new(),
            given_up: AtomicU64::new(0),
            log: Quiet::default(),
        })
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

    /// The backend took the parts, but for `rejected_items`. Whose they were is not known, so it is told to the first
    /// senders that can have sent so many.
    pub fn delivered(&self, parts: Vec<Part>, rejected_items: u64, message: &str) {
        let items: u64 = parts.iter().map(|part| part.items).sum();
        let rejected_items = rejected_items.min(items);
        if rejected_items > 0 || !message.is_empty() {
            if let Some(unsaid) = self.log.may_say() {
                tracing::warn!(rejected_items, unsaid, message, "the backend took a request in part");
            }
        }
        let mut unassigned = rejected_items;
        for part in parts {
            let rejected = unassigned.min(part.items);
            unassigned -= rejected;
            part.owner.settle(part.items);
            self.ledger.delivered(part.items - rejected);
            self.ledger.dropped(Reason::BackendRejected, rejected);
            part.owner.ticket.taken(rejected, Reason::BackendRejected, message);
        }
        self.metrics.sent(self.signal, items - rejected_items);
    }

    /// The parts are not sent.
    pub fn refuse(&self, parts: Vec<Part>, refusal: &Refusal) {
        for part in parts {
            part.owner.refuse(part.items, refusal);
        }
    }

    /// A call failed and is tried again.
    pub fn retrying(&self, message: &str, wait: Duration) {
        if let Some(unsaid) = self.log.may_say() {
            tracing::warn!(
                message,
                wait_ms = wait.as_millis() as u64,
                unsaid,
                "an export failed and is tried again"
            );
        }
    }
}

/// Says the same thing once in a while only.
#[derive(Default)]
struct Quiet(Mutex<(Option<Instant>, u64)>);

impl Quiet {
    /// How many times nothing was said since the last time; `None` when it is too early again.
    fn may_say(&self) -> Option<u64> {
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

/// What senders are asked to wait at least.
pub const RETRY_HINT: Duration = Duration::from_secs(1);
/// Between two lines of the same exporter.
const LOG_PAUSE: Duration = Duration::from_secs(5);

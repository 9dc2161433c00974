//! The outcome of one request: a ticket held by each of its parts, and the future its sender waits on.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use smallvec::SmallVec;

use super::resend::{Digest, Memory};
use super::sending_queue::Slot;
use crate::flow::Answer;
use crate::outcome::{Accepted, Reason, Refusal};

/// A part's hold on the outcome of its request. Every ticket must be settled once.
#[derive(Debug)]
pub struct Ticket(Arc<Shared>);

/// What a sender waits on: ready when every part is settled. Dropping it earlier cancels the parts that still wait.
#[derive(Debug)]
pub struct Waiting {
    shared: Arc<Shared>,
    cancels: bool,
}

#[derive(Debug)]
struct Shared {
    pending: AtomicU32, // parts not settled; the answer is ready at zero
    cancelled: AtomicBool,
    waker: AtomicWaker,
    sum: Mutex<Sum>,
    memory: Option<Arc<Memory>>,
    membership: u64,
    promised: bool,
    _slot: Option<Slot>,
}

#[derive(Debug, Default)]
struct Sum {
    delivered_to: SmallVec<[u64; 8]>, // owners that have their parts
    rejected_items: u64,
    reason: Option<Reason>,
    message: Cow<'static, str>,
    passing: Option<Refusal>,
    for_good: Option<Refusal>,
    digest: Option<Digest>,
    moved: bool, // some part has gone to another owner than its first
}

/// What a request's outcome starts from.
#[derive(Debug, Default)]
pub struct Opening {
    /// How many parts it has.
    pub parts: usize,
    /// Items rejected already.
    pub rejected_items: u64,
    /// Their named reason.
    pub reason: Option<Reason>,
    /// Why, for the sender.
    pub message: &'static str,
    /// Where partial outcomes are remembered for a resend.
    pub memory: Option<Arc<Memory>>,
    /// The fingerprint of the members that it was divided among.
    pub membership: u64,
    /// Owners that took their parts on an earlier attempt.
    pub already: Vec<u64>,
    /// Its place in the sending queue, given back when the last part is settled.
    pub slot: Option<Slot>,
    /// Its sender is answered already.
    pub promised: bool,
}

/// Opens the outcome of a request.
pub fn open(opening: Opening) -> (Vec<Ticket>, Waiting) {
    let Opening { parts, rejected_items, reason, message, memory, membership, already, slot, promised } =
        opening;
    let sum = Sum {
        rejected_items,
        reason,
        message: message.into(),
        delivered_to: already.into(),
        ..Sum::default()
    };
    let shared = Arc::new(Shared {
        pending: AtomicU32::new(parts as u32),
        cancelled: AtomicBool::new(false),
        waker: AtomicWaker::new(),
        sum: Mutex::new(sum),
        memory,
        membership,
        promised,
        _slot: slot,
    });
    let tickets = (0..parts).map(|_| Ticket(Arc::clone(&shared))).collect();
    (tickets, Waiting { shared, cancels: true })
}

impl Ticket {
    /// Whether the sender has gone, so that what still waits need not be sent.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::Relaxed)
    }

    /// Whether the sender was answered when the queue took its request.
    pub fn is_promised(&self) -> bool {
        self.0.promised
    }

    /// The owner `owner` took the part, but for the rejected items.
    pub fn delivered(self, owner: u64, rejected_items: u64, message: &str) {
        {
            let mut sum = self.0.sum.lock();
            sum.delivered_to.push(owner);
            sum.rejected_items += rejected_items;
            if rejected_items > 0 {
                sum.reason.get_or_insert(Reason::BackendRejected);
            }
            if !message.is_empty() && sum.message.is_empty() {
                sum.message = message.to_owned().into();
            }
        }
        self.settle();
    }

    /// The part was not taken. `digest` identifies the request it came from, so that a resend can skip the parts that
    /// were taken.
    pub fn refused(self, items: u64, refusal: Refusal, digest: Option<Digest>) {
        {
            let mut sum = self.0.sum.lock();
            if refusal.passes() {
                sum.digest = sum.digest.or(digest);
                sum.passing.get_or_insert(refusal);
            } else {
                sum.rejected_items += items;
                sum.reason.get_or_insert(refusal.reason);
                sum.for_good.get_or_insert(refusal);
            }
        }
        self.settle();
    }

    /// The part goes to other owners than it was meant for. What was taken is then not remembered: an owner may have
    /// taken its own part and not that of another, or the other way round.
    pub fn moved(&self) {
        self.0.sum.lock().moved = true;
    }

    /// More tickets for the same request, for a part that is divided again.
    pub fn fork(&self) -> Self {
        self.0.pending.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(&self.0))
    }

    fn settle(self) {
        if self.0.pending.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.remember();
            self.0.waker.wake();
        }
    }
}

impl Shared {
    /// After a refusal that passes the sender will send everything again: note who has taken their part. It counts
    /// only under the members that the request was divided among, since under others the parts are not the same.
    fn remember(&self) {
        let sum = self.sum.lock();
        let (Some(memory), Some(digest), Some(_)) = (&self.memory, sum.digest, &sum.passing) else { return };
        if !sum.delivered_to.is_empty() && !sum.moved {
            memory.insert(digest ^ u128::from(self.membership), &sum.delivered_to);
        }
    }

    fn answer(&self) -> Answer {
        let mut sum = self.sum.lock();
        if let Some(refusal) = sum.passing.take() {
            return Err(refusal);
        }
        match sum.for_good.take() {
            // Nothing else was taken: the backend's refusal is the answer.
            Some(refusal) if sum.delivered_to.is_empty() => Err(refusal),
            // Some owners took their part: partial success, so that nobody sends it again.
            Some(refusal) => Ok(sum.accepted(refusal.message)),
            None => {
                let message = std::mem::take(&mut sum.message);
                Ok(sum.accepted(message))
            }
        }
    }
}

impl Sum {
    fn accepted(&self, message: Cow<'static, str>) -> Accepted {
        Accepted { rejected_items: self.rejected_items, reason: self.reason, message }
    }
}

impl Future for Waiting {
    type Output = Answer;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer> {
        self.shared.waker.register(cx.waker());
        if self.shared.pending.load(Ordering::Acquire) == 0 {
            Poll::Ready(self.shared.answer())
        } else {
            Poll::Pending
        }
    }
}

impl Waiting {
    /// Lets the parts go on without a sender: the queue has taken over the promise.
    pub fn detach(mut self) {
        self.cancels = false;
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.cancels {
            self.shared.cancelled.store(true, Ordering::Relaxed);
        }
    }
}

/// The shortest hint worth giving: senders back off by themselves below it.
pub const RETRY_HINT_MIN: Duration = Duration::from_secs(1);

//! A request becomes parts in lanes; parts become delivered, refused, or another owner's.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::lanes::{Lane, Settle};
use super::part::Part;
use super::sending_queue::Slot;
use super::shared::{OnWorker, Shared};
use super::ticket::{self, Opening, RETRY_HINT_MIN, Waiting};
use crate::flow::Request;
use crate::lane::Permit;
use crate::outcome::{Accepted, Fault, Reason, Refusal};
use crate::split::{Slice, Split, gather};

/// What became of a request at once.
pub enum Submitted {
    /// Its parts are in lanes; with a queue, the second is the answer already.
    Waiting(Waiting, Accepted),
    /// There is nothing to wait for.
    Done(Accepted),
}

/// A slice with its lane and its room in the budgets.
struct Placed {
    slice: Slice,
    lane: Arc<Lane>,
    permits: Result<[Option<Permit>; 2], Refusal>,
}

/// Divides a request and puts its parts into lanes. With a place in the queue, its sender may have been `promised` that
/// they arrive.
pub fn submit(
    shared: &Arc<Shared>,
    request: &Request,
    slot: Option<Slot>,
    promised: bool,
) -> Result<Submitted, Refusal> {
    shared.lb.load().calls_in.inc();
    shared.ledger.taken(request.items);
    let refuse = |refusal: Refusal| {
        shared.ledger.refused(refusal.reason, request.items);
        refusal
    };
    if shared.closing.load(Ordering::Relaxed) {
        return Err(refuse(closing("shutting down")));
    }
    let divided = shared.on_this_worker(|on| divide(shared, on, request));
    let Divided { placed, rejected, reason, membership, already } = divided.map_err(refuse)?;
    if slot.is_some()
        && let Some(refusal) = placed.iter().find_map(|p| p.permits.as_ref().err())
    {
        // The queue takes a request whole or not at all.
        shared.metrics.enqueue_failed(shared.signal, request.items);
        return Err(refuse(refusal.clone()));
    }
    shared.ledger.dropped(reason, rejected);
    let message: &'static str = if rejected == 0 { "" } else { rejection(reason) };
    let cause = (rejected > 0).then_some(reason);
    let accepted = Accepted { rejected_items: rejected, reason: cause, message: Cow::Borrowed(message) };
    if placed.is_empty() {
        return Ok(Submitted::Done(accepted));
    }
    let opening = Opening {
        parts: placed.len(),
        rejected_items: rejected,
        reason: cause,
        message,
        memory: slot.is_none().then(|| Arc::clone(&shared.memory)),
        membership,
        already,
        slot,
        promised,
    };
    let (tickets, waiting) = ticket::open(opening);
    let now = Instant::now();
    let deadline = shared.hold_until(request, now, promised);
    shared.ledger.held_add(placed.iter().map(|p| u64::from(p.slice.items)).sum());
    for (Placed { slice, lane, permits }, ticket) in placed.into_iter().zip(tickets) {
        match permits {
            Ok(permits) => lane.submit(Part::new(slice, ticket, now, deadline, permits)),
            Err(refusal) => shared.refuse(Part::new(slice, ticket, now, deadline, [None, None]), refusal),
        }
    }
    Ok(Submitted::Waiting(waiting, accepted))
}

/// A request, divided.
struct Divided {
    placed: Vec<Placed>,
    rejected: u64, // items that nobody takes
    reason: Reason,
    membership: u64,   // the fingerprint of the members it was divided among
    already: Vec<u64>, // owners that took their parts on an earlier attempt
}

fn divide(shared: &Shared, on: &mut OnWorker, request: &Request) -> Result<Divided, Refusal> {
    if !on.has_owner() {
        return Err(no_members());
    }
    let already = if shared.memory.is_empty() { None } else { shared.memory.take(on.digest(&request.body)) };
    let already = already.unwrap_or_default();
    let split = on.split(shared, request.body.clone()).map_err(|error| Refusal {
        fault: Fault::Sender,
        reason: Reason::Malformed,
        message: format!("not an OTLP request: {error}").into(),
        retry_after: None,
    })?;
    let reason = if on.refuses_ids(shared) { Reason::InvalidTraceId } else { Reason::NoMembers };
    let Split { slices, rejected, .. } = split;
    let mut placed = Vec::with_capacity(slices.len());
    for (owner, slice) in slices {
        let lane = Arc::clone(&on.lanes[usize::from(owner)]);
        if already.contains(&lane.owner) {
            shared.ledger.dropped(Reason::AlreadyDelivered, u64::from(slice.items));
            continue;
        }
        let permits = shared.permits(&lane, slice.bytes);
        placed.push(Placed { slice, lane, permits });
    }
    Ok(Divided { placed, rejected, reason, membership: on.fingerprint(), already })
}

impl Shared {
    fn permits(&self, lane: &Lane, bytes: usize) -> Result<[Option<Permit>; 2], Refusal> {
        let backend = lane.budget.try_take(bytes);
        let all = backend.as_ref().and_then(|_| self.held.try_take(bytes));
        if backend.is_some() && all.is_some() {
            return Ok([backend, all]);
        }
        let key = if backend.is_none() { "hold.max_bytes_per_backend" } else { "hold.max_bytes" };
        Err(Refusal {
            fault: Fault::Load,
            reason: Reason::LaneFull,
            message: format!("{} does not answer in time and {key} is reached", lane.member.id).into(),
            retry_after: Some(lane.retry_hint()),
        })
    }

    /// How long the parts of a request may be held: shortly before the sender gives up, so that it is told; with a
    /// queue, as long as retries may last.
    fn hold_until(&self, request: &Request, now: Instant, promised: bool) -> Instant {
        let config = self.config.load();
        if promised {
            let longest = config.retry.max_elapsed_time;
            return now + if longest.is_zero() { FOR_EVER } else { longest };
        }
        let held = now + config.hold.max_age;
        let Some(deadline) = request.deadline else { return held };
        let left = deadline.saturating_duration_since(now);
        held.min(now + left - (left / 10).min(ANSWER_MARGIN))
    }

    fn tell_settled(&self) {
        if self.closing.load(Ordering::Relaxed) {
            self.settled.notify_waiters();
        }
    }
}

impl Settle for Shared {
    fn calling(&self) {
        self.lb.load().calls_out.inc();
    }

    /// What the backend rejected is not known part by part, so it is told to the first senders that can have sent
    /// so many.
    fn delivered(&self, lane: &Lane, parts: Vec<Part>, rejected_items: u64, message: &str) {
        let items: u64 = parts.iter().map(Part::items).sum();
        let rejected_items = rejected_items.min(items);
        self.ledger.held_sub(items);
        self.ledger.delivered(items - rejected_items);
        self.metrics.sent(self.signal, items - rejected_items);
        if rejected_items > 0 {
            self.ledger.dropped(Reason::BackendRejected, rejected_items);
        }
        let mut unassigned = rejected_items;
        for part in parts {
            let rejected = unassigned.min(part.items());
            unassigned -= rejected;
            part.ticket.delivered(lane.owner, rejected, message);
        }
        self.tell_settled();
    }

    /// Its sender is told, or with a queue it is dropped under the refusal's reason.
    fn refuse(&self, part: Part, refusal: Refusal) {
        let items = part.items();
        self.ledger.held_sub(items);
        if part.ticket.is_promised() {
            let reason =
                if refusal.reason == Reason::HoldExpired { Reason::RetryExhausted } else { refusal.reason };
            self.ledger.dropped(reason, items);
            tracing::warn!(items, reason = reason.name(), message = %refusal.message, "dropped after it was queued");
        } else {
            self.ledger.refused(refusal.reason, items);
        }
        self.metrics.send_failed(self.signal, items);
        let digest = part.digest();
        part.ticket.refused(items, refusal, Some(digest));
        self.tell_settled();
    }

    fn reroute(self: Arc<Self>, from: &Lane, parts: Vec<Part>) {
        for part in parts {
            let body = Bytes::from(gather(std::slice::from_ref(&part.slice)));
            let split = self.on_this_worker(|on| {
                let split = on.split(&self, body).ok()?;
                let placed = split
                    .slices
                    .into_iter()
                    .map(|(owner, slice)| (Arc::clone(&on.lanes[usize::from(owner)]), slice));
                Some((placed.collect::<Vec<_>>(), split.rejected))
            });
            let Some((placed, 0)) = split.filter(|(placed, _)| !placed.is_empty()) else {
                self.refuse(part, no_members());
                continue;
            };
            if placed.iter().any(|(lane, _)| lane.owner != from.owner) {
                self.lb.load().rerouted_items.add(part.items());
                part.ticket.moved();
            }
            let mut tickets: Vec<_> = placed[1..].iter().map(|_| part.ticket.fork()).collect();
            tickets.push(part.ticket);
            let mut permits = Some(part.permits);
            for ((lane, slice), ticket) in placed.into_iter().zip(tickets) {
                // The room it had is the room it has: a change of members refuses nobody.
                let permits = permits.take().unwrap_or([None, None]);
                lane.submit(Part::new(slice, ticket, part.queued, part.deadline, permits));
            }
        }
    }

    fn abandon(&self, parts: Vec<Part>) {
        for part in parts {
            self.refuse(part, closing("shutting down before the backend took it"));
        }
    }
}

fn rejection(reason: Reason) -> &'static str {
    match reason {
        Reason::InvalidTraceId => "spans without a valid trace id (16 bytes, not all zero) have no owner",
        _ => "no member takes these items: all weights are zero",
    }
}

fn no_members() -> Refusal {
    Refusal {
        fault: Fault::Peer,
        reason: Reason::NoMembers,
        message: "no backend is known: the resolver has found no members yet".into(),
        retry_after: Some(RETRY_HINT_MIN),
    }
}

fn closing(message: &'static str) -> Refusal {
    Refusal {
        fault: Fault::Closing,
        reason: Reason::Shutdown,
        message: message.into(),
        retry_after: Some(RETRY_HINT_MIN),
    }
}

/// Told to the sender this long before it gives up, at most.
const ANSWER_MARGIN: Duration = Duration::from_millis(250);
/// `max_elapsed_time: 0`: a year outlasts any process.
const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 3600);

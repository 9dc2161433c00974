//! What both protocols do with a request once its bytes are plain: admit, count, hand on, count again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::flow::{Answer, Consumer, Front, MemoryGate, Request};
use crate::lane::{Budget, Permit};
use crate::observe::{Ledger, ReceiverMetrics, Registry};
use crate::origin::Origin;
use crate::outcome::{Accepted, Fault, Reason, Refusal, Signal};
use crate::split::count_items;

/// One protocol of one receiver: what stands behind it and its counters.
pub struct Intake {
    front: Front,
    budget: Arc<Budget>,
    metrics: ReceiverMetrics,
    ledgers: [Ledger; 3],
    malformed: crate::observe::Counter,
    strangers: crate::observe::Counter,
    limited: crate::observe::Counter,
}

impl Intake {
    /// For protocol `transport` (`grpc`, `http`) of `receiver`; the budget is shared by both protocols.
    pub fn new(
        receiver: &str,
        transport: &str,
        front: Front,
        budget: Arc<Budget>,
        registry: &Registry,
    ) -> Self {
        let ledger = |signal| Ledger::new(registry, "receiver", &format!("{receiver}/{transport}"), signal);
        Self {
            front,
            budget,
            metrics: ReceiverMetrics::new(registry, receiver, transport),
            ledgers: Signal::ALL.map(ledger),
            malformed: registry.counter(
                "ringtail_receiver_malformed_requests",
                "Number of requests refused because their bytes could not be read",
                &[("receiver", receiver), ("transport", transport)],
            ),
            strangers: registry.counter(
                "ringtail_receiver_unauthenticated_requests",
                "Number of requests that the receiver's authenticator did not let in",
                &[("receiver", receiver), ("transport", transport)],
            ),
            limited: registry.sparse_counter(
                "ringtail_receiver_memory_limited_requests",
                "Number of requests that a memory_limiter among the middlewares refused before they were read",
                &[("receiver", receiver), ("transport", transport)],
            ),
        }
    }

    /// Whether a pipeline takes `signal`.
    pub fn takes(&self, signal: Signal) -> bool {
        self.front.takes(signal)
    }

    /// Room for a request of `bytes`, to be held until it is answered.
    pub fn admit(&self, bytes: usize) -> Result<Permit, Refusal> {
        self.budget.try_take(bytes).ok_or_else(|| Refusal {
            fault: Fault::Load,
            reason: Reason::Busy,
            message: "too many bytes of requests in progress (max_in_flight_mib)".into(),
            retry_after: Some(RETRY_AFTER),
        })
    }

    /// Bytes that could not be read: counts them and says so.
    pub fn unreadable(&self, reason: Reason, message: String) -> Refusal {
        self.malformed.inc();
        let fault = if reason == Reason::TooLarge { Fault::TooLarge } else { Fault::Sender };
        Refusal { fault, reason, message: message.into(), retry_after: None }
    }

    /// Whether all `limits` let a request in, which nobody has looked into yet: it is counted, its items are not.
    /// What is said is what the Collector's extension says.
    pub fn room(&self, limits: &[MemoryGate]) -> Result<(), Refusal> {
        limits.iter().try_for_each(MemoryGate::ask).map_err(|refusal| {
            self.limited.inc();
            Refusal { fault: Fault::Exhausted, message: "RESOURCE_EXHAUSTED".into(), ..refusal }
        })
    }

    /// Someone who may not send here: counts it and says why.
    pub fn stranger(&self, why: String) -> Refusal {
        self.strangers.inc();
        let (fault, reason) = (Fault::Unauthenticated, Reason::Unauthenticated);
        Refusal { fault, reason, message: why.into(), retry_after: None }
    }

    /// Takes an encoded request and answers when it is where the configuration promises.
    pub async fn take(
        &self,
        signal: Signal,
        body: Bytes,
        deadline: Option<Instant>,
        origin: Origin,
    ) -> Answer {
        let arrived = Instant::now();
        let items = count_items(signal, &body)
            .map_err(|error| self.unreadable(Reason::Malformed, format!("not an OTLP request: {error}")))?;
        if items == 0 {
            return Ok(Accepted::default());
        }
        let origin = Some(Arc::new(origin));
        let counted = Counted::new(self, signal, items);
        let request = Request { arrived, deadline, origin, ..Request::new(signal, body, items) };
        let answer = self.front.consume(request).await;
        counted.settle(&answer);
        answer
    }
}

/// Items in progress: settled by an answer, or by the sender's leaving.
struct Counted<'a> {
    intake: &'a Intake,
    ledger: &'a Ledger,
    signal: Signal,
    items: u64,
}

impl<'a> Counted<'a> {
    fn new(intake: &'a Intake, signal: Signal, items: u64) -> Self {
        let ledger = &intake.ledgers[signal as usize];
        ledger.taken(items);
        ledger.held_add(items);
        Self { intake, ledger, signal, items }
    }

    fn settle(mut self, answer: &Answer) {
        let items = std::mem::take(&mut self.items);
        self.ledger.held_sub(items);
        match answer {
            Ok(accepted) => {
                let rejected = accepted.rejected_items.min(items);
                self.ledger.delivered(items - rejected);
                self.intake.metrics.accepted(self.signal, items - rejected);
                if rejected > 0 {
                    self.ledger.refused(accepted.reason.unwrap_or(Reason::BackendRejected), rejected);
                    self.intake.metrics.refused(self.signal, rejected);
                }
            }
            Err(refusal) => {
                self.ledger.refused(refusal.reason, items);
                match refusal.fault {
                    Fault::Ours => self.intake.metrics.failed(self.signal, items),
                    _ => self.intake.metrics.refused(self.signal, items),
                }
            }
        }
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        if self.items > 0 {
            self.ledger.held_sub(self.items);
            self.ledger.refused(Reason::Cancelled, self.items);
            self.intake.metrics.refused(self.signal, self.items);
        }
    }
}

/// A busy receiver asks senders to come back after this.
const RETRY_AFTER: Duration = Duration::from_secs(1);

//! The exporter: splits requests among the members, waits for all owners, follows changes of the membership.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use arc_swap::{ArcSwap, ArcSwapOption};
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::config::{Config, RoutingKey};
use super::sending_queue::{SendingQueue, Slot};
use super::shared::{OnWorker, Shared, Speech, SpeechError};
use super::submit;
use crate::discover::Event;
use crate::flow::{Answer, Consumer, Request};
use crate::lane::Budget;
use crate::observe::{ExporterMetrics, HeldBytes, Ledger, LoadBalancerMetrics, Registry};
use crate::outcome::{Fault, Reason, Refusal, Signal};
use crate::route::{Membership, Routes};
use crate::workers::Workers;

/// A `load_balancing` exporter for one signal.
#[derive(Clone)]
pub struct LoadBalancer(pub(super) Arc<Shared>);

/// What an exporter is made of.
pub struct Parts<'a> {
    /// Its name in the configuration.
    pub name: &'a str,
    /// Which signal it forwards.
    pub signal: Signal,
    /// What it was told.
    pub config: Config,
    /// Where it runs.
    pub workers: Arc<Workers>,
    /// Where it counts.
    pub registry: &'a Registry,
}

impl LoadBalancer {
    /// An exporter without members yet; see [`Self::apply`].
    pub fn new(parts: Parts<'_>) -> Result<Self, SpeechError> {
        let Parts { name, signal, config, workers, registry } = parts;
        let metrics = ExporterMetrics::new(registry, name, None);
        let queue = config.sending_queue.map(|queue| SendingQueue::new(queue, metrics.queue(signal)));
        let nobody = Arc::new(Routes::new(Membership::default(), config.ring));
        let speech = Arc::new(Speech::new(&config, signal)?);
        let empty = || Mutex::new(OnWorker::new(Arc::clone(&nobody), Arc::clone(&speech)));
        Ok(Self(Arc::new(Shared {
            signal,
            lb: ArcSwap::from_pointee(LoadBalancerMetrics::new(registry, name, config.resolver.kind())),
            ledger: Ledger::new(registry, "exporter", name, signal),
            metrics,
            memory: Arc::default(),
            held: Budget::new(config.hold.max_bytes),
            bytes: HeldBytes::new(registry, "exporter", name),
            queue: ArcSwapOption::new(queue),
            closing: AtomicBool::new(false),
            settled: Notify::new(),
            per_worker: (0..workers.count()).map(|_| empty()).collect(),
            routes: ArcSwap::new(nobody.clone()),
            applying: Mutex::default(),
            speech: ArcSwap::new(speech),
            budgets: Mutex::default(),
            workers,
            stop: CancellationToken::new(),
            config: ArcSwap::from_pointee(config),
        })))
    }

    /// The members and their shares in force.
    pub fn routes(&self) -> Arc<Routes> {
        self.0.routes.load_full()
    }

    /// Whether the trace id decides the owner.
    pub fn routes_by_trace_id(&self) -> bool {
        matches!(self.0.config.load().routing_key, RoutingKey::TraceId | RoutingKey::Default)
    }

    /// Counts what the resolver reports.
    pub fn note(&self, event: Event) {
        let lb = self.0.lb.load();
        match event {
            Event::Resolved { success } => {
                lb.resolved(success);
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                if success {
                    lb.last_success.set(now.as_secs_f64());
                }
            }
            Event::Updated { .. } => lb.membership_reload("applied", ""),
            Event::Refused { reason } => lb.membership_reload("refused", reason),
        }
    }

    /// Tries what waits for a backoff now: the end is near.
    pub fn hurry(&self) {
        for on_worker in &self.0.per_worker {
            on_worker.lock().lanes.iter().for_each(|lane| lane.hurry());
        }
    }

    /// The conservation sum.
    pub fn ledger(&self) -> &Ledger {
        &self.0.ledger
    }

    /// Puts a membership in force: connections to members that stay are kept, what waits for members that left goes
    /// to the new owners. Computing the moved share takes milliseconds; call it off the workers.
    pub fn apply(&self, membership: Arc<Membership>) {
        let _turn = self.0.applying.lock();
        self.0.apply(membership);
    }

    /// What each lane holds: `(member id, items waiting, bytes held, calls in flight, backing off)`, summed over the
    /// workers by the caller.
    pub fn loads(&self) -> Vec<(String, usize, usize, usize, bool)> {
        let mut loads = Vec::new();
        for on_worker in &self.0.per_worker {
            for lane in &on_worker.lock().lanes {
                let (items, bytes, calls, blocked) = lane.load();
                loads.push((lane.member.id.clone(), items, bytes, calls, blocked));
            }
        }
        loads
    }

    /// Takes nothing more, sends what is held until `deadline`, then refuses the rest; returns how many items that was.
    pub async fn shutdown(&self, deadline: Instant) -> u64 {
        let shared = &self.0;
        shared.closing.store(true, Ordering::Relaxed);
        self.hurry();
        let flushed = async {
            loop {
                let settled = shared.settled.notified();
                if shared.ledger.snapshot().held <= 0 {
                    return;
                }
                settled.await;
            }
        };
        let _ = tokio::time::timeout_at(deadline.into(), flushed).await;
        let left = shared.ledger.snapshot().held.max(0);
        shared.stop.cancel();
        left as u64
    }
}

impl Consumer for LoadBalancer {
    fn consume(&self, request: Request) -> BoxFuture<'static, Answer> {
        let shared = Arc::clone(&self.0);
        Box::pin(async move {
            let queue = shared.queue.load_full();
            let slot = match &queue {
                Some(queue) => Some(shared.place(queue, &request).await?),
                None => None,
            };
            let promised = queue.is_some_and(|queue| !queue.waits_for_result());
            // A sender at the door is in progress at its receiver, which counts its bytes.
            let weight = (promised || request.kept).then(|| shared.bytes.hold(request.body.len()));
            let (slot, weight) = match slot {
                Some(slot) if promised => (Some(slot.carrying(weight)), None),
                slot => (slot, weight),
            };
            let submitted = submit::submit(&shared, &request, slot, promised)?;
            drop(request); // parts that wait for long detach themselves from it, so nothing else may keep it
            match submitted {
                submit::Submitted::Waiting(waiting, accepted) if promised => {
                    waiting.detach();
                    Ok(accepted)
                }
                submit::Submitted::Waiting(waiting, _) => {
                    let answer = waiting.await;
                    drop(weight);
                    answer
                }
                submit::Submitted::Done(accepted) => Ok(accepted),
            }
        })
    }

    fn is_destination(&self) -> bool {
        true
    }

    fn give_up(&self, _: Signal, items: u64, refusal: &Refusal) {
        self.0.ledger.taken(items);
        self.0.ledger.dropped(refusal.reason, items);
        let (reason, message) = (refusal.reason.name(), &refusal.message);
        tracing::warn!(items, reason, %message, "dropped here; another exporter has it");
    }
}

impl Shared {
    /// Puts a membership in force, under the ring that is configured.
    pub(super) fn apply(self: &Arc<Self>, membership: Arc<Membership>) {
        let new = Arc::new(Routes::new(membership, self.config.load().ring));
        let old = self.routes.swap(Arc::clone(&new));
        self.sync_all();
        self.publish(&old, &new);
    }

    /// Brings the lanes of every worker in step.
    pub(super) fn sync_all(self: &Arc<Self>) {
        for worker in 0..self.per_worker.len() {
            let shared = Arc::clone(self);
            self.workers.handle(worker).spawn(async move {
                shared.sync(worker, &mut shared.per_worker[worker].lock());
            });
        }
    }

    fn publish(&self, old: &Routes, new: &Routes) {
        let lb = self.lb.load();
        lb.num_backends.set(new.members().len() as i64);
        lb.num_backend_updates.inc();
        lb.membership_epoch.set(new.membership().epoch.unwrap_or(0) as i64);
        lb.membership_fingerprint(&format!("{:016x}", new.fingerprint()));
        for (member, share) in new.members().iter().zip(new.shares()) {
            lb.backend(&member.id).ring_share.set(share);
        }
        let left = old.members().iter().filter(|m| !new.members().iter().any(|n| n.id == m.id));
        let left: Vec<_> = left.map(|member| member.id.clone()).collect();
        self.budgets.lock().retain(|id, _| !left.contains(id));
        for id in &left {
            lb.forget_backend(id);
        }
        if !old.members().is_empty() {
            lb.moved_share.set(Routes::moved_share(old, new));
        }
    }

    async fn place(&self, queue: &Arc<SendingQueue>, request: &Request) -> Result<Slot, Refusal> {
        let slot = queue.place(request.items, request.body.len()).await;
        slot.ok_or_else(|| {
            self.ledger.taken(request.items);
            self.ledger.refused(Reason::QueueFull, request.items);
            self.metrics.enqueue_failed(self.signal, request.items);
            Refusal {
                fault: Fault::Load,
                reason: Reason::QueueFull,
                message: "sending queue is full".into(),
                retry_after: Some(super::ticket::RETRY_HINT_MIN),
            }
        })
    }
}

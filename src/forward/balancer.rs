//! The exporter: splits requests among the members, waits for all owners, follows changes of the membership.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::config::{Config, RoutingKey};
use super::sending_queue::{SendingQueue, Slot};
use super::shared::{OnWorker, Shared};
use super::submit;
use crate::auth::{AuthError, Credentials};
use crate::change::Change;
use crate::client::Transport;
use crate::discover::Event;
use crate::flow::{Answer, Consumer, Request};
use crate::lane::Budget;
use crate::observe::{ExporterMetrics, Ledger, LoadBalancerMetrics, Registry};
use crate::outcome::{Fault, Reason, Refusal, Signal};
use crate::route::{Membership, Routes};
use crate::tls;
use crate::workers::Workers;

/// A `load_balancing` exporter for one signal.
#[derive(Clone)]
pub struct LoadBalancer(Arc<Shared>);

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

/// Why a balancer cannot be what it is asked to be.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// Its certificates.
    #[error(transparent)]
    Tls(#[from] tls::TlsError),
    /// Its authenticator.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// Its headers are none.
    #[error("{0}")]
    Client(String),
}

impl LoadBalancer {
    /// An exporter without members yet; see [`Self::apply`].
    pub fn new(parts: Parts<'_>) -> Result<Self, ChangeError> {
        let Parts { name, signal, config, workers, registry } = parts;
        let metrics = ExporterMetrics::new(registry, name, None);
        let queue = config.sending_queue.map(|queue| SendingQueue::new(queue, metrics.queue(signal)));
        let nobody = Arc::new(Routes::new(Membership::default(), config.ring));
        let empty = || Mutex::new(OnWorker::new(Arc::clone(&nobody)));
        Ok(Self(Arc::new(Shared {
            signal,
            lb: LoadBalancerMetrics::new(registry, name, config.resolver.kind()),
            ledger: Ledger::new(registry, "exporter", name, signal),
            metrics,
            memory: Arc::default(),
            held: Budget::new(config.hold.max_bytes),
            queue,
            closing: AtomicBool::new(false),
            settled: Notify::new(),
            auth: config.protocol.auth.as_ref().map(Credentials::open).transpose()?,
            tls: tls::connector(&config.protocol.tls, alpn(config.protocol.transport))?,
            per_worker: (0..workers.count()).map(|_| empty()).collect(),
            routes: ArcSwap::new(nobody.clone()),
            budgets: Mutex::default(),
            workers,
            stop: CancellationToken::new(),
            config,
        })))
    }

    /// Checks another configuration: certificates and headers. Its `resolver` is not looked at: see [`super::Following`].
    /// What waits stays, and leaves as the new configuration says.
    pub fn prepare(&self, _config: Config) -> Result<Change, ChangeError> {
        Err(ChangeError::Client("cannot be changed in a running process yet".into()))
    }

    /// The members and their shares in force.
    pub fn routes(&self) -> Arc<Routes> {
        self.0.routes.load_full()
    }

    /// Whether the trace id decides the owner.
    pub fn routes_by_trace_id(&self) -> bool {
        matches!(self.0.config.routing_key, RoutingKey::TraceId | RoutingKey::Default)
    }

    /// Counts what the resolver reports.
    pub fn note(&self, event: Event) {
        let lb = &self.0.lb;
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
        let shared = &self.0;
        let new = Arc::new(Routes::new(membership, shared.config.ring));
        let old = shared.routes.swap(Arc::clone(&new));
        for worker in 0..shared.per_worker.len() {
            let shared = Arc::clone(shared);
            self.0.workers.handle(worker).spawn(async move {
                shared.sync(worker, &mut shared.per_worker[worker].lock());
            });
        }
        self.publish(&old, &new);
    }

    fn publish(&self, old: &Routes, new: &Routes) {
        let lb = &self.0.lb;
        lb.num_backends.set(new.members().len() as i64);
        lb.num_backend_updates.inc();
        lb.membership_epoch.set(new.membership().epoch.unwrap_or(0) as i64);
        lb.membership_fingerprint(&format!("{:016x}", new.fingerprint()));
        for (member, share) in new.members().iter().zip(new.shares()) {
            lb.backend(&member.id).ring_share.set(share);
        }
        let left = old.members().iter().filter(|m| !new.members().iter().any(|n| n.id == m.id));
        let left: Vec<_> = left.map(|member| member.id.clone()).collect();
        self.0.budgets.lock().retain(|id, _| !left.contains(id));
        for id in &left {
            lb.forget_backend(id);
        }
        if !old.members().is_empty() {
            lb.moved_share.set(Routes::moved_share(old, new));
        }
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
            let slot = match &shared.queue {
                Some(queue) => Some(shared.place(queue, &request).await?),
                None => None,
            };
            let promised = shared.queue.as_ref().is_some_and(|queue| !queue.waits_for_result());
            let submitted = submit::submit(&shared, &request, slot)?;
            drop(request); // parts that wait for long detach themselves from it, so nothing else may keep it
            match submitted {
                submit::Submitted::Waiting(waiting, accepted) if promised => {
                    waiting.detach();
                    Ok(accepted)
                }
                submit::Submitted::Waiting(waiting, _) => waiting.await,
                submit::Submitted::Done(accepted) => Ok(accepted),
            }
        })
    }
}

/// gRPC needs HTTP/2; OTLP/HTTP backends are spoken to in HTTP/1.1.
fn alpn(transport: Transport) -> &'static [&'static [u8]] {
    match transport {
        Transport::Grpc => &[b"h2"],
        Transport::Http => &[b"http/1.1"],
    }
}

impl Shared {
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

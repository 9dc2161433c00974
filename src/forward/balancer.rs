//! The exporter: splits requests among the members, waits for all owners, follows changes of the membership.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::choose::{ByAttributes, ByResource, ByTraceId, LogsByTraceId};
use super::config::{Config, RoutingKey, Transport, WithoutTraceId};
use super::connect::Target;
use super::grpc::{Channel, ChannelSettings};
use super::http::HttpChannel;
use super::lanes::{self, Client, Lane};
use super::part::Part;
use super::queue::LaneQueue;
use super::resend::{self, Memory};
use super::sending_queue::{SendingQueue, Slot};
use super::submit;
use super::turn::Turn;
use crate::discover::Event;
use crate::flow::{Answer, Consumer, Request};
use crate::lane::Budget;
use crate::observe::{ExporterMetrics, Ledger, LoadBalancerMetrics, Registry};
use crate::outcome::{Fault, Reason, Refusal, Signal};
use crate::route::{Member, Membership, Routes};
use crate::split::{Split, Splitter};
use crate::tls;
use crate::wire::Malformed;
use crate::workers::{self, Workers};

/// A `load_balancing` exporter for one signal.
#[derive(Clone)]
pub struct LoadBalancer(Arc<Shared>);

/// What its workers share.
pub struct Shared {
    pub(super) config: Config,
    pub(super) signal: Signal,
    pub(super) lb: LoadBalancerMetrics,
    pub(super) ledger: Ledger,
    pub(super) metrics: ExporterMetrics,
    pub(super) memory: Arc<Memory>,
    pub(super) held: Arc<Budget>,
    pub(super) queue: Option<Arc<SendingQueue>>,
    pub(super) closing: AtomicBool,
    pub(super) settled: Notify,
    tls: Option<tls::Connector>,
    routes: ArcSwap<Routes>,
    per_worker: Vec<Mutex<OnWorker>>,
    budgets: Mutex<HashMap<String, Arc<Budget>>>,
    workers: Arc<Workers>,
    stop: CancellationToken,
}

/// The lanes of one worker, in the order of the members.
pub(super) struct OnWorker {
    routes: Arc<Routes>,
    pub(super) lanes: Vec<Arc<Lane>>,
    splitter: Splitter,
    turn: Option<Arc<Turn>>, // runs from the first lane on
}

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
    pub fn new(parts: Parts<'_>) -> Result<Self, tls::TlsError> {
        let Parts { name, signal, config, workers, registry } = parts;
        let metrics = ExporterMetrics::new(registry, name, None);
        let queue = config.sending_queue.map(|queue| SendingQueue::new(queue, metrics.queue(signal)));
        let nobody = Arc::new(Routes::new(Membership::default(), config.ring));
        let empty = || OnWorker {
            routes: Arc::clone(&nobody),
            lanes: Vec::new(),
            splitter: Splitter::default(),
            turn: None,
        };
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
            tls: tls::connector(&config.protocol.tls, alpn(config.protocol.transport))?,
            per_worker: (0..workers.count()).map(|_| Mutex::new(empty())).collect(),
            routes: ArcSwap::new(nobody.clone()),
            budgets: Mutex::default(),
            workers,
            stop: CancellationToken::new(),
            config,
        })))
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
            match submit::submit(&shared, &request, slot)? {
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

    /// The lanes of the current worker, in step with the membership in force.
    pub(super) fn on_this_worker<T>(self: &Arc<Self>, with: impl FnOnce(&mut OnWorker) -> T) -> T {
        let worker = workers::current();
        let mut on_worker = self.per_worker[worker].lock();
        self.sync(worker, &mut on_worker);
        with(&mut on_worker)
    }

    fn sync(self: &Arc<Self>, worker: usize, on: &mut OnWorker) {
        let current = self.routes.load();
        if Arc::ptr_eq(&on.routes, &current) {
            return;
        }
        let turn = on.turn.get_or_insert_with(|| {
            let turn = Arc::new(Turn::default());
            self.workers.handle(worker).spawn(Arc::clone(&turn).run(self.stop.clone()));
            turn
        });
        let turn = Arc::clone(turn);
        let mut kept: HashMap<_, _> = on.lanes.drain(..).map(|lane| (lane.member.id.clone(), lane)).collect();
        for member in current.members() {
            let stays = kept.remove(&member.id).filter(|lane| {
                let same = lane.member.address == member.address;
                if !same {
                    lane.leave();
                }
                same
            });
            let lane = stays.unwrap_or_else(|| self.open_lane(worker, member, &turn));
            on.lanes.push(lane);
        }
        kept.values().for_each(|lane| lane.leave());
        on.routes = Arc::clone(&current);
    }

    fn open_lane(self: &Arc<Self>, worker: usize, member: &Member, turn: &Arc<Turn>) -> Arc<Lane> {
        let max_bytes = self.config.hold.max_bytes_per_backend;
        let budget = Arc::clone(
            self.budgets.lock().entry(member.id.clone()).or_insert_with(|| Budget::new(max_bytes)),
        );
        let queue = LaneQueue::new(self.config.gather, self.config.retry.clone());
        let lane =
            Arc::new(Lane::new(member.clone(), budget, queue, self.lb.backend(&member.id), Arc::clone(turn)));
        match self.client(&member.address) {
            Ok(client) => {
                let run = lanes::run(Arc::clone(&lane), client, Arc::clone(self), self.stop.clone());
                self.workers.handle(worker).spawn(run);
            }
            // Nothing runs the lane, so what comes for it is refused when its hold ends; the log says why.
            Err(error) => tracing::error!(member = member.id, error, "this member can't be called"),
        }
        lane
    }

    fn client(&self, address: &str) -> Result<Client, String> {
        let protocol = &self.config.protocol;
        let settings = ChannelSettings {
            connections: protocol.connections,
            keepalive: protocol.keepalive,
            compression: protocol.compression,
            headers: protocol.headers.clone(),
        };
        let target = Target { address: address.to_owned(), tls: self.tls.clone() };
        Ok(match protocol.transport {
            Transport::Grpc => Client::Grpc(Channel::new(target, self.signal, &settings)?),
            Transport::Http => Client::Http(HttpChannel::new(target, self.signal, &settings)?),
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

impl OnWorker {
    /// Divides a request by the exporter's routing key.
    pub(super) fn split(&mut self, shared: &Shared, body: bytes::Bytes) -> Result<Split, Malformed> {
        let (routes, signal, splitter) = (&*self.routes, shared.signal, &mut self.splitter);
        match (&shared.config.routing_key, signal) {
            (RoutingKey::TraceId | RoutingKey::Default, Signal::Traces) => {
                let without = shared.config.without_trace_id;
                splitter.split(signal, body, &mut ByTraceId::new(routes, without))
            }
            (RoutingKey::TraceId, Signal::Logs) => {
                splitter.split(signal, body, &mut LogsByTraceId::new(routes))
            }
            (RoutingKey::Resource, _) => {
                splitter.split(signal, body, &mut ByResource::resource(routes, signal))
            }
            (RoutingKey::Attributes(names), _) => {
                splitter.split(signal, body, &mut ByAttributes::new(routes, signal, names))
            }
            (RoutingKey::Service | RoutingKey::Default | RoutingKey::TraceId, _) => {
                splitter.split(signal, body, &mut ByResource::service(routes, signal))
            }
        }
    }

    /// Whether spans that nobody got were refused for want of a trace id, rather than for want of members.
    pub(super) fn refuses_ids(&self, shared: &Shared) -> bool {
        self.routes.owner_of_zero().is_some() && shared.config.without_trace_id == WithoutTraceId::Refuse
    }

    /// Identifies a request under this membership.
    pub(super) fn digest(&self, body: &[u8]) -> resend::Digest {
        resend::digest(body) ^ u128::from(self.fingerprint())
    }

    /// The fingerprint of these members, which is part of every digest.
    pub(super) fn fingerprint(&self) -> u64 {
        self.routes.fingerprint()
    }

    /// Whether there is anybody to send to.
    pub(super) fn has_owner(&self) -> bool {
        self.routes.owner_of_zero().is_some()
    }
}

impl Shared {
    /// Parts of a stopped lane.
    pub(super) fn abandon(&self, parts: Vec<Part>) {
        for part in parts {
            let message = "shutting down before the backend took it";
            let refusal = Refusal {
                fault: Fault::Closing,
                reason: Reason::Shutdown,
                message: message.into(),
                retry_after: Some(super::ticket::RETRY_HINT_MIN),
            };
            self.refuse(part, refusal);
        }
    }
}

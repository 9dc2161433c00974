//! What the workers of one exporter share, and each worker's lanes in step with the membership.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::choose::{ByAttributes, ByResource, ByTraceId, LogsByTraceId};
use super::config::{Config, RoutingKey, WithoutTraceId};
use super::lanes::{self, Lane};
use super::queue::LaneQueue;
use super::resend::{self, Memory};
use super::sending_queue::SendingQueue;
use super::turn::Turn;
use crate::auth::Credentials;
use crate::client::{Client, HttpForm, Target};
use crate::lane::Budget;
use crate::observe::{ExporterMetrics, Ledger, LoadBalancerMetrics};
use crate::outcome::Signal;
use crate::route::{Member, Routes};
use crate::split::{Split, Splitter};
use crate::tls;
use crate::wire::Malformed;
use crate::workers::{self, Workers};

/// What the workers of one exporter share.
pub struct Shared {
    /// What it was told.
    pub config: Config,
    /// Which signal it forwards.
    pub signal: Signal,
    /// Series of the balancer.
    pub lb: LoadBalancerMetrics,
    /// The conservation sum.
    pub ledger: Ledger,
    /// Series of the exporter.
    pub metrics: ExporterMetrics,
    /// What was taken of requests that were refused in part.
    pub memory: Arc<Memory>,
    /// What may be held for all backends.
    pub held: Arc<Budget>,
    /// The sending queue, when configured.
    pub queue: Option<Arc<SendingQueue>>,
    /// No more requests are taken.
    pub closing: AtomicBool,
    /// Told at each settled part while closing.
    pub settled: Notify,
    /// TLS to the backends.
    pub tls: Option<tls::Connector>,
    /// Who we say we are to them.
    pub auth: Option<Credentials>,
    /// The members in force.
    pub routes: ArcSwap<Routes>,
    /// By worker.
    pub per_worker: Vec<Mutex<OnWorker>>,
    /// What may be held for each backend, by member id.
    pub budgets: Mutex<HashMap<String, Arc<Budget>>>,
    /// Where lanes run.
    pub workers: Arc<Workers>,
    /// Ends all lanes.
    pub stop: CancellationToken,
}

/// The lanes of one worker, in the order of the members.
pub struct OnWorker {
    routes: Arc<Routes>,
    /// By index of the member.
    pub lanes: Vec<Arc<Lane>>,
    splitter: Splitter,
    turn: Option<Arc<Turn<Lane>>>, // runs from the first lane on
}

impl Shared {
    /// The lanes of the current worker, in step with the membership in force.
    pub fn on_this_worker<T>(self: &Arc<Self>, with: impl FnOnce(&mut OnWorker) -> T) -> T {
        let worker = workers::current();
        let mut on_worker = self.per_worker[worker].lock();
        self.sync(worker, &mut on_worker);
        with(&mut on_worker)
    }

    pub fn sync(self: &Arc<Self>, worker: usize, on: &mut OnWorker) {
        let current = self.routes.load();
        if Arc::ptr_eq(&on.routes, &current) {
            return;
        }
        let turn = on.turn.get_or_insert_with(|| {
            let turn = Turn::new();
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

    fn open_lane(self: &Arc<Self>, worker: usize, member: &Member, turn: &Arc<Turn<Lane>>) -> Arc<Lane> {
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
        let (tls, auth) = (self.tls.clone(), self.auth.clone());
        let target = Target { address: address.to_owned(), at: None, tls, auth };
        let form = HttpForm::usual(self.signal);
        Client::new(target, self.signal, &self.config.protocol, &form, self.config.timeout)
    }
}

impl OnWorker {
    /// Nothing yet.
    pub fn new(routes: Arc<Routes>) -> Self {
        Self { routes, lanes: Vec::new(), splitter: Splitter::default(), turn: None }
    }

    /// Divides a request by the exporter's routing key.
    pub fn split(&mut self, shared: &Shared, body: bytes::Bytes) -> Result<Split, Malformed> {
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
    pub fn refuses_ids(&self, shared: &Shared) -> bool {
        self.routes.owner_of_zero().is_some() && shared.config.without_trace_id == WithoutTraceId::Refuse
    }

    /// Identifies a request under this membership.
    pub fn digest(&self, body: &[u8]) -> resend::Digest {
        resend::digest(body) ^ u128::from(self.fingerprint())
    }

    /// The fingerprint of these members, which is part of every digest.
    pub fn fingerprint(&self) -> u64 {
        self.routes.fingerprint()
    }

    /// Whether there is anybody to send to.
    pub fn has_owner(&self) -> bool {
        self.routes.owner_of_zero().is_some()
    }
}

//! What the workers of one exporter share, and each worker's lanes in step with the membership.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
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
use crate::auth::{AuthError, Credentials};
use crate::client::{Client, HttpForm, Protocol, Target, Transport};
use crate::lane::Budget;
use crate::observe::{ExporterMetrics, HeldBytes, Ledger, LoadBalancerMetrics};
use crate::outcome::Signal;
use crate::route::{Member, Routes};
use crate::split::{Split, Splitter};
use crate::tls;
use crate::wire::Malformed;
use crate::workers::{self, Workers};

/// What the workers of one exporter share.
pub struct Shared {
    /// What it was told.
    pub config: ArcSwap<Config>,
    /// How backends are spoken to.
    pub speech: ArcSwap<Speech>,
    /// Which signal it forwards.
    pub signal: Signal,
    /// Series of the balancer.
    pub lb: ArcSwap<LoadBalancerMetrics>,
    /// The conservation sum.
    pub ledger: Ledger,
    /// Series of the exporter.
    pub metrics: ExporterMetrics,
    /// What was taken of requests that were refused in part.
    pub memory: Arc<Memory>,
    /// What may be held for all backends.
    pub held: Arc<Budget>,
    /// Bytes that nobody else holds.
    pub bytes: HeldBytes,
    /// The sending queue, when configured.
    pub queue: ArcSwapOption<SendingQueue>,
    /// No more requests are taken.
    pub closing: AtomicBool,
    /// Told at each settled part while closing.
    pub settled: Notify,
    /// The members in force.
    pub routes: ArcSwap<Routes>,
    /// One membership or ring at a time comes into force.
    pub applying: Mutex<()>,
    /// By worker.
    pub per_worker: Vec<Mutex<OnWorker>>,
    /// What may be held for each backend, by member id.
    pub budgets: Mutex<HashMap<String, Arc<Budget>>>,
    /// Where lanes run.
    pub workers: Arc<Workers>,
    /// Ends all lanes.
    pub stop: CancellationToken,
}

/// How backends are spoken to. Lanes are made for one way of speaking.
pub struct Speech {
    tls: Option<tls::Connector>,
    auth: Option<Credentials>,
    protocol: Protocol,
    timeout: Duration,
    signal: Signal,
}

/// The lanes of one worker, in the order of the members.
pub struct OnWorker {
    routes: Arc<Routes>,
    speech: Arc<Speech>,
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
        let (current, speech) = (self.routes.load(), self.speech.load());
        let speaks = Arc::ptr_eq(&on.speech, &speech);
        if speaks && Arc::ptr_eq(&on.routes, &current) {
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
                let same = speaks && lane.member.address == member.address;
                if !same {
                    lane.leave();
                }
                same
            });
            let lane = stays.unwrap_or_else(|| self.open_lane(worker, member, &speech, &turn));
            on.lanes.push(lane);
        }
        kept.values().for_each(|lane| lane.leave());
        (on.routes, on.speech) = (Arc::clone(&current), Arc::clone(&speech));
    }

    fn open_lane(
        self: &Arc<Self>,
        worker: usize,
        member: &Member,
        speech: &Speech,
        turn: &Arc<Turn<Lane>>,
    ) -> Arc<Lane> {
        let config = self.config.load();
        let max_bytes = config.hold.max_bytes_per_backend;
        let budget = Arc::clone(
            self.budgets.lock().entry(member.id.clone()).or_insert_with(|| Budget::new(max_bytes)),
        );
        let queue = LaneQueue::new(config.gather, config.retry.clone());
        let metrics = self.lb.load().backend(&member.id);
        let lane = Arc::new(Lane::new(member.clone(), budget, queue, metrics, Arc::clone(turn)));
        match speech.client(&member.address) {
            Ok(client) => {
                let run = lanes::run(Arc::clone(&lane), client, Arc::clone(self), self.stop.clone());
                self.workers.handle(worker).spawn(run);
            }
            // Nothing runs the lane, so what comes for it is refused when its hold ends; the log says why.
            Err(error) => tracing::error!(member = member.id, error, "this member can't be called"),
        }
        lane
    }
}

/// Why backends cannot be spoken to as configured.
#[derive(Debug, thiserror::Error)]
pub enum SpeechError {
    /// The certificates.
    #[error(transparent)]
    Tls(#[from] tls::TlsError),
    /// The authenticator.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// The headers are none.
    #[error("{0}")]
    Client(String),
}

impl Speech {
    /// As configured; certificates are read.
    pub fn new(config: &Config, signal: Signal) -> Result<Self, SpeechError> {
        // gRPC needs HTTP/2; OTLP/HTTP backends are spoken to in HTTP/1.1.
        let alpn: &[&[u8]] = match config.protocol.transport {
            Transport::Grpc => &[b"h2"],
            Transport::Http => &[b"http/1.1"],
        };
        let tls = tls::connector(&config.protocol.tls, alpn)?;
        let auth = config.protocol.auth.as_ref().map(Credentials::open).transpose()?;
        let speech = Self { tls, auth, protocol: config.protocol.clone(), timeout: config.timeout, signal };
        speech.client("localhost:4317").map_err(SpeechError::Client)?; // whoever it is for
        Ok(speech)
    }

    /// A client of the backend at `address`.
    pub fn client(&self, address: &str) -> Result<Client, String> {
        let (tls, auth) = (self.tls.clone(), self.auth.clone());
        let target = Target { address: address.to_owned(), at: None, tls, auth };
        Client::new(target, self.signal, &self.protocol, &HttpForm::usual(self.signal), self.timeout)
    }
}

impl OnWorker {
    /// Nothing yet.
    pub fn new(routes: Arc<Routes>, speech: Arc<Speech>) -> Self {
        Self { routes, speech, lanes: Vec::new(), splitter: Splitter::default(), turn: None }
    }

    /// Divides a request by the exporter's routing key.
    pub fn split(&mut self, shared: &Shared, body: bytes::Bytes) -> Result<Split, Malformed> {
        let (routes, signal, splitter) = (&*self.routes, shared.signal, &mut self.splitter);
        let config = shared.config.load();
        match (&config.routing_key, signal) {
            (RoutingKey::TraceId | RoutingKey::Default, Signal::Traces) => {
                let without = config.without_trace_id;
                splitter.split(signal, body, &mut ByTraceId::new(routes, without))
            }
            (RoutingKey::TraceId, Signal::Logs) => {
                splitter.split(signal, body, &mut LogsByTraceId::new(routes))
            }
            (RoutingKey::Resource, _) => {
                splitter.split(signal, body, &mut ByResource::resource(routes, signal))
            }
            (RoutingKey::Attributes(keys, names), _) => {
                splitter.split(signal, body, &mut ByAttributes::new(routes, signal, keys, *names))
            }
            (RoutingKey::Service | RoutingKey::Default | RoutingKey::TraceId, _) => {
                splitter.split(signal, body, &mut ByResource::service(routes, signal))
            }
        }
    }

    /// Whether spans that nobody got were refused for want of a trace id, rather than for want of members.
    pub fn refuses_ids(&self, shared: &Shared) -> bool {
        self.routes.owner_of_zero().is_some()
            && shared.config.load().without_trace_id == WithoutTraceId::Refuse
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

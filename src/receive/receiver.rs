//! A receiver before it serves: what its protocols share, and each protocol bound.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use super::accept::Accepting;
use super::config::{Config, Endpoint, Grpc, Http};
use super::grpc::GrpcServer;
use super::http::HttpServer;
use super::intake::Intake;
use super::listen::Listener;
use super::serving::Serving;
use crate::auth::{Authenticator, Guard};
use crate::flow::{Front, MemoryGate};
use crate::lane::Budget;
use crate::observe::{HeldBytes, Registry};
use crate::tls;
use crate::workers::Workers;

/// An `otlp` receiver whose sockets are bound and that waits to serve.
pub struct Receiver {
    shared: Arc<Shared>,
    grpc: Option<Bound<GrpcServer>>,
    http: Option<Bound<HttpServer>>,
}

/// What the protocols of a receiver share, whatever its configuration.
pub(super) struct Shared {
    id: String,
    front: Front,
    registry: Registry,
    pub(super) budget: Arc<Budget>,
    pub(super) accepting: Accepting,
    grpc: OnceLock<Arc<Intake>>,
    http: OnceLock<Arc<Intake>>,
}

/// A protocol as it is asked for, checked.
pub(super) struct Wanted<S> {
    pub(super) server: Arc<S>,
    pub(super) tls: Option<Arc<tls::Acceptor>>,
    pub(super) endpoint: Endpoint,
}

/// A protocol and its socket.
pub(super) struct Bound<S> {
    pub(super) wanted: Wanted<S>,
    pub(super) listener: Arc<Listener>,
}

/// `memory_limiter` extensions by id.
pub type Gates = BTreeMap<String, MemoryGate>;

/// What a new receiver stands among.
#[derive(Clone, Copy)]
pub struct Beside<'a> {
    /// Whom its `middlewares` may name.
    pub gates: &'a Gates,
    /// Receivers whose sockets are about to be given up: an address of theirs is taken over, and one that overlaps with
    /// theirs is bound beside it.
    pub leaving: &'a [&'a Serving],
}

impl Receiver {
    /// Binds the sockets of `id`; must be called on the runtime that will accept. Errors name the protocol's key.
    pub fn bind(
        id: &str,
        config: Config,
        front: &Front,
        workers: &Arc<Workers>,
        registry: &Registry,
    ) -> Result<Self, String> {
        let alone = Beside { gates: &Gates::new(), leaving: &[] };
        Self::bind_beside(id, config, front, workers, registry, alone)
    }

    /// As [`Self::bind`], among others.
    pub fn bind_beside(
        id: &str,
        config: Config,
        front: &Front,
        workers: &Arc<Workers>,
        registry: &Registry,
        beside: Beside<'_>,
    ) -> Result<Self, String> {
        let Beside { gates, leaving } = beside;
        let budget = Budget::new(config.max_in_flight_bytes);
        let in_progress = Arc::clone(&budget);
        HeldBytes::counted(registry, "receiver", id, move || in_progress.used() as u64);
        let shared = Arc::new(Shared {
            id: id.to_owned(),
            front: front.clone(),
            registry: registry.clone(),
            budget,
            accepting: Accepting::new(id, Arc::clone(workers), config.max_connections, registry),
            grpc: OnceLock::new(),
            http: OnceLock::new(),
        });
        let leaving: Vec<_> = leaving.iter().flat_map(|serving| serving.listeners()).collect();
        let (grpc, http) = (shared.grpc(config.grpc, gates)?, shared.http(config.http, gates)?);
        let grpc = grpc.map(|wanted| shared.bind("grpc", wanted, &leaving)).transpose()?;
        let http = http.map(|wanted| shared.bind("http", wanted, &leaving)).transpose()?;
        Ok(Self { shared, grpc, http })
    }

    /// Begins to accept, on the current runtime; connections live on the workers.
    pub fn serve(self) -> Serving {
        Serving::start(self.shared, self.grpc, self.http)
    }
}

impl Shared {
    /// `protocols.grpc`, checked.
    pub(super) fn grpc(
        &self,
        config: Option<Grpc>,
        gates: &Gates,
    ) -> Result<Option<Wanted<GrpcServer>>, String> {
        let Some(config) = config else { return Ok(None) };
        let tls = self.acceptor("grpc", config.tls.as_ref(), &[b"h2"])?;
        let guard = self.guard("grpc", config.auth.as_ref())?;
        let limits = self.limits("grpc", &config.limiters, gates)?;
        let (endpoint, intake) = (config.endpoint.clone(), self.intake(&self.grpc, "grpc"));
        Ok(Some(Wanted { server: Arc::new(GrpcServer { intake, config, guard, limits }), tls, endpoint }))
    }

    /// `protocols.http`, checked.
    pub(super) fn http(
        &self,
        config: Option<Http>,
        gates: &Gates,
    ) -> Result<Option<Wanted<HttpServer>>, String> {
        let Some(config) = config else { return Ok(None) };
        let tls = self.acceptor("http", config.tls.as_ref(), &[b"h2", b"http/1.1"])?;
        let endpoint = config.endpoint.clone();
        let guard = self.guard("http", config.auth.as_ref())?;
        let limits = self.limits("http", &config.limiters, gates)?;
        let server = HttpServer::new(config, self.intake(&self.http, "http"), guard, limits);
        Ok(Some(Wanted { server: Arc::new(server.map_err(|why| self.failed("http", &why))?), tls, endpoint }))
    }

    /// Binds a protocol where it is wanted, also where one of `leaving` still listens.
    pub(super) fn bind<S>(
        &self,
        protocol: &str,
        wanted: Wanted<S>,
        leaving: &[Arc<Listener>],
    ) -> Result<Bound<S>, String> {
        let (Endpoint::Tcp(shown) | Endpoint::Unix(shown)) = &wanted.endpoint;
        let listener = Listener::bind(&wanted.endpoint, leaving)
            .map_err(|error| self.failed(protocol, &format!("cannot listen on {shown}: {error}")))?;
        Ok(Bound { wanted, listener: Arc::new(listener) })
    }

    /// One a protocol, so that its counts go on when it comes again.
    fn intake(&self, place: &OnceLock<Arc<Intake>>, transport: &str) -> Arc<Intake> {
        let make = || {
            let (front, budget) = (self.front.clone(), Arc::clone(&self.budget));
            Arc::new(Intake::new(&self.id, transport, front, budget, &self.registry))
        };
        Arc::clone(place.get_or_init(make))
    }

    fn guard(&self, protocol: &str, authenticator: Option<&Authenticator>) -> Result<Option<Guard>, String> {
        let guard = authenticator.map(Guard::open).transpose();
        guard.map_err(|error| self.failed(protocol, &error.to_string()))
    }

    fn limits(&self, protocol: &str, names: &[String], gates: &Gates) -> Result<Vec<MemoryGate>, String> {
        let gate = |name: &String| {
            let missing = || self.failed(protocol, &format!("middlewares: no memory_limiter {name:?}"));
            gates.get(name).cloned().ok_or_else(missing)
        };
        names.iter().map(gate).collect()
    }

    fn acceptor(
        &self,
        protocol: &str,
        config: Option<&tls::ServerConfig>,
        alpn: &[&[u8]],
    ) -> Result<Option<Arc<tls::Acceptor>>, String> {
        let acceptor = config.map(|config| tls::acceptor(config, alpn)).transpose();
        Ok(acceptor.map_err(|error| self.failed(protocol, &error.to_string()))?.map(Arc::new))
    }

    fn failed(&self, protocol: &str, why: &str) -> String {
        format!("receivers::{}::protocols::{protocol}: {why}", self.id)
    }
}

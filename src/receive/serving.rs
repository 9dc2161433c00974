//! A receiver that serves, and its change into another without losing a connection that need not go.

use std::future::Future;
use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::config::{Config, Endpoint};
use super::grpc::{self, GrpcServer};
use super::http::{self, HttpServer};
use super::listen::Listener;
use super::peer::Address;
use super::receiver::{Bound, Gates, Shared, Wanted};
use crate::change::Change;
use crate::stream::Stream;
use crate::tls;

/// A receiver that serves.
pub struct Serving {
    shared: Arc<Shared>,
    ports: Arc<Mutex<Ports>>,
}

/// Its protocols.
#[derive(Default)]
struct Ports {
    grpc: Option<Port<GrpcServer>>,
    http: Option<Port<HttpServer>>,
}

/// A protocol that listens.
struct Port<S> {
    endpoint: Endpoint,
    listener: Arc<Listener>,
    gate: CancellationToken,
    server: Arc<ArcSwap<S>>,
    tls: Arc<ArcSwapOption<tls::Acceptor>>,
}

/// What becomes of a protocol.
enum Step<S> {
    /// Its listener and its connections stay.
    Stays(Wanted<S>),
    /// It listens elsewhere, or for the first time.
    Opens(Bound<S>),
    /// It is not wanted, or was not there.
    Ends,
}

impl Serving {
    pub(super) fn start(
        shared: Arc<Shared>,
        grpc: Option<Bound<GrpcServer>>,
        http: Option<Bound<HttpServer>>,
    ) -> Self {
        let runtime = Handle::current();
        let grpc = grpc.map(|bound| open_grpc(&shared, bound, &runtime));
        let http = http.map(|bound| open_http(&shared, bound, &runtime));
        Self { shared, ports: Arc::new(Mutex::new(Ports { grpc, http })) }
    }

    /// Checks another configuration: certificates, addresses, and what has to be bound is. Errors name the protocol's key.
    /// Must be called on the runtime that accepts.
    ///
    /// Made, the change leaves a protocol that listens where it did its listener and its connections: what holds for a
    /// request then holds for the next one on every connection, and the rest (TLS, keepalive, idle times) for connections
    /// that come. A protocol that moves or goes asks its clients to reconnect, and finishes what was begun.
    pub fn prepare(&self, config: Config, gates: &Gates) -> Result<Change, String> {
        let (max_in_flight_bytes, max_connections) = (config.max_in_flight_bytes, config.max_connections);
        let (grpc, http) = (self.shared.grpc(config.grpc, gates)?, self.shared.http(config.http, gates)?);
        let (grpc, http) = {
            let ports = self.ports.lock();
            let (grpc, http) = (sort(grpc, &ports.grpc), sort(http, &ports.http));
            let mut leaving = Vec::new();
            leaving
                .extend(ports.grpc.as_ref().filter(|_| !grpc.stays()).map(|port| Arc::clone(&port.listener)));
            leaving
                .extend(ports.http.as_ref().filter(|_| !http.stays()).map(|port| Arc::clone(&port.listener)));
            (grpc.bind(&self.shared, "grpc", &leaving)?, http.bind(&self.shared, "http", &leaving)?)
        };
        let (shared, ports, runtime) = (Arc::clone(&self.shared), Arc::clone(&self.ports), Handle::current());
        Ok(Change::new(move || {
            let mut ports = ports.lock();
            step(&mut ports.grpc, grpc, |bound| open_grpc(&shared, bound, &runtime));
            step(&mut ports.http, http, |bound| open_http(&shared, bound, &runtime));
            shared.budget.set_max_bytes(max_in_flight_bytes);
            shared.accepting.set_max_connections(max_connections);
        }))
    }

    /// Prepares and makes a change at once, without `middlewares`.
    pub fn reconfigure(&self, config: Config) -> Result<(), String> {
        self.prepare(config, &Gates::new()).map(Change::make)
    }

    /// Where it listens, gRPC first: with the port the system chose where the configuration said 0.
    pub fn endpoints(&self) -> Vec<String> {
        self.listeners().iter().map(|listener| listener.local_addr()).collect()
    }

    /// Accepts no more connections or requests and asks senders to reconnect elsewhere.
    pub fn close(&self) {
        *self.ports.lock() = Ports::default();
        self.shared.accepting.close();
    }

    /// Ready when every request that was begun has been answered; call [`Self::close`] first.
    pub async fn closed(&self) {
        self.shared.accepting.closed().await;
    }

    pub(super) fn listeners(&self) -> Vec<Arc<Listener>> {
        let ports = self.ports.lock();
        let (grpc, http) = (ports.grpc.as_ref(), ports.http.as_ref());
        let listeners = [grpc.map(|port| &port.listener), http.map(|port| &port.listener)];
        listeners.into_iter().flatten().map(Arc::clone).collect()
    }
}

/// A protocol that is wanted where it is, elsewhere, or not at all.
enum Sorted<S> {
    Here(Wanted<S>),
    Elsewhere(Wanted<S>),
    Nowhere,
}

fn sort<S>(wanted: Option<Wanted<S>>, port: &Option<Port<S>>) -> Sorted<S> {
    let Some(wanted) = wanted else { return Sorted::Nowhere };
    let here = |port: &Port<S>| port.endpoint == wanted.endpoint || port.listener.is_at(&wanted.endpoint);
    if port.as_ref().is_some_and(here) { Sorted::Here(wanted) } else { Sorted::Elsewhere(wanted) }
}

impl<S> Sorted<S> {
    fn stays(&self) -> bool {
        matches!(self, Self::Here(_))
    }

    fn bind(self, shared: &Shared, protocol: &str, leaving: &[Arc<Listener>]) -> Result<Step<S>, String> {
        Ok(match self {
            Self::Here(wanted) => Step::Stays(wanted),
            Self::Elsewhere(wanted) => Step::Opens(shared.bind(protocol, wanted, leaving)?),
            Self::Nowhere => Step::Ends,
        })
    }
}

fn step<S>(port: &mut Option<Port<S>>, step: Step<S>, open: impl FnOnce(Bound<S>) -> Port<S>) {
    match (step, port.as_mut()) {
        (Step::Stays(wanted), Some(port)) => {
            port.endpoint = wanted.endpoint;
            port.server.store(wanted.server);
            port.tls.store(wanted.tls);
        }
        (Step::Opens(bound), _) => *port = Some(open(bound)),
        (Step::Stays(_) | Step::Ends, _) => *port = None,
    }
}

impl<S> Drop for Port<S> {
    /// Whoever is connected finishes what was begun.
    fn drop(&mut self) {
        self.gate.cancel();
    }
}

fn open_grpc(shared: &Shared, bound: Bound<GrpcServer>, runtime: &Handle) -> Port<GrpcServer> {
    tracing::info!(endpoint = bound.listener.local_addr(), "receiving OTLP over gRPC");
    open(shared, bound, runtime, grpc::serve)
}

fn open_http(shared: &Shared, bound: Bound<HttpServer>, runtime: &Handle) -> Port<HttpServer> {
    tracing::info!(endpoint = bound.listener.local_addr(), "receiving OTLP over HTTP");
    open(shared, bound, runtime, http::serve)
}

fn open<S, Serve, Served>(shared: &Shared, bound: Bound<S>, runtime: &Handle, serve: Serve) -> Port<S>
where
    S: Send + Sync + 'static,
    Serve:
        Fn(Arc<ArcSwap<S>>, Box<dyn Stream>, Address, CancellationToken) -> Served + Clone + Send + 'static,
    Served: Future<Output = ()> + Send + 'static,
{
    let Bound { wanted: Wanted { server, tls, endpoint }, listener } = bound;
    let (server, tls) = (Arc::new(ArcSwap::new(server)), Arc::new(ArcSwapOption::new(tls)));
    let (gate, current) = (shared.accepting.gate(), Arc::clone(&server));
    let serve = move |stream, address, closing| serve(Arc::clone(&current), stream, address, closing);
    let run = shared.accepting.clone().run(Arc::clone(&listener), gate.clone(), Arc::clone(&tls), serve);
    runtime.spawn(run);
    Port { endpoint, listener, gate, server, tls }
}

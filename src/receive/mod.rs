//! OTLP in: gRPC, HTTP with protobuf, HTTP with JSON.
//!
//! Owns: connections and requests in progress.
//! Takes: OTLP export requests of any signal, compressed or not.
//! Gives: encoded requests to the pipelines, and one answer to each sender.
//! Bounds: message and body size, streams a connection, bytes in progress.
//! Loses: nothing; what is not passed on is refused with a reason the sender sees.

mod answer;
mod config;
mod grpc;
mod http;
mod in_progress;
mod intake;
mod listen;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use config::{Config, Cors, Endpoint, Grpc, Http, Keepalive};

use crate::flow::Outlets;
use crate::lane::Budget;
use crate::observe::Registry;
use crate::tls;
use crate::workers::Workers;
use grpc::GrpcServer;
use http::HttpServer;
use intake::Intake;
use listen::Listener;

/// An `otlp` receiver whose sockets are bound and that waits to serve.
pub struct Receiver {
    grpc: Option<(Arc<GrpcServer>, Listener)>,
    http: Option<(Arc<HttpServer>, Listener)>,
    connections: TaskTracker,
    closing: CancellationToken,
}

impl Receiver {
    /// Binds the sockets of `id`; must be called on the runtime that will accept. Errors name the protocol's key.
    pub fn bind(id: &str, config: Config, outlets: &Outlets, registry: &Registry) -> Result<Self, String> {
        let budget = Budget::new(config.max_in_flight_bytes);
        let intake = |transport| Intake::new(id, transport, outlets.clone(), Arc::clone(&budget), registry);
        let failed = |protocol: &str, why: String| format!("receivers::{id}::protocols::{protocol}: {why}");
        let grpc = match config.grpc {
            None => None,
            Some(grpc) => {
                let listener = bind(&grpc.endpoint).map_err(|why| failed("grpc", why))?;
                let tls = acceptor(grpc.tls.as_ref(), &[b"h2"]).map_err(|why| failed("grpc", why))?;
                Some((Arc::new(GrpcServer { intake: intake("grpc"), config: grpc, tls }), listener))
            }
        };
        let http = match config.http {
            None => None,
            Some(http) => {
                let listener = bind(&http.endpoint).map_err(|why| failed("http", why))?;
                let tls =
                    acceptor(http.tls.as_ref(), &[b"h2", b"http/1.1"]).map_err(|why| failed("http", why))?;
                let server = HttpServer::new(http, intake("http"), tls).map_err(|why| failed("http", why))?;
                Some((Arc::new(server), listener))
            }
        };
        Ok(Self { grpc, http, connections: TaskTracker::new(), closing: CancellationToken::new() })
    }

    /// Begins to accept, on the current runtime; connections live on the workers.
    pub fn serve(mut self, workers: &Arc<Workers>) -> Serving {
        if let Some((server, listener)) = self.grpc.take() {
            tracing::info!(endpoint = listener.local_addr(), "receiving OTLP over gRPC");
            let serve =
                server.serve(listener, Arc::clone(workers), self.connections.clone(), self.closing.clone());
            tokio::spawn(serve);
        }
        if let Some((server, listener)) = self.http.take() {
            tracing::info!(endpoint = listener.local_addr(), "receiving OTLP over HTTP");
            let serve =
                server.serve(listener, Arc::clone(workers), self.connections.clone(), self.closing.clone());
            tokio::spawn(serve);
        }
        Serving { connections: self.connections, closing: self.closing }
    }
}

/// A receiver that serves.
pub struct Serving {
    connections: TaskTracker,
    closing: CancellationToken,
}

impl Serving {
    /// Accepts no more connections or requests and asks senders to reconnect elsewhere.
    pub fn close(&self) {
        self.closing.cancel();
        self.connections.close();
    }

    /// Ready when every request that was begun has been answered; call [`Self::close`] first.
    pub async fn closed(&self) {
        self.connections.wait().await;
    }
}

fn bind(endpoint: &Endpoint) -> Result<Listener, String> {
    let shown = match endpoint {
        Endpoint::Tcp(address) => address,
        Endpoint::Unix(path) => path,
    };
    Listener::bind(endpoint).map_err(|error| format!("cannot listen on {shown}: {error}"))
}

fn acceptor(
    config: Option<&tls::ServerConfig>,
    alpn: &[&[u8]],
) -> Result<Option<Arc<tls::Acceptor>>, String> {
    let acceptor = config.map(|config| tls::acceptor(config, alpn)).transpose();
    Ok(acceptor.map_err(|error| error.to_string())?.map(Arc::new))
}

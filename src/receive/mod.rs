//! OTLP in: gRPC, HTTP with protobuf, HTTP with JSON.
//!
//! Owns: connections and requests in progress.
//! Takes: OTLP export requests of any signal, compressed or not.
//! Gives: encoded requests to the pipelines, and one answer to each sender.
//! Bounds: connections, message and body size, streams a connection, bytes in progress.
//! Loses: nothing; what is not passed on is refused with a reason the sender sees.

mod accept;
mod answer;
mod config;
mod grpc;
mod http;
mod in_progress;
mod intake;
mod listen;

use std::sync::Arc;

pub use config::{Config, Cors, Endpoint, Grpc, Http, Keepalive};

use crate::auth::{Authenticator, Guard};
use crate::flow::Outlets;
use crate::lane::Budget;
use crate::observe::Registry;
use crate::tls;
use crate::workers::Workers;
use accept::Accepting;
use grpc::GrpcServer;
use http::HttpServer;
use intake::Intake;
use listen::Listener;

/// An `otlp` receiver whose sockets are bound and that waits to serve.
pub struct Receiver {
    grpc: Option<Bound<GrpcServer>>,
    http: Option<Bound<HttpServer>>,
    accepting: Accepting,
}

/// A protocol's server and its socket.
struct Bound<S> {
    server: Arc<S>,
    listener: Listener,
    tls: Option<Arc<tls::Acceptor>>,
}

impl Receiver {
    /// Binds the sockets of `id`; must be called on the runtime that will accept. Errors name the protocol's key.
    pub fn bind(
        id: &str,
        config: Config,
        outlets: &Outlets,
        workers: &Arc<Workers>,
        registry: &Registry,
    ) -> Result<Self, String> {
        let budget = Budget::new(config.max_in_flight_bytes);
        let intake = |transport| Intake::new(id, transport, outlets.clone(), Arc::clone(&budget), registry);
        let failed = |protocol: &str, why: String| format!("receivers::{id}::protocols::{protocol}: {why}");
        let accepting = Accepting::new(id, Arc::clone(workers), config.max_connections, registry);
        let grpc = config.grpc.map(|grpc| -> Result<_, String> {
            let listener = bind(&grpc.endpoint)?;
            let tls = acceptor(grpc.tls.as_ref(), &[b"h2"])?;
            let guard = guard(grpc.auth.as_ref())?;
            let server = Arc::new(GrpcServer { intake: intake("grpc"), config: grpc, guard });
            Ok(Bound { server, listener, tls })
        });
        let http = config.http.map(|http| -> Result<_, String> {
            let listener = bind(&http.endpoint)?;
            let tls = acceptor(http.tls.as_ref(), &[b"h2", b"http/1.1"])?;
            let guard = guard(http.auth.as_ref())?;
            Ok(Bound { server: Arc::new(HttpServer::new(http, intake("http"), guard)?), listener, tls })
        });
        Ok(Self {
            grpc: grpc.transpose().map_err(|why| failed("grpc", why))?,
            http: http.transpose().map_err(|why| failed("http", why))?,
            accepting,
        })
    }

    /// Begins to accept, on the current runtime; connections live on the workers.
    pub fn serve(self) -> Serving {
        if let Some(Bound { server, listener, tls }) = self.grpc {
            tracing::info!(endpoint = listener.local_addr(), "receiving OTLP over gRPC");
            let serve = move |stream, closing| Arc::clone(&server).serve(stream, closing);
            tokio::spawn(self.accepting.clone().run(listener, tls, serve));
        }
        if let Some(Bound { server, listener, tls }) = self.http {
            tracing::info!(endpoint = listener.local_addr(), "receiving OTLP over HTTP");
            let serve = move |stream, closing| Arc::clone(&server).serve(stream, closing);
            tokio::spawn(self.accepting.clone().run(listener, tls, serve));
        }
        Serving { accepting: self.accepting }
    }
}

/// A receiver that serves.
pub struct Serving {
    accepting: Accepting,
}

impl Serving {
    /// Accepts no more connections or requests and asks senders to reconnect elsewhere.
    pub fn close(&self) {
        self.accepting.close();
    }

    /// Ready when every request that was begun has been answered; call [`Self::close`] first.
    pub async fn closed(&self) {
        self.accepting.closed().await;
    }
}

fn bind(endpoint: &Endpoint) -> Result<Listener, String> {
    let shown = match endpoint {
        Endpoint::Tcp(address) => address,
        Endpoint::Unix(path) => path,
    };
    Listener::bind(endpoint).map_err(|error| format!("cannot listen on {shown}: {error}"))
}

fn guard(authenticator: Option<&Authenticator>) -> Result<Option<Guard>, String> {
    authenticator.map(Guard::open).transpose().map_err(|error| error.to_string())
}

fn acceptor(
    config: Option<&tls::ServerConfig>,
    alpn: &[&[u8]],
) -> Result<Option<Arc<tls::Acceptor>>, String> {
    let acceptor = config.map(|config| tls::acceptor(config, alpn)).transpose();
    Ok(acceptor.map_err(|error| error.to_string())?.map(Arc::new))
}

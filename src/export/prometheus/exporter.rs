//! The shell of the `prometheus` exporter: requests to what is shown, a listener for scrapes, and their change.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::config::Prometheus;
use super::shown::Shown;
use crate::change::Change;
use crate::export::front::{Front, FrontError};
use crate::flow::{Answer, Consumer, Request};
use crate::observe::{Address, BindError, Listening, Manner, Registry, Server};
use crate::outcome::{Accepted, Fault, Reason, Refusal, Signal};

/// A `prometheus` exporter. A clone is the same exporter; with the last one its listener goes.
#[derive(Clone)]
pub struct PrometheusExporter(Arc<Inner>);

struct Inner {
    shown: Arc<Shown>,
    listening: Mutex<Option<Listening>>, // until it is closed
    stop: CancellationToken,
}

/// Why an exporter cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum PrometheusError {
    /// The address cannot be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Its TLS, authenticator or headers cannot be used.
    #[error(transparent)]
    Front(#[from] FrontError),
}

/// What becomes of the listener.
enum Door {
    Stays(Manner),
    Moves(Server),
}

impl PrometheusExporter {
    /// Listens, and serves scrapes until `stop`. The addresses of `leaving` are about to be given up.
    pub async fn start(
        name: &str,
        config: Prometheus,
        registry: &Registry,
        stop: &CancellationToken,
        leaving: &[&Self],
    ) -> Result<Self, PrometheusError> {
        let shown = Shown::new(name, config.clone(), registry);
        let manner = manner(&config, &shown)?;
        let address = address(&config).await?;
        let server = {
            let held: Vec<_> = leaving.iter().map(|one| one.0.listening.lock()).collect();
            let leaving: Vec<_> = held.iter().filter_map(|listening| listening.as_ref()).collect();
            Server::listen(&address, manner, &leaving)?
        };
        announce(name, &server);
        let listening = Mutex::new(Some(server.start(stop)));
        Ok(Self(Arc::new(Inner { shown, listening, stop: stop.clone() })))
    }

    /// Checks another configuration: certificate, headers, and an address that changed is bound. Must be called on the
    /// runtime that serves.
    ///
    /// Made, the change keeps every series where names and labels stay the same, and begins without any where they do
    /// not: old and new series side by side would be counted twice.
    pub async fn prepare(&self, config: Prometheus) -> Result<Change, PrometheusError> {
        let inner = &self.0;
        let manner = manner(&config, &inner.shown)?;
        let address = address(&config).await?;
        let door = match inner.listening.lock().as_ref() {
            Some(_) if inner.shown.desk.load().config.endpoint == config.endpoint => Door::Stays(manner),
            old => Door::Moves(Server::listen(&address, manner, &Vec::from_iter(old))?),
        };
        let (inner, runtime) = (Arc::clone(inner), Handle::current());
        Ok(Change::new(move || {
            let _runtime = runtime.enter();
            inner.change(config, door);
        }))
    }

    /// Prepares and makes a change at once.
    pub async fn reconfigure(&self, config: Prometheus) -> Result<(), PrometheusError> {
        self.prepare(config).await.map(Change::make)
    }

    /// Stops listening. Ready when the address is free.
    pub async fn close(&self) {
        let listening = self.0.listening.lock().take();
        if let Some(listening) = listening {
            listening.close().await;
        }
    }

    /// Where it listens, with the port the system chose where the configuration said 0.
    pub fn local_addr(&self) -> Option<std::net::SocketAddr> {
        self.0.listening.lock().as_ref().map(Listening::local_addr)
    }
}

impl Inner {
    fn change(&self, config: Prometheus, door: Door) {
        let shown = &self.shown;
        shown.desk.store(Arc::new(shown.desk.load().changed(config)));
        let mut listening = self.listening.lock();
        match (door, listening.as_ref()) {
            (Door::Stays(manner), Some(listening)) => listening.change(manner),
            (Door::Stays(_), None) => {} // closed meanwhile
            (Door::Moves(server), _) => {
                announce(&shown.name, &server);
                *listening = Some(server.start(&self.stop));
            }
        }
    }
}

impl Consumer for PrometheusExporter {
    fn consume(&self, request: Request) -> BoxFuture<'static, Answer> {
        if request.signal != Signal::Metrics {
            return Box::pin(std::future::ready(Err(unsupported())));
        }
        let shown = &self.0.shown;
        for name in &shown.take(&request).clashes {
            tracing::error!(
                exporter = shown.name,
                metric = name,
                "points of this name come as another type than the first; they are dropped"
            );
        }
        Box::pin(std::future::ready(Ok(Accepted::default())))
    }

    fn is_destination(&self) -> bool {
        true
    }
}

async fn address(config: &Prometheus) -> Result<Address, BindError> {
    let endpoint = match config.endpoint.strip_prefix(':') {
        Some(port) => format!("0.0.0.0:{port}"),
        None => config.endpoint.clone(),
    };
    let key = "endpoint"; // whoever starts it says whose
    Address::look_up(key, &endpoint).await
}

fn announce(name: &str, server: &Server) {
    tracing::info!(exporter = name, address = %server.local_addr(), "metrics are at /metrics");
}

fn manner(config: &Prometheus, shown: &Arc<Shown>) -> Result<Manner, PrometheusError> {
    let Prometheus { tls, auth, response_headers, .. } = config;
    let front = Front { tls: tls.as_ref(), auth: auth.as_ref(), response_headers };
    Ok(front.before(Manner::new(Arc::clone(shown) as _))?)
}

fn unsupported() -> Refusal {
    Refusal {
        fault: Fault::Unhandled,
        reason: Reason::Unsupported,
        message: "the prometheus exporter takes metrics only".into(),
        retry_after: None,
    }
}

//! From a listener to served connections: bounded in number, shaken hands in time, each on one worker.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::in_progress::told_to_go;
use super::listen::{Accepted, Listener};
use super::peer::Address;
use super::strangers::Strangers;
use crate::observe::{Counter, Registry};
use crate::stream::Stream;
use crate::tls;
use crate::workers::Workers;

/// What the listeners of one receiver share.
#[derive(Clone)]
pub struct Accepting {
    workers: Arc<Workers>,
    connections: TaskTracker,
    closing: CancellationToken,
    max_connections: Arc<AtomicUsize>,
    turned_away: Counter,
    strangers: Arc<Strangers>,
}

impl Accepting {
    /// For `receiver`, with at most `max_connections` on all its listeners.
    pub fn new(receiver: &str, workers: Arc<Workers>, max_connections: usize, registry: &Registry) -> Self {
        let turned_away = registry.counter(
            "ringtail_receiver_connections_turned_away",
            "Number of connections closed as they came, because max_connections was reached",
            &[("receiver", receiver)],
        );
        let (connections, closing) = (TaskTracker::new(), CancellationToken::new());
        let max_connections = Arc::new(AtomicUsize::new(max_connections));
        let strangers = Arc::new(Strangers::new(receiver, registry));
        Self { workers, connections, closing, max_connections, turned_away, strangers }
    }

    /// Another limit, for connections that come.
    pub fn set_max_connections(&self, max_connections: usize) {
        self.max_connections.store(max_connections, Ordering::Relaxed);
    }

    /// Ends one listener, or with [`Self::close`].
    pub fn gate(&self) -> CancellationToken {
        self.closing.child_token()
    }

    /// Accepts until `gate` closes, and serves each connection on its worker. `tls` is that of the next connection. Who
    /// waits to be accepted then still is, unless the socket has another owner who will.
    pub async fn run<Serve, Serving>(
        self,
        listener: Arc<Listener>,
        gate: CancellationToken,
        tls: Arc<ArcSwapOption<tls::Acceptor>>,
        serve: Serve,
    ) where
        Serve: Fn(Box<dyn Stream>, Address, CancellationToken) -> Serving + Clone + Send + 'static,
        Serving: Future<Output = ()> + Send + 'static,
    {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = gate.cancelled() => break,
            };
            self.take(accepted, &gate, tls.load_full(), serve.clone());
        }
        while !listener.is_handed_over()
            && let Some(accepted) = listener.accept_now()
        {
            self.take(accepted, &gate, tls.load_full(), serve.clone());
        }
    }

    fn take<Serve, Serving>(
        &self,
        accepted: Accepted,
        gate: &CancellationToken,
        tls: Option<Arc<tls::Acceptor>>,
        serve: Serve,
    ) where
        Serve: FnOnce(Box<dyn Stream>, Address, CancellationToken) -> Serving + Send + 'static,
        Serving: Future<Output = ()> + Send + 'static,
    {
        if self.connections.len() >= self.max_connections.load(Ordering::Relaxed) {
            self.turned_away.inc();
            tracing::debug!("a connection was turned away: max_connections is reached");
            return;
        }
        let (place, closing) = (self.workers.place(), gate.clone());
        let strangers = Arc::clone(&self.strangers);
        let (index, address) = (place.index, accepted.address());
        let served = self.connections.track_future(async move {
            let handshake = tokio::time::timeout(HANDSHAKE_TIME_MAX, accepted.open(tls.as_ref()));
            let shaken = tokio::select! {
                shaken = handshake => shaken,
                () = told_to_go(&closing) => return,
            };
            match shaken {
                Ok(Ok(stream)) => serve(stream, address, closing).await,
                Ok(Err(error)) => strangers.note(&error),
                Err(_) => tracing::debug!("a TLS handshake took too long"),
            }
            drop(place);
        });
        self.workers.handle(index).spawn(served);
    }

    /// Takes no more connections, and asks those there are to finish.
    pub fn close(&self) {
        self.closing.cancel();
        self.connections.close();
    }

    /// Ready when the last connection has ended.
    pub async fn closed(&self) {
        self.connections.wait().await;
    }
}

/// TCP accepted to TLS established.
const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);

//! From a listener to served connections: bounded in number, shaken hands in time, each on one worker.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::listen::Listener;
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

/// Handshakes that failed. Whoever can reach the port can cause them, so a log line stands for many.
struct Strangers {
    receiver: String,
    counter: Counter,
    since: Instant,
    told: AtomicU64, // seconds after `since`, plus one
}

impl Strangers {
    fn note(&self, error: &io::Error) {
        let refused = error.get_ref().and_then(|inner| inner.downcast_ref::<tls::TlsError>());
        let Some(refused) = refused.filter(|error| error.is_verdict()) else {
            // Probes connect and go.
            return tracing::debug!(%error, "a connection failed before its first request");
        };
        self.counter.inc();
        let (now, told) = (self.since.elapsed().as_secs() + 1, self.told.load(Ordering::Relaxed));
        let due = told == 0 || now >= told + TELL_EVERY_SECONDS;
        if due && self.told.compare_exchange(told, now, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            tracing::warn!(receiver = self.receiver, error = %refused, "a client could not connect");
        }
    }
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
        let strangers = Arc::new(Strangers {
            receiver: receiver.to_owned(),
            counter: registry.counter(
                "ringtail_receiver_failed_handshakes",
                "Number of connections whose TLS handshake failed; the log says why, now and then",
                &[("receiver", receiver)],
            ),
            since: Instant::now(),
            told: AtomicU64::new(0),
        });
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

    /// Accepts until `gate` closes, and serves each connection on its worker. `tls` is that of the next connection.
    pub async fn run<Serve, Serving>(
        self,
        listener: Arc<Listener>,
        gate: CancellationToken,
        tls: Arc<ArcSwapOption<tls::Acceptor>>,
        serve: Serve,
    ) where
        Serve: Fn(Box<dyn Stream>, CancellationToken) -> Serving + Clone + Send + 'static,
        Serving: Future<Output = ()> + Send,
    {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = gate.cancelled() => return,
            };
            if self.connections.len() >= self.max_connections.load(Ordering::Relaxed) {
                self.turned_away.inc();
                tracing::debug!("a connection was turned away: max_connections is reached");
                continue;
            }
            let place = self.workers.place();
            let (index, tls, serve, closing) = (place.index, tls.load_full(), serve.clone(), gate.clone());
            let strangers = Arc::clone(&self.strangers);
            let served = self.connections.track_future(async move {
                let handshake = tokio::time::timeout(HANDSHAKE_TIME_MAX, accepted.open(tls.as_ref()));
                let shaken = tokio::select! {
                    shaken = handshake => shaken,
                    () = closing.cancelled() => return,
                };
                match shaken {
                    Ok(Ok(stream)) => serve(stream, closing).await,
                    Ok(Err(error)) => strangers.note(&error),
                    Err(_) => tracing::debug!("a TLS handshake took too long"),
                }
                drop(place);
            });
            self.workers.handle(index).spawn(served);
        }
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

/// Seconds between two log lines about handshakes that failed.
const TELL_EVERY_SECONDS: u64 = 10;
/// TCP accepted to TLS established.
const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);

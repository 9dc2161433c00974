//! Handshakes that failed. Whoever can reach the port can cause them, so a log line stands for many.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::observe::{Counter, Registry};
use crate::tls;

/// Those of one receiver.
pub struct Strangers {
    receiver: String,
    counter: Counter,
    since: Instant,
    told: AtomicU64, // seconds after `since`, plus one
}

impl Strangers {
    /// None yet.
    pub fn new(receiver: &str, registry: &Registry) -> Self {
        Self {
            receiver: receiver.to_owned(),
            counter: registry.counter(
                "ringtail_receiver_failed_handshakes",
                "Number of connections whose TLS handshake failed; the log says why, now and then",
                &[("receiver", receiver)],
            ),
            since: Instant::now(),
            told: AtomicU64::new(0),
        }
    }

    /// A connection that failed before its first request.
    pub fn note(&self, error: &io::Error) {
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

/// Seconds between two log lines.
const TELL_EVERY_SECONDS: u64 = 10;

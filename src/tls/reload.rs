//! A configuration that follows its certificate and key on disk.
//!
//! The whole configuration is built again, not only the certificate swapped: clients that resume a session would
//! go on with the identity it began with.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rustls::sign::CertifiedKey;
use tokio::time::Instant;

use super::config::Pem;
use super::error::TlsError;
use super::pem::{CERT, KEY};
use super::provider;
use super::validity::{Validity, now};

/// A failed re-read is tried again after this, even where the interval is a day: most often certificate and key
/// were read between the writing of the one and the other.
const RETRY: Duration = Duration::from_secs(10);

/// Where a certificate and its key come from.
#[derive(Clone)]
pub(super) struct Pair {
    pub(super) cert: Pem,
    pub(super) key: Pem,
}

/// Certificate and key as they were read.
#[derive(PartialEq, Eq)]
struct Bytes {
    cert: Vec<u8>,
    key: Vec<u8>,
}

impl Pair {
    fn read(&self) -> Result<Bytes, TlsError> {
        Ok(Bytes { cert: CERT.read(&self.cert)?, key: KEY.read(&self.key)? })
    }

    /// The identity in `bytes`, and what is wrong with its dates.
    fn identity(&self, bytes: &Bytes) -> Result<(Arc<CertifiedKey>, Option<&'static str>), TlsError> {
        let chain = CERT.certificates(&self.cert, &bytes.cert)?;
        let problem = chain.first().and_then(Validity::of).and_then(|validity| validity.problem(now()));
        let key = KEY.private_key(&self.key, &bytes.key)?;
        let identity = CertifiedKey::from_der(chain, key, &provider()).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => {
                TlsError::Mismatch { cert: CERT.name(&self.cert), key: KEY.name(&self.key) }
            }
            rustls::Error::InvalidCertificate(problem) => {
                CERT.wrong(&self.cert, format!("the certificate cannot be used: {problem}"))
            }
            error => KEY.wrong(&self.key, format!("the private key cannot be used: {error}")),
        })?;
        Ok((Arc::new(identity), problem))
    }
}

type Build<C> = Box<dyn Fn(Option<Arc<CertifiedKey>>) -> Result<C, TlsError> + Send + Sync>;

/// A configuration `C`, built from an identity and built again when that changes.
pub(super) struct Reloading<C> {
    current: ArcSwap<C>,
    build: Build<C>,
    watched: Option<Watched>,
}

struct Watched {
    pair: Pair,
    every: Duration,
    seen: Mutex<Bytes>,
    started: Instant,
    /// Milliseconds after `started`.
    due: AtomicU64,
}

impl<C: Send + Sync + 'static> Reloading<C> {
    /// Reads `pair` and builds the first configuration.
    pub(super) fn new(
        pair: Option<Pair>,
        every: Option<Duration>,
        build: impl Fn(Option<Arc<CertifiedKey>>) -> Result<C, TlsError> + Send + Sync + 'static,
    ) -> Result<Arc<Self>, TlsError> {
        let build: Build<C> = Box::new(build);
        let Some(pair) = pair else {
            return Ok(Arc::new(Self { current: ArcSwap::from_pointee(build(None)?), build, watched: None }));
        };
        let bytes = pair.read()?;
        let (identity, problem) = pair.identity(&bytes)?;
        if let Some(problem) = problem {
            // Not a reason to refuse the configuration: clients may not verify, and a new one may come.
            tracing::warn!(key = CERT.name(&pair.cert), problem, "peers will refuse this certificate");
        }
        let current = ArcSwap::from_pointee(build(Some(identity))?);
        let watched = every.filter(|every| !every.is_zero()).map(|every| Watched {
            pair,
            every,
            seen: Mutex::new(bytes),
            started: Instant::now(),
            due: AtomicU64::new(millis(every)),
        });
        Ok(Arc::new(Self { current, build, watched }))
    }

    /// The configuration for the next handshake. The first handshake after the interval waits for the files; others
    /// meanwhile use what there is.
    pub(super) async fn current(self: &Arc<Self>) -> Arc<C> {
        if self.watched.as_ref().is_some_and(Watched::claim) {
            let this = self.clone();
            // It ends without a value only when the runtime shuts down; then the old configuration will do.
            let _ = tokio::task::spawn_blocking(move || this.reread()).await;
        }
        self.current.load_full()
    }

    fn reread(&self) {
        let Some(watched) = &self.watched else { return };
        if let Err(error) = self.refresh(watched) {
            watched.retry_soon();
            tracing::warn!(%error, "the certificate could not be read again; the old one stays in use");
        }
    }

    fn refresh(&self, watched: &Watched) -> Result<(), TlsError> {
        let pair = &watched.pair;
        let bytes = pair.read()?;
        let mut seen = watched.seen.lock();
        if *seen == bytes {
            return Ok(());
        }
        let (identity, problem) = pair.identity(&bytes)?;
        if let Some(problem) = problem {
            return Err(CERT.wrong(&pair.cert, problem));
        }
        self.current.store(Arc::new((self.build)(Some(identity))?));
        *seen = bytes;
        tracing::info!(key = CERT.name(&pair.cert), "a new certificate is in use");
        Ok(())
    }
}

impl Watched {
    /// Whether it is time to read again; says so to one caller only.
    fn claim(&self) -> bool {
        let now = millis(self.started.elapsed());
        let due = self.due.load(Relaxed);
        let next = now.saturating_add(millis(self.every));
        now >= due && self.due.compare_exchange(due, next, Relaxed, Relaxed).is_ok()
    }

    fn retry_soon(&self) {
        let next = self.started.elapsed() + self.every.min(RETRY);
        self.due.store(millis(next), Relaxed);
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

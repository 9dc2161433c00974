//! A configuration that follows its certificate and key on disk, and the authorities of clients.
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
use super::pem::{CERT, CLIENT_CA, KEY};
use super::provider;
use super::validity::{Validity, now};

/// A failed re-read is tried again after this, even where the interval is a day: most often certificate and key
/// were read between the writing of the one and the other.
const RETRY: Duration = Duration::from_secs(10);
/// How often a file that is watched is looked at, when it is used.
const WATCH: Duration = Duration::from_secs(1);

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

/// Whom clients have to be signed by.
pub(super) struct Clients {
    pub(super) ca: Pem,
    /// Whether it is read again when it changes.
    pub(super) watched: bool,
}

type Build<C> = Box<dyn Fn(Option<Arc<CertifiedKey>>, Option<&[u8]>) -> Result<C, TlsError> + Send + Sync>;

/// A configuration `C`, built from an identity and the authorities of clients, and built again when they change.
pub(super) struct Reloading<C> {
    current: ArcSwap<C>,
    build: Build<C>,
    parts: Mutex<Parts>,
    pair: Option<(Pair, Due)>,
    clients: Option<(Pem, Due)>,
}

/// What the configuration was built from.
#[derive(Default)]
struct Parts {
    pair: Option<Bytes>,
    identity: Option<Arc<CertifiedKey>>,
    clients: Option<Vec<u8>>,
}

/// When files are looked at again.
struct Due {
    every: Duration,
    started: Instant,
    at: AtomicU64, // milliseconds after `started`
}

impl<C: Send + Sync + 'static> Reloading<C> {
    /// Reads everything and builds the first configuration.
    pub(super) fn new(
        pair: Option<Pair>,
        every: Option<Duration>,
        clients: Option<Clients>,
        build: impl Fn(Option<Arc<CertifiedKey>>, Option<&[u8]>) -> Result<C, TlsError> + Send + Sync + 'static,
    ) -> Result<Arc<Self>, TlsError> {
        let mut parts = Parts::default();
        if let Some(pair) = &pair {
            let bytes = pair.read()?;
            let (identity, problem) = pair.identity(&bytes)?;
            if let Some(problem) = problem {
                // Not a reason to refuse the configuration: clients may not verify, and a new one may come.
                tracing::warn!(key = CERT.name(&pair.cert), problem, "peers will refuse this certificate");
            }
            (parts.pair, parts.identity) = (Some(bytes), Some(identity));
        }
        if let Some(clients) = &clients {
            parts.clients = Some(CLIENT_CA.read(&clients.ca)?);
        }
        let current = build(parts.identity.clone(), parts.clients.as_deref())?;
        let every = every.filter(|every| !every.is_zero());
        Ok(Arc::new(Self {
            current: ArcSwap::from_pointee(current),
            build: Box::new(build),
            parts: Mutex::new(parts),
            pair: pair.zip(every.map(Due::new)),
            clients: clients.filter(|clients| clients.watched).map(|clients| (clients.ca, Due::new(WATCH))),
        }))
    }

    /// The configuration for the next handshake. The first handshake after the interval waits for the files; others
    /// meanwhile use what there is.
    pub(super) async fn current(self: &Arc<Self>) -> Arc<C> {
        let pair = self.pair.as_ref().is_some_and(|(_, due)| due.claim());
        let clients = self.clients.as_ref().is_some_and(|(_, due)| due.claim());
        if pair || clients {
            let this = self.clone();
            // It ends without a value only when the runtime shuts down; then the old configuration will do.
            let _ = tokio::task::spawn_blocking(move || this.reread(pair, clients)).await;
        }
        self.current.load_full()
    }

    fn reread(&self, pair: bool, clients: bool) {
        if let Some((pair, due)) = self.pair.as_ref().filter(|_| pair)
            && let Err(error) = self.refresh_pair(pair)
        {
            due.retry_soon();
            tracing::warn!(%error, "the certificate could not be read again; the old one stays in use");
        }
        if let Some((ca, _)) = self.clients.as_ref().filter(|_| clients)
            && let Err(error) = self.refresh_clients(ca)
        {
            tracing::warn!(%error, "the authorities of clients could not be read again; the old ones stay in use");
        }
    }

    fn refresh_pair(&self, pair: &Pair) -> Result<(), TlsError> {
        let bytes = pair.read()?;
        let mut parts = self.parts.lock();
        if parts.pair.as_ref() == Some(&bytes) {
            return Ok(());
        }
        let (identity, problem) = pair.identity(&bytes)?;
        if let Some(problem) = problem {
            return Err(CERT.wrong(&pair.cert, problem));
        }
        self.current.store(Arc::new((self.build)(Some(identity.clone()), parts.clients.as_deref())?));
        (parts.pair, parts.identity) = (Some(bytes), Some(identity));
        tracing::info!(key = CERT.name(&pair.cert), "a new certificate is in use");
        Ok(())
    }

    fn refresh_clients(&self, ca: &Pem) -> Result<(), TlsError> {
        let bytes = CLIENT_CA.read(ca)?;
        let mut parts = self.parts.lock();
        if parts.clients.as_ref() == Some(&bytes) {
            return Ok(());
        }
        self.current.store(Arc::new((self.build)(parts.identity.clone(), Some(&bytes))?));
        parts.clients = Some(bytes);
        tracing::info!(key = CLIENT_CA.name(ca), "new authorities of clients are in use");
        Ok(())
    }
}

impl Due {
    fn new(every: Duration) -> Self {
        Self { every, started: Instant::now(), at: AtomicU64::new(millis(every)) }
    }

    /// Whether it is time to read again; says so to one caller only.
    fn claim(&self) -> bool {
        let now = millis(self.started.elapsed());
        let at = self.at.load(Relaxed);
        let next = now.saturating_add(millis(self.every));
        now >= at && self.at.compare_exchange(at, next, Relaxed, Relaxed).is_ok()
    }

    fn retry_soon(&self) {
        let next = self.started.elapsed() + self.every.min(RETRY);
        self.at.store(millis(next), Relaxed);
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

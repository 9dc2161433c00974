//! The exporter: hands requests to its consumers and waits for what became of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use thiserror::Error;
use tokio::sync::Notify;
use tokio::sync::oneshot::Receiver;

use super::backends::{Addresses, Clients, Reach};
use super::bound::Bound;
use super::consumer::{self, Line};
use super::durable::Durable;
use super::pause::Pauses;
use super::queue::Queue;
use super::room::{NoPlace, Place, Room};
use crate::auth::{AuthError, Credentials};
use crate::change::Change;
use crate::client::{HttpEncoding, HttpForm, Transport};
use crate::export::config::Otlp;
use crate::flow::{Answer, Books, Consumer, Held, RETRY_HINT, Request, Stage, cancelled, closing};
use crate::journal;
use crate::observe::{ExporterMetrics, Ledger, Registry, ServerLabels};
use crate::outcome::{Accepted, Fault, Reason, Refusal, Signal};
use crate::tls;
use crate::workers::Workers;

/// An `otlp_grpc` or `otlp_http` exporter for one signal. A clone is the same exporter.
#[derive(Clone)]
pub struct OtlpExporter {
    direct: Direct,
    durable: Option<Arc<Durable>>, // stands before it
}

/// The exporter without its queue on disk.
#[derive(Clone)]
struct Direct(Arc<Inner>);

struct Inner {
    name: String,
    promises: bool, // senders are answered once their request is queued
    blocks: bool,   // senders wait for room
    room: Arc<Room>,
    line: Arc<Line>,
}

/// What an exporter is made of.
pub struct Parts<'a> {
    /// Its name in the configuration.
    pub name: &'a str,
    /// Which signal it exports.
    pub signal: Signal,
    /// What it was told.
    pub config: Otlp,
    /// Where it runs.
    pub workers: &'a Arc<Workers>,
    /// Where it counts.
    pub registry: &'a Registry,
}

/// Why an exporter can't be made.
#[derive(Debug, Error)]
pub enum OtlpError {
    /// Its certificates.
    #[error(transparent)]
    Tls(#[from] tls::TlsError),
    /// Its authenticator.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// Its queue on disk.
    #[error("sending_queue: {0}")]
    Journal(#[from] journal::OpenError),
    /// A queue on disk whose senders wait for the backend keeps what they keep.
    #[error(
        "sending_queue: `journal` does nothing with `wait_for_result: true` or `enabled: false`; remove one"
    )]
    JournalUnused,
    /// HTTP without a place for the signal.
    #[error("no endpoint for {0}: set `endpoint` or `{0}_endpoint`")]
    NoEndpoint(&'static str),
    /// Its address or headers are none.
    #[error("{0}")]
    Client(String),
}

impl OtlpExporter {
    /// Starts the exporter's consumers; they connect with the first request.
    pub fn new(parts: Parts<'_>) -> Result<Self, OtlpError> {
        let Parts { name, signal, ref config, workers, registry } = parts;
        if config.queue.journal.is_some() && (config.queue.wait_for_result || !config.queue.enabled) {
            return Err(OtlpError::JournalUnused);
        }
        let reach = Arc::new(reach(config, signal)?);
        let probing = reach.client(None).map_err(OtlpError::Client)?;
        let metrics = ExporterMetrics::new(registry, name, Some(&labels(&reach, config)));
        let room = Room::new(&config.queue, metrics.queue(signal));
        let line = Arc::new(Line {
            queue: Mutex::new(Queue::new(signal, config.queue.batch.as_ref())),
            work: Notify::new(),
            pauses: Pauses::default(),
            in_flight: metrics.in_flight(signal),
            books: Books::new(name, signal, Ledger::new(registry, "exporter", name, signal), Some(metrics)),
            retry: config.retry.clone(),
            encoding: reach.form.encoding,
        });
        let addresses = Arc::new(Addresses::default());
        let on_worker =
            (0..workers.count()).map(|_| Arc::new(Clients::new(Arc::clone(&reach), Arc::clone(&addresses))));
        let on_worker: Vec<_> = on_worker.collect();
        for index in 0..config.queue.consumers.max(1) {
            let worker = index % workers.count();
            let run = consumer::run(Arc::clone(&line), Arc::clone(&on_worker[worker]));
            workers.handle(worker).spawn(run);
        }
        let (watched, turns) = (Arc::clone(&line), config.round_robin && reach.is_name());
        workers.handle(0).spawn(async move {
            watched.pauses.watch(&reach, turns.then_some(&*addresses), &probing).await;
        });
        let promises = config.queue.enabled && !config.queue.wait_for_result;
        let (name, blocks) = (name.to_owned(), config.queue.block_on_overflow);
        let direct = Direct(Arc::new(Inner { name, promises, blocks, room, line }));
        let durable = config.queue.journal.as_ref().map(|journal| {
            let bound = Bound::new(&config.queue);
            Durable::open(parts.name, signal, journal, bound, Arc::new(direct.clone()), registry)
                .map(Arc::new)
        });
        let durable = durable.transpose().inspect_err(|_| direct.0.line.pauses.stop.cancel())?;
        Ok(Self { direct, durable })
    }

    /// Checks another configuration: certificates, addresses, headers; a journal is opened. What waits stays.
    pub fn prepare(&self, _config: Otlp) -> Result<Change, OtlpError> {
        Err(OtlpError::Client("cannot be changed in a running process yet".into()))
    }

    /// Prepares and makes a change at once.
    pub fn reconfigure(&self, config: Otlp) -> Result<(), OtlpError> {
        self.prepare(config).map(Change::make)
    }

    /// The conservation sum.
    pub fn ledger(&self) -> &Ledger {
        &self.direct.0.line.books.ledger
    }
}

impl Consumer for OtlpExporter {
    /// Who keeps a request needs no other copy of it on disk.
    fn consume(&self, request: Request) -> BoxFuture<'static, Answer> {
        match &self.durable {
            Some(durable) if !request.kept => {
                let durable = Arc::clone(durable);
                Box::pin(async move { durable.put(request).await })
            }
            _ => self.direct.consume(request),
        }
    }
}

impl Consumer for Direct {
    fn consume(&self, request: Request) -> BoxFuture<'static, Answer> {
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            let place = inner.place(&request).await?;
            let promised = inner.promises && !request.kept;
            let (waiting, queued) = inner.enqueue(request, place, promised);
            if !queued {
                return Err(closing());
            }
            if promised { Ok(Accepted::default()) } else { waiting.await_answer().await }
        })
    }
}

impl Stage for OtlpExporter {
    fn name(&self) -> &str {
        &self.direct.0.name
    }

    fn end(&self, deadline: Instant) -> BoxFuture<'static, u64> {
        let (inner, durable) = (Arc::clone(&self.direct.0), self.durable.clone());
        Box::pin(async move {
            let Some(durable) = durable else { return inner.end(deadline).await };
            durable.close();
            let given_up = inner.end(deadline).await;
            durable.end().await;
            given_up
        })
    }

    fn hurry(&self) {
        self.direct.0.hurry();
    }
}

impl Inner {
    async fn end(&self, deadline: Instant) -> u64 {
        let (line, books) = (&self.line, &self.line.books);
        books.close();
        self.room.close();
        self.hurry();
        let _ = tokio::time::timeout_at(deadline.into(), books.all_settled()).await;
        line.pauses.stop.cancel();
        let left = line.queue.lock().close();
        books.refuse(left, &closing());
        // What is in flight is let go by its consumer, which may be busy for an instant.
        let _ = tokio::time::timeout(LET_GO, books.all_settled()).await;
        books.given_up()
    }

    /// Room for a request. Nothing is counted for a sender that leaves meanwhile.
    async fn place(&self, request: &Request) -> Result<Place, Refusal> {
        let (items, bytes) = (request.items, request.body.len());
        let waits = request.kept || (self.blocks && self.room.fits(items, bytes));
        let place =
            if waits { self.room.wait_place(items, bytes).await } else { self.room.try_place(items, bytes) };
        place.map_err(|error| {
            let refusal = match error {
                NoPlace::Closed => closing(),
                NoPlace::Full => full(),
            };
            self.line.books.turned_away(items, &refusal);
            refusal
        })
    }

    fn enqueue(self: &Arc<Self>, request: Request, place: Place, promised: bool) -> (Waiting, bool) {
        let books = &self.line.books;
        let (part, answer) = Held::open(books, request, place, promised);
        let refused = self.line.queue.lock().accept(part, Instant::now()).err();
        let queued = refused.is_none();
        if let Some(part) = refused {
            books.refuse(vec![part], &closing());
        } else {
            self.line.work.notify_one();
        }
        (Waiting { inner: Arc::clone(self), answer, done: promised }, queued)
    }

    fn hurry(&self) {
        self.line.pauses.hurry();
        self.line.queue.lock().hurry();
        self.line.work.notify_waiters();
        self.line.work.notify_one();
    }
}

/// A sender that waits. When it leaves, what is not in flight yet is not sent.
struct Waiting {
    inner: Arc<Inner>,
    answer: Receiver<Answer>,
    done: bool,
}

impl Waiting {
    async fn await_answer(mut self) -> Answer {
        let answer = (&mut self.answer).await;
        self.done = true;
        answer.unwrap_or_else(|_| Err(closing()))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if !self.done {
            self.answer.close();
            let line = &self.inner.line;
            let gone = line.queue.lock().remove(|part| part.owner.is_abandoned());
            line.books.refuse(gone, &cancelled());
        }
    }
}

fn reach(config: &Otlp, signal: Signal) -> Result<Reach, OtlpError> {
    let protocol = config.protocol.clone();
    let (address, tls, form) = match protocol.transport {
        Transport::Grpc => {
            (config.address.clone(), tls::connector(&protocol.tls, &[b"h2"])?, HttpForm::usual(signal))
        }
        Transport::Http => {
            let target = config.paths[signal as usize].as_ref();
            let target = target.ok_or_else(|| OtlpError::NoEndpoint(signal.name()))?;
            // The scheme decides; `insecure` means nothing over HTTP.
            let settings = tls::ClientConfig { insecure: false, ..protocol.tls.clone() };
            let tls = if target.tls { tls::connector(&settings, &[b"http/1.1"])? } else { None };
            let form = HttpForm { path: target.path.clone(), encoding: config.encoding };
            (target.address.clone(), tls, form)
        }
    };
    let form = match protocol.transport {
        Transport::Grpc => HttpForm { encoding: HttpEncoding::Protobuf, ..form },
        Transport::Http => form,
    };
    let auth = protocol.auth.as_ref().map(Credentials::open).transpose()?;
    Ok(Reach { address, tls, auth, signal, protocol, form, timeout: config.timeout })
}

fn labels(reach: &Reach, config: &Otlp) -> ServerLabels {
    let (address, port) = reach.address.rsplit_once(':').unwrap_or((&reach.address, ""));
    let url_path = (config.protocol.transport == Transport::Http).then(|| reach.form.path.clone());
    ServerLabels { address: address.to_owned(), port: port.parse().unwrap_or(0), url_path }
}

fn full() -> Refusal {
    Refusal {
        fault: Fault::Load,
        reason: Reason::QueueFull,
        message: "sending queue is full".into(),
        retry_after: Some(RETRY_HINT),
    }
}

/// After the end, for calls in flight to be let go.
const LET_GO: Duration = Duration::from_secs(1);

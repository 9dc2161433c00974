//! The exporter: hands requests to its consumers and waits for what became of them.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use arc_swap::{ArcSwap, ArcSwapOption};
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use thiserror::Error;
use tokio::sync::Notify;
use tokio::sync::oneshot::Receiver;

use super::bound::Bound;
use super::consumer::Line;
use super::durable::Durable;
use super::pause::Pauses;
use super::queue::Queue;
use super::reach::{backend, labels, watch};
use super::room::{NoPlace, Place, Room};
use crate::auth::AuthError;
use crate::export::config::{Otlp, SendingQueue};
use crate::flow::{
    Answer, Books, Consumer, Held, RETRY_HINT, Request, Stage, cancelled, closing, header_values,
};
use crate::journal;
use crate::observe::{ExporterMetrics, HeldBytes, Ledger, Registry};
use crate::outcome::{Accepted, Fault, Reason, Refusal, Signal};
use crate::tls;
use crate::workers::Workers;

/// An `otlp_grpc` or `otlp_http` exporter for one signal. A clone is the same exporter.
#[derive(Clone)]
pub struct OtlpExporter(pub(super) Arc<Whole>);

/// The exporter with its queue on disk, if it has one.
pub(super) struct Whole {
    pub(super) signal: Signal,
    pub(super) config: Mutex<Otlp>, // in force
    pub(super) workers: Arc<Workers>,
    pub(super) registry: Registry,
    pub(super) metrics: ExporterMetrics,
    pub(super) direct: Direct,
    pub(super) durable: ArcSwapOption<Durable>,   // stands before it
    pub(super) retired: Mutex<Vec<Arc<Durable>>>, // stood before it, and something waits there still
}

/// The exporter without its queue on disk.
#[derive(Clone)]
pub(super) struct Direct(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) name: String,
    pub(super) manner: ArcSwap<Manner>,
    pub(super) room: Arc<Room>,
    pub(super) line: Arc<Line>,
}

/// How senders are treated.
pub(super) struct Manner {
    promises: bool,         // they are answered once their request is queued
    blocks: bool,           // they wait for room
    partition: Vec<String>, // headers whose values divide batches
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
        let Parts { name, signal, config, workers, registry } = parts;
        config.check()?;
        let backend = backend(&config, signal, workers)?;
        let metrics = ExporterMetrics::new(registry, name, Some(&labels(&backend.reach)));
        let room = Room::new(&config.queue, metrics.queue(signal));
        let ledger = Ledger::new(registry, "exporter", name, signal);
        let line = Arc::new(Line {
            queue: Mutex::new(Queue::new(signal, config.queue.batch.as_ref())),
            work: Notify::new(),
            pauses: Pauses::default(),
            in_flight: metrics.in_flight(signal),
            books: Books::new(
                name,
                signal,
                ledger,
                Some(metrics.clone()),
                HeldBytes::new(registry, "exporter", name),
            ),
            retry: ArcSwap::from_pointee(config.retry.clone()),
            backend: ArcSwap::new(Arc::clone(&backend)),
            crew: Mutex::default(),
        });
        let manner = ArcSwap::from_pointee(Manner::of(&config.queue));
        let direct = Direct(Arc::new(Inner { name: name.to_owned(), manner, room, line }));
        let durable = config.queue.journal.as_ref().map(|journal| {
            let bound = Bound::of(&config.queue);
            Durable::open(name, signal, journal, bound, Arc::new(direct.clone()), registry).map(Arc::new)
        });
        let durable = durable.transpose()?;
        direct.0.line.employ(config.queue.consumers.max(1), workers);
        watch(&direct.0.line, backend, workers);
        durable.iter().for_each(|durable| durable.resume());
        Ok(Self(Arc::new(Whole {
            signal,
            config: Mutex::new(config),
            workers: Arc::clone(workers),
            registry: registry.clone(),
            metrics,
            direct,
            durable: ArcSwapOption::new(durable),
            retired: Mutex::default(),
        })))
    }

    /// Since when the backend cannot be reached, if the last call could not reach it.
    pub fn unreachable_since(&self) -> Option<SystemTime> {
        self.0.direct.0.line.pauses.down_since()
    }

    /// The conservation sum.
    pub fn ledger(&self) -> &Ledger {
        &self.0.direct.0.line.books.ledger
    }
}

impl Otlp {
    /// What no exporter of any signal can do.
    pub(super) fn check(&self) -> Result<(), OtlpError> {
        let unused = self.queue.journal.is_some() && (self.queue.wait_for_result || !self.queue.enabled);
        if unused { Err(OtlpError::JournalUnused) } else { Ok(()) }
    }
}

impl Manner {
    pub(super) fn of(queue: &SendingQueue) -> Self {
        let promises = queue.enabled && !queue.wait_for_result;
        let partition = queue.batch.as_ref().map_or_else(Vec::new, |batch| batch.metadata_keys.clone());
        Self { promises, blocks: queue.block_on_overflow, partition }
    }
}

impl Consumer for OtlpExporter {
    /// Who keeps a request needs no other copy of it on disk, unless it should not keep it for this exporter alone.
    fn consume(&self, request: Request) -> BoxFuture<'static, Answer> {
        let on_disk = !request.kept || request.window.is_share();
        let Some(durable) = self.0.durable.load_full().filter(|_| on_disk) else {
            return self.0.direct.consume(request);
        };
        let whole = Arc::clone(&self.0);
        Box::pin(async move {
            let (mut durable, mut request) = (durable, request);
            loop {
                let again = whole.direct.0.manner.load().blocks.then(|| request.clone());
                request = match (durable.put(request).await, again) {
                    (Ok(Err(refusal)), Some(again)) if refusal.reason == Reason::QueueFull => {
                        tokio::time::sleep(RETRY_HINT).await;
                        request = again;
                        continue;
                    }
                    (Ok(answer), _) => return answer,
                    (Err(given_back), _) => given_back,
                };
                durable = match whole.durable.load_full() {
                    None => return whole.direct.consume(request).await,
                    Some(next) if Arc::ptr_eq(&next, &durable) => return Err(next.turn_away(&request)),
                    Some(next) => next,
                };
            }
        })
    }

    fn is_destination(&self) -> bool {
        true
    }

    fn give_up(&self, _: Signal, items: u64, refusal: &Refusal) {
        self.0.direct.0.line.books.share_given_up(items, refusal);
    }
}

impl Consumer for Direct {
    fn consume(&self, request: Request) -> BoxFuture<'static, Answer> {
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            let place = inner.place(&request).await?;
            let promised = inner.manner.load().promises && !request.kept;
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
        &self.0.direct.0.name
    }

    fn end(&self, deadline: Instant) -> BoxFuture<'static, u64> {
        let whole = Arc::clone(&self.0);
        Box::pin(async move {
            let mut queues = whole.retired.lock().clone();
            queues.extend(whole.durable.load_full());
            queues.iter().for_each(|queue| queue.rest());
            let given_up = whole.direct.0.end(deadline).await;
            for queue in queues {
                queue.end().await;
            }
            given_up
        })
    }

    fn hurry(&self) {
        self.0.direct.0.hurry();
    }

    fn emptied(&self) -> BoxFuture<'static, ()> {
        let whole = Arc::clone(&self.0);
        Box::pin(async move {
            let mut queues = whole.retired.lock().clone();
            queues.extend(whole.durable.load_full());
            for queue in queues {
                queue.emptied().await;
            }
            whole.direct.0.line.books.all_settled().await;
        })
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

    /// Room for a request. Nothing is counted for a sender that leaves meanwhile. Who keeps a request waits, but a share
    /// of one that others have too waits only a moment, and only while the queue moves.
    async fn place(&self, request: &Request) -> Result<Place, Refusal> {
        let (items, bytes) = (request.items, request.body.len());
        let share = request.window.is_share();
        let fits = self.room.fits(items, bytes);
        let waits = (request.kept && !share) || (self.manner.load().blocks && fits);
        let place = if waits {
            self.room.wait_place(items, bytes).await
        } else {
            match self.room.try_place(items, bytes) {
                Err(NoPlace::Full) if share && fits && self.room.moves() => {
                    let wait = tokio::time::timeout(SHARE_WAIT, self.room.wait_place(items, bytes));
                    wait.await.unwrap_or(Err(NoPlace::Full))
                }
                place => place,
            }
        };
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
        let key = header_values(&self.manner.load().partition, request.origin.as_deref());
        let (part, answer) = Held::open(books, request, place, promised);
        let refused = self.line.queue.lock().accept(part, key, Instant::now()).err();
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

fn full() -> Refusal {
    Refusal {
        fault: Fault::Load,
        reason: Reason::QueueFull,
        message: "sending queue is full".into(),
        retry_after: Some(RETRY_HINT),
    }
}

/// How long a share of a request waits for room.
const SHARE_WAIT: Duration = Duration::from_secs(1);
/// After the end, for calls in flight to be let go.
const LET_GO: Duration = Duration::from_secs(1);

//! The `batch` processor: the shell around [`crate::batch::Batcher`], which passes time and hands batches on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, sleep_until, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::held::{Books, Held, Part, RETRY_HINT, cancelled, closing};
use super::{Answer, Consumer, Request, Stage, Window, header_values};
use crate::batch::{Batch, Batcher, Config, Limits, Why, joined};
use crate::observe::{BatchMetrics, HeldBytes, Ledger, Registry};
use crate::origin::Origin;
use crate::outcome::{Fault, Reason, Refusal, Signal};
use crate::retry::{self, Backoff};
use crate::workers::Workers;

/// A `batch` processor of one pipeline. A clone is the same processor.
#[derive(Clone)]
pub struct BatchProcessor(Arc<Inner>);

/// What a processor is made of.
pub struct BatchParts<'a> {
    /// Its name in the configuration.
    pub name: &'a str,
    /// The signal of its pipeline.
    pub signal: Signal,
    /// What it was told.
    pub config: Config,
    /// What follows in its pipeline.
    pub next: Arc<dyn Consumer>,
    /// Where it runs.
    pub workers: &'a Workers,
    /// Where it counts.
    pub registry: &'a Registry,
}

/// The values of `metadata_keys`, in their order; a header may come several times.
type Key = Vec<Vec<String>>;
type Place = Arc<Berth>;

/// A request's place in the processor, and in the windows before it, until it has ended or all of it has been handed on
/// to where it needs none.
struct Berth {
    left: AtomicU64, // items not handed on
    taken: Mutex<Option<(OwnedSemaphorePermit, Window)>>,
}

impl Berth {
    fn hand_on(&self, items: u64) {
        if self.left.fetch_sub(items, Ordering::AcqRel) == items
            && let Some((permit, window)) = self.taken.lock().take()
        {
            drop(permit);
            window.release();
        }
    }
}

struct Inner {
    name: String,
    keys: Vec<String>,
    next: Arc<dyn Consumer>,
    batcher: Mutex<Batcher<Key, Arc<Held<Place>>>>,
    kibibytes: Arc<Semaphore>, // waiting here or with who follows, not answered
    books: Arc<Books>,
    metrics: BatchMetrics,
    worker: Handle,
    timer: Notify, // the next timeout has changed
    hurried: AtomicBool,
    hurry: Notify,
    stop: CancellationToken,
}

impl BatchProcessor {
    /// An empty batch.
    pub fn new(parts: BatchParts<'_>) -> Self {
        let BatchParts { name, signal, config, next, workers, registry } = parts;
        let ledger = Ledger::new(registry, "processor", name, signal);
        let inner = Arc::new(Inner {
            name: name.to_owned(),
            batcher: Mutex::new(Batcher::new(signal, Limits::from(&config))),
            keys: config.metadata_keys,
            next,
            kibibytes: Arc::new(Semaphore::new(KIBIBYTES_MAX as usize)),
            books: Books::new(name, signal, ledger, None, HeldBytes::new(registry, "processor", name)),
            metrics: BatchMetrics::new(registry, name),
            worker: workers.next().clone(),
            timer: Notify::new(),
            hurried: AtomicBool::new(false),
            hurry: Notify::new(),
            stop: CancellationToken::new(),
        });
        inner.worker.spawn(Arc::clone(&inner).pass_time());
        Self(inner)
    }

    /// The conservation sum.
    pub fn ledger(&self) -> &Ledger {
        &self.0.books.ledger
    }
}

impl Consumer for BatchProcessor {
    fn consume(&self, request: Request) -> BoxFuture<'static, Answer> {
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            let place = inner.place(&request).await?;
            let answer = inner.accept(request, place)?;
            answer.await.unwrap_or_else(|_| Err(closing()))
        })
    }
}

impl Stage for BatchProcessor {
    fn name(&self) -> &str {
        &self.0.name
    }

    fn end(&self, deadline: Instant) -> BoxFuture<'static, u64> {
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            inner.books.close();
            inner.kibibytes.close();
            inner.hurry();
            let _ = timeout_at(deadline.into(), inner.books.all_settled()).await;
            inner.stop.cancel();
            // What is offered to the next stage is let go by its task, which may be busy for an instant.
            let _ = timeout(LET_GO, inner.books.all_settled()).await;
            inner.books.given_up()
        })
    }

    fn hurry(&self) {
        self.0.hurry();
    }
}

impl Inner {
    /// Room for a request. A sender that keeps it waits; another is refused when there is none soon. Nothing is
    /// counted for one that leaves meanwhile.
    async fn place(&self, request: &Request) -> Result<OwnedSemaphorePermit, Refusal> {
        let kibibytes = request.body.len().div_ceil(1024).min(KIBIBYTES_MAX as usize) as u32;
        let place = Arc::clone(&self.kibibytes).acquire_many_owned(kibibytes);
        let place = match request.kept {
            true => place.await.map_err(|_| closing()),
            false => match timeout(ROOM_WAIT, place).await {
                Ok(place) => place.map_err(|_| closing()),
                Err(_) => Err(full()),
            },
        };
        place.inspect_err(|refusal| self.books.turned_away(request.items, refusal))
    }

    /// Takes a request into the batch, which then may leave.
    fn accept(
        self: &Arc<Self>,
        mut request: Request,
        permit: OwnedSemaphorePermit,
    ) -> Result<tokio::sync::oneshot::Receiver<Answer>, Refusal> {
        let key = header_values(&self.keys, request.origin.as_deref());
        let promised = !request.kept;
        let mut batcher = self.batcher.lock();
        if !batcher.takes(&key) {
            let refusal = too_many_keys();
            self.books.turned_away(request.items, &refusal);
            return Err(refusal);
        }
        let taken = Mutex::new(Some((permit, std::mem::take(&mut request.window))));
        let berth = Arc::new(Berth { left: AtomicU64::new(request.items), taken });
        let (part, answer) = Held::open(&self.books, request, berth, promised);
        let (keys, next) = (batcher.keys(), batcher.poll_timeout());
        // A part that comes back says by its own end what became of it.
        let _ = batcher.accept(key, part, Instant::now());
        if self.hurried.load(Ordering::Acquire) {
            batcher.flush();
        }
        if batcher.poll_timeout() != next {
            self.timer.notify_one();
        }
        self.metrics.metadata_cardinality.add(batcher.keys() as i64 - keys as i64);
        self.send(&mut batcher);
        Ok(answer)
    }

    /// Hands on what has left the batcher.
    fn send(self: &Arc<Self>, batcher: &mut Batcher<Key, Arc<Held<Place>>>) {
        while let Some(batch) = batcher.poll_output() {
            self.metrics.send_size.observe(batch.items as f64);
            match batch.why {
                Why::Size => self.metrics.size_triggers.inc(),
                Why::Timeout => self.metrics.timeout_triggers.inc(),
                Why::End => {}
            }
            self.worker.spawn(Arc::clone(self).deliver(batch));
        }
    }

    async fn pass_time(self: Arc<Self>) {
        loop {
            let changed = self.timer.notified();
            let next = {
                let mut batcher = self.batcher.lock();
                let keys = batcher.keys();
                batcher.handle_timeout(Instant::now());
                self.metrics.metadata_cardinality.add(batcher.keys() as i64 - keys as i64);
                self.send(&mut batcher);
                batcher.poll_timeout()
            };
            tokio::select! {
                () = changed => {}
                () = sleep_to(next), if next.is_some() => {}
                () = self.stop.cancelled() => return,
            }
        }
    }

    /// Offers a batch to who follows until it is taken or refused for good. What its sender keeps is not offered
    /// again: the sender is told, and will.
    async fn deliver(self: Arc<Self>, batch: Batch<Key, Arc<Held<Place>>>) {
        let Batch { key, mut parts, .. } = batch;
        let config = retry::Config { max_elapsed_time: Duration::ZERO, ..offers() };
        let mut series = Backoff::new(&config, Instant::now());
        let origin = self.origin(key);
        while !parts.is_empty() {
            let request = self.request(&parts, origin.clone());
            // What its sender keeps is not offered again, so its bytes need not be here twice.
            let kept = parts.iter_mut().filter(|part| part.owner.kept);
            kept.for_each(|part| {
                part.body = Bytes::new();
                part.owner.unburden();
            });
            let answer = tokio::select! {
                answer = self.next.consume(request) => answer,
                () = self.stop.cancelled() => Err(closing()),
                () = self.books.deserted(&parts) => return self.books.refuse(parts, &cancelled()),
            };
            let refusal = match answer {
                Ok(accepted) => return self.books.delivered(parts, &accepted),
                Err(refusal) if !refusal.passes() || self.stop.is_cancelled() => {
                    return self.books.refuse(parts, &refusal);
                }
                Err(refusal) => refusal,
            };
            let kept: Vec<Part<Place>> = parts.extract_if(.., |part| part.owner.kept).collect();
            self.books.refuse(kept, &refusal);
            if parts.is_empty() {
                return;
            }
            let wait = series.after_failure(&config, Instant::now(), refusal.retry_after, fastrand::f64());
            let wait = wait.unwrap_or(PAUSE_MAX).min(PAUSE_MAX);
            self.books.retrying(&refusal.message, wait);
            self.pause(wait).await;
        }
    }

    fn request(&self, parts: &[Part<Place>], origin: Option<Arc<Origin>>) -> Request {
        Request {
            signal: self.books.signal,
            body: joined(parts),
            items: parts.iter().map(|part| part.items).sum(),
            arrived: parts.iter().map(|part| part.owner.arrived).min().unwrap_or_else(Instant::now),
            deadline: None,
            kept: parts.iter().any(|part| part.owner.kept),
            batched: true,
            origin,
            window: window(parts),
        }
    }

    /// Of where requests come from only `metadata_keys` go on: what is batched has nothing else in common.
    fn origin(&self, key: Key) -> Option<Arc<Origin>> {
        let named = self.keys.iter().zip(key);
        let headers: Vec<_> = named
            .flat_map(|(name, values)| values.into_iter().map(move |value| (name.clone(), value)))
            .collect();
        (!headers.is_empty()).then(|| Arc::new(Origin::of_headers(headers)))
    }

    async fn pause(&self, wait: Duration) {
        let hurry = self.hurry.notified();
        let wait = if self.hurried.load(Ordering::Acquire) { wait.min(HURRIED_WAIT) } else { wait };
        tokio::select! {
            () = sleep(wait) => {}
            () = hurry => {}
            () = self.stop.cancelled() => {}
        }
    }

    fn hurry(self: &Arc<Self>) {
        self.hurried.store(true, Ordering::Release);
        self.hurry.notify_waiters();
        let mut batcher = self.batcher.lock();
        batcher.flush();
        self.send(&mut batcher);
    }
}

/// How a batch counts: each part gives its place back once.
fn window(parts: &[Part<Place>]) -> Window {
    let berths: Vec<_> = parts.iter().map(|part| (Arc::clone(&part.owner.place), part.items)).collect();
    let released = AtomicBool::new(false);
    Window::Counted(Arc::new(move || {
        if !released.swap(true, Ordering::AcqRel) {
            berths.iter().for_each(|(berth, items)| berth.hand_on(*items));
        }
    }))
}

fn offers() -> retry::Config {
    retry::Config { initial_interval: RETRY_HINT, max_interval: PAUSE_MAX, ..retry::Config::default() }
}

fn full() -> Refusal {
    Refusal {
        fault: Fault::Load,
        reason: Reason::QueueFull,
        message: "the batch processor holds all it may: what follows it does not take its batches".into(),
        retry_after: Some(RETRY_HINT),
    }
}

/// The Collector's words, and its status: senders do not try again.
fn too_many_keys() -> Refusal {
    Refusal {
        fault: Fault::PeerRefused(INTERNAL),
        reason: Reason::MetadataCardinality,
        message: "too many batcher metadata-value combinations".into(),
        retry_after: None,
    }
}

async fn sleep_to(at: Option<Instant>) {
    if let Some(at) = at {
        sleep_until(at.into()).await;
    }
}

/// What one processor holds, offered batches included: 64 MiB.
const KIBIBYTES_MAX: u32 = 64 << 10;
/// How long a sender that does not keep its request waits for room.
const ROOM_WAIT: Duration = Duration::from_secs(1);
/// The longest pause between two offers of a batch.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// The same once the end is near.
const HURRIED_WAIT: Duration = Duration::from_millis(250);
/// After the end, for batches on offer to be let go.
const LET_GO: Duration = Duration::from_secs(1);
/// gRPC's code.
const INTERNAL: u8 = 13;

//! `sending_queue.journal`: a queue on disk. Requests are answered once they are in the journal; one thread owns it,
//! feeds the exporter from it in order, and forgets what the backend has.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::{interval, sleep, timeout};

use crate::flow::{Answer, Consumer, RETRY_HINT, Request, closing};
use crate::journal::{self, Full, Journal, OpenError, Position};
use crate::observe::{Ledger, Registry};
use crate::outcome::{Accepted, Fault, Reason, Refusal, Signal};

/// The door of a queue on disk.
pub struct Durable {
    orders: mpsc::Sender<Order>,
    state: Arc<State>,
    directory: Option<PathBuf>,
    found: AtomicU64, // items of a process before, until they are counted
    ledger: Ledger,
}

/// What the owner of the journal is to do beside its orders.
#[derive(Default)]
struct State {
    resting: AtomicBool,                    // nothing is fed
    config: Mutex<Option<journal::Config>>, // to be put in force
    news: Notify,
    unfinished: watch::Sender<usize>, // requests
}

/// What the owner of the journal is asked for.
enum Order {
    Put(Request, Reply),
    End { if_empty: bool, ended: oneshot::Sender<bool> },
}

/// What became of a request, which is given back where the journal has been closed.
type Reply = oneshot::Sender<Result<Answer, Request>>;

/// Who owns the journal.
struct Feeder {
    journal: Journal,
    signal: Signal,
    exporter: Arc<dyn Consumer>,
    ledger: Ledger,
    state: Arc<State>,
    waiting: VecDeque<Entry>,            // in the journal, not on their way
    unfinished: BTreeMap<Position, u64>, // waiting or on their way; their items
    loaded_bytes: usize,                 // of bodies in memory
}

/// A request in the journal.
struct Entry {
    at: Position, // of its record
    items: u64,
    bytes: usize,
    body: Option<Bytes>, // while it is in memory anyway
}

type Offers = FuturesUnordered<BoxFuture<'static, (Entry, Answer)>>;

impl Durable {
    /// Opens the journal. Once it is [`Self::resume`]d, it feeds `exporter` with what a process before has left in it.
    pub fn open(
        name: &str,
        signal: Signal,
        config: &journal::Config,
        exporter: Arc<dyn Consumer>,
        registry: &Registry,
    ) -> Result<Self, OpenError> {
        let ledger = Ledger::new(registry, "exporter", &format!("{name}/journal"), signal);
        let mut found: BTreeMap<Position, (u64, usize)> = BTreeMap::new();
        let folder = PathBuf::from(format!("{}-{}", plain(name), signal.name()));
        let (journal, recovery) = Journal::open(config, &folder, 1, &mut |record| match (
            record.kind,
            record.payload.split_first_chunk::<HEAD_BYTES>(),
        ) {
            (REQUEST, Some((items, body))) => {
                found.insert(record.at, (u64::from_le_bytes(*items), body.len()));
            }
            (DONE, Some((at, _))) => {
                Position::from_u64(u64::from_le_bytes(*at)).map(|at| found.remove(&at));
            }
            _ => {}
        })?;
        let items: u64 = found.values().map(|(items, _)| items).sum();
        if !found.is_empty() || recovery.corrupt_records > 0 {
            let (requests, corrupt_records) = (found.len(), recovery.corrupt_records);
            tracing::info!(
                component = name,
                requests,
                items,
                corrupt_records,
                "the queue continues from its journal"
            );
        }
        let waiting = found.iter().map(|(at, (items, bytes))| Entry {
            at: *at,
            items: *items,
            bytes: *bytes,
            body: None,
        });
        let unfinished = watch::Sender::new(found.len());
        let state = Arc::new(State { resting: AtomicBool::new(true), unfinished, ..State::default() });
        let feeder = Feeder {
            journal,
            signal,
            exporter,
            ledger: ledger.clone(),
            state: Arc::clone(&state),
            waiting: waiting.collect(),
            unfinished: found.iter().map(|(at, (items, _))| (*at, *items)).collect(),
            loaded_bytes: 0,
        };
        let (orders, taken) = mpsc::channel(ORDERS_MAX);
        let failed = |what, source| OpenError::Io { what, path: folder.clone(), source };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let runtime = runtime.map_err(|error| failed("start a runtime for", error))?;
        let thread = std::thread::Builder::new().name("sending-queue".into());
        let run = move || runtime.block_on(feeder.run(taken));
        thread.spawn(run).map_err(|error| failed("start a thread for", error))?;
        let directory = config.directory.clone();
        Ok(Self { orders, state, directory, found: AtomicU64::new(items), ledger })
    }

    /// Answers once the request is in the journal; gives it back where that has been closed.
    pub async fn put(&self, request: Request) -> Result<Answer, Request> {
        if self.state.resting.load(Ordering::Acquire) {
            return Ok(Err(self.turn_away(&request)));
        }
        let (reply, answer) = oneshot::channel();
        if let Err(refused) = self.orders.send(Order::Put(request, reply)).await {
            return match refused.0 {
                Order::Put(request, _) => Err(request),
                Order::End { .. } => Ok(Err(closing())),
            };
        }
        // Without an answer it may be in the journal or not; what is counted is what the journal had.
        answer.await.unwrap_or_else(|_| Ok(Err(closing())))
    }

    /// A request comes when nothing is taken any more.
    pub fn turn_away(&self, request: &Request) -> Refusal {
        let refusal = closing();
        self.ledger.taken(request.items);
        self.ledger.refused(refusal.reason, request.items);
        refusal
    }

    /// Where its journal is.
    pub fn directory(&self) -> Option<&Path> {
        self.directory.as_deref()
    }

    /// Feeds what waits, from now on.
    pub fn resume(&self) {
        let found = self.found.swap(0, Ordering::AcqRel);
        self.ledger.taken(found);
        self.ledger.held_add(found);
        self.state.resting.store(false, Ordering::Release);
        self.state.news.notify_one();
    }

    /// Nothing more is fed.
    pub fn rest(&self) {
        self.state.resting.store(true, Ordering::Release);
    }

    /// Keeps what comes as `config` says, in the same place.
    pub fn reconfigure(&self, config: journal::Config) {
        *self.state.config.lock() = Some(config);
        self.state.news.notify_one();
    }

    /// Ready when nothing waits in it. More may come while somebody still puts something in.
    pub async fn emptied(&self) {
        let _ = self.state.unfinished.subscribe().wait_for(|count| *count == 0).await;
    }

    /// Writes down what has been settled, and lets go of the journal. What is left in it is for the next process.
    pub async fn end(&self) {
        self.order_end(false).await;
    }

    /// Lets go of the journal once nothing waits in it; says whether that was so.
    pub async fn end_if_empty(&self) -> bool {
        self.order_end(true).await
    }

    async fn order_end(&self, if_empty: bool) -> bool {
        let (ended, reply) = oneshot::channel();
        let sent = self.orders.send(Order::End { if_empty, ended }).await;
        sent.is_err() || reply.await.unwrap_or(true) // gone is ended
    }
}

impl Feeder {
    async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        let mut offers = Offers::new();
        let mut taken = Vec::new();
        let mut tick = interval(SYNC_TICK);
        let state = Arc::clone(&self.state);
        loop {
            self.feed(&mut offers);
            state.unfinished.send_replace(self.unfinished.len());
            tokio::select! {
                biased;
                Some((entry, answer)) = offers.next(), if !offers.is_empty() => {
                    self.finish(entry, answer);
                    while let Some(Some((entry, answer))) = futures_util::FutureExt::now_or_never(offers.next()) {
                        self.finish(entry, answer);
                    }
                    self.forget();
                }
                count = orders.recv_many(&mut taken, ORDERS_MAX) => {
                    if count == 0 {
                        return self.end(offers).await;
                    }
                    if let Some(ended) = self.take(&mut taken) {
                        orders.close();
                        self.end(offers).await;
                        let _ = ended.send(true); // nobody waits: nobody to tell
                        return give_back(orders, taken).await;
                    }
                }
                () = state.news.notified() => {
                    if let Some(config) = state.config.lock().take() {
                        self.journal.reconfigure(&config, 1);
                    }
                }
                _ = tick.tick() => {
                    if let Err(error) = self.journal.sync_if_due(Instant::now()) {
                        tracing::error!(%error, "the queue's journal");
                    }
                }
            }
        }
    }

    /// Appends what came and commits once; says so if the end is among it, and leaves what came after it.
    fn take(&mut self, orders: &mut Vec<Order>) -> Option<oneshot::Sender<bool>> {
        let mut appended = Vec::with_capacity(orders.len());
        let mut end = None;
        let mut coming = std::mem::take(orders).into_iter();
        while let Some(order) = coming.next() {
            let (request, reply) = match order {
                Order::Put(request, reply) => (request, reply),
                Order::End { if_empty: true, ended }
                    if !appended.is_empty() || !self.unfinished.is_empty() =>
                {
                    let _ = ended.send(false); // nobody waits: nobody to tell
                    continue;
                }
                Order::End { ended, .. } => {
                    end = Some(ended);
                    break;
                }
            };
            match self.append(&request) {
                Ok(at) => appended.push((at, request, reply)),
                Err(refusal) => self.refuse(request.items, refusal, reply),
            }
        }
        orders.extend(coming);
        let committed = self.journal.commit();
        for (at, request, reply) in appended {
            if let Err(error) = &committed {
                self.refuse(request.items, full(&error.to_string()), reply);
                continue;
            }
            self.ledger.taken(request.items);
            self.ledger.held_add(request.items);
            self.unfinished.insert(at, request.items);
            let bytes = request.body.len();
            let body = (self.loaded_bytes < LOADED_BYTES_MAX).then_some(request.body);
            self.loaded_bytes += body.as_ref().map_or(0, Bytes::len);
            self.waiting.push_back(Entry { at, items: request.items, bytes, body });
            let _ = reply.send(Ok(Ok(Accepted::default()))); // its sender may have gone; the promise stands
        }
        end
    }

    fn append(&mut self, request: &Request) -> Result<Position, Refusal> {
        if self.unfinished.len() >= REQUESTS_MAX {
            return Err(full("as many requests wait as it may hold"));
        }
        let appended = self.journal.append(REQUEST, &[&request.items.to_le_bytes(), &request.body]);
        appended.map_err(|error| match error {
            Full::Record { .. } => Refusal {
                fault: Fault::TooLarge,
                reason: Reason::TooLarge,
                message: error.to_string().into(),
                retry_after: None,
            },
            Full::Limit { .. } | Full::Failed => full(&error.to_string()),
        })
    }

    fn refuse(&self, items: u64, refusal: Refusal, reply: Reply) {
        self.ledger.taken(items);
        self.ledger.refused(refusal.reason, items);
        let _ = reply.send(Ok(Err(refusal))); // its sender may have gone
    }

    /// Offers the exporter what it has room for.
    fn feed(&mut self, offers: &mut Offers) {
        while offers.len() < OFFERS_MAX && !self.state.resting.load(Ordering::Acquire) {
            let Some(mut entry) = self.waiting.pop_front() else { return };
            let body = match entry.body.take() {
                Some(body) => body,
                None if self.loaded_bytes >= LOADED_BYTES_MAX => return self.waiting.push_front(entry),
                None => match self.journal.read(entry.at.plus(HEAD_BYTES as u32), entry.bytes) {
                    Ok(body) => {
                        self.loaded_bytes += body.len();
                        Bytes::copy_from_slice(body)
                    }
                    Err(error) => {
                        tracing::error!(%error, items = entry.items, "a request is lost to the queue's journal");
                        self.settle(&entry);
                        self.ledger.dropped(Reason::Corrupt, entry.items);
                        continue;
                    }
                },
            };
            let request = Request {
                signal: self.signal,
                body,
                items: entry.items,
                arrived: Instant::now(),
                deadline: None,
                kept: true,
                batched: false,
                metadata: None,
            };
            offers.push(Box::pin(offer(Arc::clone(&self.exporter), request, entry)));
        }
    }

    /// Counts what became of a request. One that the end cut off stays in the journal.
    fn finish(&mut self, entry: Entry, answer: Answer) {
        self.loaded_bytes -= entry.bytes;
        match answer {
            Ok(accepted) => {
                self.settle(&entry);
                let rejected = accepted.rejected_items.min(entry.items);
                self.ledger.delivered(entry.items - rejected);
                self.ledger.dropped(accepted.reason.unwrap_or(Reason::BackendRejected), rejected);
            }
            Err(refusal) if refusal.passes() => {}
            Err(refusal) => {
                self.settle(&entry);
                self.ledger.dropped(refusal.reason, entry.items);
                tracing::warn!(items = entry.items, message = %refusal.message, "dropped from the queue");
            }
        }
    }

    fn settle(&mut self, entry: &Entry) {
        self.ledger.held_sub(entry.items);
        self.unfinished.remove(&entry.at);
        // A mark that does not fit, or is not committed, costs a second delivery after a restart.
        let _ = self.journal.append_reserved(DONE, &[&entry.at.as_u64().to_le_bytes()]);
    }

    /// Writes marks down and recycles what nothing waits in.
    fn forget(&mut self) {
        if let Err(error) = self.journal.commit() {
            tracing::error!(%error, "the queue's journal");
        }
        let oldest = self.unfinished.first_key_value().map_or(Position::MAX, |(at, _)| *at);
        self.journal.release_before(oldest);
    }

    async fn end(mut self, mut offers: Offers) {
        while let Ok(Some((entry, answer))) = timeout(LET_GO, offers.next()).await {
            self.finish(entry, answer);
        }
        self.forget();
        if let Err(error) = self.journal.close() {
            tracing::error!(%error, "the queue's journal");
        }
    }
}

/// What came too late goes elsewhere.
async fn give_back(mut orders: mpsc::Receiver<Order>, mut late: Vec<Order>) {
    while let Some(order) = orders.recv().await {
        late.push(order);
    }
    for order in late {
        // Who has gone needs nothing.
        let _ = match order {
            Order::Put(request, reply) => reply.send(Err(request)).is_ok(),
            Order::End { ended, .. } => ended.send(true).is_ok(),
        };
    }
}

/// Offers a request until it is taken or refused for good; the journal has it meanwhile.
async fn offer(exporter: Arc<dyn Consumer>, request: Request, entry: Entry) -> (Entry, Answer) {
    loop {
        let answer = exporter.consume(request.clone()).await;
        match &answer {
            Err(refusal) if refusal.passes() && refusal.fault != Fault::Closing => {
                sleep(refusal.retry_after.unwrap_or(RETRY_HINT).clamp(RETRY_HINT, PAUSE_MAX)).await;
            }
            _ => return (entry, answer),
        }
    }
}

fn full(why: &str) -> Refusal {
    Refusal {
        fault: Fault::Load,
        reason: Reason::QueueFull,
        message: format!("sending queue is full: {why}").into(),
        retry_after: Some(RETRY_HINT),
    }
}

/// A folder's name of a component's.
fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }).collect()
}

/// A record that is a request: its items, then its body.
const REQUEST: u8 = 1;
/// A record that says that the request at a position is settled.
const DONE: u8 = 2;
/// What stands before the body, and all of a mark.
const HEAD_BYTES: usize = 8;
/// Orders that wait for the owner of the journal; then senders wait.
const ORDERS_MAX: usize = 64;
/// Requests in the journal, whatever their size.
const REQUESTS_MAX: usize = 1 << 20;
/// Requests offered to the exporter at once, and bytes in memory.
const OFFERS_MAX: usize = 256;
const LOADED_BYTES_MAX: usize = 64 << 20;
/// How often it is seen whether the disk should be forced.
const SYNC_TICK: Duration = Duration::from_millis(100);
/// The longest pause between two offers.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// After the end, for offers to be let go.
const LET_GO: Duration = Duration::from_secs(1);

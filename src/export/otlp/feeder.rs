//! The thread of a queue on disk: it owns the journal, feeds the exporter from it in order, and forgets what the backend
//! has.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::{interval, sleep, timeout};

use super::bound::{Bound, Load};
use crate::flow::{Answer, Consumer, RETRY_HINT, Request};
use crate::journal::{self, Full, Journal, Position};
use crate::observe::Ledger;
use crate::outcome::{Accepted, Fault, Reason, Refusal, Signal};

/// What the owner of the journal is to do beside its orders.
#[derive(Default)]
pub(super) struct State {
    pub(super) resting: AtomicBool,                    // nothing is fed
    pub(super) config: Mutex<Option<journal::Config>>, // to be put in force
    pub(super) bound: ArcSwap<Bound>,
    pub(super) news: Notify,
    pub(super) unfinished: watch::Sender<usize>, // requests
}

/// What the owner of the journal is asked for.
pub(super) enum Order {
    Put(Request, Reply),
    End { if_empty: bool, ended: oneshot::Sender<bool> },
}

/// What became of a request, which is given back where the journal has been closed.
pub(super) type Reply = oneshot::Sender<Result<Answer, Request>>;

/// Who owns the journal.
pub(super) struct Feeder {
    pub(super) journal: Journal,
    pub(super) signal: Signal,
    pub(super) exporter: Arc<dyn Consumer>,
    pub(super) ledger: Ledger,
    pub(super) state: Arc<State>,
    pub(super) waiting: VecDeque<Entry>, // in the journal, not on their way
    pub(super) unfinished: BTreeMap<Position, u64>, // waiting or on their way; their items
    pub(super) loaded_bytes: usize,      // of bodies in memory
    pub(super) load: Load,               // of what is unfinished
}

/// A request in the journal.
pub(super) struct Entry {
    pub(super) at: Position, // of its record
    pub(super) items: u64,
    pub(super) bytes: usize,
    pub(super) body: Option<Bytes>, // while it is in memory anyway
}

type Offers = FuturesUnordered<BoxFuture<'static, (Entry, Answer)>>;

impl Feeder {
    /// Until the end is ordered, or nobody can order anything any more.
    pub(super) async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
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
        for order in coming.by_ref() {
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
                Ok(at) => {
                    self.load.add(request.items, request.body.len());
                    appended.push((at, request, reply));
                }
                Err(refusal) => self.refuse(request.items, refusal, reply),
            }
        }
        orders.extend(coming);
        let committed = self.journal.commit();
        for (at, request, reply) in appended {
            if let Err(error) = &committed {
                self.load.remove(request.items, request.body.len());
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
        if !self.state.bound.load().fits(&self.load, request.items, request.body.len()) {
            return Err(full("it holds `queue_size`"));
        }
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
            let request = Request { kept: true, ..Request::new(self.signal, body, entry.items) };
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
        self.load.remove(entry.items, entry.bytes);
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

/// A record that is a request: its items, then its body.
pub(super) const REQUEST: u8 = 1;
/// A record that says that the request at a position is settled.
pub(super) const DONE: u8 = 2;
/// What stands before the body, and all of a mark.
pub(super) const HEAD_BYTES: usize = 8;
/// Orders that wait for the owner of the journal; then senders wait.
pub(super) const ORDERS_MAX: usize = 64;
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

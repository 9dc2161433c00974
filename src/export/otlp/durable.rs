//! `sending_queue.journal`: a queue on disk. Requests are answered once they are in the journal; one thread owns it,
//! feeds the exporter from it in order, and forgets what the backend has.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{interval, sleep, timeout};

use super::bound::Bound;
use crate::flow::{Answer, Consumer, RETRY_HINT, Request, closing};
use crate::journal::{self, Full, Journal, OpenError, Position};
use crate::observe::{Ledger, Registry};
use crate::outcome::{Accepted, Fault, Reason, Refusal, Signal};

/// The door of a queue on disk.
pub struct Durable {
    orders: mpsc::Sender<Order>,
    closing: Arc<AtomicBool>,
    ledger: Ledger,
}

/// What the owner of the journal is asked for.
enum Order {
    Put(Request, oneshot::Sender<Answer>),
    End(oneshot::Sender<()>),
}

/// Who owns the journal.
struct Feeder {
    journal: Journal,
    signal: Signal,
    exporter: Arc<dyn Consumer>,
    ledger: Ledger,
    closing: Arc<AtomicBool>,
    waiting: VecDeque<Entry>,            // in the journal, not on their way
    unfinished: BTreeMap<Position, u64>, // waiting or on their way; their items
    loaded_bytes: usize,                 // of bodies in memory
    bound: Bound,
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
    /// Opens the journal and starts to feed `exporter` with what a process before has left in it.
    pub fn open(
        name: &str,
        signal: Signal,
        config: &journal::Config,
        mut bound: Bound,
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
        found.values().for_each(|(items, bytes)| bound.add(*items, *bytes));
        let items: u64 = found.values().map(|(items, _)| items).sum();
        ledger.taken(items);
        ledger.held_add(items);
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
        let closing = Arc::new(AtomicBool::new(false));
        let feeder = Feeder {
            journal,
            signal,
            exporter,
            ledger: ledger.clone(),
            closing: Arc::clone(&closing),
            waiting: waiting.collect(),
            unfinished: found.iter().map(|(at, (items, _))| (*at, *items)).collect(),
            loaded_bytes: 0,
            bound,
        };
        let (orders, taken) = mpsc::channel(ORDERS_MAX);
        let failed = |what, source| OpenError::Io { what, path: folder.clone(), source };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let runtime = runtime.map_err(|error| failed("start a runtime for", error))?;
        let thread = std::thread::Builder::new().name("sending-queue".into());
        let run = move || runtime.block_on(feeder.run(taken));
        thread.spawn(run).map_err(|error| failed("start a thread for", error))?;
        Ok(Self { orders, closing, ledger })
    }

    /// Answers once the request is in the journal.
    pub async fn put(&self, request: Request) -> Answer {
        let items = request.items;
        if self.closing.load(Ordering::Acquire) {
            return Err(self.turned_away(items, closing()));
        }
        let (reply, answer) = oneshot::channel();
        if self.orders.send(Order::Put(request, reply)).await.is_err() {
            return Err(self.turned_away(items, closing()));
        }
        // Without an answer it may be in the journal or not; what is counted is what the journal had.
        answer.await.unwrap_or_else(|_| Err(closing()))
    }

    /// Nothing more is taken or fed.
    pub fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }

    /// Writes down what has been settled, and lets go of the journal. What is left in it is for the next process.
    pub async fn end(&self) {
        let (reply, ended) = oneshot::channel();
        if self.orders.send(Order::End(reply)).await.is_ok() {
            let _ = ended.await; // gone is ended
        }
    }

    fn turned_away(&self, items: u64, refusal: Refusal) -> Refusal {
        self.ledger.taken(items);
        self.ledger.refused(refusal.reason, items);
        refusal
    }
}

impl Feeder {
    async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        let mut offers = Offers::new();
        let mut taken = Vec::new();
        let mut tick = interval(SYNC_TICK);
        loop {
            self.feed(&mut offers);
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
                    if let Some(reply) = self.take(&mut taken) {
                        self.end(offers).await;
                        let _ = reply.send(()); // nobody waits: nobody to tell
                        return;
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

    /// Appends what came and commits once; says so if the end is among it.
    fn take(&mut self, orders: &mut Vec<Order>) -> Option<oneshot::Sender<()>> {
        let mut appended = Vec::with_capacity(orders.len());
        let mut end = None;
        for order in orders.drain(..) {
            let (request, reply) = match order {
                Order::Put(request, reply) => (request, reply),
                Order::End(reply) => {
                    end = Some(reply);
                    continue;
                }
            };
            match self.append(&request) {
                Ok(at) => {
                    self.bound.add(request.items, request.body.len());
                    appended.push((at, request, reply));
                }
                Err(refusal) => self.refuse(request.items, refusal, reply),
            }
        }
        let committed = self.journal.commit();
        for (at, request, reply) in appended {
            if let Err(error) = &committed {
                self.bound.remove(request.items, request.body.len());
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
            let _ = reply.send(Ok(Accepted::default())); // its sender may have gone; the promise stands
        }
        end
    }

    fn append(&mut self, request: &Request) -> Result<Position, Refusal> {
        if !self.bound.fits(request.items, request.body.len()) {
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

    fn refuse(&self, items: u64, refusal: Refusal, reply: oneshot::Sender<Answer>) {
        self.ledger.taken(items);
        self.ledger.refused(refusal.reason, items);
        let _ = reply.send(Err(refusal)); // its sender may have gone
    }

    /// Offers the exporter what it has room for.
    fn feed(&mut self, offers: &mut Offers) {
        while offers.len() < OFFERS_MAX && !self.closing.load(Ordering::Acquire) {
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
        self.bound.remove(entry.items, entry.bytes);
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

/// A folder's name of a component's, which no other component has: what is not safe in a path is escaped, as the
/// Collector escapes it, and a name too long for a folder ends in its hash.
fn plain(name: &str) -> String {
    let mut plain = String::new();
    for c in name.chars() {
        match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '-' | '_' => plain.push(c),
            other => plain.push_str(&format!("~{:04X}", u32::from(other))),
        }
    }
    if plain.len() <= NAME_BYTES_MAX {
        return plain;
    }
    let hash = xxhash_rust::xxh3::xxh3_128(name.as_bytes());
    format!("{}~{hash:032x}", &plain[..NAME_BYTES_MAX - 33])
}

/// Of a folder's name, before the signal; file systems take 255.
const NAME_BYTES_MAX: usize = 200;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_a_folder_of_its_own() {
        assert_eq!(plain("otlp_grpc"), "otlp_grpc");
        assert_eq!(plain("otlp/a.b-c"), "otlp~002Fa.b-c");
        assert_eq!(plain("otlp/../é~"), "otlp~002F..~002F~00E9~007E");
        let long = |end: &str| plain(&format!("otlp/{}{end}", "x".repeat(1000)));
        assert!(long("a").len() <= NAME_BYTES_MAX && long("a") != long("b"));
    }
}

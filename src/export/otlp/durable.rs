//! `sending_queue.journal`: a queue on disk. Requests are answered once they are in the journal.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::{mpsc, oneshot, watch};

use super::bound::{Bound, Load};
use super::feeder::{DONE, Entry, Feeder, HEAD_BYTES, ORDERS_MAX, Order, REQUEST, State};
use crate::flow::{Answer, Consumer, Request, closing};
use crate::journal::{self, Journal, OpenError, Position};
use crate::observe::{Ledger, Registry};
use crate::outcome::{Refusal, Signal};

/// The door of a queue on disk.
pub struct Durable {
    orders: mpsc::Sender<Order>,
    state: Arc<State>,
    directory: Option<PathBuf>,
    found: AtomicU64, // items of a process before, until they are counted
    ledger: Ledger,
}

impl Durable {
    /// Opens the journal. Once it is [`Self::resume`]d, it feeds `exporter` with what a process before has left in it.
    pub fn open(
        name: &str,
        signal: Signal,
        config: &journal::Config,
        bound: Bound,
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
        let mut load = Load::default();
        found.values().for_each(|(items, bytes)| load.add(*items, *bytes));
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
        state.bound.store(Arc::new(bound));
        let feeder = Feeder {
            journal,
            signal,
            exporter,
            ledger: ledger.clone(),
            state: Arc::clone(&state),
            waiting: waiting.collect(),
            unfinished: found.iter().map(|(at, (items, _))| (*at, *items)).collect(),
            loaded_bytes: 0,
            load,
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

    /// Takes no more than this, from now on.
    pub fn rebound(&self, bound: Bound) {
        self.state.bound.store(Arc::new(bound));
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

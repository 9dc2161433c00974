//! One lane per backend and worker: the queue's shell, which makes calls and passes time.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use xxhash_rust::xxh3::xxh3_64;

use super::config::Gather;
use super::part::Part;
use super::queue::{LaneQueue, Output};
use super::turn::{Due, Turn};
use crate::client::{CallEnd, Called, Client, Probes};
use crate::lane::Budget;
use crate::observe::BackendMetrics;
use crate::outcome::Refusal;
use crate::retry;
use crate::route::Member;
use crate::split::gather_into;

/// What waits for one backend on one worker. Others put parts in; [`run`] takes them out.
pub struct Lane {
    /// The backend.
    pub member: Member,
    /// The hash of its id, by which resends know it.
    pub owner: u64,
    /// What may be held for it, on all workers together.
    pub budget: Arc<Budget>,
    metrics: BackendMetrics,
    queue: Mutex<LaneQueue>,
    wake: Notify,
    leaving: AtomicBool,
    due: AtomicBool,     // in the turn's list
    sending: AtomicBool, // the turn has ended for this lane
    turn: Arc<Turn<Lane>>,
}

impl Lane {
    /// An empty lane to `member`.
    pub fn new(
        member: Member,
        budget: Arc<Budget>,
        queue: LaneQueue,
        metrics: BackendMetrics,
        turn: Arc<Turn<Lane>>,
    ) -> Self {
        Self {
            owner: xxh3_64(member.id.as_bytes()),
            member,
            budget,
            metrics,
            queue: Mutex::new(queue),
            wake: Notify::new(),
            leaving: AtomicBool::new(false),
            due: AtomicBool::new(false),
            sending: AtomicBool::new(false),
            turn,
        }
    }

    /// Puts a part in; it leaves at the end of the turn, or at once when a whole call has gathered.
    pub fn submit(self: &Arc<Self>, part: Part) {
        if self.queue.lock().accept(part) {
            self.send_now();
        } else {
            self.turn.mark(self);
        }
    }

    /// Another lane takes what comes, or nobody: what waits goes to the owners of now, what is in flight ends here.
    pub fn leave(&self) {
        self.leaving.store(true, Ordering::Relaxed);
        self.wake.notify_one();
    }

    /// Tries what waits now, whatever the backoff says: we are about to stop.
    pub fn hurry(&self) {
        self.queue.lock().unblock(Instant::now());
        self.send_now();
    }

    /// What leaves from now on leaves so.
    pub fn reconfigure(&self, gather: Gather, retry: retry::Config) {
        self.queue.lock().reconfigure(gather, retry, Instant::now());
        self.send_now();
    }

    /// What to tell a sender whose part finds no room.
    pub fn retry_hint(&self) -> Duration {
        self.queue.lock().retry_hint(Instant::now())
    }

    /// Items waiting, bytes held, calls in flight, and whether the backoff runs.
    pub fn load(&self) -> (usize, usize, usize, bool) {
        let queue = self.queue.lock();
        let (items, bytes, calls) = queue.load();
        (items, bytes, calls, queue.is_blocked())
    }
}

impl Due for Lane {
    fn mark_due(&self) -> bool {
        !self.due.swap(true, Ordering::Relaxed)
    }

    fn send_now(&self) {
        self.due.store(false, Ordering::Relaxed);
        self.sending.store(true, Ordering::Relaxed);
        self.wake.notify_one();
    }
}

/// Who is told what became of parts.
pub trait Settle: Send + Sync + 'static {
    /// A call leaves.
    fn calling(&self);

    /// The backend of `lane` took the parts, but for so many of their items.
    fn delivered(&self, lane: &Lane, parts: Vec<Part>, rejected_items: u64, message: &str);

    /// The part is not sent.
    fn refuse(&self, part: Part, refusal: Refusal);

    /// The backend of `lane` has left, or is spoken to in another way: the parts go to the owners of now.
    fn reroute(self: Arc<Self>, lane: &Lane, parts: Vec<Part>);

    /// The end has come before the parts could be sent.
    fn abandon(&self, parts: Vec<Part>);
}

/// Moves parts from the lane to the backend until the backend has left and nothing is in flight, or `stop`.
pub async fn run<S: Settle>(lane: Arc<Lane>, client: Client, settle: Arc<S>, stop: CancellationToken) {
    let mut calls = FuturesUnordered::new();
    let mut probes = Probes::default();
    loop {
        let timeout = {
            let mut queue = lane.queue.lock();
            let now = Instant::now();
            queue.handle_timeout(now);
            if lane.sending.swap(false, Ordering::Relaxed) {
                queue.send(now);
            }
            queue.poll_timeout().map(|(at, _why)| at)
        };
        loop {
            let Some(output) = lane.queue.lock().poll_output() else { break };
            match output {
                Output::Call(parts) => {
                    settle.calling();
                    calls.push(call(&client, parts, &stop));
                }
                Output::Refuse(refused) => settle.refuse(refused.0, refused.1),
            }
        }
        let stopping = stop.is_cancelled();
        if stopping || lane.leaving.load(Ordering::Relaxed) {
            let parts = lane.queue.lock().drain();
            if stopping {
                settle.abandon(parts);
            } else {
                Arc::clone(&settle).reroute(&lane, parts);
            }
            if calls.is_empty() && lane.queue.lock().is_idle() {
                return;
            }
        }
        tokio::select! {
            biased;
            Some(done) = calls.next(), if !calls.is_empty() => finish(&lane, &*settle, done, &mut probes),
            () = lane.wake.notified() => {}
            () = sleep_to(timeout), if timeout.is_some() => {}
            () = probes.until_back(&client), if probes.wanted() => lane.hurry(),
            () = stop.cancelled(), if !stopping => {}
        }
    }
}

struct Done {
    parts: Vec<Part>,
    bytes: usize,
    started: Instant,
    called: Called,
}

async fn call(client: &Client, mut parts: Vec<Part>, stop: &CancellationToken) -> Done {
    let started = Instant::now();
    let bytes = parts.iter().map(Part::bytes).sum();
    let mut calling = pin!(client.call(encode(client, &parts)));
    // Requests whose other parts are long gone should not wait in memory for this backend.
    let kept: usize = parts.iter().map(|part| part.slice.source.body.len()).sum();
    if kept > bytes * AMPLIFICATION_MAX {
        tokio::select! {
            called = calling.as_mut() => return Done { parts, bytes, started, called },
            () = sleep(DETACH_AFTER) => parts.iter_mut().for_each(Part::detach),
        }
    }
    let called = tokio::select! {
        called = calling => called,
        () = stop.cancelled() => Called::passing("shutting down".into(), None),
    };
    Done { parts, bytes, started, called }
}

/// One message of all parts; a whole request may travel as it came.
fn encode(client: &Client, parts: &[Part]) -> Bytes {
    match parts {
        [only] if only.slice.whole && client.takes_bare() => only.slice.source.body.clone(),
        _ => client.seal(|out| gather_into(parts, out)),
    }
}

fn finish<S: Settle>(lane: &Arc<Lane>, settle: &S, done: Done, probes: &mut Probes) {
    let Done { mut parts, bytes, started, called } = done;
    let now = Instant::now();
    lane.metrics.latency_ms.observe((now - started).as_secs_f64() * 1e3);
    let taken = matches!(called.end, CallEnd::Taken);
    lane.metrics.outcome(taken);
    probes.heard(taken, called.unreachable);
    if taken {
        settle.delivered(lane, std::mem::take(&mut parts), called.rejected_items, &called.message);
    }
    let mut queue = lane.queue.lock();
    queue.call_done(bytes, parts, &called.end, started, now, fastrand::f64());
    if queue.waits() {
        lane.turn.mark(lane); // what gathered meanwhile leaves at the end of the turn
    }
}

async fn sleep_to(at: Option<Instant>) {
    if let Some(at) = at {
        sleep_until(at.into()).await;
    }
}

/// Times the encoded size from which kept request buffers count as wasted.
const AMPLIFICATION_MAX: usize = 8;
/// How long they may be wasted.
const DETACH_AFTER: Duration = Duration::from_millis(200);

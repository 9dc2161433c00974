//! One lane per backend and worker: the queue's shell, which makes calls and passes time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;
use xxhash_rust::xxh3::xxh3_64;

use super::balancer::Shared;
use super::call::Called;
use super::grpc::Channel;
use super::http::HttpChannel;
use super::part::Part;
use super::queue::{LaneQueue, Output};
use super::turn::Turn;
use crate::compress::{self, Compression};
use crate::lane::Budget;
use crate::observe::BackendMetrics;
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
    turn: Arc<Turn>,
}

/// How a backend is spoken to.
pub enum Client {
    /// OTLP/gRPC.
    Grpc(Channel),
    /// OTLP/HTTP.
    Http(HttpChannel),
}

impl Lane {
    /// An empty lane to `member`.
    pub fn new(
        member: Member,
        budget: Arc<Budget>,
        queue: LaneQueue,
        metrics: BackendMetrics,
        turn: Arc<Turn>,
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

    /// Notes that the turn will end with this lane; false when that was noted already.
    pub fn mark_due(&self) -> bool {
        !self.due.swap(true, Ordering::Relaxed)
    }

    /// Sends what may be sent.
    pub fn send_now(&self) {
        self.due.store(false, Ordering::Relaxed);
        self.sending.store(true, Ordering::Relaxed);
        self.wake.notify_one();
    }

    /// The backend is no longer a member: what waits goes to other owners, what is in flight ends here.
    pub fn leave(&self) {
        self.leaving.store(true, Ordering::Relaxed);
        self.wake.notify_one();
    }

    /// Tries what waits now, whatever the backoff says: we are about to stop.
    pub fn hurry(&self) {
        self.queue.lock().unblock(Instant::now());
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

/// Moves parts from the lane to the backend until the backend has left and nothing is in flight, or `stop`.
pub async fn run(lane: Arc<Lane>, client: Client, shared: Arc<Shared>, stop: CancellationToken) {
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
                Output::Call(parts) => calls.push(call(&client, parts, &shared, &stop)),
                Output::Refuse(refused) => shared.refuse(refused.0, refused.1),
            }
        }
        let stopping = stop.is_cancelled();
        if stopping || lane.leaving.load(Ordering::Relaxed) {
            let parts = lane.queue.lock().drain();
            if stopping {
                shared.abandon(parts)
            } else {
                shared.reroute(parts)
            }
            if calls.is_empty() && lane.queue.lock().is_idle() {
                return;
            }
        }
        tokio::select! {
            biased;
            Some(done) = calls.next(), if !calls.is_empty() => finish(&lane, &shared, done, &mut probes),
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

async fn call(client: &Client, mut parts: Vec<Part>, shared: &Shared, stop: &CancellationToken) -> Done {
    let started = Instant::now();
    let bytes = parts.iter().map(Part::bytes).sum();
    let message = encode(client, &parts, shared.config.protocol.compression);
    shared.lb.calls_out.inc();
    let calling = async {
        match client {
            Client::Grpc(channel) => channel.call(message, shared.config.timeout).await,
            Client::Http(channel) => channel.call(message, shared.config.timeout).await,
        }
    };
    let mut calling = std::pin::pin!(calling);
    // Requests whose other parts are long gone should not wait in memory for this backend.
    let kept: usize = parts.iter().map(|part| part.slice.source.body.len()).sum();
    let called = if kept > bytes * AMPLIFICATION_MAX {
        tokio::select! {
            called = &mut calling => Some(called),
            () = tokio::time::sleep(DETACH_AFTER) => None,
        }
    } else {
        None
    };
    let called = match called {
        Some(called) => called,
        None => {
            if kept > bytes * AMPLIFICATION_MAX {
                parts.iter_mut().for_each(Part::detach);
            }
            tokio::select! {
                called = calling => called,
                () = stop.cancelled() => Called::passing("shutting down".into(), None),
            }
        }
    };
    Done { parts, bytes, started, called }
}

/// One message of all parts: framed for gRPC, bare for HTTP, compressed where configured.
fn encode(client: &Client, parts: &[Part], compression: Option<Compression>) -> Bytes {
    let frame = match client {
        Client::Grpc(_) => 5,
        Client::Http(_) => {
            if let ([only], None) = (parts, compression)
                && only.slice.whole
            {
                return only.slice.source.body.clone(); // travels as it came
            }
            0
        }
    };
    let mut plain = Vec::new();
    if compression.is_none() {
        plain.reserve(frame);
        plain.resize(frame, 0);
    }
    gather_into(parts, &mut plain);
    let mut out = plain;
    if let Some(kind) = compression {
        let plain = std::mem::replace(&mut out, vec![0; frame]);
        compress::deflate(kind, &plain, &mut out);
    }
    if frame == 5 {
        let length = (out.len() - 5) as u32;
        out[0] = u8::from(compression.is_some());
        out[1..5].copy_from_slice(&length.to_be_bytes());
    }
    Bytes::from(out)
}

fn finish(lane: &Arc<Lane>, shared: &Shared, done: Done, probes: &mut Probes) {
    let Done { mut parts, bytes, started, called } = done;
    let now = Instant::now();
    lane.metrics.latency_ms.observe((now - started).as_secs_f64() * 1e3);
    let taken = matches!(called.end, super::queue::CallEnd::Taken);
    lane.metrics.outcome(taken);
    probes.heard(taken, called.unreachable);
    if taken {
        shared.delivered(lane, std::mem::take(&mut parts), called.rejected_items, &called.message);
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

/// Notices an unreachable backend's return sooner than the backoff would: by connecting now and then.
#[derive(Default)]
struct Probes {
    failures: u32, // calls in a row that found nobody
    next: Option<tokio::time::Instant>,
}

impl Probes {
    fn heard(&mut self, taken: bool, unreachable: bool) {
        if taken || !unreachable {
            self.next = None;
        }
        if taken {
            self.failures = 0;
        } else if unreachable {
            self.failures = self.failures.saturating_add(1);
            self.next = Some(tokio::time::Instant::now() + self.pause());
        }
    }

    fn wanted(&self) -> bool {
        self.next.is_some()
    }

    fn pause(&self) -> Duration {
        let doubled = PROBE_FIRST * 2u32.pow(self.failures.min(8).saturating_sub(1));
        doubled.min(PROBE_PAUSE_MAX)
    }

    /// Ready when the backend takes connections. Cancel safe: the next attempt's time is kept.
    async fn until_back(&mut self, client: &Client) {
        while let Some(at) = self.next {
            sleep_until(at).await;
            self.next = Some(tokio::time::Instant::now() + self.pause());
            let back = match client {
                Client::Grpc(channel) => channel.answers().await,
                Client::Http(channel) => channel.answers().await,
            };
            if back {
                self.next = None;
            }
        }
    }
}

/// Times the encoded size from which kept request buffers count as wasted.
const AMPLIFICATION_MAX: usize = 8;
/// How long they may be wasted.
const DETACH_AFTER: Duration = Duration::from_millis(200);
/// First pause before a connection attempt; doubles with each failed call.
const PROBE_FIRST: Duration = Duration::from_millis(100);
/// Longest pause.
const PROBE_PAUSE_MAX: Duration = Duration::from_secs(5);

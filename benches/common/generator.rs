//! The load: N connections with M requests in flight each, closed loop or at a rate.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::Semaphore;

use super::client::{Answer, Link};
use super::histogram::Histogram;
use super::payload::Payload;

/// A request without an answer for so long has failed.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Pause of a slot after a failure, lest a dead peer turns the loop into a spin.
const PAUSE: Duration = Duration::from_millis(5);

/// How much is sent, and where.
#[derive(Clone, Debug)]
pub struct Load {
    /// Who gets it.
    pub target: SocketAddr,
    /// Connections to it.
    pub connections: usize,
    /// Requests in flight on each.
    pub in_flight: usize,
    /// Requests a second; without it the loop is closed.
    pub rate: Option<f64>,
    /// Threads that send.
    pub threads: usize,
}

/// What has been sent and answered.
pub struct Stats {
    next: AtomicU64,
    stop: AtomicBool,
    recording: AtomicBool,
    pace: Option<Pace>,
    /// When it was started, on the clock that processes share.
    pub started: SystemTime,
    /// Requests answered OK.
    pub ok: AtomicU64,
    /// Spans that OK answers rejected.
    pub rejected: AtomicU64,
    /// Connections opened after the first ones.
    pub reconnects: AtomicU64,
    /// Latencies of the requests answered OK while recording.
    pub latency: Histogram,
    /// Requests whose spans were not all acknowledged.
    pub failed: Mutex<Vec<u64>>,
    /// Why the first of them failed.
    pub reason: Mutex<Option<String>>,
}

/// The intended times of an open loop: a permit falls due for each, and request `n` was meant for `start + n / rate`.
struct Pace {
    due: Semaphore,
    start: Instant,
    rate: f64,
}

/// A load in progress.
pub struct Running {
    /// Its counts.
    pub stats: Arc<Stats>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Running {
    /// Starts the load.
    pub fn start(load: &Load, payload: Payload) -> Self {
        let pace = load.rate.map(|rate| Pace { due: Semaphore::new(0), start: Instant::now(), rate });
        let stats = Arc::new(Stats {
            next: AtomicU64::new(0),
            stop: AtomicBool::new(false),
            recording: AtomicBool::new(false),
            pace,
            started: SystemTime::now(),
            ok: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            reconnects: AtomicU64::new(0),
            latency: Histogram::new(),
            failed: Mutex::default(),
            reason: Mutex::default(),
        });
        let payload = Arc::new(payload);
        let count = load.threads.clamp(1, load.connections);
        let mut threads: Vec<_> = (0..count)
            .map(|thread| {
                let (load, stats, payload) = (load.clone(), Arc::clone(&stats), Arc::clone(&payload));
                std::thread::spawn(move || {
                    let connections = (thread..load.connections).step_by(count).count();
                    send(&load, connections, &stats, &payload);
                })
            })
            .collect();
        if load.rate.is_some() {
            let stats = Arc::clone(&stats);
            threads.push(std::thread::spawn(move || stats.release()));
        }
        Self { stats, threads }
    }

    /// Starts to record latencies.
    pub fn record(&self, on: bool) {
        self.stats.recording.store(on, Relaxed);
    }

    /// Sends no more, waits for the answers that are due, and says how many requests there were.
    pub fn drain(&mut self) -> u64 {
        self.stats.stop.store(true, Relaxed);
        if let Some(pace) = &self.stats.pace {
            pace.due.close();
        }
        for thread in self.threads.drain(..) {
            thread.join().expect("a sending thread does not panic");
        }
        self.stats.next.load(Relaxed)
    }
}

fn send(load: &Load, connections: usize, stats: &Arc<Stats>, payload: &Arc<Payload>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let local = tokio::task::LocalSet::new();
    for _ in 0..connections {
        let link = Rc::new(Link::new(load.target));
        for _ in 0..load.in_flight {
            local.spawn_local(slot(Rc::clone(&link), Arc::clone(stats), Arc::clone(payload)));
        }
    }
    runtime.block_on(local);
}

/// One request in flight after the other, until there is no more to send.
async fn slot(link: Rc<Link>, stats: Arc<Stats>, payload: Arc<Payload>) {
    let mut buffer = payload.fresh();
    while let Some((number, intended)) = stats.next_request().await {
        payload.patch(&mut buffer, number);
        let message = buffer.freeze();
        let answer = match tokio::time::timeout(ANSWER_WITHIN, link.call(message.clone())).await {
            Ok(answer) => answer,
            Err(_) => Answer::Failed("no answer in time".into()),
        };
        stats.reconnects.fetch_add(link.take_reconnects(), Relaxed);
        if stats.count(number, intended, answer).is_none() {
            tokio::time::sleep(PAUSE).await;
        }
        // The transport lets go of the buffer once it is written, so the next send patches the same one.
        buffer = message.try_into_mut().unwrap_or_else(|_| payload.fresh());
    }
}

impl Stats {
    /// The next request's number and the time its latency counts from.
    async fn next_request(&self) -> Option<(u64, Instant)> {
        if let Some(pace) = &self.pace {
            pace.due.acquire().await.ok()?.forget();
        }
        if self.stop.load(Relaxed) {
            return None;
        }
        let number = self.next.fetch_add(1, Relaxed);
        let intended = match &self.pace {
            Some(pace) => pace.start + Duration::from_secs_f64(number as f64 / pace.rate),
            None => Instant::now(),
        };
        Some((number, intended))
    }

    /// Nothing if the request failed.
    fn count(&self, number: u64, intended: Instant, answer: Answer) -> Option<()> {
        match answer {
            Answer::Ok { rejected: 0 } => {}
            Answer::Ok { rejected } => {
                self.rejected.fetch_add(rejected, Relaxed);
                self.fail(number, format!("{rejected} spans rejected"));
            }
            Answer::Failed(reason) => {
                self.fail(number, reason);
                return None;
            }
        }
        self.ok.fetch_add(1, Relaxed);
        if self.recording.load(Relaxed) {
            self.latency.record(intended.elapsed());
        }
        Some(())
    }

    fn fail(&self, number: u64, reason: String) {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).push(number);
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(reason);
    }

    /// Lets the requests of an open loop fall due. A thread of its own, since the runtime's clock ticks in
    /// milliseconds.
    fn release(&self) {
        let Some(pace) = &self.pace else { return };
        let mut released = 0_u64;
        while !self.stop.load(Relaxed) {
            let due = (pace.start.elapsed().as_secs_f64() * pace.rate) as u64 + 1;
            pace.due.add_permits((due - released) as usize);
            released = due;
            let next = pace.start + Duration::from_secs_f64(released as f64 / pace.rate);
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
        }
    }
}

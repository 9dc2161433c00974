//! When lanes send: at the end of a worker's turn, once nothing more comes in.
//!
//! A worker that has requests left to read reads them first; what they bring for an idle backend then leaves as one
//! call instead of several. With nothing else to read that costs one look at the sockets, about a microsecond, and
//! under steady load it is bounded by [`TURN_TIME_MAX`]. Only a turn of very many calls waits a little longer, so that
//! the cost of a span does not grow with the number of backends.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// What a turn can end with: a lane.
pub trait Due: Send + Sync + 'static {
    /// Notes that the turn will end with it; false when that was noted already.
    fn mark_due(&self) -> bool;

    /// Sends what may be sent.
    fn send_now(&self);
}

/// The lanes of one worker that have something to send.
pub struct Turn<Lane> {
    due: Mutex<Vec<Arc<Lane>>>, // each lane once
    marks: AtomicU64,
    begun: Notify,
}

impl<Lane: Due> Turn<Lane> {
    /// A turn that has not begun.
    pub fn new() -> Arc<Self> {
        Arc::new(Self { due: Mutex::default(), marks: AtomicU64::new(0), begun: Notify::new() })
    }

    /// `lane` has something to send. Cheap: called once per part.
    pub fn mark(&self, lane: &Arc<Lane>) {
        self.marks.fetch_add(1, Ordering::Relaxed);
        if lane.mark_due() {
            let mut due = self.due.lock();
            due.push(Arc::clone(lane));
            if due.len() == 1 {
                self.begun.notify_one();
            }
        }
    }

    /// Ends turns until `stop`; runs on the worker whose lanes these are.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = self.begun.notified() => {}
                () = stop.cancelled() => return,
            }
            let begun = Instant::now();
            loop {
                let seen = self.marks.load(Ordering::Relaxed);
                // Comes back after every task that is ready has run and the sockets have been looked at.
                tokio::task::yield_now().await;
                if self.marks.load(Ordering::Relaxed) == seen || begun.elapsed() >= TURN_TIME_MAX {
                    break;
                }
            }
            let many = self.due.lock().len();
            if many >= MANY_CALLS {
                // The calls of this turn will cost about this long; what comes meanwhile rides along.
                tokio::time::sleep((CALL_COST * many as u32).min(WAIT_MAX)).await;
            }
            let due = std::mem::take(&mut *self.due.lock());
            due.iter().for_each(|lane| lane.send_now());
        }
    }
}

/// From so many calls in one turn on, making fewer of them is worth a wait.
const MANY_CALLS: usize = 64;
/// What a call costs here, roughly.
const CALL_COST: Duration = Duration::from_micros(10);
/// Longest such wait.
const WAIT_MAX: Duration = Duration::from_millis(5);
/// Longest turn.
const TURN_TIME_MAX: Duration = Duration::from_millis(1);

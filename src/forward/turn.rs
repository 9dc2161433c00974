//! When lanes send: at the end of a worker's turn, once nothing more comes in.
//!
//! A worker that has requests left to read reads them first; what they bring for an idle backend then leaves as one
//! call instead of several. With nothing else to read that costs one look at the sockets, about a microsecond, and
//! under steady load it is bounded by [`TURN_TIME_MAX`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::lanes::Lane;

/// The lanes of one worker that have something to send.
#[derive(Default)]
pub struct Turn {
    due: Mutex<Vec<Arc<Lane>>>, // each lane once
    marks: AtomicU64,
    begun: Notify,
}

impl Turn {
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
            let due = std::mem::take(&mut *self.due.lock());
            due.iter().for_each(|lane| lane.send_now());
        }
    }
}

/// Longest turn.
const TURN_TIME_MAX: Duration = Duration::from_millis(1);

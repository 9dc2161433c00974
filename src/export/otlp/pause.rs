//! What every consumer of an exporter waits for: backoffs, throttling, the backend's return.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{interval, sleep_until};
use tokio_util::sync::CancellationToken;

use super::backends::{Addresses, Reach};
use crate::client::{Client, Probes};

/// The pauses of one exporter, shared by its consumers.
#[derive(Default)]
pub struct Pauses {
    throttled: Mutex<Option<Instant>>, // no call before
    hurried: AtomicBool,
    hurry: Notify,
    down: AtomicBool,
    news: Notify, // for the task that watches
    back: Notify,
    /// Everything ends.
    pub stop: CancellationToken,
}

impl Pauses {
    /// The backend has too much to do: no consumer calls it before.
    pub fn throttle(&self, until: Instant) {
        let mut throttled = self.throttled.lock();
        *throttled = Some(throttled.map_or(until, |at| at.max(until)));
    }

    /// When calls are wanted again, if they are not now.
    pub fn throttled_until(&self) -> Option<Instant> {
        let until = *self.throttled.lock();
        until.filter(|until| *until > Instant::now() && !self.is_hurried())
    }

    /// Waits for a backoff, the end, or, where the backend could not be reached, for its return.
    pub async fn wait(&self, until: Instant, unreachable: bool) {
        let (hurry, back) = (self.hurry.notified(), self.back.notified());
        let until = if self.is_hurried() { until.min(Instant::now() + HURRIED_WAIT) } else { until };
        tokio::select! {
            () = sleep_until(until.into()) => {}
            () = hurry => {}
            () = back, if unreachable => {}
            () = self.stop.cancelled() => {}
        }
    }

    /// From now on waits are short.
    pub fn hurry(&self) {
        self.hurried.store(true, Ordering::Release);
        self.hurry.notify_waiters();
    }

    /// Whether the end is near.
    pub fn is_hurried(&self) -> bool {
        self.hurried.load(Ordering::Acquire)
    }

    /// A call has ended.
    pub fn heard(&self, unreachable: bool) {
        if unreachable || self.down.load(Ordering::Relaxed) {
            self.down.store(unreachable, Ordering::Relaxed);
            self.news.notify_one();
        }
    }

    /// Watches for the return of a backend that could not be reached, and looks names up again.
    pub async fn watch(&self, reach: &Reach, addresses: Option<&Addresses>, client: &Client) {
        let mut probes = Probes::default();
        let mut again = interval(LOOK_UP_AGAIN);
        let mut looked_up: Option<Instant> = None;
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = self.news.notified() => {
                    let down = self.down.load(Ordering::Relaxed);
                    probes.heard(!down, down);
                    let old = looked_up.is_none_or(|at| at.elapsed() >= LOOK_UP_PAUSE);
                    if let Some(addresses) = addresses.filter(|_| down && old) {
                        addresses.look_up(reach).await;
                        looked_up = Some(Instant::now());
                    }
                }
                () = probes.until_back(client), if probes.wanted() => self.back.notify_waiters(),
                _ = again.tick(), if addresses.is_some() => {
                    if let Some(addresses) = addresses {
                        addresses.look_up(reach).await;
                        looked_up = Some(Instant::now());
                    }
                }
            }
        }
    }
}

/// The longest wait once the end is near.
const HURRIED_WAIT: Duration = Duration::from_millis(250);
/// Names are looked up this often.
const LOOK_UP_AGAIN: Duration = Duration::from_secs(30);
/// And no more often than this when calls find nobody.
const LOOK_UP_PAUSE: Duration = Duration::from_secs(1);

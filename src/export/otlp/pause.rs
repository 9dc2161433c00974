//! What every consumer of an exporter waits for: backoffs, throttling, the backend's return.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{interval, sleep_until};
use tokio_util::sync::CancellationToken;

use super::backends::Backend;
use crate::client::Probes;

/// The pauses of one exporter, shared by its consumers.
#[derive(Default)]
pub struct Pauses {
    throttled: Mutex<Option<Instant>>, // no call before
    hurried: AtomicBool,
    hurry: Notify,
    down: AtomicBool,
    down_since: Mutex<Option<SystemTime>>,
    news: Notify, // for the task that watches
    back: Notify,
    generation: AtomicU64, // of the configuration
    anew: Notify,
    /// Everything ends.
    pub stop: CancellationToken,
}

impl Pauses {
    /// Which configuration is in force: look at it before the configuration.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }

    /// Another configuration is in force: nothing that was learnt under the last one holds, and nobody waits for it.
    pub fn renew(&self) {
        let mut throttled = self.throttled.lock();
        self.generation.fetch_add(1, Ordering::SeqCst);
        *throttled = None;
        drop(throttled);
        self.down.store(false, Ordering::Relaxed);
        *self.down_since.lock() = None;
        self.news.notify_one();
        self.anew.notify_waiters();
    }

    /// The backend of a generation has too much to do: no consumer calls it before.
    pub fn throttle(&self, until: Instant, generation: u64) {
        let mut throttled = self.throttled.lock();
        if generation != self.generation() {
            return;
        }
        *throttled = Some(throttled.map_or(until, |at| at.max(until)));
    }

    /// When calls are wanted again, if they are not now.
    pub fn throttled_until(&self) -> Option<Instant> {
        let until = *self.throttled.lock();
        until.filter(|until| *until > Instant::now() && !self.is_hurried())
    }

    /// Waits for a backoff, the end, another configuration than that of `generation`, or, where the backend could not be
    /// reached, for its return.
    pub async fn wait(&self, until: Instant, unreachable: bool, generation: u64) {
        let (hurry, back, anew) = (self.hurry.notified(), self.back.notified(), self.anew.notified());
        if self.generation() != generation {
            return;
        }
        let until = if self.is_hurried() { until.min(Instant::now() + HURRIED_WAIT) } else { until };
        tokio::select! {
            () = sleep_until(until.into()) => {}
            () = hurry => {}
            () = anew => {}
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

    /// A call to the backend of a generation has ended.
    pub fn heard(&self, unreachable: bool, generation: u64) {
        if generation != self.generation() {
            return;
        }
        if unreachable || self.down.load(Ordering::Relaxed) {
            self.down.store(unreachable, Ordering::Relaxed);
            let mut since = self.down_since.lock();
            *since = unreachable.then(|| since.unwrap_or_else(SystemTime::now));
            drop(since);
            self.news.notify_one();
        }
    }

    /// Since when the backend cannot be reached, as far as calls have shown.
    pub fn down_since(&self) -> Option<SystemTime> {
        *self.down_since.lock()
    }

    /// Watches for the return of a backend that could not be reached, and looks names up again, until another backend
    /// takes its place.
    pub async fn watch(&self, backend: &Backend) {
        let Backend { reach, probing, replaced, .. } = backend;
        let addresses = backend.addresses.as_deref();
        let mut probes = Probes::default();
        let mut again = interval(LOOK_UP_AGAIN);
        let mut looked_up: Option<Instant> = None;
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = replaced.cancelled() => return,
                () = self.news.notified() => {
                    let down = self.down.load(Ordering::Relaxed);
                    probes.heard(!down, down);
                    let old = looked_up.is_none_or(|at| at.elapsed() >= LOOK_UP_PAUSE);
                    if let Some(addresses) = addresses.filter(|_| down && old) {
                        addresses.look_up(reach).await;
                        looked_up = Some(Instant::now());
                    }
                }
                () = probes.until_back(probing), if probes.wanted() => self.back.notify_waiters(),
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

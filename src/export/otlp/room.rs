//! How much may wait: places in the queue's own unit, and bytes in all.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::export::config::{SendingQueue, Sizer};
use crate::observe::QueueMetrics;

/// The room of one exporter's queue. What is in flight or waits for a retry keeps its place.
pub struct Room {
    sizer: Sizer,
    capacity: usize,
    places: Arc<Semaphore>,
    kibibytes: Arc<Semaphore>,
    metrics: QueueMetrics,
    freed: Mutex<Option<Instant>>, // when a place was last given back
}

/// A request's place, given back on drop.
pub struct Place {
    room: Arc<Room>,
    places: Option<OwnedSemaphorePermit>,
    _kibibytes: OwnedSemaphorePermit,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPlace {
    /// Everything is taken.
    Full,
    /// The queue takes nothing more.
    Closed,
}

impl Room {
    /// An empty queue.
    pub fn new(config: &SendingQueue, metrics: QueueMetrics) -> Arc<Self> {
        let (sizer, capacity) = match config.enabled {
            true => (config.sizer, config.size),
            false => (Sizer::Requests, config.consumers),
        };
        let capacity = capacity.clamp(1, Semaphore::MAX_PERMITS);
        metrics.capacity.set(capacity as i64);
        metrics.size.set(0);
        Arc::new(Self {
            sizer,
            capacity,
            places: Arc::new(Semaphore::new(capacity)),
            kibibytes: Arc::new(Semaphore::new(KIBIBYTES_MAX as usize)),
            metrics,
            freed: Mutex::default(),
        })
    }

    /// A place at once, or not at all. A request larger than the whole queue never has one.
    pub fn try_place(self: &Arc<Self>, items: u64, bytes: usize) -> Result<Place, NoPlace> {
        let (size, kibibytes) = self.sizes(items, bytes);
        if size as usize > self.capacity {
            return Err(NoPlace::Full);
        }
        let full = |error| match error {
            tokio::sync::TryAcquireError::NoPermits => NoPlace::Full,
            tokio::sync::TryAcquireError::Closed => NoPlace::Closed,
        };
        let kibibytes = Arc::clone(&self.kibibytes).try_acquire_many_owned(kibibytes).map_err(full)?;
        let places = Arc::clone(&self.places).try_acquire_many_owned(size).map_err(full)?;
        Ok(self.place(places, kibibytes))
    }

    /// A place as soon as there is one, in order of arrival. A request larger than the whole queue has it alone.
    pub async fn wait_place(self: &Arc<Self>, items: u64, bytes: usize) -> Result<Place, NoPlace> {
        let (size, kibibytes) = self.sizes(items, bytes);
        let size = size.min(u32::try_from(self.capacity).unwrap_or(u32::MAX));
        let closed = |_| NoPlace::Closed;
        let places = Arc::clone(&self.places).acquire_many_owned(size).await.map_err(closed)?;
        let kibibytes = Arc::clone(&self.kibibytes).acquire_many_owned(kibibytes).await.map_err(closed)?;
        Ok(self.place(places, kibibytes))
    }

    /// Whether a request of this size could ever have a place.
    pub fn fits(&self, items: u64, bytes: usize) -> bool {
        self.sizes(items, bytes).0 as usize <= self.capacity
    }

    /// Whether places have become free of late, so that waiting for one has a point.
    pub fn moves(&self) -> bool {
        self.freed.lock().is_some_and(|at| at.elapsed() < MOVES)
    }

    /// No more places; who waits for one is told.
    pub fn close(&self) {
        self.places.close();
        self.kibibytes.close();
    }

    fn sizes(&self, items: u64, bytes: usize) -> (u32, u32) {
        let size = match self.sizer {
            Sizer::Requests => 1,
            Sizer::Items => items,
            Sizer::Bytes => bytes as u64,
        };
        let kibibytes = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX).min(KIBIBYTES_MAX);
        (u32::try_from(size).unwrap_or(u32::MAX), kibibytes)
    }

    fn place(self: &Arc<Self>, places: OwnedSemaphorePermit, kibibytes: OwnedSemaphorePermit) -> Place {
        self.show();
        Place { room: Arc::clone(self), places: Some(places), _kibibytes: kibibytes }
    }

    fn show(&self) {
        self.metrics.size.set((self.capacity - self.places.available_permits().min(self.capacity)) as i64);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(self.places.take());
        *self.room.freed.lock() = Some(Instant::now());
        self.room.show();
    }
}

/// All requests of one exporter and signal together, 256 MiB, whatever unit the queue counts in.
const KIBIBYTES_MAX: u32 = 256 << 10;
/// A queue of which no place became free for so long stands still.
const MOVES: Duration = Duration::from_secs(1);

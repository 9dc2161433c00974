//! How much may wait: places in the queue's own unit, and bytes in all.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::export::config::{SendingQueue, Sizer};
use crate::lane::Load;
use crate::observe::QueueMetrics;

/// The room of one exporter's queue. What is in flight or waits for a retry keeps its place.
pub struct Room {
    state: Mutex<State>,
    freed: Notify,
    turn: tokio::sync::Mutex<()>, // whose wait is next, in order of arrival
    waiting: AtomicUsize,
    metrics: QueueMetrics,
    freed_at: Mutex<Option<Instant>>, // when a place was last given back
}

/// What is taken, in every unit: the queue's own may change while something waits.
struct State {
    sizer: Sizer,
    capacity: u64,
    taken: Load,
    closed: bool,
}

/// A request's place, given back on drop.
pub struct Place {
    room: Arc<Room>,
    size: Load,
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
        let state = State { sizer: config.sizer, capacity: 0, taken: Load::default(), closed: false };
        let room = Self {
            state: Mutex::new(state),
            freed: Notify::new(),
            turn: tokio::sync::Mutex::default(),
            waiting: AtomicUsize::new(0),
            metrics,
            freed_at: Mutex::default(),
        };
        room.resize(config);
        Arc::new(room)
    }

    /// Another size or unit. What has a place keeps it.
    pub fn resize(&self, config: &SendingQueue) {
        let mut state = self.state.lock();
        (state.sizer, state.capacity) = match config.enabled {
            true => (config.sizer, config.size.max(1) as u64),
            false => (Sizer::Requests, config.consumers.max(1) as u64),
        };
        self.metrics.capacity.set(i64::try_from(state.capacity).unwrap_or(i64::MAX));
        self.show(&state);
        drop(state);
        self.freed.notify_waiters();
    }

    /// A place at once, or not at all. A request larger than the whole queue never has one, and nobody is served before
    /// those who wait.
    pub fn try_place(self: &Arc<Self>, items: u64, bytes: usize) -> Result<Place, NoPlace> {
        if !self.fits(items, bytes) || self.waiting.load(Ordering::Acquire) > 0 {
            return Err(if self.state.lock().closed { NoPlace::Closed } else { NoPlace::Full });
        }
        self.take(Load::of(items, bytes))
    }

    /// A place as soon as there is one, in order of arrival. A request larger than the whole queue has it alone.
    pub async fn wait_place(self: &Arc<Self>, items: u64, bytes: usize) -> Result<Place, NoPlace> {
        let size = Load::of(items, bytes);
        let _waiting = Waiting::new(&self.waiting);
        let _turn = self.turn.lock().await;
        loop {
            let freed = self.freed.notified();
            match self.take(size) {
                Err(NoPlace::Full) => freed.await,
                placed_or_closed => return placed_or_closed,
            }
        }
    }

    /// Whether a request of this size could ever have a place.
    pub fn fits(&self, items: u64, bytes: usize) -> bool {
        let state = self.state.lock();
        in_unit(Load::of(items, bytes), state.sizer) <= state.capacity
    }

    /// Whether places have become free of late, so that waiting for one has a point.
    pub fn moves(&self) -> bool {
        self.freed_at.lock().is_some_and(|at| at.elapsed() < MOVES)
    }

    /// No more places; who waits for one is told.
    pub fn close(&self) {
        self.state.lock().closed = true;
        self.freed.notify_waiters();
    }

    fn take(self: &Arc<Self>, size: Load) -> Result<Place, NoPlace> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(NoPlace::Closed);
        }
        let after = state.taken.plus(size);
        let full = in_unit(after, state.sizer) > state.capacity || after.bytes > BYTES_MAX;
        if full && state.taken.requests > 0 {
            return Err(NoPlace::Full);
        }
        state.taken = after;
        self.show(&state);
        Ok(Place { room: Arc::clone(self), size })
    }

    fn show(&self, state: &State) {
        let taken = in_unit(state.taken, state.sizer).min(state.capacity);
        self.metrics.size.set(i64::try_from(taken).unwrap_or(i64::MAX));
    }
}

fn in_unit(load: Load, sizer: Sizer) -> u64 {
    match sizer {
        Sizer::Requests => load.requests,
        Sizer::Items => load.items,
        Sizer::Bytes => load.bytes,
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.room.state.lock();
        state.taken = state.taken.minus(self.size);
        self.room.show(&state);
        drop(state);
        *self.room.freed_at.lock() = Some(Instant::now());
        self.room.freed.notify_waiters();
    }
}

/// Counts who waits.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// All requests of one exporter and signal together, 256 MiB, whatever unit the queue counts in.
const BYTES_MAX: u64 = 256 << 20;
/// A queue of which no place became free for so long stands still.
const MOVES: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::{ExporterMetrics, Registry};
    use crate::outcome::Signal;

    fn room(size: usize, sizer: Sizer) -> Arc<Room> {
        let metrics = ExporterMetrics::new(&Registry::new(), "otlp", None);
        Room::new(&queue(size, sizer), metrics.queue(Signal::Traces))
    }

    fn queue(size: usize, sizer: Sizer) -> SendingQueue {
        SendingQueue { size, sizer, ..SendingQueue::default() }
    }

    #[test]
    fn what_has_a_place_keeps_it_in_another_size_and_unit() {
        let room = room(3, Sizer::Requests);
        let mut places: Vec<_> =
            (0..3).map(|_| room.try_place(10, 100).unwrap_or_else(|_| panic!())).collect();
        assert!(room.try_place(1, 1).is_err());
        room.resize(&queue(35, Sizer::Items));
        assert!(room.try_place(6, 1).is_err() && room.try_place(5, 1).is_ok());
        room.resize(&queue(1, Sizer::Requests));
        places.truncate(1);
        assert!(room.try_place(1, 1).is_err(), "one is still there");
        places.clear();
        assert!(room.try_place(1, 1).is_ok());
        assert_eq!(room.metrics.size.get(), 0);
    }

    #[tokio::test]
    async fn who_waits_is_served_in_order_and_before_others() {
        let room = room(2, Sizer::Items);
        let held = room.try_place(2, 1).unwrap_or_else(|_| panic!());
        let large = tokio::spawn({
            let room = Arc::clone(&room);
            async move { room.wait_place(9, 1).await.is_ok() }
        });
        while room.waiting.load(Ordering::Acquire) == 0 {
            tokio::task::yield_now().await;
        }
        assert!(room.try_place(0, 1).is_err(), "somebody waits");
        drop(held);
        assert!(large.await.unwrap(), "larger than the queue, it has it alone");
        room.close();
        assert_eq!(room.wait_place(1, 1).await.err(), Some(NoPlace::Closed));
    }

    #[tokio::test]
    async fn more_room_is_found_by_who_waits() {
        let room = room(1, Sizer::Requests);
        let _held = room.try_place(1, 1);
        let waiting = room.wait_place(1, 1);
        room.resize(&queue(2, Sizer::Requests));
        assert!(waiting.await.is_ok());
    }
}

//! `sending_queue`: how many requests may be promised to senders before their owners have them.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::config::{Queue, Sizer};
use crate::lane::Load;
use crate::observe::{QueueMetrics, Weight};

/// The places of one exporter's queue. The requests themselves wait in the lanes.
#[derive(Debug)]
pub struct SendingQueue {
    state: Mutex<State>,
    room: Notify,
    metrics: QueueMetrics,
}

#[derive(Debug)]
struct State {
    config: Queue,
    used: Load,
}

/// A place in the queue, given back on drop.
#[derive(Debug)]
pub struct Slot {
    queue: Arc<SendingQueue>,
    size: Load,
    weight: Option<Weight>,
}

impl Slot {
    /// With the bytes that are held as long as the place is.
    pub fn carrying(mut self, weight: Option<Weight>) -> Self {
        self.weight = weight;
        self
    }
}

impl SendingQueue {
    /// An empty queue.
    pub fn new(config: Queue, metrics: QueueMetrics) -> Arc<Self> {
        let state = Mutex::new(State { config, used: Load::default() });
        let queue = Self { state, room: Notify::new(), metrics };
        queue.reconfigure(config);
        Arc::new(queue)
    }

    /// Another size, unit or answer. What has a place keeps it.
    pub fn reconfigure(&self, config: Queue) {
        let mut state = self.state.lock();
        state.config = config;
        self.metrics.capacity.set(config.queue_size as i64);
        self.show(&state);
        drop(state);
        self.room.notify_waiters();
    }

    /// Nobody asks for a place any more; what has one keeps it.
    pub fn retire(&self) {
        self.metrics.capacity.set(0);
    }

    /// Whether the sender still waits for its owners' answers.
    pub fn waits_for_result(&self) -> bool {
        self.state.lock().config.wait_for_result
    }

    /// A place for a request; `None` when the queue is full. With `block_on_overflow` it waits instead. A request
    /// larger than the whole queue never finds a place.
    pub async fn place(self: &Arc<Self>, items: u64, bytes: usize) -> Option<Slot> {
        let size = Load::of(items, bytes);
        loop {
            let room = self.room.notified();
            {
                let mut state = self.state.lock();
                let Queue { queue_size, sizer, block_on_overflow, .. } = state.config;
                let after = state.used.plus(size);
                if in_unit(after, sizer) <= queue_size as u64 {
                    state.used = after;
                    self.show(&state);
                    return Some(Slot { queue: Arc::clone(self), size, weight: None });
                }
                if !block_on_overflow || in_unit(size, sizer) > queue_size as u64 {
                    return None;
                }
            }
            room.await;
        }
    }

    fn show(&self, state: &State) {
        self.metrics.size.set(in_unit(state.used, state.config.sizer) as i64);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut state = self.queue.state.lock();
        state.used = state.used.minus(self.size);
        self.queue.show(&state);
        drop(state);
        self.queue.room.notify_waiters();
    }
}

fn in_unit(load: Load, sizer: Sizer) -> u64 {
    match sizer {
        Sizer::Requests => load.requests,
        Sizer::Items => load.items,
        Sizer::Bytes => load.bytes,
    }
}

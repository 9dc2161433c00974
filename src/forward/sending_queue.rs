//! `sending_queue`: how many requests may be promised to senders before their owners have them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

use super::config::{Queue, Sizer};
use crate::observe::{QueueMetrics, Weight};

/// The places of one exporter's queue. The requests themselves wait in the lanes.
#[derive(Debug)]
pub struct SendingQueue {
    config: Queue,
    used: AtomicUsize, // 0..=config.queue_size, in units of the sizer
    room: Notify,
    metrics: QueueMetrics,
}

/// A place in the queue, given back on drop.
#[derive(Debug)]
pub struct Slot {
    queue: Arc<SendingQueue>,
    size: usize,
    weight: Option<Weight>,
}

impl Slot {
    /// With the bytes that are held as long as the place is.
    pub fn carrying(self, weight: Option<Weight>) -> Self {
        let mut slot = self;
        slot.weight = weight;
        slot
    }
}

impl SendingQueue {
    /// An empty queue.
    pub fn new(config: Queue, metrics: QueueMetrics) -> Arc<Self> {
        metrics.capacity.set(config.queue_size as i64);
        Arc::new(Self { config, used: AtomicUsize::new(0), room: Notify::new(), metrics })
    }

    /// Whether the sender still waits for its owners' answers.
    pub fn waits_for_result(&self) -> bool {
        self.config.wait_for_result
    }

    /// A place for a request; `None` when the queue is full. With `block_on_overflow` it waits instead. A request
    /// larger than the whole queue never finds a place.
    pub async fn place(self: &Arc<Self>, items: u64, bytes: usize) -> Option<Slot> {
        let size = match self.config.sizer {
            Sizer::Requests => 1,
            Sizer::Items => items as usize,
            Sizer::Bytes => bytes,
        };
        loop {
            let room = self.room.notified();
            let grant = |used: usize| used.checked_add(size).filter(|after| *after <= self.config.queue_size);
            if let Ok(before) = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, grant) {
                self.metrics.size.set((before + size) as i64);
                return Some(Slot { queue: Arc::clone(self), size, weight: None });
            }
            if !self.config.block_on_overflow || size > self.config.queue_size {
                return None;
            }
            room.await;
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let before = self.queue.used.fetch_sub(self.size, Ordering::Relaxed);
        self.queue.metrics.size.set((before - self.size) as i64);
        self.queue.room.notify_waiters();
    }
}

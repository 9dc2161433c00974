//! What waits for the backend and what leaves as one call: a state machine without clock, runtime or socket.
//!
//! A request leaves as a call of its own as soon as a consumer is free, as in the Collector. Requests that their
//! senders keep (kept traces come one by one) gather while a call is in flight, and leave together. With
//! `sending_queue.batch` all requests are batched.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::room::Place;
use crate::batch::{Batcher, Limits};
use crate::export::config::{QueueBatch, Sizer};
use crate::flow::{self, Held};
use crate::outcome::Signal;

/// The queue of one exporter and signal; its bound is the room that its parts take.
pub struct Queue {
    ready: VecDeque<Vec<Part>>,           // each a call
    gathering: VecDeque<(Instant, Part)>, // since when
    gathering_items: u64,
    gathering_bytes: usize,
    batcher: Option<Batcher<Key, Arc<Held<Place>>>>,
    calls: usize, // in flight, waiting for a retry included
    hurried: bool,
    closed: bool,
}

/// The values of `partition.metadata_keys`.
pub type Key = Vec<Vec<String>>;

/// A request, or a piece of one, on its way out.
pub type Part = flow::Part<Place>;

/// What a free consumer should do.
pub enum Next {
    /// Send these as one call, then say [`Queue::done`].
    Call(Vec<Part>),
    /// Ask again then, or when something comes.
    At(Instant),
    /// Ask again when something comes.
    Idle,
}

impl Queue {
    /// An empty queue.
    pub fn new(signal: Signal, batch: Option<&QueueBatch>) -> Self {
        Self {
            ready: VecDeque::new(),
            gathering: VecDeque::new(),
            gathering_items: 0,
            gathering_bytes: 0,
            batcher: batch.map(|batch| Batcher::new(signal, limits(batch))),
            calls: 0,
            hurried: false,
            closed: false,
        }
    }

    /// Batches what comes from now on so, or not at all. What waits to become larger leaves.
    pub fn rebatch(&mut self, signal: Signal, batch: Option<&QueueBatch>) {
        if let Some(batcher) = &mut self.batcher {
            batcher.flush();
        }
        self.collect();
        self.batcher = batch.map(|batch| Batcher::new(signal, limits(batch)));
    }

    /// Takes a part; gives it back when the queue has ended. Batched together is what has the key in common.
    pub fn accept(&mut self, part: Part, key: Key, now: Instant) -> Result<(), Part> {
        if self.closed {
            return Err(part);
        }
        if let Some(batcher) = &mut self.batcher {
            batcher.accept(key, part, now).map_err(|too_many| too_many.0)?; // keys have no limit there
            if self.hurried || batcher.keys() > PARTITIONS_MAX {
                batcher.flush();
            }
            self.collect();
        } else if part.owner.kept && !part.owner.batched {
            self.gathering_items += part.items;
            self.gathering_bytes += part.body.len();
            self.gathering.push_back((now, part));
        } else {
            self.ready.push_back(vec![part]);
        }
        Ok(())
    }

    /// What leaves now.
    pub fn take(&mut self, now: Instant) -> Next {
        if let Some(batcher) = &mut self.batcher {
            batcher.handle_timeout(now);
            self.collect();
        }
        if self.gathered_leaves(now) {
            self.calls += 1;
            return Next::Call(self.gather());
        }
        if let Some(parts) = self.ready.pop_front() {
            self.calls += 1;
            return Next::Call(parts);
        }
        let gathered = self.gathering.front().map(|(since, _)| *since + GATHER_AGE);
        let batched = self.batcher.as_ref().and_then(Batcher::poll_timeout);
        [gathered, batched].into_iter().flatten().min().map_or(Next::Idle, Next::At)
    }

    /// Whether another consumer would find something now.
    pub fn has_more(&self, now: Instant) -> bool {
        !self.ready.is_empty() || self.gathered_leaves(now)
    }

    /// A call that [`Next::Call`] began has ended.
    pub fn done(&mut self) {
        self.calls -= 1;
    }

    /// Nothing waits to become larger any more.
    pub fn hurry(&mut self) {
        self.hurried = true;
        if let Some(batcher) = &mut self.batcher {
            batcher.flush();
        }
        self.collect();
    }

    /// Takes out what matches.
    pub fn remove(&mut self, matches: impl Fn(&Part) -> bool) -> Vec<Part> {
        let mut removed = Vec::new();
        for parts in &mut self.ready {
            removed.extend(parts.extract_if(.., |part| matches(part)));
        }
        self.ready.retain(|parts| !parts.is_empty());
        for (since, part) in std::mem::take(&mut self.gathering) {
            if matches(&part) {
                self.gathering_items -= part.items;
                self.gathering_bytes -= part.body.len();
                removed.push(part);
            } else {
                self.gathering.push_back((since, part));
            }
        }
        removed
    }

    /// Takes nothing more, and out everything that waits.
    pub fn close(&mut self) -> Vec<Part> {
        self.closed = true;
        self.hurry();
        self.remove(|_| true)
    }

    fn collect(&mut self) {
        while let Some(batch) = self.batcher.as_mut().and_then(Batcher::poll_output) {
            self.ready.push_back(batch.parts);
        }
    }

    fn gathered_leaves(&self, now: Instant) -> bool {
        let Some((since, _)) = self.gathering.front() else { return false };
        let full = self.gathering_items >= GATHER_ITEMS || self.gathering_bytes >= GATHER_BYTES;
        self.calls == 0 || full || self.hurried || *since + GATHER_AGE <= now
    }

    fn gather(&mut self) -> Vec<Part> {
        let mut parts = Vec::new();
        let (mut items, mut bytes) = (0, 0);
        while let Some((_, next)) = self.gathering.front() {
            items += next.items;
            bytes += next.body.len();
            if (items > GATHER_ITEMS || bytes > GATHER_BYTES) && !parts.is_empty() {
                break;
            }
            if let Some((_, part)) = self.gathering.pop_front() {
                self.gathering_items -= part.items;
                self.gathering_bytes -= part.body.len();
                parts.push(part);
            }
        }
        parts
    }
}

fn limits(batch: &QueueBatch) -> Limits {
    let max = if batch.max_size == 0 { u64::MAX } else { batch.max_size };
    let (items, bytes) = match batch.sizer {
        Sizer::Items | Sizer::Requests => ((batch.min_size, max), (u64::MAX, u64::MAX)),
        Sizer::Bytes => ((u64::MAX, u64::MAX), (batch.min_size, max)),
    };
    Limits {
        send_items: items.0,
        max_items: items.1,
        send_bytes: bytes.0,
        max_bytes: bytes.1,
        timeout: batch.flush_timeout,
        keys: usize::MAX,
    }
}

/// Items and bytes that make a call of gathered requests full; backends take 4 MiB.
const GATHER_ITEMS: u64 = 8192;
const GATHER_BYTES: usize = 1 << 20;
/// A gathered request that waited this long leaves although a call is in flight.
const GATHER_AGE: Duration = Duration::from_millis(20);
/// Distinct keys that gather at once; beyond, everything leaves as it is.
const PARTITIONS_MAX: usize = 1000;

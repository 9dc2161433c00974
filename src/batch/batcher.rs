//! What has gathered, and when it leaves: a state machine without clock, runtime or socket.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::config::Config;
use super::divide::divide;
use super::part::Part;
use crate::outcome::Signal;
use crate::split::Splitter;

/// When batches leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A batch of so many items leaves at once.
    pub send_items: u64,
    /// A batch of so many bytes leaves at once.
    pub send_bytes: u64,
    /// No batch has more items; larger requests are divided.
    pub max_items: u64,
    /// No batch has more bytes, but for a single item that has.
    pub max_bytes: u64,
    /// An incomplete batch leaves when its oldest part has waited so long.
    pub timeout: Duration,
    /// Distinct keys known at most; more are refused.
    pub keys: usize,
}

impl From<&Config> for Limits {
    fn from(config: &Config) -> Self {
        let unless_zero = |limit: u64| if limit == 0 { u64::MAX } else { limit };
        Self {
            send_items: if config.timeout.is_zero() { 0 } else { config.send_batch_size },
            send_bytes: u64::MAX,
            max_items: unless_zero(config.send_batch_max_size),
            max_bytes: unless_zero(config.max_bytes),
            timeout: config.timeout,
            keys: usize::try_from(unless_zero(config.metadata_cardinality_limit)).unwrap_or(usize::MAX),
        }
    }
}

/// Why a batch leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It is full.
    Size,
    /// It has waited long enough.
    Timeout,
    /// The end is near.
    End,
}

/// What leaves together.
#[derive(Debug)]
pub struct Batch<K, T> {
    /// What its requests have in common.
    pub key: K,
    /// The requests, or pieces of them, in order of arrival.
    pub parts: Vec<Part<T>>,
    /// Items in all parts.
    pub items: u64,
    /// Why now.
    pub why: Why,
}

/// A request of a key that is one too many comes back.
#[derive(Debug, PartialEq, Eq)]
pub struct TooManyKeys<T>(pub Part<T>);

/// Gathers requests of one signal, by key.
#[derive(Debug)]
pub struct Batcher<K, T> {
    signal: Signal,
    limits: Limits,
    groups: BTreeMap<K, Group<T>>,
    next: Option<Instant>, // not later than the first deadline of a group
    outputs: VecDeque<Batch<K, T>>,
    splitter: Splitter,
}

#[derive(Debug)]
struct Group<T> {
    parts: Vec<Part<T>>,
    items: u64,
    bytes: u64,
    deadline: Option<Instant>, // of the oldest part
}

impl<K: Ord + Clone, T: Clone> Batcher<K, T> {
    /// Nothing yet.
    pub fn new(signal: Signal, limits: Limits) -> Self {
        Self {
            signal,
            limits,
            groups: BTreeMap::new(),
            next: None,
            outputs: VecDeque::new(),
            splitter: Splitter::default(),
        }
    }

    /// Whether a request of this key would be taken.
    pub fn takes(&self, key: &K) -> bool {
        self.groups.contains_key(key) || self.groups.len() < self.limits.keys
    }

    /// Takes a request.
    pub fn accept(&mut self, key: K, part: Part<T>, now: Instant) -> Result<(), TooManyKeys<T>> {
        if !self.takes(&key) {
            return Err(TooManyKeys(part));
        }
        let used = self.groups.get(&key).map_or(0, |group| group.items);
        let room = self.limits.max_items.saturating_sub(used);
        if part.items <= room && part.body.len() as u64 <= self.limits.max_bytes {
            self.add(&key, part, now);
            return Ok(());
        }
        let limits = self.limits;
        let Part { body, items, owner } = part;
        let pieces =
            divide(&mut self.splitter, self.signal, &body, items, room, limits.max_items, limits.max_bytes);
        for (body, items) in pieces {
            self.add(&key, Part { body, items, owner: owner.clone() }, now);
        }
        Ok(())
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.next.is_none_or(|at| at > now) {
            return;
        }
        self.leave(Why::Timeout, |group| group.deadline.is_some_and(|at| at <= now));
    }

    /// Everything leaves: the end is near.
    pub fn flush(&mut self) {
        self.leave(Why::End, |_| true);
    }

    /// When to call [`Self::handle_timeout`] next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.next
    }

    /// The next batch.
    pub fn poll_output(&mut self) -> Option<Batch<K, T>> {
        self.outputs.pop_front()
    }

    /// Distinct keys known.
    pub fn keys(&self) -> usize {
        self.groups.len()
    }

    /// Adds a part that fits into a batch of its own, after what it does not fit in with has left.
    fn add(&mut self, key: &K, part: Part<T>, now: Instant) {
        let limits = self.limits;
        let group = self.groups.entry(key.clone()).or_default();
        let bytes = part.body.len() as u64;
        let over = group.items + part.items > limits.max_items || group.bytes + bytes > limits.max_bytes;
        if over && !group.parts.is_empty() {
            let batch = group.take(key.clone(), Why::Size);
            self.outputs.push_back(batch);
        }
        group.items += part.items;
        group.bytes += bytes;
        group.parts.push(part);
        let deadline = *group.deadline.get_or_insert_with(|| now + limits.timeout);
        if group.items >= limits.send_items.min(limits.max_items) || group.bytes >= limits.send_bytes {
            let batch = group.take(key.clone(), Why::Size);
            self.outputs.push_back(batch);
            self.forget_empty();
        } else {
            self.next = Some(self.next.map_or(deadline, |at| at.min(deadline)));
        }
    }

    fn leave(&mut self, why: Why, due: impl Fn(&Group<T>) -> bool) {
        self.next = None;
        for (key, group) in &mut self.groups {
            if group.parts.is_empty() {
                continue;
            }
            if due(group) {
                self.outputs.push_back(group.take(key.clone(), why));
            } else {
                self.next = [self.next, group.deadline].into_iter().flatten().min();
            }
        }
        self.forget_empty();
    }

    /// Keys without a limit are known only while something waits under them.
    fn forget_empty(&mut self) {
        if self.limits.keys == usize::MAX {
            self.groups.retain(|_, group| !group.parts.is_empty());
        }
    }
}

impl<T> Default for Group<T> {
    fn default() -> Self {
        Self { parts: Vec::new(), items: 0, bytes: 0, deadline: None }
    }
}

impl<T> Group<T> {
    fn take<K>(&mut self, key: K, why: Why) -> Batch<K, T> {
        let Self { parts, items, .. } = std::mem::take(self);
        Batch { key, parts, items, why }
    }
}

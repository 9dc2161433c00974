//! What was taken of requests that were refused in part, so that a resend is not delivered twice.
//!
//! OTLP has no way to say "these owners have it, send the rest again": a refusal makes the sender send everything.
//! SDKs and collectors send the very same bytes, so a digest of them recognises the resend, and the parts of owners
//! that had taken theirs are left out.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use xxhash_rust::xxh3::xxh3_128;

/// Identifies the bytes of a request.
pub type Digest = u128;

/// The digest of an encoded request.
pub fn digest(body: &[u8]) -> Digest {
    xxh3_128(body)
}

/// The memory of one exporter; shared by its workers. It is only looked at while something is in it.
#[derive(Debug, Default)]
pub struct Memory {
    len: AtomicUsize,
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    by_digest: HashMap<Digest, Vec<u64>>,
    order: VecDeque<(Instant, Digest)>, // oldest first; may name digests that were taken out
}

impl Memory {
    /// Whether nothing is remembered, which is nearly always; then no digest need be computed.
    pub fn is_empty(&self) -> bool {
        self.len.load(Ordering::Relaxed) == 0
    }

    /// Remembers that `owners` have taken their parts.
    pub fn insert(&self, digest: Digest, owners: &[u64]) {
        self.insert_at(digest, owners, Instant::now());
    }

    fn insert_at(&self, digest: Digest, owners: &[u64], now: Instant) {
        let mut entries = self.entries.lock();
        while let Some(&(since, oldest)) = entries.order.front() {
            if now.duration_since(since) < AGE_MAX && entries.order.len() < ENTRIES_MAX {
                break;
            }
            entries.order.pop_front();
            entries.by_digest.remove(&oldest);
        }
        let known = entries.by_digest.entry(digest).or_default();
        known.extend(owners.iter().copied().take(OWNERS_MAX.saturating_sub(known.len())));
        entries.order.push_back((now, digest));
        self.len.store(entries.by_digest.len(), Ordering::Relaxed);
    }

    /// Takes out what is remembered of a request; if it is refused in part again, it is remembered anew.
    pub fn take(&self, digest: Digest) -> Option<Vec<u64>> {
        let mut entries = self.entries.lock();
        let owners = entries.by_digest.remove(&digest);
        self.len.store(entries.by_digest.len(), Ordering::Relaxed);
        owners
    }
}

/// Senders give up retrying after minutes (the Collector: 5, SDKs: 1).
const AGE_MAX: Duration = Duration::from_secs(600);
/// Requests remembered at most; the oldest leave first, and are then delivered twice at worst.
const ENTRIES_MAX: usize = 16_384;
/// Owners remembered of one request.
const OWNERS_MAX: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_is_remembered_once() {
        let memory = Memory::default();
        assert!(memory.is_empty());
        memory.insert(digest(b"request"), &[1, 2]);
        assert!(!memory.is_empty());
        assert_eq!(memory.take(digest(b"another")), None);
        assert_eq!(memory.take(digest(b"request")), Some(vec![1, 2]));
        assert!(memory.is_empty());
    }

    #[test]
    fn old_entries_leave() {
        let memory = Memory::default();
        let start = Instant::now();
        memory.insert_at(1, &[1], start);
        memory.insert_at(2, &[2], start + AGE_MAX);
        assert_eq!(memory.take(1), None);
        assert_eq!(memory.take(2), Some(vec![2]));
        for n in 0..ENTRIES_MAX as u128 + 10 {
            memory.insert_at(n, &[1], start + AGE_MAX);
        }
        assert!(memory.len.load(Ordering::Relaxed) <= ENTRIES_MAX);
    }
}

//! Verdicts of traces that have left the index, so that late spans follow them: bounded, the least recently asked for
//! leaves first.

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::pages::Pages;

/// What is remembered of a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// The number of the policy that decided, see [`Sampler::names`](super::Sampler::names).
    pub policy: Option<u16>,
    /// The threshold that its spans carry.
    pub threshold: Option<u64>,
}

/// A memory of one kind of verdict.
#[derive(Debug)]
pub(super) struct Memory {
    capacity: usize,
    by_low_half: bool, // the Collector's key: ids with equal right halves share a verdict
    seed: u64,
    table: HashTable<u32>,
    links: Pages<Link>,
    newest: u32,
    oldest: u32,
}

/// Kept small: there are millions.
#[derive(Debug)]
struct Link {
    trace_id: [u8; 16],
    threshold: [u8; 8], // all ones for none
    policy: u16,        // likewise
    newer: u32,
    older: u32,
}

const NONE: u32 = u32::MAX;

impl Link {
    fn new(trace_id: [u8; 16], value: Remembered) -> Self {
        let (threshold, policy) = Self::packed(value);
        Self { trace_id, threshold, policy, newer: NONE, older: NONE }
    }

    fn packed(value: Remembered) -> ([u8; 8], u16) {
        (value.threshold.unwrap_or(u64::MAX).to_ne_bytes(), value.policy.unwrap_or(u16::MAX))
    }

    fn value(&self) -> Remembered {
        let threshold = u64::from_ne_bytes(self.threshold);
        Remembered {
            policy: (self.policy != u16::MAX).then_some(self.policy),
            threshold: (threshold != u64::MAX).then_some(threshold),
        }
    }
}

impl Memory {
    pub(super) fn new(capacity: u64, by_low_half: bool, seed: u64) -> Self {
        Self {
            capacity: places(capacity),
            by_low_half,
            seed,
            table: HashTable::new(),
            links: Pages::default(),
            newest: NONE,
            oldest: NONE,
        }
    }

    /// Another capacity, or another key. If it is smaller, [`Self::shrink`] has something to do.
    pub(super) fn change(&mut self, capacity: u64, by_low_half: bool) {
        self.capacity = places(capacity);
        if by_low_half == self.by_low_half {
            return;
        }
        self.by_low_half = by_low_half;
        self.table.clear();
        let (links, seed) = (&self.links, self.seed);
        let hash = |at: &u32| hash(&links[*at as usize].trace_id, by_low_half, seed);
        for at in 0..links.len() as u32 {
            self.table.insert_unique(hash(&at), at, hash);
        }
    }

    /// Forgets the oldest that there is no room for, at most `count`; says whether there are more.
    pub(super) fn shrink(&mut self, count: usize) -> bool {
        for _ in 0..count {
            if self.links.len() <= self.capacity {
                return false;
            }
            let oldest = self.oldest;
            self.remove(oldest);
        }
        self.links.len() > self.capacity
    }

    /// Whether anything is ever remembered.
    pub(super) fn is_on(&self) -> bool {
        self.capacity > 0
    }

    pub(super) fn capacity(&self) -> u64 {
        self.capacity as u64
    }

    pub(super) fn len(&self) -> usize {
        self.links.len()
    }

    /// Looks a trace up, which makes it the newest.
    pub(super) fn ask(&mut self, trace_id: &[u8; 16]) -> Option<Remembered> {
        if self.links.is_empty() {
            return None;
        }
        let at = self.find(trace_id)?;
        self.unlink(at);
        self.link(at);
        Some(self.links[at as usize].value())
    }

    /// Looks a trace up without further effect.
    pub(super) fn peek(&self, trace_id: &[u8; 16]) -> Option<Remembered> {
        if self.links.is_empty() {
            return None;
        }
        self.find(trace_id).map(|at| self.links[at as usize].value())
    }

    pub(super) fn put(&mut self, trace_id: &[u8; 16], value: Remembered) {
        if self.capacity == 0 {
            return;
        }
        if let Some(at) = self.find(trace_id) {
            let link = &mut self.links[at as usize];
            (link.threshold, link.policy) = Link::packed(value);
            self.unlink(at);
            self.link(at);
            return;
        }
        let link = Link::new(*trace_id, value);
        let at = if self.links.len() < self.capacity {
            self.links.push(link);
            (self.links.len() - 1) as u32
        } else {
            let at = self.oldest;
            self.unlink(at);
            let old = self.links[at as usize].trace_id;
            if let Ok(found) = self.table.find_entry(self.hash(&old), |known| *known == at) {
                found.remove();
            }
            self.links[at as usize] = link;
            at
        };
        self.link(at);
        let (links, by_low_half, seed) = (&self.links, self.by_low_half, self.seed);
        let hash = |at: &u32| hash(&links[*at as usize].trace_id, by_low_half, seed);
        self.table.insert_unique(hash(&at), at, hash);
    }

    /// Forgets one trace.
    pub(super) fn forget(&mut self, trace_id: &[u8; 16]) {
        if let Some(at) = self.find(trace_id) {
            self.remove(at);
        }
    }

    fn remove(&mut self, at: u32) {
        let hash = self.hash(&self.links[at as usize].trace_id);
        if let Ok(found) = self.table.find_entry(hash, |known| *known == at) {
            found.remove();
        }
        self.unlink(at);
        let last = (self.links.len() - 1) as u32;
        if at != last {
            // The last link moves into the gap.
            let moved = self.links[last as usize].trace_id;
            if let Ok(mut found) = self.table.find_entry(self.hash(&moved), |known| *known == last) {
                *found.get_mut() = at;
            }
            let (newer, older) = (self.links[last as usize].newer, self.links[last as usize].older);
            match newer {
                NONE => self.newest = at,
                newer => self.links[newer as usize].older = at,
            }
            match older {
                NONE => self.oldest = at,
                older => self.links[older as usize].newer = at,
            }
        }
        self.links.swap_remove(at as usize);
    }

    /// Bytes of memory in use.
    pub(super) fn bytes(&self) -> usize {
        self.links.bytes() + self.table.capacity() * (size_of::<u32>() + 1)
    }

    fn hash(&self, trace_id: &[u8; 16]) -> u64 {
        hash(trace_id, self.by_low_half, self.seed)
    }

    fn find(&self, trace_id: &[u8; 16]) -> Option<u32> {
        let key = key(trace_id, self.by_low_half);
        let same = |at: &u32| key == self::key(&self.links[*at as usize].trace_id, self.by_low_half);
        self.table.find(self.hash(trace_id), same).copied()
    }

    fn link(&mut self, at: u32) {
        let before = std::mem::replace(&mut self.newest, at);
        self.links[at as usize].older = before;
        self.links[at as usize].newer = NONE;
        match before {
            NONE => self.oldest = at,
            before => self.links[before as usize].newer = at,
        }
    }

    fn unlink(&mut self, at: u32) {
        let (newer, older) = (self.links[at as usize].newer, self.links[at as usize].older);
        match newer {
            NONE => self.newest = older,
            newer => self.links[newer as usize].older = older,
        }
        match older {
            NONE => self.oldest = newer,
            older => self.links[older as usize].newer = newer,
        }
    }
}

fn places(capacity: u64) -> usize {
    usize::try_from(capacity).unwrap_or(usize::MAX).min(NONE as usize - 1)
}

fn key(trace_id: &[u8; 16], by_low_half: bool) -> &[u8] {
    if by_low_half { &trace_id[8..] } else { trace_id }
}

fn hash(trace_id: &[u8; 16], by_low_half: bool, seed: u64) -> u64 {
    xxh3_64_with_seed(key(trace_id, by_low_half), seed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(n: u8) -> [u8; 16] {
        let mut id = [0; 16];
        id[15] = n;
        id
    }

    fn value(n: u16) -> Remembered {
        Remembered { policy: Some(n), threshold: None }
    }

    proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn it_is_what_a_list_in_order_of_use_would_be(
            capacity in 0u64..6,
            steps in prop::collection::vec((0u8..5, 0u8..9, 0..u16::MAX), 0..200),
        ) {
            let mut capacity = capacity;
            let mut memory = Memory::new(capacity, false, 3);
            let mut twin: Vec<(u8, u16)> = Vec::new(); // oldest first
            for (what, n, v) in steps {
                let at = twin.iter().position(|(known, _)| *known == n);
                match what {
                    0 | 1 => {
                        memory.put(&id(n), value(v));
                        if capacity > 0 {
                            match at {
                                Some(at) => { twin.remove(at); }
                                None if twin.len() == capacity as usize => { twin.remove(0); }
                                None => {}
                            }
                            twin.push((n, v));
                        }
                    }
                    2 => {
                        let expected = at.map(|at| { let known = twin.remove(at); twin.push(known); known.1 });
                        prop_assert_eq!(memory.ask(&id(n)), expected.map(value));
                    }
                    3 => {
                        // Now and then ids share verdicts by their right halves, and here these differ.
                        capacity = u64::from(n);
                        memory.change(capacity, v % 2 == 0);
                        while memory.shrink(2) {}
                        twin.drain(..twin.len().saturating_sub(capacity as usize));
                    }
                    _ => {
                        memory.forget(&id(n));
                        if let Some(at) = at { twin.remove(at); }
                    }
                }
                prop_assert_eq!(memory.len(), twin.len());
                for (n, v) in &twin {
                    prop_assert_eq!(memory.peek(&id(*n)), Some(value(*v)));
                }
            }
        }
    }

    #[test]
    fn a_verdict_takes_few_bytes() {
        assert!(size_of::<Link>() <= 36, "{}", size_of::<Link>());
    }

    #[test]
    fn the_collectors_key_is_the_right_half() {
        let mut memory = Memory::new(10, true, 0);
        memory.put(&[1; 16], value(1));
        let mut other = [1; 16];
        other[0] = 9;
        assert_eq!(memory.ask(&other), Some(value(1)));
        other[15] = 9;
        assert_eq!(memory.ask(&other), None);
    }
}

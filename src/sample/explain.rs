//! Verdicts with everything that led to them, remembered for a while so that a person can ask why.

use std::sync::Arc;

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::Moment;
use super::decided::{Decided, Known, Trigger};
use super::judge::Verdict;
use super::names::number_at;

/// Why a trace was kept or not.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// Whose verdict it is.
    pub trace_id: [u8; 16],
    /// What it is, with every policy's vote.
    pub verdict: Verdict,
    /// The numbers of the policies that took it, by place.
    pub policies: Arc<[u16]>,
    /// Why it was taken then.
    pub trigger: Trigger,
    /// When the first span came.
    pub first_seen: Moment,
    /// When it was taken.
    pub at: Moment,
    /// On what.
    pub known: Known,
    /// Spans that came later and followed it.
    pub late_spans: u64,
}

impl Explanation {
    /// The number of the policy at a place.
    pub fn policy(&self, place: Option<u16>) -> Option<u16> {
        number_at(&self.policies, place)
    }
}

/// The last so many explanations; the oldest leaves first.
#[derive(Debug)]
pub(super) struct Explanations {
    capacity: usize,
    seed: u64,
    judges_again: bool, // traces are forgotten so soon that they are judged twice
    ring: Vec<Explanation>,
    next: usize, // the oldest, which is written over once the ring is full
    table: HashTable<u32>,
}

impl Explanations {
    pub(super) fn new(capacity: u64, seed: u64, judges_again: bool) -> Self {
        let capacity = places(capacity);
        Self { capacity, seed, judges_again, ring: Vec::new(), next: 0, table: HashTable::new() }
    }

    /// Another capacity; the oldest leave if it is a smaller one.
    pub(super) fn change(&mut self, capacity: u64, judges_again: bool) {
        (self.capacity, self.judges_again) = (places(capacity), judges_again);
        let Some(surplus) = self.ring.len().checked_sub(self.capacity).filter(|surplus| *surplus > 0) else {
            return;
        };
        self.ring.rotate_left(self.next);
        self.ring.drain(..surplus);
        self.next = 0;
        self.table.clear();
        let (ring, seed) = (&self.ring, self.seed);
        let hash = |at: &u32| xxh3_64_with_seed(&ring[*at as usize].trace_id, seed);
        for at in 0..ring.len() as u32 {
            self.table.insert_unique(hash(&at), at, hash);
        }
    }

    pub(super) fn put(&mut self, decided: &Decided) {
        if self.capacity == 0 {
            return;
        }
        let explanation = Explanation {
            trace_id: decided.trace_id,
            verdict: decided.verdict.clone(),
            policies: Arc::clone(&decided.policies),
            trigger: decided.trigger,
            first_seen: decided.first_seen,
            at: decided.at,
            known: decided.known,
            late_spans: 0,
        };
        // A trace that is judged again may be known: the last verdict counts.
        let again = self.judges_again || decided.trigger == Trigger::SecondChance;
        if let Some(at) = again.then(|| self.find(&decided.trace_id)).flatten() {
            self.ring[at] = explanation;
            return;
        }
        // The ring only grows while its oldest place is the first.
        let at = if self.ring.len() < self.capacity && self.next == 0 {
            self.ring.push(explanation);
            self.ring.len() - 1
        } else {
            let at = self.next;
            self.next = (at + 1) % self.ring.len();
            let hash = self.hash(&self.ring[at].trace_id);
            if let Ok(found) = self.table.find_entry(hash, |known| *known as usize == at) {
                found.remove();
            }
            self.ring[at] = explanation;
            at
        };
        let (ring, seed) = (&self.ring, self.seed);
        let rehash = |at: &u32| xxh3_64_with_seed(&ring[*at as usize].trace_id, seed);
        self.table.insert_unique(rehash(&(at as u32)), at as u32, rehash);
    }

    /// Later spans followed the verdict.
    pub(super) fn late(&mut self, trace_id: &[u8; 16], spans: u64) {
        if let Some(at) = self.find(trace_id) {
            self.ring[at].late_spans += spans;
        }
    }

    pub(super) fn get(&self, trace_id: &[u8; 16]) -> Option<&Explanation> {
        self.find(trace_id).map(|at| &self.ring[at])
    }

    fn find(&self, trace_id: &[u8; 16]) -> Option<usize> {
        let same = |at: &u32| self.ring[*at as usize].trace_id == *trace_id;
        self.table.find(self.hash(trace_id), same).map(|at| *at as usize)
    }

    fn hash(&self, trace_id: &[u8; 16]) -> u64 {
        xxh3_64_with_seed(trace_id, self.seed)
    }
}

fn places(capacity: u64) -> usize {
    usize::try_from(capacity).unwrap_or(usize::MAX).min(u32::MAX as usize - 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::judge::Outcome;
    use super::*;

    fn decided(n: u8) -> Decided {
        Decided {
            trace_id: [n; 16],
            verdict: Verdict {
                outcome: Outcome::Sampled,
                policy: None,
                composite: None,
                threshold: None,
                votes: Default::default(),
            },
            policies: Arc::default(),
            trigger: Trigger::Deadline,
            first_seen: Moment(0),
            deadline: Moment(0),
            at: Moment(0),
            known: Known::default(),
            places: Vec::new(),
            portion_spans: 0,
            retained: false,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_newest_are_kept_whatever_the_capacity_becomes(
            steps in prop::collection::vec((prop::bool::weighted(0.1), 0u64..9), 0..250),
        ) {
            let (mut explanations, mut capacity) = (Explanations::new(5, 3, false), 5);
            let mut twin: Vec<u8> = Vec::new();
            for (n, (changes, to)) in (0u8..).zip(steps) {
                if changes {
                    capacity = to as usize;
                    explanations.change(to, false);
                } else {
                    explanations.put(&decided(n));
                    twin.push(n);
                }
                // It may grow later than it could: when its oldest place is written over.
                let known = explanations.ring.len();
                prop_assert!(known <= capacity);
                twin.drain(..twin.len() - known);
                prop_assert!((0..=n).all(|id| explanations.get(&[id; 16]).is_some() == twin.contains(&id)));
            }
        }
    }
}

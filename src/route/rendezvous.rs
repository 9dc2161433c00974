//! Weighted rendezvous hashing over stable ids, per slot.
//!
//! Every member scores every slot; the best score owns it. So adding, removing or re-weighting a member moves exactly
//! the slots it gains or loses. A key belongs to the owner of its slot, which makes a lookup one hash and one load,
//! whether there are three members or a thousand.

use std::sync::atomic::{AtomicU16, Ordering};

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::log2::{neg_log2, neg_log2_at_least};
use super::members::Member;

/// The key space is cut into `2^SLOT_BITS` slots. A part of the algorithm: changing it moves nearly every trace.
const SLOT_BITS: u32 = 20;
/// Number of slots.
pub(super) const SLOTS: u32 = 1 << SLOT_BITS;
/// A slot nobody has asked for yet.
const UNKNOWN: u16 = u16::MAX;

/// One member that may own something.
struct Node {
    seed: u64,
    weight: u32,
    index: u16,
}

/// The owners of all slots, found when first asked for.
pub(super) struct Rendezvous {
    seed: u64,
    electorate: Electorate,
    /// Racing look-ups store the same value, so no order between them is needed.
    slots: Box<[AtomicU16]>,
}

/// Those who may own something, in the order of their ids.
struct Electorate {
    nodes: Vec<Node>,
    /// All weights are the same: the largest hash wins, no logarithm needed.
    equal: bool,
}

impl Rendezvous {
    /// `members` sorted by id; those of weight zero own nothing.
    pub(super) fn new(members: &[Member], seed: u64) -> Self {
        let electorate = Electorate::new(members);
        let slots = if electorate.nodes.is_empty() { 0 } else { SLOTS };
        Self { seed, electorate, slots: (0..slots).map(|_| AtomicU16::new(UNKNOWN)).collect() }
    }

    /// How many members may own something.
    pub(super) fn nodes(&self) -> usize {
        self.electorate.nodes.len()
    }

    /// The fleet seed.
    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    /// The owner of a key given as bytes.
    #[inline]
    pub(super) fn owner(&self, key: &[u8]) -> Option<u16> {
        let hash = xxh3_64_with_seed(key, self.seed);
        self.owner_of_slot((hash >> (64 - SLOT_BITS)) as u32)
    }

    /// The owner of a slot below [`SLOTS`].
    #[inline]
    pub(super) fn owner_of_slot(&self, slot: u32) -> Option<u16> {
        let cell = self.slots.get(slot as usize)?;
        match cell.load(Ordering::Relaxed) {
            UNKNOWN => {
                let owner = self.elect(slot)?;
                cell.store(owner, Ordering::Relaxed);
                Some(owner)
            }
            known => Some(known),
        }
    }

    #[cold]
    fn elect(&self, slot: u32) -> Option<u16> {
        let key = xxh3_64_with_seed(&slot.to_le_bytes(), self.seed);
        if self.electorate.equal { self.electorate.by_hash(key) } else { self.electorate.by_weight(key) }
    }
}

impl Electorate {
    fn new(members: &[Member]) -> Self {
        let nodes: Vec<Node> = (0..UNKNOWN)
            .zip(members)
            .filter(|(_, member)| member.weight > 0)
            .map(|(index, member)| Node { seed: xxh3_64(member.id.as_bytes()), weight: member.weight, index })
            .collect();
        let equal = nodes.windows(2).all(|pair| pair[0].weight == pair[1].weight);
        Self { nodes, equal }
    }

    /// With equal weights the order of scores is the order of hashes.
    fn by_hash(&self, key: u64) -> Option<u16> {
        let mut nodes = self.nodes.iter();
        let first = nodes.next()?;
        let mut best = (mix(key ^ first.seed), first.index);
        for node in nodes {
            let h = mix(key ^ node.seed);
            if h > best.0 {
                best = (h, node.index);
            }
        }
        Some(best.1)
    }

    /// The smallest `-log2(h) / weight` wins, then the larger hash, then the smaller id. Quotients are compared by
    /// cross multiplication; the logarithm is taken only when its lower bound does not already lose.
    fn by_weight(&self, key: u64) -> Option<u16> {
        let mut nodes = self.nodes.iter();
        let first = nodes.next()?;
        let h = mix(key ^ first.seed);
        let mut best = Score { log: neg_log2(h), weight: first.weight, h, index: first.index };
        for node in nodes {
            let h = mix(key ^ node.seed);
            if product(neg_log2_at_least(h), best.weight) > product(best.log, node.weight) {
                continue;
            }
            let score = Score { log: neg_log2(h), weight: node.weight, h, index: node.index };
            if score.beats(&best) {
                best = score;
            }
        }
        Some(best.index)
    }
}

/// What one node bids for one key.
struct Score {
    log: u64,
    weight: u32,
    h: u64,
    index: u16,
}

impl Score {
    /// Nodes are visited in the order of ids, so on a full tie the earlier one stays.
    fn beats(&self, other: &Self) -> bool {
        let (mine, theirs) = (product(self.log, other.weight), product(other.log, self.weight));
        mine < theirs || (mine == theirs && self.h > other.h)
    }
}

#[inline]
fn product(log: u64, weight: u32) -> u128 {
    u128::from(log) * u128::from(weight)
}

/// A bijective 64-bit mix (the finalizer of SplitMix64): members with different seeds never tie on a key.
#[inline]
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn with_weights(weights: &[u32]) -> Electorate {
        let members: Vec<Member> = weights
            .iter()
            .enumerate()
            .map(|(index, &weight)| Member { weight, ..Member::new(format!("n{index:04}")) })
            .collect();
        Electorate::new(&members)
    }

    /// The definition, without pruning and without a table of slots.
    fn by_definition(electorate: &Electorate, key: u64) -> Option<u16> {
        let mut best: Option<Score> = None;
        for node in &electorate.nodes {
            let h = mix(key ^ node.seed);
            let score = Score { log: neg_log2(h), weight: node.weight, h, index: node.index };
            if best.as_ref().is_none_or(|best| score.beats(best)) {
                best = Some(score);
            }
        }
        best.map(|best| best.index)
    }

    proptest! {
        #[test]
        fn equal_weights_give_what_the_general_path_gives(count in 1usize..40, weight in 1u32..=65535, key: u64) {
            let electorate = with_weights(&vec![weight; count]);
            prop_assert!(electorate.equal);
            prop_assert_eq!(electorate.by_hash(key), electorate.by_weight(key));
        }

        #[test]
        fn pruning_changes_no_owner(weights in prop::collection::vec(0u32..=65535, 1..60), keys: [u64; 8]) {
            let electorate = with_weights(&weights);
            for key in keys {
                prop_assert_eq!(electorate.by_weight(key), by_definition(&electorate, key));
            }
        }
    }

    #[test]
    fn a_tie_goes_to_the_larger_hash_then_to_the_smaller_id() {
        let low = Score { log: 10, weight: 2, h: 5, index: 0 };
        let high = Score { log: 5, weight: 1, h: 6, index: 1 };
        assert!(high.beats(&low) && !low.beats(&high));
        let twin = Score { log: 10, weight: 2, h: 5, index: 2 };
        assert!(!twin.beats(&low));
    }
}

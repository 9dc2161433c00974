//! The trace index: one small entry of fixed size a trace, found by id.

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::Moment;
use super::chain::{Chain, Chunks};
use super::facts::Facts;
use super::judge::Outcome;

/// What is known of one trace.
#[derive(Debug, Default)]
pub(super) struct Entry {
    pub trace_id: [u8; 16],
    pub facts: Facts,
    pub first_seen: Moment,
    pub hurry: Moment, // when its root came, or when it is due at the latest, by its state
    pub chain: Chain,
    pub state: State,
    pub facts_of: Generation, // of the plan that `facts` are of
    generation: u32,          // of this slot; a ticket of an earlier one is stale
}

/// Which plan facts were gathered by. It turns over; by then no entry is left of the first one.
pub(super) type Generation = u16;

/// Where a trace stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    /// The slot is free.
    #[default]
    Free,
    /// The verdict is not taken.
    Open,
    /// It is open, and its root has come: it may wait only for a short while more.
    Rooted,
    /// It is open, and due at a moment of its own.
    Slotted,
    /// It is taken; the entry stays to tell late spans, and for a second chance.
    Decided(Outcome),
}

/// Names an entry as long as it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket {
    slot: u32,
    generation: u32,
}

/// All entries.
#[derive(Debug)]
pub(super) struct Index {
    table: HashTable<Slot>,
    pages: Vec<Box<[Entry]>>, // pages, not one vector, so that growing copies nothing
    free: Vec<u32>,
    pub chunks: Chunks,
    seed: u64,
}

/// A place of the table. The hash is kept so that growing the table touches no entry.
#[derive(Clone, Copy, Debug)]
struct Slot {
    slot: u32,
    hash: u32,
}

const PAGE: usize = 1024;

impl Index {
    /// `seed` keys the hash: nobody without it can choose ids that collide.
    pub(super) fn new(seed: u64) -> Self {
        Self { table: HashTable::new(), pages: Vec::new(), free: Vec::new(), chunks: Chunks::default(), seed }
    }

    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    #[inline]
    pub(super) fn find(&self, trace_id: &[u8; 16]) -> Option<Ticket> {
        let hash = self.hash(trace_id);
        let same = |slot: &Slot| {
            slot.hash == (hash >> 32) as u32 && entry_at(&self.pages, slot.slot).trace_id == *trace_id
        };
        let slot = self.table.find(hash, same)?.slot;
        Some(Ticket { slot, generation: entry_at(&self.pages, slot).generation })
    }

    /// An entry for a trace that has none.
    pub(super) fn insert(&mut self, trace_id: [u8; 16], facts_of: Generation, now: Moment) -> Ticket {
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => self.grow(),
        };
        let hash = self.hash(&trace_id);
        let key = Slot { slot, hash: (hash >> 32) as u32 };
        let rehash = |slot: &Slot| u64::from(slot.hash) << 32 | u64::from(slot.hash);
        self.table.insert_unique(rehash(&key), key, rehash);
        let entry = entry_mut(&mut self.pages, slot);
        entry.trace_id = trace_id;
        entry.facts = Facts { start_min: u64::MAX, ..Facts::default() };
        entry.first_seen = now;
        entry.state = State::Open;
        entry.facts_of = facts_of;
        Ticket { slot, generation: entry.generation }
    }

    /// The entry, if it is still the one that the ticket was for.
    #[inline]
    pub(super) fn get(&self, ticket: Ticket) -> Option<&Entry> {
        let entry = entry_at(&self.pages, ticket.slot);
        (entry.generation == ticket.generation && entry.state != State::Free).then_some(entry)
    }

    /// Likewise, to change it, with the chunks that its chain may need.
    #[inline]
    pub(super) fn get_mut(&mut self, ticket: Ticket) -> Option<(&mut Entry, &mut Chunks)> {
        let entry = entry_mut(&mut self.pages, ticket.slot);
        let alive = entry.generation == ticket.generation && entry.state != State::Free;
        alive.then_some((entry, &mut self.chunks))
    }

    /// Frees an entry.
    pub(super) fn remove(&mut self, ticket: Ticket) {
        if self.get(ticket).is_none() {
            return;
        }
        let entry = entry_mut(&mut self.pages, ticket.slot);
        entry.chain.clear(&mut self.chunks);
        entry.facts = Facts::default();
        entry.state = State::Free;
        entry.generation = entry.generation.wrapping_add(1);
        let hash = xxh3_64_with_seed(&entry.trace_id, self.seed);
        let key = (hash >> 32) as u32;
        if let Ok(found) = self.table.find_entry(fold(key), |slot| slot.slot == ticket.slot) {
            found.remove();
        }
        self.free.push(ticket.slot);
    }

    /// Every entry that is not free.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Ticket, &Entry)> {
        self.table.iter().map(|slot| {
            let entry = entry_at(&self.pages, slot.slot);
            (Ticket { slot: slot.slot, generation: entry.generation }, entry)
        })
    }

    /// Bytes of memory in use.
    pub(super) fn bytes(&self) -> usize {
        self.pages.len() * PAGE * size_of::<Entry>()
            + self.table.capacity() * (size_of::<Slot>() + 1)
            + self.free.capacity() * size_of::<u32>()
            + self.chunks.bytes()
    }

    fn hash(&self, trace_id: &[u8; 16]) -> u64 {
        fold((xxh3_64_with_seed(trace_id, self.seed) >> 32) as u32)
    }

    fn grow(&mut self) -> u32 {
        let first = (self.pages.len() * PAGE) as u32;
        self.pages.push((0..PAGE).map(|_| Entry::default()).collect());
        self.free.extend((first + 1..first + PAGE as u32).rev());
        first
    }
}

/// The hash that the table sees, from the half that is kept.
fn fold(half: u32) -> u64 {
    u64::from(half) << 32 | u64::from(half)
}

#[inline]
fn entry_at(pages: &[Box<[Entry]>], slot: u32) -> &Entry {
    &pages[slot as usize / PAGE][slot as usize % PAGE]
}

#[inline]
fn entry_mut(pages: &mut [Box<[Entry]>], slot: u32) -> &mut Entry {
    &mut pages[slot as usize / PAGE][slot as usize % PAGE]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_small() {
        assert!(size_of::<Entry>() <= 128, "{}", size_of::<Entry>());
    }

    #[test]
    fn a_ticket_dies_with_its_entry() {
        let mut index = Index::new(7);
        let tickets: Vec<_> =
            (0..5000u128).map(|n| index.insert(n.to_be_bytes(), 0, Moment(n as u64))).collect();
        for (n, ticket) in tickets.iter().enumerate() {
            let id = (n as u128).to_be_bytes();
            assert_eq!(index.find(&id), Some(*ticket));
            if n % 2 == 0 {
                index.remove(*ticket);
                index.remove(*ticket); // twice does no harm
                assert_eq!(index.find(&id), None);
                assert!(index.get(*ticket).is_none());
            }
        }
        assert_eq!(index.len(), 2500);
        let again = index.insert([9; 16], 0, Moment(1));
        assert!(index.get(again).is_some());
        assert!(!tickets.contains(&again));
        assert_eq!(index.iter().count(), 2501);
    }
}

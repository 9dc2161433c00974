//! How much a queue on disk may hold, in the unit of its `sizer`.

use crate::export::config::{SendingQueue, Sizer};

/// What is held of how much.
pub struct Bound {
    sizer: Sizer,
    size: u64,
    held: u64,
}

impl Bound {
    /// `size` where it bounds what is on disk too.
    pub fn new(queue: &SendingQueue) -> Self {
        let size = if queue.bounded_on_disk { queue.size as u64 } else { u64::MAX };
        Self { sizer: queue.sizer, size, held: 0 }
    }

    /// Whether one more request fits.
    pub fn fits(&self, items: u64, bytes: usize) -> bool {
        self.held.saturating_add(self.weight(items, bytes)) <= self.size
    }

    /// A request is in.
    pub fn add(&mut self, items: u64, bytes: usize) {
        self.held += self.weight(items, bytes);
    }

    /// A request that was in is settled.
    pub fn remove(&mut self, items: u64, bytes: usize) {
        self.held = self.held.saturating_sub(self.weight(items, bytes));
    }

    fn weight(&self, items: u64, bytes: usize) -> u64 {
        match self.sizer {
            Sizer::Requests => 1,
            Sizer::Items => items,
            Sizer::Bytes => bytes as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(sizer: Sizer, size: usize, bounded_on_disk: bool) -> Bound {
        Bound::new(&SendingQueue { sizer, size, bounded_on_disk, ..SendingQueue::default() })
    }

    #[test]
    fn room_is_counted_in_the_unit_of_the_sizer() {
        for (sizer, fits) in [(Sizer::Requests, 2), (Sizer::Items, 1), (Sizer::Bytes, 0)] {
            let mut bound = bound(sizer, if sizer == Sizer::Requests { 2 } else { 10 }, true);
            let mut taken = 0;
            while bound.fits(6, 100) {
                bound.add(6, 100);
                taken += 1;
            }
            assert_eq!(taken, fits, "{sizer:?}");
            if taken > 0 {
                bound.remove(6, 100);
                assert!(bound.fits(6, 100));
            }
        }
    }

    #[test]
    fn without_storage_only_the_journal_bounds_it() {
        assert!(bound(Sizer::Requests, 0, false).fits(u64::MAX, usize::MAX));
    }
}

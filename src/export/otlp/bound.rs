//! How much a queue on disk may hold, in the unit of its `sizer`.

use crate::export::config::{SendingQueue, Sizer};

/// How much may be held.
#[derive(Clone, Copy)]
pub struct Bound {
    sizer: Sizer,
    size: u64,
}

/// What is held.
#[derive(Default)]
pub struct Load {
    requests: u64,
    items: u64,
    bytes: u64,
}

impl Default for Bound {
    fn default() -> Self {
        Self { sizer: Sizer::Requests, size: u64::MAX }
    }
}

impl Bound {
    /// `queue_size` where it bounds what is on disk too.
    pub fn of(queue: &SendingQueue) -> Self {
        match queue.bounded_on_disk {
            true => Self { sizer: queue.sizer, size: queue.size as u64 },
            false => Self::default(),
        }
    }

    /// Whether one more request fits.
    pub fn fits(&self, load: &Load, items: u64, bytes: usize) -> bool {
        let held = match self.sizer {
            Sizer::Requests => load.requests.saturating_add(1),
            Sizer::Items => load.items.saturating_add(items),
            Sizer::Bytes => load.bytes.saturating_add(bytes as u64),
        };
        held <= self.size
    }
}

impl Load {
    /// A request is in.
    pub fn add(&mut self, items: u64, bytes: usize) {
        self.requests += 1;
        self.items = self.items.saturating_add(items);
        self.bytes += bytes as u64;
    }

    /// A request that was in is settled.
    pub fn remove(&mut self, items: u64, bytes: usize) {
        self.requests = self.requests.saturating_sub(1);
        self.items = self.items.saturating_sub(items);
        self.bytes = self.bytes.saturating_sub(bytes as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(sizer: Sizer, size: usize, bounded_on_disk: bool) -> Bound {
        Bound::of(&SendingQueue { sizer, size, bounded_on_disk, ..SendingQueue::default() })
    }

    #[test]
    fn room_is_counted_in_the_unit_of_the_sizer() {
        for (sizer, size, fits) in [(Sizer::Requests, 2, 2), (Sizer::Items, 13, 2), (Sizer::Bytes, 199, 1)] {
            let (bound, mut load) = (bound(sizer, size, true), Load::default());
            let mut taken = 0;
            while bound.fits(&load, 6, 100) {
                load.add(6, 100);
                taken += 1;
            }
            assert_eq!(taken, fits, "{sizer:?}");
            load.remove(6, 100);
            assert!(bound.fits(&load, 6, 100));
        }
    }

    #[test]
    fn without_storage_only_the_journal_bounds_it() {
        assert!(bound(Sizer::Requests, 0, false).fits(&Load::default(), u64::MAX, usize::MAX));
    }
}

//! Bounds that several tasks share: a budget in bytes, with permits that give back when they are dropped, and what queues
//! count.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// So many bytes may be held at once.
#[derive(Debug)]
pub struct Budget {
    max_bytes: AtomicUsize,
    used: AtomicUsize, // 0..=max_bytes, or one oversized permit taken while empty, or what was before the limit fell
}

impl Budget {
    /// A budget of `max_bytes`.
    pub fn new(max_bytes: usize) -> Arc<Self> {
        Arc::new(Self { max_bytes: AtomicUsize::new(max_bytes), used: AtomicUsize::new(0) })
    }

    /// Takes `bytes` for as long as the permit lives; `None` when they do not fit now. A single permit larger than the
    /// whole budget is granted while nothing else is held, so that one large request is slow rather than impossible.
    pub fn try_take(self: &Arc<Self>, bytes: usize) -> Option<Permit> {
        let max_bytes = self.max_bytes();
        let grant = |used: usize| {
            let after = used.checked_add(bytes)?;
            (after <= max_bytes || used == 0).then_some(after)
        };
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, grant).ok()?;
        Some(Permit { budget: Arc::clone(self), bytes })
    }

    /// Bytes held now.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// The limit.
    pub fn max_bytes(&self) -> usize {
        self.max_bytes.load(Ordering::Relaxed)
    }

    /// Another limit; permits that were granted stay.
    pub fn set_max_bytes(&self, max_bytes: usize) {
        self.max_bytes.store(max_bytes, Ordering::Relaxed);
    }
}

/// A share of a budget, given back on drop.
#[derive(Debug)]
pub struct Permit {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// What requests take in every unit that a queue may count in: the unit may change while they are there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Whole requests.
    pub requests: u64,
    /// Spans, data points, log records.
    pub items: u64,
    /// Encoded bytes.
    pub bytes: u64,
}

impl Load {
    /// One request.
    pub fn of(items: u64, bytes: usize) -> Self {
        Self { requests: 1, items, bytes: bytes as u64 }
    }

    /// Both.
    pub fn plus(self, other: Self) -> Self {
        Self {
            requests: self.requests + other.requests,
            items: self.items.saturating_add(other.items),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }

    /// What is left.
    pub fn minus(self, other: Self) -> Self {
        Self {
            requests: self.requests.saturating_sub(other.requests),
            items: self.items.saturating_sub(other.items),
            bytes: self.bytes.saturating_sub(other.bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_budget_refuses_until_something_is_given_back() {
        let budget = Budget::new(10);
        let first = budget.try_take(6).unwrap();
        assert!(budget.try_take(5).is_none());
        let second = budget.try_take(4).unwrap();
        assert_eq!(budget.used(), 10);
        drop(first);
        drop(second);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn a_lower_limit_takes_nothing_back() {
        let budget = Budget::new(10);
        let held = budget.try_take(8).unwrap();
        budget.set_max_bytes(5);
        assert!(budget.try_take(1).is_none());
        drop(held);
        assert!(budget.try_take(5).is_some());
    }

    #[test]
    fn one_oversized_permit_is_granted_alone() {
        let budget = Budget::new(10);
        let large = budget.try_take(50).unwrap();
        assert!(budget.try_take(1).is_none());
        drop(large);
        assert!(budget.try_take(1).is_some());
    }
}

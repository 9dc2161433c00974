//! Counters, gauges and histograms: atomics that are cheap to clone and take no lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

/// A count that only grows.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    /// Adds one.
    pub fn inc(&self) {
        self.add(1);
    }

    /// The count so far.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    pub(super) fn holders(&self) -> usize {
        Arc::strong_count(&self.0)
    }
}

/// A whole number that goes up and down.
#[derive(Clone, Debug, Default)]
pub struct Gauge(Arc<AtomicI64>);

impl Gauge {
    /// Sets the value.
    pub fn set(&self, value: i64) {
        self.0.store(value, Relaxed);
    }

    /// Adds `n`.
    pub fn add(&self, n: i64) {
        self.0.fetch_add(n, Relaxed);
    }

    /// Takes `n` away.
    pub fn sub(&self, n: i64) {
        self.0.fetch_sub(n, Relaxed);
    }

    /// The value now.
    pub fn get(&self) -> i64 {
        self.0.load(Relaxed)
    }

    pub(super) fn holders(&self) -> usize {
        Arc::strong_count(&self.0)
    }
}

/// A fraction, a time or a size that is set as a whole.
#[derive(Clone, Debug, Default)]
pub struct FloatGauge(Arc<AtomicU64>);

impl FloatGauge {
    /// Sets the value.
    pub fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Relaxed);
    }

    /// The value now.
    pub fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Relaxed))
    }

    pub(super) fn holders(&self) -> usize {
        Arc::strong_count(&self.0)
    }
}

/// How often a value fell into each of a fixed set of ranges.
#[derive(Clone, Debug)]
pub struct Histogram(Arc<Buckets>);

#[derive(Debug)]
struct Buckets {
    bounds: &'static [f64],
    /// One more than bounds: the last is everything above.
    counts: Box<[AtomicU64]>,
    sum_bits: AtomicU64,
}

/// What a histogram held at one moment. `count` is the sum of the buckets, so the two always agree.
#[derive(Clone, Debug, PartialEq)]
pub struct HistogramSnapshot {
    /// Upper bound and number of values at or below it, ascending.
    pub cumulative: Vec<(f64, u64)>,
    /// Number of values.
    pub count: u64,
    /// Sum of values.
    pub sum: f64,
}

impl Histogram {
    /// `bounds` ascend; a value equal to a bound counts as at or below it.
    pub(super) fn new(bounds: &'static [f64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self(Arc::new(Buckets { bounds, counts, sum_bits: AtomicU64::new(0) }))
    }

    /// Counts `value`. What is not a number is not counted: it would spoil the sum for good.
    pub fn observe(&self, value: f64) {
        if value.is_nan() {
            return;
        }
        let buckets = &*self.0;
        let index = buckets.bounds.partition_point(|bound| *bound < value);
        buckets.counts[index].fetch_add(1, Relaxed);
        let mut seen = buckets.sum_bits.load(Relaxed);
        loop {
            let next = (f64::from_bits(seen) + value).to_bits();
            match buckets.sum_bits.compare_exchange_weak(seen, next, Relaxed, Relaxed) {
                Ok(_) => return,
                Err(now) => seen = now,
            }
        }
    }

    /// What was observed so far.
    pub fn snapshot(&self) -> HistogramSnapshot {
        let buckets = &*self.0;
        let mut count = 0;
        let mut cumulative = Vec::with_capacity(buckets.bounds.len());
        for (index, bucket) in buckets.counts.iter().enumerate() {
            count += bucket.load(Relaxed);
            if let Some(bound) = buckets.bounds.get(index) {
                cumulative.push((*bound, count));
            }
        }
        HistogramSnapshot { cumulative, count, sum: f64::from_bits(buckets.sum_bits.load(Relaxed)) }
    }

    pub(super) fn holders(&self) -> usize {
        Arc::strong_count(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_on_a_bound_counts_below_it() {
        let histogram = Histogram::new(&[1.0, 5.0]);
        for value in [0.5, 1.0, 1.1, 5.0, 9.0, f64::NAN] {
            histogram.observe(value);
        }
        let seen = histogram.snapshot();
        assert_eq!(seen.cumulative, [(1.0, 2), (5.0, 4)]);
        assert_eq!(seen.count, 5);
        assert!((seen.sum - 16.6).abs() < 1e-9);
    }

    #[test]
    fn observations_from_many_threads_are_all_counted() {
        let histogram = Histogram::new(&[1.0]);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1000).for_each(|_| histogram.observe(0.5)));
            }
        });
        assert_eq!(histogram.snapshot().count, 4000);
        assert_eq!(histogram.snapshot().sum, 2000.0);
    }
}

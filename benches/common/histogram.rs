//! A histogram of latencies in logarithmic buckets, each split into 64: 1.6 % wide, from 1 ns to 18 minutes.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

const SUB_BITS: u32 = 6;
const SUB: u64 = 1 << SUB_BITS;
const BUCKETS: usize = 36 << SUB_BITS;

/// Counts of latencies.
pub struct Histogram(Box<[AtomicU64]>);

impl Histogram {
    /// With nothing in it.
    pub fn new() -> Self {
        Self((0..BUCKETS).map(|_| AtomicU64::new(0)).collect())
    }

    /// Counts one.
    pub fn record(&self, latency: Duration) {
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        let shift = (64 - (nanos | SUB).leading_zeros()) - SUB_BITS - 1;
        // The mantissa carries its leading one, so the next power's first bucket follows this one's last.
        let index = ((u64::from(shift) << SUB_BITS) + (nanos >> shift)) as usize;
        self.0[index.min(BUCKETS - 1)].fetch_add(1, Relaxed);
    }

    /// The latency that this share of all did not exceed, in microseconds.
    pub fn quantile(&self, share: f64) -> f64 {
        let total: u64 = self.0.iter().map(|bucket| bucket.load(Relaxed)).sum();
        let wanted = (total as f64 * share).ceil() as u64;
        let mut below = 0;
        for (index, bucket) in (0_u64..).zip(&self.0) {
            below += bucket.load(Relaxed);
            if below >= wanted && total > 0 {
                return middle(index) / 1e3;
            }
        }
        0.0
    }
}

/// The middle of a bucket, in nanoseconds.
fn middle(index: u64) -> f64 {
    if index < 2 * SUB {
        return index as f64;
    }
    let shift = (index >> SUB_BITS) - 1;
    let mantissa = index - (shift << SUB_BITS);
    (mantissa as f64 + 0.5) * (1_u64 << shift) as f64
}

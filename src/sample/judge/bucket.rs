//! The token bucket of `rate_limiting` and `bytes_limiting`, with the arithmetic of Go's `x/time/rate`.

use smallvec::SmallVec;

use super::Candidate;
use crate::sample::Moment;
use crate::sample::facts::Facts;
use crate::trace_state::NEVER;

/// What a trace costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cost {
    Spans,
    Bytes,
}

/// A bucket that begins full.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    cost: Cost,
    rate: i64, // tokens a second
    burst: i64,
    tokens: f64,
    last: Option<Moment>, // when `tokens` was right
    /// `compat` with `tracestate`: the threshold that this batch was cut at.
    pub(super) cut: Option<u64>,
}

/// A trace that asks for tokens.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    /// Its place among the traces that are due.
    pub(super) index: usize,
    pub(super) randomness: u64,
}

impl Bucket {
    /// `rate` is divided among `shards`, `burst` is not.
    pub(super) fn new(cost: Cost, rate: i64, burst: Option<i64>, shards: u32) -> Self {
        let burst = burst.unwrap_or(rate.saturating_mul(2));
        Self { cost, rate: share(rate, shards), burst, tokens: burst as f64, last: None, cut: None }
    }

    pub(super) fn cost(&self, facts: &Facts) -> i64 {
        let cost = match self.cost {
            Cost::Spans => u64::from(facts.spans),
            Cost::Bytes => facts.bytes + u64::from(facts.envelope_bytes),
        };
        i64::try_from(cost).unwrap_or(i64::MAX)
    }

    /// A trace that costs more never passes.
    pub(super) fn holds(&self, cost: i64) -> bool {
        cost <= self.burst
    }

    fn tokens_at(&self, now: Moment) -> f64 {
        let elapsed = self.last.map_or(0.0, |last| now.since(last).as_secs_f64());
        let gained = if self.rate > 0 { elapsed * self.rate as f64 } else { 0.0 };
        (self.tokens + gained).min(self.burst as f64)
    }

    /// Takes `cost` tokens if they are there.
    pub(super) fn take(&mut self, now: Moment, cost: i64) -> bool {
        let left = self.tokens_at(now) - cost as f64;
        // Go waits in whole nanoseconds, so a lack of less than one of them is none.
        let waits = left < 0.0 && (self.rate <= 0 || (-left / self.rate as f64 * 1e9) as i64 > 0);
        let taken = self.holds(cost) && !waits;
        if taken {
            self.tokens = left;
            self.last = Some(now);
        }
        taken
    }

    /// Whole tokens there are.
    fn budget(&self, now: Moment) -> i64 {
        self.tokens_at(now) as i64
    }
}

/// A shard's share of a limit.
pub(super) fn share(limit: i64, shards: u32) -> i64 {
    if shards > 1 && limit > 0 { (limit / i64::from(shards)).max(1) } else { limit }
}

/// Priority sampling after Ting: spends the tokens of all `wanted` buckets on the traces of the highest randomness, and
/// stops at the first that does not fit, so that one threshold tells the kept from the others. `items` come in that
/// order; those kept remain, and the threshold is returned. With `ties_fall`, none is kept whose randomness is that of
/// the first not kept.
pub(super) fn choose(
    buckets: &mut [Bucket],
    wanted: &[usize],
    now: Moment,
    ties_fall: bool,
    due: &[Candidate<'_>],
    items: &mut Vec<Item>,
) -> u64 {
    let cost = |bucket: &Bucket, item: &Item| bucket.cost(due[item.index].facts);
    items.retain(|item| wanted.iter().all(|at| buckets[*at].holds(cost(&buckets[*at], item))));
    let mut left: SmallVec<[i64; 2]> = wanted.iter().map(|at| buckets[*at].budget(now)).collect();
    let mut kept = 0;
    for item in items.iter() {
        let costs: SmallVec<[i64; 2]> = wanted.iter().map(|at| cost(&buckets[*at], item)).collect();
        if costs.iter().zip(&left).any(|(cost, left)| cost > left) {
            break;
        }
        left.iter_mut().zip(&costs).for_each(|(left, cost)| *left -= cost);
        kept += 1;
    }
    let mut threshold = 0;
    if let Some(rejected) = items.get(kept).map(|item| item.randomness) {
        while ties_fall && kept > 0 && items[kept - 1].randomness == rejected {
            kept -= 1;
        }
        threshold = if kept == 0 { NEVER } else { rejected + 1 };
    }
    items.truncate(kept);
    for at in wanted {
        let spent: i64 = items.iter().map(|item| cost(&buckets[*at], item)).sum();
        buckets[*at].take(now, spent);
    }
    threshold
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_bucket_begins_full_refills_and_never_overflows() {
        let now = Moment(1_000_000_000_000);
        let mut bucket = Bucket::new(Cost::Spans, 2, Some(4), 1);
        assert!(!bucket.take(now, 5), "more than the burst never passes");
        assert!(bucket.take(now, 3) && !bucket.take(now, 2), "a refusal takes nothing");
        assert!(bucket.take(now, 1));
        assert!(!bucket.take(now + Duration::from_millis(499), 1));
        assert!(bucket.take(now + Duration::from_millis(500), 1));
        let later = now + Duration::from_secs(100);
        assert!(bucket.take(later, 4) && !bucket.take(later, 1));
        assert!(!bucket.take(now, 1), "time that goes back gives nothing");
    }

    #[test]
    fn odd_rates() {
        let now = Moment(5);
        let later = now + Duration::from_secs(1000);
        let mut bucket = Bucket::new(Cost::Spans, 0, Some(5), 1);
        assert!(bucket.take(now, 5) && !bucket.take(later, 1), "rate 0 passes its burst once");
        assert!(!Bucket::new(Cost::Spans, 0, None, 1).take(now, 1));
        assert!(!Bucket::new(Cost::Spans, -3, None, 1).take(now, 1));
        let mut shared = Bucket::new(Cost::Spans, 1, None, 4);
        assert_eq!((shared.rate, shared.burst), (1, 2), "at least one, and the burst is not divided");
        assert!(shared.take(now, 2));
        assert_eq!(Bucket::new(Cost::Bytes, i64::MAX, None, 1).burst, i64::MAX);
    }
}

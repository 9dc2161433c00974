//! Points as they are kept: numbers, histograms of both kinds, summaries, exemplars; how two of them add up.

/// One data point, read.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Point {
    pub(super) attributes: Vec<(String, String)>,
    /// Nanoseconds since 1970; 0 = unknown.
    pub(super) start: u64,
    pub(super) time: u64,
    /// It says that there is no value any more.
    pub(super) no_value: bool,
    pub(super) value: Value,
    pub(super) exemplars: Vec<Exemplar>,
}

/// What a point holds.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Number(f64),
    Histogram(Histogram),
    Exponential(Box<Exponential>), // large, and rare
    Summary(Summary),
}

/// An example of what was measured, with its span.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Exemplar {
    pub(super) value: f64,
    pub(super) time: u64,
    pub(super) trace_id: [u8; 16],
    pub(super) span_id: [u8; 8],
}

/// Explicit bounds, rising, finite; each bucket's own count. What is above the last bound is in `count` only.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Histogram {
    pub(super) count: u64,
    pub(super) sum: f64,
    pub(super) buckets: Box<[(f64, u64)]>,
}

/// Bounds that are powers of 2^(2^-scale).
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Exponential {
    pub(super) count: u64,
    pub(super) sum: f64,
    pub(super) scale: i32,
    pub(super) zero_count: u64,
    pub(super) zero_threshold: f64,
    pub(super) positive: Buckets,
    pub(super) negative: Buckets,
}

/// Bucket `offset + n` counts values of base^(offset + n) to base^(offset + n + 1), the upper one included.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Buckets {
    pub(super) offset: i64,
    pub(super) counts: Vec<u64>,
}

/// Quantiles in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Summary {
    pub(super) count: u64,
    pub(super) sum: f64,
    pub(super) quantiles: Vec<(f64, f64)>,
}

/// Most buckets a side of an exponential histogram keeps; SDKs send at most 160.
const SIDE_MAX: usize = 320;
/// The lowest scale of the data model: one bucket holds everything below it.
const SCALE_MIN: i32 = -11;

impl Default for Value {
    fn default() -> Self {
        Self::Number(0.0)
    }
}

impl Value {
    /// Adds what was counted before; false where the two do not fit together, and this one begins anew.
    pub(super) fn add(&mut self, before: &Self) -> bool {
        match (self, before) {
            (Self::Number(now), Self::Number(before)) => *now += before,
            (Self::Histogram(now), Self::Histogram(before)) => return now.add(before),
            (Self::Exponential(now), Self::Exponential(before)) => now.add(before),
            _ => return false,
        }
        true
    }

    /// Bytes on the heap.
    pub(super) fn heap(&self) -> usize {
        match self {
            Self::Number(_) => 0,
            Self::Histogram(histogram) => histogram.buckets.len() * 16,
            Self::Exponential(value) => {
                size_of::<Exponential>() + (value.positive.counts.len() + value.negative.counts.len()) * 8
            }
            Self::Summary(summary) => summary.quantiles.len() * 16,
        }
    }
}

impl Exemplar {
    /// The ids it has, under the names of their labels.
    pub(super) fn ids(&self) -> impl Iterator<Item = (&'static str, &[u8])> {
        let ids: [(&'static str, &[u8]); 2] = [("trace_id", &self.trace_id), ("span_id", &self.span_id)];
        ids.into_iter().filter(|(_, id)| id.iter().any(|byte| *byte != 0))
    }
}

impl Histogram {
    /// Bounds in any order, each counted once; counts that are missing are 0.
    pub(super) fn new(count: u64, sum: f64, bounds: &[f64], counts: &[u64]) -> Self {
        let count_at = |index: usize| counts.get(index).copied().unwrap_or(0);
        let mut buckets: Vec<_> =
            bounds.iter().enumerate().map(|(index, bound)| (*bound, count_at(index))).collect();
        buckets.retain(|(bound, _)| bound.is_finite());
        buckets.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        buckets.dedup_by(|(a, _), (b, _)| a == b);
        Self { count, sum, buckets: buckets.into() }
    }

    /// Each bound with the count of all up to it.
    pub(super) fn cumulative(&self) -> Vec<(f64, u64)> {
        let mut total = 0_u64;
        let add = |(bound, count): &(f64, u64)| {
            total = total.saturating_add(*count);
            (*bound, total)
        };
        self.buckets.iter().map(add).collect()
    }

    fn add(&mut self, before: &Self) -> bool {
        let same = self.buckets.len() == before.buckets.len()
            && self.buckets.iter().zip(&before.buckets).all(|((a, _), (b, _))| a == b);
        if same {
            self.count = self.count.saturating_add(before.count);
            self.sum += before.sum;
            for ((_, now), (_, before)) in self.buckets.iter_mut().zip(&before.buckets) {
                *now = now.saturating_add(*before);
            }
        }
        same
    }
}

impl Exponential {
    /// Lowers the scale until both sides are of a size that is kept, and cuts empty ends off.
    pub(super) fn fit(&mut self) {
        for side in [&mut self.positive, &mut self.negative] {
            side.trim();
        }
        while self.positive.counts.len().max(self.negative.counts.len()) > SIDE_MAX && self.scale > i32::MIN {
            self.lower(self.scale - 1);
        }
    }

    /// Merges buckets until the scale is at most `scale`.
    pub(super) fn lower(&mut self, scale: i32) {
        let steps = i64::from(self.scale) - i64::from(scale);
        if steps > 0 {
            self.positive.merge(steps);
            self.negative.merge(steps);
            self.scale = scale;
        }
    }

    fn add(&mut self, before: &Self) {
        let mut before = before.clone();
        let mut scale = self.scale.min(before.scale);
        self.lower(scale);
        before.lower(scale);
        let spans = |a: &Buckets, b: &Buckets| a.span_with(b) > SIDE_MAX as i64;
        while (spans(&self.positive, &before.positive) || spans(&self.negative, &before.negative))
            && scale > SCALE_MIN
        {
            scale -= 1;
            self.lower(scale);
            before.lower(scale);
        }
        self.positive.add(&before.positive);
        self.negative.add(&before.negative);
        self.count = self.count.saturating_add(before.count);
        self.zero_count = self.zero_count.saturating_add(before.zero_count);
        self.sum += before.sum;
        self.zero_threshold = self.zero_threshold.max(before.zero_threshold);
    }

    /// Upper bounds and cumulative counts, rising, by powers of two: for servers that read no exponential buckets.
    /// Resolution is given up for bounds that are the same in every series and scrape.
    pub(super) fn classic(&self) -> Vec<(f64, u64)> {
        let mut coarse = self.clone();
        coarse.lower(0);
        while coarse.positive.counts.len().max(coarse.negative.counts.len()) > CLASSIC_MAX {
            let scale = coarse.scale - 1;
            coarse.lower(scale);
        }
        let bound = |index: i64| -> f64 {
            let exponent =
                if coarse.scale < -SHIFT_MAX { index << SHIFT_MAX } else { index << -coarse.scale };
            2f64.powi(i32::try_from(exponent).unwrap_or(if exponent < 0 { -2000 } else { 2000 }))
        };
        let mut found: Vec<(f64, u64)> = Vec::new();
        let mut total = 0_u64;
        let mut push = |upper: f64, count: u64| {
            total = total.saturating_add(count);
            match found.last_mut() {
                Some((last, seen)) if *last == upper => *seen = total,
                _ if upper.is_finite() => found.push((upper, total)),
                _ => {}
            }
        };
        for (index, count) in coarse.negative.indexed().rev() {
            push(-bound(index), count);
        }
        let negatives = !coarse.negative.counts.is_empty();
        if self.zero_count > 0 || negatives {
            push(self.zero_threshold.max(0.0), self.zero_count);
        }
        for (index, count) in coarse.positive.indexed() {
            push(bound(index + 1), count);
        }
        found.retain(|(upper, _)| !upper.is_nan());
        found.sort_by(|(a, _), (b, _)| a.total_cmp(b)); // a threshold above the first bounds stands out of order
        found.dedup_by(|(a, _), (b, _)| a == b);
        let mut least = 0;
        for (_, seen) in &mut found {
            least = least.max(*seen);
            *seen = least;
        }
        found
    }
}

/// Most classic buckets on a side.
const CLASSIC_MAX: usize = 64;
/// Beyond it every exponent overflows.
const SHIFT_MAX: i32 = 12;

impl Buckets {
    fn trim(&mut self) {
        while self.counts.last() == Some(&0) {
            self.counts.pop();
        }
        let empty = self.counts.iter().take_while(|count| **count == 0).count();
        self.counts.drain(..empty);
        self.offset = if self.counts.is_empty() { 0 } else { self.offset + empty as i64 };
    }

    /// Each 2^`steps` buckets become one.
    fn merge(&mut self, steps: i64) {
        if self.counts.is_empty() {
            return;
        }
        let shift = steps.clamp(0, 62) as u32;
        let first = self.offset >> shift;
        let last = (self.offset + self.counts.len() as i64 - 1) >> shift;
        let mut merged = vec![0_u64; (last - first + 1) as usize];
        for (index, count) in self.counts.iter().enumerate() {
            let place = ((self.offset + index as i64) >> shift) - first;
            merged[place as usize] = merged[place as usize].saturating_add(*count);
        }
        *self = Self { offset: first, counts: merged };
    }

    /// Buckets from the first of both to the last of both.
    fn span_with(&self, other: &Self) -> i64 {
        let ends = |one: &Self| one.offset + one.counts.len() as i64;
        match (self.counts.is_empty(), other.counts.is_empty()) {
            (true, _) => other.counts.len() as i64,
            (_, true) => self.counts.len() as i64,
            _ => ends(self).max(ends(other)) - self.offset.min(other.offset),
        }
    }

    /// Sides that still lie too far apart at the lowest scale keep the newer one's buckets.
    fn add(&mut self, other: &Self) {
        let span = self.span_with(other);
        if other.counts.is_empty() || span > SIDE_MAX as i64 {
            return;
        }
        let first = if self.counts.is_empty() { other.offset } else { self.offset.min(other.offset) };
        let mut sums = vec![0_u64; span as usize];
        for (index, count) in self.indexed().chain(other.indexed()) {
            let place = (index - first) as usize;
            sums[place] = sums[place].saturating_add(count);
        }
        *self = Self { offset: first, counts: sums };
    }

    fn indexed(&self) -> impl DoubleEndedIterator<Item = (i64, u64)> + ExactSizeIterator {
        self.counts.iter().enumerate().map(|(index, count)| (self.offset + index as i64, *count))
    }
}

impl Summary {
    /// Sorts the quantiles; of the same one twice the last counts.
    pub(super) fn tidy(&mut self) {
        self.quantiles.reverse();
        self.quantiles.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        self.quantiles.dedup_by(|(a, _), (b, _)| a == b);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn exponential(scale: i32, offset: i64, counts: &[u64]) -> Exponential {
        let positive = Buckets { offset, counts: counts.to_vec() };
        Exponential { count: counts.iter().sum(), scale, positive, ..Exponential::default() }
    }

    #[test]
    fn bounds_are_sorted_and_counted_once() {
        let histogram = Histogram::new(9, 1.0, &[5.0, 1.0, 5.0, f64::INFINITY], &[1, 2, 3]);
        assert_eq!(*histogram.buckets, [(1.0, 2), (5.0, 1)]);
    }

    #[test]
    fn histograms_of_the_same_bounds_add_up_and_others_begin_anew() {
        let before = Value::Histogram(Histogram::new(3, 2.0, &[1.0], &[1, 2]));
        let mut now = Value::Histogram(Histogram::new(1, 1.0, &[1.0], &[1, 0]));
        assert!(now.add(&before));
        assert_eq!(now, Value::Histogram(Histogram::new(4, 3.0, &[1.0], &[2, 2])));
        let mut other = Value::Histogram(Histogram::new(1, 1.0, &[2.0], &[1, 0]));
        assert!(!other.add(&before));
    }

    #[test]
    fn exponential_histograms_add_up_at_the_lower_scale() {
        let mut now = exponential(1, -1, &[1, 2, 3]); // buckets -1, 0, 1 → -1, 0, 0
        let before = exponential(0, 2, &[4]);
        now.add(&before);
        assert_eq!((now.scale, now.count), (0, 10));
        assert_eq!(now.positive, Buckets { offset: -1, counts: vec![1, 5, 0, 4] });
    }

    #[test]
    fn classic_buckets_are_powers_of_two() {
        let mut value = exponential(1, 0, &[1, 2, 3, 4]); // (1, 2] holds 3, (2, 4] holds 7
        assert_eq!(value.classic(), [(2.0, 3), (4.0, 10)]);
        value.zero_count = 5;
        value.negative = Buckets { offset: 0, counts: vec![1, 1] }; // both in [-2, -1)
        assert_eq!(value.classic(), [(-1.0, 2), (0.0, 7), (2.0, 10), (4.0, 17)]);
    }

    proptest! {
        #[test]
        fn any_exponential_histograms_add_up_within_bounds(
            (a, b) in ((any::<i32>(), any::<i32>(), prop::collection::vec(0..9_u64, 0..999)),
                       (any::<i32>(), any::<i32>(), prop::collection::vec(0..9_u64, 0..999)))
        ) {
            let make = |(scale, offset, counts): (i32, i32, Vec<u64>)| {
                let mut made = exponential(scale, i64::from(offset), &counts);
                made.fit();
                made
            };
            let (mut now, before) = (make(a), make(b));
            now.add(&before);
            prop_assert!(now.positive.counts.len() <= SIDE_MAX);
            let classic = now.classic();
            prop_assert!(classic.is_sorted_by(|(a, m), (b, n)| a < b && m <= n), "{:?}", classic);
            prop_assert!(classic.last().is_none_or(|(_, seen)| *seen <= now.count));
        }
    }
}

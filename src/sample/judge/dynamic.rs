//! Samplers with a rate per key: frequent keys are kept rarely, rare ones often; the goal is met over all.
//!
//! The algorithms are those of Honeycomb's dynsampler; two things differ. A trace is kept by its randomness, not by the
//! dice, so that two nodes agree. And a key that is not known, or beyond `max_keys`, gets the rate that the goal means
//! for all together, so that a key of many values does not pass whole.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::bucket::share;
use super::probability::threshold;
use crate::sample::facts::{Facts, VALUES_MAX};
use crate::sample::{Dynamic, Ema, Method, Moment};

/// Spans by key.
type Counts = BTreeMap<u64, f64>;

/// The state of one dynamic sampler.
#[derive(Debug)]
pub(super) struct Sampler {
    method: Method,
    max_keys: usize,
    since: Option<Moment>, // when the interval began
    counts: Counts,        // of the interval
    rates: Counts,         // keep 1 in this
    others: f64,           // the rate of keys without one
    averages: Counts,      // EMA: of counts
    bursts: Bursts,
    window: VecDeque<Counts>, // windowed: of past intervals
    totals: Counts,           // windowed: sums of the window
}

/// Detection of bursts, of the EMA samplers.
#[derive(Debug, Default)]
struct Bursts {
    sum: f64,       // spans of the interval
    threshold: f64, // a burst has more; 0 = not yet known
    intervals: u32,
}

/// More intervals than this are not remembered.
const WINDOW_MAX: u32 = 3600;

impl Sampler {
    /// Goals of throughput are divided among `shards`; rates are the same in each.
    pub(super) fn new(dynamic: &Dynamic, shards: u32) -> Self {
        let mut method = dynamic.method.clone();
        if let Method::EmaThroughput { goal_throughput_per_sec: goal, .. }
        | Method::WindowedThroughput { goal_throughput_per_sec: goal, .. } = &mut method
        {
            *goal = share(*goal, shards);
        }
        let others = match &method {
            Method::Window { sample_rate: rate, .. }
            | Method::Ema { goal_sample_rate: rate, .. }
            | Method::EmaThroughput { initial_sample_rate: rate, .. } => (*rate).max(1) as f64,
            Method::WindowedThroughput { .. } => 1.0,
        };
        Self {
            method,
            max_keys: dynamic.max_keys.max(1),
            since: None,
            counts: Counts::new(),
            rates: Counts::new(),
            others,
            averages: Counts::new(),
            bursts: Bursts::default(),
            window: VecDeque::new(),
            totals: Counts::new(),
        }
    }

    /// The key of a trace: the distinct values of each field, and the number of spans if it is asked for.
    pub(super) fn key(&self, fields: &[u16], use_trace_length: bool, facts: &Facts) -> u64 {
        let values = facts.more.as_ref().map_or(&[][..], |more| &more.values);
        let mut key = 0;
        let mut left = VALUES_MAX;
        for (place, field) in (0u64..).zip(fields) {
            let first = values.partition_point(|(known, _)| known < field);
            for (_, value) in values[first..].iter().take_while(|(known, _)| known == field).take(left) {
                key = mix(key, place, *value);
                left -= 1;
            }
        }
        if use_trace_length { mix(key, u64::MAX, u64::from(facts.spans)) } else { key }
    }

    /// Counts the spans of traces, by key, after the rates have been brought up to `now`.
    pub(super) fn observe(&mut self, now: Moment, traces: &[(u64, u32)]) {
        self.turn(now);
        for (key, spans) in traces {
            let spans = f64::from(*spans);
            if let Some(count) = self.counts.get_mut(key) {
                *count += spans;
            } else if self.counts.len() < self.max_keys {
                self.counts.insert(*key, spans);
            } else {
                continue;
            }
            self.bursts.sum += spans;
        }
        if self.bursts.threshold > 0.0 && self.bursts.sum >= self.bursts.threshold {
            self.since = Some(now);
            self.update(1);
        }
    }

    /// The threshold that keeps a trace of this key, if its randomness reaches it.
    pub(super) fn decide(&self, key: u64, randomness: u64) -> Option<u64> {
        let rate = self.rates.get(&key).copied().unwrap_or(self.others);
        let threshold = threshold(1.0 / rate);
        (randomness >= threshold).then_some(threshold)
    }

    /// Ends the interval when it is over.
    fn turn(&mut self, now: Moment) {
        let interval = match &self.method {
            Method::Window { clear_frequency: interval, .. }
            | Method::WindowedThroughput { update_frequency: interval, .. } => *interval,
            Method::Ema { ema, .. } | Method::EmaThroughput { ema, .. } => ema.adjustment_interval,
        };
        let interval = interval.max(Duration::from_millis(1));
        let since = *self.since.get_or_insert(now);
        let past = now.since(since).as_nanos() / interval.as_nanos();
        let past = u32::try_from(past).unwrap_or(u32::MAX);
        if past > 0 {
            self.since = Some(since + interval.saturating_mul(past));
            self.update(past);
            self.bursts.intervals = self.bursts.intervals.saturating_add(1);
        }
    }

    /// New rates, `past` intervals after the last.
    fn update(&mut self, past: u32) {
        let counts = std::mem::take(&mut self.counts);
        self.bursts.sum = 0.0;
        match self.method.clone() {
            Method::Window { sample_rate, .. } => {
                if !counts.is_empty() {
                    let sum: f64 = counts.values().sum();
                    self.rates = by_logarithm(&counts, sum / sample_rate.max(1) as f64);
                }
            }
            Method::Ema { goal_sample_rate, ema } => {
                if let Some(sum) = self.average(&counts, &ema) {
                    self.rates = by_logarithm(&self.averages, sum / goal_sample_rate.max(1) as f64);
                }
            }
            Method::EmaThroughput { goal_throughput_per_sec, ema, .. } => {
                if let Some(sum) = self.average(&counts, &ema) {
                    let goal = goal_throughput_per_sec.max(1) as f64 * ema.adjustment_interval.as_secs_f64();
                    self.rates = by_logarithm(&self.averages, goal);
                    self.others = (sum / goal).max(1.0);
                }
            }
            Method::WindowedThroughput { goal_throughput_per_sec, update_frequency, lookback_frequency } => {
                let nanos = lookback_frequency.as_nanos() / update_frequency.as_nanos().max(1);
                let intervals = u32::try_from(nanos).unwrap_or(u32::MAX).clamp(1, WINDOW_MAX);
                self.slide(counts, past, intervals);
                let seconds = update_frequency.as_secs_f64() * f64::from(intervals);
                self.share_equally(goal_throughput_per_sec.max(1) as f64 * seconds);
            }
        }
    }

    /// Moves the averages; gives their sum, or nothing after an idle interval, which changes nothing.
    fn average(&mut self, counts: &Counts, ema: &Ema) -> Option<f64> {
        if counts.is_empty() {
            return None;
        }
        for (key, average) in &mut self.averages {
            let count = counts.get(key).copied().unwrap_or(0.0);
            *average = count * ema.weight + *average * (1.0 - ema.weight);
        }
        for (key, count) in counts {
            self.averages.entry(*key).or_insert(count * ema.weight);
        }
        self.averages.retain(|_, average| *average >= ema.age_out_value);
        keep_largest(&mut self.averages, self.max_keys);
        let sum: f64 = self.averages.values().map(|average| average.max(1.0)).sum();
        let detects = ema.burst_multiple > 0.0 && self.bursts.intervals >= ema.burst_detection_delay;
        self.bursts.threshold = if detects { sum * ema.burst_multiple } else { 0.0 };
        Some(sum)
    }

    /// Takes the counts of an interval into the window, and those too old out of it.
    fn slide(&mut self, counts: Counts, past: u32, intervals: u32) {
        for (key, count) in &counts {
            *self.totals.entry(*key).or_default() += count;
        }
        self.window.push_back(counts);
        for _ in 1..past.min(intervals + 1) {
            self.window.push_back(Counts::new());
        }
        while self.window.len() > intervals as usize {
            for (key, count) in self.window.pop_front().unwrap_or_default() {
                if let Some(total) = self.totals.get_mut(&key) {
                    *total -= count;
                }
            }
        }
        self.totals.retain(|_, total| *total > 0.5);
        keep_largest(&mut self.totals, self.max_keys);
    }

    /// An equal share of `goal` spans for each key of the window.
    fn share_equally(&mut self, goal: f64) {
        let each = (goal / self.totals.len().max(1) as f64).max(1.0);
        self.rates = self.totals.iter().map(|(key, count)| (*key, (count / each).max(1.0))).collect();
        self.others = (self.totals.values().sum::<f64>() / goal).max(1.0);
    }
}

fn mix(key: u64, place: u64, value: u64) -> u64 {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&place.to_le_bytes());
    bytes[8..].copy_from_slice(&value.to_le_bytes());
    xxh3_64_with_seed(&bytes, key)
}

/// Forgets the rarest keys beyond `max`.
fn keep_largest(counts: &mut Counts, max: usize) {
    if counts.len() > max {
        let mut order: Vec<(u64, f64)> = counts.iter().map(|(key, count)| (*key, *count)).collect();
        order.sort_by(|a, b| b.1.total_cmp(&a.1));
        for (key, _) in &order[max..] {
            counts.remove(key);
        }
    }
}

/// Shares of `goal` spans by the logarithm of each key's count; what a key does not use goes to those after it.
fn by_logarithm(counts: &Counts, goal: f64) -> Counts {
    let logarithm = |count: f64| count.max(1.0).log10();
    let sum: f64 = counts.values().map(|count| logarithm(*count)).sum();
    let mut left = counts.len() as f64;
    let mut extra = 0.0;
    let rate = |(key, count): (&u64, &f64)| {
        let passed_on = extra / left;
        let share = if sum > 0.0 { (logarithm(*count) * goal / sum).max(1.0) } else { f64::INFINITY };
        let share = share + passed_on;
        extra -= passed_on;
        left -= 1.0;
        if *count <= share {
            extra += if share.is_finite() { share - count } else { 0.0 };
            return (*key, 1.0);
        }
        let rate = (count / share).ceil();
        extra += share - count / rate;
        (*key, rate)
    };
    counts.iter().map(rate).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Moment = Moment(1_700_000_000_000_000_000);

    fn sampler(method: Method, max_keys: usize) -> Sampler {
        let fields = vec!["k".into()];
        Sampler::new(&Dynamic { fields, use_trace_length: false, max_keys, method }, 1)
    }

    fn ema() -> Ema {
        Ema {
            adjustment_interval: Duration::from_secs(15),
            weight: 0.5,
            age_out_value: 0.5,
            burst_multiple: 2.0,
            burst_detection_delay: 3,
        }
    }

    fn rate(sampler: &Sampler, key: u64) -> f64 {
        sampler.rates.get(&key).copied().unwrap_or(sampler.others)
    }

    fn after(seconds: u64) -> Moment {
        START + Duration::from_secs(seconds)
    }

    /// Spans that would be kept of these counts.
    fn kept(sampler: &Sampler, counts: &[(u64, u32)]) -> f64 {
        counts.iter().map(|(key, count)| f64::from(*count) / rate(sampler, *key)).sum()
    }

    #[test]
    fn a_window_shares_by_logarithm_and_meets_its_rate() {
        let window = Method::Window { sample_rate: 10, clear_frequency: Duration::from_secs(30) };
        let mut sampler = sampler(window, 500);
        let counts = [(1, 10_000), (2, 1000), (3, 100), (4, 1)];
        sampler.observe(START, &counts);
        assert_eq!(rate(&sampler, 1), 10.0, "the goal until there is data");
        sampler.observe(after(30), &[]);
        let (frequent, rare) = (rate(&sampler, 1), rate(&sampler, 3));
        assert!(frequent > 10.0 && rare == 1.0 && rate(&sampler, 4) == 1.0, "{frequent} {rare}");
        assert_eq!(rate(&sampler, 99), 10.0, "an unknown key does not pass whole");
        let kept = kept(&sampler, &counts);
        assert!((800.0..=1150.0).contains(&kept), "{kept} of 11101, wanted a tenth");
        sampler.observe(after(61), &[(1, 5)]);
        assert_eq!(rate(&sampler, 1), frequent, "an idle window changes nothing");
    }

    #[test]
    fn averages_move_age_out_and_meet_the_goal() {
        let mut sampler = sampler(Method::Ema { goal_sample_rate: 10, ema: ema() }, 500);
        let counts = [(1, 9000), (2, 1000)];
        for turn in 0..6 {
            sampler.observe(after(15 * turn), &counts);
        }
        let kept_of = kept(&sampler, &counts);
        assert!((800.0..=1100.0).contains(&kept_of), "{kept_of}");
        for turn in 6..40 {
            sampler.observe(after(15 * turn), &[(2, 1000)]);
        }
        assert!(!sampler.averages.contains_key(&1), "what is not seen any more is forgotten");
        assert_eq!(rate(&sampler, 1), 10.0);
    }

    #[test]
    fn a_burst_moves_the_averages_at_once() {
        let mut sampler = sampler(Method::Ema { goal_sample_rate: 10, ema: ema() }, 500);
        for turn in 0..6 {
            sampler.observe(after(15 * turn), &[(1, 100), (2, 10_000)]);
        }
        let before = rate(&sampler, 1);
        sampler.observe(after(76), &[(1, 100_000)]);
        assert!(rate(&sampler, 1) > before, "no interval has ended");
    }

    #[test]
    fn throughput_is_met_whatever_comes_in() {
        let method =
            Method::EmaThroughput { goal_throughput_per_sec: 100, initial_sample_rate: 10, ema: ema() };
        let mut sampler = sampler(method, 500);
        let counts = [(1, 100_000), (2, 20_000), (3, 30)];
        assert_eq!(rate(&sampler, 1), 10.0);
        for turn in 0..20 {
            sampler.observe(after(15 * turn), &counts);
        }
        let kept = kept(&sampler, &counts);
        assert!((1100.0..=1650.0).contains(&kept), "{kept}, wanted 1500 in 15 s");
        assert!(rate(&sampler, 77) > 50.0, "an unknown key gets the rate of all");
    }

    #[test]
    fn a_sliding_window_shares_equally_and_forgets() {
        let method = Method::WindowedThroughput {
            goal_throughput_per_sec: 10,
            update_frequency: Duration::from_secs(1),
            lookback_frequency: Duration::from_secs(30),
        };
        let mut sampler = sampler(method, 500);
        for second in 0..=40 {
            sampler.observe(after(second), &[(1, 100), (2, 10), (3, 1)]);
        }
        assert_eq!((rate(&sampler, 1), rate(&sampler, 2), rate(&sampler, 3)), (30.0, 3.0, 1.0));
        sampler.observe(after(100), &[]);
        sampler.observe(after(101), &[]);
        assert_eq!(rate(&sampler, 1), 1.0, "the window is empty again");
        assert!(sampler.totals.is_empty() && sampler.window.len() == 30);
    }

    #[test]
    fn keys_beyond_the_limit_get_the_goal_and_no_memory() {
        let window = Method::Window { sample_rate: 20, clear_frequency: Duration::from_secs(1) };
        let mut sampler = sampler(window, 10);
        let keys: Vec<(u64, u32)> = (0..10_000).map(|key| (key, 3)).collect();
        sampler.observe(START, &keys);
        sampler.observe(after(1), &keys);
        assert!(sampler.counts.len() <= 10 && sampler.rates.len() <= 10);
        assert_eq!(rate(&sampler, 9999), 20.0);
    }
}

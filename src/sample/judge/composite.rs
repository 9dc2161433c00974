//! The spans-per-second budget of a `composite` and its sub-policies.

use super::bucket::share;
use crate::sample::{Config, Moment, rule};

/// Counters of one second.
#[derive(Debug)]
pub(super) struct Composite {
    max: i64,
    allocations: Vec<i64>,
    /// In which order sub-policies are asked.
    pub(super) order: Vec<usize>,
    second: Option<u64>,
    used: Vec<i64>,
    wanted: Vec<i64>,
    reserved: Vec<i64>, // of each allocation, what was wanted in the second before
}

impl Composite {
    pub(super) fn new(rule: &rule::Composite, config: &Config) -> Self {
        let max = share(rule.max_total, config.num_shards);
        let count = rule.policies.len();
        let allocation = |name: &String| {
            let percent =
                rule.allocation.iter().rev().find(|(known, _)| known == name).map_or(0, |(_, p)| *p);
            match percent {
                1.. => (i128::from(percent) * i128::from(max) / 100).clamp(0, i64::MAX.into()) as i64,
                _ => max / count as i64,
            }
        };
        let allocations: Vec<i64> = rule.policies.iter().map(|policy| allocation(&policy.name)).collect();
        let mut order: Vec<usize> = (0..count).collect();
        if !config.compat {
            // The Collector has the key, but asks in the order of the list. Who is not named comes last.
            let place = |at: &usize| {
                let name = &rule.policies[*at].name;
                rule.order.iter().position(|known| known == name).unwrap_or(usize::MAX)
            };
            order.sort_by_key(place);
        }
        let none = vec![0; count];
        Self {
            max,
            order,
            second: None,
            used: none.clone(),
            wanted: none,
            reserved: allocations.clone(), // nothing is known of the second before the first
            allocations,
        }
    }

    /// Begins a new second when `now` lies in one.
    pub(super) fn turn(&mut self, now: Moment) {
        let second = now.second();
        if self.second == Some(second) {
            return;
        }
        if let Some(before) = self.second {
            let fresh = before + 1 == second;
            for (at, reserved) in self.reserved.iter_mut().enumerate() {
                *reserved = if fresh { self.wanted[at].min(self.allocations[at]) } else { 0 };
            }
        }
        self.second = Some(second);
        self.used.fill(0);
        self.wanted.fill(0);
    }

    /// The Collector's test: each sub-policy has its own counter, and none knows of the others.
    pub(super) fn take_alone(&mut self, part: usize, spans: i64) -> bool {
        let used = self.used[part].saturating_add(spans);
        let fits = used <= self.allocations[part] && used <= self.max;
        if fits {
            self.used[part] = used;
        }
        fits
    }

    /// Notes what a sub-policy would keep.
    pub(super) fn want(&mut self, part: usize, spans: i64) {
        self.wanted[part] = self.wanted[part].saturating_add(spans);
    }

    /// Whether `spans` more fit: into the total, and either into the sub-policy's allocation or into what the others
    /// leave, of whose allocations only what they wanted in the second before is kept for them.
    pub(super) fn has_room(&self, part: usize, spans: i64) -> bool {
        let total = self.used.iter().fold(spans, |sum, used| sum.saturating_add(*used));
        if total > self.max {
            return false;
        }
        if self.used[part].saturating_add(spans) <= self.allocations[part] {
            return true;
        }
        let others = self.reserved.iter().zip(&self.used).enumerate().filter(|(at, _)| *at != part);
        let kept_free: i64 = others.map(|(_, (reserved, used))| (reserved - used).max(0)).sum();
        total.saturating_add(kept_free) <= self.max
    }

    pub(super) fn take(&mut self, part: usize, spans: i64) {
        self.used[part] = self.used[part].saturating_add(spans);
    }
}

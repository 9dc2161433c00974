//! The policies: one by one, in numbers, whatever their order.

mod limits;
mod properties;
mod settle;
mod succeed;
mod vectors;

use super::*;
use crate::sample::{Composite, Policy};

fn kept(verdicts: &[Verdict]) -> usize {
    verdicts.iter().filter(|verdict| verdict.outcome == Outcome::Sampled).count()
}

/// `count` traces alike, with ids from `first` on.
fn alike(first: u128, count: u128, trace: &'static str) -> Vec<(u128, &'static str)> {
    (first..first + count).map(|id| (id, trace)).collect()
}

fn composite(max_total: i64, policies: Vec<Policy>, allocation: &[(&str, i64)]) -> Policy {
    let order = policies.iter().map(|policy| policy.name.clone()).collect();
    let allocation = allocation.iter().map(|(name, percent)| ((*name).to_owned(), *percent)).collect();
    Policy {
        name: String::new(),
        rule: Rule::Composite(Composite { max_total, order, policies, allocation }),
    }
}

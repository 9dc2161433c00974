//! Verdicts that no further span can change.

use super::court::Ballot;
use super::court::randomness;
use super::node::Node;
use super::{Candidate, Policies, Tally, Verdict, Vote};
use crate::sample::facts::Facts;
use crate::trace_state::NEVER;

/// What a policy will say, whatever else comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Keeps(u64), // with this threshold
    KeepsNot,
    Open,
}

impl Policies {
    /// See [`Policies::settled`].
    pub(super) fn settled_fairly(&self, trace: Candidate<'_>) -> Option<Verdict> {
        let mut tally = Tally::new(self.nodes.len());
        let mut open = false;
        for (at, node) in self.nodes.iter().enumerate().filter(|(_, node)| node.is_drop()) {
            match self.fate(node, &trace) {
                Fate::Keeps(_) if open => return None, // an earlier one may yet be the one that drops
                Fate::Keeps(_) => {
                    tally.add(at, Ballot { vote: Vote::Dropped, ..Ballot::NOT_KEPT });
                    return Some(tally.verdict(self.advertises));
                }
                Fate::KeepsNot => tally.add(at, Ballot::NOT_KEPT),
                Fate::Open => open = true,
            }
        }
        if open {
            return None;
        }
        self.settle_others(&trace, tally)
    }

    fn settle_others(&self, trace: &Candidate<'_>, mut tally: Tally) -> Option<Verdict> {
        let (mut open, mut stateful) = (false, false);
        for (at, node) in self.nodes.iter().enumerate().filter(|(_, node)| !node.is_drop()) {
            match self.fate(node, trace) {
                Fate::Keeps(_) if open && !tally.kept => return None, // an earlier one may yet be the one that keeps
                Fate::Keeps(threshold) => tally.add(at, Ballot::kept(threshold)),
                Fate::KeepsNot => tally.add(at, Ballot::NOT_KEPT),
                Fate::Open if node.has_state() => stateful = true, // not asked once another keeps the trace
                Fate::Open => open = true,
            }
            if tally.kept && self.first_match {
                break;
            }
        }
        let threshold_open = open && self.advertises && tally.threshold > 0 && !self.first_match;
        let final_for_good = if tally.kept { !threshold_open } else { !open && !stateful };
        final_for_good.then(|| tally.verdict(self.advertises))
    }

    fn fate(&self, node: &Node, trace: &Candidate<'_>) -> Fate {
        let facts = trace.facts;
        match node {
            Node::Always => Fate::Keeps(0),
            Node::Fact { fact, invert } => match (facts.has(*fact), invert) {
                (false, _) => Fate::Open,
                (true, false) => Fate::Keeps(0),
                (true, true) => Fate::KeepsNot,
            },
            Node::Conditions { matched, .. } if facts.has(*matched) => Fate::Keeps(0),
            Node::Conditions { .. } => Fate::Open, // one that failed is neither kept nor not kept
            Node::Latency { threshold_ms, upper_threshold_ms } => {
                latency(facts, *threshold_ms, *upper_threshold_ms)
            }
            Node::SpanCount { min, max } => {
                let spans = i64::from(facts.spans);
                match *max {
                    0 if spans >= i64::from(*min) => Fate::Keeps(0),
                    max if max != 0 && spans > i64::from(max) => Fate::KeepsNot,
                    _ => Fate::Open,
                }
            }
            Node::Probabilistic(probability) => {
                let threshold = probability.threshold;
                let hash = probability.keeps(&trace.trace_id);
                let explicit = facts.more.as_ref().and_then(|more| more.randomness);
                match self.tracestate {
                    false if hash => Fate::Keeps(threshold),
                    false => Fate::KeepsNot,
                    true if threshold == 0 && hash => Fate::Keeps(0),
                    true if threshold == NEVER && !hash => Fate::KeepsNot,
                    // Of several explicit values the least counts, so this one can only fall.
                    true if explicit.is_some() && randomness(trace) < threshold => Fate::KeepsNot,
                    true => Fate::Open,
                }
            }
            Node::Limiter(_) | Node::Dynamic { .. } => Fate::Open,
            Node::And(parts) | Node::Drop(parts) => self.all(parts, trace),
            Node::Not(part) => match self.fate(part, trace) {
                Fate::Keeps(_) => Fate::KeepsNot,
                Fate::KeepsNot => Fate::Keeps(0),
                Fate::Open => Fate::Open,
            },
            Node::Composite { parts, .. } => {
                let none = parts.iter().all(|part| self.fate(part, trace) == Fate::KeepsNot);
                if none { Fate::KeepsNot } else { Fate::Open }
            }
        }
    }

    fn all(&self, parts: &[Node], trace: &Candidate<'_>) -> Fate {
        let mut all = Fate::Keeps(0);
        for part in parts {
            all = match (all, self.fate(part, trace)) {
                (_, Fate::KeepsNot) => return Fate::KeepsNot,
                (Fate::Keeps(a), Fate::Keeps(b)) => Fate::Keeps(a.max(b)),
                _ => Fate::Open,
            };
        }
        all
    }
}

/// The window only widens.
fn latency(facts: &Facts, threshold_ms: i64, upper_threshold_ms: i64) -> Fate {
    let Some(millis) = facts.duration_nanos().map(|nanos| nanos / 1_000_000) else {
        return Fate::Open;
    };
    match upper_threshold_ms {
        0 if millis > threshold_ms => Fate::Keeps(0),
        0 => Fate::Open,
        upper if millis > upper => Fate::KeepsNot,
        _ => Fate::Open,
    }
}

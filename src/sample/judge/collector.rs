//! `compat: collector`: the order in which the Collector asks, and what it makes of the answers.

use super::bucket::{Item, choose};
use super::court::{Ballot, randomness};
use super::node::Node;
use super::{Candidate, Outcome, Policies, Tally, Verdict, Vote};
use crate::sample::Moment;
use crate::sample::facts::Facts;

impl Policies {
    /// All due traces meet the drop policies; then, one by one, those not dropped meet the others.
    pub(super) fn judge_as_collector(&mut self, now: Moment, due: &[Candidate<'_>]) -> Vec<Verdict> {
        let mut tallies: Vec<Tally> = due.iter().map(|_| Tally::new(self.nodes.len())).collect();
        for (trace, tally) in due.iter().zip(&mut tallies) {
            self.hear_drops(now, trace, tally);
        }
        if self.tracestate {
            let open: Vec<usize> = (0..due.len()).filter(|at| !tallies[*at].dropped).collect();
            self.cut_batches(now, due, &open);
        }
        for (trace, tally) in due.iter().zip(&mut tallies).filter(|(_, tally)| !tally.dropped) {
            self.hear_others(now, trace, tally, self.first_match);
        }
        tallies.into_iter().map(|tally| tally.verdict(self.advertises)).collect()
    }

    fn hear_drops(&mut self, now: Moment, trace: &Candidate<'_>, tally: &mut Tally) {
        let (nodes, mut court) = self.court(now);
        for (at, node) in nodes.iter().enumerate().filter(|(_, node)| node.is_drop()) {
            tally.add(at, court.hear(node, trace));
            if tally.dropped {
                return;
            }
        }
    }

    fn hear_others(&mut self, now: Moment, trace: &Candidate<'_>, tally: &mut Tally, first_match: bool) {
        let (nodes, mut court) = self.court(now);
        for (at, node) in nodes.iter().enumerate().filter(|(_, node)| !node.is_drop()) {
            tally.add(at, court.hear(node, trace));
            if first_match && tally.kept {
                return;
            }
        }
    }

    /// With `tracestate`, limiters at the top level and inside `and` judge a batch by a common threshold.
    fn cut_batches(&mut self, now: Moment, due: &[Candidate<'_>], open: &[usize]) {
        let (nodes, mut court) = self.court(now);
        for node in nodes {
            let parts = match node {
                Node::Limiter(_) => std::slice::from_ref(node),
                Node::And(parts) => parts,
                _ => continue,
            };
            for part in parts {
                let Node::Limiter(bucket) = part else {
                    continue;
                };
                let mut items: Vec<Item> = Vec::new();
                for at in open {
                    let mut others = parts.iter().filter(|part| !matches!(part, Node::Limiter(_)));
                    if others.all(|other| court.hear(other, &due[*at]).is_kept()) {
                        items.push(Item { index: *at, randomness: randomness(&due[*at]) });
                    }
                }
                items.sort_by_key(|item| std::cmp::Reverse(item.randomness));
                let buckets = &mut court.states.buckets;
                let cut = choose(buckets, &[*bucket], now, true, due, &mut items);
                buckets[*bucket].cut = Some(cut);
            }
        }
    }

    /// `span-ingest`: the arriving portion alone, but for the number of spans. While a drop policy has not matched, a
    /// vote to keep waits, for good.
    pub(super) fn ingest_as_collector(
        &mut self,
        now: Moment,
        trace: Candidate<'_>,
        portion: &Facts,
    ) -> Option<Verdict> {
        let facts = Facts { spans: trace.facts.spans, ..portion.clone() };
        let trace = Candidate { facts: &facts, ..trace };
        let mut tally = Tally::new(self.nodes.len());
        self.hear_drops(now, &trace, &mut tally);
        if !tally.dropped {
            self.hear_others(now, &trace, &mut tally, true); // the first vote to keep acts at once
            if !tally.kept || self.nodes.iter().any(Node::is_drop) {
                return None;
            }
        }
        Some(tally.verdict(self.advertises))
    }
}

impl Tally {
    pub(super) fn new(policies: usize) -> Self {
        Self {
            votes: std::iter::repeat_n(Vote::NotAsked, policies).collect(),
            dropped: false,
            kept: false,
            policy: None,
            composite: None,
            threshold: u64::MAX,
        }
    }

    /// Counts the ballot of the policy at this place.
    pub(super) fn add(&mut self, at: usize, ballot: Ballot) {
        self.votes[at] = ballot.vote;
        let at = at as u16;
        match ballot.vote {
            Vote::Dropped => {
                self.dropped = true;
                self.policy = Some(at);
            }
            Vote::Sampled => {
                self.kept = true;
                self.policy = self.policy.or(Some(at));
                self.composite = self.composite.or(ballot.part.map(|part| (at, part)));
                self.threshold = self.threshold.min(ballot.threshold);
            }
            Vote::NotSampled | Vote::Failed | Vote::NotAsked => {}
        }
    }

    pub(super) fn verdict(self, advertises: bool) -> Verdict {
        let outcome = match (self.dropped, self.kept) {
            (true, _) => Outcome::Dropped,
            (_, true) => Outcome::Sampled,
            _ => Outcome::NotSampled,
        };
        Verdict {
            outcome,
            policy: self.policy,
            composite: self.composite.filter(|_| outcome == Outcome::Sampled),
            threshold: (advertises && outcome == Outcome::Sampled).then_some(self.threshold),
            votes: self.votes,
        }
    }
}

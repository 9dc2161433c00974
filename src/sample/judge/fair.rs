//! Ours: verdicts that depend neither on the order of policies nor on that of traces, and limits that are charged only
//! for traces nobody else keeps.

use smallvec::SmallVec;

use super::bucket::{Item, choose};
use super::court::{Ballot, Court, randomness};
use super::node::Node;
use super::{Candidate, Policies, Tally, Verdict};
use crate::sample::Moment;

impl Policies {
    /// What needs no state is asked first, the drop policies before all; those with state then share what is left, in
    /// an order of their own, each taking traces by falling randomness.
    pub(super) fn judge_fairly(&mut self, now: Moment, due: &[Candidate<'_>]) -> Vec<Verdict> {
        let mut tallies: Vec<Tally> = due.iter().map(|_| Tally::new(self.nodes.len())).collect();
        for (trace, tally) in due.iter().zip(&mut tallies) {
            self.hear_stateless(now, trace, tally, true);
        }
        let items = if self.stateful.is_empty() { Vec::new() } else { by_randomness(due) };
        self.ask_stateful(now, due, &items, &mut tallies, true);
        for (trace, tally) in due.iter().zip(&mut tallies).filter(|(_, tally)| !tally.dropped) {
            self.hear_stateless(now, trace, tally, false);
        }
        self.ask_stateful(now, due, &items, &mut tallies, false);
        tallies.into_iter().map(|tally| tally.verdict(self.advertises)).collect()
    }

    fn hear_stateless(&mut self, now: Moment, trace: &Candidate<'_>, tally: &mut Tally, drops: bool) {
        let first_match = self.first_match;
        let (nodes, mut court) = self.court(now);
        for (at, node) in nodes.iter().enumerate() {
            if node.is_drop() != drops || node.has_state() {
                continue;
            }
            tally.add(at, court.hear(node, trace));
            if tally.dropped || (first_match && tally.kept) {
                return;
            }
        }
    }

    fn ask_stateful(
        &mut self,
        now: Moment,
        due: &[Candidate<'_>],
        items: &[Item],
        tallies: &mut [Tally],
        drops: bool,
    ) {
        for place in 0..self.stateful.len() {
            let at = self.stateful[place];
            if self.nodes[at].is_drop() != drops {
                continue;
            }
            let open = |item: &&Item| !tallies[item.index].dropped && !tallies[item.index].kept;
            let open: Vec<Item> = items.iter().filter(open).copied().collect();
            let (nodes, mut court) = self.court(now);
            for item in &open {
                tallies[item.index].add(at, Ballot::NOT_KEPT);
            }
            for (item, ballot) in court.ask(&nodes[at], due, open) {
                tallies[item.index].add(at, ballot);
            }
        }
    }

    /// `span-ingest`: what is known of the trace in all.
    pub(super) fn ingest_fairly(&mut self, now: Moment, trace: Candidate<'_>) -> Option<Verdict> {
        let verdict = self.judge_fairly(now, &[trace]).pop()?;
        (verdict.outcome != super::Outcome::NotSampled).then_some(verdict)
    }
}

fn by_randomness(due: &[Candidate<'_>]) -> Vec<Item> {
    let item = |(index, trace): (usize, &Candidate<'_>)| Item { index, randomness: randomness(trace) };
    let mut items: Vec<Item> = due.iter().enumerate().map(item).collect();
    items.sort_unstable_by_key(|item| {
        (std::cmp::Reverse(item.randomness), due[item.index].trace_id, item.index)
    });
    items
}

impl Court<'_> {
    /// Asks a policy about one trace.
    pub(super) fn ask_alone(&mut self, node: &Node, trace: &Candidate<'_>) -> Ballot {
        let item = Item { index: 0, randomness: randomness(trace) };
        let kept = self.ask(node, std::slice::from_ref(trace), vec![item]).pop();
        kept.map_or(Ballot::NOT_KEPT, |(_, ballot)| ballot)
    }

    /// Asks a policy about many traces, which come by falling randomness; gives those that it keeps (or drops).
    fn ask(&mut self, node: &Node, due: &[Candidate<'_>], items: Vec<Item>) -> Vec<(Item, Ballot)> {
        match node {
            Node::Limiter(_) | Node::Dynamic { .. } => self.ask_all(std::slice::from_ref(node), due, items),
            Node::And(parts) => self.ask_all(parts, due, items),
            Node::Drop(parts) => {
                let mut dropped = self.ask_all(parts, due, items);
                for (_, ballot) in &mut dropped {
                    *ballot = Ballot { vote: super::Vote::Dropped, ..Ballot::NOT_KEPT };
                }
                dropped
            }
            Node::Not(part) => {
                let mut kept: Vec<usize> =
                    self.ask(part, due, items.clone()).into_iter().map(|(item, _)| item.index).collect();
                kept.sort_unstable();
                let others = items.into_iter().filter(|item| kept.binary_search(&item.index).is_err());
                others.map(|item| (item, Ballot::kept(0))).collect()
            }
            _ => {
                let mut heard = items.into_iter().map(|item| (item, self.hear(node, &due[item.index])));
                heard.by_ref().filter(|(_, ballot)| ballot.is_kept()).collect()
            }
        }
    }

    /// All of them: first those that need no state, then those that can only be asked, then dynamic samplers, then all
    /// limiters together, so that none is charged for what another rejects.
    fn ask_all(&mut self, parts: &[Node], due: &[Candidate<'_>], items: Vec<Item>) -> Vec<(Item, Ballot)> {
        let mut kept: Vec<(Item, Ballot)> = items.into_iter().map(|item| (item, Ballot::kept(0))).collect();
        for part in parts.iter().filter(|part| !part.has_state()) {
            kept.retain_mut(|(item, ballot)| ballot.join(self.hear(part, &due[item.index])));
        }
        for part in parts.iter().filter(|part| matches!(part, Node::Not(_) | Node::Composite { .. })) {
            if part.has_state() {
                let asked = self.ask(part, due, kept.iter().map(|(item, _)| *item).collect());
                kept = joined(kept, asked);
            }
        }
        for part in parts {
            if let Node::Dynamic { fields, use_trace_length, state } = part {
                let sampler = &mut self.states.samplers[*state];
                let keys: Vec<(u64, u32)> = kept
                    .iter()
                    .map(|(item, _)| due[item.index].facts)
                    .map(|facts| (sampler.key(fields, *use_trace_length, facts), facts.spans))
                    .collect();
                sampler.observe(self.now, &keys);
                let mut keys = keys.into_iter();
                kept.retain_mut(|(item, ballot)| {
                    let decided = keys.next().and_then(|(key, _)| sampler.decide(key, item.randomness));
                    ballot.join(decided.map_or(Ballot::NOT_KEPT, Ballot::kept))
                });
            }
        }
        let limiter = |part: &Node| if let Node::Limiter(at) = part { Some(*at) } else { None };
        let limiters: SmallVec<[usize; 2]> = parts.iter().filter_map(limiter).collect();
        if !limiters.is_empty() {
            let mut items: Vec<Item> = kept.iter().map(|(item, _)| *item).collect();
            let buckets = &mut self.states.buckets;
            let threshold = choose(buckets, &limiters, self.now, self.tracestate, due, &mut items);
            kept = joined(kept, items.into_iter().map(|item| (item, Ballot::kept(threshold))).collect());
        }
        kept
    }
}

/// Those of `kept` that are also in `asked`, a part of it in the same order; both must hold, so the stricter counts.
fn joined(kept: Vec<(Item, Ballot)>, asked: Vec<(Item, Ballot)>) -> Vec<(Item, Ballot)> {
    let mut asked = asked.into_iter().peekable();
    let mut both = Vec::with_capacity(asked.len());
    for (item, mut ballot) in kept {
        if let Some((_, other)) = asked.next_if(|(other, _)| other.index == item.index)
            && ballot.join(other)
        {
            both.push((item, ballot));
        }
    }
    both
}

impl Ballot {
    /// Both must keep; says whether both do.
    fn join(&mut self, other: Self) -> bool {
        self.threshold = self.threshold.max(other.threshold);
        other.is_kept()
    }
}

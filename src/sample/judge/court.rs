//! Asking a policy about one trace, at once, with the state there is.

use super::node::{Node, States};
use super::probability::randomness_of;
use super::{Candidate, Vote};
use crate::sample::Moment;

/// What a policy said of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ballot {
    pub(super) vote: Vote,
    /// Of a vote to keep: the threshold under which it would have been the same. Policies without have 0.
    pub(super) threshold: u64,
    /// The sub-policy of a composite that kept it.
    pub(super) part: Option<u16>,
}

impl Ballot {
    pub(super) fn kept(threshold: u64) -> Self {
        Self { vote: Vote::Sampled, threshold, part: None }
    }

    pub(super) const NOT_KEPT: Self = Self { vote: Vote::NotSampled, threshold: 0, part: None };

    fn of(kept: bool) -> Self {
        if kept { Self::kept(0) } else { Self::NOT_KEPT }
    }

    pub(super) fn is_kept(&self) -> bool {
        self.vote == Vote::Sampled
    }
}

/// The state of policies, at a moment.
pub(super) struct Court<'a> {
    pub(super) states: &'a mut States,
    pub(super) now: Moment,
    pub(super) compat: bool,
    pub(super) tracestate: bool,
}

impl Court<'_> {
    /// Asks one policy about one trace.
    pub(super) fn hear(&mut self, node: &Node, trace: &Candidate<'_>) -> Ballot {
        let facts = trace.facts;
        match node {
            Node::Always => Ballot::kept(0),
            Node::Fact { fact, invert } => Ballot::of(facts.has(*fact) != *invert),
            Node::Conditions { matched, .. } if facts.has(*matched) => Ballot::kept(0),
            Node::Conditions { failed, .. } if facts.has(*failed) => {
                Ballot { vote: Vote::Failed, ..Ballot::NOT_KEPT }
            }
            Node::Conditions { .. } => Ballot::NOT_KEPT,
            Node::Latency { threshold_ms, upper_threshold_ms } => {
                let millis = facts.duration_nanos().map(|nanos| nanos / 1_000_000);
                Ballot::of(millis.is_some_and(|millis| {
                    *threshold_ms < millis && (*upper_threshold_ms == 0 || millis <= *upper_threshold_ms)
                }))
            }
            Node::SpanCount { min, max } => {
                let spans = i64::from(facts.spans);
                Ballot::of(spans >= i64::from(*min) && (*max == 0 || spans <= i64::from(*max)))
            }
            Node::Probabilistic(probability) => {
                let has_ot = self.tracestate && facts.more.as_ref().is_some_and(|more| more.has_ot);
                let kept = match has_ot {
                    true => randomness(trace) >= probability.threshold,
                    false => probability.keeps(&trace.trace_id),
                };
                if kept { Ballot::kept(probability.threshold) } else { Ballot::NOT_KEPT }
            }
            Node::Limiter(at) => self.hear_limiter(*at, trace),
            Node::And(parts) => self.hear_all(parts, trace),
            Node::Drop(parts) => match self.hear_all(parts, trace) {
                ballot if ballot.is_kept() => Ballot { vote: Vote::Dropped, ..Ballot::NOT_KEPT },
                ballot => ballot,
            },
            Node::Not(part) => match self.hear(part, trace).vote {
                Vote::Sampled => Ballot::NOT_KEPT,
                Vote::NotSampled => Ballot::kept(0),
                vote => Ballot { vote, ..Ballot::NOT_KEPT },
            },
            Node::Composite { parts, state } => self.hear_composite(parts, *state, trace),
            Node::Dynamic { fields, use_trace_length, state } => {
                let sampler = &mut self.states.samplers[*state];
                let key = sampler.key(fields, *use_trace_length, facts);
                sampler.observe(self.now, &[(key, facts.spans)]);
                sampler.decide(key, randomness(trace)).map_or(Ballot::NOT_KEPT, Ballot::kept)
            }
        }
    }

    /// From left to right, until one does not keep it.
    fn hear_all(&mut self, parts: &[Node], trace: &Candidate<'_>) -> Ballot {
        let mut threshold = 0;
        for part in parts {
            let ballot = self.hear(part, trace);
            if !ballot.is_kept() {
                return ballot;
            }
            threshold = ballot.threshold.max(threshold);
        }
        Ballot::kept(threshold)
    }

    fn hear_limiter(&mut self, at: usize, trace: &Candidate<'_>) -> Ballot {
        let bucket = &mut self.states.buckets[at];
        let cost = bucket.cost(trace.facts);
        match bucket.cut {
            None => Ballot::of(bucket.take(self.now, cost)),
            Some(cut) if bucket.holds(cost) && randomness(trace) >= cut => Ballot::kept(cut),
            Some(_) => Ballot::NOT_KEPT,
        }
    }

    /// The Collector's composite: the first sub-policy that would keep the trace decides, whether it has room or not.
    fn hear_composite(&mut self, parts: &[Node], state: usize, trace: &Candidate<'_>) -> Ballot {
        if !self.compat {
            return self.fill_composite(parts, state, trace);
        }
        self.states.composites[state].turn(self.now);
        for (at, part) in parts.iter().enumerate() {
            if self.hear(part, trace).is_kept() {
                let taken = self.states.composites[state].take_alone(at, i64::from(trace.facts.spans));
                return Ballot { part: taken.then_some(at as u16), ..Ballot::of(taken) };
            }
        }
        Ballot::NOT_KEPT
    }

    /// Ours: the first sub-policy, in `policy_order`, that would keep the trace and has room for it.
    fn fill_composite(&mut self, parts: &[Node], state: usize, trace: &Candidate<'_>) -> Ballot {
        let spans = i64::from(trace.facts.spans);
        self.states.composites[state].turn(self.now);
        for place in 0..parts.len() {
            let at = self.states.composites[state].order[place];
            let room = self.states.composites[state].has_room(at, spans);
            let ballot = match parts[at].has_state() {
                false => self.hear(&parts[at], trace),
                true if room => self.ask_alone(&parts[at], trace),
                true => continue, // it would be charged for a trace that it cannot keep
            };
            if !ballot.is_kept() {
                continue;
            }
            let composite = &mut self.states.composites[state];
            composite.want(at, spans);
            if room {
                composite.take(at, spans);
                return Ballot { part: Some(at as u16), ..ballot };
            }
        }
        Ballot::NOT_KEPT
    }
}

/// Explicit randomness, or that of the id.
pub(super) fn randomness(trace: &Candidate<'_>) -> u64 {
    let explicit = trace.facts.more.as_ref().and_then(|more| more.randomness);
    explicit.unwrap_or_else(|| randomness_of(&trace.trace_id))
}

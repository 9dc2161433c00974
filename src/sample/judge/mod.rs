//! Verdicts: policies with their state, asked about facts only.

mod bucket;
mod collector;
mod composite;
mod court;
mod dynamic;
mod fair;
mod node;
mod probability;
mod settled;
mod succeed;
#[cfg(test)]
mod tests;

use smallvec::SmallVec;

use self::court::Court;
use self::node::{Compiler, Node, States};
use super::facts::Facts;
use super::{Config, Moment, Rule};

/// The policies of one shard.
#[derive(Debug)]
pub struct Policies {
    nodes: Vec<Node>, // by policy
    states: States,
    stateful: Vec<usize>, // policies with state, in an order that does not depend on that of the configuration
    compat: bool,
    tracestate: bool,
    advertises: bool, // verdicts have a threshold; outside `compat` only where some policy has one
    first_match: bool,
}

/// A trace whose verdict is due.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// Its id.
    pub trace_id: [u8; 16],
    /// What is known of it.
    pub facts: &'a Facts,
}

/// What became of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Some policy kept it.
    Sampled,
    /// No policy did.
    NotSampled,
    /// A `drop` policy matched.
    Dropped,
}

/// What one policy said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vote {
    /// Keep.
    Sampled,
    /// Not for this reason.
    NotSampled,
    /// Veto.
    Dropped,
    /// It could not say.
    Failed,
    /// It was not asked: the verdict was clear before.
    NotAsked,
}

/// A verdict and how it came about.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Keep or not.
    pub outcome: Outcome,
    /// The policy that decided, by its place in `policies`: the first that sampled, or the drop policy.
    pub policy: Option<u16>,
    /// The sub-policy of a composite that voted Sampled (of the first such composite): (policy, sub-policy).
    pub composite: Option<(u16, u16)>,
    /// The threshold to write as `ot=th`, 56 bits, rejection threshold; `None` = write nothing.
    pub threshold: Option<u64>,
    /// By policy, in the order of `policies`.
    pub votes: SmallVec<[Vote; 8]>,
}

/// The votes on a trace while policies are asked.
struct Tally {
    votes: SmallVec<[Vote; 8]>,
    dropped: bool,
    kept: bool,
    policy: Option<u16>,
    composite: Option<(u16, u16)>,
    threshold: u64, // the least strict of those that keep it
}

impl Policies {
    /// The policies of one of `config.num_shards` shards, over whose number limits are divided.
    pub fn new(config: &Config) -> Self {
        let mut compiler = Compiler::new(config);
        let nodes: Vec<Node> = config.policies.iter().map(|policy| compiler.compile(policy)).collect();
        let mut stateful: Vec<usize> = (0..nodes.len()).filter(|at| nodes[*at].has_state()).collect();
        stateful.sort_by_cached_key(|at| format!("{:?}", config.policies[*at]));
        let mut consistent = false;
        for policy in &config.policies {
            policy.each(&mut |rule| {
                consistent |= matches!(
                    rule,
                    Rule::Probabilistic { .. }
                        | Rule::RateLimiting { .. }
                        | Rule::BytesLimiting { .. }
                        | Rule::Dynamic(_)
                );
            });
        }
        Self {
            nodes,
            states: compiler.states,
            stateful,
            compat: config.compat,
            tracestate: config.tracestate,
            advertises: config.tracestate && (consistent || config.compat),
            first_match: config.sample_on_first_match,
        }
    }

    /// Judges traces that are due at the same time. The answer has one verdict a candidate, in their order.
    pub fn judge(&mut self, now: Moment, due: &[Candidate<'_>]) -> Vec<Verdict> {
        if self.compat { self.judge_as_collector(now, due) } else { self.judge_fairly(now, due) }
    }

    /// The verdict of an open trace if no further span can change it (nor the policy that it is recorded under);
    /// never asks a policy with state.
    pub fn settled(&self, trace: Candidate<'_>) -> Option<Verdict> {
        if self.compat { None } else { self.settled_fairly(trace) }
    }

    /// `span-ingest`: the verdict after a portion, if there is one. In `compat` the Collector's rule: only the
    /// `portion` counts (but for the number of spans, `trace.spans`). Otherwise `trace`, what is known in all.
    pub fn ingest(&mut self, now: Moment, trace: Candidate<'_>, portion: &Facts) -> Option<Verdict> {
        if self.compat {
            self.ingest_as_collector(now, trace, portion)
        } else {
            self.ingest_fairly(now, trace)
        }
    }

    /// The policies, and their state at a moment.
    fn court(&mut self, now: Moment) -> (&[Node], Court<'_>) {
        let Self { nodes, states, compat, tracestate, .. } = self;
        (nodes, Court { states, now, compat: *compat, tracestate: *tracestate })
    }
}

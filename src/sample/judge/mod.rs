//! Verdicts: policies with their state, asked about facts only.

use smallvec::SmallVec;

use super::facts::Facts;
use super::{Config, Moment};

/// The policies of one shard.
#[derive(Debug)]
pub struct Policies {}

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

impl Policies {
    /// The policies of one of `config.num_shards` shards, over whose number limits are divided.
    pub fn new(_config: &Config) -> Self {
        Self {}
    }

    /// Judges traces that are due at the same time. The answer has one verdict a candidate, in their order.
    pub fn judge(&mut self, _now: Moment, _due: &[Candidate<'_>]) -> Vec<Verdict> {
        Vec::new()
    }

    /// The verdict of an open trace if no further span can change it (nor the policy that it is recorded under);
    /// never asks a policy with state.
    pub fn settled(&self, _trace: Candidate<'_>) -> Option<Verdict> {
        None
    }

    /// `span-ingest`: the verdict after a portion, if there is one. In `compat` the Collector's rule: only the
    /// `portion` counts (but for the number of spans, `trace.spans`). Otherwise `trace`, what is known in all.
    pub fn ingest(&self, _trace: Candidate<'_>, _portion: &Facts) -> Option<Verdict> {
        None
    }
}

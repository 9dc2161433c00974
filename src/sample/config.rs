//! What the `tail_sampling` processor can be told.

use std::time::Duration;

use super::rule::Policy;

/// `tail_sampling`, with the Collector's keys and defaults, and ours.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// `policies`, in order. None samples nothing.
    pub policies: Vec<Policy>,
    /// `sampling_strategy`.
    pub strategy: Strategy,
    /// `decision_wait`, 30 s: from a trace's first span to its verdict.
    pub decision_wait: Duration,
    /// `decision_wait_after_root_received`, 0 = off: a trace whose root has come is judged after this, if that is sooner.
    pub decision_wait_after_root: Duration,
    /// `num_traces`, 50,000: traces held at once, all shards together.
    pub num_traces: u64,
    /// `block_on_overflow`: refuse new traces instead of making room.
    pub block_on_overflow: bool,
    /// `decision_cache`.
    pub decision_cache: DecisionCache,
    /// `sample_on_first_match`: the first policy that samples ends the vote.
    pub sample_on_first_match: bool,
    /// `drop_pending_traces_on_shutdown`.
    pub drop_pending_on_shutdown: bool,
    /// `maximum_trace_size_bytes`; `None` = no limit.
    pub maximum_trace_size_bytes: Option<u64>,
    /// `num_shards`, 1 to 256; limits are divided among them.
    pub num_shards: u32,
    /// `compat: collector`: the Collector's verdicts, quirks included.
    pub compat: bool,
    /// `record_policy` (ours; the Collector's gate `recordpolicy`): scopes of kept traces name the policy.
    pub record_policy: bool,
    /// `tracestate` (ours; the Collector's gate `usetracestate`): kept spans carry `ot=th`. Default: on, off under `compat`.
    pub tracestate: bool,
    /// `early_verdicts`.
    pub early: Early,
    /// `second_chance`: a late error reverses a "not sampled" while the trace's bytes are still in the journal.
    pub second_chance: bool,
    /// `maximum_spans_per_trace` (ours), 100,000; more are judged at once, later ones follow. `None` = no limit.
    pub max_spans: Option<u64>,
    /// `when_full`: what happens when `num_traces` or the journal is full.
    pub when_full: WhenFull,
    /// `semconv` (ours): attributes of policies are also found under the other name that the semantic conventions have
    /// or had for them.
    pub semconv: bool,
    /// `explain_traces`, 20,000: verdicts whose votes are remembered for `/trace/{id}`, all shards together.
    pub explain_traces: u64,
}

/// `sampling_strategy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// `trace-complete`: judge at the deadline.
    TraceComplete,
    /// `span-ingest`: judge at each arrival; the deadline only ends the wait.
    SpanIngest,
}

/// `decision_cache`. `None` = not written: outside `compat` then ours, in `compat` none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DecisionCache {
    /// `sampled_cache_size`: kept trace ids remembered, all shards together.
    pub sampled: Option<u64>,
    /// `non_sampled_cache_size`: likewise of those not kept.
    pub not_sampled: Option<u64>,
}

/// `early_verdicts`: which verdicts are taken as soon as they cannot change any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Early {
    /// `all`: kept ones too; a trace then leaves as its spans come.
    All,
    /// `not_kept`: only those that end a trace, so that kept ones leave whole.
    NotKept,
    /// `off`: every verdict at its deadline.
    Off,
}

/// `when_full`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// `refuse`: senders are asked to come back.
    Refuse,
    /// `decide_oldest`: the oldest traces are judged early.
    DecideOldest,
    /// `decide_largest`: the largest of the oldest traces are judged early.
    DecideLargest,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            policies: Vec::new(),
            strategy: Strategy::TraceComplete,
            decision_wait: Duration::from_secs(30),
            decision_wait_after_root: Duration::ZERO,
            num_traces: 50_000,
            block_on_overflow: false,
            decision_cache: DecisionCache::default(),
            sample_on_first_match: false,
            drop_pending_on_shutdown: false,
            maximum_trace_size_bytes: None,
            num_shards: 1,
            compat: false,
            record_policy: false,
            tracestate: true,
            early: Early::All,
            second_chance: false,
            max_spans: Some(100_000),
            when_full: WhenFull::DecideOldest,
            semconv: false,
            explain_traces: 20_000,
        }
    }
}

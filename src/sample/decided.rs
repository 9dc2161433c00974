//! A verdict once it is taken, and what triggered it.

use std::sync::Arc;

use super::chain::Place;
use super::facts::Facts;
use super::judge::{Outcome, Verdict};
use super::names::number_at;
use super::remember::Remembered;
use super::{Moment, Reason};

/// Why a verdict was taken when it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trigger {
    /// `decision_wait` was over.
    Deadline,
    /// `decision_wait_after_root_received` was over.
    Root,
    /// Nothing could change it any more.
    Early,
    /// The strategy is `span-ingest`, and a policy matched.
    Ingest,
    /// `maximum_spans_per_trace`.
    SpanLimit,
    /// `maximum_trace_size_bytes`.
    SizeLimit,
    /// `num_traces`.
    TracesLimit,
    /// The journal was full.
    JournalLimit,
    /// The process was ending.
    Shutdown,
    /// A late error reversed the first verdict.
    SecondChance,
}

impl Trigger {
    /// All triggers, for series and pages.
    pub const ALL: [Self; 10] = [
        Self::Deadline,
        Self::Root,
        Self::Early,
        Self::Ingest,
        Self::SpanLimit,
        Self::SizeLimit,
        Self::TracesLimit,
        Self::JournalLimit,
        Self::Shutdown,
        Self::SecondChance,
    ];

    /// The label value, and what a person is told.
    pub fn name(self) -> &'static str {
        match self {
            Self::Deadline => "deadline",
            Self::Root => "root",
            Self::Early => "early",
            Self::Ingest => "ingest",
            Self::SpanLimit => "limit_spans",
            Self::SizeLimit => "limit_size",
            Self::TracesLimit => "limit_traces",
            Self::JournalLimit => "limit_journal",
            Self::Shutdown => "shutdown",
            Self::SecondChance => "second_chance",
        }
    }
}

/// A verdict that has just been taken.
#[derive(Clone, Debug)]
pub struct Decided {
    /// Whose it is.
    pub trace_id: [u8; 16],
    /// What it is.
    pub verdict: Verdict,
    /// The numbers of the policies that took it, by place.
    pub policies: Arc<[u16]>,
    /// Why now.
    pub trigger: Trigger,
    /// When the first span came.
    pub first_seen: Moment,
    /// When it was due.
    pub deadline: Moment,
    /// When it was taken.
    pub at: Moment,
    /// What it was taken on.
    pub known: Known,
    /// Of a kept trace, where its portions lie, oldest first.
    pub places: Vec<Place>,
    /// Spans of the portion on which it was taken, if it was taken on one.
    pub portion_spans: u64,
    /// It is not kept, but its spans stay held for a second chance; their end is told later.
    pub retained: bool,
}

/// The facts that led to a verdict, as far as a person wants to know them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Spans that had come.
    pub spans: u64,
    /// Their encoded size, as far as some limit or policy asks for it.
    pub bytes: u64,
    /// Earliest start, nanoseconds since 1970; 0 = none.
    pub start_ns: u64,
    /// Latest end.
    pub end_ns: u64,
    /// The root had come.
    pub has_root: bool,
    /// A span with status ERROR had come.
    pub has_error: bool,
}

impl Known {
    pub(super) fn of(facts: &Facts) -> Self {
        Self {
            spans: u64::from(facts.spans),
            bytes: facts.bytes,
            start_ns: if facts.start_min == u64::MAX { 0 } else { facts.start_min },
            end_ns: facts.end_max,
            has_root: facts.has_root,
            has_error: facts.has_error,
        }
    }
}

impl Decided {
    /// What has to be remembered for late spans.
    pub fn remembered(&self) -> Remembered {
        let policy = number_at(&self.policies, self.verdict.policy);
        Remembered { policy, threshold: self.verdict.threshold }
    }

    /// Whether it was kept.
    pub fn is_kept(&self) -> bool {
        self.verdict.outcome == Outcome::Sampled
    }
}

/// What the shell has to do.
#[derive(Debug)]
pub enum Output {
    /// A verdict: keep what lies at its places, or let go of it.
    Verdict(Box<Decided>),
    /// Later spans of a kept trace: keep them too.
    Late(Late),
    /// Spans that came to be journaled and are not needed.
    Discard {
        /// How many.
        spans: u64,
        /// Why.
        reason: Reason,
    },
}

/// Spans of a trace that had been kept before.
#[derive(Clone, Copy, Debug)]
pub struct Late {
    /// Whose they are.
    pub trace_id: [u8; 16],
    /// The verdict.
    pub verdict: Remembered,
    /// The verdict came from the decision cache, not from the index.
    pub cached: bool,
    /// Where they lie.
    pub place: Place,
    /// How many.
    pub spans: u64,
}

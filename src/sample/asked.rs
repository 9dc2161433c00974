//! What the sampler can be asked: counts, sizes, what is known of a trace.

use std::time::Duration;

use super::decided::Known;
use super::explain::Explanation;
use super::index::Ticket;
use super::judge::Outcome;
use super::remember::Remembered;
use super::sampler::{Sampler, is_open};
use super::{Moment, Place, WhenFull};

/// Counts that the shell publishes; they only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Traces that were new.
    pub new_traces: u64,
    /// Spans that followed a verdict of the sampled memory.
    pub cached_sampled_spans: u64,
    /// Spans that followed a verdict of the other memory.
    pub cached_not_sampled_spans: u64,
    /// Traces that `num_traces` pushed out undecided (`compat`).
    pub dropped_too_early: u64,
    /// Traces over `maximum_trace_size_bytes`.
    pub too_large: u64,
}

/// How large the sampler is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Entries of the index: open traces, and decided ones that stay there.
    pub traces: usize,
    /// Remembered verdicts "sampled".
    pub sampled: usize,
    /// Remembered other verdicts.
    pub not_sampled: usize,
    /// Bytes of memory of index and memories.
    pub bytes: usize,
}

/// An age that the shell puts into a histogram.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Age {
    /// How long a trace was in the index.
    Removal(Duration),
    /// How long after a trace's first span a late one came.
    LateSpan(Duration),
}

impl Sampler {
    /// When the oldest open trace began.
    pub fn oldest_arrival(&self) -> Option<Moment> {
        let (ticket, _) = self.arrivals.front()?;
        self.index.get(*ticket).map(|entry| entry.first_seen)
    }

    /// Whether a full journal is answered by judging early rather than by refusing.
    pub fn makes_room(&self) -> bool {
        self.config.when_full != WhenFull::Refuse
    }

    /// How many verdicts of both kinds may be remembered.
    pub fn remembers(&self) -> u64 {
        self.sampled.capacity() + self.not_sampled.capacity()
    }

    /// A verdict of an earlier life of this process.
    pub fn remember(&mut self, trace_id: &[u8; 16], outcome: Outcome, verdict: Remembered) {
        match outcome {
            Outcome::Sampled => {
                self.not_sampled.forget(trace_id);
                self.sampled.put(trace_id, verdict);
            }
            Outcome::NotSampled | Outcome::Dropped => self.not_sampled.put(trace_id, verdict),
        }
    }

    /// Why a trace was kept or not, if that is not too long ago.
    pub fn explain(&self, trace_id: &[u8; 16]) -> Option<&Explanation> {
        self.explanations.get(trace_id)
    }

    /// What is remembered of a verdict when its explanation has gone.
    pub fn remembered(&self, trace_id: &[u8; 16]) -> Option<(Outcome, Remembered)> {
        let sampled = self.sampled.peek(trace_id).map(|known| (Outcome::Sampled, known));
        sampled.or_else(|| self.not_sampled.peek(trace_id).map(|known| (Outcome::NotSampled, known)))
    }

    /// What is known of an open trace: first seen, due, facts.
    pub fn open(&self, trace_id: &[u8; 16]) -> Option<(Moment, Moment, Known)> {
        let entry = self.index.get(self.index.find(trace_id)?)?;
        is_open(entry.state)
            .then(|| (entry.first_seen, self.waits.deadline(entry).0, Known::of(&entry.facts)))
    }

    /// What portions have to be read by.
    pub fn plan(&self) -> &std::sync::Arc<super::facts::Plan> {
        &self.plan
    }

    /// The names that policies have had, by their number.
    pub fn names(&self) -> &[std::sync::Arc<str>] {
        self.names.all()
    }

    /// Counts so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// How large it is now.
    pub fn size(&self) -> Size {
        let queues = self.arrivals.capacity() * size_of::<(Ticket, Place)>();
        Size {
            traces: self.index.len(),
            sampled: self.sampled.len(),
            not_sampled: self.not_sampled.len(),
            bytes: self.index.bytes()
                + self.due.bytes()
                + queues
                + self.sampled.bytes()
                + self.not_sampled.bytes(),
        }
    }
}

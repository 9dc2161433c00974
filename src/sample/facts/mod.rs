//! Facts: what the policies need to know of a trace, gathered once per span on arrival from its encoded bytes.

mod compat_latency;
mod conditions;
mod keys;
mod plan;
mod predicate;
mod read;
mod size;
mod span;
#[cfg(test)]
mod tests;
mod value;

use std::sync::Arc;

use smallvec::SmallVec;

use crate::split::{Run, Source};

pub(super) use conditions::check as check_condition;
pub use plan::Plan;
pub(super) use plan::{check_patterns, fields_of};
pub(super) use predicate::Predicate;

/// What is known of a trace so far, or of one portion of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// One bit a yes-or-no fact of the plan: some span satisfies it.
    pub bits: u64,
    /// Earliest start, nanoseconds since 1970; `u64::MAX` when there is none yet.
    pub start_min: u64,
    /// Latest end; 0 when there is none yet.
    pub end_max: u64,
    /// Encoded size as `maximum_trace_size_bytes` counts it: the regrouped ResourceSpans messages.
    pub bytes: u64,
    /// Spans.
    pub spans: u32,
    /// ResourceSpans messages it would be regrouped into.
    pub resources: u32,
    /// What `bytes_limiting` counts beyond `bytes`: tag and length of each of these messages.
    pub envelope_bytes: u32,
    /// A span without a parent has come.
    pub has_root: bool,
    /// A span with status ERROR has come.
    pub has_error: bool,
    /// What does not fit above. Only with policies that ask.
    pub more: Option<Box<More>>,
}

/// Facts that few policies ask for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct More {
    /// Yes-or-no facts from the 65th on.
    words: Vec<u64>,
    /// `rv` of a trace state: the first in `compat`, otherwise the least, should a trace have several.
    pub(super) randomness: Option<u64>,
    /// A trace state has `rv` or `th`.
    pub(super) has_ot: bool,
    /// `compat`: start and end of each span of a portion, for the trace that absorbs it.
    times: Vec<(u64, u64)>,
    /// `compat`: the running window of the latency policies.
    window: (u64, u64),
    /// Distinct values of the dynamic samplers' fields, as (number of the field, fingerprint), ascending. Of each field
    /// the least [`VALUES_MAX`], which does not depend on the order they come in.
    pub(super) values: Vec<(u16, u64)>,
}

/// Distinct values kept of a field.
pub(super) const VALUES_MAX: usize = 100;

/// One trace's share of a request.
#[derive(Debug)]
pub struct Portion {
    /// As it travels; all zero is a trace like others.
    pub trace_id: [u8; 16],
    /// Its facts.
    pub facts: Facts,
    /// Where its spans lie in the request; tags included.
    pub runs: SmallVec<[Run; 2]>,
}

/// A request, divided by trace.
#[derive(Debug)]
pub struct Arrival {
    /// The request, with its resource and scope descriptions.
    pub source: Arc<Source>,
    /// In the order the traces were first met.
    pub portions: Vec<Portion>,
    /// Spans in all.
    pub spans: u64,
    /// Conditions that could not be evaluated, of policies that want to be told (`error_mode: ignore`).
    pub failures: Failures,
}

/// What could not be evaluated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failures {
    /// How many times.
    pub count: u64,
    /// The first: the condition and its error.
    pub first: Option<String>,
}

impl Default for Facts {
    fn default() -> Self {
        Self {
            bits: 0,
            start_min: u64::MAX,
            end_max: 0,
            bytes: 0,
            spans: 0,
            resources: 0,
            envelope_bytes: 0,
            has_root: false,
            has_error: false,
            more: None,
        }
    }
}

impl Facts {
    /// Whether the fact of this number is true.
    #[inline]
    pub(super) fn has(&self, fact: u16) -> bool {
        let (word, bit) = (usize::from(fact) / 64, fact % 64);
        let bits = match word.checked_sub(1) {
            None => self.bits,
            Some(beyond) => self.more.as_ref().and_then(|more| more.words.get(beyond).copied()).unwrap_or(0),
        };
        bits >> bit & 1 == 1
    }

    /// Makes the fact of this number true.
    #[inline]
    pub(super) fn set(&mut self, fact: u16) {
        self.join_word(usize::from(fact) / 64, 1 << (fact % 64));
    }

    /// Makes the fact of this number false.
    fn clear(&mut self, fact: u16) {
        let (word, bits) = (usize::from(fact) / 64, !(1u64 << (fact % 64)));
        match (word.checked_sub(1), &mut self.more) {
            (None, _) => self.bits &= bits,
            (Some(beyond), Some(more)) => {
                more.words.get_mut(beyond).into_iter().for_each(|word| *word &= bits)
            }
            (Some(_), None) => {}
        }
    }

    fn join_word(&mut self, word: usize, bits: u64) {
        match word.checked_sub(1) {
            None => self.bits |= bits,
            Some(_) if bits == 0 => {}
            Some(beyond) => {
                let words = &mut self.more_mut().words;
                if words.len() <= beyond {
                    words.resize(beyond + 1, 0);
                }
                words[beyond] |= bits;
            }
        }
    }

    fn words(&self) -> impl Iterator<Item = u64> {
        let beyond = self.more.as_ref().map_or(&[][..], |more| &more.words);
        std::iter::once(self.bits).chain(beyond.iter().copied())
    }

    /// Adds the yes-or-no facts of another.
    #[inline]
    fn join_bits(&mut self, other: &Self) {
        self.bits |= other.bits;
        if let Some(more) = &other.more {
            for (word, bits) in (1..).zip(&more.words) {
                self.join_word(word, *bits);
            }
        }
    }

    fn more_mut(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }

    /// Nanoseconds from the earliest start to the latest end; `None` when either is unknown.
    pub fn duration_nanos(&self) -> Option<i64> {
        let known = self.start_min != u64::MAX && self.end_max != 0;
        let nanos = i128::from(self.end_max) - i128::from(self.start_min);
        known.then(|| nanos.clamp(i64::MIN.into(), i64::MAX.into()) as i64)
    }
}

/// `end - start` as the Collector computes it: both are taken for signed, and the difference stops at the ends.
fn nanos_between(start: u64, end: u64) -> i64 {
    (end as i64).saturating_sub(start as i64)
}

impl More {
    /// Notes a value of a field.
    fn note(&mut self, field: u16, fingerprint: u64) {
        let Err(at) = self.values.binary_search(&(field, fingerprint)) else {
            return;
        };
        self.values.insert(at, (field, fingerprint));
        let first = self.values.partition_point(|(known, _)| *known < field);
        let end = self.values.partition_point(|(known, _)| *known <= field);
        if end - first > VALUES_MAX {
            self.values.remove(end - 1);
        }
    }
}

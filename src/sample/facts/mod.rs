//! Facts: what the policies need to know of a trace, gathered once per span on arrival from its encoded bytes.

use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::split::{Run, Source};
use crate::wire::Malformed;

use super::Config;

/// What has to be looked at, compiled from the policies. What no policy asks for costs nothing.
#[derive(Debug)]
pub struct Plan {}

/// What is known of a trace so far, or of one portion of it.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// One bit a yes-or-no fact of the plan: some span satisfies it.
    pub bits: u64,
    /// Earliest start, nanoseconds since 1970; `u64::MAX` when there is none yet.
    pub start_min: u64,
    /// Latest end.
    pub end_max: u64,
    /// Encoded size as `maximum_trace_size_bytes` counts it: the regrouped ResourceSpans messages.
    pub bytes: u64,
    /// Spans.
    pub spans: u32,
    /// ResourceSpans messages it would be regrouped into; each adds its tag and length to what `bytes_limiting` counts.
    pub resources: u32,
    /// A span without a parent has come.
    pub has_root: bool,
    /// A span with status ERROR has come.
    pub has_error: bool,
    /// What does not fit above: further bits, randomness, values of dynamic keys, times. Only with policies that ask.
    pub more: Option<Box<More>>,
}

/// Facts that few policies ask for.
#[derive(Clone, Debug, Default)]
pub struct More {}

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
}

impl Plan {
    /// What the policies of `config` need.
    pub fn new(_config: &Config) -> Self {
        Self {}
    }

    /// Divides an encoded export request by trace and gathers the facts of each portion.
    pub fn read(&self, _body: Bytes) -> Result<Arrival, Malformed> {
        Err(Malformed { at: 0, what: "" })
    }

    /// Adds a later portion to what is known of its trace.
    pub fn absorb(&self, _trace: &mut Facts, _portion: &Facts) {}
}

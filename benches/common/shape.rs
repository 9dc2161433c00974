//! What the requests of a load look like, and which span of which trace stands where: both ends compute it.

use serde::{Deserialize, Serialize};

use super::ids;

/// What a load looks like.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Shape {
    /// Spans in a request.
    pub spans: usize,
    /// Spans of a trace.
    pub per_trace: usize,
    /// Consecutive requests that a trace is spread over; the requests go to the connections as these are free.
    pub spread: usize,
    /// Start of all randomness.
    pub seed: u64,
    /// One trace in so many has an error; with 1, no span has a status at all.
    pub errors_one_in: u64,
    /// Bytes of an attribute that makes spans larger.
    pub padding: usize,
    /// Spans have a URL, and every second URL a password in it.
    pub urls: bool,
}

impl Shape {
    /// Traces in a window: `spread` requests, which hold whole traces.
    pub fn traces_per_window(&self) -> u64 {
        (self.spans * self.spread / self.per_trace).max(1) as u64
    }

    /// The number of the trace that the span at `index` of request `number` belongs to: within a request the spans of
    /// a trace stand apart.
    pub fn trace_of(&self, number: u64, index: u64) -> u64 {
        let traces = self.traces_per_window();
        number / self.spread as u64 * traces + index % traces
    }

    /// The request in which a trace's first span is.
    pub fn first_request(&self, trace: u64) -> u64 {
        trace / self.traces_per_window() * self.spread as u64
    }

    /// Whether a trace is one of those with an error. All are if no span has a status.
    pub fn has_error(&self, trace: u64) -> bool {
        ids::mix(trace ^ self.seed).is_multiple_of(self.errors_one_in.max(1))
    }

    /// The request that has the error of a trace that has one; nothing if no span has a status.
    pub fn error_request(&self, trace: u64) -> Option<u64> {
        (self.errors_one_in > 1).then(|| self.first_request(trace) + trace % self.spread as u64)
    }

    /// Whether the span at `index` of request `number` is its trace's error: one of its spans in that request, now an
    /// early one, now a late one.
    pub fn is_error(&self, number: u64, index: u64) -> bool {
        let (trace, traces) = (self.trace_of(number, index), self.traces_per_window());
        let there = (self.spans as u64 - index % traces).div_ceil(traces);
        self.has_error(trace)
            && self.error_request(trace) == Some(number)
            && index / traces == ids::mix(trace) % there
    }
}

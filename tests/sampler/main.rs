//! The sampler, end to end: the real binary between real senders and backends that are told how to behave.
//!
//! Every test ends with the conservation sum: nothing is held any more and every ledger closes.

#![allow(clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

mod backends;
mod batching;
mod embedded;
mod explain;
mod giant;
mod late;
mod limits;
mod moments;
mod pipelines;
mod policies;
mod series;

use opentelemetry_proto::tonic::trace::v1::Span;

use support::ledger::Scrape;
use support::load::{failing, span};

/// Span `n` of a trace, failing in every third trace.
fn mixed(trace: u64, n: u64) -> Span {
    match trace % 3 {
        0 => failing(span(trace, n)),
        _ => span(trace, n),
    }
}

/// Verdicts by the Collector's name, kept or not.
fn verdicts(scrape: &Scrape, sampled: &str) -> f64 {
    scrape.sum("otelcol_processor_tail_sampling_global_count_traces_sampled", &[("sampled", sampled)])
}

/// Spans that `tail_sampling` ended for a reason.
fn ended(scrape: &Scrape, reason: &str) -> u64 {
    scrape.reason("tail_sampling", reason)
}

//! `prometheus`: the last value of every metric, for servers that come and scrape.
//!
//! Owns: the last value of each series; the listener of `/metrics`.
//! Takes: encoded requests of metrics.
//! Gives: text 0.0.4, OpenMetrics 1.0 where it is on and asked for, protobuf where it is asked for.
//! Bounds: `max_series` and `max_series_bytes`, targets included; series leave after `metric_expiration` without an
//! update; one exposition is written at a time.
//! Loses: points that Prometheus has no form for or that are older than what is known: `type_conflict`,
//! `unsupported_temporality`, `invalid_name`, `out_of_order`, `series_full`, `malformed`. All counted.
//!
//! Exponential histograms are native histograms in protobuf, which has their classic buckets too. In text they have
//! those only: their bounds are powers of two, coarser, but the same in every series, and quantiles can be asked for.

mod any;
mod config;
mod exporter;
mod labels;
mod names;
mod negotiate;
mod page;
mod point;
mod protobuf;
mod read;
mod shown;
mod store;
mod text;
mod translate;

pub use config::{Prometheus, ResourceLabels, Translation};
pub use exporter::{PrometheusError, PrometheusExporter};

#[cfg(test)]
mod tests;

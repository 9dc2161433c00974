//! What ringtail says of itself: metrics, logs, health, the admin API.
//!
//! Owns: the registry of metrics; the listeners of `:8888`, health and admin.
//! Takes: counts from every stage, pages from the app.
//! Gives: Prometheus exposition, JSON pages, log lines.
//! Bounds: 64 connections per listener; 1 MiB a request.
//! Loses: nothing that was acknowledged; no spans travel here.

mod components;
mod config;
mod instruments;
mod ledger;
mod metrics;
mod process;
mod series;

pub use components::{
    BackendMetrics, ExporterMetrics, LoadBalancerMetrics, QueueMetrics, ReceiverMetrics, ServerLabels,
};
pub use config::{Admin, Encoding, HealthCheck, PrometheusReader, Telemetry};
pub use instruments::{Counter, FloatGauge, Gauge, Histogram, HistogramSnapshot};
pub use ledger::{Ledger, LedgerSnapshot};
pub use metrics::{CONTENT_TYPE, Registry};
pub use process::expose_process;
pub use series::SERIES_MAX;

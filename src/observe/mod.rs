//! What ringtail says of itself: metrics, logs, health, the admin API.
//!
//! Owns: the registry of metrics; the listeners of `:8888`, health and admin.
//! Takes: counts from every stage, pages from the app.
//! Gives: Prometheus exposition, the same as OTLP requests, JSON pages, log lines.
//! Bounds: 64 connections per listener; 1 MiB a request.
//! Loses: nothing that was acknowledged; no spans travel here.

mod admin;
mod batching;
mod components;
mod condition;
mod config;
mod exposition;
mod families;
mod health;
mod health_grpc;
mod health_v2;
mod held_bytes;
mod instruments;
mod ledger;
mod log_outputs;
mod logs;
mod memory;
mod metrics;
mod names;
mod otlp;
mod page;
mod process;
mod processing;
mod prometheus;
mod reloads;
mod sampling;
mod series;
mod serve;
mod views;

pub use admin::{Pages, admin_server};
pub use batching::BatchMetrics;
pub use components::{
    BackendMetrics, ExporterMetrics, LoadBalancerMetrics, QueueMetrics, ReceiverMetrics, ServerLabels,
};
pub use condition::{ComponentHealth, Condition, Status};
pub use config::{
    Admin, Encoding, HealthCheck, Names, PrometheusReader, Resource, Telemetry, View, ViewKind,
};
pub use families::{Family, Kind, Number, Point};
pub use health::{health_pages, timestamp};
pub use health_grpc::GrpcHealth;
pub use health_v2::{HealthPaths, status_pages};
pub use held_bytes::{HeldBytes, Weight};
pub use instruments::{Counter, FloatGauge, Gauge, Histogram, HistogramSnapshot};
pub use ledger::{Ledger, LedgerSnapshot};
pub use log_outputs::LogOutput;
pub use logs::{LogError, LogHandle, init as init_logs, subscriber};
pub use memory::available_memory;
pub use metrics::{CONTENT_TYPE, Registry};
pub use otlp::{Push, Pushes, Temporality};
pub use page::{Answers, Asked, Page};
pub use process::{expose_process, memory_in_use};
pub use processing::{
    MemoryLimiterMetrics, MemoryLimiterState, ProcessorMetrics, expose_memory_limiter, filtered, sampled,
};
pub use prometheus::metrics_server;
pub use reloads::ConfigMetrics;
pub use sampling::{Decision, JournalMetrics, SamplerMetrics, SamplerOwn, SamplerSeries};
pub use series::SERIES_MAX;
pub use serve::{Address, BindError, Gate, Handshake, Listening, Manner, Server, Stream};

//! What ringtail says of itself: metrics, logs, health, the admin API.
//!
//! Owns: the registry of metrics; the listeners of `:8888`, health and admin.
//! Takes: counts from every stage, pages from the app.
//! Gives: Prometheus exposition, JSON pages, log lines.
//! Bounds: 64 connections per listener; 1 MiB a request.
//! Loses: nothing that was acknowledged; no spans travel here.

mod config;

pub use config::{Admin, Encoding, HealthCheck, PrometheusReader, Telemetry};

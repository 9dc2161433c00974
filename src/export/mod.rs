//! Where a line ends: what leaves for people and for backends that are not owners of traces.
//!
//! Owns: one writer per `debug` and `file` exporter; the last value of each series of a `prometheus` exporter;
//! connections and queue of each OTLP exporter.
//! Takes: whole OTLP requests.
//! Gives: lines on standard output, records in files, expositions to scrapers, calls to backends.
//! Bounds: sampling of messages per second, 256 requests that wait to be written; `sending_queue` and 256 MiB;
//! `max_series`.
//! Loses: what a sending queue promised and could not send, and what Prometheus or a file has no place for, by name.
//! What sampling leaves unshown, and all that `nop` takes, counts as exported.

mod config;
pub mod debug;
mod file;
mod front;
mod otlp;
mod prometheus;
mod shown;

pub use config::{Debug, HttpTarget, Otlp, QueueBatch, SendingQueue, Sizer, Verbosity};
pub use file::{File, FileExporter, FileFormat, GroupBy, Rotation};
pub use front::{Front, FrontError};
pub use otlp::{OtlpError, OtlpExporter, Parts};
pub use prometheus::{Prometheus, PrometheusError, PrometheusExporter, ResourceLabels, Translation};
pub use shown::{DebugExporter, NopExporter};

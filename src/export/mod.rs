//! Where a line ends: what leaves for people and for backends that are not owners of traces.
//!
//! Owns: one writer per `debug` exporter; connections and queue of each OTLP exporter.
//! Takes: whole OTLP requests.
//! Gives: lines on standard output, calls to backends.
//! Bounds: sampling of messages per second, 256 requests that wait to be written; `sending_queue` and 256 MiB.
//! Loses: what a sending queue promised and could not send, by name. What sampling leaves unshown, and all that `nop`
//! takes, counts as exported.

mod config;
pub mod debug;
mod otlp;
mod shown;

pub use config::{Debug, HttpTarget, Otlp, QueueBatch, SendingQueue, Sizer, Verbosity};
pub use otlp::{OtlpError, OtlpExporter, Parts};
pub use shown::{DebugExporter, NopExporter};

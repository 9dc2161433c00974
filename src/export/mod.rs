//! Where a line ends: what leaves for people and for backends that are not owners of traces.
//!
//! Owns: one writer per exporter.
//! Takes: whole OTLP requests.
//! Gives: lines on standard output.
//! Bounds: sampling of messages per second; 256 requests wait to be written.
//! Loses: nothing; what sampling leaves unshown, and all that `nop` takes, counts as exported too.

mod config;
pub mod debug;
mod shown;

pub use config::{Debug, HttpTarget, Otlp, QueueBatch, SendingQueue, Sizer, Verbosity};
pub use shown::{DebugExporter, NopExporter};

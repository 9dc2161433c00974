//! `otlp_grpc` and `otlp_http`: whole requests to an OTLP backend.
//!
//! Owns: connections to the backend, on each worker; what waits for it.
//! Takes: encoded requests.
//! Gives: calls, tried again by the Collector's formula; one outcome per request.
//! Bounds: `queue_size` places and 256 MiB, retries included; `num_consumers` calls in flight. A queue on disk has
//! `journal.max_size`, and `queue_size` is what is in memory of it; with `storage`, `queue_size` bounds the disk too.
//! Loses: nothing that waits for its result; what was answered from the queue and then could not be sent:
//! `retry_exhausted`, `backend_refused`, `shutdown`; on disk only what is `backend_refused` or `corrupt`. Where another
//! exporter has the request, also what finds the queue full: `queue_full`. What a backend rejects is `backend_rejected`.
//! All counted.

mod backends;
mod bound;
mod consumer;
mod durable;
mod exporter;
mod feeder;
mod pause;
mod queue;
mod reach;
mod reconfigure;
mod room;

pub use exporter::{OtlpError, OtlpExporter, Parts};

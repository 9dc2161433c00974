//! `file`: requests as records in files, one after the other.
//!
//! Owns: the files, and the thread that writes them.
//! Takes: encoded requests.
//! Gives: lines of OTLP JSON, or records with their length in four bytes before them, as the Collector writes.
//! Bounds: 64 requests that wait to be written; then senders wait. `max_open_files` with `group_by`.
//! Loses: nothing that was answered: the answer comes when the system has the bytes, so `flush_interval` has nothing
//! to do. A full disk is a refusal that passes, and what was written of the record is taken back. Resources without
//! the attribute of `group_by` are dropped: `no_destination`.

mod config;
mod exporter;
mod files;
mod group;
mod output;
mod record;
mod rotate;

pub use config::{File, FileFormat, GroupBy, Rotation};
pub use exporter::FileExporter;

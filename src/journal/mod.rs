//! Append-only segments: what must survive the process, or only the memory.
//!
//! Owns: the files of one directory, or anonymous memory; who may use the directory.
//! Takes: records.
//! Gives: positions to read them by; after a restart, the records again.
//! Bounds: `max_size`; one segment more while the oldest is recycled.
//! Loses: a torn or corrupt record, itself only, counted; what was not committed, which nobody was promised.

mod config;

pub use config::{Compression, Config, Sync};

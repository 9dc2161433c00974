//! Requests into export-sized batches, by items, bytes and age.
//!
//! Owns: what has gathered for the next batch.
//! Takes: encoded requests and time.
//! Gives: batches, and which requests each holds.
//! Bounds: `send_batch_size`, `send_batch_max_size`, `timeout`; what waits is in the caller's hands.
//! Loses: nothing.

mod config;

pub use config::Config;

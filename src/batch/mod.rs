//! Requests into export-sized batches, by items, bytes and age.
//!
//! Owns: what has gathered for the next batch, by the values of `metadata_keys`.
//! Takes: encoded requests and time.
//! Gives: batches, and which requests, or pieces of them, each holds.
//! Bounds: `send_batch_size`, `send_batch_max_size`, `max_bytes`, `timeout`, `metadata_cardinality_limit`.
//! Loses: nothing; a request of one key too many goes back.

mod batcher;
mod config;
mod divide;
mod part;

pub use batcher::{Batch, Batcher, Limits, TooManyKeys, Why};
pub use config::Config;
pub use part::{Part, joined};

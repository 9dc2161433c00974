//! Another configuration for a running process: the real binary between real senders and backends.
//!
//! What did not change goes on as if nothing had happened, what changed is in force for what comes next, and whatever
//! cannot be put in force changes nothing.

#![allow(clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

mod config;
mod line;
mod load;
mod pages;
mod refusals;
mod triggers;

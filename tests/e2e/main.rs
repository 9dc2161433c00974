//! End to end: the real binary between real senders and backends that are told how to behave.
//!
//! Every test ends with the conservation sum: nothing is held any more and every ledger closes.

#![allow(clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

mod bad_bytes;
mod chaos;
mod connections;
mod encrypted;
mod ending;
mod holding;
mod http_forms;
mod identity;
mod members;
mod pages;
mod queueing;
mod refusals;
mod returns;
mod routing;
mod signals;
mod tiers;

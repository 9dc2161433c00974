//! Parts that change while they run: what is open stays open, what waits arrives, and what cannot be changes nothing.

#![allow(clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

mod balancer;
mod otlp;
mod prometheus;
mod receiver;

//! A sampler that is killed, stopped and damaged: what it acknowledged is exported, held, or dropped by name.

#![allow(clippy::unwrap_used)]

#[path = "support/mod.rs"]
mod support;

#[path = "crash/damage.rs"]
mod damage;
#[path = "crash/disk.rs"]
mod disk;
#[path = "crash/restarts.rs"]
mod restarts;
#[path = "crash/rounds.rs"]
mod rounds;
#[path = "crash/traffic.rs"]
mod traffic;

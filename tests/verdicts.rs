//! The verdicts of ringtail's sampler under `compat: collector`, beside a real collector's: the same odd traces through the
//! same policies, compared trace by trace.
//!
//! Runs where `RINGTAIL_OTELCOL` names a collector, which `tests/collector/install` builds. What is known of its verdicts
//! is held against ringtail everywhere.

#![allow(clippy::unwrap_used)]

mod peers;

#[path = "verdicts/corpus.rs"]
mod corpus;
#[path = "verdicts/differences.rs"]
mod differences;
#[path = "verdicts/limited.rs"]
mod limited;
#[path = "verdicts/pools.rs"]
mod pools;
#[path = "verdicts/program.rs"]
mod program;
#[path = "verdicts/report.rs"]
mod report;
#[path = "verdicts/rules.rs"]
mod rules;
#[path = "verdicts/sequences.rs"]
mod sequences;
#[path = "verdicts/sets.rs"]
mod sets;
#[path = "verdicts/sink.rs"]
mod sink;
#[path = "verdicts/sizes.rs"]
mod sizes;
#[path = "verdicts/spoken.rs"]
mod spoken;
#[path = "verdicts/vectors.rs"]
mod vectors;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// One test at a time: each keeps the machine busy, and each waits for decisions in seconds.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

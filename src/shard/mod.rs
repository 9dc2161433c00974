//! The `tail_sampling` processor: one task owns one sampler and its journal; there are no locks.
//!
//! Owns: the tasks; open traces and what was kept until it has left.
//! Takes: encoded requests of spans.
//! Gives: kept traces to the next stage, merged; an answer to each request once its spans are in the journal.
//! Bounds: what waits for a shard in requests and bytes; the journal; the index; what is on its way out.
//! Loses: what the policies do not keep, named (`not_sampled`, `policy_dropped`, `late_not_sampled`, …), copies of the
//! same span (`duplicate`), what a disk does not give back (`corrupt`), and what the next stage refuses for good.

mod assemble;
mod carry;
mod clock;
mod open;
mod outbox;
mod piece;
mod processor;
mod reconfigure;
mod record;
mod recover;
mod reread;
mod run;
mod state;
mod tell;
mod turn;
mod verdict_log;
mod window;

pub use open::{deserted, folder_of};
pub use processor::{Parts, TailSampling};

#[cfg(test)]
mod change_tests;
#[cfg(test)]
mod change_world;
#[cfg(test)]
mod end_tests;
#[cfg(test)]
mod live_tests;
#[cfg(test)]
mod tests;

//! Judges traces: what is known of each, when its verdict is due, what the policies say, what was said before.
//!
//! Owns: the index of open traces, deadlines, policies with their state, remembered verdicts.
//! Takes: portions of traces with their facts and where their bytes lie; time.
//! Gives: verdicts.
//! Bounds: `num_traces`, spans and bytes a trace, sizes of both memories of verdicts.
//! Loses: nothing; what is not kept is named.

mod check;
mod config;
pub mod facts;
pub mod judge;
mod moment;
mod rule;
#[cfg(test)]
mod testing;
pub mod tracestate;

pub use config::{Config, DecisionCache, Early, Strategy, WhenFull};
pub use moment::Moment;
pub use rule::{Composite, Dynamic, Ema, Method, Number, Policy, Rule, StatusCodes};

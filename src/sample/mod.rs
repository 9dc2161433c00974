//! Judges traces: what is known of each, when its verdict is due, what the policies say, what was said before.
//!
//! Owns: the index of open traces, deadlines, policies with their state, remembered verdicts.
//! Takes: portions of traces with their facts and where their bytes lie; time.
//! Gives: verdicts.
//! Bounds: `num_traces`, spans and bytes a trace, sizes of both memories of verdicts.
//! Loses: nothing; what is not kept is named.

mod asked;
mod chain;
mod change;
mod check;
mod config;
mod decided;
mod due;
mod explain;
pub mod facts;
mod index;
pub mod judge;
mod moment;
mod names;
mod pages;
mod remember;
mod room;
mod rule;
mod sampler;
#[cfg(test)]
mod testing;
mod verdicts;

use crate::outcome::Reason;

pub use asked::{Age, Counts, Size};
pub use chain::Place;
pub use change::Reread;
pub use check::{check_ottl, check_pattern};
pub use config::{Config, DecisionCache, Early, Strategy, WhenFull};
pub use decided::{Decided, Known, Late, Output, Trigger};
pub use explain::Explanation;
pub use moment::Moment;
pub use remember::Remembered;
pub use rule::{Composite, Dynamic, Ema, ErrorMode, Method, Number, Policy, Rule, StatusCodes};
pub use sampler::{Placing, Sampler};

#[cfg(test)]
mod change_tests;
#[cfg(test)]
mod tests;

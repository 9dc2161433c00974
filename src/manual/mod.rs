//! Why things are as they are: one page a decision, built and linked with the code.
//!
//! | page | question |
//! |---|---|
//! | [`ownership`] | Which member owns a trace, and why a table of slots? |
//! | [`calls`] | When does a slice leave, and why do calls out stay fewer than calls in? |
//! | [`answers`] | When is a sender answered, and what happens when one owner of many refuses? |
//! | [`fan_out`] | What happens when one of several exporters is slow or away? |
//! | [`threads`] | Why single-threaded workers, and why do few connections share one? |
//! | [`bytes`] | What is looked at, and what is never decoded? |
//! | [`journal`] | What is kept where until a trace is decided, and what does a commit mean? |
//! | [`sampler`] | What happens to a span between its acknowledgement and its verdict, and what does a restart change? |
//! | [`reload`] | How does another configuration come into force, and what does it cost what runs? |
//! | [`scrapes`] | What does Prometheus see of OTLP metrics, and where is that not what the Collector shows? |
//! | [`layout`] | Which modules are not in the design's table, and why are they here? |

pub mod answers;
pub mod bytes;
pub mod calls;
pub mod fan_out;
pub mod journal;
pub mod layout;
pub mod ownership;
pub mod reload;
pub mod sampler;
pub mod scrapes;
pub mod threads;

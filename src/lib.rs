//! ringtail: a trace-ID-aware load-balancing proxy with a built-in tail sampler.
//!
//! The modules are verbs of the line, in the order data travels: receive, edit, split, route, forward, shard, sample, batch, export.
//! Each folder opens with five lines: what it owns, takes, gives, what bounds it and where it can lose data.
//! What may import what is a table in `tests/tidy.rs`; why things are as they are stands in [`manual`].

pub mod app;
pub mod auth;
pub mod batch;
pub mod change;
pub mod client;
pub mod compress;
pub mod config;
pub mod digest;
pub mod discover;
pub mod edit;
pub mod export;
pub mod flow;
pub mod forward;
pub mod journal;
pub mod lane;
pub mod manual;
pub mod observe;
pub mod origin;
pub mod ottl;
pub mod outcome;
pub mod pattern;
pub mod pii;
pub mod receive;
pub mod retry;
pub mod route;
pub mod sample;
pub mod semconv;
pub mod shard;
pub mod socket;
pub mod split;
pub mod stream;
pub mod tls;
pub mod trace_id;
pub mod trace_state;
pub mod wire;
pub mod workers;

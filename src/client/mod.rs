//! Calls to OTLP backends: connections, one call and how it ended.
//!
//! Owns: connections to one backend.
//! Takes: encoded messages.
//! Gives: what became of each call.
//! Bounds: the time of a call and of a connection attempt; 64 KiB an answer.
//! Loses: nothing; the caller keeps what was not taken.

mod backend;
mod call;
mod config;
mod connect;
mod grpc;
mod http;
mod keepalive;
mod probes;

pub use backend::Client;
pub use call::{CallEnd, Called};
pub use config::{ClientKeepalive, HttpEncoding, HttpForm, Protocol, Transport};
pub use connect::Target;
pub use probes::Probes;

//! OTLP in: gRPC, HTTP with protobuf, HTTP with JSON.
//!
//! Owns: connections and requests in progress.
//! Takes: OTLP export requests of any signal, compressed or not.
//! Gives: encoded requests and where they come from to the pipelines, and one answer to each sender.
//! Bounds: connections, message and body size, streams a connection, bytes in progress.
//! Loses: nothing; what is not passed on is refused with a reason the sender sees.

mod accept;
mod answer;
mod config;
mod grpc;
mod http;
mod in_progress;
mod intake;
mod listen;
mod peer;
mod receiver;
mod serving;
mod strangers;

pub use config::{Config, Cors, Endpoint, Grpc, Http, Keepalive};
pub use receiver::{Beside, Gates, Receiver};
pub use serving::Serving;

//! Protobuf bytes: reading fields in place, writing lengths, the OTLP field numbers; OTLP/JSON; gRPC statuses.
//!
//! Owns: nothing.
//! Takes: encoded messages from the network.
//! Gives: fields as ranges of the same bytes; headers for what is written; JSON as protobuf and back.
//! Bounds: groups nest at most 64 deep; JSON at most 100.
//! Loses: nothing; unknown fields are ranges like any other. JSON keys that OTLP does not know are left out.

pub mod json;
pub mod otlp;
mod reader;
pub mod status;
mod varint;

pub use reader::{Field, Fields, Malformed, Payload};
pub use varint::{read_varint, varint_len, write_varint};

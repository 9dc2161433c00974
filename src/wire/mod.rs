//! Protobuf bytes: reading fields in place, writing lengths, the OTLP field numbers.
//!
//! Owns: nothing.
//! Takes: encoded messages from the network.
//! Gives: fields as ranges of the same bytes; headers for what is written.
//! Bounds: groups nest at most 64 deep; JSON at most 100.
//! Loses: nothing; unknown fields are ranges like any other.

pub mod otlp;
mod reader;
mod varint;

pub use reader::{Field, Fields, Malformed, Payload};
pub use varint::{read_varint, varint_len, write_varint};

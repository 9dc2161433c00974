//! OTLP/JSON and protobuf, each into the other, over one table of OTLP's messages.

pub mod base64;
mod error;
mod messages;
mod parse;
pub mod proto;
mod scalar;
pub mod schema;
mod write;

pub use error::{JsonError, ProtobufError};
pub use parse::to_protobuf;
pub use write::{each_packed, from_protobuf, integer, push_double, push_hex};

/// Deepest nesting of objects and arrays, either way.
pub const DEPTH_MAX: usize = 100;

/// What one document may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Deepest nesting of objects and arrays that are read; never more than [`DEPTH_MAX`].
    pub depth: usize,
    /// Largest protobuf message made of it: packed numbers take up to four times their bytes in JSON.
    pub output_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { depth: DEPTH_MAX, output_bytes: 64 << 20 }
    }
}

#[cfg(test)]
mod tests;

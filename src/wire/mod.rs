//! OTLP as bytes: protobuf and JSON, read and written without generated types.
//!
//! Owns: nothing that changes.
//! Takes: encoded requests and answers.
//! Gives: the same in the other encoding; statuses.
//! Bounds: nesting and output size.
//! Loses: nothing; bytes that are not OTLP are an error with a place.

pub mod json;
pub mod status;

//! OTLP/JSON and protobuf, each into the other, over one table of OTLP's messages.

pub(in crate::wire) mod base64;
pub(in crate::wire) mod proto;

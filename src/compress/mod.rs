//! Compression of whole messages, in and out, with limits enforced while inflating.
//!
//! Owns: nothing that changes.
//! Takes: compressed bytes and a limit, or plain bytes.
//! Gives: plain bytes, or compressed ones.
//! Bounds: the inflated size, checked as it grows.
//! Loses: nothing.

/// The compressions that OTLP peers use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compression {
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
    /// `deflate` and `zlib` in HTTP: RFC 1950.
    Deflate,
    /// Snappy: gRPC uses the framed form, HTTP either.
    Snappy,
}

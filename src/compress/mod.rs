//! Compression of whole messages, in and out, with limits enforced while inflating.
//!
//! Owns: one set of contexts per thread, reused from message to message.
//! Takes: compressed bytes and a limit, or plain bytes.
//! Gives: plain bytes, or compressed ones.
//! Bounds: the inflated size, checked as it grows; the zstd window.
//! Loses: nothing.

mod flate;
mod grow;
mod snappy;
mod zstandard;

use bytes::Bytes;

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

/// Why a compressed message could not be read; the sender's fault either way.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InflateError {
    /// The message inflates to more than is allowed.
    #[error("the message inflates to more than {limit} bytes; send smaller batches or raise the limit")]
    TooLarge {
        /// The largest inflated size allowed.
        limit: usize,
    },
    /// Not the compression it claims to be, damaged, or cut short.
    #[error("the compressed message is damaged: {0}")]
    Corrupt(String),
}

impl Compression {
    /// All compressions, in the order we would offer them.
    pub const ALL: [Self; 4] = [Self::Gzip, Self::Zstd, Self::Deflate, Self::Snappy];

    /// The compression of a `content-encoding` token; none for `identity`, nothing, and what we do not read.
    pub fn from_content_encoding(token: &str) -> Option<Self> {
        const NAMES: [(&str, Compression); 7] = [
            ("gzip", Compression::Gzip),
            ("x-gzip", Compression::Gzip),
            ("zstd", Compression::Zstd),
            ("deflate", Compression::Deflate),
            ("zlib", Compression::Deflate),
            ("snappy", Compression::Snappy),
            ("x-snappy-framed", Compression::Snappy),
        ];
        let token = token.trim();
        NAMES.iter().find(|(name, _)| token.eq_ignore_ascii_case(name)).map(|(_, kind)| *kind)
    }

    /// The token in `content-encoding`.
    pub fn content_encoding(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Deflate => "deflate",
            Self::Snappy => "snappy",
        }
    }

    /// The compression of a `grpc-encoding` header; these names are exact.
    pub fn from_grpc_encoding(token: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.grpc_encoding() == token)
    }

    /// The name in `grpc-encoding` and `grpc-accept-encoding`.
    pub fn grpc_encoding(self) -> &'static str {
        self.content_encoding()
    }
}

/// The plain bytes of a whole compressed message. Stops as soon as they exceed `max_bytes`, holding at most that
/// much and a little; a message that says so in its header is refused before anything is inflated.
///
/// # Errors
/// `TooLarge` over the limit; `Corrupt` for bytes that are not of this kind, damaged or cut short.
pub fn inflate(kind: Compression, input: &[u8], max_bytes: usize) -> Result<Bytes, InflateError> {
    match kind {
        Compression::Gzip => flate::inflate_gzip(input, max_bytes),
        Compression::Deflate => flate::inflate_deflate(input, max_bytes),
        Compression::Zstd => zstandard::inflate(input, max_bytes),
        Compression::Snappy => snappy::inflate(input, max_bytes),
    }
    .map(Bytes::from)
}

/// Appends the compressed form of `input`. Levels favour speed: batches are sent once and read once.
pub fn deflate(kind: Compression, input: &[u8], out: &mut Vec<u8>) {
    match kind {
        Compression::Gzip => flate::deflate_gzip(input, out),
        Compression::Deflate => flate::deflate_zlib(input, out),
        Compression::Zstd => zstandard::deflate(input, out),
        Compression::Snappy => snappy::deflate(input, out),
    }
}

/// Bytes in the wrong order, or not enough of them.
fn corrupt(why: impl ToString) -> InflateError {
    InflateError::Corrupt(why.to_string())
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;

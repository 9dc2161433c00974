//! What a batch is made of: requests, or pieces of them, that leave together.

use bytes::Bytes;

/// An encoded request, or a piece of one, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part<T> {
    /// Plain protobuf; concatenated export requests are one export request.
    pub body: Bytes,
    /// Items in it.
    pub items: u64,
    /// Whose it is; pieces of one request have clones.
    pub owner: T,
}

/// One body of all parts. A single part's bytes are shared, not copied.
pub fn joined<T>(parts: &[Part<T>]) -> Bytes {
    if let [only] = parts {
        return only.body.clone();
    }
    let mut body = Vec::with_capacity(parts.iter().map(|part| part.body.len()).sum());
    parts.iter().for_each(|part| body.extend_from_slice(&part.body));
    Bytes::from(body)
}

//! snappy: blocks and the framed format, told apart by the stream identifier.

use std::cell::RefCell;
use std::io::{Read, Write};

use snap::raw::{Decoder, decompress_len};
use snap::read::FrameDecoder;
use snap::write::FrameEncoder;

use super::{InflateError, corrupt, grow};

/// What every framed stream opens with.
const STREAM_IDENTIFIER: &[u8] = b"\xff\x06\x00\x00sNaPpY";
/// The most a block can shrink: three bytes stand for at most 64.
const BLOCK_RATIO_MAX: usize = 64;

thread_local! {
    static FRAMED: RefCell<Option<FrameEncoder<Vec<u8>>>> = const { RefCell::new(None) };
}

/// A block or a framed stream.
pub(super) fn inflate(input: &[u8], limit: usize) -> Result<Vec<u8>, InflateError> {
    if input.starts_with(STREAM_IDENTIFIER) {
        inflate_framed(input, limit)
    } else {
        inflate_block(input, limit)
    }
}

fn inflate_block(input: &[u8], limit: usize) -> Result<Vec<u8>, InflateError> {
    if input.is_empty() {
        return Err(corrupt("it ends early"));
    }
    let size = decompress_len(input).map_err(corrupt)?;
    if size > limit {
        return Err(InflateError::TooLarge { limit });
    }
    if size > input.len().saturating_mul(BLOCK_RATIO_MAX) {
        return Err(corrupt("it ends early"));
    }
    let mut out = vec![0; size];
    Decoder::new().decompress(input, &mut out).map_err(corrupt)?;
    Ok(out)
}

fn inflate_framed(input: &[u8], limit: usize) -> Result<Vec<u8>, InflateError> {
    let mut out = grow::start(input, None, limit);
    let mut reader = FrameDecoder::new(input);
    loop {
        grow::more(&mut out, limit)?;
        let room = out.capacity() - out.len();
        let read = reader.by_ref().take(room as u64).read_to_end(&mut out).map_err(corrupt)?;
        if read < room {
            return Ok(out);
        }
    }
}

/// Appends a framed stream.
pub(super) fn deflate(input: &[u8], out: &mut Vec<u8>) {
    FRAMED.with_borrow_mut(|slot| {
        let encoder = slot.get_or_insert_with(primed);
        out.extend_from_slice(STREAM_IDENTIFIER);
        std::mem::swap(encoder.get_mut(), out);
        encoder.write_all(input).and_then(|()| encoder.flush()).expect("a vector takes every write");
        std::mem::swap(encoder.get_mut(), out);
    });
}

/// An encoder that has said its stream identifier once and will not again, so that it can serve many streams.
fn primed() -> FrameEncoder<Vec<u8>> {
    let mut encoder = FrameEncoder::new(Vec::new());
    encoder.write_all(&[0]).and_then(|()| encoder.flush()).expect("a vector takes every write");
    *encoder.get_mut() = Vec::new();
    encoder
}

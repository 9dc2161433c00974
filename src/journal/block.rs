//! Records compressed together.
//!
//! A block travels as one frame. Its payload opens with where the block begins in the space of positions (which counts
//! uncompressed bytes) and how many bytes it has there, so that a lost block moves no other.

use lz4_flex::block::{compress_into, decompress_into, get_maximum_output_size};

use super::frame::{HEADER_BYTES, RECORD_BYTES_MAX, Salt, word};

/// A block is closed before it grows beyond this; a longer record is a block of its own.
pub(super) const BLOCK_BYTES: usize = 256 << 10;
/// What stands before a record's payload in a block: its length and kind.
pub(super) const ENTRY_BYTES: u32 = 5;
/// What a frame adds to a block, or to a record in memory, at most.
pub(super) const OVERHEAD_BYTES: u32 = 40;
/// What stands before the records: space and size.
const PREFIX_BYTES: usize = 8;
/// The flag of a frame that is compressed.
const LZ4: u8 = 1;
/// lz4 cannot shrink more than this.
const RATIO_MAX: u64 = 256;

/// Adds a record to an open block.
pub(super) fn push(block: &mut Vec<u8>, kind: u8, parts: &[&[u8]], length: u32) {
    block.extend_from_slice(&length.to_le_bytes());
    block.push(kind);
    for part in parts {
        block.extend_from_slice(part);
    }
}

/// Appends the frame of a block that begins at `space`; it will be at `offset`. One that does not shrink stays plain.
pub(super) fn close(salt: Salt, out: &mut Vec<u8>, offset: u32, space: u32, block: &[u8]) {
    let start = out.len();
    out.resize(start + HEADER_BYTES as usize, 0);
    out.extend_from_slice(&space.to_le_bytes());
    out.extend_from_slice(&(block.len() as u32).to_le_bytes());
    let data = out.len();
    out.resize(data + get_maximum_output_size(block.len()), 0);
    let flags = match compress_into(block, &mut out[data..]) {
        Ok(length) if length < block.len() => {
            out.truncate(data + length);
            LZ4
        }
        _ => {
            out.truncate(data);
            out.extend_from_slice(block);
            0
        }
    };
    salt.close(out, start, offset, 0, flags);
}

/// The records' bytes of a frame's payload into `out`, and where they begin; `None` when it is no block.
pub(super) fn unpack(flags: u8, payload: &[u8], out: &mut Vec<u8>) -> Option<u32> {
    let data = payload.get(PREFIX_BYTES..)?;
    let (space, size) = (word(payload, 0), word(payload, 4));
    space.checked_add(size)?;
    out.clear();
    if flags & LZ4 == 0 {
        out.extend_from_slice(data);
        return (data.len() == size as usize).then_some(space);
    }
    let possible = data.len() as u64 * RATIO_MAX;
    if u64::from(size) > possible.min(u64::from(RECORD_BYTES_MAX + ENTRY_BYTES)) {
        return None;
    }
    out.resize(size as usize, 0);
    decompress_into(data, out).is_ok_and(|length| length == size as usize).then_some(space)
}

/// The records of a block: kind, where the payload is, the payload. Ends early at one that reaches over the end, which
/// a checksum has excluded.
pub(super) fn records(block: &[u8]) -> impl Iterator<Item = (u8, u32, &[u8])> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let kind = *block.get(at + 4)?;
        let start = at + ENTRY_BYTES as usize;
        let payload = block.get(start..)?.get(..word(block, at) as usize)?;
        at = start + payload.len();
        Some((kind, start as u32, payload))
    })
}

//! A record or block in a file: its header, and how the frames of a segment are found again whatever happened to it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crc32fast::Hasher;

/// Bytes before the payload.
pub(super) const HEADER_BYTES: u32 = 16;
/// Frames start at multiples of this, so that a lost one can be skipped.
pub(super) const ALIGN: u32 = 8;
/// Longest payload of a record; it gets a segment of its own when it needs one.
pub const RECORD_BYTES_MAX: u32 = 1 << 30;
/// Longest payload of a frame: a record, with what a block adds.
const FRAME_BYTES_MAX: u32 = RECORD_BYTES_MAX + 64;
const MAGIC: [u8; 2] = *b"jF";
/// How much of a file is looked at at once.
const READ_BYTES: u32 = 1 << 20;

/// What a frame says of itself: magic (2), kind, flags, length (4), checksum of the payload (4), of the header (4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) length: u32,
    checksum: u32,
}

/// The start value of a segment's checksums, random: a frame is good in one place of one segment only, so neither
/// what an older file left on the disk nor bytes that a sender made up to look like a frame are taken for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Salt(pub(super) u32);

impl Salt {
    fn sum(self, offset: u32, bytes: &[u8]) -> u32 {
        let mut hasher = Hasher::new_with_initial(self.0 ^ offset);
        hasher.update(bytes);
        hasher.finalize()
    }

    /// Appends a frame that will be at `offset`, padded to where the next one starts. The caller has seen to it that
    /// the parts are not too long.
    pub(super) fn frame(self, out: &mut Vec<u8>, offset: u32, kind: u8, flags: u8, parts: &[&[u8]]) {
        let start = out.len();
        out.resize(start + HEADER_BYTES as usize, 0);
        for part in parts {
            out.extend_from_slice(part);
        }
        self.close(out, start, offset, kind, flags);
    }

    /// Completes a frame whose payload was written behind a header of zeros.
    pub(super) fn close(self, out: &mut Vec<u8>, start: usize, offset: u32, kind: u8, flags: u8) {
        let payload = start + HEADER_BYTES as usize;
        let length = (out.len() - payload) as u32;
        let checksum = self.sum(offset, &out[payload..]);
        let header = &mut out[start..payload];
        header[..2].copy_from_slice(&MAGIC);
        header[2] = kind;
        header[3] = flags;
        header[4..8].copy_from_slice(&length.to_le_bytes());
        header[8..12].copy_from_slice(&checksum.to_le_bytes());
        let own = self.sum(offset, &header[..12]);
        header[12..].copy_from_slice(&own.to_le_bytes());
        let end = out.len();
        out.resize(start + (end - start).next_multiple_of(ALIGN as usize), 0);
    }

    /// The header at `offset`, when there is one.
    fn header(self, offset: u32, bytes: &[u8]) -> Option<Header> {
        if bytes.len() < HEADER_BYTES as usize || bytes[..2] != MAGIC {
            return None;
        }
        let header =
            Header { kind: bytes[2], flags: bytes[3], length: word(bytes, 4), checksum: word(bytes, 8) };
        (header.length <= FRAME_BYTES_MAX && word(bytes, 12) == self.sum(offset, &bytes[..12]))
            .then_some(header)
    }
}

/// The little-endian number at `at`; zero beyond the end.
pub(super) fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_le_bytes)
}

/// Where a frame with a payload of `length` ends, its padding included.
pub(super) fn frame_end(start: u32, length: u32) -> u64 {
    (u64::from(start) + u64::from(HEADER_BYTES) + u64::from(length)).next_multiple_of(u64::from(ALIGN))
}

/// Bytes of a segment from `start` to `end`.
pub(super) trait Source {
    fn end(&self) -> u32;
    /// `offset + length` is at most the end.
    fn bytes(&mut self, offset: u32, length: u32) -> io::Result<&[u8]>;
}

/// A part of a segment in memory.
pub(super) struct Slice<'a> {
    pub(super) start: u32,
    pub(super) bytes: &'a [u8],
}

impl Source for Slice<'_> {
    fn end(&self) -> u32 {
        self.start + self.bytes.len() as u32
    }

    fn bytes(&mut self, offset: u32, length: u32) -> io::Result<&[u8]> {
        let from = offset.saturating_sub(self.start) as usize;
        self.bytes.get(from..from + length as usize).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

/// A file, read forward through a buffer.
pub(super) struct Reader<'a> {
    pub(super) file: &'a File,
    pub(super) end: u32,
    pub(super) buffer: &'a mut Vec<u8>,
    pub(super) start: u32,
    pub(super) filled: usize,
}

impl Source for Reader<'_> {
    fn end(&self) -> u32 {
        self.end
    }

    fn bytes(&mut self, offset: u32, length: u32) -> io::Result<&[u8]> {
        let (wanted, reached) =
            (u64::from(offset) + u64::from(length), u64::from(self.start) + self.filled as u64);
        if offset < self.start || wanted > reached {
            let ahead = length.max(READ_BYTES).min(self.end.saturating_sub(offset)) as usize;
            if self.buffer.len() < ahead {
                self.buffer.resize(ahead, 0);
            }
            self.filled = 0;
            self.file.read_exact_at(&mut self.buffer[..ahead], u64::from(offset))?;
            (self.start, self.filled) = (offset, ahead);
        }
        let from = (offset - self.start) as usize;
        self.buffer[..self.filled]
            .get(from..from + length as usize)
            .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

/// What stands at a place of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A whole frame.
    Frame(Header),
    /// A header whose payload is not what was written.
    Corrupt,
    /// Bytes before the next header that no frame claims.
    Gap,
    /// Bytes to the end that no frame claims.
    Torn,
}

/// Finds the frames of a segment in order.
#[derive(Debug)]
pub(super) struct Scan {
    pub(super) salt: Salt,
    pub(super) at: u32,
}

impl Scan {
    /// What comes next, with where it starts and ends; `None` at the end.
    pub(super) fn next(&mut self, source: &mut impl Source) -> io::Result<Option<(Found, u32, u32)>> {
        let (start, end) = (self.at, source.end());
        if start >= end {
            return Ok(None);
        }
        let Some(header) = self.header(source, start)? else {
            return self.resynchronize(source).map(Some);
        };
        let payload = source.bytes(start + HEADER_BYTES, header.length)?;
        let good = self.salt.sum(start, payload) == header.checksum;
        self.at = frame_end(start, header.length).min(u64::from(end)) as u32;
        Ok(Some((if good { Found::Frame(header) } else { Found::Corrupt }, start, self.at)))
    }

    /// The header at `offset`, when there is one and its payload fits what is there.
    fn header(&self, source: &mut impl Source, offset: u32) -> io::Result<Option<Header>> {
        let room = source.end() - offset;
        if room < HEADER_BYTES {
            return Ok(None);
        }
        let header = self.salt.header(offset, source.bytes(offset, HEADER_BYTES)?);
        Ok(header.filter(|header| header.length <= room - HEADER_BYTES))
    }

    fn resynchronize(&mut self, source: &mut impl Source) -> io::Result<(Found, u32, u32)> {
        let (start, end) = (self.at, source.end());
        let mut at = start;
        while end - at > ALIGN {
            at += ALIGN;
            if self.header(source, at)?.is_some() {
                self.at = at;
                return Ok((Found::Gap, start, at));
            }
        }
        self.at = end;
        Ok((Found::Torn, start, end))
    }
}

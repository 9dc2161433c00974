//! Reading segments back: every record that survived, and a count of what did not.

use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::block;
use super::folder::START;
use super::frame::{ALIGN, Found, HEADER_BYTES, Header, Reader, Salt, Scan, Source};
use super::segment::{Chunk, Layout, Medium, Segment};
use super::{OpenError, Position, Record};

/// Faults that are described one by one; the rest is only counted.
const FAULTS_MAX: usize = 32;

/// What opening a journal found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Records given back.
    pub records: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
    /// Segments found.
    pub segments: u64,
    /// Records that do not match their checksum; a stretch in which no record can be told apart counts as one.
    pub corrupt_records: u64,
    /// Bytes of them.
    pub corrupt_bytes: u64,
    /// Bytes at the end of a segment that were never completed; nobody was promised them.
    pub torn_bytes: u64,
    /// Segments whose both headers are lost, and everything in them.
    pub unreadable_segments: u64,
    /// The first of these, one by one.
    pub faults: Vec<Fault>,
}

/// Something lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file.
    pub path: PathBuf,
    /// Where it begins.
    pub offset: u32,
    /// How long it is.
    pub bytes: u32,
    /// What is wrong.
    pub what: &'static str,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} at byte {}, {} bytes", self.path.display(), self.what, self.offset, self.bytes)
    }
}

impl Recovery {
    fn fault(&mut self, path: &Path, what: &'static str, offset: u32, end: u32) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(Fault { path: path.to_owned(), offset, bytes: end - offset, what });
        }
    }

    fn corrupt(&mut self, path: &Path, what: &'static str, offset: u32, end: u32) {
        self.corrupt_records += 1;
        self.corrupt_bytes += u64::from(end - offset);
        self.fault(path, what, offset, end);
    }
}

/// A segment's file before it is read.
pub(super) struct Survivor {
    pub(super) number: u32,
    pub(super) path: PathBuf,
    /// What its header says; `None` when there is none.
    pub(super) header: Option<(Salt, Layout)>,
}

/// Gives records out, one segment after the other.
pub(super) struct Replay<'a> {
    give: &'a mut dyn FnMut(Record<'_>),
    pub(super) recovery: Recovery,
    /// What was read ahead, and a block unpacked.
    buffer: Vec<u8>,
    block: Vec<u8>,
}

impl<'a> Replay<'a> {
    pub(super) fn new(give: &'a mut dyn FnMut(Record<'_>)) -> Self {
        Self { give, recovery: Recovery::default(), buffer: Vec::new(), block: Vec::new() }
    }

    /// Reads a segment back. The last one may be written on, so its torn end is cut off.
    pub(super) fn read(&mut self, survivor: Survivor, last: bool) -> Result<Segment, OpenError> {
        let Survivor { number, path, header } = survivor;
        let failed = |what| OpenError::io(what, &path);
        let file = File::open(&path).map_err(failed("open"))?;
        // Ours are never that long; what is beyond cannot be addressed.
        let length = file.metadata().map_err(failed("read"))?.len().min(u64::from(u32::MAX - ALIGN)) as u32;
        let (salt, layout) = header.unwrap_or((Salt(0), Layout::Frames));
        let start = if header.is_some() { START } else { 0 };
        let medium = Medium::File { file: None, path: path.clone(), written: length };
        let mut segment =
            Segment { number, salt, layout, medium, start, length: start, space: start, chunks: Vec::new() };
        if header.is_none() {
            self.unreadable(&mut segment, length, &path);
            return Ok(segment);
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut scan = Scan { salt, at: START };
        let mut reader = Reader { file: &file, end: length, buffer: &mut buffer, start: 0, filled: 0 };
        while let Some((found, start, end)) = scan.next(&mut reader).map_err(failed("read"))? {
            let what = match found {
                Found::Frame(header) => {
                    let payload =
                        reader.bytes(start + HEADER_BYTES, header.length).map_err(failed("read"))?;
                    if self.take(&mut segment, header, start..end, payload) {
                        continue;
                    }
                    "a corrupt block"
                }
                Found::Corrupt => "a corrupt record",
                Found::Gap => "bytes that are no record",
                Found::Torn => {
                    self.recovery.torn_bytes += u64::from(end - start);
                    self.recovery.fault(&path, "a torn end", start, end);
                    if !last {
                        skip(&mut segment, start, end);
                    }
                    continue;
                }
            };
            self.recovery.corrupt(&path, what, start, end);
            skip(&mut segment, start, end);
        }
        self.buffer = buffer;
        if last {
            reopen(&mut segment).map_err(failed("cut the torn end off"))?;
        }
        Ok(segment)
    }

    /// Enters a frame and gives its records out; false when it is a block that cannot be read.
    fn take(&mut self, segment: &mut Segment, header: Header, place: Range<u32>, payload: &[u8]) -> bool {
        if segment.layout == Layout::Frames {
            self.give(header.kind, Position::new(segment.number, place.start + HEADER_BYTES), payload);
            segment.note_frame(place.start);
            segment.extend_to(place.end, place.end);
        } else {
            let mut records = std::mem::take(&mut self.block);
            let space =
                block::unpack(header.flags, payload, &mut records).filter(|space| *space >= segment.space);
            if let Some(space) = space {
                for (kind, offset, payload) in block::records(&records) {
                    self.give(kind, Position::new(segment.number, space + offset), payload);
                }
                segment.chunks.push(Chunk::new(space, place.start));
                segment.extend_to(place.end, space + records.len() as u32);
            }
            self.block = records;
            if space.is_none() {
                return false;
            }
        }
        if let Some(chunk) = segment.chunks.last_mut() {
            *chunk = chunk.verified();
        }
        true
    }

    fn give(&mut self, kind: u8, at: Position, payload: &[u8]) {
        self.recovery.records += 1;
        self.recovery.bytes += payload.len() as u64;
        (self.give)(Record { kind, at, payload });
    }

    /// A segment without a header: empty when the process died as it was created, lost otherwise.
    fn unreadable(&mut self, segment: &mut Segment, length: u32, path: &Path) {
        if length < START {
            self.recovery.torn_bytes += u64::from(length);
        } else {
            self.recovery.unreadable_segments += 1;
            self.recovery.corrupt_bytes += u64::from(length);
        }
        if length > 0 {
            self.recovery.fault(path, "a segment without a readable header", 0, length);
            skip(segment, 0, length);
        }
    }
}

/// Enters a stretch without records.
fn skip(segment: &mut Segment, start: u32, end: u32) {
    let space = if segment.layout == Layout::Blocks { segment.space } else { start };
    segment.chunks.push(Chunk::new(space, start).gap());
    segment.extend_to(end, if segment.layout == Layout::Blocks { space } else { end });
}

/// Makes the last segment ready to be written on, from where the next frame may start.
fn reopen(segment: &mut Segment) -> io::Result<()> {
    // What will be appended to the last chunk was not read back: it counts as not verified.
    if let Some(chunk) = segment.chunks.last_mut().filter(|chunk| !chunk.is_gap()) {
        *chunk = Chunk::new(chunk.space, chunk.offset());
    }
    let length = segment.length.next_multiple_of(ALIGN);
    segment.extend_to(length, if segment.layout == Layout::Blocks { segment.space } else { length });
    segment.truncate(length)
}

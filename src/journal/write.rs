//! Appending, committing, and taking back what could not be committed.

use std::io;
use std::mem;

use super::block::{self, BLOCK_BYTES, ENTRY_BYTES, OVERHEAD_BYTES};
use super::frame::{HEADER_BYTES, RECORD_BYTES_MAX, Salt, frame_end};
use super::segment::{Chunk, Layout, Medium, Segment};
use super::{CommitError, Full, Journal, Mark, Position, Sync};

/// What is handed to the kernel before it is committed, so that the buffer stays small.
const PENDING_BYTES: usize = 1 << 20;
/// Positions of one segment end before this, a last record aside.
const SPACE_MAX: u64 = 2 << 30;
/// What records that help to empty a full journal may use beyond the limit.
const RESERVE_SHARE: u64 = 32;
const RESERVE_BYTES_MIN: u64 = 64 << 10;
const RESERVE_BYTES_MAX: u64 = 64 << 20;

impl Journal {
    /// Appends one record made of parts, one after the other. It can be read at once; it is durable after
    /// [`commit`](Self::commit).
    pub fn append(&mut self, kind: u8, parts: &[&[u8]]) -> Result<Position, Full> {
        self.append_within(self.limit_bytes, kind, parts)
    }

    /// Appends a small record without which a full journal could not be emptied: the limit is exceeded by a
    /// thirty-second for it.
    pub fn append_reserved(&mut self, kind: u8, parts: &[&[u8]]) -> Result<Position, Full> {
        let reserve = (self.limit_bytes / RESERVE_SHARE).clamp(RESERVE_BYTES_MIN, RESERVE_BYTES_MAX);
        self.append_within(self.limit_bytes.saturating_add(reserve), kind, parts)
    }

    fn append_within(&mut self, limit_bytes: u64, kind: u8, parts: &[&[u8]]) -> Result<Position, Full> {
        let bytes: u64 = parts.iter().map(|part| part.len() as u64).sum();
        let max_bytes = limit_bytes.min(u64::from(RECORD_BYTES_MAX));
        if bytes > max_bytes {
            return Err(Full::Record { bytes, max_bytes });
        }
        let used_bytes = self.used_bytes();
        // The only record is taken however little room its header leaves.
        if used_bytes + bytes > limit_bytes && !(self.segments.len() == 1 && self.open_is_empty()) {
            return Err(Full::Limit { used_bytes, limit_bytes });
        }
        if self.failure.is_some() {
            return Err(Full::Failed);
        }
        let appended = match self.layout {
            Layout::Raw => self.append_raw(parts, bytes as u32),
            Layout::Frames => self.append_frame(kind, parts, bytes as u32),
            Layout::Blocks => self.append_to_block(kind, parts, bytes as u32),
        };
        appended.map_err(|error| {
            self.failure = Some(error);
            Full::Failed
        })
    }

    fn append_raw(&mut self, parts: &[&[u8]], bytes: u32) -> io::Result<Position> {
        self.make_room(u64::from(bytes), bytes)?;
        let segment = self.open_segment_mut();
        let at = Position::new(segment.number, segment.length);
        if let Medium::Memory(memory) = &mut segment.medium {
            for part in parts {
                memory.extend_from_slice(part);
            }
        }
        segment.extend_to(segment.length + bytes, segment.length + bytes);
        Ok(at)
    }

    fn append_frame(&mut self, kind: u8, parts: &[&[u8]], bytes: u32) -> io::Result<Position> {
        let frame_bytes = frame_end(0, bytes);
        self.make_room(frame_bytes, bytes)?;
        let last = self.segments.len() - 1;
        let segment = &mut self.segments[last];
        let start = segment.length;
        segment.salt.frame(&mut self.pending, start, kind, 0, parts);
        segment.note_frame(start);
        let end = start + frame_bytes as u32;
        segment.extend_to(end, end);
        let at = Position::new(segment.number, start + HEADER_BYTES);
        self.write_early();
        Ok(at)
    }

    fn append_to_block(&mut self, kind: u8, parts: &[&[u8]], bytes: u32) -> io::Result<Position> {
        let needed = u64::from(bytes) + u64::from(ENTRY_BYTES);
        let framed = needed + u64::from(OVERHEAD_BYTES);
        if !self.block.is_empty() && self.block.len() as u64 + needed > BLOCK_BYTES as u64 {
            self.close_block();
        }
        self.make_room(framed, bytes)?;
        let segment = self.open_segment();
        let at = Position::new(segment.number, segment.space + self.block.len() as u32 + ENTRY_BYTES);
        block::push(&mut self.block, kind, parts, bytes);
        self.write_early();
        Ok(at)
    }

    /// Sees to it that the open segment takes so many bytes more, or that it is a new one.
    fn make_room(&mut self, bytes: u64, payload_bytes: u32) -> io::Result<()> {
        let segment = self.open_segment();
        let open = self.block.len() as u64 + bytes;
        let full = u64::from(segment.length) + open > u64::from(self.segment_bytes)
            || u64::from(segment.space) + open > SPACE_MAX;
        if !self.seal && (!full || self.has_room_for_first(payload_bytes)) {
            return Ok(());
        }
        self.close_block();
        self.write_pending()?;
        self.add_segment(payload_bytes)
    }

    /// An empty segment takes a record of any size; one of memory only what it was allocated for.
    fn has_room_for_first(&self, payload_bytes: u32) -> bool {
        let segment = self.open_segment();
        let capacity = match &segment.medium {
            Medium::Memory(memory) => memory.capacity(),
            Medium::File { .. } => usize::MAX,
        };
        self.open_is_empty() && capacity >= (payload_bytes + OVERHEAD_BYTES) as usize
    }

    /// Opens a new segment, large enough for a first record of `bytes`. The one before is written.
    pub(super) fn add_segment(&mut self, bytes: u32) -> io::Result<()> {
        let number = self.next_number;
        // A number is used once, even where nothing came of it.
        self.next_number =
            number.checked_add(1).ok_or_else(|| io::Error::other("the numbers of segments are used up"))?;
        let segment = match &mut self.folder {
            Some(folder) => folder.create(number, self.layout)?,
            None => {
                let capacity = self.segment_bytes.max(bytes + OVERHEAD_BYTES) as usize;
                let spare = if capacity == self.segment_bytes as usize { self.spare.pop() } else { None };
                let medium = Medium::Memory(spare.unwrap_or_else(|| Vec::with_capacity(capacity)));
                let (layout, chunks) = (self.layout, Vec::new());
                Segment { number, salt: Salt(number), layout, medium, start: 0, length: 0, space: 0, chunks }
            }
        };
        if let Some(last) = self.segments.back_mut() {
            last.close_file();
            self.closed_bytes += u64::from(last.length);
        }
        self.segments.push_back(segment);
        self.seal = false;
        Ok(())
    }

    /// Closes the open block: it becomes a frame.
    pub(super) fn close_block(&mut self) {
        if self.block.is_empty() {
            return;
        }
        let last = self.segments.len() - 1;
        let segment = &mut self.segments[last];
        let (start, before) = (segment.length, self.pending.len());
        block::close(segment.salt, &mut self.pending, start, segment.space, &self.block);
        segment.chunks.push(Chunk::new(segment.space, start));
        let end = start + (self.pending.len() - before) as u32;
        segment.extend_to(end, segment.space + self.block.len() as u32);
        empty(&mut self.block);
        if self.folder.is_none() {
            // Memory is written at once, and cannot fail.
            let written = segment.write(&self.pending);
            debug_assert!(written.is_ok());
            empty(&mut self.pending);
        }
    }

    /// Writes a large buffer. A failure is kept for the commit.
    fn write_early(&mut self) {
        if self.block.len() >= BLOCK_BYTES {
            self.close_block();
        }
        if self.pending.len() >= PENDING_BYTES {
            self.failure = self.write_pending().err();
        }
    }

    fn write_pending(&mut self) -> io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let last = self.segments.len() - 1;
        self.segments[last].write(&self.pending)?;
        empty(&mut self.pending);
        self.sync.due = self.sync.when != Sync::Never;
        Ok(())
    }

    /// When this returns, everything appended so far survives a kill of the process, and with `sync: always` the death
    /// of the machine. In memory there is nothing to do.
    pub fn commit(&mut self) -> Result<(), CommitError> {
        if self.folder.is_none() {
            self.set_mark();
            return Ok(());
        }
        self.close_block();
        let written = match self.failure.take() {
            Some(error) => Err(error),
            None => self.write_pending(),
        };
        let always = self.sync.when == Sync::Always;
        match written.and_then(|()| if always { self.force() } else { Ok(()) }) {
            Ok(()) => {
                self.disk_full = false;
                self.set_mark();
                Ok(())
            }
            Err(error) => {
                let error = self.failed(error);
                self.take_back(error.disk_full);
                Err(error)
            }
        }
    }

    pub(super) fn set_mark(&mut self) {
        let open = self.open_segment();
        self.mark =
            Mark { number: open.number, length: open.length, space: open.space, chunks: open.chunks.len() };
    }

    /// Something was appended that could still be taken back.
    pub(super) fn is_uncommitted(&self) -> bool {
        let open = self.open_segment();
        let length = (open.number, open.length);
        self.folder.is_some() && (length != (self.mark.number, self.mark.length) || !self.block.is_empty())
    }

    /// Goes back to the last commit.
    fn take_back(&mut self, disk_full: bool) {
        empty(&mut self.pending);
        empty(&mut self.block);
        self.window.forget();
        while self.segments.len() > 1 && self.open_segment().number > self.mark.number {
            if let Some(segment) = self.segments.pop_back() {
                // A file that stays is found again at the next start: sent twice rather than lost.
                let _ = segment.delete();
            }
            self.closed_bytes -= u64::from(self.open_segment().length);
        }
        let mark = self.mark;
        let segment = self.open_segment_mut();
        segment.extend_to(mark.length, mark.space);
        segment.chunks.truncate(mark.chunks);
        let truncated = segment.truncate(mark.length).is_ok();
        // After another failure nobody knows what the disk has of this file: new records go to a new one.
        self.seal = !truncated || !disk_full;
        self.disk_full = disk_full;
        self.sync.from = self.sync.from.min(mark.number);
    }
}

/// Clears a buffer; one that has become large is given back.
fn empty(buffer: &mut Vec<u8>) {
    if buffer.capacity() > 2 * PENDING_BYTES {
        drop(mem::take(buffer));
    } else {
        buffer.clear();
    }
}

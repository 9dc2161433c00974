//! Append-only segments: what must survive the process, or only the memory.
//!
//! Owns: the files of one folder, or anonymous memory; who may use the folder.
//! Takes: records.
//! Gives: positions to read them by; after a restart, the records again.
//! Bounds: `max_size` or `max_memory`, and a thirty-second more for the records that empty a full journal.
//! Loses: a torn or corrupt record, itself only, counted; what was not committed, which nobody was promised.

mod block;
mod config;
mod error;
mod folder;
mod frame;
mod open;
mod position;
mod read;
mod reconfigure;
mod recover;
mod release;
mod segment;
#[cfg(test)]
mod tests;
mod write;

use std::collections::VecDeque;
use std::io;
use std::time::Instant;

pub use config::{Compression, Config, Sync};
pub use error::{CommitError, Full, OpenError, ReadError};
pub use frame::RECORD_BYTES_MAX;
pub use position::{Position, Record};
pub use recover::{Fault, Recovery};

use folder::Folder;
use read::Window;
use segment::Segment;

/// An append-only log with one owner.
#[derive(Debug)]
pub struct Journal {
    /// Oldest first, never empty; the last one is open for appending.
    segments: VecDeque<Segment>,
    /// Memory of recycled segments, kept for the next ones.
    spare: Vec<Vec<u8>>,
    /// `None` = memory.
    folder: Option<Folder>,
    layout: segment::Layout,
    /// What the open segment has beyond its file.
    pending: Vec<u8>,
    /// Records of a block that is not closed yet.
    block: Vec<u8>,
    window: Window,
    /// The end of what is committed.
    mark: Mark,
    /// What went wrong since the last commit; the next one says it and takes back.
    failure: Option<io::Error>,
    /// The open segment may not be continued: its tail is not known to be what it should be.
    seal: bool,
    /// The last commit found no room.
    disk_full: bool,
    next_number: u32,
    /// Bytes of all segments but the open one.
    closed_bytes: u64,
    limit_bytes: u64,
    segment_bytes: u32,
    sync: Syncing,
}

/// A length to go back to.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    number: u32,
    length: u32,
    space: u32,
    chunks: usize,
}

/// What the disk has not been forced to hold yet.
#[derive(Debug)]
struct Syncing {
    when: Sync,
    /// The first segment with something unforced.
    from: u32,
    /// Something was written since the last time.
    due: bool,
    last: Option<Instant>,
}

impl Journal {
    /// Where the first record kept begins; `None` when there is none.
    pub fn oldest(&self) -> Option<Position> {
        (self.segments.len() > 1 || !self.open_is_empty()).then(|| self.segments[0].first())
    }

    /// Where the next record will be, at the earliest.
    pub fn end(&self) -> Position {
        let open = self.open_segment();
        Position::new(open.number, open.space + self.block.len() as u32)
    }

    /// Bytes held, those that framing adds included.
    pub fn used_bytes(&self) -> u64 {
        self.closed_bytes + u64::from(self.open_segment().length) + self.block.len() as u64
    }

    /// What [`append`](Self::append) stops at.
    pub fn limit_bytes(&self) -> u64 {
        self.limit_bytes
    }

    /// Changes the limit, for this journal alone: nothing is divided. What is held beyond it stays.
    pub fn set_limit(&mut self, bytes: u64) {
        self.limit_bytes = bytes;
    }

    /// How many segments there are, the open one included.
    pub fn segments(&self) -> usize {
        self.segments.len()
    }

    /// It survives the process.
    pub fn is_durable(&self) -> bool {
        self.folder.is_some()
    }

    fn open_segment(&self) -> &Segment {
        &self.segments[self.segments.len() - 1]
    }

    fn open_segment_mut(&mut self) -> &mut Segment {
        let last = self.segments.len() - 1;
        &mut self.segments[last]
    }

    fn open_is_empty(&self) -> bool {
        self.open_segment().is_empty() && self.block.is_empty()
    }

    /// The index of a segment by its number.
    fn find(&self, number: u32) -> Option<usize> {
        self.segments.binary_search_by_key(&number, |segment| segment.number).ok()
    }
}

//! A segment: where its bytes are, and the table that finds a frame by a position.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::Position;
use super::frame::Salt;

/// How far frames are apart in the table, at least: it shall cost nothing beside what it describes.
const CHUNK_BYTES: u32 = 16 << 10;

/// How records lie in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// One payload after the other: nothing reads memory again that could have changed.
    Raw,
    /// A frame each; positions are offsets in the file.
    Frames,
    /// Compressed blocks of records; positions are offsets in what was compressed.
    Blocks,
}

/// Where the bytes are.
#[derive(Debug)]
pub(super) enum Medium {
    Memory(Vec<u8>),
    File {
        /// Only the open segment's stays open: there may be more segments than file descriptors.
        file: Option<File>,
        path: PathBuf,
        /// How much of it the kernel has.
        written: u32,
    },
}

#[derive(Debug)]
pub(super) struct Segment {
    pub(super) number: u32,
    pub(super) salt: Salt,
    pub(super) layout: Layout,
    pub(super) medium: Medium,
    /// Where the first record begins.
    pub(super) start: u32,
    /// Bytes, those included that are not written yet.
    pub(super) length: u32,
    /// The end of the positions in it; the same as the length but for blocks.
    pub(super) space: u32,
    /// In order of both; nothing for [`Layout::Raw`].
    pub(super) chunks: Vec<Chunk>,
}

/// A run of frames, or one block. Frames start at multiples of eight: the lowest bits say something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) space: u32,
    offset_and_flags: u32,
}

/// The checksums were checked since the bytes were written.
const VERIFIED: u32 = 1;
/// No frame is there.
const GAP: u32 = 2;

impl Chunk {
    pub(super) fn new(space: u32, offset: u32) -> Self {
        Self { space, offset_and_flags: offset }
    }

    pub(super) fn offset(self) -> u32 {
        self.offset_and_flags & !7
    }

    pub(super) fn is_verified(self) -> bool {
        self.offset_and_flags & VERIFIED != 0
    }

    pub(super) fn verified(mut self) -> Self {
        self.offset_and_flags |= VERIFIED;
        self
    }

    pub(super) fn is_gap(self) -> bool {
        self.offset_and_flags & GAP != 0
    }

    pub(super) fn gap(mut self) -> Self {
        self.offset_and_flags |= GAP;
        self
    }
}

impl Segment {
    pub(super) fn is_empty(&self) -> bool {
        self.length == self.start
    }

    pub(super) fn first(&self) -> Position {
        Position::new(self.number, self.start)
    }

    /// How much of it the kernel has; all of it in memory.
    pub(super) fn written(&self) -> u32 {
        match &self.medium {
            Medium::Memory(_) => self.length,
            Medium::File { written, .. } => *written,
        }
    }

    /// Enters a frame that begins at `offset` into the table, when it is far enough from the last one.
    pub(super) fn note_frame(&mut self, offset: u32) {
        let near = |chunk: &Chunk| !chunk.is_gap() && offset - chunk.offset() < CHUNK_BYTES;
        if !self.chunks.last().is_some_and(near) {
            self.chunks.push(Chunk::new(offset, offset));
        }
    }

    /// Goes on at `length` and `space`; the same but for blocks.
    pub(super) fn extend_to(&mut self, length: u32, space: u32) {
        (self.length, self.space) = (length, space);
    }

    /// The chunk that covers a position, and where the next one begins in the file.
    pub(super) fn chunk_at(&self, space: u32) -> Option<(usize, Chunk, u32)> {
        let index = self.chunks.partition_point(|chunk| chunk.space <= space).checked_sub(1)?;
        Some((index, self.chunks[index], self.chunk_end(index)))
    }

    pub(super) fn chunk_end(&self, index: usize) -> u32 {
        self.chunks.get(index + 1).map_or(self.length, |next| next.offset())
    }

    /// Hands bytes that stand at the end of what is written to the kernel.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.medium {
            Medium::Memory(memory) => memory.extend_from_slice(bytes),
            Medium::File { file, path, written } => {
                write_at(opened(file, path)?, bytes, *written)?;
                *written += bytes.len() as u32;
            }
        }
        Ok(())
    }

    /// Goes back to a length: what was written beyond it is gone, as far as the system can do that.
    pub(super) fn truncate(&mut self, length: u32) -> io::Result<()> {
        match &mut self.medium {
            Medium::Memory(memory) => memory.truncate(length as usize),
            Medium::File { file, path, written } => {
                *written = length;
                opened(file, path)?.set_len(u64::from(length))?;
            }
        }
        Ok(())
    }

    /// Forces the disk.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        match &mut self.medium {
            Medium::Memory(_) => Ok(()),
            Medium::File { file, path, .. } => opened(file, path)?.sync_data(),
        }
    }

    /// Gives the descriptor back; nothing will be written any more.
    pub(super) fn close_file(&mut self) {
        if let Medium::File { file, .. } = &mut self.medium {
            *file = None;
        }
    }
}

fn opened<'a>(file: &'a mut Option<File>, path: &Path) -> io::Result<&'a File> {
    let open = match file.take() {
        Some(open) => open,
        None => File::options().read(true).write(true).open(path)?,
    };
    Ok(file.insert(open))
}

/// All of `bytes` at `offset`.
pub(super) fn write_at(file: &File, bytes: &[u8], offset: u32) -> io::Result<()> {
    #[cfg(test)]
    let bytes = match fault::room(bytes.len()) {
        Some(room) => {
            file.write_all_at(&bytes[..room], u64::from(offset))?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        None => bytes,
    };
    file.write_all_at(bytes, u64::from(offset))
}

#[cfg(test)]
pub(super) mod fault {
    //! A disk that fills up.
    use std::cell::Cell;

    thread_local! {
        static ROOM: Cell<Option<usize>> = const { Cell::new(None) };
    }

    /// So many bytes more can be written by this thread; `None` = any number.
    pub(in crate::journal) fn set_room(bytes: Option<usize>) {
        ROOM.set(bytes);
    }

    /// How much of `wanted` fits, when not all does.
    pub(super) fn room(wanted: usize) -> Option<usize> {
        let room = ROOM.get()?;
        ROOM.set(Some(room.saturating_sub(wanted)));
        (room < wanted).then_some(room)
    }
}

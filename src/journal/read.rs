//! Reading pieces of records, most often in order.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::block;
use super::frame::{Found, HEADER_BYTES, Scan, Slice};
use super::segment::{Layout, Medium, Segment};
use super::{Journal, Position, ReadError};

/// How much is read at once when pieces follow each other.
const WINDOW_BYTES: u32 = 256 << 10;
/// Pieces that are no farther apart follow each other: reading what is between costs less than another call.
const NEAR_BYTES: u32 = 16 << 10;

/// What was read last: a stretch of one segment's positions.
#[derive(Debug, Default)]
pub(super) struct Window {
    segment: u32,
    start: u32,
    bytes: Vec<u8>,
    /// The frame of a block as it is in the file.
    packed: Vec<u8>,
    /// The file of a segment that is not the open one.
    file: Option<(u32, File)>,
}

/// Where a piece is.
enum Place {
    Memory,
    Pending(u32),
    Block(u32),
    Window,
}

impl Window {
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Lets go of a segment, its file included: the disk keeps what somebody has open.
    pub(super) fn forget_segment(&mut self, number: u32) {
        if self.segment == number || self.file.as_ref().is_some_and(|(open, _)| *open == number) {
            self.forget();
        }
    }

    fn end(&self) -> u32 {
        self.start + self.bytes.len() as u32
    }

    fn covers(&self, segment: u32, from: u32, to: u64) -> bool {
        self.segment == segment && from >= self.start && to <= u64::from(self.end())
    }

    /// A piece here comes soon after what is in the window.
    fn precedes(&self, segment: u32, from: u32) -> bool {
        self.segment == segment
            && !self.bytes.is_empty()
            && from >= self.start
            && from <= self.end() + NEAR_BYTES
    }

    /// Keeps only a part of itself.
    fn narrow(&mut self, from: u32, to: u32) {
        self.bytes.truncate((to - self.start) as usize);
        self.bytes.drain(..(from - self.start) as usize);
        self.start = from;
    }
}

impl Journal {
    /// `length` bytes of a record's payload from `at` on, committed or not. Cheapest in the order of positions.
    pub fn read(&mut self, at: Position, length: usize) -> Result<&[u8], ReadError> {
        let (number, from) = (at.segment(), at.offset());
        let Some(index) = self.find(number) else {
            return Err(match self.segments[0].number > number {
                true => ReadError::Released { segment: number },
                false => out_of_range(at, length),
            });
        };
        if length == 0 {
            return Ok(&[]); // an empty payload is where the next frame begins
        }
        let to = u64::from(from) + length as u64;
        let place = self.place(index, at, length, to)?;
        let (bytes, start) = match place {
            Place::Memory => match &self.segments[index].medium {
                Medium::Memory(memory) => (memory, 0),
                Medium::File { .. } => return Err(out_of_range(at, length)),
            },
            Place::Pending(start) => (&self.pending, start),
            Place::Block(start) => (&self.block, start),
            Place::Window => (&self.window.bytes, self.window.start),
        };
        let from = (from - start) as usize;
        bytes.get(from..from + length).ok_or_else(|| out_of_range(at, length))
    }

    /// Sees to it that a piece is somewhere in memory.
    fn place(&mut self, index: usize, at: Position, length: usize, to: u64) -> Result<Place, ReadError> {
        let (segment, from) = (&self.segments[index], at.offset());
        if segment.layout == Layout::Raw {
            return Ok(Place::Memory);
        }
        if segment.layout == Layout::Blocks && index + 1 == self.segments.len() && from >= segment.space {
            return Ok(Place::Block(segment.space));
        }
        if segment.layout == Layout::Frames && from >= segment.written() {
            return Ok(Place::Pending(segment.written()));
        }
        if to > u64::from(segment.space) {
            return Err(out_of_range(at, length));
        }
        if !self.window.covers(segment.number, from, to) {
            match segment.layout {
                Layout::Blocks => self.load_block(index, at)?,
                _ => self.load_frames(index, at, to as u32)?,
            }
        }
        Ok(Place::Window)
    }

    /// Fills the window with the block that has a position.
    fn load_block(&mut self, index: usize, at: Position) -> Result<(), ReadError> {
        let last = self.segments.len() - 1;
        let segment = &self.segments[index];
        let Some((_, chunk, end)) = segment.chunk_at(at.offset()).filter(|(_, chunk, _)| !chunk.is_gap())
        else {
            return Err(corrupt(at));
        };
        let (start, written) = (chunk.offset(), segment.written());
        let window = &mut self.window;
        window.bytes.clear();
        let packed = match &segment.medium {
            Medium::Memory(memory) => memory.get(start as usize..end as usize).unwrap_or_default(),
            Medium::File { .. } if start >= written && index == last => {
                self.pending.get((start - written) as usize..(end - written) as usize).unwrap_or_default()
            }
            Medium::File { .. } => {
                let mut packed = std::mem::take(&mut window.packed);
                let read = fill(&mut packed, &mut window.file, segment, start, end);
                window.packed = packed;
                read.map_err(|error| failed(at, error))?;
                &window.packed
            }
        };
        let mut scan = Scan { salt: segment.salt, at: start };
        let found = scan.next(&mut Slice { start, bytes: packed }).map_err(|error| failed(at, error))?;
        let Some((Found::Frame(header), ..)) = found else { return Err(corrupt(at)) };
        let payload = &packed[HEADER_BYTES as usize..][..header.length as usize];
        let space = block::unpack(header.flags, payload, &mut window.bytes).ok_or_else(|| corrupt(at))?;
        (window.segment, window.start) = (segment.number, space);
        Ok(())
    }

    /// Fills the window with what a piece needs: with the chunk around it until that has been verified, then with
    /// exactly the piece, or with what follows as well when pieces come in order.
    fn load_frames(&mut self, index: usize, at: Position, to: u32) -> Result<(), ReadError> {
        let from = at.offset();
        let segment = &self.segments[index];
        let Some((first, chunk, chunk_end)) = segment.chunk_at(from) else { return Err(corrupt(at)) };
        if chunk.is_gap() {
            return Err(corrupt(at));
        }
        if to > chunk_end {
            return Err(out_of_range(at, (to - from) as usize));
        }
        let start = if chunk.is_verified() { from } else { chunk.offset() };
        let mut end = if chunk.is_verified() { to } else { chunk_end };
        let mut chunks = first..first + 1;
        if self.window.precedes(segment.number, from) {
            end = chunk_end.min(segment.written());
            while let Some(next) = segment.chunks.get(chunks.end).filter(|next| !next.is_gap()) {
                let next_end = segment.chunk_end(chunks.end).min(segment.written());
                if next_end - start > WINDOW_BYTES || next.offset() >= next_end {
                    break;
                }
                (end, chunks.end) = (next_end, chunks.end + 1);
            }
        }
        let end = end.min(segment.written());
        let window = &mut self.window;
        let mut bytes = std::mem::take(&mut window.bytes);
        let read = fill(&mut bytes, &mut window.file, segment, start, end);
        (window.segment, window.start, window.bytes) = (segment.number, start, bytes);
        if let Err(error) = read {
            window.bytes.clear();
            return Err(failed(at, error));
        }
        for number in chunks {
            if !self.verify(index, number, at, to)? {
                break;
            }
        }
        Ok(())
    }

    /// Checks the frames of a chunk in the window, once. When one is bad the window ends before the chunk; around the
    /// piece that is wanted it ends with its frame. False when it was narrowed.
    fn verify(&mut self, index: usize, number: usize, at: Position, to: u32) -> Result<bool, ReadError> {
        let open = index + 1 == self.segments.len();
        let segment = &mut self.segments[index];
        let chunk = segment.chunks[number];
        if chunk.is_verified() {
            return Ok(true);
        }
        let (start, end) = (chunk.offset(), segment.chunk_end(number).min(segment.written()));
        let (window, salt) = (&mut self.window, segment.salt);
        let bytes = &window.bytes[(start - window.start) as usize..][..(end - start) as usize];
        let (mut scan, mut source) = (Scan { salt, at: start }, Slice { start, bytes });
        let (mut good, mut wanted) = (true, None);
        while let Some((found, start, end)) = scan.next(&mut source).map_err(|error| failed(at, error))? {
            match found {
                Found::Frame(header)
                    if start <= at.offset() && to <= start + HEADER_BYTES + header.length =>
                {
                    wanted = Some((start, end));
                }
                Found::Frame(_) => {}
                _ => good = false,
            }
        }
        if good {
            // The last chunk may still grow, by what was not checked yet.
            if number + 1 < segment.chunks.len() || !open {
                segment.chunks[number] = chunk.verified();
            }
            return Ok(true);
        }
        if at.offset() < start {
            window.narrow(window.start, start);
            return Ok(false);
        }
        let Some((start, end)) = wanted else {
            window.bytes.clear();
            return Err(corrupt(at));
        };
        window.narrow(start, end);
        Ok(false)
    }
}

/// Reads a stretch of a segment's file into `bytes`.
fn fill(
    bytes: &mut Vec<u8>,
    cached: &mut Option<(u32, File)>,
    segment: &Segment,
    start: u32,
    end: u32,
) -> io::Result<()> {
    let length = (end - start) as usize;
    if bytes.capacity() > 4 * WINDOW_BYTES as usize && length <= WINDOW_BYTES as usize {
        *bytes = Vec::new(); // it had become large for one record
    }
    bytes.resize(length, 0);
    let Medium::File { file, path, .. } = &segment.medium else {
        return Err(io::ErrorKind::Unsupported.into());
    };
    let file = match (file, &mut *cached) {
        (Some(file), _) => file,
        (None, Some((number, file))) if *number == segment.number => file,
        (None, cached) => &cached.insert((segment.number, File::open(path)?)).1,
    };
    file.read_exact_at(bytes, u64::from(start))
}

fn out_of_range(at: Position, length: usize) -> ReadError {
    ReadError::OutOfRange { segment: at.segment(), offset: at.offset(), length }
}

fn corrupt(at: Position) -> ReadError {
    ReadError::Corrupt { segment: at.segment(), offset: at.offset() }
}

fn failed(at: Position, source: io::Error) -> ReadError {
    if source.kind() == io::ErrorKind::UnexpectedEof {
        return corrupt(at); // somebody cut the file
    }
    ReadError::Io { segment: at.segment(), source }
}

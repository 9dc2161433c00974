//! Recycling what is not needed any more, and forcing the disk.

use std::fs;
use std::io;
use std::time::Instant;

use super::segment::{Medium, Segment};
use super::{CommitError, Journal, Position, Sync};

/// Memory that is kept beside what is held: a segment, and one of so many.
const SPARE_SHARE: usize = 32;
/// An open segment in which nothing is needed is given up when this part of it is used.
const RESTART_SHARE: u32 = 4;

impl Journal {
    /// Nothing before `at` is needed any more: whole segments before it are recycled. At [`Position::MAX`] nothing is
    /// needed at all, and the open segment is given up too once it is worth it. What is not committed stays.
    ///
    /// What is needed instead of the old records must be committed before.
    pub fn release_before(&mut self, at: Position) {
        if at >= self.end() && !self.is_uncommitted() && self.open_is_worn() {
            self.restart();
        }
        let committed = if self.folder.is_some() { self.mark.number } else { self.open_segment().number };
        let first_kept = at.segment().min(committed);
        // Copies and marks of done work must not be on their way to the disk when the originals go.
        if self.segments[0].number < first_kept && self.sync.due && self.force().is_err() {
            return;
        }
        while self.segments.len() > 1 && self.segments[0].number < first_kept {
            let Some(segment) = self.segments.pop_front() else { return };
            self.closed_bytes -= u64::from(segment.length);
            if self.folder.is_some() && segment.delete().is_err() {
                // A name that stays would be found again after a restart: the segment counts as held until it goes.
                self.closed_bytes += u64::from(segment.length);
                self.segments.push_front(segment);
                return;
            }
            self.window.forget_segment(segment.number);
            self.keep_memory(segment);
        }
    }

    fn open_is_worn(&self) -> bool {
        let open = self.open_segment();
        let worth_it = if self.disk_full { 0 } else { self.segment_bytes / RESTART_SHARE };
        self.seal || open.length >= worth_it.max(open.start + 1)
    }

    /// Goes on in a new segment. Where the disk has no room for one, the open one is emptied first.
    fn restart(&mut self) {
        self.block.clear(); // of memory: elsewhere it is empty
        if self.add_segment(0).is_err() {
            self.window.forget();
            let open = self.open_segment_mut();
            if open.truncate(open.start).is_ok() {
                open.extend_to(open.start, open.start);
                open.chunks.clear();
            }
            // A position means one record only: what comes goes to a new segment, when there can be one.
            self.seal = true;
            let _ = self.add_segment(0);
        }
        self.set_mark();
    }

    fn keep_memory(&mut self, segment: Segment) {
        let Medium::Memory(mut memory) = segment.medium else { return };
        if memory.capacity() == self.segment_bytes as usize
            && self.spare.len() <= self.segments.len() / SPARE_SHARE
        {
            memory.clear();
            self.spare.push(memory);
        }
    }

    /// With `sync: <interval>`: forces the disk when the interval has passed. Cheap when it has not, or when nothing
    /// was written.
    pub fn sync_if_due(&mut self, now: Instant) -> Result<(), CommitError> {
        let Sync::Interval(interval) = self.sync.when else { return Ok(()) };
        let waiting = self.sync.last.is_some_and(|last| now.saturating_duration_since(last) < interval);
        if !self.sync.due || waiting {
            return Ok(());
        }
        self.sync.last = Some(now);
        self.force().map_err(|error| self.failed(error))
    }

    /// Commits, and forces the disk unless that is left to the operating system.
    pub fn close(mut self) -> Result<(), CommitError> {
        self.commit()?;
        if self.sync.due { self.force().map_err(|error| self.failed(error)) } else { Ok(()) }
    }

    pub(super) fn failed(&self, error: io::Error) -> CommitError {
        CommitError::new(self.folder.as_ref().map(|folder| folder.path.clone()).unwrap_or_default(), error)
    }

    /// Forces everything written to the disk.
    pub(super) fn force(&mut self) -> io::Result<()> {
        if !self.sync.due {
            return Ok(());
        }
        if let Some(folder) = &mut self.folder {
            folder.sync()?;
        }
        let open = self.open_segment().number;
        let first = self.segments.partition_point(|segment| segment.number < self.sync.from);
        for segment in self.segments.range_mut(first..) {
            segment.sync()?;
            if segment.number != open {
                segment.close_file();
            }
        }
        self.sync.from = open;
        self.sync.due = false;
        Ok(())
    }
}

impl Segment {
    /// Removes the file; memory just goes.
    pub(super) fn delete(&self) -> io::Result<()> {
        match &self.medium {
            Medium::File { path, .. } => match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            },
            Medium::Memory(_) => Ok(()),
        }
    }
}

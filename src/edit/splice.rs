//! Splices of a body, and the body with them applied.

use std::ops::Range;

use crate::wire::write_varint;

/// What is put in place of ranges of a body, which do not overlap. Lengths of messages around them are mended as they
/// are closed.
#[derive(Debug, Default)]
pub(super) struct Splices {
    list: Vec<Splice>,
    arena: Vec<u8>, // what is put in, one after the other
    grown: i64,     // bytes put in minus bytes taken out
}

#[derive(Clone, Debug)]
struct Splice {
    at: Range<usize>,
    with: Range<usize>, // of the arena
}

/// The beginning of a message: what happens inside it can still be taken back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opened {
    splices: usize,
    arena: usize,
    grown: i64,
}

impl Splices {
    pub(super) fn clear(&mut self) {
        self.list.clear();
        self.arena.clear();
        self.grown = 0;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Puts what `write` writes in the place of `at`.
    pub(super) fn put(&mut self, at: Range<usize>, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.arena.len();
        write(&mut self.arena);
        let with = start..self.arena.len();
        self.grown += with.len() as i64 - at.len() as i64;
        self.list.push(Splice { at, with });
    }

    /// A message begins.
    pub(super) fn open(&self) -> Opened {
        Opened { splices: self.list.len(), arena: self.arena.len(), grown: self.grown }
    }

    /// A message of `len` bytes ends, whose length stands at `length`. If it has changed, its length is mended.
    pub(super) fn close(&mut self, opened: Opened, length: Range<usize>, len: usize) {
        if self.list.len() > opened.splices {
            let len = len as i64 + self.grown - opened.grown;
            self.put(length, |out| write_varint(out, len as u64));
        }
    }

    /// A message ends that goes whole, whatever happened inside it.
    pub(super) fn remove(&mut self, opened: Opened, whole: Range<usize>) {
        self.list.truncate(opened.splices);
        self.arena.truncate(opened.arena);
        self.grown = opened.grown;
        self.put(whole, |_| {});
    }

    /// The body with all splices applied.
    pub(super) fn apply(&mut self, body: &[u8]) -> Vec<u8> {
        // Lengths are known last, and a resource may change after what is in it.
        self.list.sort_by_key(|splice| (splice.at.start, splice.at.end));
        let mut out = Vec::with_capacity((body.len() as i64 + self.grown).max(0) as usize);
        let mut copied = 0;
        for splice in &self.list {
            out.extend_from_slice(&body[copied..splice.at.start]);
            out.extend_from_slice(&self.arena[splice.with.clone()]);
            copied = splice.at.end;
        }
        out.extend_from_slice(&body[copied..]);
        out
    }
}

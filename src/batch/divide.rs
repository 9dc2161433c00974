//! One request into pieces of bounded size, without decoding.

use bytes::Bytes;

use crate::outcome::Signal;
use crate::split::{Choice, Chooser, Fragments, Splitter, count_item, gather};

/// How much there may be of something.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Items.
    pub items: u64,
    /// Bytes.
    pub bytes: u64,
}

/// Pieces of `body` in order, with their items: the first fills the room that there is in `first`, each other that in
/// `max`. A single item larger than that (a metric counts with all its points) is a piece of its own. Bytes that
/// can't be divided come back whole.
pub fn divide(
    splitter: &mut Splitter,
    signal: Signal,
    body: &Bytes,
    items: u64,
    first: Room,
    max: Room,
) -> Vec<(Bytes, u64)> {
    let mut filling = Filling {
        signal,
        piece: 0,
        items: 0,
        bytes: 0,
        heads: [0, 0],
        left: first,
        max: Room { items: max.items.max(1), ..max },
    };
    let Ok(split) = splitter.split(signal, body.clone(), &mut filling) else {
        return vec![(body.clone(), items)];
    };
    let mut pieces = Vec::with_capacity(split.slices.len());
    for (piece, slice) in &split.slices {
        let (body, items) = (Bytes::from(gather(std::slice::from_ref(slice))), u64::from(slice.items));
        if *piece == u16::MAX {
            // The last piece has all that is left.
            pieces.extend(divide(splitter, signal, &body, items, max, max));
        } else {
            pieces.push((body, items));
        }
    }
    pieces
}

/// Puts items into the current piece until it is full.
struct Filling {
    signal: Signal,
    piece: u16,
    items: u64, // in the current piece
    bytes: u64,
    heads: [u64; 2], // encoded sizes of the resource and the scope that the next item stands under
    left: Room,      // of the current piece: items that still fit, and bytes in all
    max: Room,
}

impl Chooser for Filling {
    const READS_HEADS: bool = true;

    fn resource(&mut self, fields: &Fragments, _body: &[u8]) {
        self.heads[0] = fields.len as u64 + NESTING_MAX;
    }

    fn scope(&mut self, fields: &Fragments, _body: &[u8]) {
        self.heads[1] = fields.len as u64 + NESTING_MAX;
        self.bytes += self.heads[0] + self.heads[1]; // the resource once more than needed, at worst
    }

    fn item(&mut self, item: &[u8]) -> Choice {
        let count = count_item(self.signal, item);
        let bytes = item.len() as u64 + NESTING_MAX;
        let full = count > self.left.items || self.bytes + bytes > self.left.bytes;
        if full && (self.items > 0 || self.piece == 0) && self.piece < u16::MAX {
            self.piece += 1;
            self.items = 0;
            self.bytes = self.heads[0] + self.heads[1];
            self.left = self.max;
        }
        self.items += count.max(1);
        self.bytes += bytes;
        self.left.items = self.left.items.saturating_sub(count);
        Choice::Owner(self.piece)
    }
}

/// Tag and length of a nested field, at most.
const NESTING_MAX: u64 = 6;

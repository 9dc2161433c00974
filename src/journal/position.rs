//! Where a byte of the journal is.

use std::num::NonZeroU64;

/// Where a byte of a record is: a segment and an offset in it. Ordered as appended. Never zero, so that an
/// `Option<Position>` takes eight bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(NonZeroU64);

/// A record as it was appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// What the writer called it.
    pub kind: u8,
    /// Where the first byte of the payload is.
    pub at: Position,
    /// Its parts, one after the other.
    pub payload: &'a [u8],
}

impl Position {
    /// After every record.
    pub const MAX: Self = Self(NonZeroU64::MAX);

    /// `segment` is a number from one on.
    pub(super) fn new(segment: u32, offset: u32) -> Self {
        Self(NonZeroU64::new(u64::from(segment) << 32 | u64::from(offset)).unwrap_or(NonZeroU64::MIN))
    }

    /// The position as a number that can be stored.
    pub fn as_u64(self) -> u64 {
        self.0.get()
    }

    /// The position that [`as_u64`](Self::as_u64) gave; zero is none.
    pub fn from_u64(value: u64) -> Option<Self> {
        NonZeroU64::new(value).map(Self)
    }

    /// The number of its segment; segments are recycled as a whole.
    pub fn segment(self) -> u32 {
        (self.0.get() >> 32) as u32
    }

    pub(super) fn offset(self) -> u32 {
        self.0.get() as u32
    }

    /// So many bytes further into the same record's payload.
    pub fn plus(self, bytes: u32) -> Self {
        Self(self.0.saturating_add(u64::from(bytes)))
    }
}

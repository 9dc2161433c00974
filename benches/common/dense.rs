//! Tables indexed by trace and span numbers, which grow as the numbers do and never beyond a bound.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering::Relaxed};

/// Numbers in a page.
const PAGE: u64 = 1 << 20;
/// Pages in a table: 2^28 traces (512 MB) and as many spans (32 MB).
const PAGES: usize = 256;
/// Set in a trace's entry when it has been seen on a second port.
const SPLIT: u16 = 0x8000;

/// What a table says to one span.
#[derive(PartialEq, Eq)]
pub enum Seen {
    /// As it should be: a new span, or the port that its trace is known on.
    Fine,
    /// A span that was here before, or the first time that a trace comes to a second port.
    Odd,
    /// A trace that was known to be split.
    Known,
    /// A number that is out of bounds: it was never sent, or the run is too long to be followed.
    Foreign,
}

/// The port of every trace.
pub struct Ports([OnceLock<Box<[AtomicU16]>>; PAGES]);

impl Ports {
    /// With no trace in it.
    pub fn new() -> Self {
        Self([const { OnceLock::new() }; PAGES])
    }

    /// A trace was seen on a port.
    pub fn see(&self, trace: u64, port: u16) -> Seen {
        let Some(page) = usize::try_from(trace / PAGE).ok().and_then(|page| self.0.get(page)) else {
            return Seen::Foreign;
        };
        let page = page.get_or_init(|| (0..PAGE).map(|_| AtomicU16::new(0)).collect());
        let entry = &page[(trace % PAGE) as usize];
        // Zero is a trace not seen yet, so ports count from one.
        match entry.compare_exchange(0, port + 1, Relaxed, Relaxed) {
            Ok(_) => Seen::Fine,
            Err(known) if known == port + 1 => Seen::Fine,
            Err(known) if known & SPLIT != 0 => Seen::Known,
            Err(_) => {
                entry.fetch_or(SPLIT, Relaxed);
                Seen::Odd
            }
        }
    }
}

/// A bit for every span.
pub struct Spans([OnceLock<Box<[AtomicU64]>>; PAGES]);

impl Spans {
    /// With no span in it.
    pub fn new() -> Self {
        Self([const { OnceLock::new() }; PAGES])
    }

    /// A span was seen.
    pub fn see(&self, span: u64) -> Seen {
        let Some(page) = usize::try_from(span / PAGE).ok().and_then(|page| self.0.get(page)) else {
            return Seen::Foreign;
        };
        let page = page.get_or_init(|| (0..PAGE / 64).map(|_| AtomicU64::new(0)).collect());
        let bit = 1 << (span % 64);
        let before = page[(span % PAGE / 64) as usize].fetch_or(bit, Relaxed);
        if before & bit == 0 { Seen::Fine } else { Seen::Odd }
    }

    /// Whether a span was seen.
    pub fn holds(&self, span: u64) -> bool {
        let page = usize::try_from(span / PAGE).ok().and_then(|page| self.0.get(page)?.get());
        page.is_some_and(|page| page[(span % PAGE / 64) as usize].load(Relaxed) & (1 << (span % 64)) != 0)
    }
}

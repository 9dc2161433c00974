//! What was kept and has to leave: portions of one trace, by where they lie.

use std::sync::Arc;

use crate::sample::Place;

/// What the spans of a kept trace are to carry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Mark {
    /// The policy that kept it.
    pub policy: Option<Arc<str>>,
    /// The sub-policy of a composite that voted for it.
    pub composite: Option<Arc<str>>,
    /// The threshold to write as `ot=th`.
    pub threshold: Option<u64>,
    /// It followed the decision cache.
    pub cached: bool,
}

/// Portions of one kept trace, or spans that lie ready.
#[derive(Clone, Debug)]
pub struct Piece {
    /// Whose they are.
    pub trace_id: [u8; 16],
    /// Where they lie, oldest first; of spans that lie ready, the one record.
    pub places: Vec<Place>,
    /// They are an encoded request that can leave as it is.
    pub ready: bool,
    /// What they carry.
    pub mark: Mark,
    /// Spans in them, as counted on arrival.
    pub spans: u64,
    /// The last piece of its trace's verdict: what is missing in the end is lost.
    pub last: bool,
}

impl Piece {
    /// The oldest place.
    pub fn oldest(&self) -> Option<Place> {
        self.places.first().copied()
    }

    /// Cuts off what comes after the first `count` places, of which `spans` spans are.
    pub fn split_off(&mut self, count: usize, spans: u64) -> Option<Self> {
        if count >= self.places.len() {
            return None;
        }
        let places = self.places.split_off(count);
        let rest = Self {
            trace_id: self.trace_id,
            places,
            ready: self.ready,
            mark: self.mark.clone(),
            spans: self.spans.saturating_sub(spans),
            last: self.last,
        };
        self.spans = spans;
        self.last = false;
        Some(rest)
    }
}

//! One request's share for one owner, on its way.

use std::borrow::Borrow;
use std::time::Instant;

use super::resend::{self, Digest};
use super::ticket::Ticket;
use crate::lane::Permit;
use crate::split::Slice;

/// A slice with everything needed to answer its sender.
#[derive(Debug)]
pub struct Part {
    /// The items.
    pub slice: Slice,
    /// Settles the sender's request.
    pub ticket: Ticket,
    /// When it came into this queue.
    pub queued: Instant,
    /// When the hold ends.
    pub deadline: Instant,
    /// What the backend said last, for the sender.
    pub last_error: Option<String>,
    /// Its share of the exporter's and of the backend's budget.
    pub permits: [Option<Permit>; 2],
    /// The digest of its request, once the slice was detached from it.
    digest: Option<Digest>,
    detached: bool,
}

impl Borrow<Slice> for Part {
    fn borrow(&self) -> &Slice {
        &self.slice
    }
}

impl Part {
    /// A part that came at `queued` and is held until `deadline`.
    pub fn new(
        slice: Slice,
        ticket: Ticket,
        queued: Instant,
        deadline: Instant,
        permits: [Option<Permit>; 2],
    ) -> Self {
        Self { slice, ticket, queued, deadline, last_error: None, permits, digest: None, detached: false }
    }

    /// Spans, log records or data points.
    pub fn items(&self) -> u64 {
        u64::from(self.slice.items)
    }

    /// Encoded size.
    pub fn bytes(&self) -> usize {
        self.slice.bytes
    }

    /// Copies the slice out of its request, which one slow backend would otherwise keep in memory for all of them.
    pub fn detach(&mut self) {
        if self.detached {
            return;
        }
        self.detached = true;
        self.digest = Some(self.digest());
        let bytes = self.slice.bytes;
        self.slice = self.slice.detached();
        self.slice.bytes = bytes; // what was counted in is counted out
    }

    /// Identifies the request that this is a part of.
    pub fn digest(&self) -> Digest {
        self.digest.unwrap_or_else(|| resend::digest(&self.slice.source.body))
    }
}

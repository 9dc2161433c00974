//! Verdicts on disk: forty bytes each, so that after a restart none is taken twice and late spans still follow them.
//!
//! A segment of this log goes when newer ones hold as many verdicts as the memories may remember, and when no span
//! that came before its last verdict is in the journal any more: such spans would be judged again.

use std::collections::VecDeque;

use xxhash_rust::xxh3::xxh3_64;

use crate::journal::{self, CommitError, Full, Journal, Position};
use crate::sample::judge::Outcome;
use crate::sample::{Decided, Remembered};

/// The record kind of a list of verdicts.
pub const VERDICTS: u8 = 1;

/// The verdicts of one shard; without a journal, none.
#[derive(Debug)]
pub struct VerdictLog {
    journal: Option<Journal>,
    names: Vec<u32>, // hashes of the policies' names, by number: those differ after a restart
    batch: Vec<u8>,
    segments: VecDeque<Segment>,
    remembered: u64, // so many verdicts have to stay
}

/// Why verdicts were not written.
#[derive(Debug, thiserror::Error)]
pub enum Unwritten {
    /// The journal is as large as it may get.
    #[error(transparent)]
    Full(Full),
    /// The disk is full or broken.
    #[error(transparent)]
    Commit(CommitError),
}

#[derive(Debug)]
struct Segment {
    first: Position,
    verdicts: u64,
    spans_until: u64, // the end of the span journal when the last verdict here was written
}

/// A verdict as it is read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Whose it is.
    pub trace_id: [u8; 16],
    /// What it is.
    pub outcome: Outcome,
    /// By which policy and with which threshold.
    pub verdict: Remembered,
}

const ENTRY: usize = 40;
/// Bytes of a segment, about 100,000 verdicts.
const SEGMENT_BYTES: u64 = 4 << 20;
/// Verdicts that wait to be written while the disk is full, about 100,000; older ones are let go.
const UNWRITTEN_BYTES_MAX: usize = 4 << 20;
/// "No threshold"; thresholds have 56 bits.
const NONE: u64 = u64::MAX;

impl VerdictLog {
    /// For policies of these names. `remembered` verdicts have to stay.
    pub fn new(names: &[impl AsRef<str>], remembered: u64) -> Self {
        let names = names.iter().map(|name| name_hash(name.as_ref())).collect();
        Self { journal: None, names, batch: Vec::new(), segments: VecDeque::new(), remembered }
    }

    /// What its journal is told, of what that of spans is told.
    pub fn config(spans: &journal::Config) -> journal::Config {
        journal::Config { segment_size: SEGMENT_BYTES, ..spans.clone() }
    }

    /// Other names of policies, the ones there were and more; `remembered` verdicts have to stay from now on.
    pub fn change(
        &mut self,
        names: &[impl AsRef<str>],
        remembered: u64,
        spans: &journal::Config,
        share: u32,
    ) {
        self.names = names.iter().map(|name| name_hash(name.as_ref())).collect();
        self.remembered = remembered;
        if let Some(journal) = &mut self.journal {
            journal.reconfigure(&Self::config(spans), share);
        }
    }

    /// Reads one record of the log while it is opened.
    pub fn replay(&mut self, at: Position, payload: &[u8], mut known: impl FnMut(Known)) {
        let entries = payload.as_chunks::<ENTRY>().0;
        self.note(at, entries.len() as u64, 0);
        for entry in entries {
            if let Some(verdict) = self.read(entry) {
                known(verdict);
            }
        }
    }

    /// From now on verdicts are written to this journal. `spans_until` is the end of the journal of spans.
    pub fn attach(&mut self, journal: Journal, spans_until: Position) {
        self.segments.iter_mut().for_each(|segment| segment.spans_until = spans_until.as_u64());
        self.journal = Some(journal);
    }

    /// A verdict was taken; [`Self::commit`] writes it.
    pub fn push(&mut self, decided: &Decided) {
        if self.journal.is_none() {
            return;
        }
        let policy = decided.remembered().policy.and_then(|policy| self.names.get(usize::from(policy)));
        let outcome = match decided.verdict.outcome {
            Outcome::Sampled => 0,
            Outcome::NotSampled => 1,
            Outcome::Dropped => 2u32,
        };
        self.batch.extend_from_slice(&decided.trace_id);
        self.batch.extend_from_slice(&decided.at.0.to_le_bytes());
        self.batch.extend_from_slice(&decided.verdict.threshold.unwrap_or(NONE).to_le_bytes());
        self.batch.extend_from_slice(&policy.copied().unwrap_or(0).to_le_bytes());
        self.batch.extend_from_slice(&outcome.to_le_bytes());
    }

    /// Writes what was pushed; then it survives the process. What could not be written is tried again with the next.
    pub fn commit(&mut self, spans_until: Position) -> Result<(), Unwritten> {
        let Some(journal) = self.journal.as_mut().filter(|_| !self.batch.is_empty()) else { return Ok(()) };
        let written = journal.append_reserved(VERDICTS, &[&self.batch]).map_err(Unwritten::Full);
        let written = written.and_then(|at| journal.commit().map(|()| at).map_err(Unwritten::Commit));
        match written {
            Ok(at) => {
                self.note(at, (self.batch.len() / ENTRY) as u64, spans_until.as_u64());
                self.batch.clear();
                Ok(())
            }
            Err(error) => {
                let surplus = self.batch.len().saturating_sub(UNWRITTEN_BYTES_MAX);
                self.batch.drain(..surplus.next_multiple_of(ENTRY).min(self.batch.len()));
                Err(error)
            }
        }
    }

    /// Lets go of segments that nobody needs; `oldest` is the oldest span still in the journal.
    pub fn release(&mut self, oldest: Position) {
        let Some(journal) = &mut self.journal else { return };
        let mut newer: u64 = self.segments.iter().map(|segment| segment.verdicts).sum();
        let mut keep_from = None;
        while self.segments.len() > 1 {
            let Some(first) = self.segments.front() else { break };
            newer -= first.verdicts;
            if newer < self.remembered || first.spans_until > oldest.as_u64() {
                break;
            }
            self.segments.pop_front();
            keep_from = self.segments.front().map(|segment| segment.first);
        }
        if let Some(first) = keep_from {
            journal.release_before(first);
        }
    }

    fn note(&mut self, at: Position, verdicts: u64, spans_until: u64) {
        match self.segments.back_mut() {
            Some(last) if last.first.segment() == at.segment() => {
                last.verdicts += verdicts;
                last.spans_until = spans_until;
            }
            _ => self.segments.push_back(Segment { first: at, verdicts, spans_until }),
        }
    }

    fn read(&self, entry: &[u8; ENTRY]) -> Option<Known> {
        let u64_at = |at: usize| Some(u64::from_le_bytes(entry.get(at..at + 8)?.try_into().ok()?));
        let u32_at = |at: usize| Some(u32::from_le_bytes(entry.get(at..at + 4)?.try_into().ok()?));
        let outcome = match u32_at(36)? {
            0 => Outcome::Sampled,
            1 => Outcome::NotSampled,
            _ => Outcome::Dropped,
        };
        let (threshold, name) = (u64_at(24)?, u32_at(32)?);
        let policy = self.names.iter().position(|known| *known == name && name != 0);
        let verdict = Remembered {
            policy: policy.and_then(|policy| u16::try_from(policy).ok()),
            threshold: (threshold != NONE).then_some(threshold),
        };
        Some(Known { trace_id: entry[..16].try_into().ok()?, outcome, verdict })
    }
}

/// Never zero, which means "no policy".
fn name_hash(name: &str) -> u32 {
    (xxh3_64(name.as_bytes()) as u32).max(1)
}

//! How a shard begins: its journals are opened and read back.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::assemble::Assemble;
use super::clock::Clock;
use super::outbox::Outbox;
use super::record::Layout;
use super::recover::Recovered;
use super::reread::Described;
use super::state::{Complaints, Counters, Shard};
use super::verdict_log::VerdictLog;
use crate::flow::Consumer;
use crate::journal::{self, Journal, Recovery};
use crate::observe::Ledger;
use crate::sample::facts::Plan;
use crate::sample::{Config, Sampler};

/// What a shard is opened from.
pub struct Opening<'a> {
    /// What it judges by.
    pub sampling: &'a Config,
    /// What its journal was told.
    pub journal: &'a journal::Config,
    /// Where its files are, below the journal's directory.
    pub folder: PathBuf,
    /// Which shard it is.
    pub index: u32,
    /// What is looked at of a span.
    pub plan: &'a Arc<Plan>,
    /// Where kept traces go.
    pub next: &'a Arc<dyn Consumer>,
    /// The conservation sum.
    pub ledger: &'a Ledger,
}

impl Opening<'_> {
    /// Opens the journals, and puts what they hold back where it was.
    pub fn open(self, mut counters: Counters) -> Result<Shard, journal::OpenError> {
        let begun = Instant::now();
        let (sampling, count) = (self.sampling, self.sampling.num_shards.max(1));
        let clock = Clock::start();
        let seed = fastrand::u64(..);
        let mut sampler = Sampler::new(sampling.clone(), Arc::clone(self.plan), seed, clock.moment(begun));
        counters.rename(sampler.names());
        let mut verdicts = VerdictLog::new(sampler.names(), sampler.remembers());
        let mut known = Vec::new();
        let mut log = None;
        if self.journal.directory.is_some() {
            let config = VerdictLog::config(self.journal);
            let (opened, _) = Journal::open(&config, &self.folder.join("verdicts"), count, &mut |record| {
                verdicts.replay(record.at, record.payload, |verdict| known.push(verdict));
            })?;
            log = Some(opened);
        }
        known.iter().for_each(|known| sampler.remember(&known.trace_id, known.outcome, known.verdict));
        let mut recovered = Recovered::new(Arc::clone(self.plan), &mut sampler, &known);
        let folder = self.folder.join("spans");
        let (journal, found) =
            Journal::open(self.journal, &folder, count, &mut |record| recovered.record(&record))?;
        let (open_spans, unreadable) = (recovered.open_spans, recovered.unreadable);
        let (pieces, kept_spans) = recovered.pieces(counters.names());
        if let Some(log) = log {
            verdicts.attach(log, journal.end());
        }
        let memory_max = memory_max(&journal);
        let mut outbox = Outbox::default();
        pieces.into_iter().for_each(|piece| outbox.push(piece));
        self.ledger.taken(open_spans + kept_spans);
        self.ledger.held_add(open_spans + kept_spans);
        report(&counters, &found, open_spans, kept_spans, unreadable, begun);
        Ok(Shard {
            sampler,
            journal,
            described: Described::default(),
            verdicts,
            outbox,
            assemble: Assemble::new(sampling.record_policy, !sampling.compat),
            layout: Layout::default(),
            clock,
            next: Arc::clone(self.next),
            ledger: self.ledger.clone(),
            counters,
            index: self.index,
            shards: count,
            shrinks: false,
            closing: false,
            released_at: begun,
            complaints: Complaints::default(),
            compat: sampling.compat,
            memory_max,
        })
    }
}

/// What index and journal may take together, when the journal is memory.
pub fn memory_max(journal: &Journal) -> Option<u64> {
    (!journal.is_durable()).then(|| journal.limit_bytes())
}

fn report(
    counters: &Counters,
    found: &Recovery,
    open_spans: u64,
    kept_spans: u64,
    unreadable: u64,
    begun: Instant,
) {
    let metrics = &counters.metrics.journal;
    let corrupt = found.corrupt_records + found.unreadable_segments + unreadable;
    let seconds = begun.elapsed().as_secs_f64();
    metrics.recovered_spans.add(open_spans + kept_spans);
    metrics.corrupt_records.add(corrupt);
    metrics.torn_bytes.add(found.torn_bytes);
    metrics.recovery_s.set(seconds);
    if found.segments > 0 {
        let (records, torn_bytes) = (found.records, found.torn_bytes);
        tracing::info!(
            records,
            open_spans,
            kept_spans,
            torn_bytes,
            seconds,
            "read the journal of an earlier run"
        );
    }
    for fault in &found.faults {
        tracing::warn!(%fault, "a part of the journal is lost");
    }
    if corrupt > 0 {
        tracing::warn!(records = corrupt, "records of the journal are lost: they are corrupt");
    }
}

/// Folders in a journal's directory that hold spans of no processor that runs: it was renamed, or taken out of its
/// pipeline, and what it had is waiting for it.
pub fn deserted(directory: &Path, used: &[PathBuf]) -> Vec<PathBuf> {
    let folders = |path: &Path| {
        let found = std::fs::read_dir(path).into_iter().flatten().flatten();
        found.map(|entry| entry.path()).filter(|path| path.is_dir()).collect::<Vec<_>>()
    };
    let holds = |path: &Path| {
        let found = std::fs::read_dir(path.join("spans")).into_iter().flatten().flatten();
        let sizes = found.filter_map(|entry| entry.metadata().ok()).map(|file| file.len());
        sizes.sum::<u64>() > EMPTY_BYTES_MAX
    };
    let unused = folders(directory).into_iter().filter(|folder| {
        !used.iter().any(|used| directory.join(used) == *folder)
            && folders(folder).iter().any(|shard| holds(shard))
    });
    unused.collect()
}

/// Where the files of a processor in a pipeline are, below its journal's directory.
pub fn folder_of(pipeline: &str, processor: &str) -> PathBuf {
    PathBuf::from(format!("{}-{}", plain(pipeline), plain(processor)))
}

/// A folder's name of a component's.
fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect()
}

/// A journal of another number of shards would split traces that are open, and leave some behind.
pub fn same_shards(config: &journal::Config, folder: &Path, count: u32) -> Result<(), String> {
    let Some(directory) = &config.directory else { return Ok(()) };
    let folder = directory.join(folder);
    let Ok(found) = std::fs::read_dir(&folder) else { return Ok(()) };
    let numbers = found.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let before = numbers.map(|number| number + 1).max().unwrap_or(0);
    if before == 0 || before == count {
        return Ok(());
    }
    Err(format!(
        "num_shards: the journal in {} was written by {before} shards, not {count}; set num_shards: {before} until it \
         is empty, or move it away",
        folder.display()
    ))
}

/// What the files of an empty journal take, headers and all.
const EMPTY_BYTES_MAX: u64 = 1024;

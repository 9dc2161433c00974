//! `timeout`, `retry_on_failure` and `sending_queue`.

use std::time::Duration;

use super::journal::journal;
use super::storage::storage;
use super::{Count, KeyKind, Scalar, Section};
use crate::export::{self, QueueBatch, SendingQueue};
use crate::forward::{Queue, Sizer};
use crate::retry;

/// `retry_on_failure` of a protocol: the Collector's defaults and checks.
pub(super) fn retry(section: &mut Section<'_>) -> retry::Config {
    let config = read(section);
    check(section, &config, &["initial_interval", "max_interval"]);
    config
}

/// `retry_on_failure` at the top level of the exporter, where the Collector has no defaults to compare with: an interval
/// that is not written bends to `max_elapsed_time`.
pub(super) fn retry_at_top(section: &mut Section<'_>) -> retry::Config {
    let mut config = read(section);
    let written: Vec<&str> =
        ["initial_interval", "max_interval"].into_iter().filter(|key| section.has(key)).collect();
    check(section, &config, &written);
    if !config.max_elapsed_time.is_zero() {
        config.initial_interval = config.initial_interval.min(config.max_elapsed_time);
        config.max_interval = config.max_interval.min(config.max_elapsed_time);
        section.show("initial_interval", config.initial_interval.print());
        section.show("max_interval", config.max_interval.print());
    }
    config
}

fn read(section: &mut Section<'_>) -> retry::Config {
    section.shared_as("retry_on_failure");
    let default = retry::Config::default();
    retry::Config {
        enabled: section.get("enabled", default.enabled),
        initial_interval: section.get("initial_interval", default.initial_interval),
        randomization_factor: section.get("randomization_factor", default.randomization_factor),
        multiplier: section.get("multiplier", default.multiplier),
        max_interval: section.get("max_interval", default.max_interval),
        max_elapsed_time: section.get("max_elapsed_time", default.max_elapsed_time),
    }
}

fn check(section: &Section<'_>, config: &retry::Config, intervals: &[&str]) {
    if config.randomization_factor < 0.0 {
        let message = "randomization_factor value must be greater than or equal to 0";
        section.error("randomization_factor", message, None);
    }
    if config.randomization_factor > 1.0 {
        let message = "randomization_factor value must be less than or equal to 1";
        section.error("randomization_factor", message, None);
    }
    if config.multiplier < 0.0 {
        section.error("multiplier", "multiplier value must be greater than or equal to 0", None);
    }
    for key in intervals {
        let interval = if *key == "max_interval" { config.max_interval } else { config.initial_interval };
        if !config.max_elapsed_time.is_zero() && config.max_elapsed_time < interval {
            let message = format!("'max_elapsed_time' must not be less than '{key}'");
            let help = "raise max_elapsed_time, lower the interval, or write max_elapsed_time: 0 for ever";
            section.error("max_elapsed_time", message, Some(help.into()));
        }
    }
}

const SIZERS: &[(&str, Sizer)] =
    &[("requests", Sizer::Requests), ("items", Sizer::Items), ("bytes", Sizer::Bytes)];

/// `sending_queue` of `load_balancing`. `None` when `enabled: false`.
pub(super) fn queue(section: &mut Section<'_>) -> Option<Queue> {
    section.shared_as("sending_queue");
    let default = Queue::default();
    let enabled = section.get("enabled", true);
    if enabled {
        section.ignored::<Count>("num_consumers");
    } else {
        section.ignored::<u64>("num_consumers");
    }
    let queue_size = match enabled {
        true => section.get("queue_size", Count(default.queue_size)).0,
        false => section.get("queue_size", default.queue_size as u64) as usize, // not looked at by the Collector
    };
    let sizer = section.choice("sizer", "requests", SIZERS, "invalid sizer:").unwrap_or(default.sizer);
    let block_on_overflow = section.get("block_on_overflow", false);
    let wait_for_result = section.get("wait_for_result", false);
    let help = "remove storage; what waits is kept in memory and bounded by hold";
    section.refused("storage", "queues on disk are not supported", help);
    if section.find("batch", KeyKind::Ignored).is_some() && !section.is_switched_off("batch") {
        let mark = section.mark_of("batch");
        if section.optional("batch", |part| batch(part, "items")).is_some() {
            let help = "calls gather by themselves; see gather".to_owned();
            section.warn(&mark, "batch", "'batch' has no effect here", Some(help));
        }
    }
    enabled.then_some(Queue { queue_size, sizer, block_on_overflow, wait_for_result })
}

const QUEUE_SIZERS: &[(&str, export::Sizer)] = &[
    ("requests", export::Sizer::Requests),
    ("items", export::Sizer::Items),
    ("bytes", export::Sizer::Bytes),
];

/// `sending_queue` of an exporter to one backend, as written.
pub(super) fn sending_queue(section: &mut Section<'_>) -> SendingQueue {
    section.shared_as("queue of a backend");
    let default = SendingQueue::default();
    let enabled = section.get("enabled", true);
    let (consumers, size) = match enabled {
        true => (
            section.get("num_consumers", Count(default.consumers)).0,
            section.get("queue_size", Count(default.size)).0,
        ),
        // The Collector does not look at them then.
        false => (
            section.get("num_consumers", default.consumers as u64).max(1) as usize,
            section.get("queue_size", default.size as u64) as usize,
        ),
    };
    let sizer = section.choice("sizer", "requests", QUEUE_SIZERS, "invalid sizer:").unwrap_or(default.sizer);
    let wait_for_result = section.get("wait_for_result", false);
    let stored = storage(section);
    let inherited = if sizer == export::Sizer::Bytes { "bytes" } else { "items" };
    let batch = section.optional("batch", |part| batch(part, inherited));
    if let Some(batch) = &batch
        && enabled
        && batch.sizer == sizer
        && batch.min_size > size as u64
    {
        let message =
            format!("`min_size` ({}) must be less than or equal to `queue_size` ({size})", batch.min_size);
        section.error("batch", message, Some("lower min_size or raise queue_size".into()));
    }
    let journal = section.when_filled("journal", |part| {
        let journal = journal(part, 1);
        if journal.directory.is_none() {
            let help = "write directory: PATH, or leave journal out for a queue in memory";
            part.error("", "the journal of a sending_queue needs a directory", Some(help.into()));
        }
        journal
    });
    check_on_disk(section, journal.is_some(), stored.is_some(), batch.as_ref());
    if stored.is_some() && wait_for_result && enabled {
        let message = "`wait_for_result` is not supported with a persistent queue configured with `storage`";
        section.error("wait_for_result", message, Some("remove one of them".into()));
    }
    let is_stored = enabled && stored.is_some();
    SendingQueue {
        enabled,
        consumers,
        size,
        sizer,
        block_on_overflow: section.get("block_on_overflow", false),
        wait_for_result,
        bounded_on_disk: is_stored,
        journal: journal.or(stored.filter(|_| is_stored)),
        batch,
    }
}

/// What a queue on disk does not go with.
fn check_on_disk(section: &mut Section<'_>, journal: bool, stored: bool, batch: Option<&QueueBatch>) {
    let key = if journal { "journal" } else { "storage" };
    if (journal || stored) && batch.is_some_and(|batch| !batch.metadata_keys.is_empty()) {
        let message = format!(
            "'partition.metadata_keys' has no effect together with '{key}': a queue on disk keeps no headers"
        );
        let help = "remove one, or write metadata_keys under a batch processor before".to_owned();
        section.warn(&section.mark_of("batch"), "batch", message, Some(help));
    }
    if stored && journal {
        let help = "both keep the queue on disk; remove one";
        section.error("storage", "'storage' and 'journal' cannot be used together", Some(help.into()));
    }
}

fn batch(batch: &mut Section<'_>, sizer: &'static str) -> QueueBatch {
    let flush_timeout = batch.get("flush_timeout", Duration::from_millis(200));
    if flush_timeout.is_zero() {
        batch.error("flush_timeout", "`flush_timeout` must be positive, found 0", None);
    }
    let min_size = batch.get("min_size", 8192u64);
    let max_size = batch.get("max_size", 0u64);
    if max_size > 0 && max_size < min_size {
        let message = format!("`max_size` ({max_size}) must be greater or equal to `min_size` ({min_size})");
        batch.error("max_size", message, None);
    }
    let sizers = &QUEUE_SIZERS[1..];
    let sizer = batch.choice("sizer", sizer, sizers, "invalid sizer:").unwrap_or(export::Sizer::Items);
    let metadata_keys = batch.section("partition", |partition| {
        let mut keys = partition.get("metadata_keys", Vec::new());
        no_duplicates(partition, &keys);
        keys.iter_mut().for_each(|key: &mut String| key.make_ascii_lowercase());
        keys
    });
    QueueBatch { flush_timeout, min_size, max_size, sizer, metadata_keys }
}

/// `metadata_keys` are header names, which have no case.
pub(super) fn no_duplicates(section: &Section<'_>, keys: &[String]) {
    for (index, key) in keys.iter().enumerate() {
        if keys[..index].iter().any(|known| known.eq_ignore_ascii_case(key)) {
            let shown = if section.is_expanded("metadata_keys") { "(not shown)" } else { key };
            let shown = shown.to_ascii_lowercase();
            let message = format!("duplicate entry in metadata_keys: {shown:?} (case-insensitive)");
            section.error("metadata_keys", message, None);
        }
    }
}

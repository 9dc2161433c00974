//! Orders of processors that are known to be wrong: each a warning at the processor that stands wrong.

mod asks;
mod fields;

use super::Context;
use super::service::{Reference, Wanted};
use crate::config::settings::{Exporter, Processor, Settings};
use crate::edit;
use crate::outcome::Signal;

use asks::{Asks, Lost};
use fields::{Field, read_by, written_by};

/// A processor in its place.
struct Placed<'a> {
    reference: &'a Reference,
    name: String,
    processor: &'a Processor,
    /// Part of what it was told came from outside the file, so that messages do not repeat it.
    hidden: bool,
}

/// Says what stands in an odd order in one pipeline. `hidden` says of which components messages tell nothing.
pub(super) fn check(
    context: &Context,
    pipeline: &Wanted,
    settings: &Settings,
    hidden: impl Fn(&Reference) -> bool,
) {
    let mut line: Vec<Placed<'_>> = Vec::new();
    for reference in &pipeline.processors {
        let Some(processor) = settings.processors.get(&reference.id) else { continue };
        if line.iter().any(|known| known.reference.id == reference.id) {
            continue; // reported as named twice
        }
        let (name, hidden) = (reference.shown(), hidden(reference));
        line.push(Placed { reference, name, processor, hidden });
    }
    let warn = |reference: &Reference, list: &str, message: String, help: String| {
        let path = format!("{}::{list}", pipeline.path);
        context.push(reference.mark.warning(&path, message, Some(help)));
    };
    for (index, placed) in line.iter().enumerate() {
        let before = &line[..index];
        let findings = [
            misplaced(placed, before),
            depends(placed, before, pipeline.signal),
            blind(&placed.name, &asks_of(placed.processor, pipeline.signal), before),
        ];
        for (message, help) in findings.into_iter().flatten() {
            warn(placed.reference, "processors", message, help);
        }
    }
    for reference in &pipeline.exporters {
        let Some(Exporter::Otlp(config)) = settings.exporters.get(&reference.id) else { continue };
        let keys = config.queue.batch.as_ref().map_or_else(Vec::new, |batch| batch.metadata_keys.clone());
        if let Some((message, help)) = blind(&reference.shown(), &Asks::of_headers(keys), &line) {
            warn(reference, "exporters", message, help);
        }
    }
}

type Finding = Option<(String, String)>;

fn finding(message: &str, help: &str) -> Finding {
    Some((message.to_owned(), help.to_owned()))
}

/// What must not stand behind what stands before it.
fn misplaced(placed: &Placed<'_>, before: &[Placed<'_>]) -> Finding {
    let batched = before.iter().any(|one| matches!(one.processor, Processor::Batch(_)));
    let sampled = before.iter().any(|one| matches!(one.processor, Processor::TailSampling(_)));
    match placed.processor {
        Processor::TailSampling(_) if batched => finding(
            "batch stands before tail_sampling: senders wait for its timeout, and kept traces leave as they are",
            "put batch after tail_sampling",
        ),
        Processor::TailSampling(_) if sampled => finding(
            "tail_sampling stands here twice: this one sees only what the one before it kept, and waits again",
            "put all policies into one",
        ),
        Processor::MemoryLimiter(_) if batched => finding(
            "batch stands before memory_limiter: what it refuses stays in batch, which holds memory and tries again, \
             and senders do not learn of it",
            "put memory_limiter first",
        ),
        Processor::MemoryLimiter(_) if !before.is_empty() => finding(
            "memory_limiter is not the first processor: what stands before it works and holds memory for requests \
             that are then refused",
            "put memory_limiter first",
        ),
        Processor::GroupByTrace if batched => finding(
            "groupbytrace stands behind batch: a request a trace undoes what batch did",
            "remove groupbytrace, which has no effect here, or put batch after it",
        ),
        Processor::Edit(config) if batched && matches!(**config, edit::Config::Sampler(_)) => finding(
            "batch stands before probabilistic_sampler: what is left of its batches leaves smaller than it was told",
            "put batch after probabilistic_sampler",
        ),
        _ => None,
    }
}

/// An edit that a sampler before it depends on.
fn depends(placed: &Placed<'_>, before: &[Placed<'_>], signal: Signal) -> Finding {
    let Processor::Edit(config) = placed.processor else { return None };
    let written = written_by(config, signal);
    if written.is_empty() {
        return None;
    }
    before.iter().find_map(|sampler| {
        let reads = read_by(sampler.processor, signal);
        let (reader, field) = reads.into_iter().find_map(|(reader, reads)| {
            written.iter().find(|written| reads.is(written)).map(|written| (reader, written.clone()))
        })?;
        let (edit, sampler_name) = (&placed.name, &sampler.name);
        let reader = match reader {
            _ if sampler.hidden => "a policy of ".to_owned(),
            Some(policy) => format!("policy {policy:?} of "),
            None => String::new(),
        };
        let field = match placed.hidden || sampler.hidden {
            true => "(not shown)".to_owned(),
            false => field.to_string(),
        };
        let message = match written.first() {
            Some(Field::Spans) => {
                format!("{reader}{sampler_name} counts spans that {edit} behind it may drop")
            }
            _ => format!(
                "{reader}{sampler_name} reads {field}, which {edit} behind it writes: it sees what was there before"
            ),
        };
        Some((message, format!("put {edit} before {sampler_name}")))
    })
}

/// What a processor asks about requests.
fn asks_of(processor: &Processor, signal: Signal) -> Asks {
    match processor {
        Processor::Batch(config) => Asks::of_headers(config.metadata_keys.clone()),
        Processor::Edit(config) => asks::of(config, signal),
        _ => Asks::default(),
    }
}

/// Something asks about requests what nobody knows any more.
fn blind(name: &str, asks: &Asks, before: &[Placed<'_>]) -> Finding {
    before.iter().rev().find_map(|one| {
        let (lost, why) = match one.processor {
            Processor::TailSampling(_) => (asks.first()?, "which puts spans of many requests together"),
            Processor::Batch(batch) => {
                (asks.lost_behind(&batch.metadata_keys)?, "which keeps only its own metadata_keys")
            }
            _ => return None,
        };
        let loser = &one.name;
        let (what, end) = match lost {
            Lost::Headers => ("for request headers", "it never sees them"),
            Lost::Sender => ("who sent a request", "nobody knows it there"),
        };
        let message = format!("{name} asks {what}, but stands behind {loser}, {why}: {end}");
        let help = match (one.processor, lost) {
            (Processor::Batch(_), Lost::Headers) => {
                format!("put it before {loser}, or name the header in {loser}'s metadata_keys")
            }
            (_, Lost::Headers) => {
                format!("put it before {loser}, or copy the header into an attribute there (from_context)")
            }
            (_, Lost::Sender) => format!("put it before {loser}"),
        };
        Some((message, help))
    })
}

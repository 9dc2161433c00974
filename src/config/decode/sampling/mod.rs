//! The `tail_sampling` processor: everything but its policies.

mod combinators;
mod dynamic;
mod leaf;
mod policy;

use std::time::Duration;

use super::journal::journal;
use super::{Cut, Section, Wait};
use crate::config::settings::TailSampling;
use crate::config::tree::Typed;
use crate::sample::{Config, DecisionCache, Early, Strategy, WhenFull};

const COMPAT: &[(&str, bool)] = &[("", false), ("collector", true)];
const EARLY: &[(&str, Early)] = &[("all", Early::All), ("not_kept", Early::NotKept), ("off", Early::Off)];
const WHEN_FULL: &[(&str, WhenFull)] = &[
    ("refuse", WhenFull::Refuse),
    ("decide_oldest", WhenFull::DecideOldest),
    ("decide_largest", WhenFull::DecideLargest),
];
const SHARDS_MAX: u32 = 256;

/// Reads the processor.
pub(super) fn tail_sampling(section: &mut Section<'_>) -> TailSampling {
    hints(section);
    let gates = section.context().gates;
    let default = Config::default();
    let compat = section.choice("compat", "", COMPAT, "unknown compat").unwrap_or(false);
    let strategy = strategy(section);
    let policies = policy::policies(section, compat, strategy);
    let num_shards = num_shards(section);
    let (block_on_overflow, when_full) = overflow(section);
    let sampling = Config {
        policies,
        strategy,
        decision_wait: wait(section, "decision_wait", default.decision_wait),
        decision_wait_after_root: wait(
            section,
            "decision_wait_after_root_received",
            default.decision_wait_after_root,
        ),
        num_traces: num_traces(section, default.num_traces),
        block_on_overflow,
        decision_cache: section.section("decision_cache", decision_cache),
        sample_on_first_match: section.get("sample_on_first_match", default.sample_on_first_match),
        drop_pending_on_shutdown: section.get("drop_pending_traces_on_shutdown", false),
        maximum_trace_size_bytes: unless_none(section, "maximum_trace_size_bytes", None),
        num_shards,
        compat,
        record_policy: section.get("record_policy", gates.record_policy),
        tracestate: section.get("tracestate", !compat || gates.tracestate),
        early: early(section, compat),
        second_chance: section.get("second_chance", default.second_chance),
        max_spans: unless_none(section, "maximum_spans_per_trace", default.max_spans.filter(|_| !compat)),
        when_full,
        semconv: section.get("semconv", false),
        explain_traces: section.get("explain_traces", default.explain_traces),
    };
    section.ignored::<u64>("expected_new_traces_per_sec");
    let help = "write journal: {directory: PATH}, which survives a restart too";
    section.refused("tail_storage", "no storage extensions exist here", help);
    if compat && sampling.sample_on_first_match && sampling.tracestate {
        let message = "sample_on_first_match with tracestate gives wrong thresholds under compat: collector";
        let mark = section.mark_of("sample_on_first_match");
        section.warn(&mark, "sample_on_first_match", message, Some("switch one of them off".into()));
    }
    TailSampling {
        sampling,
        journal: section.section("journal", |part| journal(part, num_shards)),
        count_spans_sampled: gates.count_spans_sampled,
        count_bytes_sampled: gates.count_bytes_sampled,
    }
}

/// Names that people look for, and what is meant.
fn hints(section: &mut Section<'_>) {
    section.hint("policy", "write policies: [{name: …, type: …}]");
    section.hint("directory", "write journal: {directory: …}");
    section.hint("num_workers", "write num_shards");
}

fn strategy(section: &mut Section<'_>) -> Strategy {
    let word = section.get("sampling_strategy", "trace-complete".to_owned());
    match word.as_str() {
        "trace-complete" => Strategy::TraceComplete,
        "span-ingest" => Strategy::SpanIngest,
        _ => {
            let shown = if section.is_expanded("sampling_strategy") { "the value given" } else { &word };
            let message = format!(
                "invalid sampling_strategy {shown:?}, expected one of \"trace-complete\" or \"span-ingest\""
            );
            section.error("sampling_strategy", message, None);
            Strategy::TraceComplete
        }
    }
}

fn num_shards(section: &mut Section<'_>) -> u32 {
    let shards = section.get("num_shards", Config::default().num_shards);
    if shards > SHARDS_MAX {
        section.error("num_shards", format!("num_shards ({shards}) must not exceed {SHARDS_MAX}"), None);
    }
    shards.clamp(1, SHARDS_MAX) // 0 acts as 1, as in the Collector
}

fn num_traces(section: &mut Section<'_>, default: u64) -> u64 {
    let traces = section.get("num_traces", default);
    if traces == 0 {
        let help = format!("leave it out for {default}");
        let mark = section.mark_of("num_traces");
        section.warn(&mark, "num_traces", "num_traces: 0 means 1, as in the Collector", Some(help));
    }
    traces.max(1)
}

/// A waiting time. A bare number means nanoseconds, which nobody means.
fn wait(section: &mut Section<'_>, key: &'static str, default: Duration) -> Duration {
    let Wait(wait) = section.get(key, Wait(default));
    if let Some(entry) = section.entry(key)
        && let Typed::Int(1..) | Typed::Float(_) = entry.value.typed()
    {
        let message = format!("'{key}' is a bare number, which means nanoseconds");
        section.warn(&entry.value.mark, key, message, Some("write a unit, such as 10s".into()));
    }
    wait
}

/// `block_on_overflow` and `when_full`: the first is the Collector's word for one value of the second.
fn overflow(section: &mut Section<'_>) -> (bool, WhenFull) {
    let block = section.get("block_on_overflow", false);
    let default = if block { "refuse" } else { "decide_oldest" };
    let when_full =
        section.choice("when_full", default, WHEN_FULL, "unknown when_full").unwrap_or(WhenFull::Refuse);
    if block && when_full != WhenFull::Refuse {
        let help = "write when_full: refuse, or leave block_on_overflow out";
        section.error(
            "when_full",
            "block_on_overflow: true and when_full contradict each other",
            Some(help.into()),
        );
    }
    (block, when_full)
}

/// Sizes that are not written are not zero here: then ours apply.
fn decision_cache(section: &mut Section<'_>) -> DecisionCache {
    let mut size = |key| section.written(key).map(|Cut(size)| size.max(0).unsigned_abs());
    DecisionCache { sampled: size("sampled_cache_size"), not_sampled: size("non_sampled_cache_size") }
}

fn early(section: &mut Section<'_>, compat: bool) -> Early {
    let default = if compat { "off" } else { "all" };
    section.choice("early_verdicts", default, EARLY, "unknown early_verdicts").unwrap_or(Early::Off)
}

/// A limit where zero means none.
fn unless_none(section: &mut Section<'_>, key: &'static str, default: Option<u64>) -> Option<u64> {
    let limit = section.get(key, default.unwrap_or(0));
    (limit > 0).then_some(limit)
}

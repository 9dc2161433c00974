//! Why was this trace kept, or not: on the admin port and on the command line.

use std::process::Command;

use crate::mixed;
use crate::support::backend::Backend;
use crate::support::load::{failing, hex, span, text, trace_id, traces};
use crate::support::process::Ringtail;
use crate::support::sampling::{ERRORS, Sampling};

const SLOW: &str = "{name: slow, type: latency, latency: {threshold_ms: 1000}}";
const HEALTH: &str = "{name: veto, type: drop, drop: {drop_sub_policy: [{name: h, type: string_attribute, \
                      string_attribute: {key: health, values: ['yes']}}]}}";

/// The page of a trace, as text.
async fn page(ringtail: &Ringtail, trace: u64) -> String {
    ringtail.page(&format!("/trace/{}", hex(&trace_id(trace)))).await.to_string()
}

/// What the command line says of a trace.
fn explain(ringtail: &Ringtail, trace: u64) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringtail"));
    command
        .args(["explain", &hex(&trace_id(trace)), "--config"])
        .arg(ringtail.dir.path().join("ringtail.yaml"));
    let output = command.output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    out.into_owned()
}

fn assert_says(said: &str, words: &[&str]) {
    for word in words {
        assert!(said.contains(word), "{word:?} is not in {said}");
    }
}

/// Scenario: traces that are kept, not kept and vetoed, at their deadline; one that is open; one that never came.
/// Guarantee: page and command line say the outcome, the policy, every policy's vote, the trigger.
#[tokio::test]
async fn every_verdict_is_explained() {
    let backend = Backend::grpc().await;
    let keys = format!("decision_wait: 1s, early_verdicts: off, policies: [{ERRORS}, {SLOW}, {HEALTH}]");
    let ringtail = Sampling::to(&backend, &keys).start().await;
    let mut vetoed = failing(span(2, 0));
    vetoed.attributes.push(text("health", "yes"));
    ringtail.export(traces([mixed(0, 0), mixed(1, 0), vetoed])).await.unwrap();
    ringtail.settled().await;
    for said in [page(&ringtail, 0).await, explain(&ringtail, 0)] {
        assert_says(&said, &["sampled", "errors", "slow", "veto", "deadline"]);
        assert!(!said.contains("not_sampled\",\"policy\":\"errors"), "{said}");
    }
    for said in [page(&ringtail, 1).await, explain(&ringtail, 1)] {
        assert_says(&said, &["not_sampled", "errors", "slow", "deadline"]);
    }
    for said in [page(&ringtail, 2).await, explain(&ringtail, 2)] {
        assert_says(&said, &["dropped", "veto", "deadline"]);
    }
}

/// Scenario: verdicts by the root, early, and at a limit.
/// Guarantee: the trigger is named.
#[tokio::test]
async fn every_trigger_is_named() {
    let backend = Backend::grpc().await;
    let root = "decision_wait: 1h, decision_wait_after_root_received: 200ms, early_verdicts: off";
    let early = "decision_wait: 1h, early_verdicts: all";
    let spans = "decision_wait: 1h, early_verdicts: off, maximum_spans_per_trace: 3";
    let size = "decision_wait: 1h, early_verdicts: off, maximum_trace_size_bytes: 300";
    for (keys, trigger) in [(root, "root"), (early, "early"), (spans, "limit_spans"), (size, "limit_size")] {
        let ringtail = Sampling::to(&backend, &format!("{keys}, policies: [{ERRORS}]")).start().await;
        ringtail.export(traces((0..5).map(|n| failing(span(1, n))))).await.unwrap();
        ringtail.settled().await;
        assert_says(&page(&ringtail, 1).await, &[&format!("\"{trigger}\"")]);
        assert_says(&explain(&ringtail, 1), &[trigger]);
    }
}

/// Scenario: more verdicts than `explain_traces`.
/// Guarantee: the last ones are explained, the first are not any more; what is remembered of them is said.
#[tokio::test]
async fn explanations_are_bounded() {
    let backend = Backend::grpc().await;
    let keys = format!("decision_wait: 1s, early_verdicts: off, explain_traces: 10, policies: [{ERRORS}]");
    let ringtail = Sampling::to(&backend, &keys).start().await;
    for first in [0, 100] {
        ringtail.export(traces((first..first + 30).map(|trace| mixed(trace, 0)))).await.unwrap();
        ringtail.settled().await;
    }
    assert!(!page(&ringtail, 0).await.contains("deadline"));
    let explained = futures_util::future::join_all((100..130).map(|trace| page(&ringtail, trace))).await;
    assert_eq!(explained.iter().filter(|page| page.contains("deadline")).count(), 10);
}

/// Scenario: a trace that waits, and one that nobody sent.
/// Guarantee: the first is said to be open, the second to be unknown.
#[tokio::test]
async fn open_and_unknown_traces_are_told_apart() {
    let backend = Backend::grpc().await;
    let ringtail = Sampling::to(&backend, &format!("decision_wait: 1h, policies: [{ERRORS}]")).start().await;
    ringtail.export(traces([span(1, 0)])).await.unwrap();
    let (open, unknown) = (page(&ringtail, 1).await, page(&ringtail, 2).await);
    assert!(open.contains("open") || open.contains("undecided"), "{open}");
    assert!(!unknown.contains("deadline"), "{unknown}");
    assert_ne!(open.replace(&hex(&trace_id(1)), ""), unknown.replace(&hex(&trace_id(2)), ""));
}

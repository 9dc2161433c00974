//! Why was this trace kept, or not: on the admin port and on the command line.

use std::process::Command;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::mixed;
use crate::support::backend::Backend;
use crate::support::load::{failing, hex, span, text, trace_id, traces};
use crate::support::process::Ringtail;
use crate::support::sampling::{ERRORS, Sampling};

const SLOW: &str = "{name: slow, type: latency, latency: {threshold_ms: 1000}}";
const HEALTH: &str = "{name: veto, type: drop, drop: {drop_sub_policy: [{name: h, type: string_attribute, \
                      string_attribute: {key: health, values: ['yes']}}]}}";

/// What the admin port says of a trace.
async fn page(ringtail: &Ringtail, trace: u64) -> Value {
    let page = ringtail.page(&format!("/trace/{}", hex(&trace_id(trace)))).await;
    assert_eq!(page["verdicts"].as_array().map(Vec::len), Some(1), "{page}");
    page["verdicts"][0].clone()
}

/// The votes in it, policy by policy.
fn votes(page: &Value) -> Vec<(&str, &str)> {
    let votes = page["votes"].as_array().unwrap_or_else(|| panic!("no votes: {page}"));
    votes.iter().map(|one| (one["policy"].as_str().unwrap(), one["vote"].as_str().unwrap())).collect()
}

/// What the command line says of a trace.
fn explain(ringtail: &Ringtail, trace: u64) -> String {
    let (id, admin) = (hex(&trace_id(trace)), ringtail.ports.admin.to_string());
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringtail"));
    command.args(["explain", &id, "--admin", &admin]);
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
    let kept = page(&ringtail, 0).await;
    assert_eq!((&kept["verdict"], &kept["policy"]), (&json!("sampled"), &json!("errors")), "{kept}");
    assert_eq!((&kept["trigger"], &kept["facts"]["spans"]), (&json!("deadline"), &json!(1)), "{kept}");
    let expected = [("errors", "sampled"), ("slow", "not_sampled"), ("veto", "not_sampled")];
    assert_eq!(votes(&kept), expected);
    assert_says(&explain(&ringtail, 0), &["sampled", "errors", "slow", "veto", "deadline"]);
    let other = page(&ringtail, 1).await;
    assert_eq!((&other["verdict"], &other["policy"]), (&json!("not_sampled"), &json!(null)), "{other}");
    assert_eq!(votes(&other), expected.map(|(policy, _)| (policy, "not_sampled")));
    assert_says(&explain(&ringtail, 1), &["not", "errors", "slow", "veto", "deadline"]);
    let vetoed = page(&ringtail, 2).await;
    assert_eq!((&vetoed["verdict"], &vetoed["policy"]), (&json!("dropped"), &json!("veto")), "{vetoed}");
    assert!(votes(&vetoed).contains(&("veto", "dropped")), "{vetoed}");
    assert_says(&explain(&ringtail, 2), &["dropped", "veto", "deadline"]);
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
        assert_eq!(page(&ringtail, 1).await["trigger"], trigger);
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
    let (first, second) = (page(&ringtail, 0).await, page(&ringtail, 1).await);
    assert_eq!((&first["trigger"], &first["verdict"]), (&json!(null), &json!("sampled")), "{first}");
    assert_eq!((&second["trigger"], &second["verdict"]), (&json!(null), &json!("not_sampled")), "{second}");
    let explained = join_all((100..130).map(|trace| page(&ringtail, trace))).await;
    assert_eq!(explained.iter().filter(|page| page["trigger"] == "deadline").count(), 10);
}

/// Scenario: a trace that waits, and one that nobody sent.
/// Guarantee: the first is said to be open, the second to be unknown.
#[tokio::test]
async fn open_and_unknown_traces_are_told_apart() {
    let backend = Backend::grpc().await;
    let ringtail = Sampling::to(&backend, &format!("decision_wait: 1h, policies: [{ERRORS}]")).start().await;
    ringtail.export(traces([span(1, 0)])).await.unwrap();
    let (open, unknown) = (page(&ringtail, 1).await, page(&ringtail, 2).await);
    assert_eq!((&open["state"], &open["facts"]["spans"]), (&json!("open"), &json!(1)), "{open}");
    assert_eq!(unknown["state"], "unknown", "{unknown}");
    let odd = crate::support::http::get(ringtail.ports.admin, "/trace/xyz").await.unwrap();
    assert_eq!(odd.status, 400);
}

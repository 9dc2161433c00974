//! Limits of number and size: what is refused, and what is judged early instead.

use std::time::Duration;

use prost::Message;
use tonic::Code;

use crate::support::Traces;
use crate::support::backend::Backend;
use crate::support::ledger::Scrape;
use crate::support::load::{assert_arrived_once, hex, span, text, trace_id, traces};
use crate::support::sampling::{ALL, Sampling};
use crate::support::status::retry_delay;
use crate::support::wait;
use crate::{ended, verdicts};

fn one(trace: u64) -> Traces {
    traces([span(trace, 0)])
}

fn kept(count: f64) -> impl Fn(&Scrape) -> bool {
    move |scrape| verdicts(scrape, "true") == count
}

/// Scenario: `num_traces: 20` under `when_full: refuse`, thirty traces.
/// Guarantee: the first twenty are taken, more spans of them too, the others are asked to come back, over gRPC and HTTP;
/// after the deadline there is room for them.
#[tokio::test]
async fn a_full_index_refuses_new_traces_when_told_so() {
    let backend = Backend::grpc().await;
    let keys = format!(
        "decision_wait: 3s, early_verdicts: off, num_traces: 20, when_full: refuse, policies: [{ALL}]"
    );
    let ringtail = Sampling::to(&backend, &keys).start().await;
    for trace in 0..20 {
        ringtail.export(one(trace)).await.unwrap();
    }
    let refusal = ringtail.export(one(20)).await.unwrap_err();
    assert_eq!(refusal.code(), Code::Unavailable, "{refusal:?}");
    assert!(
        retry_delay(refusal.details()).is_some_and(|delay| delay <= Duration::from_secs(30)),
        "{refusal:?}"
    );
    let answer = ringtail.post(&[("content-type", "application/x-protobuf")], one(20).encode_to_vec()).await;
    assert_eq!(answer.status, 429, "{}", answer.text());
    assert!(answer.header("retry-after").is_some());
    ringtail.export(traces([span(3, 1)])).await.unwrap();
    let take = || async { ringtail.export(one(20)).await.ok() };
    wait::until_some("there is room again", take).await;
    let scrape = ringtail.settled().await;
    let sent: Vec<_> = (0..21).map(one).chain([traces([span(3, 1)])]).collect();
    assert_arrived_once(&sent, &[&backend]);
    assert!(ended(&scrape, "traces_full") >= 2);
    assert_eq!(scrape.ledger("tail_sampling", "traces").dropped, 0);
}

/// Scenario: the same under `when_full: decide_oldest`, with a wait that nobody would survive.
/// Guarantee: nothing is refused; the oldest are judged, and it is said why.
#[tokio::test]
async fn a_full_index_decides_the_oldest_when_told_so() {
    let backend = Backend::grpc().await;
    let keys = format!(
        "decision_wait: 1h, early_verdicts: off, num_traces: 20, when_full: decide_oldest, policies: [{ALL}]"
    );
    let ringtail = Sampling::to(&backend, &keys).start().await;
    for trace in 0..30 {
        ringtail.export(one(trace)).await.unwrap();
    }
    ringtail.scrape_until("ten are judged", kept(10.0)).await;
    wait::until("they arrive", || backend.spans().len() == 10).await;
    assert_arrived_once(&(0..10).map(one).collect::<Vec<_>>(), &[&backend]);
    let page = ringtail.page(&format!("/trace/{}", hex(&trace_id(0)))).await.to_string();
    assert!(page.contains("limit_traces"), "{page}");
    let scrape =
        ringtail.scrape_until("the others wait", |s| s.ledger("tail_sampling", "traces").held == 20).await;
    scrape.assert_closes();
}

/// Scenario: the same under `when_full: decide_largest`; the third trace has many spans.
/// Guarantee: the first to go is that one.
#[tokio::test]
async fn a_full_index_decides_the_largest_when_told_so() {
    let backend = Backend::grpc().await;
    let keys = format!(
        "decision_wait: 1h, early_verdicts: off, num_traces: 20, when_full: decide_largest, policies: [{ALL}]"
    );
    let ringtail = Sampling::to(&backend, &keys).start().await;
    let large = traces((0..50).map(|n| span(2, n)));
    for trace in 0..20 {
        ringtail.export(if trace == 2 { large.clone() } else { one(trace) }).await.unwrap();
    }
    ringtail.export(one(20)).await.unwrap();
    ringtail.scrape_until("one is judged", kept(1.0)).await;
    wait::until("it arrives", || backend.spans().len() >= 50).await;
    assert_arrived_once(&[large], &[&backend]);
    ringtail.scrape().await.assert_closes();
}

/// Scenario: `maximum_trace_size_bytes`; a trace grows over it, another does not.
/// Guarantee: the large one is dropped by name, its later spans too; the other is kept.
#[tokio::test]
async fn a_trace_over_its_size_is_dropped_by_name() {
    let backend = Backend::grpc().await;
    let keys =
        format!("decision_wait: 1s, early_verdicts: off, maximum_trace_size_bytes: 5000, policies: [{ALL}]");
    let ringtail = Sampling::to(&backend, &keys).start().await;
    let heavy = |n| {
        let mut span = span(1, n);
        span.attributes.push(text("padding", &"x".repeat(3000)));
        traces([span])
    };
    ringtail.export(heavy(0)).await.unwrap();
    ringtail.export(one(2)).await.unwrap();
    ringtail.export(heavy(1)).await.unwrap();
    ringtail.export(traces([span(1, 2)])).await.unwrap();
    let scrape = ringtail.settled().await;
    assert_arrived_once(&[one(2)], &[&backend]);
    assert_eq!(ended(&scrape, "trace_too_large") + ended(&scrape, "late_not_sampled"), 3);
    assert!(ended(&scrape, "trace_too_large") >= 2);
    assert_eq!(scrape.sum("otelcol_processor_tail_sampling_traces_dropped_too_large", &[]), 1.0);
}

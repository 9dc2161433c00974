//! A trace of hundreds of thousands of spans among small ones.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::trace::v1::Span;
use parking_lot::Mutex;

use crate::support::Content;
use crate::support::backend::{Backend, Reply};
use crate::support::load::{failing, hex, span, trace_id, traces};
use crate::support::process::Ringtail;
use crate::support::sampling::{ERRORS, Sampling};
use crate::support::wait;

const GIANT: u64 = 999_999;
const SPANS: u64 = 300_000;
const A_REQUEST: u64 = 6000;
const WAIT: Duration = Duration::from_secs(1);
/// Longest time from the deadline of a small trace to its arrival; the machine may be busy.
const LAG: Duration = Duration::from_millis(1500);

/// A span of the giant, as small as spans are; the first one fails.
fn of_giant(n: u64) -> Span {
    let span = Span {
        trace_id: trace_id(GIANT),
        span_id: (n + 1).to_be_bytes().to_vec(),
        parent_span_id: vec![7; 8],
        name: "step".into(),
        start_time_unix_nano: 1_700_000_000_000_000_000 + n,
        end_time_unix_nano: 1_700_000_000_000_000_500 + n,
        ..Span::default()
    };
    if n == 0 { failing(span) } else { span }
}

async fn send_giant(ringtail: &Ringtail) {
    let mut client = ringtail.traces();
    for first in (0..SPANS).step_by(A_REQUEST as usize) {
        let request = traces((first..first + A_REQUEST).map(of_giant));
        let start = Instant::now();
        while let Err(refusal) = client.export(request.clone()).await {
            assert_eq!(refusal.code(), tonic::Code::Unavailable, "{refusal:?}");
            assert!(start.elapsed() < wait::DEADLINE, "the giant never found room: {refusal:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// What arrived, as far as these tests want to know.
#[derive(Default)]
struct Arrivals {
    giant: u64,
    small: HashMap<String, Instant>,
}

fn watch(backend: &Backend) -> Arc<Mutex<Arrivals>> {
    let arrivals = Arc::new(Mutex::new(Arrivals::default()));
    let sink = Arc::clone(&arrivals);
    backend.answer(move |content| {
        let Content::Traces(traces) = content else { return Reply::Take };
        let mut arrivals = sink.lock();
        let scopes = traces.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
        for span in scopes.flat_map(|scope| &scope.spans) {
            if span.name == "step" {
                arrivals.giant += 1;
            } else {
                arrivals.small.insert(span.name.clone(), Instant::now());
            }
        }
        Reply::Take
    });
    arrivals
}

/// Sends a small failing trace every 50 ms until told to stop; returns when each was sent.
async fn send_small(ringtail: &Ringtail, stop: &AtomicBool) -> Vec<Instant> {
    let mut client = ringtail.traces();
    let mut sent = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let trace = sent.len() as u64;
        sent.push(Instant::now());
        client.export(traces([failing(span(trace, 0))])).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    sent
}

/// Sends the giant among small traces; nobody's verdict may be late by it, and everything must arrive.
async fn giant_among_small(setup: Sampling, backend: &Backend) -> Ringtail {
    let arrivals = watch(backend);
    let ringtail = setup.batch("timeout: 50ms").start().await;
    let stop = AtomicBool::new(false);
    let giant = async {
        send_giant(&ringtail).await;
        tokio::time::sleep(WAIT).await; // small ones are sent while it is judged, too
        stop.store(true, Ordering::Relaxed);
    };
    let ((), sent) = tokio::join!(giant, send_small(&ringtail, &stop));
    let complete = || {
        let arrivals = arrivals.lock();
        arrivals.giant == SPANS && arrivals.small.len() == sent.len()
    };
    wait::until("everything arrives", complete).await;
    let arrivals = arrivals.lock();
    let lag = |(trace, sent): (usize, &Instant)| {
        let arrived = arrivals.small[&format!("operation {trace}/0")];
        arrived.saturating_duration_since(*sent + WAIT)
    };
    let mut lags: Vec<_> = sent.iter().enumerate().map(lag).collect();
    lags.sort();
    assert!(
        lags[lags.len() / 2] < LAG / 3,
        "the median of small traces was late by {:?}",
        lags[lags.len() / 2]
    );
    assert!(lags[lags.len() * 95 / 100] < LAG, "small traces were late by up to {:?}", lags.last());
    ringtail
}

/// Scenario: a trace of 300,000 spans comes in fifty requests, small ones at the same time.
/// Guarantee: it is judged early, by `maximum_spans_per_trace`, which `/trace` says; all of it arrives; the verdicts of
/// small traces are not late.
#[tokio::test]
async fn a_giant_is_judged_early_and_delays_nobody() {
    let backend = Backend::grpc().await;
    let keys = format!("decision_wait: {WAIT:?}, early_verdicts: off, maximum_spans_per_trace: 20000");
    let keys = format!("{keys}, policies: [{ERRORS}]");
    let ringtail = giant_among_small(Sampling::to(&backend, &keys), &backend).await;
    let page = ringtail.page(&format!("/trace/{}", hex(&trace_id(GIANT)))).await.to_string();
    assert!(page.contains("limit_spans"), "{page}");
    let scrape = ringtail.settled().await;
    assert_eq!(scrape.ledger("tail_sampling", "traces").dropped, 0);
}

/// Scenario: the same without that limit, with a journal in a directory: it is judged at its deadline, as a whole.
/// Guarantee: all of it arrives; the verdicts of small traces are not late.
#[tokio::test]
async fn a_giant_without_a_limit_delays_nobody() {
    let backend = Backend::grpc().await;
    let keys = format!("decision_wait: {WAIT:?}, early_verdicts: off, maximum_spans_per_trace: 0");
    let setup = Sampling::to(&backend, &format!("{keys}, policies: [{ERRORS}]")).on_disk("");
    let ringtail = giant_among_small(setup, &backend).await;
    let scrape = ringtail.settled().await;
    assert_eq!(scrape.ledger("tail_sampling", "traces").dropped, 0);
}

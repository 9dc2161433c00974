//! Backends of a sampler that refuse, stall, die and come back.

use std::time::{Duration, Instant};

use tonic::Code;

use crate::support::Traces;
use crate::support::backend::{Backend, Reply};
use crate::support::load::{Seen, assert_arrived_once, span, text, traces};
use crate::support::sampling::{ALL, Sampling};
use crate::support::status::retry_delay;
use crate::support::wait;
use crate::verdicts;

fn request(n: u64) -> Traces {
    traces((n * 10..n * 10 + 10).flat_map(|trace| [span(trace, 0), span(trace, 1)]))
}

fn keep_all() -> String {
    format!("decision_wait: 500ms, early_verdicts: off, policies: [{ALL}]")
}

/// Scenario: a backend asks to come back ten times, with and without a delay; over gRPC and over HTTP.
/// Guarantee: everything arrives once; nothing is dropped.
#[tokio::test]
async fn a_backend_that_asks_to_come_back_gets_everything() {
    let (grpc, http) = (Backend::grpc().await, Backend::http().await);
    let mut n = 0;
    grpc.answer(move |_| {
        n += 1;
        match n {
            1..=5 => Reply::Refuse(Code::Unavailable, None),
            6..=10 => Reply::Refuse(Code::ResourceExhausted, Some(Duration::from_millis(50))),
            _ => Reply::Take,
        }
    });
    let mut n = 0;
    http.answer(move |_| {
        n += 1;
        match n {
            1..=5 => Reply::Http(503, None),
            6 => Reply::Http(429, Some(1)),
            _ => Reply::Take,
        }
    });
    let setups = [Sampling::to(&grpc, &keep_all()), Sampling::to_http(&http, &keep_all())];
    for (setup, backend) in setups.into_iter().zip([&grpc, &http]) {
        let ringtail = setup.batch("timeout: 50ms").start().await;
        let sent: Vec<_> = (0..10).map(request).collect();
        for request in &sent {
            ringtail.export(request.clone()).await.unwrap();
        }
        wait::until("everything arrives", || backend.spans().len() >= 200).await;
        let scrape = ringtail.settled().await;
        assert_arrived_once(&sent, &[backend]);
        assert_eq!(scrape.ledger("tail_sampling", "traces").delivered, 200);
    }
}

/// Scenario: a backend stalls, then dies, then is back, while traces are kept.
/// Guarantee: senders are answered meanwhile; everything arrives.
#[tokio::test]
async fn a_dead_backend_gets_everything_when_it_is_back() {
    let backend = Backend::grpc().await;
    let ringtail = Sampling::to(&backend, &keep_all()).batch("timeout: 50ms").start().await;
    backend.close_gate();
    for n in 0..5 {
        ringtail.export(request(n)).await.unwrap();
    }
    wait::until("a call is under way", || backend.calls() > 0).await;
    backend.stop();
    for n in 5..10 {
        ringtail.export(request(n)).await.unwrap();
    }
    ringtail.scrape_until("all are judged", |s| verdicts(s, "true") == 100.0).await;
    let scrape = ringtail.scrape().await;
    assert_eq!(scrape.ledger("tail_sampling", "traces").held, 200);
    scrape.assert_balanced();
    backend.open_gate();
    backend.restart().await;
    wait::until("everything arrives", || backend.spans().len() >= 200).await;
    ringtail.settled().await;
    let unique: std::collections::HashSet<_> = backend.spans().iter().map(Seen::key).collect();
    assert_eq!(unique.len(), 200);
}

/// Scenario: a backend refuses a batch for good, and takes a part of another.
/// Guarantee: both are counted by name, nothing is sent again, what comes later arrives.
#[tokio::test]
async fn what_a_backend_refuses_for_good_is_counted() {
    let backend = Backend::grpc().await;
    let ringtail = Sampling::to(&backend, &keep_all()).batch("timeout: 50ms").start().await;
    backend.answer_next(1, Reply::Refuse(Code::InvalidArgument, None));
    ringtail.export(request(0)).await.unwrap();
    let scrape = ringtail.settled().await;
    assert_eq!(backend.calls(), 1);
    assert_eq!(dropped(&scrape, "backend_refused"), 20, "{scrape:?}");
    backend.answer_next(1, Reply::Partial(3, "three are bad"));
    ringtail.export(request(1)).await.unwrap();
    let scrape = ringtail.settled().await;
    assert_eq!(backend.calls(), 2);
    assert_eq!(dropped(&scrape, "backend_rejected"), 3, "{scrape:?}");
    ringtail.export(request(2)).await.unwrap();
    ringtail.settled().await;
    assert_arrived_once(&[request(1), request(2)], &[&backend]);
}

/// What the exporter and the sampler together dropped for a reason, each span once.
fn dropped(scrape: &crate::support::ledger::Scrape, reason: &str) -> u64 {
    scrape.reason("otlp", reason).max(scrape.reason("tail_sampling", reason))
}

/// Scenario: a dead backend, and a journal that gets full of kept traces; both ways to make room.
/// Guarantee: kept traces are not lost; senders are asked to come back; when the backend is back, everything that was
/// acknowledged arrives and there is room again.
#[tokio::test]
async fn kept_traces_without_a_way_out_stop_the_senders() {
    for when_full in ["refuse", "decide_oldest"] {
        let backend = Backend::grpc().await;
        let journal = "journal: {max_memory: 4MiB, segment_size: 256KiB}";
        let keys = format!("{}, when_full: {when_full}, {journal}", keep_all());
        let ringtail = Sampling::to(&backend, &keys).batch("timeout: 50ms").start().await;
        backend.stop();
        let heavy = |trace| {
            let mut span = span(trace, 0);
            span.attributes.push(text("padding", &"x".repeat(20_000)));
            traces([span])
        };
        let (start, mut sent) = (Instant::now(), Vec::new());
        let refusal = loop {
            let request = heavy(sent.len() as u64);
            match ringtail.export(request.clone()).await {
                Ok(_) => sent.push(request),
                Err(refusal) => break refusal,
            }
            assert!(start.elapsed() < wait::DEADLINE && sent.len() < 1000, "4 MiB never get full");
        };
        assert_eq!(refusal.code(), Code::Unavailable, "{refusal:?}");
        assert!(retry_delay(refusal.details()).is_some(), "{refusal:?}");
        backend.restart().await;
        wait::until("everything arrives", || backend.spans().len() >= sent.len()).await;
        let next = heavy(sent.len() as u64);
        let take = || async { ringtail.export(next.clone()).await.ok() };
        wait::until_some("there is room again", take).await;
        sent.push(next.clone());
        ringtail.settled().await;
        assert_arrived_once(&sent, &[&backend]);
    }
}

/// Scenario: a backend that keeps each call waiting; the sender's queue before it is bounded.
/// Guarantee: verdicts are taken in time all the same.
#[tokio::test]
async fn a_slow_backend_does_not_delay_verdicts() {
    let backend = Backend::grpc().await;
    let ringtail = Sampling::to(&backend, &keep_all()).batch("timeout: 50ms").start().await;
    backend.close_gate();
    let start = Instant::now();
    for n in 0..20 {
        ringtail.export(request(n)).await.unwrap();
    }
    ringtail.scrape_until("all are judged", |s| verdicts(s, "true") == 200.0).await;
    assert!(start.elapsed() < Duration::from_secs(4), "verdicts took {:?}", start.elapsed());
    backend.open_gate();
    ringtail.settled().await;
    let sent: Vec<_> = (0..20).map(request).collect();
    assert_arrived_once(&sent, &[&backend]);
}

//! `sending_queue`: the promise is the queue's, so what it took is delivered or counted as dropped.

use futures_util::future::join_all;
use tonic::Code;

use crate::support::backend::{Backend, Reply};
use crate::support::ledger::Scrape;
use crate::support::load::{assert_arrived_once, span, traces};
use crate::support::setup::Setup;
use crate::support::status::retry_delay;
use crate::support::{Traces, wait};

fn request(n: u64) -> Traces {
    traces([span(n, 0), span(n, 1)])
}

fn delivered(n: u64) -> impl Fn(&Scrape) -> bool {
    move |scrape| scrape.ledger("load_balancing", "traces").delivered == n
}

/// Scenario: a queue of three requests before a backend that does not answer; four requests come.
/// Guarantee: three are answered at once, the fourth is refused with a hint; the three arrive once.
#[tokio::test]
async fn a_queue_answers_at_once_and_refuses_when_it_is_full() {
    let backend = Backend::grpc().await;
    let ringtail = Setup::over(&[&backend]).with("sending_queue: {queue_size: 3}").start().await;
    backend.close_gate();
    for n in 0..3 {
        ringtail.export(request(n)).await.unwrap();
    }
    let refusal = ringtail.export(request(3)).await.unwrap_err();
    assert_eq!((refusal.code(), refusal.message()), (Code::Unavailable, "sending queue is full"));
    assert!(retry_delay(refusal.details()).is_some());
    let scrape = ringtail.scrape().await;
    assert_eq!(scrape.sum("otelcol_exporter_queue_size", &[]), 3.0);
    assert_eq!(scrape.sum("otelcol_exporter_queue_capacity", &[]), 3.0);
    backend.open_gate();
    ringtail.scrape_until("the queue is empty", delivered(6)).await;
    ringtail.export(request(3)).await.unwrap();
    ringtail.scrape_until("the queue is empty again", delivered(8)).await;
    assert_arrived_once(&(0..4).map(request).collect::<Vec<_>>(), &[&backend]);
    let scrape = ringtail.settled().await;
    assert_eq!(scrape.reason("load_balancing", "queue_full"), 2);
    assert_eq!(scrape.sum("otelcol_exporter_enqueue_failed_spans", &[]), 2.0);
    assert_eq!(scrape.sum("otelcol_exporter_queue_size", &[]), 0.0);
}

/// Scenario: a full queue under `block_on_overflow`.
/// Guarantee: senders wait for room and are then taken; nothing is refused.
#[tokio::test]
async fn a_blocking_queue_makes_senders_wait() {
    let backend = Backend::grpc().await;
    let keys = "sending_queue: {queue_size: 2, block_on_overflow: true}";
    let ringtail = Setup::over(&[&backend]).with(keys).start().await;
    backend.close_gate();
    ringtail.export(request(0)).await.unwrap();
    ringtail.export(request(1)).await.unwrap();
    let late: Vec<_> = (2..6)
        .map(|n| {
            let mut client = ringtail.traces();
            tokio::spawn(async move { client.export(request(n)).await })
        })
        .collect();
    let six = |scrape: &Scrape| scrape.ledger("otlp/grpc", "traces").taken == 12;
    ringtail.scrape_until("six requests are in", six).await;
    assert!(late.iter().all(|send| !send.is_finished()), "there is no room");
    backend.open_gate();
    for send in join_all(late).await {
        send.unwrap().unwrap();
    }
    ringtail.scrape_until("the queue is empty", delivered(12)).await;
    assert_arrived_once(&(0..6).map(request).collect::<Vec<_>>(), &[&backend]);
    ringtail.settled().await;
}

/// Scenario: `wait_for_result`, and a backend that refuses.
/// Guarantee: the sender is told of it, as without a queue.
#[tokio::test]
async fn a_queue_that_waits_for_the_result_tells_it() {
    let backend = Backend::grpc().await;
    let ringtail = Setup::over(&[&backend]).with("sending_queue: {wait_for_result: true}").start().await;
    backend.answer_next(1, Reply::Refuse(Code::PermissionDenied, None));
    ringtail.export(request(0)).await.unwrap_err();
    ringtail.export(request(1)).await.unwrap();
    assert_arrived_once(&[request(1)], &[&backend]);
    assert_eq!(ringtail.settled().await.reason("load_balancing", "backend_refused"), 2);
}

/// Scenario: what was queued is refused for good by its backend, or retried longer than `max_elapsed_time`.
/// Guarantee: it is dropped under a named reason, not silently.
#[tokio::test]
async fn what_a_queue_must_drop_is_counted_by_reason() {
    let backend = Backend::grpc().await;
    let retry = "{initial_interval: 50ms, max_interval: 50ms, max_elapsed_time: 300ms}";
    let ringtail = Setup::over(&[&backend]).with("sending_queue: {}").retry(retry).start().await;
    backend.answer_next(1, Reply::Refuse(Code::PermissionDenied, None));
    ringtail.export(request(0)).await.unwrap();
    ringtail.scrape_until("it is dropped", |s| s.reason("load_balancing", "backend_refused") == 2).await;
    backend.stop();
    ringtail.export(request(1)).await.unwrap();
    ringtail.scrape_until("it is dropped", |s| s.reason("load_balancing", "retry_exhausted") == 2).await;
    let scrape = ringtail.settled().await;
    assert_eq!(scrape.ledger("load_balancing", "traces").dropped, 4);
    assert_eq!(scrape.sum("otelcol_exporter_send_failed_spans", &[]), 4.0);
}

/// Scenario: SIGTERM while a queue holds requests that were answered, before a slow backend.
/// Guarantee: the process delivers them before it ends with code 0.
#[tokio::test]
async fn a_queue_is_drained_before_the_end() {
    let backend = Backend::grpc().await;
    let ringtail = Setup::over(&[&backend]).with("sending_queue: {}").start().await;
    backend.close_gate();
    for n in 0..10 {
        ringtail.export(request(n)).await.unwrap();
    }
    ringtail.scrape().await.assert_balanced();
    ringtail.terminate();
    wait::until("it is stopping", || ringtail.stderr().contains("stopping:")).await;
    backend.open_gate();
    assert_eq!(ringtail.ended().await, 0);
    assert_arrived_once(&(0..10).map(request).collect::<Vec<_>>(), &[&backend]);
    assert!(ringtail.stderr().contains("nothing was left"), "{}", ringtail.stderr());
}

/// Scenario: SIGTERM while a queue holds requests for a dead backend, then a second SIGTERM.
/// Guarantee: the second ends the process at once, and it says how many spans were left.
#[tokio::test]
async fn a_second_signal_ends_at_once_and_what_is_left_is_said() {
    let backend = Backend::grpc().await;
    let ringtail = Setup::over(&[&backend]).with("sending_queue: {}").start().await;
    backend.stop();
    for n in 0..3 {
        ringtail.export(request(n)).await.unwrap();
    }
    ringtail.terminate();
    wait::until("it is stopping", || ringtail.stderr().contains("stopping:")).await;
    ringtail.terminate();
    assert_eq!(ringtail.ended().await, 0);
    assert!(ringtail.stderr().contains("items=6"), "{}", ringtail.stderr());
}

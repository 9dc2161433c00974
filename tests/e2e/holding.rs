//! Slow and dead backends: others are not kept waiting, what is held is bounded, a resend is not delivered twice.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use prost::Message;
use tonic::Code;

use crate::support::backend::Backend;
use crate::support::ledger::Scrape;
use crate::support::load::{assert_arrived_once, span, traces};
use crate::support::raw_grpc::{RawGrpc, TRACES, framed};
use crate::support::setup::Setup;
use crate::support::status::retry_delay;
use crate::support::{Traces, http, wait};

const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");

fn of(traces_of: &[u64]) -> Traces {
    traces(traces_of.iter().flat_map(|trace| (0..3).map(|n| span(*trace, n))))
}

fn held(scrape: &Scrape) -> bool {
    scrape.ledger("load_balancing", "traces").held > 0
}

/// Scenario: one of two backends does not answer; a request has spans for both, another only for the good one.
/// Guarantee: the good backend's share arrives at once, the other request is answered at once.
#[tokio::test]
async fn a_slow_backend_delays_only_its_own_share() {
    let (slow, good) = (Backend::grpc().await, Backend::grpc().await);
    let ringtail = Setup::over(&[&slow, &good]).start().await;
    let (slows, goods) = (ringtail.owned_by(&slow, 3).await, ringtail.owned_by(&good, 4).await);
    slow.close_gate();
    let both = of(&[&slows[..], &goods[..3]].concat());
    let (mut client, request) = (ringtail.traces(), both.clone());
    let waiting = tokio::spawn(async move { client.export(request).await });
    wait::until("the good backend has its share", || good.spans().len() == 9).await;
    let other = of(&goods[3..]);
    ringtail.export(other.clone()).await.unwrap();
    assert!(!waiting.is_finished(), "success before the slow backend has answered");
    slow.open_gate();
    waiting.await.unwrap().unwrap();
    assert_arrived_once(&[both, other], &[&slow, &good]);
    ringtail.settled().await;
}

/// Scenario: one of two backends is dead for longer than `hold.max_age`; the sender resends the same bytes until it is
/// back, over gRPC and over HTTP.
/// Guarantee: UNAVAILABLE with RetryInfo and 503 with Retry-After meanwhile; every span arrives once in the end.
#[tokio::test]
async fn a_resend_is_not_delivered_twice_to_those_that_took_it() {
    let (dead, good) = (Backend::grpc().await, Backend::grpc().await);
    let ringtail = Setup::over(&[&dead, &good]).with("hold: {max_age: 300ms}").start().await;
    let (deads, goods) = (ringtail.owned_by(&dead, 4).await, ringtail.owned_by(&good, 4).await);
    let first = of(&[deads[0], goods[0], deads[1], goods[1]]);
    let second = of(&[goods[2], deads[2], goods[3], deads[3]]);
    dead.stop();
    let start = Instant::now();
    let refusal = ringtail.export(first.clone()).await.unwrap_err();
    assert_eq!(refusal.code(), Code::Unavailable, "{refusal:?}");
    assert!(refusal.message().contains(&dead.address()), "{refusal:?}");
    assert!(retry_delay(refusal.details()).is_some_and(|delay| delay >= Duration::from_millis(1)));
    assert!(start.elapsed() >= Duration::from_millis(300), "held before it is refused");
    let answer = ringtail.post(&[PROTOBUF], second.encode_to_vec()).await;
    assert_eq!(answer.status, 503);
    assert!(answer.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    let again = ringtail.export(first.clone()).await.unwrap_err();
    assert_eq!(again.code(), Code::Unavailable, "still dead");
    dead.restart().await;
    ringtail.export(first.clone()).await.unwrap();
    assert_eq!(ringtail.post(&[PROTOBUF], second.encode_to_vec()).await.status, 200);
    assert_arrived_once(&[first, second], &[&dead, &good]);
    let scrape = ringtail.settled().await;
    assert_eq!(scrape.reason("load_balancing", "already_delivered"), 3 * 6);
    assert_eq!(scrape.reason("load_balancing", "hold_expired"), 3 * 6);
}

/// Scenario: a backend is dead when spans come for it, and returns within the hold.
/// Guarantee: senders wait and see success; everything held arrives once.
#[tokio::test]
async fn what_is_held_arrives_once_when_the_backend_returns() {
    let backend = Backend::grpc().await;
    let ringtail = Setup::over(&[&backend]).with("hold: {max_age: 60s}").start().await;
    backend.stop();
    let sent: Vec<_> = (0..20).map(|n| of(&[n])).collect();
    let sends = sent.iter().map(|request| {
        let (mut client, request) = (ringtail.traces(), request.clone());
        tokio::spawn(async move { client.export(request).await })
    });
    let sends: Vec<_> = sends.collect();
    let all = |scrape: &Scrape| scrape.ledger("load_balancing", "traces").held == 60;
    ringtail.scrape_until("all is held", all).await;
    backend.restart().await;
    for send in sends {
        send.await.unwrap().unwrap();
    }
    assert_arrived_once(&sent, &[&backend]);
    assert_eq!(ringtail.settled().await.ledger("load_balancing", "traces").delivered, 60);
}

/// Scenario: a backend that does not answer, and more bytes for it than `hold.max_bytes_per_backend`.
/// Guarantee: what does not fit is refused at once with a hint; what was held arrives once; nothing is lost.
#[tokio::test]
async fn what_does_not_fit_into_the_hold_is_refused_with_a_hint() {
    let (slow, good) = (Backend::grpc().await, Backend::grpc().await);
    let keys =
        "hold: {max_bytes_per_backend: 4000, max_bytes: 100000, max_age: 60s}, gather: {max_bytes: 2000}";
    let ringtail = Setup::over(&[&slow, &good]).with(keys).start().await;
    let (slows, goods) = (ringtail.owned_by(&slow, 20).await, ringtail.owned_by(&good, 1).await);
    slow.close_gate();
    let mut held_requests = Vec::new();
    let mut refused = 0;
    for trace in slows {
        let request = of(&[trace]);
        let before = ringtail.scrape().await.ledger("load_balancing", "traces");
        let (mut client, sent) = (ringtail.traces(), request.clone());
        let waiting = tokio::spawn(async move { client.export(sent).await });
        let counted = |scrape: &Scrape| {
            let now = scrape.ledger("load_balancing", "traces");
            now.held > before.held || now.refused > before.refused
        };
        let now = ringtail.scrape_until("it is held or refused", counted).await;
        if now.ledger("load_balancing", "traces").refused == before.refused {
            held_requests.push((request, waiting));
            continue;
        }
        refused += 1;
        let refusal = waiting.await.unwrap().unwrap_err();
        assert_eq!(refusal.code(), Code::Unavailable);
        assert!(refusal.message().contains("max_bytes_per_backend"), "{refusal:?}");
        assert!(retry_delay(refusal.details()).is_some());
    }
    assert!(held_requests.len() > 1 && refused > 1, "{} held, {refused} refused", held_requests.len());
    ringtail.export(of(&goods)).await.unwrap();
    slow.open_gate();
    let mut sent = vec![of(&goods)];
    for (request, waiting) in held_requests {
        waiting.await.unwrap().unwrap();
        sent.push(request);
    }
    assert_arrived_once(&sent, &[&slow, &good]);
    let scrape = ringtail.settled().await;
    assert_eq!(scrape.reason("load_balancing", "lane_full"), 3 * refused);
}

/// Scenario: a sender whose own deadline is shorter than the hold, and a dead backend.
/// Guarantee: it gets an answer that lets it retry, long before the hold ends.
#[tokio::test]
async fn a_short_deadline_of_the_sender_ends_the_hold() {
    let backend = Backend::grpc().await;
    let ringtail = Setup::over(&[&backend]).with("hold: {max_age: 60s}").start().await;
    backend.stop();
    let grpc = RawGrpc::connect(ringtail.ports.grpc).await;
    let body = framed(false, &of(&[1]).encode_to_vec());
    let start = Instant::now();
    let answer = grpc.call(TRACES, &[("grpc-timeout", "400m")], body).await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(10), "after {:?}", start.elapsed());
    assert!(matches!(answer.code, Some(4 | 14)), "{:?} {}", answer.code, answer.message);
    assert_eq!(ringtail.settled().await.ledger("load_balancing", "traces").refused, 3);
}

/// Scenario: senders give up while a backend is dead, then it returns.
/// Guarantee: what nobody waits for is not sent; it is counted as cancelled.
#[tokio::test]
async fn what_a_sender_has_given_up_is_not_sent() {
    let backend = Backend::grpc().await;
    let ringtail = Setup::over(&[&backend]).with("hold: {max_age: 60s}").start().await;
    backend.stop();
    let sends: Vec<_> = (0..5)
        .map(|n| {
            let mut client = ringtail.traces();
            tokio::spawn(async move { client.export(of(&[n])).await })
        })
        .collect();
    let all = |scrape: &Scrape| scrape.ledger("load_balancing", "traces").held == 15;
    ringtail.scrape_until("all is held", all).await;
    sends.iter().for_each(|send| send.abort());
    let scrape = ringtail.settled().await;
    assert_eq!(scrape.ledger("otlp/grpc", "traces").refused, 15);
    assert_eq!(scrape.reason("load_balancing", "cancelled"), 15);
    backend.restart().await;
    ringtail.export(of(&[9])).await.unwrap();
    assert_arrived_once(&[of(&[9])], &[&backend]);
    ringtail.settled().await;
}

/// Scenario: senders give up while their call is with a slow backend.
/// Guarantee: the call is not torn; the backend has it once and every sum closes.
#[tokio::test]
async fn a_sender_that_leaves_does_not_tear_a_call() {
    let backend = Backend::grpc().await;
    let ringtail = Setup::over(&[&backend]).start().await;
    backend.close_gate();
    let mut client = ringtail.traces();
    let send = tokio::spawn(async move { client.export(of(&[1])).await });
    wait::until("the call is with the backend", || backend.calls() == 1).await;
    send.abort();
    let gone = |scrape: &Scrape| scrape.reason("otlp/grpc", "cancelled") == 3;
    assert!(held(&ringtail.scrape_until("the sender has gone", gone).await));
    backend.open_gate();
    wait::until("the backend has the spans", || backend.spans().len() == 3).await;
    let answers = join_all((2..6).map(|n| ringtail.export(of(&[n])))).await;
    answers.into_iter().for_each(|answer| drop(answer.unwrap()));
    assert_arrived_once(&[of(&[1, 2, 3, 4, 5])], &[&backend]);
    ringtail.settled().await;
}

/// Scenario: a hundred requests of a megabyte; all but one span of each goes to a good backend, the one to a dead one.
/// Guarantee: what is held for the dead one are those spans, not the requests that they came in.
#[tokio::test]
async fn a_small_share_does_not_keep_its_request_in_memory() {
    let (dead, good) = (Backend::grpc().await, Backend::grpc().await);
    let ringtail = Setup::over(&[&dead, &good]).with("hold: {max_age: 60s}").start().await;
    let (deads, goods) = (ringtail.owned_by(&dead, 1).await, ringtail.owned_by(&good, 1).await);
    dead.stop();
    let memory = |scrape: &Scrape| scrape.sum("otelcol_process_memory_rss", &[]);
    let before = memory(&ringtail.scrape().await);
    let mut large = span(goods[0], 0);
    large.name = "x".repeat(1 << 20);
    let mut waiting = Vec::new();
    for n in 0..100 {
        let (mut client, request) = (ringtail.traces(), traces([large.clone(), span(deads[0], n)]));
        waiting.push(tokio::spawn(async move { client.export(request).await }));
        wait::until("the good backend has its share", || good.calls() as u64 > n).await;
    }
    let all = |scrape: &Scrape| scrape.ledger("load_balancing", "traces").held == 100;
    let grown = memory(&ringtail.scrape_until("the shares are held", all).await) - before;
    assert!(grown < 60e6, "{grown} bytes for a hundred spans");
    dead.restart().await;
    for answer in join_all(waiting).await {
        answer.unwrap().unwrap();
    }
    assert_eq!(dead.spans().len(), 100);
    ringtail.settled().await;
}

/// Scenario: the same over HTTP/1.1 and HTTP/2: connections are closed while spans are held for a dead backend.
/// Guarantee: as over gRPC.
#[tokio::test]
async fn what_an_http_sender_has_given_up_is_not_sent() {
    let backend = Backend::grpc().await;
    let ringtail = Setup::over(&[&backend]).with("hold: {max_age: 60s}").start().await;
    backend.stop();
    let to = ringtail.ports.http;
    let post = |n| http::request("POST", "/v1/traces", &[PROTOBUF], of(&[n]).encode_to_vec());
    let plain = [tokio::spawn(http::send(to, post(1))), tokio::spawn(http::send(to, post(2)))];
    let h2c = tokio::spawn(http::send_h2c(to, post(3)));
    let all = |scrape: &Scrape| scrape.ledger("load_balancing", "traces").held == 9;
    ringtail.scrape_until("all is held", all).await;
    plain.iter().chain([&h2c]).for_each(|send| send.abort());
    let scrape = ringtail.settled().await;
    assert_eq!(scrape.reason("otlp/http", "cancelled"), 9);
    backend.restart().await;
    ringtail.export(of(&[9])).await.unwrap();
    assert_arrived_once(&[of(&[9])], &[&backend]);
    ringtail.settled().await;
}

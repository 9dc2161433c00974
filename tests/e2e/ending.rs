//! SIGTERM: what was acknowledged is delivered, senders get answers, the process ends in time.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use prost::Message;
use tonic::Code;

use crate::support::backend::Backend;
use crate::support::load::{assert_arrived_once, seen, span, traces};
use crate::support::setup::Setup;
use crate::support::status::retry_delay;
use crate::support::{Traces, http, wait};

fn request(first: u64) -> Traces {
    traces((first..first + 10).map(|trace| span(trace, 0)))
}

/// Scenario: SIGTERM while eight senders, half over gRPC and half over HTTP, send as fast as they can.
/// Guarantee: exit code 0; every span of an acknowledged request has arrived, and no span twice.
#[tokio::test]
async fn nothing_acknowledged_is_lost_by_a_termination_under_load() {
    let [a, b, c] = [Backend::grpc().await, Backend::grpc().await, Backend::grpc().await];
    let ringtail = Setup::over(&[&a, &b, &c]).start().await;
    let senders = (0..8u64).map(|sender| {
        let (mut client, to) = (ringtail.traces(), ringtail.ports.http);
        tokio::spawn(async move {
            let mut acknowledged = Vec::new();
            for n in 0.. {
                let request = request(sender * 1_000_000 + n * 10);
                let taken = if sender % 2 == 0 {
                    client.export(request.clone()).await.is_ok()
                } else {
                    let body = request.encode_to_vec();
                    let post = http::request(
                        "POST",
                        "/v1/traces",
                        &[("content-type", "application/x-protobuf")],
                        body,
                    );
                    http::send(to, post).await.is_ok_and(|answer| answer.status == 200)
                };
                if !taken {
                    break;
                }
                acknowledged.push(request);
            }
            acknowledged
        })
    });
    let senders: Vec<_> = senders.collect();
    wait::until("the load runs", || a.calls() + b.calls() + c.calls() > 100).await;
    ringtail.scrape().await.assert_closes();
    ringtail.terminate();
    assert_eq!(ringtail.ended().await, 0);
    let mut acknowledged = BTreeSet::new();
    for sent in join_all(senders).await {
        acknowledged.extend(sent.unwrap().iter().flat_map(seen).map(|one| one.key()));
    }
    let mut arrived = BTreeSet::new();
    for one in [&a, &b, &c].iter().flat_map(|backend| backend.spans()) {
        assert!(arrived.insert(one.key()), "{} arrived twice", one.span.name);
    }
    assert!(acknowledged.len() > 100);
    assert_eq!(acknowledged.difference(&arrived).count(), 0, "acknowledged, and lost");
    assert!(ringtail.stderr().contains("nothing was left"), "{}", ringtail.stderr());
}

/// Scenario: SIGTERM while calls are with a slow backend; a new sender comes; then the backend answers.
/// Guarantee: those in progress get their success, the new one is turned away, the exit code is 0.
#[tokio::test]
async fn requests_in_progress_are_answered_before_the_end() {
    let backend = Backend::grpc().await;
    let ringtail = Setup::over(&[&backend]).start().await;
    backend.close_gate();
    let (mut client, to) = (ringtail.traces(), ringtail.ports.http);
    let over_grpc = tokio::spawn(async move { client.export(request(0)).await });
    let post = http::request(
        "POST",
        "/v1/traces",
        &[("content-type", "application/x-protobuf")],
        request(10).encode_to_vec(),
    );
    let over_http = tokio::spawn(http::send(to, post));
    ringtail.scrape_until("both are in", |s| s.sum("ringtail_calls_in", &[]) == 2.0).await;
    ringtail.terminate();
    wait::until("it is stopping", || ringtail.stderr().contains("stopping:")).await;
    let not_ready =
        || async { http::get(ringtail.ports.admin, "/readyz").await.ok().filter(|a| a.status == 503) };
    wait::until_some("it is not ready any more", not_ready).await;
    let closed = || async { ringtail.export(request(50)).await.err() };
    wait::until_some("new senders are turned away", closed).await;
    backend.open_gate();
    over_grpc.await.unwrap().unwrap();
    assert_eq!(over_http.await.unwrap().unwrap().status, 200);
    assert_eq!(ringtail.ended().await, 0);
    assert_arrived_once(&[request(0), request(10)], &[&backend]);
}

/// Scenario: SIGTERM while spans are held for a dead backend, by one process for a waiting sender, by another in its
/// queue.
/// Guarantee: both end within twenty seconds; the sender is told to come back; both say how many spans were left.
#[tokio::test]
async fn a_dead_backend_does_not_hold_up_the_end() {
    let backend = Backend::grpc().await;
    let held = Setup::over(&[&backend]).with("hold: {max_age: 60s}").start().await;
    let queued = Setup::over(&[&backend]).with("sending_queue: {}").start().await;
    backend.stop();
    let mut client = held.traces();
    let waiting = tokio::spawn(async move { client.export(request(0)).await });
    held.scrape_until("spans are held", |scrape| scrape.held() > 0.0).await;
    queued.export(request(0)).await.unwrap();
    held.terminate();
    queued.terminate();
    let start = Instant::now();
    while held.exited().is_none() || queued.exited().is_none() {
        assert!(start.elapsed() < Duration::from_secs(24), "the deadline is twenty seconds");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!((held.ended().await, queued.ended().await), (0, 0));
    let refusal = waiting.await.unwrap().unwrap_err();
    assert_eq!(refusal.code(), Code::Unavailable, "{refusal:?}");
    assert!(retry_delay(refusal.details()).is_some(), "{refusal:?}");
    for ringtail in [held, queued] {
        assert!(ringtail.stderr().contains("items=10"), "{}", ringtail.stderr());
    }
}

/// Scenario: SIGTERM while clients are connected that neither send nor read.
/// Guarantee: they do not delay the end.
#[tokio::test]
async fn idle_connections_do_not_delay_the_end() {
    let backend = Backend::grpc().await;
    let ringtail = Setup::over(&[&backend]).start().await;
    let mut idle = Vec::new();
    for address in [ringtail.ports.grpc, ringtail.ports.http] {
        idle.push(tokio::net::TcpStream::connect(address).await.unwrap());
        let spoken = tokio::net::TcpStream::connect(address).await.unwrap();
        spoken.try_write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
        idle.push(spoken);
    }
    ringtail.export(request(0)).await.unwrap();
    ringtail.settled().await;
    ringtail.terminate();
    let start = Instant::now();
    assert_eq!(ringtail.ended().await, 0);
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
}

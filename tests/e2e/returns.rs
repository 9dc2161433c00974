//! How a backend's return is noticed, whatever the backoff says, and what becomes of calls in flight meanwhile.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tonic::Code;

use crate::support::backend::{Backend, Reply};
use crate::support::ledger::Scrape;
use crate::support::load::{assert_arrived_once, span, traces};
use crate::support::relay::Relay;
use crate::support::setup::Setup;
use crate::support::status::retry_delay;
use crate::support::{Traces, wait};

/// Backoffs that no test waits for.
const SLOW: &str =
    "{initial_interval: 100s, randomization_factor: 0, max_interval: 100s, max_elapsed_time: 0}";

fn request(n: u64) -> Traces {
    traces([span(n, 0), span(n, 1)])
}

fn held(scrape: &Scrape) -> bool {
    scrape.ledger("load_balancing", "traces").held > 0
}

/// Scenario: a dead backend returns while its backoff would last a hundred seconds, over gRPC and OTLP/HTTP.
/// Guarantee: its return is noticed within seconds, and what is held is delivered.
#[tokio::test]
async fn a_return_is_noticed_before_the_backoff_ends() {
    for (backend, protocol) in [
        (Backend::grpc().await, "{otlp: {tls: {insecure: true}}}"),
        (Backend::http().await, "{otlp_http: {tls: {insecure: true}}}"),
    ] {
        let setup = Setup::over(&[&backend]).protocol(protocol).retry(SLOW).with("hold: {max_age: 100s}");
        let ringtail = setup.start().await;
        backend.stop();
        let mut client = ringtail.traces();
        let waiting = tokio::spawn(async move { client.export(request(1)).await });
        ringtail.scrape_until("it is held", held).await;
        backend.restart().await;
        tokio::time::timeout(wait::DEADLINE, waiting).await.unwrap().unwrap().unwrap();
        assert_arrived_once(&[request(1)], &[&backend]);
        ringtail.settled().await;
    }
}

/// Scenario: SIGTERM while a queue waits for a backoff of a hundred seconds; the backend is well again.
/// Guarantee: it is tried at once; everything is delivered and the process ends.
#[tokio::test]
async fn the_end_waits_for_no_backoff() {
    let backend = Backend::grpc().await;
    let ringtail = Setup::over(&[&backend]).retry(SLOW).with("sending_queue: {}").start().await;
    backend.answer_next(1, Reply::Refuse(Code::Unavailable, None));
    ringtail.export(request(1)).await.unwrap();
    wait::until("the backend has refused", || backend.calls() == 1).await;
    ringtail.export(request(2)).await.unwrap();
    let start = Instant::now();
    ringtail.terminate();
    assert_eq!(ringtail.ended().await, 0);
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    assert_arrived_once(&[request(1), request(2)], &[&backend]);
    assert!(ringtail.stderr().contains("nothing was left"), "{}", ringtail.stderr());
}

/// Scenario: the network to a backend swallows everything on connections that exist; new ones would work.
/// Guarantee: after the timeout of one call a new connection is made; senders see success.
#[tokio::test]
async fn a_connection_gone_silent_is_replaced() {
    for (backend, protocol) in [
        (Backend::grpc().await, "otlp: {tls: {insecure: true}}"),
        (Backend::http().await, "otlp_http: {tls: {insecure: true}}"),
    ] {
        let relay = Relay::to(backend.address()).await;
        let resolver = format!("{{static: {{hostnames: ['{}']}}}}", relay.address);
        let setup = Setup::resolving(&resolver).protocol(&format!("{{{protocol}}}")).with("timeout: 300ms");
        let ringtail = setup.start().await;
        let mut client = ringtail.traces();
        for n in 0..3 {
            client.export(request(n)).await.unwrap();
            relay.fall_silent();
        }
        assert!(relay.connections() >= 3);
        assert_arrived_once(&(0..3).map(request).collect::<Vec<_>>(), &[&backend]);
        ringtail.settled().await;
    }
}

/// Scenario: six hundred requests at once over one connection, more than it may have streams, to a slow backend.
/// Guarantee: all of them succeed, and every span arrives once.
#[tokio::test]
async fn one_connection_carries_hundreds_of_requests() {
    let backend = Backend::grpc().await;
    let ringtail = Setup::over(&[&backend]).start().await;
    backend.close_gate();
    let client = ringtail.traces();
    let sends: Vec<_> = (0..600)
        .map(|n| {
            let mut client = client.clone();
            tokio::spawn(async move { client.export(request(n)).await })
        })
        .collect();
    let full = |scrape: &Scrape| scrape.sum("ringtail_calls_in", &[]) >= 200.0;
    ringtail.scrape_until("the connection is full", full).await;
    backend.open_gate();
    for answer in join_all(sends).await {
        answer.unwrap().unwrap();
    }
    assert_arrived_once(&(0..600).map(request).collect::<Vec<_>>(), &[&backend]);
    ringtail.settled().await;
}

/// Scenario: a name that does not resolve.
/// Guarantee: the process runs, and senders are told to come back, until there are members.
#[tokio::test]
async fn without_members_senders_are_told_to_come_back() {
    let resolver = "{dns: {hostname: nobody.invalid, timeout: 200ms}}";
    let ringtail = Setup::resolving(resolver).start().await;
    let refusal = ringtail.export(request(1)).await.unwrap_err();
    assert_eq!(refusal.code(), Code::Unavailable, "{refusal:?}");
    assert!(retry_delay(refusal.details()).is_some());
    let scrape = ringtail.settled().await;
    assert_eq!(scrape.reason("load_balancing", "no_members"), 2);
    assert_eq!(scrape.sum("otelcol_loadbalancer_num_backends", &[]), 0.0);
}

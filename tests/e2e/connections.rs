//! Connections and admission: bounds on bytes in progress, ages, good-byes of backends, Unix sockets, browsers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use prost::Message;
use tonic::Code;

use crate::support::backend::Backend;
use crate::support::load::{assert_arrived_once, count, span, traces};
use crate::support::process::free_address;
use crate::support::raw_grpc::{RawGrpc, TRACES, framed};
use crate::support::setup::Setup;
use crate::support::status::retry_delay;
use crate::support::{Content, Traces, http, wait};

/// About `kilobytes` of spans of one trace.
fn large(trace: u64, kilobytes: u64) -> Traces {
    traces((0..kilobytes * 1024 / 140).map(|n| span(trace, n)))
}

/// Scenario: `max_in_flight_mib: 1`, a backend that does not answer, and more than a megabyte from senders.
/// Guarantee: what does not fit is told to come back, over gRPC and HTTP; once the backend answers, all is well.
#[tokio::test]
async fn bytes_in_progress_are_bounded() {
    let backend = Backend::grpc().await;
    let ringtail = Setup::over(&[&backend]).receiver("max_in_flight_mib: 1").start().await;
    backend.close_gate();
    let first = large(1, 700);
    assert!((600_000..1_000_000).contains(&first.encoded_len()), "{}", first.encoded_len());
    let (mut client, request) = (ringtail.traces(), first.clone());
    let waiting = tokio::spawn(async move { client.export(request).await });
    wait::until("the first call is with the backend", || backend.calls() == 1).await;
    let second = large(2, 700);
    let refusal = ringtail.export(second.clone()).await.unwrap_err();
    assert_eq!(refusal.code(), Code::Unavailable, "{refusal:?}");
    assert!(retry_delay(refusal.details()).is_some());
    let answer = ringtail.post(&[("content-type", "application/x-protobuf")], second.encode_to_vec()).await;
    assert_eq!(answer.status, 429, "{}", answer.text());
    assert!(answer.header("retry-after").is_some());
    backend.open_gate();
    waiting.await.unwrap().unwrap();
    ringtail.export(second.clone()).await.unwrap();
    assert_arrived_once(&[first, second], &[&backend]);
    ringtail.settled().await;
}

/// Scenario: many requests of some 100 KB gather while a call is in flight, under `gather.max_bytes: 300KiB`.
/// Guarantee: no call is larger than that; a single request that is larger leaves alone.
#[tokio::test]
async fn merged_calls_stay_below_their_bound() {
    let backend = Backend::grpc().await;
    let gather = "gather: {max_bytes: 300KiB, max_age: 60s, max_calls: 1}";
    let ringtail = Setup::over(&[&backend]).with(gather).start().await;
    backend.close_gate();
    let client = ringtail.traces();
    let sent: Vec<_> = (0..20).map(|n| large(n, if n == 7 { 600 } else { 90 })).collect();
    let sends: Vec<_> = sent
        .iter()
        .map(|request| {
            let (mut client, request) = (client.clone(), request.clone());
            tokio::spawn(async move { client.export(request).await })
        })
        .collect();
    let all = |scrape: &crate::support::ledger::Scrape| scrape.sum("ringtail_calls_in", &[]) == 20.0;
    ringtail.scrape_until("all are in", all).await;
    backend.open_gate();
    for send in sends {
        send.await.unwrap().unwrap();
    }
    assert_arrived_once(&sent, &[&backend]);
    let sizes: Vec<_> = backend
        .taken()
        .iter()
        .map(|content| match content {
            Content::Traces(traces) => traces.encoded_len(),
            other => panic!("only traces were sent: {other:?}"),
        })
        .collect();
    assert!(sizes.len() < 15, "they were merged: {sizes:?}");
    assert_eq!(sizes.iter().filter(|size| **size > 300 << 10).count(), 1, "{sizes:?}");
    ringtail.settled().await;
}

/// Scenario: `max_connection_age` of a few hundred milliseconds, and a sender that never stops.
/// Guarantee: it is asked to reconnect again and again, and no request fails.
#[tokio::test]
async fn aged_connections_are_renewed_without_a_failure() {
    let backend = Backend::grpc().await;
    let ages = "keepalive: {server_parameters: {max_connection_age: 200ms, max_connection_age_grace: 10s}}";
    let ringtail = Setup::over(&[&backend]).grpc(ages).start().await;
    let mut client = ringtail.traces();
    let mut sent = Vec::new();
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(1500) {
        let request = traces([span(sent.len() as u64, 0)]);
        let mut answer = client.export(request.clone()).await;
        if matches!(&answer, Err(status) if status.code() == Code::Cancelled) {
            // The client's own race: its connection was closed before it had sent anything.
            answer = client.export(request.clone()).await;
        }
        answer.unwrap();
        sent.push(request);
    }
    assert_arrived_once(&sent, &[&backend]);
    ringtail.settled().await;
}

/// Scenario: a backend says good-bye on its connections again and again, as in a rolling restart, under load and with
/// retries switched off.
/// Guarantee: no sender notices, over gRPC or HTTP backends; every span arrives once.
#[tokio::test]
async fn good_byes_of_a_backend_fail_nobody() {
    for (backend, protocol) in [
        (Backend::grpc().await, "{otlp: {tls: {insecure: true}}}"),
        (Backend::http().await, "{otlp_http: {tls: {insecure: true}}}"),
    ] {
        let ringtail = Setup::over(&[&backend]).protocol(protocol).retry("{enabled: false}").start().await;
        let stop = Arc::new(AtomicBool::new(false));
        let senders: Vec<_> = (0..3u64)
            .map(|sender| {
                let (mut client, stop) = (ringtail.traces(), Arc::clone(&stop));
                tokio::spawn(async move {
                    let mut sent = Vec::new();
                    while !stop.load(Ordering::Relaxed) {
                        let request = traces([span(sender * 1_000_000 + sent.len() as u64, 0)]);
                        client.export(request.clone()).await.unwrap();
                        sent.push(request);
                    }
                    sent
                })
            })
            .collect();
        for _ in 0..20 {
            let before = backend.calls();
            wait::until("requests go on", || backend.calls() > before + 5).await;
            backend.say_goodbye();
        }
        stop.store(true, Ordering::Relaxed);
        let mut sent = Vec::new();
        for sender in senders {
            sent.extend(sender.await.unwrap());
        }
        assert!(backend.connections() > 10, "{}", backend.connections());
        assert_arrived_once(&sent, &[&backend]);
        let delivered = ringtail.settled().await.ledger("load_balancing", "traces").delivered;
        assert_eq!(delivered, sent.iter().map(count).sum::<u64>());
    }
}

/// Scenario: many requests one after another and at once.
/// Guarantee: a few long-lived connections carry them all.
#[tokio::test]
async fn a_backend_sees_few_connections() {
    let backend = Backend::grpc().await;
    let ringtail = Setup::over(&[&backend]).start().await;
    for round in 0..5 {
        let sends = (0..20).map(|n| ringtail.export(traces([span(round * 20 + n, 0)])));
        futures_util::future::join_all(sends).await.into_iter().for_each(|answer| drop(answer.unwrap()));
    }
    let workers = std::thread::available_parallelism().unwrap().get();
    assert!(backend.connections() <= workers, "{} connections", backend.connections());
    ringtail.settled().await;
}

/// Scenario: a receiver on a Unix socket.
/// Guarantee: it takes spans as over TCP.
#[tokio::test]
async fn a_unix_socket_receives() {
    let backend = Backend::grpc().await;
    let mut setup = Setup::over(&[&backend]);
    let path = setup.dir.path().join("otlp.sock");
    setup.more_receivers =
        format!("  otlp/unix: {{protocols: {{grpc: {{transport: unix, endpoint: '{}'}}}}}}", path.display());
    setup.pipelines = "{traces: {receivers: [otlp, otlp/unix], exporters: [load_balancing]}}".into();
    let ringtail = setup.start().await;
    let stream = tokio::net::UnixStream::connect(&path).await.unwrap();
    let grpc = RawGrpc::over(stream, free_address()).await.unwrap();
    let sent = traces([span(1, 0)]);
    let answer = grpc.call(TRACES, &[], framed(false, &sent.encode_to_vec())).await.unwrap();
    assert_eq!(answer.code, Some(0), "{}", answer.message);
    assert_arrived_once(&[sent], &[&backend]);
    let scrape = ringtail.settled().await;
    assert_eq!(scrape.sum("otelcol_receiver_accepted_spans", &[("receiver", "otlp/unix")]), 1.0);
}

/// Scenario: a browser's preflight and request from an allowed and from a foreign origin; another path, more headers.
/// Guarantee: only the allowed origin may read the answer; the configured path and headers are used.
#[tokio::test]
async fn browsers_of_allowed_origins_may_send() {
    let backend = Backend::grpc().await;
    let keys = "cors: {allowed_origins: ['https://*.example.com'], allowed_headers: [x-tenant], max_age: 600}, \
                traces_url_path: /collect, response_headers: {x-served-by: ringtail}";
    let ringtail = Setup::over(&[&backend]).http(keys).start().await;
    let to = ringtail.ports.http;
    let ask = |origin| {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "content-type, x-tenant"),
        ];
        http::send(to, http::request("OPTIONS", "/collect", &headers, ""))
    };
    let allowed = ask("https://shop.example.com").await.unwrap();
    assert!((200..300).contains(&allowed.status));
    assert_eq!(allowed.header("access-control-allow-origin"), Some("https://shop.example.com"));
    assert_eq!(allowed.header("access-control-max-age"), Some("600"));
    let foreign = ask("https://evil.org").await.unwrap();
    assert_eq!(foreign.header("access-control-allow-origin"), None);
    let headers = [("origin", "https://shop.example.com"), ("content-type", "application/json")];
    let sent = traces([span(1, 0)]);
    let body = serde_json::to_vec(&sent).unwrap();
    let answer = http::send(to, http::request("POST", "/collect", &headers, body)).await.unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://shop.example.com"));
    assert_eq!(answer.header("x-served-by"), Some("ringtail"));
    assert_arrived_once(&[sent], &[&backend]);
    ringtail.settled().await;
}

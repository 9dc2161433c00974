//! Every span of a trace reaches one backend, unchanged and once.

use std::io::Write;

use futures_util::future::join_all;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

use crate::support::backend::Backend;
use crate::support::load::{assert_arrived_once, count, owners, scattered, span, traces};
use crate::support::raw_grpc::{RawGrpc, TRACES, framed};
use crate::support::setup::Setup;
use crate::support::{Traces, TracesAnswer, http};

async fn three() -> [Backend; 3] {
    [Backend::grpc().await, Backend::grpc().await, Backend::grpc().await]
}

/// Scenario: forty traces, their spans scattered over ten requests of two services and scopes each.
/// Guarantee: each trace arrives at one backend, each span once, with resource, scope and schema urls as sent.
#[tokio::test]
async fn every_span_of_a_trace_reaches_one_backend_unchanged() {
    let [a, b, c] = three().await;
    let ringtail = Setup::over(&[&a, &b, &c]).start().await;
    let sent = scattered(0, 40, 6, 10);
    for request in &sent {
        assert_eq!(ringtail.export(request.clone()).await.unwrap(), TracesAnswer::default());
    }
    assert_arrived_once(&sent, &[&a, &b, &c]);
    for backend in [&a, &b, &c] {
        assert!(!backend.spans().is_empty(), "forty traces leave nobody out");
    }
    let sums = ringtail.settled().await.ledger("load_balancing", "traces");
    assert_eq!((sums.taken, sums.delivered), (240, 240));
}

/// Scenario: the same traces over gRPC and over HTTP/1.1 and HTTP/2, in protobuf and JSON.
/// Guarantee: the owner of a trace does not depend on how its spans came.
#[tokio::test]
async fn the_owner_is_the_same_for_every_protocol() {
    let [a, b, c] = three().await;
    let ringtail = Setup::over(&[&a, &b, &c]).start().await;
    let sent = scattered(0, 30, 5, 5);
    ringtail.export(sent[0].clone()).await.unwrap();
    let (protobuf, json) = ("application/x-protobuf", "application/json; charset=utf-8");
    let bodies = [
        (protobuf, sent[1].encode_to_vec()),
        (json, serde_json::to_vec(&sent[2]).unwrap()),
        (protobuf, sent[3].encode_to_vec()),
        (json, serde_json::to_vec(&sent[4]).unwrap()),
    ];
    for (index, (media, body)) in bodies.into_iter().enumerate() {
        let request = http::request("POST", "/v1/traces", &[("content-type", media)], body);
        let answer = match index {
            0 | 1 => http::send(ringtail.ports.http, request).await,
            _ => http::send_h2c(ringtail.ports.http, request).await,
        };
        let answer = answer.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("content-type"), media.split(';').next());
        assert_eq!(answer.text(), if media == protobuf { "" } else { "{}" });
    }
    assert_arrived_once(&sent, &[&a, &b, &c]);
    ringtail.settled().await;
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn zlib(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn snappy_framed(plain: &[u8]) -> Vec<u8> {
    let mut encoder = snap::write::FrameEncoder::new(Vec::new());
    encoder.write_all(plain).unwrap();
    encoder.into_inner().unwrap()
}

/// Scenario: one request per compression, over HTTP and over gRPC, in the form each of them uses.
/// Guarantee: all of them are read, and answered with success.
#[tokio::test]
async fn every_compression_is_read() {
    let [a, b, c] = three().await;
    let ringtail = Setup::over(&[&a, &b, &c]).start().await;
    let sent = scattered(0, 30, 9, 9);
    let plain: Vec<_> = sent.iter().map(Message::encode_to_vec).collect();
    let raw_snappy = |plain: &[u8]| snap::raw::Encoder::new().compress_vec(plain).unwrap();
    let over_http = [
        ("gzip", gzip(&plain[0])),
        ("zstd", zstd::encode_all(&plain[1][..], 1).unwrap()),
        ("deflate", zlib(&plain[2])),
        ("x-snappy-framed", snappy_framed(&plain[3])),
    ];
    for (encoding, body) in over_http {
        let headers = [("content-type", "application/x-protobuf"), ("content-encoding", encoding)];
        let answer = ringtail.post(&headers, body).await;
        assert_eq!(answer.status, 200, "{encoding}: {}", answer.text());
    }
    let grpc = RawGrpc::connect(ringtail.ports.grpc).await;
    let over_grpc = [
        ("gzip", gzip(&plain[4])),
        ("zstd", zstd::encode_all(&plain[5][..], 1).unwrap()),
        ("deflate", zlib(&plain[6])),
        ("snappy", raw_snappy(&plain[7])),
        ("snappy", snappy_framed(&plain[8])), // Go's form
    ];
    for (encoding, body) in over_grpc {
        let answer = grpc.call(TRACES, &[("grpc-encoding", encoding)], framed(true, &body)).await.unwrap();
        assert_eq!(answer.code, Some(0), "{encoding}: {}", answer.message);
    }
    assert_arrived_once(&sent, &[&a, &b, &c]);
    ringtail.settled().await;
}

/// Scenario: backends that are spoken to with gzip, the default, and with zstd.
/// Guarantee: they understand what they get.
#[tokio::test]
async fn calls_out_are_compressed_as_configured() {
    for compression in ["gzip", "zstd"] {
        let a = Backend::grpc().await;
        let protocol = format!("{{otlp: {{tls: {{insecure: true}}, compression: {compression}}}}}");
        let ringtail = Setup::over(&[&a]).protocol(&protocol).start().await;
        let sent = scattered(0, 5, 4, 2);
        for request in &sent {
            ringtail.export(request.clone()).await.unwrap();
        }
        assert_arrived_once(&sent, &[&a]);
        ringtail.settled().await;
    }
}

/// Scenario: twenty-four senders on connections of their own and one with many streams, all at once, while backends
/// answer only after all requests came.
/// Guarantee: everything arrives once, in fewer calls than came in.
#[tokio::test]
async fn many_senders_are_merged_into_fewer_calls() {
    let [a, b, c] = three().await;
    let ringtail = Setup::over(&[&a, &b, &c]).with("gather: {max_age: 30s}").start().await;
    for backend in [&a, &b, &c] {
        backend.close_gate();
    }
    let sent = scattered(0, 60, 16, 64);
    let shared = ringtail.traces();
    let sends = sent.iter().enumerate().map(|(index, request)| {
        let mut client = if index < 24 { ringtail.traces() } else { shared.clone() };
        async move { client.export(request.clone()).await.map(drop) }
    });
    let opens = async {
        let all = |scrape: &crate::support::ledger::Scrape| scrape.sum("ringtail_calls_in", &[]) == 64.0;
        ringtail.scrape_until("all requests are in", all).await;
        for backend in [&a, &b, &c] {
            backend.open_gate();
        }
    };
    let (answers, ()) = tokio::join!(join_all(sends), opens);
    answers.into_iter().for_each(|answer| answer.unwrap());
    assert_arrived_once(&sent, &[&a, &b, &c]);
    let scrape = ringtail.settled().await;
    let (calls_in, calls_out) = (scrape.sum("ringtail_calls_in", &[]), scrape.sum("ringtail_calls_out", &[]));
    assert!(calls_out < calls_in / 2.0, "{calls_in} in, {calls_out} out");
    let sums = scrape.ledger("otlp/grpc", "traces");
    assert_eq!(sums.delivered, sent.iter().map(count).sum::<u64>());
}

/// Scenario: two processes with the same members, written in another order.
/// Guarantee: both choose the same owners.
#[tokio::test]
async fn two_proxies_agree_on_every_owner() {
    let [a, b, c] = three().await;
    let one = Setup::over(&[&a, &b, &c]).start().await;
    let two = Setup::over(&[&c, &a, &b]).start().await;
    let sent = scattered(0, 50, 2, 2);
    one.export(sent[0].clone()).await.unwrap();
    two.export(sent[1].clone()).await.unwrap();
    assert_arrived_once(&sent, &[&a, &b, &c]);
    assert_eq!(owners(&[&a, &b, &c]).len(), 50);
    one.settled().await;
    two.settled().await;
}

fn with_bad_ids() -> Traces {
    let bad = |trace_id: Vec<u8>, n| Span { trace_id, ..span(900, n) };
    let good = (0..5).map(|trace| span(trace, 0));
    traces(good.chain([bad(vec![], 1), bad(vec![0; 16], 2), bad(vec![7; 15], 3)]))
}

/// Scenario: a request with five good spans and three without a valid trace id, over gRPC and over HTTP.
/// Guarantee: the good ones arrive; the answer is a partial success that counts the others.
#[tokio::test]
async fn spans_without_a_trace_id_are_refused_by_partial_success() {
    let [a, b, c] = three().await;
    let ringtail = Setup::over(&[&a, &b, &c]).start().await;
    let answer = ringtail.export(with_bad_ids()).await.unwrap();
    let partial = answer.partial_success.unwrap();
    assert_eq!(partial.rejected_spans, 3);
    assert!(partial.error_message.contains("trace id"), "{}", partial.error_message);
    let bad_only = traces([Span { trace_id: vec![], ..span(1, 1) }]);
    let answer = ringtail.post(&[("content-type", "application/x-protobuf")], bad_only.encode_to_vec()).await;
    assert_eq!(answer.status, 200);
    let partial = TracesAnswer::decode(answer.body).unwrap().partial_success.unwrap();
    assert_eq!(partial.rejected_spans, 1);
    assert_arrived_once(&[traces((0..5).map(|trace| span(trace, 0)))], &[&a, &b, &c]);
    let scrape = ringtail.settled().await;
    assert_eq!(scrape.reason("load_balancing", "invalid_trace_id"), 4);
    assert_eq!(scrape.sum("otelcol_receiver_refused_spans", &[]), 4.0);
}

/// Scenario: the same under `without_trace_id: fallback_owner`.
/// Guarantee: all spans are taken, and those without an id come together at one backend.
#[tokio::test]
async fn the_fallback_owner_takes_spans_without_a_trace_id() {
    let [a, b, c] = three().await;
    let ringtail = Setup::over(&[&a, &b, &c]).with("without_trace_id: fallback_owner").start().await;
    let sent = with_bad_ids();
    for _ in 0..2 {
        assert_eq!(ringtail.export(sent.clone()).await.unwrap(), TracesAnswer::default());
    }
    let strays =
        |backend: &&Backend| backend.spans().iter().any(|one| one.span.name.starts_with("operation 900/"));
    assert_eq!([&a, &b, &c].iter().filter(|backend| strays(backend)).count(), 1);
    let arrived: usize = [&a, &b, &c].iter().map(|backend| backend.spans().len()).sum();
    assert_eq!(arrived, 16);
    ringtail.settled().await;
}

//! What senders should not send: a clear answer, and nobody else is hurt.

use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::backend::Backend;
use crate::support::load::{assert_arrived_once, span, traces};
use crate::support::process::Ringtail;
use crate::support::raw_grpc::{RawGrpc, TRACES, framed};
use crate::support::setup::Setup;
use crate::support::status::RpcStatus;
use crate::support::{http, wait};

const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");
const JSON: (&str, &str) = ("content-type", "application/json");

async fn one() -> (Backend, Ringtail) {
    let backend = Backend::grpc().await;
    let ringtail =
        Setup::over(&[&backend]).grpc("max_recv_msg_size_mib: 1").http("max_request_body_size: 65536");
    let ringtail = ringtail.start().await;
    (backend, ringtail)
}

fn good(n: u64) -> Vec<u8> {
    traces([span(n, 0)]).encode_to_vec()
}

/// A megabyte of zeros is a kilobyte.
fn bomb(megabytes: usize) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    (0..megabytes).for_each(|_| encoder.write_all(&vec![0; 1 << 20]).unwrap());
    encoder.finish().unwrap()
}

/// Scenario: a good call waits for its backend while bad ones come on the same connection.
/// Guarantee: each bad one gets INVALID_ARGUMENT, the good one and a later one succeed.
#[tokio::test]
async fn bad_grpc_messages_hurt_no_other_stream() {
    let (backend, ringtail) = one().await;
    backend.close_gate();
    let grpc = RawGrpc::connect(ringtail.ports.grpc).await;
    let waiting = tokio::spawn({
        let grpc = grpc.clone();
        async move { grpc.call(TRACES, &[], framed(false, &good(1))).await }
    });
    wait::until("the good call is with its backend", || backend.calls() == 1).await;
    let message = good(2);
    let whole = framed(false, &message);
    let longer = [&whole[..], b"more"].concat();
    let two = [&whole[..], &whole[..]].concat();
    let flagged = [&[7], &whole[1..]].concat();
    let bad = [
        ("garbage", framed(false, b"\xff\xff\xff not protobuf")),
        ("a wrong wire type", framed(false, &[0x08, 0x01])),
        ("a cut message", framed(false, &message[..message.len() - 3])),
        ("half a prefix", whole.slice(..3)),
        ("fewer bytes than announced", whole.slice(..whole.len() - 1)),
        ("more bytes than announced", longer.into()),
        ("two messages", two.into()),
        ("nothing", Bytes::new()),
        ("an unknown flag", flagged.into()),
        ("compressed without saying how", framed(true, &message)),
    ];
    for (what, body) in bad {
        let answer = grpc.call(TRACES, &[], body).await.unwrap();
        assert_eq!((answer.http, answer.code), (200, Some(3)), "{what}: {}", answer.message);
        assert!(!answer.message.is_empty(), "{what}");
    }
    let corrupt = grpc.call(TRACES, &[("grpc-encoding", "gzip")], framed(true, b"not gzip")).await.unwrap();
    assert_eq!(corrupt.code, Some(3), "{}", corrupt.message);
    backend.open_gate();
    assert_eq!(waiting.await.unwrap().unwrap().code, Some(0));
    assert_eq!(grpc.call(TRACES, &[], whole).await.unwrap().code, Some(0));
    assert_arrived_once(&[traces([span(1, 0)]), traces([span(2, 0)])], &[&backend]);
    let scrape = ringtail.settled().await;
    assert_eq!(scrape.sum("ringtail_receiver_malformed_requests", &[("transport", "grpc")]), 11.0);
}

/// Scenario: bytes that are no OTLP, as protobuf and as JSON.
/// Guarantee: 400 with a `google.rpc.Status` in the request's own encoding, which says INVALID_ARGUMENT and why.
#[tokio::test]
async fn bad_http_bodies_get_400_and_a_status() {
    let (backend, ringtail) = one().await;
    let answer = ringtail.post(&[PROTOBUF], b"\xff\xff\xff".to_vec()).await;
    assert_eq!((answer.status, answer.header("content-type")), (400, Some("application/x-protobuf")));
    let status = RpcStatus::decode(answer.body).unwrap();
    assert_eq!(status.code, 3);
    assert!(!status.message.is_empty());
    for body in [&b""[..], b"{", b"[]", b"{\"resourceSpans\": 5}", b"{\"resourceSpans\":[{}]} x", b"\xff"] {
        let answer = ringtail.post(&[JSON], body.to_vec()).await;
        let text = String::from_utf8_lossy(body);
        assert_eq!((answer.status, answer.header("content-type")), (400, Some("application/json")), "{text}");
        let status = answer.json();
        assert_eq!(status["code"], 3, "{text}");
        assert!(status["message"].as_str().is_some_and(|message| !message.is_empty()), "{text}");
    }
    let nested = format!("{{\"resourceSpans\":{}", "[".repeat(20_000));
    assert_eq!(ringtail.post(&[JSON], nested.into_bytes()).await.status, 400);
    for (encoding, body) in [("gzip", &b"not gzip"[..]), ("lz4", b""), ("br", b"")] {
        let answer = ringtail.post(&[PROTOBUF, ("content-encoding", encoding)], body.to_vec()).await;
        assert_eq!(answer.status, 400, "{encoding}");
    }
    assert_eq!(ringtail.post(&[PROTOBUF], good(1)).await.status, 200);
    assert_arrived_once(&[traces([span(1, 0)])], &[&backend]);
    ringtail.settled().await;
}

/// Scenario: wrong method, path and content type, over HTTP and on the gRPC port.
/// Guarantee: 405, 404, 415 over HTTP; UNIMPLEMENTED for an unknown gRPC method.
#[tokio::test]
async fn wrong_methods_paths_and_media_are_told_apart() {
    let (_backend, ringtail) = one().await;
    let to = ringtail.ports.http;
    let get = http::get(to, "/v1/traces").await.unwrap();
    assert_eq!((get.status, get.header("allow")), (405, Some("POST")));
    assert_eq!(http::post(to, "/v2/traces", PROTOBUF.1, "").await.status, 404);
    assert_eq!(http::post(to, "/v1/logs", PROTOBUF.1, "").await.status, 404, "no pipeline takes logs");
    assert_eq!(http::post(to, "/v1/traces", "text/plain", "x").await.status, 415);
    assert_eq!(ringtail.post(&[], good(1)).await.status, 415);
    let grpc = RawGrpc::connect(ringtail.ports.grpc).await;
    let unknown = grpc.call("/some.Service/Method", &[], framed(false, b"")).await.unwrap();
    assert_eq!((unknown.http, unknown.code), (200, Some(12)), "{}", unknown.message);
    let media = grpc.call(TRACES, &[("content-type", "application/json")], Bytes::new()).await.unwrap();
    assert_eq!(media.http, 415);
    let headers = [("grpc-encoding", "lz4")];
    let encoding = grpc.call(TRACES, &headers, framed(true, b"x")).await.unwrap();
    assert_eq!(encoding.code, Some(12), "{}", encoding.message);
    let offered = encoding.headers.get("grpc-accept-encoding").unwrap().to_str().unwrap();
    assert!(offered.contains("gzip") && offered.contains("zstd"), "{offered}");
    ringtail.settled().await;
}

/// Scenario: requests without any span, in every protocol.
/// Guarantee: success, and no call to a backend.
#[tokio::test]
async fn empty_requests_are_taken() {
    let (backend, ringtail) = one().await;
    let grpc = RawGrpc::connect(ringtail.ports.grpc).await;
    let answer = grpc.call(TRACES, &[], framed(false, b"")).await.unwrap();
    assert_eq!((answer.code, answer.body.len()), (Some(0), 5), "an empty message");
    ringtail.export(traces([])).await.unwrap();
    assert_eq!(ringtail.post(&[PROTOBUF], Vec::new()).await.status, 200);
    assert_eq!(ringtail.post(&[JSON], b"{}".to_vec()).await.text(), "{}");
    let scrape = ringtail.settled().await;
    assert_eq!((backend.calls(), scrape.ledger("load_balancing", "traces").taken), (0, 0));
}

/// Scenario: messages over the limit, as they are and after inflation.
/// Guarantee: RESOURCE_EXHAUSTED without a retry hint over gRPC, 413 over HTTP; nothing reaches a backend.
#[tokio::test]
async fn too_large_messages_and_bombs_are_refused() {
    let (backend, ringtail) = one().await;
    let large = traces((0..16_000).map(|n| span(1, n))).encode_to_vec();
    assert!(large.len() > 1 << 20);
    let grpc = RawGrpc::connect(ringtail.ports.grpc).await;
    for (headers, body) in
        [(vec![], framed(false, &large)), (vec![("grpc-encoding", "gzip")], framed(true, &bomb(3)))]
    {
        let answer = grpc.call(TRACES, &headers, body).await.unwrap();
        assert_eq!(answer.code, Some(8), "{}", answer.message);
        assert!(!answer.headers.contains_key("grpc-status-details-bin"), "it must not be sent again");
    }
    for (headers, body) in [(vec![PROTOBUF], large), (vec![PROTOBUF, ("content-encoding", "gzip")], bomb(3))]
    {
        let answer = ringtail.post(&headers, body).await;
        assert_eq!((answer.status, answer.header("retry-after")), (413, None), "{}", answer.text());
    }
    assert_eq!(grpc.call(TRACES, &[], framed(false, &good(1))).await.unwrap().code, Some(0));
    assert_arrived_once(&[traces([span(1, 0)])], &[&backend]);
    ringtail.settled().await;
}

/// Opens `n` streams on one connection and resets each at once; returns when the peer has closed it.
async fn flood(address: SocketAddr, n: u32) {
    let frame = |kind: u8, flags: u8, stream: u32, payload: &[u8]| {
        let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        frame
    };
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(4, 0, 0, &[]));
    for index in 0..n {
        let stream = 2 * index + 1;
        bytes.extend(frame(1, 4, stream, &[0x83, 0x86, 0x84, 0x41, 1, b'x'])); // POST http / x
        bytes.extend(frame(3, 0, stream, &8u32.to_be_bytes()));
    }
    let mut connection = TcpStream::connect(address).await.unwrap();
    let mut answer = Vec::new();
    let (mut read, mut write) = connection.split();
    let exchange = async {
        let _ = write.write_all(&bytes).await; // fails once the peer has had enough
        while matches!(read.read_buf(&mut answer).await, Ok(1..)) {}
    };
    let closed = tokio::time::timeout(Duration::from_secs(10), exchange).await;
    assert!(closed.is_ok(), "a connection that only resets its streams is kept");
}

/// Scenario: connections that open streams only to reset them, on both ports, while a good call is in progress.
/// Guarantee: each of them is closed; the good call and new connections are served.
#[tokio::test]
async fn a_flood_of_resets_ends_only_its_own_connection() {
    let (backend, ringtail) = one().await;
    backend.close_gate();
    let grpc = RawGrpc::connect(ringtail.ports.grpc).await;
    let waiting = tokio::spawn(async move { grpc.call(TRACES, &[], framed(false, &good(1))).await });
    wait::until("the good call is with its backend", || backend.calls() == 1).await;
    flood(ringtail.ports.grpc, 5000).await;
    flood(ringtail.ports.http, 5000).await;
    backend.open_gate();
    assert_eq!(waiting.await.unwrap().unwrap().code, Some(0));
    ringtail.export(traces([span(2, 0)])).await.unwrap();
    assert_eq!(ringtail.post(&[PROTOBUF], good(3)).await.status, 200);
    assert_arrived_once(&(1..4).map(|n| traces([span(n, 0)])).collect::<Vec<_>>(), &[&backend]);
    ringtail.settled().await;
}

/// Scenario: bytes that are not even HTTP/2 on the gRPC port, and not HTTP on the other.
/// Guarantee: the connection is closed, and the process serves the next one.
#[tokio::test]
async fn noise_on_a_port_is_survived() {
    let (backend, ringtail) = one().await;
    for address in [ringtail.ports.grpc, ringtail.ports.http] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream
            .write_all(&[0x16, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3, 255, 13, 10, 13, 10].repeat(40))
            .await
            .unwrap();
        let mut answer = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer));
        assert!(read.await.is_ok(), "noise keeps a connection open");
    }
    ringtail.export(traces([span(1, 0)])).await.unwrap();
    assert_arrived_once(&[traces([span(1, 0)])], &[&backend]);
    ringtail.settled().await;
}

/// Scenario: bombs in every compression, and headers that promise gigabytes.
/// Guarantee: each is refused as too large or unreadable, and none of them costs the memory that it asks for.
#[tokio::test]
async fn bombs_of_every_compression_are_refused() {
    let (backend, ringtail) = one().await;
    let zeros = vec![0; 3 << 20];
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    zlib.write_all(&zeros).unwrap();
    let mut framed_snappy = snap::write::FrameEncoder::new(Vec::new());
    framed_snappy.write_all(&zeros).unwrap();
    let promised = vec![0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0]; // snappy: four gigabytes follow
    let window = vec![0x28, 0xb5, 0x2f, 0xfd, 0, 0xa8, 1, 0, 0]; // zstd: a window of two gigabytes
    let bombs = [
        ("gzip", bomb(3)),
        ("zstd", zstd::encode_all(&zeros[..], 3).unwrap()),
        ("zstd", window),
        ("deflate", zlib.finish().unwrap()),
        ("snappy", framed_snappy.into_inner().unwrap()),
        ("snappy", snap::raw::Encoder::new().compress_vec(&zeros).unwrap()),
        ("snappy", promised),
    ];
    let grpc = RawGrpc::connect(ringtail.ports.grpc).await;
    for (index, (encoding, body)) in bombs.into_iter().enumerate() {
        let answer = grpc.call(TRACES, &[("grpc-encoding", encoding)], framed(true, &body)).await.unwrap();
        assert!(
            matches!(answer.code, Some(3 | 8)),
            "{index} {encoding}: {:?} {}",
            answer.code,
            answer.message
        );
        let answer = ringtail.post(&[PROTOBUF, ("content-encoding", encoding)], body).await;
        assert!(
            matches!(answer.status, 400 | 413),
            "{index} {encoding}: {} {}",
            answer.status,
            answer.text()
        );
    }
    ringtail.export(traces([span(1, 0)])).await.unwrap();
    assert_arrived_once(&[traces([span(1, 0)])], &[&backend]);
    let scrape = ringtail.settled().await;
    let memory = scrape.sum("otelcol_process_memory_rss", &[]);
    assert!((1e6..250e6).contains(&memory), "{memory} bytes");
}

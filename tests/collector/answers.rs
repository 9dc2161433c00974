//! Bad requests get the answers that a real collector gives, but for those listed with the reason.

use std::future::poll_fn;
use std::io::Write;

use bytes::Bytes;
use flate2::write::GzEncoder;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

use crate::peers::backends::Backends;
use crate::peers::process::{self, Process};
use crate::{Balancer, Ids, collector, request, span};

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";
const TRACES: &str = "/v1/traces";
const GRPC_TRACES: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
/// The default limits of one message, over gRPC and over HTTP.
const GRPC_LIMIT: usize = 4 << 20;
const HTTP_LIMIT: usize = 20 << 20;

type Headers = Vec<(&'static str, &'static str)>;
/// Name, method, path, headers, body.
type HttpCase = (&'static str, &'static str, &'static str, Headers, Vec<u8>, Expected);
/// Name, path, headers, body.
type GrpcCase = (&'static str, &'static str, Headers, Vec<u8>, Expected);

/// A status, theirs too unless said why not.
enum Expected {
    Same(u16),
    Ours(u16, &'static str),
}
use Expected::{Ours, Same};

#[test]
fn http_answers_are_the_collectors() {
    let Some(pair) = Pair::start() else { return };
    let good = request(vec![span(&Ids::new().next(), "s")]).encode_to_vec();
    let large = large(HTTP_LIMIT);
    let larger = "the specification asks for 413; the collector says 400";
    let short = request(vec![Span { trace_id: vec![1; 15], ..span(&[1; 16], "s") }]).encode_to_vec();
    let one = "only the span without a valid id is rejected, by partial success";
    let cases: Vec<HttpCase> = vec![
        ("an id of 15 bytes", "POST", TRACES, vec![("content-type", PROTOBUF)], short, Ours(200, one)),
        ("a good one", "POST", TRACES, vec![("content-type", PROTOBUF)], good.clone(), Same(200)),
        ("GET", "GET", TRACES, vec![], vec![], Same(405)),
        ("PUT", "PUT", TRACES, vec![("content-type", PROTOBUF)], good.clone(), Same(405)),
        ("no content type", "POST", TRACES, vec![], good.clone(), Same(415)),
        ("text", "POST", TRACES, vec![("content-type", "text/plain")], good.clone(), Same(415)),
        ("gRPC's type", "POST", TRACES, vec![("content-type", "application/grpc")], good.clone(), Same(415)),
        (
            "parameters",
            "POST",
            TRACES,
            vec![("content-type", "application/x-protobuf; a=b")],
            good.clone(),
            Same(200),
        ),
        (
            "no protobuf",
            "POST",
            TRACES,
            vec![("content-type", PROTOBUF)],
            b"\x0a\xff\xff".to_vec(),
            Same(400),
        ),
        (
            "cut short",
            "POST",
            TRACES,
            vec![("content-type", PROTOBUF)],
            good[..good.len() - 3].to_vec(),
            Same(400),
        ),
        (
            "no JSON",
            "POST",
            TRACES,
            vec![("content-type", JSON)],
            b"{\"resourceSpans\":[".to_vec(),
            Same(400),
        ),
        ("JSON of another kind", "POST", TRACES, vec![("content-type", JSON)], b"[]".to_vec(), Same(400)),
        ("a bad id", "POST", TRACES, vec![("content-type", JSON)], bad_id(), Same(400)),
        ("empty protobuf", "POST", TRACES, vec![("content-type", PROTOBUF)], vec![], Same(200)),
        ("empty JSON", "POST", TRACES, vec![("content-type", JSON)], vec![], Same(400)),
        ("no spans", "POST", TRACES, vec![("content-type", JSON)], b"{}".to_vec(), Same(200)),
        ("another path", "POST", "/v1/spans", vec![("content-type", PROTOBUF)], good.clone(), Same(404)),
        ("no pipeline", "POST", "/v1/logs", vec![("content-type", PROTOBUF)], vec![], Same(404)),
        ("unknown coding", "POST", TRACES, encoded("brotli"), good.clone(), Same(400)),
        ("no gzip", "POST", TRACES, encoded("gzip"), good.clone(), Same(400)),
        ("no zstd", "POST", TRACES, encoded("zstd"), good.clone(), Same(400)),
        ("no snappy", "POST", TRACES, encoded("snappy"), b"\xff\xff\xff\xff\xff\xff".to_vec(), Same(400)),
        ("too large", "POST", TRACES, vec![("content-type", PROTOBUF)], large.clone(), Ours(413, larger)),
        ("inflates too far", "POST", TRACES, encoded("gzip"), gzip(&large), Ours(413, larger)),
    ];
    for (name, method, path, headers, body, expected) in cases {
        let ask = |port| process::http(port, method, path, &headers, &body).status;
        check(name, ask(pair.theirs.ports[1]), ask(pair.ours.ports[1]), &expected);
    }
}

#[test]
fn grpc_answers_are_the_collectors() {
    let Some(pair) = Pair::start() else { return };
    let good = request(vec![span(&Ids::new().next(), "s")]).encode_to_vec();
    let sender = "INVALID_ARGUMENT names the sender, whose bytes they are; INTERNAL would be our own fault";
    let cases: Vec<GrpcCase> = vec![
        ("a good one", GRPC_TRACES, vec![], framed(0, &good), Same(0)),
        ("no bytes", GRPC_TRACES, vec![], framed(0, b""), Same(0)),
        ("no protobuf", GRPC_TRACES, vec![], framed(0, b"\x0a\xff\xff"), Ours(3, sender)),
        ("cut short", GRPC_TRACES, vec![], framed(0, &good[..good.len() - 3]), Ours(3, sender)),
        (
            "another method",
            "/opentelemetry.proto.collector.trace.v1.TraceService/Import",
            vec![],
            framed(0, &good),
            Same(12),
        ),
        ("another service", "/a.b/C", vec![], framed(0, &good), Same(12)),
        (
            "no pipeline",
            "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
            vec![],
            framed(0, b""),
            Same(12),
        ),
        ("unknown coding", GRPC_TRACES, vec![("grpc-encoding", "br")], framed(1, &good), Same(12)),
        ("compressed, unsaid how", GRPC_TRACES, vec![], framed(1, &good), Ours(3, sender)),
        ("no gzip", GRPC_TRACES, vec![("grpc-encoding", "gzip")], framed(1, &good), Ours(3, sender)),
        ("no zstd", GRPC_TRACES, vec![("grpc-encoding", "zstd")], framed(1, &good), Ours(3, sender)),
        ("too large", GRPC_TRACES, vec![], framed(0, &large(GRPC_LIMIT)), Same(8)),
        (
            "inflates too far",
            GRPC_TRACES,
            vec![("grpc-encoding", "gzip")],
            framed(1, &gzip(&large(GRPC_LIMIT))),
            Same(8),
        ),
    ];
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for (name, path, headers, body, expected) in cases {
        let ask = |port| runtime.block_on(grpc(port, path, &headers, &body));
        check(name, ask(pair.theirs.ports[0]), ask(pair.ours.ports[0]), &expected);
    }
}

#[test]
fn a_backend_that_refuses_for_now_is_told_alike() {
    let Some(pair) = Pair::start() else { return };
    let good = request(vec![span(&Ids::new().next(), "s")]).encode_to_vec();
    let headers = [("content-type", PROTOBUF)];
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let refuse = || (0..2).for_each(|backend| pair.backends.refuse(backend, 1));
    for process in [&pair.theirs, &pair.ours] {
        refuse();
        assert_eq!(process::http(process.ports[1], "POST", TRACES, &headers, &good).status, 503);
        refuse();
        assert_eq!(runtime.block_on(grpc(process.ports[0], GRPC_TRACES, &[], &framed(0, &good))), 14);
        (0..2).for_each(|backend| pair.backends.refuse(backend, 0));
    }
}

fn check(name: &str, theirs: u16, ours: u16, expected: &Expected) {
    match *expected {
        Same(status) => assert_eq!((theirs, ours), (status, status), "{name}: theirs and ours"),
        Ours(status, why) => {
            assert_eq!(ours, status, "{name}: {why}");
            assert_ne!(theirs, status, "{name}: the collector answers alike now; the reason is gone: {why}");
        }
    }
}

/// Both, over the same backends.
struct Pair {
    theirs: Process,
    ours: Process,
    backends: Backends,
}

impl Pair {
    fn start() -> Option<Self> {
        let collector = collector()?;
        let backends = Backends::start(2);
        let hosts = backends.hosts();
        let telemetry = "{metrics: {level: none}}";
        let theirs = Balancer { hosts: &hosts, keys: "", telemetry, ours: false };
        let theirs = Process::start(&collector, 2, |ports, _| theirs.config(ports[0], ports[1]));
        let ours = Balancer { hosts: &hosts, keys: "", telemetry, ours: true };
        let ours = Process::ringtail(2, |ports, _| ours.config(ports[0], ports[1]));
        Some(Self { theirs, ours, backends })
    }
}

/// One call, its body sent as given; the gRPC status.
async fn grpc(port: u16, path: &str, headers: &[(&str, &str)], body: &[u8]) -> u16 {
    let stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let mut client = client.ready().await.unwrap();
    let mut request = http::Request::post(format!("http://127.0.0.1:{port}{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (response, mut sending) = client.send_request(request.body(()).unwrap(), false).unwrap();
    let body = Bytes::copy_from_slice(body);
    // Beside the answer, which may come before everything is sent.
    tokio::spawn(async move {
        let mut rest = body;
        while !rest.is_empty() {
            sending.reserve_capacity(rest.len());
            match poll_fn(|cx| sending.poll_capacity(cx)).await {
                Some(Ok(room)) => {
                    let part = rest.split_to(room.min(rest.len()));
                    if sending.send_data(part, rest.is_empty()).is_err() {
                        return;
                    }
                }
                _ => return,
            }
        }
    });
    let status = |headers: &http::HeaderMap| -> Option<u16> {
        headers.get("grpc-status")?.to_str().ok()?.parse().ok()
    };
    let response = response.await.unwrap();
    if let Some(status) = status(response.headers()) {
        return status;
    }
    let mut body = response.into_body();
    while let Some(part) = body.data().await {
        let part = part.unwrap();
        body.flow_control().release_capacity(part.len()).unwrap();
    }
    status(&body.trailers().await.unwrap().unwrap()).unwrap()
}

fn framed(compressed: u8, message: &[u8]) -> Vec<u8> {
    let mut framed = vec![compressed];
    framed.extend((message.len() as u32).to_be_bytes());
    framed.extend(message);
    framed
}

fn encoded(coding: &'static str) -> Headers {
    vec![("content-type", PROTOBUF), ("content-encoding", coding)]
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A good request just over a limit.
fn large(limit: usize) -> Vec<u8> {
    request(vec![span(&Ids::new().next(), &"n".repeat(limit))]).encode_to_vec()
}

fn bad_id() -> Vec<u8> {
    br#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"0102","spanId":"0102030405060708"}]}]}]}"#
        .to_vec()
}

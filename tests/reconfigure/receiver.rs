//! The `otlp` receiver: listeners and connections stay, limits hold for the next request, addresses move.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use prost::Message;
use ringtail::flow::{Answer, Consumer, Front, Outlets, Request};
use ringtail::observe::Registry;
use ringtail::outcome::{Accepted, Signal};
use ringtail::receive::{Beside, Config, Endpoint, Gates, Grpc, Http, Receiver, Serving};
use ringtail::tls::{self, Pem, Version};
use ringtail::workers::Workers;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::support::certs::Certs;
use crate::support::ledger::Scrape;
use crate::support::load::{span, traces};
use crate::support::process::free_address;
use crate::support::raw_grpc::{RawGrpc, TRACES, framed};
use crate::support::{http, wait};

/// What comes out of the receiver, and when it is answered.
#[derive(Clone)]
struct Sink(Arc<Inner>);

struct Inner {
    taken: AtomicU64,
    may: Semaphore,
}

impl Consumer for Sink {
    fn consume(&self, request: Request) -> BoxFuture<'static, Answer> {
        let sink = Arc::clone(&self.0);
        Box::pin(async move {
            let _may = sink.may.acquire().await.unwrap();
            sink.taken.fetch_add(request.items, Ordering::SeqCst);
            Ok(Accepted::default())
        })
    }
}

struct Bench {
    serving: Serving,
    sink: Sink,
    front: Front,
    registry: Registry,
    workers: Arc<Workers>,
}

impl Bench {
    fn start(config: Config) -> Self {
        let sink = Sink(Arc::new(Inner { taken: AtomicU64::new(0), may: Semaphore::new(100) }));
        let (workers, registry) = (Arc::new(Workers::start(2).unwrap()), Registry::new());
        let mut outlets = Outlets::default();
        outlets.add(Signal::Traces, Arc::new(sink.clone()));
        let front = Front::new(outlets);
        let serving = Receiver::bind("otlp", config, &front, &workers, &registry).unwrap().serve();
        Self { serving, sink, front, registry, workers }
    }

    fn taken(&self) -> u64 {
        self.sink.0.taken.load(Ordering::SeqCst)
    }

    fn assert_sums(&self, accepted: u64) {
        let scrape = Scrape::parse(&self.registry.render(false));
        scrape.assert_balanced();
        assert_eq!(scrape.sum("otelcol_receiver_accepted_spans", &[("receiver", "otlp")]) as u64, accepted);
    }
}

fn config(grpc: Option<Grpc>, http: Option<Http>) -> Config {
    Config { grpc, http, max_in_flight_bytes: 1 << 20, max_connections: 100 }
}

fn grpc(address: SocketAddr) -> Grpc {
    Grpc { endpoint: Endpoint::Tcp(address.to_string()), ..Grpc::default() }
}

fn http_at(address: SocketAddr) -> Http {
    Http { endpoint: Endpoint::Tcp(address.to_string()), ..Http::default() }
}

fn message(trace: u64) -> Bytes {
    Bytes::from(traces([span(trace, 0)]).encode_to_vec())
}

async fn code(client: &RawGrpc, trace: u64) -> Option<i32> {
    client.call(TRACES, &[], framed(false, &message(trace))).await.unwrap().code
}

async fn is_closed(address: SocketAddr) {
    let refused = || async { TcpStream::connect(address).await.is_err().then_some(()) };
    wait::until_some("nobody listens there", refused).await;
}

#[tokio::test]
async fn a_listener_and_its_connections_stay_and_limits_hold_for_the_next_request() {
    let (at, web) = (free_address(), free_address());
    let bench = Bench::start(config(Some(grpc(at)), Some(http_at(web))));
    let client = RawGrpc::connect(at).await;
    assert_eq!(code(&client, 1).await, Some(0));
    let small = Grpc { max_recv_msg_bytes: 10, ..grpc(at) };
    let shown = Http { response_headers: vec![("x-here".into(), "1".into())], ..http_at(web) };
    bench.serving.reconfigure(config(Some(small), Some(shown))).unwrap();
    assert_eq!(code(&client, 2).await, Some(8), "the limit holds on the connection that was open");
    let answer = http::post(web, "/v1/traces", "application/x-protobuf", message(3)).await;
    assert_eq!(answer.header("x-here"), Some("1"));
    bench.serving.reconfigure(config(Some(grpc(at)), Some(http_at(web)))).unwrap();
    assert_eq!(code(&client, 4).await, Some(0), "and it is still the same connection");
    assert_eq!(bench.taken(), 3);
    bench.assert_sums(3);
}

#[tokio::test]
async fn a_protocol_that_moves_finishes_what_was_begun_and_refuses_nobody() {
    let (old, new) = (free_address(), free_address());
    let bench = Bench::start(config(Some(grpc(old)), None));
    bench.sink.0.may.forget_permits(100);
    let client = RawGrpc::connect(old).await;
    let begun = tokio::spawn({
        let client = client.clone();
        async move { code(&client, 1).await }
    });
    let held = || Scrape::parse(&bench.registry.render(false)).ledger("otlp/grpc", "traces").held == 1;
    wait::until("the call has begun", held).await;
    bench.serving.reconfigure(config(Some(grpc(new)), None)).unwrap();
    let moved = RawGrpc::connect(new).await;
    is_closed(old).await;
    bench.sink.0.may.add_permits(100);
    assert_eq!(begun.await.unwrap(), Some(0), "what was begun is answered");
    assert_eq!(code(&moved, 2).await, Some(0));
    let gone = || async { client.send.clone().ready().await.is_err().then_some(()) };
    wait::until_some("the old connection was told to go", gone).await;
    bench.assert_sums(2);
}

#[tokio::test]
async fn what_cannot_be_bound_is_named_and_nothing_has_changed() {
    let (at, web) = (free_address(), free_address());
    let bench = Bench::start(config(Some(grpc(at)), None));
    let client = RawGrpc::connect(at).await;
    let taken = tokio::net::TcpListener::bind(web).await.unwrap();
    let small = Grpc { max_recv_msg_bytes: 10, ..grpc(at) };
    let error = bench.serving.reconfigure(config(Some(small), Some(http_at(web)))).unwrap_err();
    assert!(error.starts_with("receivers::otlp::protocols::http: cannot listen on "), "{error}");
    assert_eq!(code(&client, 1).await, Some(0), "the limit of gRPC is not in force either");
    drop(taken);
    let broken = Grpc { tls: Some(server_tls(&missing())), ..grpc(free_address()) };
    let error = bench.serving.reconfigure(config(Some(broken), None)).unwrap_err();
    assert!(error.starts_with("receivers::otlp::protocols::grpc: tls.cert_file: cannot read"), "{error}");
    assert_eq!(code(&client, 2).await, Some(0));
}

#[tokio::test]
async fn a_protocol_appears_and_another_goes() {
    let (at, web) = (free_address(), free_address());
    let bench = Bench::start(config(Some(grpc(at)), None));
    assert_eq!(code(&RawGrpc::connect(at).await, 1).await, Some(0));
    bench.serving.reconfigure(config(None, Some(http_at(web)))).unwrap();
    is_closed(at).await;
    let answer = http::post(web, "/v1/traces", "application/x-protobuf", message(2)).await;
    assert_eq!(answer.status, 200);
    bench.serving.reconfigure(config(Some(grpc(at)), Some(http_at(web)))).unwrap();
    assert_eq!(code(&RawGrpc::connect(at).await, 3).await, Some(0));
    bench.assert_sums(3);
}

#[tokio::test]
async fn addresses_are_exchanged_widened_and_taken_over() {
    let (one, two) = (free_address(), free_address());
    let bench = Bench::start(config(Some(grpc(one)), Some(http_at(two))));
    bench.serving.reconfigure(config(Some(grpc(two)), Some(http_at(one)))).unwrap();
    assert_eq!(code(&connected(two).await, 1).await, Some(0));
    let wide = |at: SocketAddr| SocketAddr::from(([0, 0, 0, 0], at.port()));
    bench.serving.reconfigure(config(Some(grpc(wide(two))), Some(http_at(one)))).unwrap();
    assert_eq!(code(&connected(two).await, 2).await, Some(0));
    let asked = config(Some(grpc(two)), Some(http_at(one)));
    let (front, workers, registry) = (&bench.front, &bench.workers, &bench.registry);
    let other = Receiver::bind("other", asked.clone(), front, workers, registry).map(|_| ());
    assert!(other.unwrap_err().contains("receivers::other::protocols::grpc: cannot listen on"));
    let beside = Beside { gates: &Gates::new(), leaving: &[&bench.serving] };
    let other = Receiver::bind_beside("other", asked, front, workers, registry, beside);
    let other = other.unwrap().serve();
    bench.serving.close();
    let answered = || async {
        let client = RawGrpc::over(TcpStream::connect(two).await.ok()?, two).await.ok()?;
        let answer = client.call(TRACES, &[], framed(false, &message(3))).await.ok()?;
        (answer.code == Some(0)).then_some(())
    };
    wait::until_some("the other receiver answers", answered).await;
    assert_eq!(other.endpoints(), [two.to_string(), one.to_string()]);
}

#[tokio::test]
async fn who_comes_while_an_address_is_widened_is_served() {
    let (one, two) = (free_address(), free_address());
    let bench = Bench::start(config(Some(grpc(one)), Some(http_at(two))));
    let wide = |at: SocketAddr| SocketAddr::from(([0, 0, 0, 0], at.port()));
    for round in 0..10 {
        let (grpc_at, web) = if round % 2 == 0 { (wide(one), wide(two)) } else { (one, two) };
        let (first, second) = tokio::join!(TcpStream::connect(one), TcpStream::connect(two));
        bench.serving.reconfigure(config(Some(grpc(grpc_at)), Some(http_at(web)))).unwrap();
        let third = TcpStream::connect(one).await;
        for stream in [first, third] {
            let client = RawGrpc::over(stream.unwrap(), one).await.unwrap();
            assert_eq!(code(&client, round).await, Some(0));
        }
        let post = http::request(
            "POST",
            "/v1/traces",
            &[("content-type", "application/x-protobuf")],
            message(round),
        );
        assert_eq!(http::send_over(second.unwrap(), post).await.unwrap().status, 200);
    }
    bench.assert_sums(30);
}

#[tokio::test]
async fn a_new_certificate_in_the_same_files_and_tls_at_all_hold_for_new_connections() {
    let (dir, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let (at, certs) = (free_address(), Certs::write(dir.path()));
    let bench = Bench::start(config(Some(grpc(at)), None));
    let plain = RawGrpc::connect(at).await;
    assert_eq!(code(&plain, 0).await, Some(0));
    let secured = || config(Some(Grpc { tls: Some(server_tls(&certs)), ..grpc(at) }), None);
    bench.serving.reconfigure(secured()).unwrap();
    let first = RawGrpc::over(certs.connect(at, b"h2", false).await.unwrap(), at).await.unwrap();
    assert_eq!(code(&first, 1).await, Some(0));
    assert_eq!(code(&plain, 2).await, Some(0), "who was connected stays");
    let next = Certs::write(other.path());
    for (from, to) in [(&next.cert, &certs.cert), (&next.key, &certs.key)] {
        std::fs::copy(from, to).unwrap();
    }
    bench.serving.reconfigure(secured()).unwrap();
    assert!(certs.connect(at, b"h2", false).await.is_err(), "another authority signed it");
    let second = RawGrpc::over(next.connect(at, b"h2", false).await.unwrap(), at).await.unwrap();
    assert_eq!((code(&first, 3).await, code(&second, 4).await), (Some(0), Some(0)));
}

#[tokio::test]
async fn a_path_is_free_again_when_its_listener_has_gone() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("otlp.sock");
    let unix = || Grpc { endpoint: Endpoint::Unix(path.to_str().unwrap().into()), ..Grpc::default() };
    let (bench, at) = (Bench::start(config(Some(unix()), None)), free_address());
    bench.serving.reconfigure(config(Some(unix()), None)).unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], 1));
    let stream = tokio::net::UnixStream::connect(&path).await.unwrap();
    assert_eq!(code(&RawGrpc::over(stream, address).await.unwrap(), 1).await, Some(0));
    bench.serving.reconfigure(config(Some(grpc(at)), None)).unwrap();
    wait::until("the path is gone", || !path.exists()).await;
    bench.serving.reconfigure(config(Some(unix()), None)).unwrap();
    tokio::net::UnixStream::connect(&path).await.unwrap();
}

#[tokio::test]
async fn fewer_connections_turn_nobody_out_who_is_in() {
    let at = free_address();
    let bench = Bench::start(config(Some(grpc(at)), None));
    let client = RawGrpc::connect(at).await;
    assert_eq!(code(&client, 1).await, Some(0));
    bench.serving.reconfigure(Config { max_connections: 1, ..config(Some(grpc(at)), None) }).unwrap();
    let mut stream = TcpStream::connect(at).await.unwrap();
    let mut byte = [0];
    let read =
        tokio::time::timeout(Duration::from_secs(5), tokio::io::AsyncReadExt::read(&mut stream, &mut byte));
    assert!(matches!(read.await.unwrap(), Ok(0) | Err(_)), "the second is turned away");
    assert_eq!(code(&client, 2).await, Some(0));
}

/// A connection, once the listener there is the new one.
async fn connected(at: SocketAddr) -> RawGrpc {
    let client = || async {
        let client = RawGrpc::over(TcpStream::connect(at).await.ok()?, at).await.ok()?;
        client.send.clone().ready().await.ok().map(|_| client)
    };
    wait::until_some("gRPC is spoken there", client).await
}

fn server_tls(certs: &Certs) -> tls::ServerConfig {
    tls::ServerConfig {
        cert: Pem::File(certs.cert.clone()),
        key: Pem::File(certs.key.clone()),
        client_ca: None,
        client_ca_reload: false,
        choice: tls::Choice::default(),
        min_version: Version::V12,
        max_version: None,
        reload_interval: None,
    }
}

fn missing() -> Certs {
    Certs { ca: "/none".into(), cert: "/none/cert.pem".into(), key: "/none/key.pem".into() }
}

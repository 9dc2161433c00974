//! The OTLP exporters: what waits goes where the new configuration says, once, and nothing is lost on the way.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use prost::Message;
use ringtail::client::{HttpEncoding, Protocol, Transport};
use ringtail::compress::Compression;
use ringtail::export::{HttpTarget, Otlp, OtlpExporter, Parts, QueueBatch, SendingQueue, Sizer};
use ringtail::flow::{Answer, Consumer, Request, Stage};
use ringtail::journal;
use ringtail::observe::Registry;
use ringtail::outcome::Signal;
use ringtail::retry;
use ringtail::tls::{ClientConfig, Pem};
use ringtail::workers::Workers;
use tonic::Code;

use crate::support::backend::{Backend, Reply};
use crate::support::certs::Certs;
use crate::support::ledger::Scrape;
use crate::support::load::{span, traces};
use crate::support::process::free_address;
use crate::support::wait;

/// Longer than any test: what happens, happens for another reason.
const NEVER: Duration = Duration::from_secs(3600);

/// Retries that nobody will see.
fn patient() -> retry::Config {
    retry::Config {
        initial_interval: NEVER,
        max_interval: NEVER,
        max_elapsed_time: Duration::ZERO,
        ..retry::Config::default()
    }
}

fn to(address: String) -> Otlp {
    let protocol = Protocol {
        transport: Transport::Grpc,
        tls: ClientConfig { insecure: true, ..ClientConfig::default() },
        compression: None,
        headers: Vec::new(),
        auth: None,
        keepalive: None,
        connections: 1,
    };
    Otlp {
        address,
        paths: [const { None }; 3],
        protocol,
        encoding: HttpEncoding::Protobuf,
        timeout: Duration::from_secs(20),
        retry: patient(),
        queue: SendingQueue { size: 1000, wait_for_result: false, ..SendingQueue::default() },
        round_robin: true,
    }
}

fn json_to(backend: &Backend) -> Otlp {
    let target = HttpTarget { address: backend.address(), tls: false, path: "/v1/traces".into() };
    let mut config = Otlp { paths: [Some(target), None, None], ..to(backend.address()) };
    config.protocol.transport = Transport::Http;
    config.protocol.compression = Some(Compression::Gzip);
    config.protocol.headers = vec![("x-tenant".into(), "a".into())];
    Otlp { encoding: HttpEncoding::Json, ..config }
}

fn queued(config: Otlp, change: impl FnOnce(&mut SendingQueue)) -> Otlp {
    let mut config = config;
    change(&mut config.queue);
    config
}

fn on_disk(config: Otlp, dir: &Path) -> Otlp {
    let journal =
        journal::Config { directory: Some(dir.into()), max_size: 8 << 20, ..journal::Config::default() };
    queued(config, |queue| queue.journal = Some(journal))
}

struct Bench {
    exporter: OtlpExporter,
    registry: Registry,
    _workers: Arc<Workers>,
}

impl Bench {
    fn start(config: Otlp) -> Self {
        let (workers, registry) = (Arc::new(Workers::start(2).unwrap()), Registry::new());
        let (name, signal) = ("otlp", Signal::Traces);
        let parts = Parts { name, signal, config, workers: &workers, registry: &registry };
        Self { exporter: OtlpExporter::new(parts).unwrap(), registry, _workers: workers }
    }

    async fn send(&self, traces: std::ops::Range<u64>) {
        for trace in traces {
            self.exporter.consume(request(trace)).await.unwrap();
        }
    }

    fn spawn(&self, request: Request) -> tokio::task::JoinHandle<Answer> {
        tokio::spawn(self.exporter.consume(request))
    }

    fn change(&self, config: Otlp) {
        self.exporter.reconfigure(config).unwrap();
    }

    fn scrape(&self) -> Scrape {
        Scrape::parse(&self.registry.render(false))
    }

    fn gauge(&self, name: &str) -> f64 {
        self.scrape().sum(name, &[("exporter", "otlp")])
    }

    async fn assert_settled(&self) {
        wait::until("nothing is held", || self.scrape().held() == 0.0).await;
        self.scrape().assert_balanced();
    }
}

/// One span.
fn request(trace: u64) -> Request {
    Request {
        signal: Signal::Traces,
        body: Bytes::from(traces([span(trace, 0)]).encode_to_vec()),
        items: 1,
        arrived: Instant::now(),
        deadline: None,
        kept: false,
        batched: false,
        origin: None,
        window: ringtail::flow::Window::None,
    }
}

/// The spans of all backends together, each trace once.
async fn assert_arrived(backends: &[&Backend], traces: std::ops::Range<u64>) {
    let mut wanted: Vec<_> = traces.map(|trace| format!("operation {trace}/0")).collect();
    let arrived = || backends.iter().map(|backend| backend.spans().len()).sum::<usize>() >= wanted.len();
    wait::until("everything has arrived", arrived).await;
    let mut names: Vec<_> = backends.iter().flat_map(|one| one.spans()).map(|seen| seen.span.name).collect();
    names.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(names, wanted);
}

#[tokio::test]
async fn what_waits_for_a_dead_backend_goes_to_another_at_once_and_once() {
    let (nobody, backend) = (free_address(), Backend::grpc().await);
    let bench = Bench::start(to(nobody.to_string()));
    bench.send(0..50).await;
    let waiting = bench.spawn(Request { kept: true, ..request(50) });
    wait::until("ten calls wait for a retry", || bench.gauge("otelcol_exporter_in_flight_requests") == 10.0)
        .await;
    bench.change(to(backend.address()));
    waiting.await.unwrap().unwrap();
    assert_arrived(&[&backend], 0..51).await;
    bench.assert_settled().await;
    let sent = |address: &str| {
        let labels = [("exporter", "otlp"), ("server_port", address.rsplit(':').next().unwrap())];
        bench.scrape().sum("otelcol_exporter_sent_spans", &labels)
    };
    assert_eq!((sent(&nobody.to_string()), sent(&backend.address())), (0.0, 51.0));
}

#[tokio::test]
async fn protocol_encoding_compression_and_headers_are_those_in_force_when_a_request_leaves() {
    let (grpc, http) = (Backend::grpc().await, Backend::http().await);
    grpc.answer(|_| Reply::Refuse(Code::Unavailable, Some(Duration::from_secs(300))));
    let bench = Bench::start(to(grpc.address()));
    bench.send(0..20).await;
    wait::until("it was asked to wait", || grpc.calls() > 0).await;
    bench.change(json_to(&http));
    assert_arrived(&[&http], 0..20).await;
    assert_eq!(http.last_header("content-type").as_deref(), Some("application/json"));
    assert_eq!(http.last_header("content-encoding").as_deref(), Some("gzip"));
    assert_eq!(http.last_header("x-tenant").as_deref(), Some("a"));
    grpc.answer(|_| Reply::Take);
    bench.change(to(grpc.address()));
    bench.send(20..30).await;
    assert_arrived(&[&http, &grpc], 0..30).await;
    bench.assert_settled().await;
}

#[tokio::test]
async fn a_call_in_flight_is_finished_where_it_is_and_the_next_goes_elsewhere() {
    let (old, new) = (Backend::grpc().await, Backend::grpc().await);
    old.close_gate();
    let bench = Bench::start(to(old.address()));
    bench.send(0..1).await;
    wait::until("a call is in flight", || old.calls() == 1).await;
    bench.change(to(new.address()));
    bench.send(1..2).await;
    assert_arrived(&[&new], 1..2).await;
    old.open_gate();
    assert_arrived(&[&old], 0..1).await;
    bench.assert_settled().await;
    assert_eq!((old.calls(), new.calls()), (1, 1));
}

#[tokio::test]
async fn a_refusal_by_the_wrong_backend_is_not_the_last_word() {
    let (wrong, right) = (Backend::grpc().await, Backend::grpc().await);
    wrong.answer(|_| Reply::Refuse(Code::Unimplemented, None));
    wrong.close_gate();
    let bench = Bench::start(to(wrong.address()));
    bench.send(0..1).await;
    wait::until("a call is in flight", || wrong.calls() == 1).await;
    bench.change(to(right.address()));
    wrong.open_gate();
    assert_arrived(&[&right], 0..1).await;
    bench.assert_settled().await;
}

#[tokio::test]
async fn retries_of_before_follow_the_new_rule() {
    let backend = Backend::grpc().await;
    backend.answer_next(10, Reply::Refuse(Code::Unavailable, None));
    let bench = Bench::start(to(backend.address()));
    bench.send(0..10).await;
    wait::until("all wait for a retry", || backend.calls() == 10).await;
    backend.answer_next(10, Reply::Refuse(Code::Unavailable, None));
    let soon = Duration::from_millis(20);
    let retry = retry::Config { initial_interval: soon, max_interval: soon, ..retry::Config::default() };
    let before = backend.connections();
    bench.change(Otlp { retry, ..to(backend.address()) });
    assert_arrived(&[&backend], 0..10).await;
    assert_eq!(backend.connections(), before, "connections to the same backend stay");
    bench.assert_settled().await;
}

#[tokio::test]
async fn consumers_come_and_go_and_room_grows_and_shrinks() {
    let backend = Backend::grpc().await;
    backend.close_gate();
    let sized = |consumers, size| {
        queued(to(backend.address()), |queue| (queue.consumers, queue.size) = (consumers, size))
    };
    let bench = Bench::start(sized(1, 10));
    bench.send(0..10).await;
    assert!(bench.exporter.consume(request(99)).await.is_err(), "the queue is full");
    wait::until("one is in flight", || backend.calls() == 1).await;
    bench.change(sized(4, 20));
    wait::until("four are in flight", || backend.calls() == 4).await;
    bench.send(10..20).await;
    bench.change(sized(2, 5));
    assert!(bench.exporter.consume(request(99)).await.is_err(), "what waits is over the new size");
    assert_eq!(bench.gauge("otelcol_exporter_queue_capacity"), 5.0);
    backend.open_gate();
    assert_arrived(&[&backend], 0..20).await;
    bench.assert_settled().await;
    backend.close_gate();
    let calls = backend.calls();
    bench.send(20..25).await;
    wait::until("two are in flight", || backend.calls() == calls + 2).await;
    bench.change(sized(3, 5));
    wait::until("three are in flight", || backend.calls() == calls + 3).await;
    backend.open_gate();
    assert_arrived(&[&backend], 0..25).await;
    bench.assert_settled().await;
}

#[tokio::test]
async fn what_waits_to_become_larger_leaves_when_batches_change() {
    let backend = Backend::grpc().await;
    let batch = |min_size| QueueBatch {
        flush_timeout: NEVER,
        min_size,
        max_size: 0,
        sizer: Sizer::Items,
        metadata_keys: Vec::new(),
    };
    let batched = |batch| queued(to(backend.address()), |queue| queue.batch = batch);
    let bench = Bench::start(batched(Some(batch(100))));
    bench.send(0..5).await;
    bench.change(batched(Some(batch(3))));
    assert_arrived(&[&backend], 0..5).await;
    bench.send(5..7).await;
    bench.change(batched(None));
    assert_arrived(&[&backend], 0..7).await;
    bench.send(7..8).await;
    assert_arrived(&[&backend], 0..8).await;
    bench.assert_settled().await;
}

#[tokio::test]
async fn a_queue_moves_from_disk_to_disk_and_memory_and_back_while_its_backend_is_dead() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (nobody, backend) = (free_address().to_string(), Backend::grpc().await);
    let bench = Bench::start(on_disk(to(nobody.clone()), one.path()));
    bench.send(0..20).await;
    bench.change(on_disk(to(nobody.clone()), two.path()));
    bench.send(20..40).await;
    bench.change(to(nobody.clone()));
    bench.send(40..60).await;
    bench.change(on_disk(to(nobody), one.path()));
    bench.send(60..80).await;
    assert_eq!(backend.calls(), 0);
    bench.change(on_disk(to(backend.address()), one.path()));
    assert_arrived(&[&backend], 0..80).await;
    bench.assert_settled().await;
    // A queue that has emptied is closed: its folder can be had by another.
    let free = || {
        let config = journal::Config { directory: Some(two.path().into()), ..journal::Config::default() };
        journal::Journal::open(&config, Path::new("otlp-traces"), 1, &mut |_| ()).is_ok()
    };
    wait::until("the second folder is free", free).await;
    assert_eq!(bench.exporter.end(Instant::now() + wait::DEADLINE).await, 0);
}

#[tokio::test]
async fn a_queue_on_disk_takes_senders_all_the_time_while_it_moves() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let backend = Backend::grpc().await;
    let bench = Arc::new(Bench::start(on_disk(to(backend.address()), one.path())));
    let sending = {
        let bench = Arc::clone(&bench);
        tokio::spawn(async move { bench.send(0..600).await })
    };
    let mut here = true;
    while !sending.is_finished() {
        here = !here;
        let next = if here { one.path() } else { two.path() };
        // A folder that is being closed just then cannot be had: then nothing changes.
        let _ = bench.exporter.reconfigure(on_disk(to(backend.address()), next));
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    sending.await.unwrap();
    assert_arrived(&[&backend], 0..600).await;
    bench.assert_settled().await;
}

#[tokio::test]
async fn the_limit_of_a_queue_on_disk_changes_in_place() {
    let (dir, nobody) = (tempfile::tempdir().unwrap(), free_address().to_string());
    let limited = |max_size| {
        queued(on_disk(to(nobody.clone()), dir.path()), |queue| {
            queue.journal = queue.journal.take().map(|journal| journal::Config { max_size, ..journal });
        })
    };
    let bench = Bench::start(limited(256 << 10));
    let mut sent = 0;
    while bench.exporter.consume(request(sent)).await.is_ok() {
        sent += 1;
    }
    bench.change(limited(8 << 20));
    let taken = || async { bench.exporter.consume(request(sent)).await.ok() };
    wait::until_some("there is room again", taken).await;
    assert_eq!(bench.scrape().ledger("otlp/journal", "traces").held, sent + 1);
    bench.scrape().assert_balanced();
}

#[tokio::test]
async fn what_cannot_be_is_named_and_nothing_has_changed() {
    let backend = Backend::grpc().await;
    let bench = Bench::start(to(backend.address()));
    let refused = |config: Otlp| bench.exporter.reconfigure(config).unwrap_err().to_string();
    let mut broken = to(free_address().to_string());
    broken.protocol.tls =
        ClientConfig { ca: Some(Pem::File("/none/ca.pem".into())), ..ClientConfig::default() };
    assert!(refused(broken).starts_with("tls.ca_file: cannot read /none/ca.pem"));
    let mut broken = to(free_address().to_string());
    broken.protocol.headers = vec![("a b".into(), "c".into())];
    assert!(!refused(broken).is_empty());
    let unused =
        queued(on_disk(to(backend.address()), Path::new("/none")), |queue| queue.wait_for_result = true);
    assert!(refused(unused).starts_with("sending_queue: `journal` does nothing"));
    let file = tempfile::NamedTempFile::new().unwrap();
    assert!(refused(on_disk(to(free_address().to_string()), file.path())).starts_with("sending_queue: "));
    let prepared = bench.exporter.prepare(to(free_address().to_string())).unwrap();
    drop(prepared);
    bench.send(0..3).await;
    assert_arrived(&[&backend], 0..3).await;
}

#[tokio::test]
async fn an_authority_in_the_same_file_is_read_again() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (wrong, right) = (Certs::write(dir.path()), Certs::write(other.path()));
    let backend = Backend::tls(right.server()).await;
    let mut config = to(format!("localhost:{}", backend.port()));
    config.protocol.tls = ClientConfig { ca: Some(Pem::File(wrong.ca.clone())), ..ClientConfig::default() };
    let bench = Bench::start(config.clone());
    bench.send(0..5).await;
    wait::until("calls wait for a retry", || bench.gauge("otelcol_exporter_in_flight_requests") == 5.0).await;
    std::fs::copy(&right.ca, &wrong.ca).unwrap();
    bench.change(config);
    assert_arrived(&[&backend], 0..5).await;
    bench.assert_settled().await;
}

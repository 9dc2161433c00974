//! The OTLP exporters against real backends: retries, throttling, the queue, merging, the end.

#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::join_all;
use prost::Message;
use ringtail::client::{HttpEncoding, Protocol, Transport};
use ringtail::compress::Compression;
use ringtail::export::{HttpTarget, Otlp, OtlpExporter, Parts, QueueBatch, SendingQueue, Sizer};
use ringtail::flow::{Answer, Consumer, Request, Stage};
use ringtail::journal;
use ringtail::observe::Registry;
use ringtail::origin::Origin;
use ringtail::outcome::{Fault, Reason, Signal};
use ringtail::retry;
use ringtail::tls::ClientConfig;
use ringtail::workers::Workers;
use tonic::Code;

use support::backend::{Backend, Reply};
use support::ledger::Scrape;
use support::load::{scattered, span, traces};
use support::{certs, wait};

/// Longer than any test: what happens, happens for another reason.
const NEVER: Duration = Duration::from_secs(3600);

fn plaintext(transport: Transport) -> Protocol {
    Protocol {
        transport,
        tls: ClientConfig { insecure: true, ..ClientConfig::default() },
        compression: None,
        headers: Vec::new(),
        auth: None,
        keepalive: None,
        connections: 1,
    }
}

fn soon() -> retry::Config {
    let interval = Duration::from_millis(20);
    retry::Config {
        initial_interval: interval,
        max_interval: interval,
        randomization_factor: 0.0,
        ..retry::Config::default()
    }
}

fn otlp(backend: &Backend) -> Otlp {
    Otlp {
        address: backend.address(),
        paths: [const { None }; 3],
        protocol: plaintext(Transport::Grpc),
        encoding: HttpEncoding::Protobuf,
        timeout: Duration::from_secs(5),
        retry: soon(),
        queue: SendingQueue::default(),
        round_robin: true,
    }
}

fn over_http(backend: &Backend, path: &str) -> Otlp {
    let target = HttpTarget { address: backend.address(), tls: false, path: path.into() };
    Otlp { paths: [Some(target), None, None], protocol: plaintext(Transport::Http), ..otlp(backend) }
}

/// An exporter and what it runs on.
struct Bench {
    exporter: OtlpExporter,
    registry: Registry,
    _workers: Arc<Workers>,
}

impl Bench {
    fn start(config: Otlp) -> Self {
        let (workers, registry) = (Arc::new(Workers::start(2).unwrap()), Registry::new());
        let parts = Parts {
            name: "otlp/tempo",
            signal: Signal::Traces,
            config,
            workers: &workers,
            registry: &registry,
        };
        Self { exporter: OtlpExporter::new(parts).unwrap(), registry, _workers: workers }
    }

    async fn send(&self, trace: u64) -> Answer {
        self.exporter.consume(request(trace, 2)).await
    }

    fn spawn(&self, request: Request) -> tokio::task::JoinHandle<Answer> {
        tokio::spawn(self.exporter.consume(request))
    }

    fn scrape(&self) -> Scrape {
        Scrape::parse(&self.registry.render(false))
    }

    fn reason(&self, reason: &str) -> u64 {
        self.scrape().reason("otlp/tempo", reason)
    }

    fn delivered(&self) -> u64 {
        self.scrape().ledger("otlp/tempo", "traces").delivered
    }

    fn held(&self) -> u64 {
        self.scrape().ledger("otlp/tempo", "traces").held
    }

    /// Nothing is on its way and the sum closes.
    async fn assert_settled(&self) {
        wait::until("nothing is held", || self.held() == 0).await;
        self.scrape().assert_balanced();
    }
}

fn request(trace: u64, spans: u64) -> Request {
    let body = Bytes::from(traces((0..spans).map(|n| span(trace, n))).encode_to_vec());
    Request {
        signal: Signal::Traces,
        body,
        items: spans,
        arrived: Instant::now(),
        deadline: None,
        kept: false,
        batched: false,
        origin: None,
        window: ringtail::flow::Window::None,
    }
}

fn kept(trace: u64) -> Request {
    Request { kept: true, ..request(trace, 2) }
}

fn queued(size: usize) -> SendingQueue {
    SendingQueue { size, wait_for_result: false, ..SendingQueue::default() }
}

#[tokio::test]
async fn what_is_sent_arrives_whole_over_grpc_http_and_json_compressed_or_not() {
    let sent = scattered(1, 8, 3, 4);
    let (grpc, http) = (Backend::grpc().await, Backend::http().await);
    for compression in [None, Some(Compression::Gzip), Some(Compression::Zstd)] {
        let compressed = |mut config: Otlp| {
            config.protocol.compression = compression;
            config.protocol.headers = vec![("X-Scope-OrgID".into(), "tenant".into())];
            config
        };
        let json = Otlp { encoding: HttpEncoding::Json, ..over_http(&http, "/api/v1/traces") };
        for (backend, config) in
            [(&grpc, otlp(&grpc)), (&http, over_http(&http, "/v1/traces")), (&http, json)]
        {
            let bench = Bench::start(compressed(config));
            backend.forget();
            for traces in &sent {
                let items = traces.resource_spans.iter().flat_map(|r| &r.scope_spans).map(|s| s.spans.len());
                let body = Bytes::from(traces.encode_to_vec());
                let items = items.sum::<usize>() as u64;
                bench.exporter.consume(Request { body, items, ..request(0, 0) }).await.unwrap();
            }
            let taken: Vec<_> = backend.taken();
            assert_eq!(taken, sent.iter().cloned().map(support::Content::Traces).collect::<Vec<_>>());
            assert_eq!(backend.last_header("x-scope-orgid").as_deref(), Some("tenant"));
            assert_eq!(bench.delivered(), 24);
            bench.assert_settled().await;
        }
    }
}

#[tokio::test]
async fn a_failure_that_passes_is_tried_again_and_counted_once() {
    let backend = Backend::grpc().await;
    backend.answer_next(3, Reply::Refuse(Code::Unavailable, None));
    let bench = Bench::start(otlp(&backend));
    bench.send(1).await.unwrap();
    assert_eq!(backend.calls(), 4);
    let labels = [("exporter", "otlp/tempo"), ("server_address", "127.0.0.1")];
    assert_eq!(bench.scrape().sum("otelcol_exporter_sent_spans", &labels), 2.0);
    bench.assert_settled().await;
}

#[tokio::test]
async fn an_unreachable_backend_is_noticed_when_it_is_back_before_the_backoff_ends() {
    let backend = Backend::grpc().await;
    backend.stop();
    let retry = retry::Config { initial_interval: NEVER, max_interval: NEVER, ..soon() };
    let retry = retry::Config { max_elapsed_time: Duration::ZERO, ..retry };
    let bench = Bench::start(Otlp { retry, ..otlp(&backend) });
    let sending = bench.spawn(request(1, 2));
    wait::until("the exporter holds it", || bench.held() == 2).await;
    backend.restart().await;
    sending.await.unwrap().unwrap();
    assert!(backend.has("operation 1/1"));
}

#[tokio::test]
async fn a_backend_that_asks_for_a_pause_gets_one_from_every_consumer() {
    for (backend, config, reply) in [
        {
            let backend = Backend::grpc().await;
            let config = otlp(&backend);
            (backend, config, Reply::Refuse(Code::ResourceExhausted, Some(Duration::from_secs(1))))
        },
        {
            let backend = Backend::http().await;
            let config = over_http(&backend, "/v1/traces");
            (backend, config, Reply::Http(429, Some(1)))
        },
    ] {
        backend.answer_next(1, reply);
        let bench = Bench::start(config);
        let first = bench.spawn(request(1, 2));
        wait::until("the backend has asked", || backend.calls() == 1).await;
        let start = Instant::now();
        let others: Vec<_> = (2..6).map(|trace| bench.spawn(request(trace, 2))).collect();
        for sending in others.into_iter().chain([first]) {
            sending.await.unwrap().unwrap();
        }
        assert!(start.elapsed() > Duration::from_millis(700), "{:?}", start.elapsed());
        assert_eq!(backend.calls(), 6, "nobody called during the pause");
        bench.assert_settled().await;
    }
}

#[tokio::test]
async fn retries_end_with_max_elapsed_time() {
    let backend = Backend::grpc().await;
    backend.answer(|_| Reply::Refuse(Code::Unavailable, None));
    let retry = retry::Config { max_elapsed_time: Duration::from_millis(100), ..soon() };
    let bench = Bench::start(Otlp { retry: retry.clone(), ..otlp(&backend) });
    for request in [request(1, 2), kept(2)] {
        let refusal = bench.exporter.consume(request).await.unwrap_err();
        assert_eq!((refusal.fault, refusal.reason), (Fault::Peer, Reason::RetryExhausted));
        assert!(refusal.retry_after.is_some());
    }
    let promising = Bench::start(Otlp { retry, queue: queued(10), ..otlp(&backend) });
    promising.send(3).await.unwrap();
    wait::until("it is dropped by name", || promising.reason("retry_exhausted") == 2).await;
    promising.assert_settled().await;
}

#[tokio::test]
async fn a_refusal_for_good_is_the_senders_answer_or_a_named_drop() {
    let backend = Backend::grpc().await;
    backend.answer(|_| Reply::Refuse(Code::PermissionDenied, None));
    let waiting = Bench::start(otlp(&backend));
    let refusal = waiting.send(1).await.unwrap_err();
    assert_eq!(refusal.fault, Fault::PeerRefused(Code::PermissionDenied as u8));
    let promising = Bench::start(Otlp { queue: queued(10), ..otlp(&backend) });
    promising.send(1).await.unwrap();
    let refusal = promising.exporter.consume(kept(2)).await.unwrap_err();
    assert_eq!(refusal.reason, Reason::BackendRefused, "who keeps it hears what became of it");
    wait::until("it is dropped by name", || promising.reason("backend_refused") == 4).await;
    for bench in [waiting, promising] {
        bench.assert_settled().await;
    }
}

#[tokio::test]
async fn a_partial_success_is_counted_and_not_tried_again() {
    let backend = Backend::grpc().await;
    backend.answer_next(1, Reply::Partial(1, "one is odd"));
    let bench = Bench::start(otlp(&backend));
    let accepted = bench.send(1).await.unwrap();
    assert_eq!((accepted.rejected_items, &*accepted.message), (1, "one is odd"));
    assert_eq!((bench.delivered(), bench.reason("backend_rejected"), backend.calls()), (1, 1, 1));
    bench.assert_settled().await;
}

#[tokio::test]
async fn a_full_queue_refuses_until_there_is_room_and_who_keeps_his_request_waits() {
    let backend = Backend::grpc().await;
    backend.close_gate();
    let bench = Bench::start(Otlp { queue: queued(2), ..otlp(&backend) });
    bench.send(1).await.unwrap();
    bench.send(2).await.unwrap();
    let refusal = bench.send(3).await.unwrap_err();
    assert_eq!((refusal.reason, &*refusal.message), (Reason::QueueFull, "sending queue is full"));
    assert!(refusal.passes());
    let waiting = bench.spawn(kept(4));
    let blocking = SendingQueue { block_on_overflow: true, ..queued(1) };
    let blocking = Bench::start(Otlp { queue: blocking, ..otlp(&backend) });
    blocking.send(5).await.unwrap();
    let blocked = blocking.spawn(request(6, 2));
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished() && !blocked.is_finished());
    backend.open_gate();
    waiting.await.unwrap().unwrap();
    blocked.await.unwrap().unwrap();
    let labels = [("exporter", "otlp/tempo"), ("data_type", "traces")];
    assert_eq!(bench.scrape().sum("otelcol_exporter_queue_capacity", &labels), 2.0);
    assert_eq!(bench.scrape().sum("otelcol_exporter_enqueue_failed_spans", &labels[..1]), 2.0);
    bench.assert_settled().await;
    blocking.assert_settled().await;
}

#[tokio::test]
async fn a_queue_counts_in_the_unit_of_its_sizer() {
    let backend = Backend::grpc().await;
    backend.close_gate();
    let queue = SendingQueue { sizer: Sizer::Items, ..queued(5) };
    let bench = Bench::start(Otlp { queue, ..otlp(&backend) });
    assert!(bench.exporter.consume(request(1, 6)).await.is_err(), "larger than the queue");
    bench.exporter.consume(request(1, 4)).await.unwrap();
    assert!(bench.exporter.consume(request(2, 2)).await.is_err());
    bench.exporter.consume(request(3, 1)).await.unwrap();
    backend.open_gate();
    bench.assert_settled().await;
}

#[tokio::test]
async fn a_burst_of_kept_traces_leaves_in_few_calls() {
    let (grpc, http) = (Backend::grpc().await, Backend::http().await);
    let json = Otlp { encoding: HttpEncoding::Json, ..over_http(&http, "/v1/traces") };
    for (backend, config) in [(&grpc, otlp(&grpc)), (&http, json)] {
        backend.close_gate();
        let bench = Bench::start(config);
        let first = bench.spawn(kept(0));
        wait::until("a call is in flight", || backend.calls() == 1).await;
        let burst: Vec<_> = (1..200).map(|trace| bench.spawn(kept(trace))).collect();
        wait::until("all are queued", || bench.held() == 400).await;
        backend.open_gate();
        for sending in burst.into_iter().chain([first]) {
            sending.await.unwrap().unwrap();
        }
        assert!(backend.calls() < 30, "{} calls", backend.calls());
        assert_eq!(backend.spans().len(), 400);
        bench.assert_settled().await;
    }
}

#[tokio::test]
async fn an_address_of_the_name_that_nobody_listens_on_is_passed_over() {
    let backend = Backend::grpc().await;
    let mut config = otlp(&backend);
    config.address = format!("localhost:{}", backend.port()); // often ::1 as well, where nobody listens
    config.retry.enabled = false;
    let bench = Bench::start(config);
    for trace in 0..20 {
        bench.send(trace).await.unwrap();
    }
    bench.assert_settled().await;
}

#[tokio::test]
async fn one_bad_request_does_not_spoil_those_it_was_merged_with() {
    let backend = Backend::grpc().await;
    backend.close_gate();
    backend.answer(|content| {
        let support::Content::Traces(traces) = content else { return Reply::Take };
        match support::load::seen(traces).iter().any(|seen| seen.span.name == "operation 7/0") {
            true => Reply::Refuse(Code::InvalidArgument, None),
            false => Reply::Take,
        }
    });
    let bench = Bench::start(otlp(&backend));
    let sending: Vec<_> = (0..40).map(|trace| bench.spawn(kept(trace))).collect();
    wait::until("all are queued", || bench.held() == 80).await;
    backend.open_gate();
    for (trace, answer) in join_all(sending).await.into_iter().enumerate() {
        assert_eq!(answer.unwrap().is_ok(), trace != 7, "trace {trace}");
    }
    assert_eq!((bench.delivered(), bench.reason("backend_refused")), (78, 2));
    bench.assert_settled().await;
}

#[tokio::test]
async fn a_batching_queue_merges_what_is_queued_and_divides_what_is_too_large() {
    let backend = Backend::grpc().await;
    let batch = QueueBatch {
        flush_timeout: NEVER,
        min_size: 10,
        max_size: 10,
        sizer: Sizer::Items,
        metadata_keys: Vec::new(),
    };
    let queue = SendingQueue { batch: Some(batch), ..queued(1000) };
    let bench = Bench::start(Otlp { queue, ..otlp(&backend) });
    for trace in 0..15 {
        bench.exporter.consume(request(trace, 3)).await.unwrap();
    }
    wait::until("four batches have left", || backend.spans().len() == 40).await;
    for content in backend.taken() {
        let support::Content::Traces(traces) = content else { panic!("not traces") };
        assert_eq!(support::load::seen(&traces).len(), 10);
    }
    assert_eq!(bench.exporter.end(Instant::now() + wait::DEADLINE).await, 0);
    assert_eq!(backend.spans().len(), 45, "the rest left at the end");
    bench.assert_settled().await;
}

#[tokio::test]
async fn a_batching_queue_keeps_headers_apart() {
    let backend = Backend::grpc().await;
    let batch = QueueBatch {
        flush_timeout: Duration::from_millis(100),
        min_size: 4,
        max_size: 0,
        sizer: Sizer::Items,
        metadata_keys: vec!["x-tenant".into(), "x-zone".into()],
    };
    let queue = SendingQueue { batch: Some(batch), ..queued(1000) };
    let bench = Bench::start(Otlp { queue, ..otlp(&backend) });
    let headers = |tenant: &str| {
        let headers = vec![("x-tenant".to_owned(), tenant.to_owned()), ("other".into(), "1".into())];
        Some(Arc::new(Origin::of_headers(headers)))
    };
    for (trace, origin) in
        [(0, headers("a")), (1, headers("b")), (2, None), (3, headers("a")), (4, headers("c"))]
    {
        bench.exporter.consume(Request { origin, ..request(trace, 2) }).await.unwrap();
    }
    wait::until("everything has left", || backend.spans().len() == 10).await;
    let of = |content| {
        let support::Content::Traces(traces) = content else { panic!("not traces") };
        let mut names: Vec<_> = support::load::seen(&traces).into_iter().map(|one| one.span.name).collect();
        names.retain(|name| name.ends_with("/0"));
        names
    };
    let mut calls: Vec<_> = backend.taken().into_iter().map(of).collect();
    assert_eq!(calls.remove(0), ["operation 0/0", "operation 3/0"], "full, and of one tenant");
    calls.sort();
    assert_eq!(calls, [["operation 1/0"], ["operation 2/0"], ["operation 4/0"]]);
    bench.assert_settled().await;
}

#[tokio::test]
async fn headers_that_nobody_repeats_do_not_gather_without_end() {
    let backend = Backend::grpc().await;
    let batch = QueueBatch {
        flush_timeout: NEVER,
        min_size: 1000,
        max_size: 0,
        sizer: Sizer::Items,
        metadata_keys: vec!["x-request".into()],
    };
    let queue = SendingQueue { batch: Some(batch), ..queued(10_000) };
    let bench = Bench::start(Otlp { queue, ..otlp(&backend) });
    for trace in 0..1001 {
        let origin = Origin::of_headers(vec![("x-request".to_owned(), trace.to_string())]);
        let origin = Some(Arc::new(origin));
        bench.exporter.consume(Request { origin, ..request(trace, 1) }).await.unwrap();
    }
    wait::until("everything has left", || backend.spans().len() == 1001).await;
    bench.assert_settled().await;
}

#[tokio::test]
async fn the_end_sends_what_is_queued() {
    let backend = Backend::grpc().await;
    backend.answer_next(10, Reply::Refuse(Code::Unavailable, None));
    let retry = retry::Config { initial_interval: NEVER, max_interval: NEVER, ..soon() };
    let retry = retry::Config { max_elapsed_time: Duration::ZERO, ..retry };
    let bench = Bench::start(Otlp { retry, queue: queued(100), ..otlp(&backend) });
    for trace in 0..20 {
        bench.send(trace).await.unwrap();
    }
    wait::until("every consumer waits for its backoff", || backend.calls() == 10).await;
    assert_eq!(bench.exporter.end(Instant::now() + wait::DEADLINE).await, 0);
    assert_eq!(backend.spans().len(), 40);
    assert_eq!(bench.send(21).await.unwrap_err().fault, Fault::Closing);
    bench.assert_settled().await;
}

#[tokio::test]
async fn the_end_names_what_it_could_not_send_and_leaves_what_is_kept_to_its_keeper() {
    let backend = Backend::grpc().await;
    backend.answer(|_| Reply::Refuse(Code::Unavailable, None));
    let bench = Bench::start(Otlp { queue: queued(100), ..otlp(&backend) });
    bench.send(1).await.unwrap();
    bench.send(2).await.unwrap();
    let keeper = bench.spawn(kept(3));
    wait::until("all are queued", || bench.held() == 6).await;
    assert_eq!(bench.exporter.end(Instant::now() + Duration::from_millis(300)).await, 4);
    assert_eq!(keeper.await.unwrap().unwrap_err().fault, Fault::Closing);
    assert_eq!(bench.reason("shutdown"), 6);
    bench.assert_settled().await;
}

#[tokio::test]
async fn a_sender_that_leaves_takes_its_request_along() {
    let backend = Backend::grpc().await;
    backend.close_gate();
    let queue = SendingQueue { consumers: 1, ..SendingQueue::default() };
    let bench = Bench::start(Otlp { queue, ..otlp(&backend) });
    let first = bench.spawn(request(1, 2));
    wait::until("a call is in flight", || backend.calls() == 1).await;
    let second = bench.spawn(request(2, 2));
    wait::until("both are held", || bench.held() == 4).await;
    second.abort();
    wait::until("the second is cancelled", || bench.reason("cancelled") == 2).await;
    backend.open_gate();
    first.await.unwrap().unwrap();
    assert_eq!(backend.calls(), 1);
    bench.assert_settled().await;
}

#[tokio::test]
async fn a_sender_with_a_deadline_is_told_before_it_gives_up() {
    let backend = Backend::grpc().await;
    backend.answer(|_| Reply::Refuse(Code::Unavailable, None));
    let bench = Bench::start(otlp(&backend));
    let deadline = Instant::now() + Duration::from_secs(1);
    let refusal =
        bench.exporter.consume(Request { deadline: Some(deadline), ..request(1, 2) }).await.unwrap_err();
    assert!(Instant::now() < deadline);
    assert_eq!((refusal.fault, refusal.reason), (Fault::Peer, Reason::HoldExpired));
    bench.assert_settled().await;
}

#[tokio::test]
async fn tls_to_a_plaintext_backend_names_the_key_to_set() {
    let backend = Backend::grpc().await;
    let mut config = otlp(&backend);
    config.protocol.tls = ClientConfig { insecure_skip_verify: true, ..ClientConfig::default() };
    config.retry.enabled = false;
    let refusal = Bench::start(config).send(1).await.unwrap_err();
    assert!(refusal.message.contains("tls.insecure: true"), "{}", refusal.message);
}

#[tokio::test]
async fn a_backend_under_tls_is_verified_by_its_authority() {
    let dir = tempfile::tempdir().unwrap();
    let certs = certs::Certs::write(dir.path());
    let backend = Backend::tls(certs.server()).await;
    let mut config = otlp(&backend);
    config.address = format!("localhost:{}", backend.port());
    config.protocol.tls =
        ClientConfig { ca: Some(ringtail::tls::Pem::File(certs.ca.clone())), ..ClientConfig::default() };
    Bench::start(config).send(1).await.unwrap();
    assert!(backend.has("operation 1/0"));
}

#[tokio::test]
async fn senders_on_any_runtime_are_served() {
    let backend = Backend::grpc().await;
    let bench = Arc::new(Bench::start(otlp(&backend)));
    let theirs = Arc::clone(&bench);
    let foreign = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(theirs.exporter.consume(kept(1)))
    });
    tokio::task::spawn_blocking(move || foreign.join().unwrap()).await.unwrap().unwrap();
    assert_eq!(bench.delivered(), 2);
}

fn on_disk(dir: &std::path::Path, max_size: u64) -> SendingQueue {
    let journal =
        Some(journal::Config { directory: Some(dir.into()), max_size, ..journal::Config::default() });
    SendingQueue { journal, ..queued(10) }
}

impl Bench {
    fn journal(&self) -> support::ledger::Sums {
        self.scrape().ledger("otlp/tempo/journal", "traces")
    }
}

#[tokio::test]
async fn a_queue_on_disk_answers_at_once_and_the_next_process_sends_what_this_one_could_not() {
    let (dir, backend) = (tempfile::tempdir().unwrap(), Backend::grpc().await);
    backend.answer(|_| Reply::Refuse(Code::Unavailable, None));
    let queue = on_disk(dir.path(), 10 << 20);
    let config = Otlp { queue, ..otlp(&backend) };
    let first = Bench::start(config.clone());
    for trace in 0..50 {
        first.send(trace).await.unwrap();
    }
    wait::until("the backend was tried", || backend.calls() > 0).await;
    assert_eq!(first.exporter.end(Instant::now() + wait::DEADLINE).await, 0, "the journal keeps it");
    assert_eq!(first.journal().held, 100);
    first.scrape().assert_balanced();
    drop(first);
    backend.answer(|_| Reply::Take);
    let second = Bench::start(config.clone());
    wait::until("all have arrived", || second.journal().delivered == 100).await;
    let mut names: Vec<_> = backend.spans().into_iter().map(|seen| seen.span.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 100);
    second.exporter.end(Instant::now() + wait::DEADLINE).await;
    second.scrape().assert_balanced();
    drop(second);
    backend.forget();
    let third = Bench::start(config);
    assert_eq!(third.journal().taken, 0, "what was sent is not sent again");
    third.send(77).await.unwrap();
    wait::until("it has arrived", || backend.spans().len() == 2).await;
}

#[tokio::test]
async fn a_full_disk_queue_refuses_and_takes_again_when_the_backend_is_back() {
    let (dir, backend) = (tempfile::tempdir().unwrap(), Backend::grpc().await);
    backend.close_gate();
    let bench = Bench::start(Otlp { queue: on_disk(dir.path(), 256 << 10), ..otlp(&backend) });
    let mut taken = 0;
    let refusal = loop {
        match bench.exporter.consume(request(taken, 20)).await {
            Ok(_) => taken += 1,
            Err(refusal) => break refusal,
        }
    };
    assert_eq!((refusal.fault, refusal.reason), (Fault::Load, Reason::QueueFull));
    assert!(taken > 20, "{taken} requests");
    backend.open_gate();
    wait::until("all have arrived", || bench.journal().delivered == taken * 20).await;
    bench.exporter.consume(request(taken, 20)).await.unwrap();
    wait::until("the last has arrived", || bench.journal().held == 0).await;
    bench.assert_settled().await;
}

#[tokio::test]
async fn a_refusal_for_good_leaves_the_disk_queue_by_name() {
    let (dir, backend) = (tempfile::tempdir().unwrap(), Backend::grpc().await);
    backend.answer_next(1, Reply::Refuse(Code::PermissionDenied, None));
    let bench = Bench::start(Otlp { queue: on_disk(dir.path(), 10 << 20), ..otlp(&backend) });
    bench.send(1).await.unwrap();
    wait::until("it is dropped", || bench.journal().dropped == 2).await;
    assert_eq!(bench.scrape().reason("otlp/tempo/journal", "backend_refused"), 2);
    bench.scrape().assert_balanced();
}

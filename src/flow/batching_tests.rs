//! The batch processor against what follows it, which is told how to answer.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;

use super::{Answer, BatchParts, BatchProcessor, Consumer, Request, Stage};
use crate::batch::Config;
use crate::observe::Registry;
use crate::origin::Origin;
use crate::outcome::{Accepted, Fault, Reason, Refusal, Signal};
use crate::workers::Workers;

/// Longer than any test.
const NEVER: Duration = Duration::from_secs(3600);

/// What follows: answers as told, then takes everything.
#[derive(Default)]
struct Backend {
    answers: Mutex<VecDeque<Answer>>,
    offered: Mutex<Vec<Request>>,
    deaf: bool, // never answers
}

impl Backend {
    fn answering(answers: impl IntoIterator<Item = Answer>) -> Arc<Self> {
        Arc::new(Self { answers: Mutex::new(answers.into_iter().collect()), ..Self::default() })
    }

    fn offered(&self) -> Vec<u64> {
        self.offered.lock().iter().map(|request| request.items).collect()
    }
}

impl Consumer for Backend {
    fn consume(&self, request: Request) -> BoxFuture<'static, Answer> {
        self.offered.lock().push(request);
        if self.deaf {
            return Box::pin(std::future::pending());
        }
        let answer = self.answers.lock().pop_front().unwrap_or(Ok(Accepted::default()));
        Box::pin(std::future::ready(answer))
    }
}

struct Bench {
    batch: BatchProcessor,
    backend: Arc<Backend>,
    registry: Registry,
    _workers: Workers,
}

impl Bench {
    fn start(config: Config, backend: Arc<Backend>) -> Self {
        let (workers, registry) = (Workers::start(1).unwrap(), Registry::new());
        let parts = BatchParts {
            name: "batch/tempo",
            signal: Signal::Traces,
            config,
            next: backend.clone(),
            workers: &workers,
            registry: &registry,
        };
        Self { batch: BatchProcessor::new(parts), backend, registry, _workers: workers }
    }

    fn consume(&self, request: Request) -> tokio::task::JoinHandle<Answer> {
        tokio::spawn(self.batch.consume(request))
    }

    fn held(&self) -> i64 {
        self.batch.ledger().snapshot().held
    }

    async fn end(&self, within: Duration) -> u64 {
        let given_up = self.batch.end(Instant::now() + within).await;
        let sums = self.batch.ledger().snapshot();
        assert_eq!((sums.held, sums.imbalance), (0, 0), "{sums:?}");
        given_up
    }
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(15), "never: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn refusal(fault: Fault) -> Answer {
    Err(Refusal { fault, reason: Reason::Busy, message: "no".into(), retry_after: None })
}

fn request(items: u64) -> Request {
    Request::new(Signal::Traces, Bytes::from_static(&[0x0a, 0]), items)
}

fn kept(items: u64) -> Request {
    Request { kept: true, ..request(items) }
}

fn of_tenant(items: u64, tenant: &str) -> Request {
    let headers = vec![("x-tenant".into(), tenant.into()), ("authorization".into(), "secret".into())];
    Request { origin: Some(Arc::new(Origin::of_headers(headers))), ..request(items) }
}

fn size(send_batch_size: u64) -> Config {
    Config { send_batch_size, timeout: NEVER, ..Config::default() }
}

#[tokio::test]
async fn kept_requests_are_answered_by_what_became_of_their_batch() {
    let rejected =
        Accepted { rejected_items: 3, reason: Some(Reason::BackendRejected), message: "odd".into() };
    let answers = [Ok(rejected), refusal(Fault::Peer), refusal(Fault::PeerRefused(3))];
    let bench = Bench::start(size(10), Backend::answering(answers));
    let (first, second) = (bench.consume(kept(4)), bench.consume(kept(6)));
    let rejections =
        [first.await.unwrap().unwrap(), second.await.unwrap().unwrap()].map(|a| a.rejected_items);
    assert_eq!(rejections.iter().sum::<u64>(), 3);
    assert_eq!(bench.consume(kept(10)).await.unwrap().unwrap_err().fault, Fault::Peer);
    assert_eq!(bench.consume(kept(10)).await.unwrap().unwrap_err().fault, Fault::PeerRefused(3));
    assert_eq!(bench.backend.offered(), [10, 10, 10], "who keeps it tries again");
    assert!(bench.backend.offered.lock().iter().all(|request| request.kept));
    bench.end(NEVER).await;
}

#[tokio::test]
async fn others_are_answered_at_once_and_their_batch_is_offered_until_it_is_taken() {
    let bench = Bench::start(size(10), Backend::answering([refusal(Fault::Load), refusal(Fault::Peer)]));
    bench.consume(request(4)).await.unwrap().unwrap();
    assert_eq!(bench.held(), 4);
    bench.consume(request(6)).await.unwrap().unwrap();
    until("it was offered", || bench.backend.offered() == [10]).await;
    bench.batch.hurry();
    until("it was taken", || bench.held() == 0).await;
    assert_eq!(bench.backend.offered(), [10, 10, 10]);
    assert_eq!(bench.batch.ledger().snapshot().delivered, 10);
    assert_eq!(bench.end(NEVER).await, 0);
}

#[tokio::test]
async fn what_is_refused_for_good_is_dropped_by_name() {
    let bench = Bench::start(size(5), Backend::answering([refusal(Fault::PeerRefused(3))]));
    bench.consume(request(5)).await.unwrap().unwrap();
    let dropped = || bench.batch.ledger().snapshot().dropped;
    until("it is dropped", || bench.held() == 0 && !dropped().is_empty()).await;
    assert_eq!(dropped(), [(Reason::Busy, 5)]);
}

#[tokio::test]
async fn an_incomplete_batch_leaves_after_the_timeout() {
    let config = Config { timeout: Duration::from_millis(50), ..Config::default() };
    let bench = Bench::start(config, Backend::answering([]));
    bench.consume(kept(1)).await.unwrap().unwrap();
    let text = bench.registry.render(false);
    for line in [
        "otelcol_processor_batch_timeout_trigger_send{processor=\"batch/tempo\"} 1",
        "otelcol_processor_batch_batch_size_trigger_send{processor=\"batch/tempo\"} 0",
        "otelcol_processor_batch_batch_send_size_count{processor=\"batch/tempo\"} 1",
        "otelcol_processor_batch_metadata_cardinality{processor=\"batch/tempo\"} 1",
    ] {
        assert!(text.contains(&format!("\n{line}\n")), "{line} in {text}");
    }
}

#[tokio::test]
async fn each_set_of_metadata_values_has_its_own_batch_and_only_those_go_on() {
    let config = Config { metadata_keys: vec!["x-tenant".into()], metadata_cardinality_limit: 2, ..size(2) };
    let bench = Bench::start(config, Backend::answering([]));
    for tenant in ["a", "b", "a", "b"] {
        bench.consume(of_tenant(1, tenant)).await.unwrap().unwrap();
    }
    let refused = bench.consume(of_tenant(1, "c")).await.unwrap().unwrap_err();
    assert_eq!(&*refused.message, "too many batcher metadata-value combinations");
    assert!(!refused.passes());
    until("both have left", || bench.backend.offered().len() == 2).await;
    for request in bench.backend.offered.lock().iter() {
        let headers = request.origin.as_ref().unwrap().headers();
        assert_eq!((request.items, headers.len(), &*headers[0].0), (2, 1, "x-tenant"));
    }
    bench.end(NEVER).await;
}

#[tokio::test]
async fn without_room_upstream_is_refused_and_a_keeper_waits() {
    let bench = Bench::start(size(1), Arc::new(Backend { deaf: true, ..Backend::default() }));
    let large = Request { body: Bytes::from(vec![0; 64 << 20]), ..request(1) };
    bench.consume(large).await.unwrap().unwrap();
    let keeper = bench.consume(kept(1));
    let refused = bench.consume(request(1)).await.unwrap().unwrap_err();
    assert_eq!((refused.fault, refused.reason), (Fault::Load, Reason::QueueFull));
    assert!(!keeper.is_finished());
    assert_eq!(bench.end(Duration::ZERO).await, 1, "what was answered is given up by name");
    assert_eq!(keeper.await.unwrap().unwrap_err().fault, Fault::Closing);
}

#[tokio::test]
async fn the_end_sends_what_has_gathered_and_takes_nothing_more() {
    let bench = Bench::start(size(100), Backend::answering([refusal(Fault::Load)]));
    bench.consume(request(3)).await.unwrap().unwrap();
    bench.consume(request(4)).await.unwrap().unwrap();
    assert_eq!(bench.end(NEVER).await, 0);
    assert_eq!(bench.backend.offered(), [7, 7]);
    assert_eq!(bench.consume(request(1)).await.unwrap().unwrap_err().fault, Fault::Closing);
}

//! A processor that runs, with senders, while it is reconfigured.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::{BoxFuture, join_all};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use parking_lot::Mutex;
use prost::Message;

use super::{Parts, TailSampling};
use crate::flow::{Answer, Consumer, Request, Stage};
use crate::journal;
use crate::observe::{Registry, SamplerSeries};
use crate::outcome::{Accepted, Signal};
use crate::sample::{Config, Policy, Rule, StatusCodes};
use crate::workers::Workers;

#[derive(Default)]
struct Backend(Mutex<BTreeMap<u64, BTreeSet<u64>>>); // spans by trace

impl Consumer for Backend {
    fn consume(&self, request: Request) -> BoxFuture<'static, Answer> {
        let request = ExportTraceServiceRequest::decode(&request.body[..]).unwrap();
        let scopes = request.resource_spans.iter().flat_map(|entry| &entry.scope_spans);
        for span in scopes.flat_map(|scope| &scope.spans) {
            let trace = u64::from_be_bytes(span.trace_id[8..].try_into().unwrap());
            let id = u64::from_be_bytes(span.span_id[..].try_into().unwrap());
            assert!(self.0.lock().entry(trace).or_default().insert(id), "a span left twice");
        }
        Box::pin(std::future::ready(Ok(Accepted::default())))
    }
}

/// Every tenth trace has an error; the others have one of three values.
fn request(trace: u64, part: u64) -> Request {
    let value = any_value::Value::StringValue(["a", "b", "c"][trace as usize % 3].into());
    let value = Some(AnyValue { value: Some(value) });
    let mixed = trace.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let span = Span {
        trace_id: [mixed.to_be_bytes(), trace.to_be_bytes()].concat(),
        span_id: (trace << 8 | part).to_be_bytes().to_vec(),
        status: (trace.is_multiple_of(10) && part == 1).then(|| Status { code: 2, ..Status::default() }),
        attributes: vec![KeyValue { key: "k".into(), value, ..KeyValue::default() }],
        ..Span::default()
    };
    let scope = ScopeSpans { spans: vec![span], ..ScopeSpans::default() };
    let entry = ResourceSpans { scope_spans: vec![scope], ..ResourceSpans::default() };
    Request {
        signal: Signal::Traces,
        body: Bytes::from(ExportTraceServiceRequest { resource_spans: vec![entry] }.encode_to_vec()),
        items: 1,
        arrived: Instant::now(),
        deadline: None,
        kept: false,
        batched: false,
        origin: None,
        window: crate::flow::Window::None,
    }
}

/// Keeps errors, and the traces of one value.
fn keeping(value: &str, wait_ms: u64) -> Config {
    let codes = StatusCodes { error: true, ..StatusCodes::default() };
    let values = vec![value.to_owned()];
    let text = Rule::StringAttribute { key: "k".into(), values, regex: false, invert: false };
    let policy = |name: &str, rule| Policy { name: name.into(), rule };
    let mut policies = vec![policy("errors", Rule::StatusCode { codes }), policy(value, text)];
    policies.rotate_left(value.len() % 2);
    Config { policies, num_shards: 2, decision_wait: Duration::from_millis(wait_ms), ..Config::default() }
}

/// Scenario: eight senders send traces in parts while policies and waits change every few milliseconds.
/// Guarantees: every error trace leaves whole, no trace in part, no span twice; the sum closes.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_cut_while_policies_change_all_the_time() {
    const TRACES: u64 = 1000;
    const PARTS: u64 = 3;
    let (workers, registry) = (Workers::start(2).unwrap(), Registry::new());
    let backend = Arc::new(Backend::default());
    let parts = Parts {
        name: "tail_sampling",
        component: "",
        pipeline: "traces",
        sampling: keeping("a", 60),
        journal: journal::Config::default(),
        series: SamplerSeries::default(),
        next: backend.clone(),
        workers: &workers,
        registry: &registry,
    };
    let processor = TailSampling::start(parts).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let changes = tokio::spawn({
        let (processor, stop) = (processor.clone(), Arc::clone(&stop));
        async move {
            let mut changes = 0u64;
            while !stop.load(Ordering::Relaxed) {
                let value = ["a", "b", "c", "none"][changes as usize % 4];
                let sampling = keeping(value, 20 + changes * 17 % 90);
                let (journal, series) = (journal::Config::default(), SamplerSeries::default());
                processor.reconfigure(sampling, journal, series).await.unwrap();
                changes += 1;
                tokio::time::sleep(Duration::from_millis(3)).await;
            }
            changes
        }
    });
    let senders = (0..8).map(|sender| {
        let processor = processor.clone();
        tokio::spawn(async move {
            for trace in (sender..TRACES).step_by(8) {
                for part in 0..PARTS {
                    processor.consume(request(trace, part)).await.unwrap();
                }
            }
        })
    });
    join_all(senders).await.into_iter().for_each(|sent| sent.unwrap());
    stop.store(true, Ordering::Relaxed);
    assert!(changes.await.unwrap() > 1);
    // Each policy has a trace to judge, whichever were in force at the deadlines before.
    let policies = ["a", "b", "c", "none"];
    for (more, value) in (TRACES + 1..).zip(policies) {
        let (journal, series) = (journal::Config::default(), SamplerSeries::default());
        processor.reconfigure(keeping(value, 20), journal, series).await.unwrap();
        for part in 0..PARTS {
            processor.consume(request(more, part)).await.unwrap();
        }
        let votes = || registry.render(false).contains(&format!("policy=\"{value}\",sampled="));
        let deadline = Instant::now() + Duration::from_secs(60);
        while !votes() {
            assert!(Instant::now() < deadline, "no vote of {value}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    assert_eq!(processor.end(Instant::now() + Duration::from_secs(60)).await, 0);
    let left = backend.0.lock();
    for trace in 0..TRACES {
        let spans = left.get(&trace).map_or(0, |spans| spans.len() as u64);
        assert!(
            spans == PARTS || (spans == 0 && !trace.is_multiple_of(10)),
            "trace {trace} left with {spans} spans"
        );
    }
    let sum = processor.ledger().snapshot();
    let taken = (TRACES + policies.len() as u64) * PARTS;
    assert_eq!((sum.taken, sum.held, sum.imbalance), (taken, 0, 0), "{sum:?}");
}

#[tokio::test]
async fn what_cannot_change_is_named_and_nothing_changes() {
    let (workers, registry) = (Workers::start(1).unwrap(), Registry::new());
    let parts = Parts {
        name: "tail_sampling/x",
        component: "x",
        pipeline: "traces",
        sampling: keeping("a", 60),
        journal: journal::Config::default(),
        series: SamplerSeries::default(),
        next: Arc::new(Backend::default()),
        workers: &workers,
        registry: &registry,
    };
    let processor = TailSampling::start(parts).unwrap();
    let sampling = Config { num_shards: 3, ..keeping("b", 60) };
    let journal = journal::Config {
        directory: Some("elsewhere".into()),
        sync: journal::Sync::Always,
        max_size: 1 << 20,
        ..journal::Config::default()
    };
    let error = processor.reconfigure(sampling, journal.clone(), SamplerSeries::default()).await.unwrap_err();
    for key in ["num_shards", "journal.directory", "journal.sync"] {
        assert!(error.contains(key), "{error}");
    }
    assert!(!error.contains("max_size"), "{error}");
    let limits = journal::Config { max_memory: Some(1 << 20), ..journal::Config::default() };
    assert_eq!(processor.fixed(&keeping("b", 60), &limits), Ok(()));
}

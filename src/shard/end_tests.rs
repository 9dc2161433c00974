//! The end of a processor, asked for more than once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;

use super::{Parts, TailSampling};
use crate::flow::{Answer, Consumer, Request, Stage};
use crate::journal;
use crate::observe::{Registry, SamplerSeries};
use crate::outcome::Signal;
use crate::sample::{Config, Policy, Rule};
use crate::workers::Workers;

/// Takes requests and never answers.
struct Silent;

impl Consumer for Silent {
    fn consume(&self, _: Request) -> BoxFuture<'static, Answer> {
        Box::pin(std::future::pending())
    }
}

fn request() -> Request {
    let span = Span { trace_id: vec![7; 16], span_id: vec![1; 8], ..Span::default() };
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

/// Scenario: an end that may take long, because nobody takes what was kept; then one that may not.
/// Guarantee: the earlier deadline holds, and says what was lost.
#[tokio::test]
async fn the_earlier_deadline_holds() {
    let (workers, registry) = (Workers::start(1).unwrap(), Registry::new());
    let policies = vec![Policy { name: "all".into(), rule: Rule::AlwaysSample }];
    let parts = Parts {
        name: "tail_sampling",
        component: "",
        pipeline: "traces",
        sampling: Config { policies, decision_wait: Duration::from_secs(60), ..Config::default() },
        journal: journal::Config::default(),
        series: SamplerSeries::default(),
        next: Arc::new(Silent),
        workers: &workers,
        registry: &registry,
    };
    let processor = TailSampling::start(parts).unwrap();
    processor.consume(request()).await.unwrap();
    let patient = tokio::spawn(processor.end(Instant::now() + Duration::from_secs(600)));
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!patient.is_finished());
    let begun = Instant::now();
    assert_eq!(processor.end(begun + Duration::from_millis(100)).await, 1);
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert_eq!(patient.await.unwrap(), 1);
    assert_eq!(processor.ledger().imbalance(), 0);
}

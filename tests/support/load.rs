//! Requests to send, and what became of their spans.

use std::collections::{BTreeMap, BTreeSet};

use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};

use super::backend::Backend;
use super::{Logs, Metrics, Traces};

/// A trace id that differs from its neighbours in every byte.
pub fn trace_id(n: u64) -> Vec<u8> {
    let high = (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let low = high.rotate_left(31).wrapping_mul(0xd6e8_feb8_6659_fd93) | 1;
    [high.to_be_bytes(), low.to_be_bytes()].concat()
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn text(key: &str, value: &str) -> KeyValue {
    let value = AnyValue { value: Some(any_value::Value::StringValue(value.into())) };
    KeyValue { key: key.into(), value: Some(value), ..KeyValue::default() }
}

/// Span number `n` of trace number `trace`, with every kind of field that must survive.
pub fn span(trace: u64, n: u64) -> Span {
    Span {
        trace_id: trace_id(trace),
        span_id: (trace * 1000 + n + 1).to_be_bytes().to_vec(),
        parent_span_id: if n == 0 { Vec::new() } else { (trace * 1000 + 1).to_be_bytes().to_vec() },
        name: format!("operation {trace}/{n}"),
        kind: 2,
        start_time_unix_nano: 1_700_000_000_000_000_000 + n,
        end_time_unix_nano: 1_700_000_000_000_000_900 + n,
        attributes: vec![text("http.route", "/cart/{id}")],
        trace_state: "vendor=x".into(),
        flags: 0x301,
        ..Span::default()
    }
}

/// The same with status ERROR.
pub fn failing(span: Span) -> Span {
    let status = Status { code: StatusCode::Error as i32, message: "as told".into() };
    Span { status: Some(status), ..span }
}

/// The same, taking this long.
pub fn lasting(span: Span, ms: u64) -> Span {
    Span { end_time_unix_nano: span.start_time_unix_nano + ms * 1_000_000, ..span }
}

pub fn resource(service: &str) -> Resource {
    let attributes = vec![text("service.name", service), text("host.name", "box")];
    Resource { attributes, ..Resource::default() }
}

pub fn scope(name: &str) -> InstrumentationScope {
    InstrumentationScope { name: name.into(), version: "1.2".into(), ..InstrumentationScope::default() }
}

/// One request of one service.
pub fn traces_of(service: &str, spans: impl IntoIterator<Item = Span>) -> Traces {
    let scope_spans = ScopeSpans {
        scope: Some(scope("library")),
        spans: spans.into_iter().collect(),
        schema_url: "https://schema/scope".into(),
    };
    Traces {
        resource_spans: vec![ResourceSpans {
            resource: Some(resource(service)),
            scope_spans: vec![scope_spans],
            schema_url: "https://schema/resource".into(),
        }],
    }
}

pub fn traces(spans: impl IntoIterator<Item = Span>) -> Traces {
    traces_of("shop", spans)
}

/// `requests` requests over which the spans of each trace are scattered, each with two services of two scopes.
pub fn scattered(first: u64, traces: u64, spans_each: u64, requests: usize) -> Vec<Traces> {
    let mut lists: Vec<[Vec<Span>; 4]> = (0..requests).map(|_| Default::default()).collect();
    for n in 0..spans_each {
        for trace in first..first + traces {
            let slot = ((trace + n) as usize) % requests;
            lists[slot][((trace + 3 * n) % 4) as usize].push(span(trace, n));
        }
    }
    lists.into_iter().map(of_four).collect()
}

fn of_four([a, b, c, d]: [Vec<Span>; 4]) -> Traces {
    let scoped = |name: &str, spans| ScopeSpans {
        scope: Some(scope(name)),
        spans,
        schema_url: format!("https://schema/{name}"),
    };
    let of = |service: &str, one: Vec<Span>, two: Vec<Span>| ResourceSpans {
        resource: Some(resource(service)),
        scope_spans: vec![scoped("first", one), scoped("second", two)],
        schema_url: format!("https://schema/{service}"),
    };
    Traces { resource_spans: vec![of("shop", a, b), of("bank", c, d)] }
}

/// A span with everything around it, to compare what was sent with what arrived.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    pub resource: Option<Resource>,
    pub resource_schema: String,
    pub scope: Option<InstrumentationScope>,
    pub scope_schema: String,
    pub span: Span,
}

impl Seen {
    /// What makes a span the same span.
    pub fn key(&self) -> (Vec<u8>, Vec<u8>) {
        (self.span.trace_id.clone(), self.span.span_id.clone())
    }
}

/// All spans of a request.
pub fn seen(request: &Traces) -> Vec<Seen> {
    let mut all = Vec::new();
    for of_resource in &request.resource_spans {
        for of_scope in &of_resource.scope_spans {
            all.extend(of_scope.spans.iter().map(|span| Seen {
                resource: of_resource.resource.clone(),
                resource_schema: of_resource.schema_url.clone(),
                scope: of_scope.scope.clone(),
                scope_schema: of_scope.schema_url.clone(),
                span: span.clone(),
            }));
        }
    }
    all
}

pub fn count(request: &Traces) -> u64 {
    seen(request).len() as u64
}

/// Every span of `sent` has arrived once, at one of the backends, with its surroundings; each trace at one backend.
pub fn assert_arrived_once(sent: &[Traces], backends: &[&Backend]) {
    let wanted: BTreeMap<_, _> = sent.iter().flat_map(seen).map(|one| (one.key(), one)).collect();
    let mut arrived = BTreeMap::new();
    for backend in backends {
        for one in backend.spans() {
            let key = one.key();
            let before = arrived.insert(key.clone(), one);
            assert!(before.is_none(), "{} arrived twice", hex(&key.0));
        }
    }
    for (key, one) in &wanted {
        let found = arrived.get(key).unwrap_or_else(|| panic!("{} never arrived", one.span.name));
        assert_eq!(found, one, "changed on the way");
    }
    assert_eq!(arrived.len(), wanted.len(), "spans arrived that nobody sent");
    owners(backends);
}

/// The backend of each trace, by index; panics when a trace has two.
pub fn owners(backends: &[&Backend]) -> BTreeMap<Vec<u8>, usize> {
    let mut owners = BTreeMap::new();
    for (index, backend) in backends.iter().enumerate() {
        let traces: BTreeSet<_> = backend.spans().into_iter().map(|one| one.span.trace_id).collect();
        for trace in traces {
            let before = owners.insert(trace.clone(), index);
            assert_eq!(before, None, "trace {} is split", hex(&trace));
        }
    }
    owners
}

/// `n` log records of one service.
pub fn logs_of(service: &str, n: usize) -> Logs {
    let body = |i| AnyValue { value: Some(any_value::Value::StringValue(format!("line {i}"))) };
    let record = |i| LogRecord { time_unix_nano: 5, body: Some(body(i)), ..LogRecord::default() };
    let scope_logs = ScopeLogs {
        scope: Some(scope("logger")),
        log_records: (0..n).map(record).collect(),
        ..ScopeLogs::default()
    };
    let of = ResourceLogs {
        resource: Some(resource(service)),
        scope_logs: vec![scope_logs],
        ..ResourceLogs::default()
    };
    Logs { resource_logs: vec![of] }
}

/// One gauge of `n` points of one service.
pub fn metrics_of(service: &str, n: usize) -> Metrics {
    let point = |i| NumberDataPoint { time_unix_nano: i, ..NumberDataPoint::default() };
    let gauge = Gauge { data_points: (0..n as u64).map(point).collect() };
    let metric = Metric { name: "queue".into(), data: Some(metric::Data::Gauge(gauge)), ..Metric::default() };
    let scope_metrics =
        ScopeMetrics { scope: Some(scope("meter")), metrics: vec![metric], ..ScopeMetrics::default() };
    let of = ResourceMetrics {
        resource: Some(resource(service)),
        scope_metrics: vec![scope_metrics],
        ..ResourceMetrics::default()
    };
    Metrics { resource_metrics: vec![of] }
}

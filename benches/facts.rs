//! Dividing a request by trace and gathering facts, with 0 to 50 policies, at 128 spans a request; and judging.
//!
//! ```text
//! cargo bench --bench facts
//! cargo bench --bench facts -- read/50
//! ```
//!
//! The claim it defends: the cost per span grows slower than the number of policies (fifty times as many, four times the
//! cost), and with 50 of them, ten of which ask for attributes that the spans have, it stays below half of decoding
//! (`decode`, prost, in the same run). Seen: a tenth for errors and latency, a third with 50 policies. Absolute times
//! mean nothing on a shared machine: read the ratio of two lines of one run. Throughput is in spans, of `judge` in
//! traces.

#![allow(missing_docs)]

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use ringtail::sample::facts::{Facts, Plan};
use ringtail::sample::judge::{Candidate, Policies};
use ringtail::sample::{Config, Moment, Policy, Rule, StatusCodes};

/// Spans of a request.
const SPANS: usize = 128;
/// Spans of a trace in a request.
const SPANS_PER_TRACE: usize = 4;
/// Traces judged at once.
const TRACES: usize = 1000;

const KEYS: [&str; 5] =
    ["http.request.method", "url.path", "server.address", "user_agent.original", "http.route"];

fn attribute(key: &str, value: String) -> KeyValue {
    let value = Some(AnyValue { value: Some(any_value::Value::StringValue(value)) });
    KeyValue { key: key.into(), value, ..Default::default() }
}

/// About 500 bytes, as a traced HTTP call has.
fn span(number: u64) -> Span {
    let mixed = (number / SPANS_PER_TRACE as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let id = (u128::from(mixed) << 64 | u128::from(mixed.rotate_left(31))).to_be_bytes();
    Span {
        trace_id: id.to_vec(),
        span_id: number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes().to_vec(),
        parent_span_id: number.to_be_bytes().to_vec(),
        name: "GET /api/v1/orders/{order}".into(),
        kind: 2,
        start_time_unix_nano: 1_700_000_000_000_000_000 + number,
        end_time_unix_nano: 1_700_000_000_050_000_000 + number,
        attributes: KEYS.iter().map(|key| attribute(key, format!("{mixed:016x}-{:032}", number))).collect(),
        ..Default::default()
    }
}

fn request() -> Bytes {
    let entry = |first: usize| ResourceSpans {
        resource: Some(Resource {
            attributes: vec![attribute("service.name", format!("shop-{first}"))],
            ..Default::default()
        }),
        scope_spans: vec![ScopeSpans {
            scope: Some(InstrumentationScope { name: "http".into(), ..Default::default() }),
            spans: (first..first + SPANS / 2).map(|number| span(number as u64)).collect(),
            ..Default::default()
        }],
        ..Default::default()
    };
    let resource_spans = vec![entry(0), entry(SPANS / 2)];
    ExportTraceServiceRequest { resource_spans }.encode_to_vec().into()
}

/// Errors, slow traces, then attributes: every fifth policy asks for one that the spans have.
fn config(policies: usize) -> Config {
    let rule = |number: usize| match number {
        0 => Rule::StatusCode { codes: StatusCodes { error: true, ..StatusCodes::default() } },
        1 => Rule::Latency { threshold_ms: 1000, upper_threshold_ms: 0 },
        _ => Rule::StringAttribute {
            key: if number % 5 == 4 {
                KEYS[number / 5 % KEYS.len()].into()
            } else {
                format!("app.key.{number}")
            },
            values: vec![format!("value-{number}"), "other".into()],
            regex: false,
            invert: false,
        },
    };
    let policy = |number| Policy { name: format!("p{number}"), rule: rule(number) };
    Config { policies: (0..policies).map(policy).collect(), ..Config::default() }
}

fn reads(c: &mut Criterion) {
    let body = request();
    let mut group = c.benchmark_group("read");
    group.throughput(Throughput::Elements(SPANS as u64)).sample_size(30);
    group.bench_function("decode", |b| b.iter(|| ExportTraceServiceRequest::decode(black_box(&body[..]))));
    for policies in [0, 1, 10, 50] {
        let plan = Plan::new(&config(policies));
        group.bench_function(policies.to_string(), |b| b.iter(|| plan.read(black_box(body.clone()))));
    }
    group.finish();
}

fn judges(c: &mut Criterion) {
    let mut group = c.benchmark_group("judge");
    group.throughput(Throughput::Elements(TRACES as u64)).sample_size(30);
    for count in [1, 10, 50] {
        let config = config(count);
        let mut policies = Policies::new(&config);
        let arrival = Plan::new(&config).read(request()).expect("it was encoded here");
        let facts: Vec<Facts> =
            arrival.portions.iter().cycle().take(TRACES).map(|portion| portion.facts.clone()).collect();
        let due: Vec<Candidate<'_>> =
            facts.iter().map(|facts| Candidate { trace_id: [1; 16], facts }).collect();
        group.bench_function(count.to_string(), |b| b.iter(|| policies.judge(Moment(1), black_box(&due))));
    }
    group.finish();
}

criterion_group!(benches, reads, judges);
criterion_main!(benches);

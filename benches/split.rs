//! Scan, split, gather and count beside decoding: what one span costs on each way, at 128 spans a request.
//!
//! ```text
//! cargo bench --bench split                    # everything
//! cargo bench --bench split -- split/4         # one of them
//! ```
//!
//! The claim it defends: dividing a request among 4 to 64 owners costs less than a tenth of decoding it (`decode`, prost,
//! in the same run); dividing and gathering together, span by span, less than a tenth of what a proxy that decodes does
//! (`decode, divide, encode`). Seen: a twenty-fifth and a fifteenth. Absolute times mean nothing on a shared machine:
//! read the ratio of two lines of one run. Throughput is in spans.

#![allow(missing_docs)]

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use ringtail::outcome::Signal;
use ringtail::split::{Choice, Chooser, Slice, Splitter, count_items, gather_into};
use ringtail::wire::{Fields, otlp};

/// Spans of a request.
const SPANS: usize = 128;
/// Spans of a resource: an SDK's flush, behind an agent's batcher.
const SPANS_PER_RESOURCE: usize = 64;
/// Requests whose slices one call takes.
const REQUESTS: usize = 16;

/// Owners by the low byte of the trace id: as cheap as choosing can be, so that the walk is what is measured.
struct ByTraceId {
    owners: u16,
}

impl Chooser for ByTraceId {
    fn item(&mut self, item: &[u8]) -> Choice {
        let id = Fields::new(item).find_map(|field| {
            let field = field.ok().filter(|field| field.number == otlp::SPAN_TRACE_ID)?;
            field.bytes().ok().and_then(|range| item.get(range)?.last().copied())
        });
        id.map_or(Choice::Reject, |byte| Choice::Owner(u16::from(byte) % self.owners))
    }
}

fn attribute(key: &str, value: String) -> KeyValue {
    let value = Some(AnyValue { value: Some(any_value::Value::StringValue(value)) });
    KeyValue { key: key.into(), value, ..Default::default() }
}

/// About 500 bytes, as a traced HTTP call has.
fn span(number: u64) -> Span {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let id = (u128::from(mixed) << 64 | u128::from(mixed.rotate_left(31) ^ number)).to_be_bytes();
    let attributes =
        ["http.request.method", "url.path", "server.address", "user_agent.original", "http.route"];
    Span {
        trace_id: id.to_vec(),
        span_id: mixed.to_be_bytes().to_vec(),
        parent_span_id: number.to_be_bytes().to_vec(),
        name: "GET /api/v1/orders/{order}".into(),
        kind: 2,
        start_time_unix_nano: 1_700_000_000_000_000_000 + number,
        end_time_unix_nano: 1_700_000_000_050_000_000 + number,
        attributes: attributes
            .iter()
            .map(|key| attribute(key, format!("{mixed:016x}-{:032}", number)))
            .collect(),
        ..Default::default()
    }
}

fn request(seed: usize) -> ExportTraceServiceRequest {
    let entry = |first: usize| ResourceSpans {
        resource: Some(Resource {
            attributes: vec![attribute("service.name", format!("shop-{}", first / SPANS_PER_RESOURCE))],
            ..Default::default()
        }),
        scope_spans: vec![ScopeSpans {
            scope: Some(InstrumentationScope { name: "http".into(), ..Default::default() }),
            spans: (first..first + SPANS_PER_RESOURCE).map(|n| span((seed * SPANS + n) as u64)).collect(),
            ..Default::default()
        }],
        ..Default::default()
    };
    ExportTraceServiceRequest { resource_spans: (0..SPANS).step_by(SPANS_PER_RESOURCE).map(entry).collect() }
}

fn walks(c: &mut Criterion) {
    let body = Bytes::from(request(0).encode_to_vec());
    let mut group = c.benchmark_group("split");
    group.throughput(Throughput::Elements(SPANS as u64)).sample_size(30);
    group.bench_function("decode", |b| {
        b.iter(|| ExportTraceServiceRequest::decode(black_box(&body[..])));
    });
    group
        .bench_function("decode, divide, encode/4", |b| b.iter(|| decode_divide_encode(black_box(&body), 4)));
    group.bench_function("count_items", |b| b.iter(|| count_items(Signal::Traces, black_box(&body))));
    let mut splitter = Splitter::default();
    for (name, owners) in [("scan", 1), ("split/4", 4), ("split/16", 16), ("split/64", 64)] {
        group.bench_function(name, |b| {
            b.iter(|| splitter.split(Signal::Traces, black_box(body.clone()), &mut ByTraceId { owners }));
        });
    }
    group.finish();
}

/// What a proxy that decodes does: the peer of a split and a gather together.
fn decode_divide_encode(body: &[u8], owners: u8) -> Vec<Vec<u8>> {
    let request = ExportTraceServiceRequest::decode(body).expect("it was encoded here");
    let mut parts = vec![ExportTraceServiceRequest::default(); usize::from(owners)];
    for entry in request.resource_spans {
        for scope in entry.scope_spans {
            let mut divided = vec![Vec::new(); parts.len()];
            for span in scope.spans {
                let last = span.trace_id.last().copied().unwrap_or_default();
                divided[usize::from(last % owners)].push(span);
            }
            for (part, spans) in parts.iter_mut().zip(divided) {
                part.resource_spans.push(ResourceSpans {
                    resource: entry.resource.clone(),
                    scope_spans: vec![ScopeSpans { scope: scope.scope.clone(), spans, ..Default::default() }],
                    ..Default::default()
                });
            }
        }
    }
    parts.iter().map(Message::encode_to_vec).collect()
}

/// One owner's slices of many requests, as they lie in its queue, into one call.
fn gathers(c: &mut Criterion) {
    let mut group = c.benchmark_group("gather");
    group.sample_size(30);
    for owners in [4, 16, 64] {
        let slices: Vec<Slice> = (0..REQUESTS)
            .filter_map(|seed| {
                let body = Bytes::from(request(seed).encode_to_vec());
                let split = Splitter::default().split(Signal::Traces, body, &mut ByTraceId { owners });
                let slices = split.expect("it was encoded here").slices;
                slices.into_iter().find(|(owner, _)| *owner == 0).map(|(_, slice)| slice)
            })
            .collect();
        let items = slices.iter().map(|slice| u64::from(slice.items)).sum();
        group.throughput(Throughput::Elements(items));
        let mut out = Vec::new();
        group.bench_function(format!("{REQUESTS} requests/{owners}"), |b| {
            b.iter(|| {
                out.clear();
                gather_into(black_box(&slices), &mut out);
                out.len()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, walks, gathers);
criterion_main!(benches);

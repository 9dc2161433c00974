//! Editors on a request of 128 spans: statements that match and that do not, 1, 10 and 100 of them, and each processor.
//!
//! ```text
//! cargo bench --bench edits                      # everything, and the budgets
//! cargo bench --bench edits -- processors        # a part
//! ```
//!
//! The claims it defends: a statement that does not match costs a span under 50 ns; a statement or processor that changes
//! every span costs less than decoding and encoding the request (`decode, encode`, prost, in the same run), and a
//! processor that changes nothing less than a third of that, or all of it where it runs patterns over every value.
//! Throughput is in spans; read the ratio of two lines of one run.

#![allow(missing_docs, clippy::print_stdout)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{Criterion, Throughput};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use ringtail::config::{Processor, load};
use ringtail::edit::{Around, Editor, Walker};
use ringtail::outcome::Signal;

/// As in the binary.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SPANS: usize = 128;
const SPANS_PER_RESOURCE: usize = 64;
/// What a statement that does not match may cost a span.
const IDLE_NANOS: f64 = 50.0;
/// What a processor may cost beside decoding and encoding: one that changes all spans, one that changes none.
const CHANGED: f64 = 1.0;
const UNCHANGED: f64 = 0.33;

/// Processors of one line, and whether they may cost as much as those that change spans.
const PROCESSORS: [(&str, bool, &str); 10] = [
    ("resource", false, "resource: {attributes: [{key: environment, value: production, action: insert}]}"),
    (
        "founding transform",
        true,
        "transform: {trace_statements: [{context: span, statements: ['replace_pattern(attributes[\"http.url\"], \
         \"password=.*\", \"password=REDACTED\")']}]}",
    ),
    (
        "attributes",
        true,
        "attributes: {actions: [{key: url.path, action: delete}, {key: new, value: 1, action: upsert}]}",
    ),
    ("attributes, absent", false, "attributes: {actions: [{key: absent, action: delete}]}"),
    ("filter, none", false, "filter: {traces: {span: ['attributes[\"http.route\"] == \"/healthz\"']}}"),
    ("filter, half", true, "filter: {traces: {span: ['kind == SPAN_KIND_CLIENT']}}"),
    (
        "redaction, none",
        true,
        "redaction: {allow_all_keys: true, blocked_values: ['4[0-9]{12}', '5[1-5][0-9]{14}'], summary: silent}",
    ),
    ("redaction", true, "redaction: {allow_all_keys: true, blocked_values: ['password=[a-z0-9]*']}"),
    ("probabilistic_sampler, all", true, "probabilistic_sampler: {sampling_percentage: 100}"),
    ("probabilistic_sampler, tenth", true, "probabilistic_sampler: {sampling_percentage: 10}"),
];

fn text(key: &str, value: impl Into<String>) -> KeyValue {
    let value = Some(AnyValue { value: Some(any_value::Value::StringValue(value.into())) });
    KeyValue { key: key.into(), value, ..Default::default() }
}

/// About 500 bytes, as a traced HTTP call has; every second one carries a password.
fn span(number: u64) -> Span {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let id = (u128::from(mixed) << 64 | u128::from(mixed.rotate_left(31))).to_be_bytes();
    let query = if number.is_multiple_of(2) { "?user=joe&password=hunter2" } else { "" };
    Span {
        trace_id: id.to_vec(),
        span_id: mixed.to_be_bytes().to_vec(),
        parent_span_id: number.to_be_bytes().to_vec(),
        name: "GET /api/v1/orders/{order}".into(),
        kind: 2 + (number % 2) as i32,
        start_time_unix_nano: 1_700_000_000_000_000_000 + number,
        end_time_unix_nano: 1_700_000_000_050_000_000 + number,
        attributes: vec![
            text("http.request.method", "GET"),
            text("url.path", format!("/api/v1/orders/{mixed:016x}")),
            text("http.url", format!("https://orders.shop.internal/api/v1/orders/{mixed:016x}{query}")),
            text("server.address", "orders.shop.internal"),
            text("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Firefox/143.0"),
            text("http.route", "/api/v1/orders/{order}"),
        ],
        ..Default::default()
    }
}

fn request() -> ExportTraceServiceRequest {
    let entry = |first: usize| ResourceSpans {
        resource: Some(Resource { attributes: vec![text("service.name", "shop")], ..Default::default() }),
        scope_spans: vec![ScopeSpans {
            scope: Some(InstrumentationScope { name: "http".into(), ..Default::default() }),
            spans: (first..first + SPANS_PER_RESOURCE).map(|n| span(n as u64)).collect(),
            ..Default::default()
        }],
        ..Default::default()
    };
    ExportTraceServiceRequest { resource_spans: (0..SPANS).step_by(SPANS_PER_RESOURCE).map(entry).collect() }
}

/// The editors of a processor as it is configured.
fn editors(processor: &str) -> Vec<Box<dyn Editor>> {
    let name = processor.split(':').next().unwrap_or_default();
    let config = format!(
        "yaml:{{receivers: {{otlp: {{protocols: {{grpc: }}}}}}, exporters: {{nop: }}, processors: {{{processor}}}, \
         service: {{pipelines: {{traces: {{receivers: [otlp], processors: [{name}], exporters: [nop]}}}}}}}}"
    );
    let loaded = load(&[config], &[], &|_| None).unwrap_or_else(|errors| panic!("{errors}"));
    let edits = loaded.settings.processors.values().map(|processor| match processor {
        Processor::Edit(config) => config.editors(Signal::Traces),
        other => panic!("{other:?}"),
    });
    edits.flatten().collect()
}

/// A transform of so many statements.
fn transform(count: usize, statement: impl Fn(usize) -> String) -> Vec<Box<dyn Editor>> {
    let list: Vec<String> = (0..count).map(|at| format!("'{}'", statement(at))).collect();
    editors(&format!(
        "transform: {{trace_statements: [{{context: span, statements: [{}]}}]}}",
        list.join(", ")
    ))
}

/// Each asks for an attribute that the spans have, in turn, and another value of it.
fn idle(at: usize) -> String {
    let keys = [
        "http.request.method",
        "url.path",
        "http.url",
        "server.address",
        "user_agent.original",
        "http.route",
    ];
    format!(
        "set(attributes[\"out\"], \"x\") where attributes[\"{}\"] == \"other {at}\"",
        keys[at % keys.len()]
    )
}

fn matching(at: usize) -> String {
    format!("set(attributes[\"key {at}\"], \"value\") where kind > 1")
}

struct Bench {
    body: Bytes,
    walker: Walker,
}

impl Bench {
    fn new() -> Self {
        Self { body: request().encode_to_vec().into(), walker: Walker::default() }
    }

    fn edit(&mut self, editors: &mut [Box<dyn Editor>]) -> Bytes {
        let around = Around { signal: Signal::Traces, origin: None, now_unix_nanos: 1, random: || 7 };
        let mut body = self.body.clone();
        for editor in editors {
            body =
                self.walker.edit(black_box(&body), &around, editor.as_mut()).expect("it can be edited").body;
        }
        body
    }

    /// Nanoseconds a span, the best of many: what the machine does beside only makes it longer.
    fn nanos(&mut self, editors: &mut [Box<dyn Editor>]) -> f64 {
        best(|| drop(black_box(self.edit(editors)))) / SPANS as f64
    }
}

fn best(mut work: impl FnMut()) -> f64 {
    let (start, mut best) = (Instant::now(), f64::MAX);
    while start.elapsed() < Duration::from_millis(500) {
        let once = Instant::now();
        work();
        best = best.min(once.elapsed().as_nanos() as f64);
    }
    best
}

fn decode_encode(body: &Bytes) -> Vec<u8> {
    ExportTraceServiceRequest::decode(black_box(&body[..])).expect("it is a request").encode_to_vec()
}

fn benches(c: &mut Criterion) {
    let mut bench = Bench::new();
    for (name, text) in [("not matching", idle as fn(usize) -> String), ("matching", matching)] {
        let mut group = c.benchmark_group(name);
        group.throughput(Throughput::Elements(SPANS as u64)).sample_size(20);
        for count in [1, 10, 100] {
            let mut editors = transform(count, text);
            group.bench_function(count.to_string(), |b| b.iter(|| bench.edit(&mut editors)));
        }
        group.finish();
    }
    let mut group = c.benchmark_group("processors");
    group.throughput(Throughput::Elements(SPANS as u64)).sample_size(20);
    let body = bench.body.clone();
    group.bench_function("decode, encode", |b| b.iter(|| decode_encode(&body)));
    for (name, _, processor) in PROCESSORS {
        let mut editors = editors(processor);
        group.bench_function(name, |b| b.iter(|| bench.edit(&mut editors)));
    }
    group.finish();
}

/// States each budget and what is seen of it.
fn judge() {
    let mut bench = Bench::new();
    let say = |what: &str, value: f64, at_most: f64| {
        let verdict = if value <= at_most { "met" } else { "MISSED" };
        println!("budget {what}: {value:.2}, at most {at_most}: {verdict}");
    };
    let [few, many] = [10, 100].map(|count| bench.nanos(&mut transform(count, idle)));
    say("ns a span for a statement that does not match", (many - few) / 90.0, IDLE_NANOS);
    let body = bench.body.clone();
    let codec = best(|| drop(black_box(decode_encode(&body)))) / SPANS as f64;
    println!("decode and encode: {codec:.0} ns a span");
    let [one, ten] = [1, 10].map(|count| bench.nanos(&mut transform(count, matching)));
    let each = (ten - one) / 9.0;
    say(&format!("a statement that sets ({each:.0} ns a span) × decode, encode"), each / codec, CHANGED);
    for (name, changes, processor) in PROCESSORS {
        let nanos = bench.nanos(&mut editors(processor));
        say(
            &format!("{name} ({nanos:.0} ns a span) × decode, encode"),
            nanos / codec,
            if changes { CHANGED } else { UNCHANGED },
        );
    }
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    benches(&mut criterion);
    criterion.final_summary();
    let all = std::env::args().skip(1).all(|argument| argument.starts_with("--"));
    if all && std::env::args().any(|argument| argument == "--bench") {
        judge();
    }
}

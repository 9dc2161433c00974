//! Pre-encoded export requests, of which only ids and status codes change from one send to the next.

use bytes::BytesMut;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message;

use super::shape::Shape;
use super::{ids, scan};

/// Spans under one resource, as an SDK's exporter of 100 spans a flush would leave them behind an agent's batcher.
const SPANS_PER_RESOURCE: usize = 100;
/// The gRPC message prefix: a byte for compression, four for the length.
pub const PREFIX: usize = 5;

/// `Status.code`.
const OK: u8 = 1;
const ERROR: u8 = 2;

/// A request with its gRPC prefix, and where its ids and its status codes are.
pub struct Payload {
    template: Vec<u8>,
    places: Vec<scan::SpanAt>,
    codes: Vec<usize>, // none if no span has a status
    shape: Shape,
}

impl Payload {
    /// Encodes the request that all sends share.
    pub fn new(shape: Shape) -> Self {
        let body = encode(&shape, OK);
        let mut places = Vec::with_capacity(shape.spans);
        scan::spans(&body, |at| {
            places.push(scan::SpanAt { trace: at.trace + PREFIX, span: at.span + PREFIX });
        })
        .expect("the encoder writes what the scanner reads");
        // The code of a span is the one byte by which its two encodings differ.
        let differ = body.iter().zip(encode(&shape, ERROR)).enumerate().filter(|(_, (a, b))| *a != b);
        let codes = differ.map(|(at, _)| at + PREFIX).collect();
        let length = u32::try_from(body.len()).expect("a request is smaller than 4 GiB");
        let template = [&[0][..], &length.to_be_bytes(), &body].concat();
        Self { template, places, codes, shape }
    }

    /// A buffer to patch and send.
    pub fn fresh(&self) -> BytesMut {
        BytesMut::from(&self.template[..])
    }

    /// Spans in a request.
    pub fn spans(&self) -> u64 {
        self.places.len() as u64
    }

    /// Bytes a span, all told.
    pub fn bytes_per_span(&self) -> usize {
        self.template.len() / self.places.len()
    }

    /// Writes the ids and codes of request `number` into a buffer that came from `fresh`.
    pub fn patch(&self, buffer: &mut BytesMut, number: u64) {
        let first_span = number * self.spans();
        for (index, at) in (0_u64..).zip(&self.places) {
            let trace = ids::trace_id(self.shape.seed, self.shape.trace_of(number, index));
            buffer[at.trace..at.trace + 16].copy_from_slice(&trace);
            buffer[at.span..at.span + 8].copy_from_slice(&ids::span_id(self.shape.seed, first_span + index));
        }
        for (index, at) in (0_u64..).zip(&self.codes) {
            buffer[*at] = if self.shape.is_error(number, index) { ERROR } else { OK };
        }
    }
}

/// The body of a request whose spans all have the same status.
fn encode(shape: &Shape, code: u8) -> Vec<u8> {
    let mut numbers = 0..shape.spans;
    let mut resource_spans = Vec::new();
    while !numbers.is_empty() {
        let spans: Vec<_> = numbers.by_ref().take(SPANS_PER_RESOURCE).map(|n| span(shape, n, code)).collect();
        resource_spans.push(resource(shape.seed, resource_spans.len(), spans));
    }
    ExportTraceServiceRequest { resource_spans }.encode_to_vec()
}

fn resource(seed: u64, index: usize, spans: Vec<Span>) -> ResourceSpans {
    let pod = ids::mix(seed ^ index as u64);
    let attributes = vec![
        text("service.name", format!("checkout-{}", pod % 20)),
        text("service.version", "2.14.3"),
        text("service.namespace", "shop"),
        text("service.instance.id", format!("{pod:016x}")),
        text("k8s.pod.name", format!("checkout-7c9d8f6b5-{:05x}", pod & 0xf_ffff)),
        text("host.name", format!("node-{}.eu-west-1.internal", pod % 300)),
        text("deployment.environment.name", "production"),
        text("telemetry.sdk.language", "java"),
        text("telemetry.sdk.version", "1.49.0"),
    ];
    let scope = InstrumentationScope {
        name: "io.opentelemetry.servlet-5.0".into(),
        version: "2.14.0".into(),
        ..Default::default()
    };
    ResourceSpans {
        resource: Some(Resource { attributes, ..Default::default() }),
        scope_spans: vec![ScopeSpans { scope: Some(scope), spans, ..Default::default() }],
        ..Default::default()
    }
}

fn span(shape: &Shape, index: usize, code: u8) -> Span {
    let random = ids::mix(shape.seed.rotate_left(17) ^ index as u64);
    let start = 1_760_000_000_000_000_000 + (random % 500_000_000);
    let mut span = Span {
        trace_id: vec![0xff; 16],
        span_id: vec![0xff; 8],
        parent_span_id: random.to_be_bytes().to_vec(),
        flags: 0x101,
        name: format!("GET /api/v1/orders/{{id}}/{}", random % 40),
        kind: 2,
        start_time_unix_nano: start,
        end_time_unix_nano: start + random % 250_000_000,
        attributes: vec![
            text("http.request.method", "GET"),
            number("http.response.status_code", if random.is_multiple_of(50) { 500 } else { 200 }),
            text("http.route", "/api/v1/orders/{id}"),
            text("url.path", format!("/api/v1/orders/{:08x}", random >> 32)),
            text("url.scheme", "https"),
            text("server.address", "orders.shop.internal"),
            number("server.port", 8443),
            text("client.address", format!("10.1.{}.{}", random >> 8 & 0xff, random & 0xff)),
            text(
                "user_agent.original",
                "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0",
            ),
            number("thread.id", i64::from(random as u8)),
        ],
        ..Default::default()
    };
    if shape.errors_one_in > 1 {
        span.status = Some(Status { code: i32::from(code), ..Default::default() });
    }
    if shape.urls {
        let query = if index.is_multiple_of(2) { "?user=joe&password=hunter2" } else { "" };
        span.attributes.push(text("http.url", format!("https://orders.shop.internal/{random:08x}{query}")));
    }
    if shape.padding > 0 {
        span.attributes.push(text("db.query.text", "x".repeat(shape.padding)));
    }
    span
}

fn text(key: &str, value: impl Into<String>) -> KeyValue {
    attribute(key, any_value::Value::StringValue(value.into()))
}

fn number(key: &str, value: i64) -> KeyValue {
    attribute(key, any_value::Value::IntValue(value))
}

fn attribute(key: &str, value: any_value::Value) -> KeyValue {
    KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }), ..Default::default() }
}

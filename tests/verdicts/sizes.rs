//! Traces around one size, byte by byte, in every form that two encoders may count differently.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, any_value::Value,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message;

use crate::corpus::{NOW, TraceId, request};

/// The size that the limits of policy sets stand at.
pub const SIZE: usize = 400;
/// How far sizes go to either side.
const AROUND: usize = 9;
const PREFIX: u8 = 0xc0;

type Change = fn(&mut Vec<ResourceSpans>);

/// What each form changes in a trace of one span without anything optional.
const FORMS: &[Change] = &[
    |_| {},
    |all| all[0].resource = Some(Resource::default()),
    |all| all[0].scope_spans[0].scope = Some(InstrumentationScope::default()),
    |all| span(all).status = Some(Status::default()),
    |all| span(all).status = Some(Status { code: 2, message: "m".into() }),
    |all| span(all).parent_span_id = vec![0; 8],
    |all| span(all).parent_span_id = vec![7; 8],
    |all| span(all).span_id = vec![0; 8],
    |all| span(all).span_id = Vec::new(),
    |all| span(all).flags = 0x301,
    |all| (span(all).start_time_unix_nano, span(all).end_time_unix_nano) = (0, 0),
    |all| span(all).events = vec![Event::default(), Event { name: "e".into(), ..Event::default() }],
    |all| span(all).links = vec![Link { trace_id: vec![1; 16], span_id: vec![2; 8], ..Link::default() }],
    |all| span(all).links = vec![Link::default()],
    |all| span(all).dropped_attributes_count = 300,
    |all| span(all).kind = 2,
    |all| span(all).attributes = values(),
    |all| span(all).attributes.push(KeyValue::default()),
    |all| {
        all[0].schema_url = "https://schema/resource".into();
        all[0].scope_spans[0].schema_url = "https://schema/scope".into();
    },
    |all| all.push(all[0].clone()),
    |all| {
        let scope = all[0].scope_spans[0].clone();
        all[0].scope_spans.push(scope);
    },
    |all| all[0].scope_spans.push(ScopeSpans::default()),
    |all| all.push(ResourceSpans::default()),
    |all| {
        let mut other = span(all).clone();
        other.trace_id[15] ^= 0xff;
        all[0].scope_spans[0].spans.push(other);
    },
];

/// One request a trace.
pub fn requests() -> Vec<ExportTraceServiceRequest> {
    let all = FORMS.iter().zip(0..).flat_map(|(form, number)| {
        (SIZE - AROUND..=SIZE + AROUND).zip(0..).map(move |(size, step)| of_size(*form, size, [number, step]))
    });
    all.map(request).collect()
}

/// A trace that an OpenTelemetry Collector counts [`SIZE`] bytes for, whatever it adds to a form.
pub fn filled() -> ExportTraceServiceRequest {
    let full: Change = |all| {
        all[0].resource = Some(Resource::default());
        all[0].scope_spans[0].scope = Some(InstrumentationScope::default());
        span(all).status = Some(Status { code: 2, message: "m".into() });
        span(all).parent_span_id = vec![7; 8];
    };
    request(of_size(full, SIZE, [u8::MAX, 0]))
}

fn of_size(form: Change, size: usize, [form_number, step]: [u8; 2]) -> Vec<ResourceSpans> {
    let mut trace_id: TraceId = [0x11; 16];
    (trace_id[0], trace_id[13], trace_id[14]) = (PREFIX, form_number, step);
    let span = Span {
        trace_id: trace_id.to_vec(),
        span_id: vec![form_number | 1, step | 1, 1, 1, 1, 1, 1, 1],
        start_time_unix_nano: NOW,
        end_time_unix_nano: NOW + 1,
        ..Span::default()
    };
    let scope_spans = vec![ScopeSpans { spans: vec![span], ..ScopeSpans::default() }];
    let mut all = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
    form(&mut all);
    let own_size = |all: &[ResourceSpans]| all.iter().map(|of| own_size(of, &trace_id)).sum::<usize>();
    let bare = own_size(&all);
    // Two lengths grow by a byte on the way, so the name is fitted by trying.
    let mut fitted = all.clone();
    for letters in 0..size - bare {
        fitted.clone_from(&all);
        self::span(&mut fitted).name = "n".repeat(letters);
        if own_size(&fitted) >= size {
            break;
        }
    }
    fitted
}

/// Size of a trace's part, without what this collector does not keep.
fn own_size(of: &ResourceSpans, trace_id: &TraceId) -> usize {
    let mut of = of.clone();
    of.schema_url.clear();
    for scope in &mut of.scope_spans {
        scope.schema_url.clear();
        scope.spans.retain(|span| span.trace_id == trace_id);
    }
    of.scope_spans.retain(|scope| !scope.spans.is_empty());
    if of.scope_spans.is_empty() { 0 } else { of.encoded_len() }
}

fn span(all: &mut [ResourceSpans]) -> &mut Span {
    &mut all[0].scope_spans[0].spans[0]
}

fn values() -> Vec<KeyValue> {
    let nested = ArrayValue { values: vec![AnyValue::default()] };
    let values = [
        None,
        Some(Value::StringValue(String::new())),
        Some(Value::BoolValue(false)),
        Some(Value::IntValue(0)),
        Some(Value::DoubleValue(0.0)),
        Some(Value::BytesValue(Vec::new())),
        Some(Value::ArrayValue(nested)),
    ];
    let attribute =
        |value| KeyValue { key: "v".into(), value: Some(AnyValue { value }), ..KeyValue::default() };
    values.into_iter().map(attribute).collect()
}

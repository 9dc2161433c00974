//! What the tests of this folder share: values and requests, decoded and encoded by another implementation.

use std::sync::Arc;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message as _;

use super::{Around, Edited, Editor, Walker};
use crate::origin::Origin;
use crate::outcome::Signal;

pub(super) fn valued(value: Any) -> AnyValue {
    AnyValue { value: Some(value) }
}

pub(super) fn encoded(value: Any) -> Vec<u8> {
    valued(value).encode_to_vec()
}

pub(super) fn text(value: &str) -> Any {
    Any::StringValue(value.into())
}

pub(super) fn list(values: Vec<Any>) -> Any {
    Any::ArrayValue(ArrayValue { values: values.into_iter().map(valued).collect() })
}

pub(super) fn map(pairs: Vec<(&str, Any)>) -> Any {
    Any::KvlistValue(KeyValueList { values: attributes(pairs) })
}

pub(super) fn attributes(pairs: Vec<(&str, Any)>) -> Vec<KeyValue> {
    let pair = |(key, value): (&str, Any)| KeyValue {
        key: key.into(),
        value: Some(valued(value)),
        ..KeyValue::default()
    };
    pairs.into_iter().map(pair).collect()
}

/// A request of one resource and scope.
pub(super) fn request(resource: Vec<KeyValue>, spans: Vec<Span>) -> ExportTraceServiceRequest {
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(Resource { attributes: resource, ..Resource::default() }),
            scope_spans: vec![ScopeSpans { spans, ..ScopeSpans::default() }],
            ..ResourceSpans::default()
        }],
    }
}

pub(super) fn span(name: &str, pairs: Vec<(&str, Any)>) -> Span {
    let attributes = attributes(pairs);
    Span { trace_id: vec![7; 16], span_id: vec![1; 8], name: name.into(), attributes, ..Span::default() }
}

pub(super) fn around(signal: Signal) -> Around<'static> {
    Around { signal, origin: None, now_unix_nanos: 1_700_000_000_000_000_000, random: || 7 }
}

/// Edits an encoded request of traces.
pub(super) fn edit(request: &ExportTraceServiceRequest, editor: &mut dyn Editor) -> (Edited, Vec<Span>) {
    edit_with(request, editor, None)
}

pub(super) fn edit_with(
    request: &ExportTraceServiceRequest,
    editor: &mut dyn Editor,
    origin: Option<Origin>,
) -> (Edited, Vec<Span>) {
    let body = request.encode_to_vec().into();
    let origin = origin.map(Arc::new);
    let around = Around { origin: origin.as_ref(), ..around(Signal::Traces) };
    let edited = Walker::default().edit(&body, &around, editor).unwrap();
    let decoded = ExportTraceServiceRequest::decode(edited.body.clone()).unwrap();
    let scopes = decoded.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
    let spans = scopes.flat_map(|scope| scope.spans).collect();
    (edited, spans)
}

/// The attributes in order of their keys, as `key=value` for text and numbers.
pub(super) fn shown(attributes: &[KeyValue]) -> String {
    let show = |pair: &KeyValue| {
        let value = pair.value.clone().and_then(|value| value.value);
        match value {
            Some(Any::StringValue(text)) => format!("{}={text}", pair.key),
            Some(Any::IntValue(value)) => format!("{}={value}i", pair.key),
            Some(Any::DoubleValue(value)) => format!("{}={value}d", pair.key),
            Some(Any::BoolValue(value)) => format!("{}={value}", pair.key),
            other => format!("{}={other:?}", pair.key),
        }
    };
    let mut shown: Vec<String> = attributes.iter().map(show).collect();
    shown.sort();
    shown.join(" ")
}

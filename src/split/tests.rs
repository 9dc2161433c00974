//! Split and gather against the decoded truth.

use std::collections::BTreeMap;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use proptest::prelude::*;
use prost::Message;

use super::*;
use crate::outcome::Signal;
use crate::trace_id::TraceId;
use crate::wire::write_varint;

/// The last byte of the trace id, modulo the number of owners; spans without a valid id are rejected.
struct ByLastByte(u8);

impl Chooser for ByLastByte {
    fn item(&mut self, item: &[u8]) -> Choice {
        let span = Span::decode(item).unwrap();
        match TraceId::from_slice(&span.trace_id) {
            Some(id) => Choice::Owner(u16::from(id.as_bytes()[15] % self.0)),
            None => Choice::Reject,
        }
    }
}

fn text(value: &str) -> AnyValue {
    AnyValue { value: Some(any_value::Value::StringValue(value.into())) }
}

fn attribute(key: &str, value: &str) -> KeyValue {
    KeyValue { key: key.into(), value: Some(text(value)), ..Default::default() }
}

prop_compose! {
    fn span()(trace in 0u8..20, id: u64, name in "[a-z]{0,12}", attributes in 0usize..4) -> Span {
        let mut trace_id = vec![trace; 16];
        if trace == 19 { trace_id.truncate(8); }
        Span {
            trace_id,
            span_id: id.to_be_bytes().to_vec(),
            name,
            attributes: (0..attributes).map(|n| attribute(&format!("k{n}"), "v")).collect(),
            ..Default::default()
        }
    }
}

prop_compose! {
    fn scope()(name in 0u8..3, url in 0u8..2, spans in prop::collection::vec(span(), 0..8)) -> ScopeSpans {
        ScopeSpans {
            scope: Some(InstrumentationScope { name: format!("scope{name}"), ..Default::default() }),
            spans,
            schema_url: if url == 0 { String::new() } else { "https://schema".into() },
        }
    }
}

prop_compose! {
    fn resource()(service in 0u8..3, scopes in prop::collection::vec(scope(), 0..4)) -> ResourceSpans {
        ResourceSpans {
            resource: Some(Resource {
                attributes: vec![attribute("service.name", &format!("s{service}"))],
                ..Default::default()
            }),
            scope_spans: scopes,
            schema_url: String::new(),
        }
    }
}

prop_compose! {
    fn request()(resource_spans in prop::collection::vec(resource(), 0..4)) -> ExportTraceServiceRequest {
        ExportTraceServiceRequest { resource_spans }
    }
}

/// Every span with its resource and scope, counted: what must be equal before and after.
fn census(requests: &[ExportTraceServiceRequest]) -> BTreeMap<Vec<u8>, usize> {
    let mut census = BTreeMap::new();
    for entry in requests.iter().flat_map(|r| &r.resource_spans) {
        for scope in &entry.scope_spans {
            for span in &scope.spans {
                let mut key = entry.resource.clone().unwrap_or_default().encode_to_vec();
                key.extend(scope.scope.clone().unwrap_or_default().encode_to_vec());
                key.extend(scope.schema_url.as_bytes());
                key.extend(span.encode_to_vec());
                *census.entry(key).or_insert(0) += 1;
            }
        }
    }
    census
}

fn only_valid(mut request: ExportTraceServiceRequest) -> ExportTraceServiceRequest {
    for scope in request.resource_spans.iter_mut().flat_map(|r| &mut r.scope_spans) {
        scope.spans.retain(|span| TraceId::from_slice(&span.trace_id).is_some());
    }
    request
}

proptest! {
    // Scenario: several requests are split among owners, and each owner's slices leave as one call.
    // Guarantees: every span arrives once, under its own resource and scope, at its own owner; the rest is counted.
    #[test]
    fn split_and_gather_lose_nothing(requests in prop::collection::vec(request(), 1..5), owners in 1u8..6) {
        let mut splitter = Splitter::default();
        let mut lanes: BTreeMap<u16, Vec<Slice>> = BTreeMap::new();
        let (mut items, mut rejected) = (0, 0);
        for request in &requests {
            let body = Bytes::from(request.encode_to_vec());
            let spans: usize = census(std::slice::from_ref(request)).values().sum();
            prop_assert_eq!(count_items(Signal::Traces, &body).unwrap(), spans as u64);
            let split = splitter.split(Signal::Traces, body, &mut ByLastByte(owners)).unwrap();
            items += split.items;
            rejected += split.rejected;
            for (owner, slice) in split.slices {
                lanes.entry(owner).or_default().push(slice);
            }
        }
        let mut arrived = Vec::new();
        for (owner, slices) in &lanes {
            let bytes = gather(slices);
            prop_assert!(bytes.len() <= slices.iter().map(|s| s.bytes).sum());
            let call = ExportTraceServiceRequest::decode(&bytes[..]).unwrap();
            for span in call.resource_spans.iter().flat_map(|r| &r.scope_spans).flat_map(|s| &s.spans) {
                prop_assert_eq!(u16::from(span.trace_id[15] % owners), *owner);
            }
            let counted: u32 = slices.iter().map(|s| s.items).sum();
            prop_assert_eq!(count_items(Signal::Traces, &bytes).unwrap(), u64::from(counted));
            arrived.push(call);
        }
        let sent: Vec<_> = requests.into_iter().map(only_valid).collect();
        let sent = census(&sent);
        prop_assert_eq!(sent.values().sum::<usize>() as u64, items - rejected);
        prop_assert_eq!(census(&arrived), sent);
    }

    #[test]
    fn a_detached_slice_is_the_same_slice(request in request()) {
        let body = Bytes::from(request.encode_to_vec());
        let split = Splitter::default().split(Signal::Traces, body, &mut ByLastByte(3)).unwrap();
        for (_, slice) in split.slices {
            let copy = slice.detached();
            prop_assert_eq!(copy.items, slice.items);
            let (a, b) = (gather(&[slice]), gather(&[copy]));
            prop_assert_eq!(ExportTraceServiceRequest::decode(&a[..]), ExportTraceServiceRequest::decode(&b[..]));
        }
    }

    #[test]
    fn arbitrary_bytes_are_refused_or_split_but_never_panic(bytes: Vec<u8>) {
        struct One;
        impl Chooser for One {
            fn item(&mut self, item: &[u8]) -> Choice { Choice::Owner(item.len() as u16 % 3) }
        }
        if let Ok(split) = Splitter::default().split(Signal::Traces, Bytes::from(bytes), &mut One) {
            for (_, slice) in split.slices {
                gather(&[slice]);
            }
        }
    }
}

#[test]
fn equal_resources_of_many_requests_are_written_once() {
    let entry = |trace: u8| ResourceSpans {
        resource: Some(Resource {
            attributes: vec![attribute("service.name", "shop")],
            ..Default::default()
        }),
        scope_spans: vec![ScopeSpans {
            spans: vec![Span { trace_id: vec![trace; 16], ..Default::default() }],
            ..Default::default()
        }],
        ..Default::default()
    };
    let mut slices = Vec::new();
    for trace in 1..=40u8 {
        let request = ExportTraceServiceRequest { resource_spans: vec![entry(trace), entry(trace + 1)] };
        let body = Bytes::from(request.encode_to_vec());
        let split = Splitter::default().split(Signal::Traces, body, &mut ByLastByte(2)).unwrap();
        slices.extend(split.slices.into_iter().map(|(_, slice)| slice));
    }
    let call = ExportTraceServiceRequest::decode(&gather(&slices)[..]).unwrap();
    assert_eq!(call.resource_spans.len(), 1);
    assert_eq!(call.resource_spans[0].scope_spans.len(), 1);
    assert_eq!(call.resource_spans[0].scope_spans[0].spans.len(), 80);
}

// Scenario: a sender from before 2022 uses field 1000, with a field unknown to everybody beside it.
// Guarantees: its spans travel as today's scope spans, and the unknown field travels with the resource.
#[test]
fn deprecated_and_unknown_fields_travel() {
    let span = Span { trace_id: vec![7; 16], ..Default::default() }.encode_to_vec();
    let mut entry = nested(1000, &nested(2, &span));
    entry.extend(nested(77, b"from the future"));
    let mut two = span.clone();
    two[2] = 9; // another trace id, so that the slice is not the whole request
    entry.extend(nested(1000, &nested(2, &two)));
    let body = Bytes::from(nested(1, &entry));
    assert_eq!(count_items(Signal::Traces, &body), Ok(2));
    struct ByFirst;
    impl Chooser for ByFirst {
        fn item(&mut self, item: &[u8]) -> Choice {
            Choice::Owner(u16::from(item[2]))
        }
    }
    let split = Splitter::default().split(Signal::Traces, body, &mut ByFirst).unwrap();
    assert_eq!(split.slices.len(), 2);
    let bytes = gather(&[split.slices[0].1.clone()]);
    assert!(bytes.windows(15).any(|w| w == b"from the future"));
    let call = ExportTraceServiceRequest::decode(&bytes[..]).unwrap();
    assert_eq!(call.resource_spans[0].scope_spans[0].spans.len(), 1);
}

fn nested(number: u64, message: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    write_varint(&mut out, number << 3 | 2);
    write_varint(&mut out, message.len() as u64);
    out.extend_from_slice(message);
    out
}

// Scenario: a metric without data points, which counts as no item, is nobody's; another has an owner.
// Guarantees: it stays out of the owner's slice although the count of rejected items is zero.
#[test]
fn a_rejected_metric_without_points_stays_behind() {
    struct ByName;
    impl Chooser for ByName {
        fn item(&mut self, item: &[u8]) -> Choice {
            if item.contains(&b'x') { Choice::Reject } else { Choice::Owner(0) }
        }
    }
    let empty = nested(1, b"x");
    let full = [nested(1, b"y"), nested(5, &nested(1, &[]))].concat();
    let body = nested(1, &nested(2, &[nested(2, &empty), nested(2, &full)].concat()));
    let split = Splitter::default().split(Signal::Metrics, body.into(), &mut ByName).unwrap();
    assert_eq!((split.items, split.rejected), (1, 0));
    assert_eq!(gather(&[split.slices[0].1.clone()]), nested(1, &nested(2, &nested(2, &full))));
}

// Scenario: scopes of the kind from before 2022 stand beside today's and are damaged.
// Guarantees: counting ignores them as splitting does.
#[test]
fn damaged_deprecated_scopes_beside_others_are_ignored_by_all() {
    let body = nested(1, &[nested(1000, &[0x0c]), nested(2, &nested(2, b""))].concat());
    assert_eq!(count_items(Signal::Traces, &body), Ok(1));
    let split = Splitter::default().split(Signal::Traces, body.into(), &mut ByLastByte(1)).unwrap();
    assert_eq!((split.items, split.rejected), (1, 1));
    let alone = nested(1, &nested(1000, &[0x0c]));
    assert!(count_items(Signal::Traces, &alone).is_err());
}
